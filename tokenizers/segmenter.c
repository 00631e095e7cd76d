/* The segmenter: its dictionary as a trie whose edges stand in one hash table, and the search from the text's end. */
#include "tokenizers/segmenter_internal.h"

#include "tensor/utf8_check.h"
#include "tokenizers/unicode.h"
#include "tokenizers/vocab.h"

#include <math.h>
#include <stdlib.h>

/* ---- the trie ------------------------------------------------------------------------------------------------------ */

/* An edge: from a node by a character to a node; node 0 is the root, and no edge leads there. */
typedef struct ae_word_edge {
    uint64_t key; /* the node above and the character */
    uint32_t node;
} edge;

enum { FIRST_EDGES = 1024, FIRST_NODES = 256, CHARACTER_BITS = 21 };

static uint64_t key_of(uint32_t node, uint32_t character)
{
    return (uint64_t)node << CHARACTER_BITS | character;
}

static uint64_t place_of(const edge *edges, uint64_t mask, uint64_t key)
{
    uint64_t i = (key * 0x9e3779b97f4a7c15u) >> 20 & mask;
    while (edges[i].node && edges[i].key != key) {
        i = (i + 1) & mask;
    }
    return i;
}

static uint32_t step(const ae_segmenter *s, uint32_t node, uint32_t character)
{
    uint64_t key = key_of(node, character);
    const edge *found = &s->edges[place_of(s->edges, s->mask, key)];
    return found->node;
}

static bool grow_edges(ae_segmenter *s)
{
    uint64_t size = s->edges ? 2 * (s->mask + 1) : FIRST_EDGES;
    edge *edges = calloc(size, sizeof *edges);
    if (!edges) {
        return false;
    }
    for (uint64_t i = 0; s->edges && i <= s->mask; i++) {
        if (s->edges[i].node) {
            edges[place_of(edges, size - 1, s->edges[i].key)] = s->edges[i];
        }
    }
    free(s->edges);
    s->edges = edges;
    s->mask = size - 1;
    return true;
}

static bool grow_nodes(ae_segmenter *s)
{
    uint32_t room = s->room ? 2 * s->room : FIRST_NODES;
    ae_word_node *nodes = realloc(s->nodes, room * sizeof *nodes);
    s->nodes = nodes ? nodes : s->nodes;
    s->room = nodes ? room : s->room;
    return nodes != NULL;
}

/* The node behind an edge, which is made when there is none; 0 without memory. */
static uint32_t take_step(ae_segmenter *s, uint32_t node, uint32_t character)
{
    if (2 * (uint64_t)s->n_nodes >= s->mask && !grow_edges(s)) {
        return 0;
    }
    uint64_t key = key_of(node, character);
    edge *place = &s->edges[place_of(s->edges, s->mask, key)];
    if (place->node) {
        return place->node;
    }
    if (s->n_nodes == s->room && !grow_nodes(s)) {
        return 0;
    }
    s->nodes[s->n_nodes] = (ae_word_node){0, 0};
    *place = (edge){key, s->n_nodes++};
    return place->node;
}

ae_segmenter *ae_segmenter_new(void)
{
    ae_segmenter *s = calloc(1, sizeof *s);
    if (!s || !grow_edges(s) || !grow_nodes(s)) {
        ae_segmenter_free(s);
        return NULL;
    }
    s->n_nodes = 1;
    return s;
}

void ae_segmenter_free(ae_segmenter *s)
{
    if (s) {
        free(s->edges);
        free(s->nodes);
        free(s);
    }
}

int ae_segmenter_add(ae_segmenter *s, const char *word, size_t bytes, int64_t frequency)
{
    uint32_t node = 0, c = 0;
    for (size_t i = 0; i < bytes; i += (size_t)ae_utf8_decode(word + i, &c)) {
        ae_utf8_decode(word + i, &c);
        node = take_step(s, node, c);
        if (!node) {
            return -1;
        }
    }
    ae_word_node *n = &s->nodes[node];
    s->words += (frequency > 0) - (n->frequency > 0);
    s->total += frequency;
    s->log_total = log((double)s->total);
    *n = (ae_word_node){frequency, frequency > 0 ? log((double)frequency) : 0};
    return 0;
}

int64_t ae_segmenter_frequency(const ae_segmenter *s, const char *word, size_t bytes)
{
    uint32_t node = 0, c = 0;
    for (size_t i = 0; i < bytes && (node || i == 0); i += (size_t)ae_utf8_decode(word + i, &c)) {
        ae_utf8_decode(word + i, &c);
        node = step(s, node, c);
    }
    return node ? s->nodes[node].frequency : 1;
}

int64_t ae_segmenter_size(const ae_segmenter *s)
{
    return s->words;
}

uint64_t ae_segmenter_hash(const ae_segmenter *s)
{
    return s->hash;
}

/* ---- cutting ------------------------------------------------------------------------------------------------------- */

typedef struct scratch {
    size_t ends_room, room;
    /* Of a stretch of characters that words are made of; each has room + 1 places. */
    uint32_t *characters, *starts; /* and where they begin in the text, with the stretch's end behind the last */
    double *scores;                /* of the best cut of what is left from a character on */
    uint32_t *next;                /* where its first word ends */
} scratch;

