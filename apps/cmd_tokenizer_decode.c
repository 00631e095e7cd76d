#include "apps/command_table.h"
#include "apps/tokenizer_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct decoding_run {
    ae_run *run;
    const ae_tokenizer *tokenizer;
    bool skip_special;
    int32_t *ids;
    int64_t count, capacity;
} decoding_run;

static int add_id(decoding_run *r, int32_t id)
{
    if (r->count == r->capacity) {
        int64_t capacity = r->capacity ? r->capacity * 2 : 256;
        int32_t *ids = realloc(r->ids, (size_t)capacity * sizeof *ids);
        if (!ids) {
            return ae_err_set(&r->run->error, AE_E_MEMORY, "no memory for the ids of a line");
        }
        r->ids = ids;
        r->capacity = capacity;
    }
    r->ids[r->count++] = id;
    return 0;
}

/* Reads the ids of a line: numbers with blanks or commas between, perhaps in brackets. */
static int read_ids(decoding_run *r, const ae_line *line)
{
    static const char between[] = " \t,[]";
    r->count = 0;
    for (const char *at = line->text + strspn(line->text, between); *at; at += strspn(at, between)) {
        char *end;
        errno = 0;
        long id = strtol(at, &end, 10);
        if (end == at || (*end && !strchr(between, *end)) || errno || id < 0 || id > INT32_MAX) {
            return ae_err_set(
                &r->run->error, AE_E_FORMAT, "%s: line %lld: \"%.*s\" is no id; ids are numbers with blanks between",
                line->path, (long long)line->number, (int)(strcspn(at, between) > 40 ? 40 : strcspn(at, between)), at);
        }
        if (add_id(r, (int32_t)id)) {
            return -1;
        }
        at = end;
    }
    return 0;
}

/* Text on one line: a line end inside it is shown as \n. */
static void print_text(FILE *out, const char *text, size_t bytes)
{
    for (const char *end = text + bytes; text < end; text++) {
        if (*text == '\n') {
            fputs("\\n", out);
        } else if (*text == '\r') {
            fputs("\\r", out);
        } else {
            fputc(*text, out);
        }
    }
    fputc('\n', out);
}

static int decode_line(void *self, const ae_line *line)
{
    decoding_run *r = self;
    ae_run *run = r->run;
    if (read_ids(r, line)) {
        return -1;
    }
    size_t bytes;
    char *text = ae_tokenizer_decode(r->tokenizer, r->ids, r->count, r->skip_special, &bytes, &run->error);
    if (!text) {
        ae_err_prefix(&run->error, "%s: line %lld", line->path, (long long)line->number);
        return -1;
    }
    int status = 0;
    if (run->json) {
        ae_json *object = ae_json_new_object();
        ae_json_set(object, "text", ae_json_new_bytes(text, bytes));
        status = ae_run_print_json(run, object);
    } else {
        print_text(run->out, text, bytes);
    }
    free(text);
    return status;
}

static int run_decode(ae_run *run)
{
    ae_tokenizer *t = ae_run_tokenizer(run, ae_options_text(run->options, "tokenizer"));
    if (!t) {
        return -1;
    }
    decoding_run r = {.run = run, .tokenizer = t, .skip_special = ae_options_flag(run->options, "skip-special")};
    int status = ae_run_each_line(run, decode_line, &r);
    free(r.ids);
    ae_tokenizer_free(t);
    return status;
}

static const char *const options[] = {"tokenizer", "skip-special", "kind", "json", NULL};

const ae_command ae_cmd_tokenizer_decode = {
    .name = "tokenizer decode",
    .summary = "turn lines of ids back into text",
    .usage = "[FILE...]",
    .details =
        "Reads files, or standard input without any, of ids with blanks between, and prints the text of each line; "
        "an empty line gives an empty one. Line ends inside a text are shown as \\n; --json keeps them as they "
        "are.",
    .options = options,
    .arguments_max = -1,
    .run = run_decode,
};
