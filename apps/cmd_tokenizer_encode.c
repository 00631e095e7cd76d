#include "apps/command_table.h"
#include "apps/tokenizer_run.h"

#include <stdlib.h>
#include <string.h>

typedef enum shown { SHOW_IDS, SHOW_TOKENS, SHOW_OFFSETS, SHOW_WORDS, SHOW_TYPES, SHOWN } shown;

static const char *const shown_names[SHOWN] = {"ids", "tokens", "offsets", "words", "types"};

typedef struct encoding_run {
    ae_run *run;
    const ae_tokenizer *tokenizer;
    ae_batch_options options;
    shown shown;
    bool pair;
    ae_encoding_batch x;
} encoding_run;

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_token(FILE *out, const ae_tokenizer *t, int32_t id)
{
    size_t bytes;
    const char *token = ae_tokenizer_token(t, id, &bytes);
    fwrite(token ? token : "", 1, token ? bytes : 0, out);
}

/* A line of the tokens [start, end). */
static void print_text(const encoding_run *r, int64_t start, int64_t end)
{
    FILE *out = r->run->out;
    const ae_encoding_batch *x = &r->x;
    for (int64_t i = start; i < end; i++) {
        if (i > start) {
            fputc(' ', out);
        }
        if (r->shown == SHOW_TOKENS) {
            print_token(out, r->tokenizer, x->ids[i]);
        } else if (r->shown == SHOW_OFFSETS) {
            fprintf(out, "%lld-%lld", (long long)x->starts[i], (long long)x->ends[i]);
        } else {
            fprintf(out, "%d",
                    (int)(r->shown == SHOW_IDS     ? x->ids[i]
                          : r->shown == SHOW_WORDS ? x->words[i]
                                                   : x->type_ids[i]));
        }
    }
    fputc('\n', out);
}

static ae_json *token_json(const encoding_run *r, shown what, int64_t i)
{
    const ae_encoding_batch *x = &r->x;
    if (what == SHOW_TOKENS) {
        size_t bytes = 0;
        const char *token = ae_tokenizer_token(r->tokenizer, x->ids[i], &bytes);
        return token ? ae_json_new_bytes(token, bytes) : ae_json_new_null();
    }
    if (what == SHOW_OFFSETS) {
        ae_json *pair = ae_json_new_array();
        ae_json_add(pair, NULL, ae_json_new_int(x->starts[i]));
        ae_json_add(pair, NULL, ae_json_new_int(x->ends[i]));
        return pair;
    }
    return ae_json_new_int(what == SHOW_IDS ? x->ids[i] : what == SHOW_WORDS ? x->words[i] : x->type_ids[i]);
}

static ae_json *row_json(const encoding_run *r, shown what, int64_t start, int64_t end)
{
    ae_json *row = ae_json_new_array();
    for (int64_t i = start; i < end; i++) {
        ae_json_add(row, NULL, token_json(r, what, i));
    }
    return row;
}

static int print_record(const encoding_run *r, int64_t start, int64_t end)
{
    if (!r->run->json) {
        print_text(r, start, end);
        return 0;
    }
    ae_json *object = ae_json_new_object();
    ae_json_set(object, "ids", row_json(r, SHOW_IDS, start, end));
    ae_json_set(object, "tokens", row_json(r, SHOW_TOKENS, start, end));
    ae_json_set(object, "type_ids", row_json(r, SHOW_TYPES, start, end));
    ae_json_set(object, "offsets", row_json(r, SHOW_OFFSETS, start, end));
    ae_json_set(object, "words", row_json(r, SHOW_WORDS, start, end));
    return ae_run_print_json(r->run, object);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static int split_pair(encoding_run *r, const ae_line *line, ae_text *text)
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
    *text = (ae_text){.a = line->text, .a_bytes = first, .b = tab + 1, .b_bytes = line->bytes - first - 1};
    return 0;
}

static int encode_line(void *self, const ae_line *line)
{
    encoding_run *r = self;
    ae_text text = {.a = line->text, .a_bytes = line->bytes};
    if (line->bytes == 0) {
        return print_record(r, 0, 0);
    }
    if (r->pair && split_pair(r, line, &text) != 0) {
        return -1;
    }
    if (ae_tokenizer_encode_batch(r->tokenizer, &text, 1, &r->options, &r->x, &r->run->error) != 0) {
        return -1;
    }
    return print_record(r, 0, r->x.offsets[1]);
}

/* ---- a JSON array of texts --------------------------------------------------------------------------------------- */

/* The texts of an array, or its pairs of texts. */
typedef struct text_list {
    ae_text *texts;
    int64_t n;
} text_list;

static void free_list(text_list *l)
{
    for (int64_t i = 0; i < l->n; i++) {
        free((void *)(uintptr_t)l->texts[i].a);
        free((void *)(uintptr_t)l->texts[i].b);
    }
    free(l->texts);
}

static int read_text(const ae_json *member, bool pair, ae_text *text, ae_err *e)
{
    if (!pair) {
        text->a = ae_json_value_bytes(member, &text->a_bytes, e);
        return text->a ? 0 : -1;
    }
    const ae_json *a = ae_json_first(member), *b = a ? ae_json_next(a) : NULL;
    if (ae_json_type_of(member) != AE_JSON_ARRAY || ae_json_count(member) != 2) {
        return ae_err_set(e, AE_E_FORMAT, "with --pair an array of two texts is wanted; it is %s",
                          ae_json_type_name(ae_json_type_of(member)));
    }
    text->a = ae_json_value_bytes(a, &text->a_bytes, e);
    text->b = text->a ? ae_json_value_bytes(b, &text->b_bytes, e) : NULL;
    return text->b ? 0 : -1;
}

