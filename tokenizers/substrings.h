/* The frequent substrings of counted runs: what unigram training begins with. Internal to tokenizers/.
 *
 * Runs are laid out one after the other; the positions of their characters are sorted by what stands there, as in a
 * suffix array, but only as deep as pieces are long. A substring is taken when different characters follow it (an inner
 * node of the suffix tree), as SentencePiece does; one that is always followed by the same character says no more than
 * the longer one. */
#ifndef AE_TOKENIZERS_SUBSTRINGS_H
#define AE_TOKENIZERS_SUBSTRINGS_H

#include "tokenizers/run_counts.h"

#define AE_RUN_END 0x80000000u /* set in the symbol behind a run's last character: the end, and what follows it */

/* For each run its characters, its end, and its number. */
typedef struct ae_run_text {
    uint32_t *symbols;
    size_t n;
    uint32_t *starts; /* (n_runs + 1) */
    int64_t *counts;  /* (n_runs) */
    uint32_t n_runs;
} ae_run_text;

/* Lays runs out, in an order that does not depend on how they came. 0, or -1 and e: no memory, or too much text. */
int ae_run_text_make(ae_run_text *t, const ae_runs *runs, ae_err *e);
void ae_run_text_free(ae_run_text *t); /* and empties it */

typedef struct ae_substring {
    uint32_t left, places; /* it stands at the positions order[left] .. order[left + places - 1] */
    uint32_t length;       /* characters */
    uint32_t zero;         /* fills what would be undefined: equal substrings are equal in memory */
    int64_t count;         /* how often it occurs in all */
} ae_substring;

typedef struct ae_substrings {
    uint32_t *order; /* positions of characters */
    size_t n_order;
    ae_substring *list; /* by falling count * length, then as their characters are ordered */
    size_t n;
} ae_substrings;

/* The `limit` substrings of two characters and more that rules allow and that make up most of the text. 0, or -1
 * without memory. */
int ae_substrings_find(ae_substrings *s, const ae_run_text *text, const ae_piece_rules *rules, size_t limit);
void ae_substrings_free(ae_substrings *s); /* and empties it */

#endif