void ae_segments_free(ae_segments *x)
{
    scratch *w = x->scratch;
    if (w) {
        free(w->characters);
        free(w->starts);
        free(w->scores);
        free(w->next);
        free(w);
    }
    free(x->ends);
    *x = (ae_segments){0};
}

static bool grow_stretch(scratch *w)
{
    size_t room = 2 * w->room + 256;
    void **arrays[] = {(void **)&w->characters, (void **)&w->starts, (void **)&w->next, (void **)&w->scores};
    for (int i = 0; i < 4; i++) {
        void *p = realloc(*arrays[i], (room + 1) * (i == 3 ? sizeof(double) : sizeof(uint32_t)));
        if (!p) {
            return false;
        }
        *arrays[i] = p;
    }
    w->room = room;
    return true;
}

static bool add_end(ae_segments *out, uint32_t end)
{
    scratch *w = out->scratch;
    if ((size_t)out->count == w->ends_room) {
        size_t room = 2 * w->ends_room + 256;
        uint32_t *ends = realloc(out->ends, room * sizeof *ends);
        if (!ends) {
            return false;
        }
        out->ends = ends;
        w->ends_room = room;
    }
    out->ends[out->count++] = end;
    return true;
}

static bool is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_of_words(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fd5) || is_letter(c) || c == '+' || c == '#' || c == '&' || c == '.' || c == '_' ||
           c == '%' || c == '-';
}

/* The best word from character k on, given the best cuts behind it; among equals the longest. A single character that
 * is no word counts as one that occurred once, if nothing longer begins with it. */
static void choose_word(const ae_segmenter *s, scratch *w, size_t k, size_t n)
{
    bool any = false;
    uint32_t node = 0;
    for (size_t x = k; x < n && (node = step(s, node, w->characters[x])); x++) {
        const ae_word_node *word = &s->nodes[node];
        double score = word->log_frequency - s->log_total + w->scores[x + 1];
        if (word->frequency > 0 && (!any || score >= w->scores[k])) {
            w->scores[k] = score;
            w->next[k] = (uint32_t)(x + 1);
            any = true;
        }
    }
    if (!any) {
        w->scores[k] = 0 - s->log_total + w->scores[k + 1];
        w->next[k] = (uint32_t)(k + 1);
    }
}

/* Cuts the n characters of the stretch. */
static bool cut_stretch(const ae_segmenter *s, ae_segments *out, size_t n)
{
    scratch *w = out->scratch;
    w->scores[n] = 0;
    for (size_t k = n; k-- > 0;) {
        choose_word(s, w, k, n);
    }
    bool letters = false; /* single letters and digits stand before, not yet told as a word */
    for (size_t k = 0; k < n; k = w->next[k]) {
        bool letter = w->next[k] == k + 1 && is_letter(w->characters[k]);
        if (letters && !letter && !add_end(out, w->starts[k])) {
            return false;
        }
        letters = letter;
        if (!letter && !add_end(out, w->starts[w->next[k]])) {
            return false;
        }
    }
    return !letters || add_end(out, w->starts[n]);
}

/* One character of a text that may be broken; U+FFFD for what is. */
static size_t decode(const char *text, size_t bytes, uint32_t *c)
{
    if ((unsigned char)*text < 0x80) {
        *c = (unsigned char)*text;
        return 1;
    }
    if (ae_utf8_length(text, bytes) > 0) {
        return (size_t)ae_utf8_decode(text, c);
    }
    *c = 0xfffd;
    return ae_utf8_broken(text, bytes);
}

static bool cut(const ae_segmenter *s, const char *text, size_t bytes, ae_segments *out)
{
    scratch *w = out->scratch;
    size_t n = 0, i = 0;
    while (i < bytes) {
        uint32_t c = 0;
        size_t length = decode(text + i, bytes - i, &c);
        bool inside = is_of_words(c);
        if (!inside && n > 0) {
            w->starts[n] = (uint32_t)i;
            if (!cut_stretch(s, out, n)) {
                return false;
            }
            n = 0;
        }
        if (inside) {
            if (n == w->room && !grow_stretch(w)) {
                return false;
            }
            w->characters[n] = c;
            w->starts[n++] = (uint32_t)i;
        } else {
            length += c == '\r' && i + 1 < bytes && text[i + 1] == '\n';
            if (!add_end(out, (uint32_t)(i + length))) {
                return false;
            }
        }
        i += length;
    }
    if (n > 0) {
        w->starts[n] = (uint32_t)bytes;
        return cut_stretch(s, out, n);
    }
    return true;
}

int ae_segmenter_cut(const ae_segmenter *s, const char *text, size_t bytes, ae_segments *out, ae_err *e)
{
    out->count = 0;
    if (bytes > INT32_MAX) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "a text of %zu bytes; give it in parts of at most %d", bytes, INT32_MAX);
    }
    if (!out->scratch) {
        out->scratch = calloc(1, sizeof(scratch));
    }
    if (!out->scratch || (!((scratch *)out->scratch)->room && !grow_stretch(out->scratch)) ||
        !cut(s, text, bytes, out)) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the words of a text of %zu bytes", bytes);
    }
    return 0;
}
