#include "apps/command_table.h"
#include "apps/tokenizer_run.h"

#include <stdlib.h>
#include <string.h>

typedef enum shown { SHOW_IDS, SHOW_TOKENS, SHOW_OFFSETS } shown;

typedef struct encoding_run {
    ae_run *run;
    const ae_tokenizer *tokenizer;
    ae_encode_options options;
    shown shown;
    bool pair;
    ae_encoding x;
} encoding_run;

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_token(FILE *out, const ae_tokenizer *t, int32_t id)
{
    size_t bytes;
    const char *token = ae_tokenizer_token(t, id, &bytes);
    fwrite(token ? token : "", 1, token ? bytes : 0, out);
}

static void print_text(const encoding_run *r)
{
    FILE *out = r->run->out;
    for (int64_t i = 0; i < r->x.count; i++) {
        if (i) {
            fputc(' ', out);
        }
        if (r->shown == SHOW_IDS) {
            fprintf(out, "%d", (int)r->x.ids[i]);
        } else if (r->shown == SHOW_TOKENS) {
            print_token(out, r->tokenizer, r->x.ids[i]);
        } else {
            fprintf(out, "%lld-%lld", (long long)r->x.starts[i], (long long)r->x.ends[i]);
        }
    }
    fputc('\n', out);
}

static ae_json *offset_json(const ae_encoding *x, int64_t i)
{
    ae_json *pair = ae_json_new_array();
    ae_json_add(pair, NULL, ae_json_new_int(x->starts[i]));
    ae_json_add(pair, NULL, ae_json_new_int(x->ends[i]));
    return pair;
}

static int print_json(const encoding_run *r)
{
    ae_json *object = ae_json_new_object(), *ids = ae_json_new_array(), *tokens = ae_json_new_array();
    ae_json *types = ae_json_new_array(), *offsets = ae_json_new_array();
    for (int64_t i = 0; i < r->x.count; i++) {
        size_t bytes = 0;
        const char *token = ae_tokenizer_token(r->tokenizer, r->x.ids[i], &bytes);
        ae_json_add(ids, NULL, ae_json_new_int(r->x.ids[i]));
        ae_json_add(tokens, NULL, token ? ae_json_new_bytes(token, bytes) : ae_json_new_null());
        ae_json_add(types, NULL, ae_json_new_int(r->x.type_ids[i]));
        ae_json_add(offsets, NULL, offset_json(&r->x, i));
    }
    ae_json_set(object, "ids", ids);
    ae_json_set(object, "tokens", tokens);
    ae_json_set(object, "type_ids", types);
    ae_json_set(object, "offsets", offsets);
    return ae_run_print_json(r->run, object);
}

