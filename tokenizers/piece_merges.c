/* SentencePiece's BPE: two neighbours are joined when what they spell is a piece, that of the largest score first, the
 * leftmost of equal ones. User-defined symbols are never joined; unused pieces are taken apart again. */
#include "tokenizers/sentencepiece_internal.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

void ae_piece_merges_free(ae_piece_merges *p)
{
    ae_merge_table_free(&p->table);
    ae_vocab_free(p->letters);
    free(p->direct);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static int32_t piece_of(const ae_sentencepiece *m, const char *text, size_t bytes)
{
    int32_t id = ae_vocab_find(m->pieces.vocab, text, bytes);
    return id >= 0 && ae_piece_in_text(m->pieces.types[id]) ? id : -1;
}

/* All characters of pieces get symbols. */
static int collect_letters(ae_sentencepiece *m, ae_err *e)
{
    ae_piece_merges *p = &m->merges;
    const ae_vocab *v = m->pieces.vocab;
    p->settled = v->size;
    p->letters = ae_vocab_new();
    if (!p->letters) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the letters of pieces");
    }
    for (int32_t id = 0; id < v->size; id++) {
        size_t bytes = 0, n = 0;
        const char *spelling = ae_vocab_token(v, id, &bytes);
        p->unused = p->unused || m->pieces.types[id] == AE_PIECE_UNUSED;
        for (size_t i = 0; i < bytes && ae_piece_in_text(m->pieces.types[id]); i += n) {
            n = ae_lead_length((unsigned char)spelling[i]);
            n = n < bytes - i ? n : bytes - i;
            if (ae_vocab_find(p->letters, spelling + i, n) >= 0) {
                continue;
            }
            int32_t piece = piece_of(m, spelling + i, n);
            if (ae_vocab_add(p->letters, spelling + i, n, piece >= 0 ? piece : p->settled++, e) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int fill_direct(ae_piece_merges *p, ae_err *e)
{
    p->direct = malloc(AE_DIRECT_LETTERS * sizeof *p->direct);
    if (!p->direct) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the letters of pieces");
    }
    for (uint32_t c = 0; c < AE_DIRECT_LETTERS; c++) {
        char bytes[4];
        p->direct[c] = ae_vocab_find(p->letters, bytes, (size_t)ae_utf8_encode(c, bytes));
    }
    return 0;
}

/* The symbol of a character, or -1. */
static int32_t letter_symbol(const ae_sentencepiece *m, const char *text, size_t bytes)
{
    uint32_t c = 0;
    if (bytes > 3) {
        return ae_vocab_find(m->merges.letters, text, bytes);
    }
    ae_utf8_decode(text, &c);
    return m->merges.direct[c];
}

static int32_t symbol_of(const ae_sentencepiece *m, const char *text, size_t bytes)
{
    bool letter = bytes <= ae_lead_length((unsigned char)*text);
    return letter ? ae_vocab_find(m->merges.letters, text, bytes) : piece_of(m, text, bytes);
}

static int compare_down(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The place of a score among all scores, the largest first; equal ones share theirs. */
static uint32_t rank_of(const float *sorted, int32_t count, float score)
{
    int32_t low = 0, high = count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (sorted[middle] > score) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (uint32_t)low;
}

/* Every way to cut a piece in two symbols, counted, and put into the table when there are ranks. */
static int64_t put_cuts(ae_sentencepiece *m, const float *sorted)
{
    int64_t count = 0;
    for (int32_t id = 0; id < m->pieces.vocab->size; id++) {
        size_t bytes = 0, n = 0;
        const char *spelling = ae_vocab_token(m->pieces.vocab, id, &bytes);
        for (size_t i = 0; i < bytes && ae_piece_in_text(m->pieces.types[id]); i += n) {
            n = ae_lead_length((unsigned char)spelling[i]);
            int32_t left = i > 0 ? symbol_of(m, spelling, i) : -1;
            int32_t right = left >= 0 ? symbol_of(m, spelling + i, bytes - i) : -1;
            if (right >= 0 && sorted) {
                uint32_t rank = rank_of(sorted, m->pieces.vocab->size, m->pieces.scores[id]);
                ae_merge_table_put(&m->merges.table, left, right, rank, id);
            }
            count += right >= 0;
        }
    }
    return count;
}

int ae_piece_merges_init(ae_sentencepiece *m, ae_err *e)
{
    size_t count = (size_t)m->pieces.vocab->size;
    if (collect_letters(m, e) != 0 || fill_direct(&m->merges, e) != 0 ||
        ae_merge_table_init(&m->merges.table, put_cuts(m, NULL), e) != 0) {
        return -1;
    }
    float *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %zu pieces", count);
    }
    memcpy(sorted, m->pieces.scores, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_down);
    put_cuts(m, sorted);
    free(sorted);
    return 0;
}

/* ---- encoding ------------------------------------------------------------------------------------------------------ */

/* Where unused pieces were last seen to come from: the bytes of the left part, by id; 0: not seen. */
typedef struct origins {
    const ae_sentencepiece *m;
    uint32_t *left;
} origins;

static void note_origin(void *self, int32_t id, ae_symbol left, ae_symbol right)
{
    const origins *o = self;
    (void)right;
    if (o->m->pieces.types[id] == AE_PIECE_UNUSED) {
        o->left[id] = left.end - left.start;
    }
}

/* Adds the token of a string that was merged; an unused piece is cut into what it came from. */
static void add_piece(const origins *o, const char *text, size_t start, size_t end, ae_work *w)
{
    int32_t id = ae_sentencepiece_find(o->m, text + start, end - start);
    uint32_t left = o->m->pieces.types[id] == AE_PIECE_UNUSED ? o->left[id] : 0;
    if (left) {
        add_piece(o, text, start, start + left, w);
        add_piece(o, text, start + left, end, w);
    } else {
        ae_sentencepiece_add(o->m, text, start, end, id, w);
    }
}

static void merge_with_unused(const ae_sentencepiece *m, const char *text, ae_symbol *s, size_t n, ae_work *w)
{
    size_t bytes = (size_t)m->pieces.vocab->size * sizeof(uint32_t);
    origins o = {m, ae_work_room(w, 0, bytes)};
    if (!o.left) {
        return;
    }
    memset(o.left, 0, bytes);
    n = ae_merge_symbols(&m->merges.table, s, n, &(ae_merge_watch){note_origin, &o}, w);
    for (size_t i = 0; i < n; i++) {
        add_piece(&o, text, s[i].start, s[i].end, w);
    }
}

/* The id of a symbol that is left. */
static int32_t id_of(const ae_sentencepiece *m, const char *text, ae_symbol s)
{
    if (s.id >= m->merges.settled) {
        return s.id - m->merges.settled;
    }
    return s.id < m->pieces.vocab->size ? s.id : ae_sentencepiece_find(m, text + s.start, s.end - s.start);
}

void ae_sentencepiece_merge(const ae_sentencepiece *m, const char *text, size_t start, size_t end, ae_work *w)
{
    ae_symbol *s = ae_work_room(w, 1, (end - start) * sizeof *s);
    size_t n = 0, length = 0;
    for (size_t i = start; s && i < end; i += length) {
        int32_t user = -1;
        length = ae_sentencepiece_letter(m, text + i, end - i, &user);
        int32_t id = user >= 0 ? m->merges.settled + user : letter_symbol(m, text + i, length);
        id = id >= 0 ? id : m->merges.settled + ae_sentencepiece_find(m, text + i, length);
        s[n++] = (ae_symbol){id, (uint32_t)i, (uint32_t)(i + length)};
    }
    if (m->merges.unused && s) {
        merge_with_unused(m, text, s, n, w);
        return;
    }
    n = s ? ae_merge_symbols(&m->merges.table, s, n, NULL, w) : 0;
    for (size_t i = 0; i < n; i++) {
        ae_sentencepiece_add(m, text, s[i].start, s[i].end, id_of(m, text, s[i]), w);
    }
}
