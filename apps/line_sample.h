/* Some lines of a text of unknown length, each as likely as any other (Vitter 1985, algorithm R). Internal to apps/. */
#ifndef AE_APPS_LINE_SAMPLE_H
#define AE_APPS_LINE_SAMPLE_H

#include "tensor/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ae_sampled_line {
    char *text; /* no NUL behind it */
    size_t bytes, room;
    int64_t number; /* of the line, from 0 */
    bool ended;     /* with a line end */
} ae_sampled_line;

/* Begin with all zero bytes but `limit` and `seed`. */
typedef struct ae_line_sample {
    int64_t limit; /* lines that are kept */
    uint64_t seed; /* the same lines for the same seed */
    ae_sampled_line *lines;
    int64_t n, capacity;
    int64_t offered;
} ae_line_sample;

/* Copies a line if it is drawn. 0, or -1 and e without memory. */
int ae_line_sample_offer(ae_line_sample *s, const char *text, size_t bytes, bool ended, ae_err *e);

/* Puts the lines in the order in which they were offered. */
void ae_line_sample_sort(ae_line_sample *s);

void ae_line_sample_free(ae_line_sample *s); /* and empties it */

#endif
