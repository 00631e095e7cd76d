#include "apps/command_table.h"
#include "apps/tokenizer_run.h"

#include <stdlib.h>
#include <string.h>

/* The parts of a tokenizer.json that are compared, the model without its lists. */
static const char *const stages[] = {"normalizer",     "pre_tokenizer", "model",
                                     "post_processor", "decoder",       "added_tokens"};

enum { STAGES = sizeof stages / sizeof *stages, SIDES = 2, CLIP = 400 };

typedef struct comparison {
    ae_run *run;
    ae_tokenizer *t[SIDES];
    ae_encoding x[SIDES];
    int64_t examples;       /* to show of each difference */
    int64_t same_id, moved; /* tokens of both */
    int64_t only[SIDES];    /* tokens of one */
    char *stage[SIDES][STAGES];
    int64_t merges[SIDES];
    int64_t first_merge;            /* the first that differs, from 0; -1: none */
    int64_t lines, same, respelled; /* texts: with the same ids; with the same tokens under other ids */
    ae_json *shown;                 /* with --json: the examples */
} comparison;

/* ---- vocabularies --------------------------------------------------------------------------------------------------- */

static void show_token(comparison *c, const char *what, int32_t id, int32_t other, const char *token, size_t bytes)
{
    ae_run *run = c->run;
    if (c->shown) {
        ae_json *o = ae_json_new_object();
        ae_json_set_string(o, "what", what);
        ae_json_set(o, "token", ae_json_new_bytes(token, bytes));
        ae_json_set_int(o, "id", id);
        ae_json_set(o, "other_id", other >= 0 ? ae_json_new_int(other) : ae_json_new_null());
        ae_json_add(c->shown, NULL, o);
    } else if (other >= 0) {
        fprintf(run->out, "  %-10s %8d %8d  %.*s\n", what, (int)id, (int)other, (int)bytes, token);
    } else {
        fprintf(run->out, "  %-10s %8d %8s  %.*s\n", what, (int)id, "-", (int)bytes, token);
    }
}

/* Counts the tokens of one side that the other has not; from the first side also those that both have. */
static void compare_tokens(comparison *c, int side)
{
    const ae_tokenizer *mine = c->t[side], *theirs = c->t[1 - side];
    for (int32_t id = 0; id < ae_tokenizer_size(mine); id++) {
        size_t bytes = 0, length = 0;
        const char *token = ae_tokenizer_token(mine, id, &bytes);
        if (!token) {
            continue;
        }
        const char *there = ae_tokenizer_token(theirs, id, &length);
        bool same = there && length == bytes && memcmp(there, token, bytes) == 0;
        int32_t other = same ? id : ae_tokenizer_id(theirs, token, bytes);
        if (other < 0) {
            if (c->only[side]++ < c->examples) {
                show_token(c, side ? "only in B" : "only in A", id, -1, token, bytes);
            }
        } else if (side == 0 && other == id) {
            c->same_id++;
        } else if (side == 0 && c->moved++ < c->examples) {
            show_token(c, "other id", id, other, token, bytes);
        }
    }
}

/* ---- components ----------------------------------------------------------------------------------------------------- */

/* The text of each stage, and the list of merges; the caller frees the tree. */
static ae_json *read_stages(comparison *c, int side, const ae_json **merges)
{
    ae_json *json = ae_tokenizer_json(c->t[side], &c->run->error);
    *merges = ae_json_get(ae_json_get(json, "model"), "merges");
    c->merges[side] = ae_json_count(*merges);
    for (int i = 0; i < STAGES && json; i++) {
        const ae_json *stage = ae_json_get(json, stages[i]);
        ae_json *copy = stage ? ae_json_copy(stage) : ae_json_new_null();
        if (strcmp(stages[i], "model") == 0) {
            ae_json_remove(copy, "vocab");
            ae_json_remove(copy, "merges");
            ae_json_remove(copy, "pieces");
        }
        c->stage[side][i] = copy ? ae_json_text(copy, false, &c->run->error) : NULL;
        ae_json_free(copy);
        if (!c->stage[side][i]) {
            ae_err_set(&c->run->error, AE_E_MEMORY, "no memory for the parts of a tokenizer");
            ae_json_free(json);
            return NULL;
        }
    }
    return json;
}

static bool same_json(const ae_json *a, const ae_json *b)
{
    char *one = ae_json_text(a, false, NULL), *two = ae_json_text(b, false, NULL);
    bool same = one && two && strcmp(one, two) == 0;
    free(one);
    free(two);
    return same;
}

