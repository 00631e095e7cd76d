/* The lines that a corpus must not hold, because a test set holds them. Internal. */
#ifndef AE_DATASETS_EXCLUSION_H
#define AE_DATASETS_EXCLUSION_H

#include "datasets/line_reader.h"

typedef struct ae_exclusion ae_exclusion;

/* The lines of the files, and the cells of tables: parted by tabs, by commas in a file called .csv, and the strings of
 * a line of JSON. Two texts are equal when they are but for blanks and the case of ASCII letters; empty ones are not
 * taken. n may be 0. NULL and e filled on failure. */
ae_exclusion *ae_exclusion_open(const char *const *paths, int n, const ae_line_options *options, ae_err *e);
void ae_exclusion_free(ae_exclusion *x); /* NULL is allowed */

int64_t ae_exclusion_count(const ae_exclusion *x);
bool ae_exclusion_has(const ae_exclusion *x, const char *text, size_t bytes);

#endif
