/* Runs of normalised text: stretches that pieces do not reach across (piece_rules.h), how often each occurs, and what
 * comes behind it. Internal to tokenizers/. All zero bytes is a valid, empty table. */
#ifndef AE_TOKENIZERS_RUN_COUNTS_H
#define AE_TOKENIZERS_RUN_COUNTS_H

#include "tokenizers/piece_rules.h"
#include "tokenizers/word_counts.h"

enum {
    AE_NEXT_END = 0,        /* the end of the text */
    AE_NEXT_SYMBOL = 9,     /* a symbol that is found in texts whole */
    AE_NEXT_RARE = 0x2585,  /* a character outside the alphabet */
    AE_NEXT_MANY = 0x1FFFFF /* several different characters, one time this, one time that */
};

typedef struct ae_runs {
    ae_word_counts words;
    uint32_t *next; /* by word: the character that follows it wherever it stands, or one of the above */
    int64_t room;
} ae_runs;

void ae_runs_add(ae_runs *r, const char *run, size_t bytes, uint32_t next, int64_t count);
void ae_runs_merge(ae_runs *into, const ae_runs *from);
void ae_runs_clear(ae_runs *r); /* forgets the runs and keeps the memory */
void ae_runs_free(ae_runs *r);  /* and empties it */

/* Symbols that no run holds a part of: where one of them stands, the text is parted. */
typedef struct ae_run_symbols {
    const char *const *texts;
    int n;
} ae_run_symbols;

/* Counts the runs of a text, which is valid UTF-8. */
void ae_runs_cut(ae_runs *r, const ae_piece_rules *rules, ae_run_symbols symbols, const char *text, size_t bytes);

/* Characters that a vocabulary holds, by falling count, by code point among equals. */
typedef struct ae_alphabet {
    uint32_t *chars;
    int64_t *counts;
    int64_t n;
    int64_t all; /* characters that were counted, those outside the alphabet too */
} ae_alphabet;

/* The most frequent characters of the runs that make up `coverage` (0 to 1) of the text, those of `always` (may be
 * NULL) first, at most `limit` of them (0: no limit). 0, or -1 without memory. */
int ae_alphabet_choose(ae_alphabet *a, const ae_runs *runs, double coverage, int64_t limit, const char *always);
void ae_alphabet_free(ae_alphabet *a);

/* The runs cut anew where characters stand that are not in the alphabet, which are left out. Failure sticks in `out`.
 */
void ae_runs_restrict(ae_runs *out, const ae_runs *runs, const ae_alphabet *alphabet);

#endif