static int compare_stages(comparison *c)
{
    const ae_json *merges[SIDES];
    ae_json *a = read_stages(c, 0, &merges[0]), *b = a ? read_stages(c, 1, &merges[1]) : NULL;
    c->first_merge = -1;
    if (b) {
        const ae_json *x = ae_json_first(merges[0]), *y = ae_json_first(merges[1]);
        int64_t place = 0;
        for (; x && y && same_json(x, y); place++) {
            x = ae_json_next(x);
            y = ae_json_next(y);
        }
        c->first_merge = x || y ? place : -1;
    }
    ae_json_free(a);
    ae_json_free(b);
    return b ? 0 : -1;
}

static bool same_stage(const comparison *c, int i)
{
    return strcmp(c->stage[0][i], c->stage[1][i]) == 0;
}

/* ---- texts ---------------------------------------------------------------------------------------------------------- */

static ae_json *tokens_json(const ae_tokenizer *t, const ae_encoding *x)
{
    ae_json *list = ae_json_new_array();
    for (int64_t i = 0; i < x->count; i++) {
        size_t bytes = 0;
        const char *token = ae_tokenizer_token(t, x->ids[i], &bytes);
        ae_json_add(list, NULL, ae_json_new_bytes(token ? token : "", bytes));
    }
    return list;
}

static void print_side(const comparison *c, int side)
{
    FILE *out = c->run->out;
    fprintf(out, "    %c:", 'A' + side);
    for (int64_t i = 0; i < c->x[side].count; i++) {
        size_t bytes = 0;
        const char *token = ae_tokenizer_token(c->t[side], c->x[side].ids[i], &bytes);
        fprintf(out, " %.*s", (int)bytes, token ? token : "");
    }
    fputc('\n', out);
}

static void show_line(comparison *c, const ae_line *line)
{
    if (!c->shown) {
        fprintf(c->run->out, "  %s: line %lld\n", line->path, (long long)line->number);
        print_side(c, 0);
        print_side(c, 1);
        return;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "what", "text");
    ae_json_set_string(o, "file", line->path);
    ae_json_set_int(o, "line", line->number);
    ae_json_set(o, "a", tokens_json(c->t[0], &c->x[0]));
    ae_json_set(o, "b", tokens_json(c->t[1], &c->x[1]));
    ae_json_add(c->shown, NULL, o);
}

/* Whether both cut the text into tokens that are spelled alike. */
static bool same_spellings(const comparison *c)
{
    bool same = c->x[0].count == c->x[1].count;
    for (int64_t i = 0; i < c->x[0].count && same; i++) {
        size_t n = 0, m = 0;
        const char *a = ae_tokenizer_token(c->t[0], c->x[0].ids[i], &n);
        const char *b = ae_tokenizer_token(c->t[1], c->x[1].ids[i], &m);
        same = a && b && n == m && memcmp(a, b, n) == 0;
    }
    return same;
}

static int compare_line(comparison *c, const ae_line *line)
{
    for (int side = 0; side < SIDES; side++) {
        if (ae_tokenizer_encode(c->t[side], line->text, line->bytes, NULL, &c->x[side], &c->run->error) != 0) {
            ae_err_prefix(&c->run->error, "%s: line %lld", line->path, (long long)line->number);
            return -1;
        }
    }
    size_t n = (size_t)c->x[0].count;
    bool same =
        c->x[1].count == c->x[0].count && (n == 0 || memcmp(c->x[0].ids, c->x[1].ids, n * sizeof(int32_t)) == 0);
    bool respelled = !same && same_spellings(c);
    c->lines++;
    c->same += same;
    c->respelled += respelled;
    if (!same && c->lines - c->same <= c->examples) {
        show_line(c, line);
    }
    return 0;
}

static int compare_texts(comparison *c)
{
    ae_run *run = c->run;
    ae_line line;
    int got = 0, status = 0;
    for (int i = SIDES; i < ae_options_arguments(run->options) && status == 0; i++) {
        const char *path = ae_options_argument(run->options, i);
        ae_line_reader *reader = ae_run_open_lines(run, &path, 1);
        while (reader && status == 0 && (got = ae_line_reader_next(reader, &line, &run->error)) == 1) {
            status = compare_line(c, &line);
        }
        status = !reader || got < 0 ? -1 : status;
        ae_line_reader_close(reader);
    }
    return status;
}

/* ---- the answer ----------------------------------------------------------------------------------------------------- */

static bool is_same(const comparison *c)
{
    bool same = c->moved == 0 && c->only[0] == 0 && c->only[1] == 0 && c->first_merge < 0 && c->same == c->lines;
    for (int i = 0; i < STAGES; i++) {
        same = same && same_stage(c, i);
    }
    return same;
}

