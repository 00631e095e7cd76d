#include "tokenizers/bpe_pairs.h"

#include <stdlib.h>

/* A list with room for one element more; NULL without memory. */
static void *with_room(void *list, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) {
        return list;
    }
    size_t wanted = *capacity ? *capacity * 2 : 1024;
    void *grown = realloc(list, wanted * size);
    if (grown) {
        *capacity = wanted;
    }
    return grown;
}

/* ---- the pairs --------------------------------------------------------------------------------------------------- */

static uint32_t slot_for(const ae_bpe_pairs *p, int32_t a, int32_t b)
{
    uint64_t h = ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32) * 0xc4ceb9fe1a85ec53u;
    uint32_t slot = (uint32_t)(h >> 32) & (p->slot_count - 1);
    for (; p->slots[slot] != 0; slot = (slot + 1) & (p->slot_count - 1)) {
        const ae_bpe_pair *there = &p->pairs[p->slots[slot] - 1];
        if (there->a == a && there->b == b) {
            break;
        }
    }
    return slot;
}

static bool grow_slots(ae_bpe_pairs *p)
{
    if (p->slot_count > UINT32_MAX / 2) {
        return false;
    }
    uint32_t count = p->slot_count ? p->slot_count * 2 : 4096, *before = p->slots;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots) {
        return false;
    }
    p->slots = slots;
    p->slot_count = count;
    for (uint32_t i = 0; i < p->n; i++) {
        p->slots[slot_for(p, p->pairs[i].a, p->pairs[i].b)] = i + 1;
    }
    free(before);
    return true;
}

/* The pair (a, b), made with count 0 if it is new; NULL without memory. */
static ae_bpe_pair *pair_of(ae_bpe_pairs *p, int32_t a, int32_t b)
{
    if (p->n >= p->slot_count / 3 * 2 && !grow_slots(p)) {
        return NULL;
    }
    uint32_t slot = slot_for(p, a, b);
    if (p->slots[slot] == 0) {
        size_t capacity = p->capacity;
        ae_bpe_pair *pairs = with_room(p->pairs, p->n, &capacity, sizeof *pairs);
        if (!pairs) {
            return NULL;
        }
        p->pairs = pairs;
        p->capacity = (uint32_t)capacity;
        p->pairs[p->n] = (ae_bpe_pair){.a = a, .b = b};
        p->slots[slot] = ++p->n;
    }
    return &p->pairs[p->slots[slot] - 1];
}

static bool add_place(ae_bpe_places *places, uint32_t word)
{
    if (places->n > 0 && places->at[places->n - 1] == word) {
        return true; /* words come one after the other, so that a word is not listed twice */
    }
    if (places->n == places->capacity) {
        uint32_t capacity = places->capacity ? places->capacity * 2 : 2;
        uint32_t *at = realloc(places->at, capacity * sizeof *at);
        if (!at) {
            return false;
        }
        places->at = at;
        places->capacity = capacity;
    }
    places->at[places->n++] = word;
    return true;
}

void ae_bpe_pairs_change(ae_bpe_pairs *p, int32_t a, int32_t b, int64_t change, uint32_t word)
{
    ae_bpe_pair *pair = p->failed ? NULL : pair_of(p, a, b);
    if (!pair) {
        p->failed = true;
        return;
    }
    pair->count += change;
    if (change <= 0) {
        return;
    }
    if (pair->pending.n == 0) {
        uint32_t *touched = with_room(p->touched, p->touched_n, &p->touched_capacity, sizeof *touched);
        if (!touched) {
            p->failed = true;
            return;
        }
        p->touched = touched;
        p->touched[p->touched_n++] = (uint32_t)(pair - p->pairs);
    }
    p->failed = !add_place(&pair->pending, word);
}

/* ---- the queue --------------------------------------------------------------------------------------------------- */

static bool comes_before(const ae_bpe_pairs *p, const ae_bpe_entry *x, const ae_bpe_entry *y)
{
    if (x->count != y->count) {
        return x->count > y->count;
    }
    const ae_bpe_pair *s = &p->pairs[x->pair], *t = &p->pairs[y->pair];
    int order = p->order && s != t ? p->order(p->self, s, t) : 0;
    if (order) {
        return order < 0;
    }
    return s->a != t->a ? s->a < t->a : s->b < t->b;
}

/* Moves the entry at `i`, which may be too small for its place, down. */
static void sift_down(ae_bpe_pairs *p, size_t i)
{
    ae_bpe_entry entry = p->heap[i];
    for (size_t child = 2 * i + 1; child < p->heap_n; child = 2 * i + 1) {
        if (child + 1 < p->heap_n && comes_before(p, &p->heap[child + 1], &p->heap[child])) {
            child++;
        }
        if (!comes_before(p, &p->heap[child], &entry)) {
            break;
        }
        p->heap[i] = p->heap[child];
        i = child;
    }
    p->heap[i] = entry;
}

static bool push(ae_bpe_pairs *p, const ae_bpe_entry *entry)
{
    ae_bpe_entry *heap = with_room(p->heap, p->heap_n, &p->heap_capacity, sizeof *heap);
    if (!heap) {
        return false;
    }
    p->heap = heap;
    size_t i = p->heap_n++;
    while (i > 0 && comes_before(p, entry, &heap[(i - 1) / 2])) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = *entry;
    return true;
}

void ae_bpe_pairs_queue(ae_bpe_pairs *p)
{
    for (size_t i = 0; i < p->touched_n; i++) {
        ae_bpe_pair *pair = &p->pairs[p->touched[i]];
        ae_bpe_entry entry = {.count = pair->count, .pair = p->touched[i], .places = pair->pending};
        pair->pending = (ae_bpe_places){0};
        if (p->failed || entry.count <= 0) {
            free(entry.places.at);
        } else if (!push(p, &entry)) {
            free(entry.places.at);
            p->failed = true;
        }
    }
    p->touched_n = 0;
}

bool ae_bpe_pairs_next(ae_bpe_pairs *p, ae_bpe_entry *entry)
{
    while (p->heap_n > 0) {
        ae_bpe_entry *top = &p->heap[0];
        if (top->count != p->pairs[top->pair].count) {
            top->count = p->pairs[top->pair].count;
            sift_down(p, 0);
            /* A count that grew stays on top, as it should. */
            continue;
        }
        *entry = *top;
        p->heap[0] = p->heap[--p->heap_n];
        if (p->heap_n > 0) {
            sift_down(p, 0);
        }
        return true;
    }
    return false;
}

void ae_bpe_pairs_free(ae_bpe_pairs *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        free(p->pairs[i].pending.at);
    }
    for (size_t i = 0; i < p->heap_n; i++) {
        free(p->heap[i].places.at);
    }
    free(p->pairs);
    free(p->slots);
    free(p->heap);
    free(p->touched);
    *p = (ae_bpe_pairs){0};
}
