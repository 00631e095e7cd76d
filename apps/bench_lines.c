#include "apps/bench_lines.h"
#include "apps/tokenizer_run.h"

#include <stdlib.h>

static int keep_line(void *self, const ae_line *line)
{
    ae_bench_lines *c = self;
    if (c->count == c->room) {
        int64_t room = 2 * c->room + 1024;
        ae_text *lines = realloc(c->lines, (size_t)room * sizeof *lines);
        if (!lines) {
            return -1;
        }
        c->lines = lines;
        c->room = room;
    }
    c->lines[c->count++] = (ae_text){.a_bytes = line->bytes};
    ae_bytes_add(&c->bytes, line->text, line->bytes);
    return c->bytes.failed ? -1 : 0;
}

int ae_bench_lines_read(ae_run *run, ae_bench_lines *c)
{
    if (ae_run_each_line(run, keep_line, c) != 0) {
        return run->error.code ? -1 : ae_err_set(&run->error, AE_E_MEMORY, "no memory for the text");
    }
    if (c->bytes.length == 0) {
        return ae_err_set(&run->error, AE_E_VALUE, "there is no text to measure with");
    }
    const char *at = c->bytes.data;
    for (int64_t i = 0; i < c->count; at += c->lines[i++].a_bytes) {
        c->lines[i].a = at;
    }
    return 0;
}

void ae_bench_lines_free(ae_bench_lines *c)
{
    ae_bytes_free(&c->bytes);
    free(c->lines);
    *c = (ae_bench_lines){0};
}