static void print(const comparison *c)
{
    FILE *out = c->run->out;
    fprintf(out, "%-14s %lld in both with one id, %lld with another, %lld only in A, %lld only in B\n", "tokens",
            (long long)c->same_id, (long long)c->moved, (long long)c->only[0], (long long)c->only[1]);
    if (c->merges[0] > 0 || c->merges[1] > 0) {
        fprintf(out, "%-14s %lld and %lld, ", "merges", (long long)c->merges[0], (long long)c->merges[1]);
        fprintf(out, c->first_merge < 0 ? "the same\n" : "the same up to number %lld\n", (long long)c->first_merge);
    }
    for (int i = 0; i < STAGES; i++) {
        if (same_stage(c, i)) {
            fprintf(out, "%-14s the same\n", stages[i]);
        } else {
            fprintf(out, "%-14s differs\n", stages[i]);
            for (int side = 0; side < SIDES; side++) {
                const char *text = c->stage[side][i];
                fprintf(out, "  %c: %.*s%s\n", 'A' + side, CLIP, text, strlen(text) > CLIP ? "..." : "");
            }
        }
    }
    if (c->lines > 0) {
        fprintf(out, "%-14s %lld: %lld with the same ids, %lld with the same tokens under other ids, %lld differ\n",
                "lines", (long long)c->lines, (long long)c->same, (long long)c->respelled,
                (long long)(c->lines - c->same - c->respelled));
    }
}

static int print_json(comparison *c)
{
    ae_json *o = ae_json_new_object(), *differing = ae_json_new_array();
    for (int i = 0; i < STAGES; i++) {
        if (!same_stage(c, i)) {
            ae_json_add(differing, NULL, ae_json_new_string(stages[i]));
        }
    }
    ae_json_set_bool(o, "same", is_same(c));
    ae_json_set_int(o, "same_id", c->same_id);
    ae_json_set_int(o, "other_id", c->moved);
    ae_json_set_int(o, "only_a", c->only[0]);
    ae_json_set_int(o, "only_b", c->only[1]);
    ae_json_set(o, "first_merge", c->first_merge < 0 ? ae_json_new_null() : ae_json_new_int(c->first_merge));
    ae_json_set(o, "components", differing);
    ae_json_set_int(o, "lines", c->lines);
    ae_json_set_int(o, "lines_same_ids", c->same);
    ae_json_set_int(o, "lines_same_tokens", c->respelled);
    ae_json_set(o, "examples", c->shown);
    c->shown = NULL;
    return ae_run_print_json(c->run, o);
}

static int compare(comparison *c)
{
    ae_run *run = c->run;
    for (int side = 0; side < SIDES; side++) {
        c->t[side] = ae_run_tokenizer(run, ae_options_argument(run->options, side));
        if (!c->t[side]) {
            return -1;
        }
    }
    c->shown = run->json ? ae_json_new_array() : NULL;
    compare_tokens(c, 0);
    compare_tokens(c, 1);
    if (compare_stages(c) != 0 || compare_texts(c) != 0) {
        return -1;
    }
    if (run->json && print_json(c) != 0) {
        return -1;
    }
    if (!run->json) {
        print(c);
    }
    return is_same(c) ? AE_EXIT_DONE : AE_EXIT_NO;
}

static int run_diff(ae_run *run)
{
    comparison c = {.run = run,
                    .examples = ae_options_int(run->options, "examples"),
                    .x = {{.no_offsets = true}, {.no_offsets = true}}};
    int status = compare(&c);
    for (int side = 0; side < SIDES; side++) {
        for (int i = 0; i < STAGES; i++) {
            free(c.stage[side][i]);
        }
        ae_encoding_free(&c.x[side]);
        ae_tokenizer_free(c.t[side]);
    }
    ae_json_free(c.shown);
    return status;
}

static const char *const options[] = {"examples", "encoding", "encoding-errors", "json", NULL};

const ae_command ae_cmd_tokenizer_diff = {
    .name = "tokenizer diff",
    .summary = "say in what two tokenizers differ",
    .usage = "A B [FILE...]",
    .details =
        "A and B are tokenizers, as for `tokenizer convert`, or model files. Compared are the tokens and their ids, "
        "the "
        "merges, every stage, and, for the lines of FILE..., the ids that both give without special tokens. --examples "
        "says how many of each difference are shown. The exit status is 0 when there is none, 1 when there is one.",
    .options = options,
    .arguments_min = 2,
    .arguments_max = -1,
    .run = run_diff,
};
