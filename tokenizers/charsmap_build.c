#include "tokenizers/charsmap_build.h"

#include <stdlib.h>
#include <string.h>

enum { LABELS = 256, EDGE = 5, STATE_MAX = 4 + LABELS * EDGE, UNITS_MAX = 1 << 21, BLOCK = 256, WINDOW = 2048 };

typedef struct building {
    const ae_word_counts *keys;
    const int64_t *order;  /* of keys, bytewise */
    uint32_t *values;      /* by key: the offset of its text */
    ae_word_counts states; /* each spelled as 1 + its value, then a label and the state it leads to, ... */
    uint32_t *bases;       /* by state: where its units are counted from */
    uint32_t *units;
    uint8_t *taken, *is_base;
    size_t n_units;
} building;

/* ---- the automaton -------------------------------------------------------------------------------------------------- */

static uint32_t load(const char *p)
{
    return ae_load_u32(p);
}

static void store(char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (char)(value >> 8 * i);
    }
}

static const char *key(const building *b, int64_t i, size_t *bytes)
{
    return ae_word_counts_text(b->keys, b->order[i], bytes);
}

/* The state of the sorted keys low..high-1, which share their first `depth` bytes; -1 without memory. */
static int64_t make_state(building *b, int64_t low, int64_t high, size_t depth)
{
    char spelling[STATE_MAX];
    size_t n = 4, bytes;
    key(b, low, &bytes);
    bool ends = bytes == depth;
    store(spelling, ends ? b->values[b->order[low]] + 1 : 0);
    low += ends;
    while (low < high) {
        char label = key(b, low, &bytes)[depth];
        int64_t end = low + 1;
        while (end < high && key(b, end, &bytes)[depth] == label) {
            end++;
        }
        int64_t child = make_state(b, low, end, depth + 1);
        if (child < 0) {
            return -1;
        }
        spelling[n] = label;
        store(spelling + n + 1, (uint32_t)child);
        n += EDGE;
        low = end;
    }
    return ae_word_counts_add(&b->states, spelling, n, 0);
}

/* ---- the double array ----------------------------------------------------------------------------------------------- */

/* Whether a state's units are free when they are counted from `base`. */
static bool fits(const building *b, uint32_t base, const char *state, size_t bytes)
{
    if (b->is_base[base] || (load(state) && b->taken[base])) {
        return false;
    }
    for (size_t i = 4; i < bytes; i += EDGE) {
        if (b->taken[base ^ (unsigned char)state[i]]) {
            return false;
        }
    }
    return true;
}

/* Finds places for all states; unit 0 is the root's own. */
static int place_states(building *b)
{
    uint32_t first = 1, last = 0; /* the first place that is free; the last that is taken */
    b->taken[0] = 1;
    b->is_base[0] = 1;
    for (int64_t i = 0; i < b->states.n; i++) {
        size_t bytes;
        const char *state = ae_word_counts_text(&b->states, i, &bytes);
        uint32_t lowest = load(state) || bytes == 4 ? 0 : (unsigned char)state[4];
        uint32_t at = last > first + WINDOW ? last - WINDOW : first; /* holes far behind are hardly ever of use */
        while (at < UNITS_MAX && !fits(b, at ^ lowest, state, bytes)) {
            at++;
        }
        if (at >= UNITS_MAX) {
            return -1;
        }
        uint32_t base = b->bases[i] = at ^ lowest;
        b->is_base[base] = 1;
        b->taken[base] |= load(state) > 0;
        for (size_t k = 4; k < bytes; k += EDGE) {
            b->taken[base ^ (unsigned char)state[k]] = 1;
        }
        last = base > last ? base : last;
        while (b->taken[first] && first + 1 < UNITS_MAX) {
            first++;
        }
    }
    b->n_units = ((size_t)last / BLOCK + 1) * BLOCK; /* readers look up to 255 behind a base without asking */
    return 0;
}

static uint32_t unit_to(const building *b, uint32_t at, int64_t state)
{
    size_t bytes;
    uint32_t value = load(ae_word_counts_text(&b->states, state, &bytes));
    return (at ^ b->bases[state]) << 10 | (value ? 1u << 8 : 0);
}

static void fill_units(building *b)
{
    b->units[0] = unit_to(b, 0, b->states.n - 1); /* the root is made last */
    for (int64_t i = 0; i < b->states.n; i++) {
        size_t bytes;
        const char *state = ae_word_counts_text(&b->states, i, &bytes);
        if (load(state)) {
            b->units[b->bases[i]] = (load(state) - 1) | 1u << 31;
        }
        for (size_t k = 4; k < bytes; k += EDGE) {
            uint32_t at = b->bases[i] ^ (unsigned char)state[k];
            b->units[at] = unit_to(b, at, load(state + k + 1)) | (unsigned char)state[k];
        }
    }
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

static int build(building *b, const int64_t *values, const ae_word_counts *texts, ae_bytes *pool)
{
    uint32_t *offsets = malloc(((size_t)texts->n + 1) * sizeof *offsets);
    b->values = malloc(((size_t)b->keys->n + 1) * sizeof *b->values);
    for (int64_t i = 0; offsets && i < texts->n; i++) {
        size_t bytes;
        const char *text = ae_word_counts_text(texts, i, &bytes);
        offsets[i] = (uint32_t)pool->length;
        ae_bytes_add(pool, text, bytes);
        ae_bytes_add(pool, "", 1);
    }
    for (int64_t i = 0; offsets && b->values && i < b->keys->n; i++) {
        b->values[i] = offsets[values[i]];
    }
    bool done = offsets && b->values && b->order && !pool->failed && make_state(b, 0, b->keys->n, 0) >= 0;
    free(offsets);
    if (!done) {
        return -1;
    }
    b->bases = malloc((size_t)b->states.n * sizeof *b->bases);
    b->taken = calloc(UNITS_MAX, 1);
    b->is_base = calloc(UNITS_MAX, 1);
    if (!b->bases || !b->taken || !b->is_base || place_states(b)) {
        return -1;
    }
    b->units = calloc(b->n_units, sizeof *b->units);
    if (b->units) {
        fill_units(b);
    }
    return b->units ? 0 : -1;
}

int ae_charsmap_build(const ae_word_counts *keys, const int64_t *values, const ae_word_counts *texts, ae_bytes *out,
                      ae_err *e)
{
    if (keys->n == 0) {
        return 0;
    }
    building b = {.keys = keys};
    ae_bytes pool = {0};
    int64_t *order = ae_word_counts_order(keys, false);
    b.order = order;
    int status = build(&b, values, texts, &pool);
    if (status == 0) {
        ae_bytes_u32(out, (uint32_t)(4 * b.n_units));
        for (size_t i = 0; i < b.n_units; i++) {
            ae_bytes_u32(out, b.units[i]);
        }
        ae_bytes_add(out, pool.data, pool.length);
    }
    free(order);
    free(b.values);
    free(b.bases);
    free(b.taken);
    free(b.is_base);
    free(b.units);
    ae_word_counts_free(&b.states);
    ae_bytes_free(&pool);
    return status == 0 && !out->failed ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for a map of characters");
}
