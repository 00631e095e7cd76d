/* A text as characters that passes read and write anew: rules that look at neighbours are short on them. Internal to
 * tokenizers/. */
#ifndef AE_TOKENIZERS_CELLS_H
#define AE_TOKENIZERS_CELLS_H

#include "tokenizers/work.h"

typedef struct ae_cell {
    uint32_t c;
    uint32_t from, to; /* the range of the original that it stands for */
} ae_cell;

/* All zero bytes is an empty one. A pass reads at[0..n-1], adds to what is being written, and swaps. */
typedef struct ae_cells {
    ae_cell *at, *out;
    size_t n, n_out, room, room_out;
    bool failed; /* no memory; sticky */
} ae_cells;

/* Begins with a part of a text. */
void ae_cells_read(ae_cells *x, const ae_aligned *text, size_t start, size_t end);

/* Adds the characters to a text. */
void ae_cells_write(const ae_cells *x, ae_aligned *text);

void ae_cells_free(ae_cells *x);

/* Adds a character in the place of `like`. */
void ae_cells_put(ae_cells *x, uint32_t c, ae_cell like);

/* The same of each of a text's characters, which are ASCII. */
void ae_cells_put_text(ae_cells *x, const char *text, ae_cell like);

/* Adds what was read, from i on. */
void ae_cells_take(ae_cells *x, size_t i, size_t count);

void ae_cells_swap(ae_cells *x);

/* Whether the text, which is ASCII, stands at i. */
bool ae_cells_have(const ae_cells *x, size_t i, const char *text);

/* Whether the character at i is one of a text's, which are ASCII. */
bool ae_cells_one_of(const ae_cells *x, size_t i, const char *set);

/* Whether a character is anywhere. */
bool ae_cells_hold(const ae_cells *x, uint32_t c);

/* Pass: a blank before and after every character of a set. */
void ae_cells_part(ae_cells *x, const char *set);

/* Pass: a blank before every occurrence of a text, from the left, and `behind` after it; what an occurrence takes
 * begins no other. */
void ae_cells_part_text(ae_cells *x, const char *text, const char *behind);

/* A pass: a blank at the front and one at the end. */
void ae_cells_pad(ae_cells *x);

#endif
