#include "tokenizers/trie.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256, WINDOW = 16 * BLOCK }; /* a free place is looked for in the last units only */

#define USED ((uint64_t)0x100)
#define HAS_ID ((uint64_t)0x200)
#define MOST_UNITS ((uint32_t)1 << 30)

/* Keys that share their first bytes and go on below one unit. */
typedef struct job {
    uint32_t begin, end, depth, unit;
} job;

typedef struct builder {
    uint64_t *units;
    uint32_t *next, *before; /* the ring of free units through unit 0, in order */
    uint8_t *taken;          /* bases */
    uint32_t count, room;
    job *jobs;
    size_t n_jobs, jobs_room;
} builder;

static int compare(const void *a, const void *b)
{
    const ae_trie_key *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->length < y->length ? x->length : y->length);
    if (order != 0) {
        return order;
    }
    return x->length != y->length ? (x->length > y->length) - (x->length < y->length)
                                  : (x->id > y->id) - (x->id < y->id);
}

/* ---- units -------------------------------------------------------------------------------------------------------- */

static bool resize(void **memory, size_t bytes)
{
    void *p = realloc(*memory, bytes);
    *memory = p ? p : *memory;
    return p;
}

static bool add_block(builder *b)
{
    if (b->count == b->room) {
        uint32_t room = b->room ? 2 * b->room : 4 * BLOCK;
        if (room > MOST_UNITS || !resize((void **)&b->units, room * sizeof *b->units) ||
            !resize((void **)&b->next, room * sizeof *b->next) ||
            !resize((void **)&b->before, room * sizeof *b->before) || !resize((void **)&b->taken, room)) {
            return false;
        }
        b->room = room;
    }
    for (uint32_t i = b->count; i < b->count + BLOCK; i++) {
        b->units[i] = 0;
        b->taken[i] = i == 0; /* base 0 is that of units without children */
        uint32_t last = i ? b->before[0] : 0;
        b->before[i] = last;
        b->next[i] = 0;
        b->next[last] = b->before[0] = i;
    }
    b->count += BLOCK;
    return true;
}

static void take(builder *b, uint32_t i)
{
    b->next[b->before[i]] = b->next[i];
    b->before[b->next[i]] = b->before[i];
}

static bool fits(const builder *b, uint32_t base, const unsigned char *labels, int count)
{
    if (b->taken[base]) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        uint32_t unit = base ^ labels[i];
        if (unit == 0 || b->units[unit] & USED) {
            return false;
        }
    }
    return true;
}

/* A base under which all children find a free unit, or 0 without memory. */
static uint32_t find_base(builder *b, const unsigned char *labels, int count)
{
    uint32_t first = b->count > WINDOW ? b->count - WINDOW : 1;
    for (uint32_t i = b->before[0]; i >= first && i != 0; i = b->before[i]) {
        if (fits(b, i ^ labels[0], labels, count)) {
            return i ^ labels[0];
        }
    }
    uint32_t base = b->count;
    return add_block(b) ? base : 0;
}

/* ---- building ----------------------------------------------------------------------------------------------------- */

static bool push(builder *b, job j)
{
    if (b->n_jobs == b->jobs_room) {
        size_t room = 2 * b->jobs_room + 256;
        if (!resize((void **)&b->jobs, room * sizeof *b->jobs)) {
            return false;
        }
        b->jobs_room = room;
    }
    b->jobs[b->n_jobs++] = j;
    return true;
}

static bool place_children(builder *b, const ae_trie_key *keys, job j)
{
    unsigned char labels[256];
    uint32_t begins[257];
    int count = 0;
    for (uint32_t i = j.begin; i < j.end; i++) {
        unsigned char label = (unsigned char)keys[i].bytes[j.depth];
        if (count == 0 || labels[count - 1] != label) {
            begins[count] = i;
            labels[count++] = label;
        }
    }
    begins[count] = j.end;
    uint32_t base = find_base(b, labels, count);
    if (base == 0) {
        return false;
    }
    b->taken[base] = 1;
    b->units[j.unit] |= (uint64_t)base << 34;
    for (int i = 0; i < count; i++) {
        uint32_t unit = base ^ labels[i];
        b->units[unit] = USED | labels[i];
        take(b, unit);
        if (!push(b, (job){begins[i], begins[i + 1], j.depth + 1, unit})) {
            return false;
        }
    }
    return true;
}

/* Breadth first, so that what is passed most lies together. */
static bool build(builder *b, const ae_trie_key *keys, size_t count)
{
    uint32_t first = 0;
    while (first < count && keys[first].length == 0) {
        first++;
    }
    if (!add_block(b) || !push(b, (job){first, (uint32_t)count, 0, 0})) {
        return false;
    }
    for (size_t done = 0; done < b->n_jobs; done++) {
        job j = b->jobs[done];
        while (j.begin < j.end && keys[j.begin].length == j.depth) {
            b->units[j.unit] &= ~((uint64_t)0xffffff << 10);
            b->units[j.unit] |= HAS_ID | (uint64_t)keys[j.begin].id << 10;
            j.begin++;
        }
        if (j.begin < j.end && !place_children(b, keys, j)) {
            return false;
        }
    }
    return true;
}

int ae_trie_build(ae_trie *t, ae_trie_key *keys, size_t count, ae_err *e)
{
    *t = (ae_trie){0};
    builder b = {0};
    if (count > 0) {
        qsort(keys, count, sizeof *keys, compare);
    }
    bool built = count < UINT32_MAX && build(&b, keys, count);
    free(b.next);
    free(b.before);
    free(b.taken);
    free(b.jobs);
    if (!built) {
        free(b.units);
        return ae_err_set(e, AE_E_MEMORY, "no memory for the look-up of %zu tokens", count);
    }
    *t = (ae_trie){b.units, b.count};
    return 0;
}

void ae_trie_free(ae_trie *t)
{
    free(t->units);
    *t = (ae_trie){0};
}

int32_t ae_trie_longest(const ae_trie *t, const char *bytes, size_t left, size_t *length)
{
    int32_t found = -1;
    *length = 0;
    uint64_t unit = t->units ? t->units[0] : 0;
    for (size_t i = 0; t->units && i < left && ae_trie_step(t, &unit, (unsigned char)bytes[i]); i++) {
        int32_t id = ae_trie_id(unit);
        if (id >= 0) {
            found = id;
            *length = i + 1;
        }
    }
    return found;
}