static int read_list(encoding_run *r, const char *path, const ae_json *json, text_list *l)
{
    ae_err *e = &r->run->error;
    if (ae_json_type_of(json) != AE_JSON_ARRAY) {
        return ae_err_set(e, AE_E_FORMAT, "%s: an array of texts is wanted; it is %s", path,
                          ae_json_type_name(ae_json_type_of(json)));
    }
    l->texts = calloc((size_t)ae_json_count(json) + 1, sizeof *l->texts);
    if (!l->texts) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the texts of %s", path);
    }
    for (const ae_json *m = ae_json_first(json); m; m = ae_json_next(m)) {
        if (read_text(m, r->pair, &l->texts[l->n++], e) != 0) {
            ae_err_prefix(e, "%s: text %lld", path, (long long)l->n - 1);
            return -1;
        }
    }
    return 0;
}

static int encode_list(encoding_run *r, const char *path, const text_list *l)
{
    if (ae_tokenizer_encode_batch(r->tokenizer, l->texts, l->n, &r->options, &r->x, &r->run->error) != 0) {
        ae_err_prefix(&r->run->error, "%s", path);
        return -1;
    }
    ae_json *rows = ae_json_new_array();
    for (int64_t i = 0; i < l->n; i++) {
        ae_json_add(rows, NULL, row_json(r, r->shown, r->x.offsets[i], r->x.offsets[i + 1]));
    }
    return ae_run_print_json(r->run, rows);
}

static int encode_json(encoding_run *r, const char *path)
{
    ae_run *run = r->run;
    if (ae_options_arguments(run->options) > 0) {
        return ae_err_set(&run->error, AE_E_VALUE, "--from-json takes the place of files");
    }
    ae_json *json = ae_json_read_file(path, &run->error);
    text_list l = {0};
    int status = json && read_list(r, path, json, &l) == 0 ? encode_list(r, path, &l) : -1;
    free_list(&l);
    ae_json_free(json);
    return status;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static int read_shown(encoding_run *r)
{
    const char *to = ae_options_text(r->run->options, "to");
    for (int i = 0; i < SHOWN; i++) {
        if (!to || strcmp(to, shown_names[i]) == 0) {
            r->shown = (shown)i;
            return 0;
        }
    }
    return ae_err_set(&r->run->error, AE_E_VALUE, "--to %s: one of ids, tokens, offsets, words, types is wanted", to);
}

static int read_options(encoding_run *r)
{
    const ae_options *o = r->run->options;
    int64_t seq = ae_options_int(o, "seq");
    bool json = ae_options_text(o, "from-json") != NULL;
    r->pair = ae_options_flag(o, "pair");
    r->options.encode = (ae_encode_options){.special = ae_options_flag(o, "special"),
                                            .max_length = seq,
                                            .truncation = (ae_truncation)ae_options_choice(o, "truncate")};
    if (ae_options_flag(o, "pad")) {
        r->options.padding = seq > 0 ? AE_PAD_LENGTH : AE_PAD_LONGEST;
        r->options.length = seq;
        if (seq == 0 && !json) {
            return ae_err_set(&r->run->error, AE_E_VALUE, "to how many tokens? --pad of lines wants --seq N");
        }
    }
    if (read_shown(r) != 0) {
        return -1;
    }
    bool offsets = r->shown == SHOW_OFFSETS || r->shown == SHOW_WORDS;
    r->options.no_offsets = !offsets && (json || !r->run->json);
    return 0;
}

static int run_encode(ae_run *run)
{
    encoding_run r = {.run = run};
    if (read_options(&r) != 0) {
        return -1;
    }
    ae_tokenizer *t = ae_run_tokenizer(run, ae_options_text(run->options, "tokenizer"));
    if (!t) {
        return -1;
    }
    const char *json = ae_options_text(run->options, "from-json");
    r.tokenizer = t;
    int status = json ? encode_json(&r, json) : ae_run_each_line(run, encode_line, &r);
    ae_encoding_batch_free(&r.x);
    ae_tokenizer_free(t);
    return status;
}

static const char *const options[] = {
    "tokenizer",       "to",   "special",    "pair",          "seq",           "truncate", "pad",
    "from-json",       "kind", "lower-case", "strip-accents", "split-chinese", "threads",  "encoding",
    "encoding-errors", "json", NULL};

const ae_command ae_cmd_tokenizer_encode = {
    .name = "tokenizer encode",
    .summary = "turn lines of text into tokens",
    .usage = "[FILE...]",
    .details =
        "Reads files, or standard input without any, and prints one record a line: --to ids (the default), tokens, "
        "offsets (first-last+1, in bytes of the text), words (their numbers) or types (of the segments); an empty line "
        "gives an empty record. --json prints all of them as one object a line. --seq cuts records to that many "
        "tokens, of a pair from the text that --truncate names, and --pad fills them up.\n\n"
        "--from-json FILE reads a JSON array of texts instead, which may hold line ends (with --pair one of arrays of "
        "two texts), and prints one JSON array with an array of what --to says for each. --pad without --seq fills all "
        "up to the longest.",
    .options = options,
    .arguments_max = -1,
    .run = run_encode,
};