static int print_record(encoding_run *r)
{
    if (r->run->json) {
        return print_json(r);
    }
    print_text(r);
    return 0;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static int encode_pair(encoding_run *r, const ae_line *line)
{
    ae_run *run = r->run;
    const char *tab = memchr(line->text, '\t', line->bytes);
    if (!tab) {
        run->error_file = NULL;
        run->error_line = line->number;
        return ae_err_set(&run->error, AE_E_FORMAT,
                          "%s: line %lld: with --pair a line is two texts with a TAB between; this one has none",
                          line->path, (long long)line->number);
    }
    size_t first = (size_t)(tab - line->text);
    return ae_tokenizer_encode_pair(r->tokenizer, line->text, first, tab + 1, line->bytes - first - 1, &r->options,
                                    &r->x, &run->error);
}

static int encode_line(void *self, const ae_line *line)
{
    encoding_run *r = self;
    r->x.count = 0;
    if (line->bytes > 0) {
        int status =
            r->pair ? encode_pair(r, line)
                    : ae_tokenizer_encode(r->tokenizer, line->text, line->bytes, &r->options, &r->x, &r->run->error);
        if (status) {
            return -1;
        }
    }
    return print_record(r);
}

/* ---- a JSON array of texts --------------------------------------------------------------------------------------- */

static int encode_member(encoding_run *r, const ae_json *member, ae_json *rows)
{
    size_t bytes;
    char *text = ae_json_value_bytes(member, &bytes, &r->run->error);
    if (!text) {
        return -1;
    }
    int status = ae_tokenizer_encode(r->tokenizer, text, bytes, &r->options, &r->x, &r->run->error);
    free(text);
    if (status) {
        return -1;
    }
    ae_json *ids = ae_json_new_array();
    for (int64_t i = 0; i < r->x.count; i++) {
        ae_json_add(ids, NULL, ae_json_new_int(r->x.ids[i]));
    }
    return ae_json_add(rows, NULL, ids);
}

static int encode_json(encoding_run *r, const char *path)
{
    ae_run *run = r->run;
    if (r->pair || ae_options_arguments(run->options) > 0) {
        return ae_err_set(&run->error, AE_E_VALUE, "--from-json takes the place of files and has no --pair");
    }
    ae_json *texts = ae_json_read_file(path, &run->error);
    if (!texts) {
        return -1;
    }
    ae_json *rows = ae_json_new_array();
    int status = 0;
    int64_t number = 0;
    if (ae_json_type_of(texts) != AE_JSON_ARRAY) {
        status = ae_err_set(&run->error, AE_E_FORMAT, "%s: an array of texts is wanted; it is %s", path,
                            ae_json_type_name(ae_json_type_of(texts)));
    }
    for (const ae_json *m = ae_json_first(texts); m && status == 0; m = ae_json_next(m), number++) {
        status = encode_member(r, m, rows);
        if (status) {
            ae_err_prefix(&run->error, "%s: text %lld", path, (long long)number);
        }
    }
    ae_json_free(texts);
    if (status) {
        ae_json_free(rows);
        return -1;
    }
    return ae_run_print_json(run, rows);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int read_shown(ae_run *run, shown *result)
{
    static const char *const names[] = {"ids", "tokens", "offsets"};
    const char *to = ae_options_text(run->options, "to");
    for (int i = 0; i < 3; i++) {
        if (!to || strcmp(to, names[i]) == 0) {
            *result = (shown)i;
            return 0;
        }
    }
    return ae_err_set(&run->error, AE_E_VALUE, "--to %s: one of ids, tokens, offsets is wanted", to);
}

static int run_encode(ae_run *run)
{
    encoding_run r = {.run = run,
                      .options = {.special = ae_options_flag(run->options, "special"),
                                  .max_length = ae_options_int(run->options, "seq")},
                      .pair = ae_options_flag(run->options, "pair")};
    if (read_shown(run, &r.shown)) {
        return -1;
    }
    ae_tokenizer *t = ae_run_tokenizer(run, ae_options_text(run->options, "tokenizer"));
    if (!t) {
        return -1;
    }
    const char *json = ae_options_text(run->options, "from-json");
    r.tokenizer = t;
    r.x.no_offsets = json || (r.shown != SHOW_OFFSETS && !run->json);
    int status = json ? encode_json(&r, json) : ae_run_each_line(run, encode_line, &r);
    ae_encoding_free(&r.x);
    ae_tokenizer_free(t);
    return status;
}

static const char *const options[] = {
    "tokenizer",     "to",       "special",         "pair", "seq", "from-json", "kind", "lower-case", "strip-accents",
    "split-chinese", "encoding", "encoding-errors", "json", NULL};

const ae_command ae_cmd_tokenizer_encode = {
    .name = "tokenizer encode",
    .summary = "turn lines of text into tokens",
    .usage = "[FILE...]",
    .details =
        "Reads files, or standard input without any, and prints one record a line: --to ids (the default), tokens, "
        "or offsets (first-last+1, in bytes of the text); an empty line gives an empty record. --json prints all "
        "of them as one object a line. --seq cuts records to that many tokens, pairs the longer text first.\n\n"
        "--from-json FILE reads a JSON array of texts instead, which may hold line ends, and prints one JSON array "
        "with an array of ids for each.",
    .options = options,
    .arguments_max = -1,
    .run = run_encode,
};
