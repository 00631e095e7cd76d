/* The lines of texts in memory, for commands that measure with them. Internal to apps/. */
#ifndef AE_APPS_BENCH_LINES_H
#define AE_APPS_BENCH_LINES_H

#include "apps/app.h"
#include "tensor/byte_buffer.h"
#include "tokenizers/tokenizer.h"

/* Begin with all zero bytes. */
typedef struct ae_bench_lines {
    ae_bytes bytes; /* what the lines point into */
    ae_text *lines;
    int64_t count, room;
} ae_bench_lines;

/* Reads the command's arguments, or standard input. Returns 0, or -1 and run->error; no text at all is an error. */
int ae_bench_lines_read(ae_run *run, ae_bench_lines *c);

void ae_bench_lines_free(ae_bench_lines *c);

#endif
