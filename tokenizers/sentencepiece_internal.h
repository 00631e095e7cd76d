/* The model "SentencePiece" as its own files see it. */
#ifndef AE_TOKENIZERS_SENTENCEPIECE_INTERNAL_H
#define AE_TOKENIZERS_SENTENCEPIECE_INTERNAL_H

#include "tokenizers/best_path.h"
#include "tokenizers/component.h"
#include "tokenizers/merge_table.h"
#include "tokenizers/pieces.h"

/* What BPE merges. Symbols are numbers: below the number of pieces a piece; then characters that are no piece but stand
 * in one; from `settled` on settled + id, which merges with nothing. */
enum { AE_DIRECT_LETTERS = 0x10000 };

typedef struct ae_piece_merges {
    ae_merge_table table;
    ae_vocab *letters; /* the symbol of each character that stands in a piece */
    int32_t *direct;   /* the same by code point below AE_DIRECT_LETTERS; -1: none */
    int32_t settled;
    bool unused; /* there are pieces that are taken apart again */
} ae_piece_merges;

typedef struct ae_sentencepiece {
    ae_piece_list pieces;
    ae_piece_options options;
    int32_t unknown;
    int32_t bytes[256];     /* the ids of <0x00> and so on, or -1 */
    ae_trie user;           /* user-defined symbols; BPE and characters */
    ae_path_pieces path;    /* unigram */
    double largest;         /* the largest magnitude of a score in it */
    ae_piece_merges merges; /* BPE */
    bool parts;             /* text may be cut before a ▁: no piece goes on behind one */
    uint64_t hash;
} ae_sentencepiece;

/* Whether text can hold a piece of this type. */
static inline bool ae_piece_in_text(uint8_t type)
{
    return type == AE_PIECE_NORMAL || type == AE_PIECE_USER || type == AE_PIECE_UNUSED;
}

/* Whether ▁ stands at the front. */
static inline bool ae_is_space_mark(const char *text, size_t left)
{
    return left >= 3 && memcmp(text, "\xe2\x96\x81", 3) == 0;
}

/* Adds a token over [start, end) of the text: an unknown one becomes bytes, or is joined to one right before it; a word
 * begins at a ▁. */
void ae_sentencepiece_add(const ae_sentencepiece *m, const char *text, size_t start, size_t end, int32_t id,
                          ae_work *w);

/* The same of an unknown one that does not become bytes. */
void ae_sentencepiece_join(const ae_sentencepiece *m, size_t start, size_t end, ae_work *w);

/* The id of a whole string, or that of the unknown piece; control pieces are not found in text. */
int32_t ae_sentencepiece_find(const ae_sentencepiece *m, const char *text, size_t bytes);

/* BPE: prepares m->merges, and encodes [start, end) of a text. */
int ae_piece_merges_init(ae_sentencepiece *m, ae_err *e);
void ae_piece_merges_free(ae_piece_merges *p);
void ae_sentencepiece_merge(const ae_sentencepiece *m, const char *text, size_t start, size_t end, ae_work *w);

/* The length of the next character, or of the longest user-defined symbol at the front; then *user is its id, else -1.
 */
size_t ae_sentencepiece_letter(const ae_sentencepiece *m, const char *text, size_t left, int32_t *user);

/* [start, end) of a text without looking at what stands around it but for unknown pieces, which are joined. */
void ae_sentencepiece_whole(const ae_sentencepiece *m, const char *text, size_t start, size_t end, ae_work *w);

/* How a path went: the score at its end, and how near other paths came to the chosen ones (ae_best_path). */
typedef struct ae_path_report {
    double score, margin;
} ae_path_report;

/* Unigram, behind what has the score `before`; `single` as in ae_best_path. */
ae_path_report ae_sentencepiece_path(const ae_sentencepiece *m, const char *text, size_t start, size_t end,
                                     double before, bool single, ae_work *w);

/* A text, cut before each ▁, with the parts in a cache. The same tokens as of the whole. */
void ae_sentencepiece_parts(const ae_sentencepiece *m, const char *text, size_t bytes, ae_work *w);

/* Cuts tokens from w->made[first] on anew that end in a comma behind a digit. */
void ae_sentencepiece_commas(const ae_sentencepiece *m, const char *text, size_t first, ae_work *w);

#endif
