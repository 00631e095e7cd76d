#include "tokenizers/word_counts.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const char *word, size_t bytes)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ bytes;
    while (bytes >= 8) {
        uint64_t part;
        memcpy(&part, word, 8);
        h = (h ^ part) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
        word += 8;
        bytes -= 8;
    }
    for (; bytes > 0; bytes--) {
        h = (h ^ (unsigned char)*word++) * 0x100000001b3u;
    }
    h = (h ^ h >> 29) * 0xc4ceb9fe1a85ec53u;
    return (uint32_t)(h >> 32);
}

/* The slot where the word sits, or the free one where it would. */
static size_t slot_of(const ae_word_counts *w, const char *word, size_t bytes, uint32_t hash)
{
    size_t slot = hash & (w->slot_count - 1);
    for (; w->slots[slot] != 0; slot = (slot + 1) & (w->slot_count - 1)) {
        const ae_counted_word *there = &w->words[w->slots[slot] - 1];
        if (there->hash == hash && there->bytes == bytes && memcmp(w->text.data + there->at, word, bytes) == 0) {
            break;
        }
    }
    return slot;
}

/* Doubles the slots and seats the words again. */
static bool grow_slots(ae_word_counts *w)
{
    size_t count = w->slot_count ? w->slot_count * 2 : 1024;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots) {
        return false;
    }
    for (int64_t i = 0; i < w->n; i++) {
        size_t slot = w->words[i].hash & (count - 1);
        while (slots[slot] != 0) {
            slot = (slot + 1) & (count - 1);
        }
        slots[slot] = (uint32_t)i + 1;
    }
    free(w->slots);
    w->slots = slots;
    w->slot_count = count;
    return true;
}

static bool grow_words(ae_word_counts *w)
{
    int64_t capacity = w->capacity ? w->capacity * 2 : 512;
    ae_counted_word *words = realloc(w->words, (size_t)capacity * sizeof *words);
    if (!words) {
        return false;
    }
    w->words = words;
    w->capacity = capacity;
    return true;
}

/* Makes room for one more word: at most two thirds of the slots are taken. */
static bool make_room(ae_word_counts *w, size_t bytes)
{
    if (w->failed || bytes > UINT32_MAX || w->n >= UINT32_MAX - 1) {
        w->failed = true;
        return false;
    }
    if (((size_t)w->n + 1) * 3 > w->slot_count * 2 && !grow_slots(w)) {
        w->failed = true;
    } else if (w->n == w->capacity && !grow_words(w)) {
        w->failed = true;
    }
    return !w->failed;
}

static int64_t add_hashed(ae_word_counts *w, const char *word, size_t bytes, uint32_t hash, int64_t count)
{
    if (!make_room(w, bytes)) {
        return -1;
    }
    size_t slot = slot_of(w, word, bytes, hash);
    if (w->slots[slot] != 0) {
        w->words[w->slots[slot] - 1].count += count;
        return w->slots[slot] - 1;
    }
    size_t at = w->text.length;
    ae_bytes_add(&w->text, word, bytes);
    if (w->text.failed) {
        w->failed = true;
        return -1;
    }
    w->words[w->n] = (ae_counted_word){.at = at, .bytes = (uint32_t)bytes, .hash = hash, .count = count};
    w->slots[slot] = (uint32_t)w->n + 1;
    return w->n++;
}

int64_t ae_word_counts_add(ae_word_counts *w, const char *word, size_t bytes, int64_t count)
{
    return add_hashed(w, word, bytes, hash_of(word, bytes), count);
}

int64_t ae_word_counts_find(const ae_word_counts *w, const char *word, size_t bytes)
{
    if (w->n == 0) {
        return -1;
    }
    uint32_t there = w->slots[slot_of(w, word, bytes, hash_of(word, bytes))];
    return (int64_t)there - 1;
}

const char *ae_word_counts_text(const ae_word_counts *w, int64_t i, size_t *bytes)
{
    *bytes = w->words[i].bytes;
    return w->text.data + w->words[i].at;
}

void ae_word_counts_merge(ae_word_counts *into, const ae_word_counts *from)
{
    for (int64_t i = 0; i < from->n; i++) {
        const ae_counted_word *word = &from->words[i];
        add_hashed(into, from->text.data + word->at, word->bytes, word->hash, word->count);
    }
    into->failed |= from->failed;
}

void ae_word_counts_clear(ae_word_counts *w)
{
    w->n = 0;
    w->text.length = 0;
    if (w->slots) {
        memset(w->slots, 0, w->slot_count * sizeof *w->slots);
    }
}

void ae_word_counts_free(ae_word_counts *w)
{
    ae_bytes_free(&w->text);
    free(w->words);
    free(w->slots);
    *w = (ae_word_counts){0};
}

/* ---- orders ------------------------------------------------------------------------------------------------------ */

int ae_word_counts_compare(const ae_word_counts *w, int64_t i, int64_t k)
{
    const ae_counted_word *x = &w->words[i], *y = &w->words[k];
    size_t shorter = x->bytes < y->bytes ? x->bytes : y->bytes;
    int order = shorter ? memcmp(w->text.data + x->at, w->text.data + y->at, shorter) : 0;
    return order ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_bytes(const void *a, const void *b, void *table)
{
    return ae_word_counts_compare(table, *(const int64_t *)a, *(const int64_t *)b);
}

static int by_falling_count(const void *a, const void *b, void *table)
{
    const ae_word_counts *w = table;
    int64_t x = w->words[*(const int64_t *)a].count, y = w->words[*(const int64_t *)b].count;
    return x != y ? (x < y) - (x > y) : by_bytes(a, b, table);
}

int64_t *ae_word_counts_order(const ae_word_counts *w, bool by_count)
{
    int64_t *order = malloc(((size_t)w->n + 1) * sizeof *order);
    if (!order) {
        return NULL;
    }
    for (int64_t i = 0; i < w->n; i++) {
        order[i] = i;
    }
    qsort_r(order, (size_t)w->n, sizeof *order, by_count ? by_falling_count : by_bytes, (void *)w);
    return order;
}
