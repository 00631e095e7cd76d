#include "tokenizers/merge_table.h"

#include <stdlib.h>

/* ---- the table ---------------------------------------------------------------------------------------------------- */

static uint64_t pair_of(int32_t a, int32_t b)
{
    return (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
}

static uint64_t hash_of(uint64_t pair)
{
    uint64_t h = pair * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

/* Never 0, which means free. */
static uint16_t tag_of(uint64_t hash)
{
    return (uint16_t)(hash >> 48 | 1);
}

/* The place of a pair, or the free one where it would stand. */
static inline uint64_t place_of(const ae_merge_table *t, uint64_t pair)
{
    uint64_t h = hash_of(pair), i = h & t->mask;
    uint16_t tag = tag_of(h);
    while (t->tags[i] && (t->tags[i] != tag || t->merges[i].pair != pair)) {
        i = (i + 1) & t->mask;
    }
    return i;
}

int ae_merge_table_init(ae_merge_table *t, int64_t count, ae_err *e)
{
    uint64_t size = 16;
    while (size < (uint64_t)count * 2) {
        size *= 2;
    }
    *t = (ae_merge_table){malloc(size * sizeof *t->merges), calloc(size, sizeof *t->tags), size - 1};
    if (!t->merges || !t->tags) {
        ae_merge_table_free(t);
        return ae_err_set(e, AE_E_MEMORY, "no memory for %lld merges", (long long)count);
    }
    return 0;
}

void ae_merge_table_free(ae_merge_table *t)
{
    free(t->merges);
    free(t->tags);
    *t = (ae_merge_table){0};
}

void ae_merge_table_put(ae_merge_table *t, int32_t a, int32_t b, uint32_t rank, int32_t id)
{
    uint64_t place = place_of(t, pair_of(a, b));
    t->merges[place] = (ae_merge){pair_of(a, b), rank, id};
    t->tags[place] = tag_of(hash_of(pair_of(a, b)));
}

static inline const ae_merge *find(const ae_merge_table *t, int32_t a, int32_t b)
{
    uint64_t i = place_of(t, pair_of(a, b));
    return t->tags[i] ? &t->merges[i] : NULL;
}

/* ---- short words: look at all pairs for each merge ------------------------------------------------------------------ */

#define LAST_RANK INT32_MAX

static void rate_short(const ae_merge_table *t, ae_short_word *s, size_t i, size_t n)
{
    size_t next = s->next[i];
    const ae_merge *found = next < n ? find(t, s->id[i], s->id[next]) : NULL;
    s->rank[i] = found ? (int32_t)found->rank : LAST_RANK;
    s->merged[i] = found ? found->id : -1;
}

void ae_merge_short_word(const ae_merge_table *t, ae_short_word *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->next[i] = (uint8_t)(i + 1);
        s->before[i] = (uint8_t)(i - 1);
        rate_short(t, s, i, n);
    }
    for (;;) {
        int32_t rank = LAST_RANK;
        for (size_t i = 0; i < n; i++) {
            rank = s->rank[i] < rank ? s->rank[i] : rank;
        }
        if (rank == LAST_RANK) {
            break;
        }
        size_t i = 0;
        while (s->rank[i] != rank) {
            i++;
        }
        size_t gone = s->next[i];
        s->id[i] = s->merged[i];
        s->end[i] = s->end[gone];
        s->next[i] = s->next[gone];
        s->rank[gone] = LAST_RANK;
        if (s->next[i] < n) {
            s->before[s->next[i]] = (uint8_t)i;
        }
        rate_short(t, s, i, n);
        if (i > 0) {
            rate_short(t, s, s->before[i], n);
        }
    }
}

/* ---- long words: a heap, so that n symbols cost n log n --------------------------------------------------------------- */

#define NO_RANK UINT32_MAX

/* Beside each symbol: the pair with the next one. */
typedef struct link {
    uint32_t rank;
    int32_t merged;
    int32_t before, next; /* in the linked list; -1: none; `before` GONE: joined to another */
} link;

enum { GONE = -2 };

/* What waits to be merged, the smallest rank and then the leftmost at the top of a heap. */
typedef struct waiting {
    uint32_t rank;
    int32_t at;
} waiting;

static bool sooner(waiting a, waiting b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void push(waiting *heap, size_t *count, waiting x)
{
    size_t i = (*count)++;
    for (; i > 0 && sooner(x, heap[(i - 1) / 2]); i = (i - 1) / 2) {
        heap[i] = heap[(i - 1) / 2];
    }
    heap[i] = x;
}

static waiting pop(waiting *heap, size_t *count)
{
    waiting top = heap[0], x = heap[--*count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        child += child + 1 < *count && sooner(heap[child + 1], heap[child]);
        if (child >= *count || !sooner(heap[child], x)) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
    return top;
}

typedef struct long_word {
    const ae_merge_table *table;
    ae_symbol *symbols;
    link *links;
    waiting *heap;
    size_t waits;
    const ae_merge_watch *watch;
} long_word;

static void rate(long_word *l, int32_t i)
{
    link *x = &l->links[i];
    const ae_merge *found = x->next >= 0 ? find(l->table, l->symbols[i].id, l->symbols[x->next].id) : NULL;
    x->rank = found ? found->rank : NO_RANK;
    x->merged = found ? found->id : -1;
    if (found) {
        push(l->heap, &l->waits, (waiting){found->rank, i});
        if (l->watch) {
            l->watch->seen(l->watch->self, found->id, l->symbols[i], l->symbols[x->next]);
        }
    }
}

static void join(long_word *l, int32_t i)
{
    link *x = &l->links[i];
    l->symbols[i].id = x->merged;
    l->symbols[i].end = l->symbols[x->next].end;
    int32_t next = l->links[x->next].next;
    l->links[x->next].before = GONE;
    x->next = next;
    if (next >= 0) {
        l->links[next].before = i;
    }
    if (x->before >= 0) {
        rate(l, x->before);
    }
    rate(l, i);
}

/* Entries of the heap go stale when a symbol changes, and are left out when they come up. */
static size_t merge_long(long_word *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        l->links[i] = (link){.before = (int32_t)i - 1, .next = i + 1 < n ? (int32_t)i + 1 : -1};
    }
    for (size_t i = 0; i < n; i++) {
        rate(l, (int32_t)i);
    }
    while (l->waits > 0) {
        waiting top = pop(l->heap, &l->waits);
        if (l->links[top.at].before != GONE && l->links[top.at].rank == top.rank) {
            join(l, top.at);
        }
    }
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (l->links[i].before != GONE) {
            l->symbols[left++] = l->symbols[i];
        }
    }
    return left;
}

/* ---- both ------------------------------------------------------------------------------------------------------------- */

static size_t merge_few(const ae_merge_table *t, ae_symbol *symbols, size_t n)
{
    ae_short_word s;
    for (size_t i = 0; i < n; i++) {
        s.id[i] = symbols[i].id;
        s.start[i] = symbols[i].start;
        s.end[i] = symbols[i].end;
    }
    ae_merge_short_word(t, &s, n);
    size_t left = 0;
    for (size_t i = 0; i < n; i = s.next[i]) {
        symbols[left++] = (ae_symbol){s.id[i], s.start[i], s.end[i]};
    }
    return left;
}

size_t ae_merge_symbols(const ae_merge_table *t, ae_symbol *symbols, size_t n, const ae_merge_watch *watch, ae_work *w)
{
    if (n <= AE_SHORT_WORD && !watch) {
        return merge_few(t, symbols, n);
    }
    /* Every merge puts two new pairs at most on the heap, and there are fewer merges than symbols. */
    link *links = ae_work_room(w, 2, n * sizeof *links + 3 * n * sizeof(waiting));
    if (!links) {
        return 0;
    }
    long_word l = {t, symbols, links, (waiting *)(links + n), 0, watch};
    return merge_long(&l, n);
}
