#include "apps/command_table.h"
#include "apps/model_vocabulary.h"
#include "apps/tokenizer_files.h"
#include "apps/tokenizer_run.h"
#include "apps/weights.h"

#include <stdlib.h>
#include <string.h>

/* Strings of the run's own. */
typedef struct word_list {
    char **words;
    int64_t n, room;
} word_list;

typedef struct extension {
    ae_run *run;
    const char *output;
    bool model; /* PATH is one, and not a tokenizer alone */
    ae_bundle bundle;
    ae_tokenizer *old; /* borrowed from the bundle where there is one */
    word_list words, special;
    int32_t *free_ids;
    int64_t n_free;
    ae_tokenizer_growth growth;
    ae_vocabulary_report report;
} extension;

/* ---- the words ------------------------------------------------------------------------------------------------------ */

static int add_word(ae_run *run, word_list *list, const char *word, size_t bytes)
{
    if (list->n == list->room) {
        int64_t room = list->room ? list->room * 2 : 64;
        char **words = realloc(list->words, (size_t)room * sizeof *words);
        if (!words) {
            return ae_err_set(&run->error, AE_E_MEMORY, "no memory for the new words");
        }
        list->words = words;
        list->room = room;
    }
    list->words[list->n] = strndup(word, bytes);
    return list->words[list->n++] ? 0 : ae_err_set(&run->error, AE_E_MEMORY, "no memory for the new words");
}

static void free_words(word_list *list)
{
    for (int64_t i = 0; i < list->n; i++) {
        free(list->words[i]);
    }
    free(list->words);
}

static int read_files(extension *x)
{
    ae_run *run = x->run;
    int n = ae_options_count(run->options, "words"), got = 0, status = 0;
    for (int i = 0; i < n && status == 0; i++) {
        const char *path = ae_options_nth(run->options, "words", i);
        ae_line_reader *reader = ae_run_open_lines(run, &path, 1);
        ae_line line;
        while (reader && status == 0 && (got = ae_line_reader_next(reader, &line, &run->error)) == 1) {
            status = line.bytes > 0 ? add_word(run, &x->words, line.text, line.bytes) : 0;
        }
        status = !reader || got < 0 ? -1 : status;
        ae_line_reader_close(reader);
    }
    return status;
}

static int read_words(extension *x)
{
    ae_run *run = x->run;
    int status = read_files(x);
    for (int i = 1; i < ae_options_arguments(run->options) && status == 0; i++) {
        const char *word = ae_options_argument(run->options, i);
        status = add_word(run, &x->words, word, strlen(word));
    }
    for (int i = 0; i < ae_options_count(run->options, "special-token") && status == 0; i++) {
        const char *word = ae_options_nth(run->options, "special-token", i);
        status = add_word(run, &x->special, word, strlen(word));
    }
    return status;
}

/* The ids of --replace, in order. */
static int find_free_ids(extension *x)
{
    ae_run *run = x->run;
    const char *pattern = ae_options_text(run->options, "replace");
    int32_t size = ae_tokenizer_size(x->old);
    x->free_ids = malloc(((size_t)size + 1) * sizeof *x->free_ids);
    if (!x->free_ids) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for %d tokens", (int)size);
    }
    for (int32_t id = 0; id < size && pattern; id++) {
        const char *token = ae_tokenizer_token(x->old, id, NULL);
        if (token && !ae_tokenizer_is_special(x->old, id) && ae_name_matches(token, pattern)) {
            x->free_ids[x->n_free++] = id;
        }
    }
    return pattern && x->n_free == 0
               ? ae_err_set(&run->error, AE_E_VALUE, "--replace %s: no token is called so", pattern)
               : 0;
}

/* ---- opening -------------------------------------------------------------------------------------------------------- */

/* Whether there are weights at a path. */
static bool is_model(const char *path)
{
    ae_weights w = {0};
    ae_err none = {0};
    bool is = ae_weights_read(path, &w, &none) == 0;
    ae_weights_free(&w);
    return is;
}

static int open_path(extension *x)
{
    ae_run *run = x->run;
    const char *path = ae_options_argument(run->options, 0);
    x->model = is_model(path);
    if (!x->model) {
        x->old = ae_run_tokenizer(run, path);
        return x->old ? 0 : -1;
    }
    if (ae_bundle_open(run, &x->bundle, path) != 0) {
        return -1;
    }
    x->old = x->bundle.tokenizer;
    return x->old ? 0
                  : ae_err_set(&run->error, AE_E_MISSING,
                               "%s holds no tokenizer; give the one that it was trained with: --tokenizer PATH", path);
}

static int check_options(const extension *x)
{
    ae_err *e = &x->run->error;
    const ae_options *o = x->run->options;
    bool other = ae_options_text(o, "new-tokenizer") != NULL;
    bool words = x->words.n > 0 || x->special.n > 0;
    if (!x->model && other) {
        return ae_err_set(e, AE_E_VALUE, "--new-tokenizer is for models; %s is a tokenizer alone",
                          ae_options_argument(o, 0));
    }
    if (!x->model && ae_options_text(o, "tokenizer")) {
        return ae_err_set(e, AE_E_VALUE, "--tokenizer is for models without one; %s is a tokenizer",
                          ae_options_argument(o, 0));
    }
    if (other && (words || ae_options_text(o, "replace"))) {
        return ae_err_set(e, AE_E_VALUE,
                          "--new-tokenizer brings all its tokens; give no words beside it (extend that tokenizer "
                          "first)");
    }
    if (!other && !words) {
        return ae_err_set(e, AE_E_VALUE, "which words? give them, or --words FILE, or --special-token TOKEN");
    }
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

static int write_folder(extension *x)
{
    ae_run *run = x->run;
    ae_bundle *d = &x->bundle;
    ae_tokenizer_files files;
    ae_save_options save = {.share = true};
    ae_weights w = {.config = d->config, .tensors = ae_tensors_new()};
    if (!w.tensors) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for the weights");
    }
    int status = ae_run_write_tokenizer(run, d->tokenizer, x->output, &files);
    status = status == 0 ? ae_model_save(d->model, &save, w.tensors, &run->error) : -1;
    status = status == 0 ? ae_weights_write(x->output, AE_WEIGHTS_HF, &w, &run->error) : -1;
    ae_tensors_free(w.tensors);
    return status;
}

static int write_model(extension *x)
{
    ae_run *run = x->run;
    ae_weights_format format;
    if (ae_weights_format_of(x->output, ae_options_text(run->options, "to"), &format, &run->error) != 0) {
        return -1;
    }
    if (format == AE_WEIGHTS_HF) {
        return write_folder(x);
    }
    if (format != AE_WEIGHTS_H5) {
        return ae_err_set(&run->error, AE_E_UNSUPPORTED,
                          "%s: a model and its tokenizer are written as NAME.h5 or as a folder (--to hf)", x->output);
    }
    return ae_bundle_save(&x->bundle, x->output, NULL, NULL, &run->error);
}

/* ---- what was done -------------------------------------------------------------------------------------------------- */

static int report_json(const extension *x, int64_t before, int64_t after)
{
    ae_json *o = ae_json_new_object(), *rows = ae_json_new_object(), *tables = ae_json_new_array();
    ae_json_set_string(o, "output", x->output);
    ae_json_set_int(o, "tokens_before", before);
    ae_json_set_int(o, "tokens", after);
    ae_json_set_int(o, "known", x->growth.known);
    ae_json_set_int(o, "vocabulary", x->growth.vocabulary);
    ae_json_set_int(o, "whole", x->growth.whole);
    ae_json_set_int(o, "special", x->growth.special);
    ae_json_set_int(o, "replaced", x->growth.replaced);
    ae_json_set_int(rows, "before", x->report.before);
    ae_json_set_int(rows, "after", x->report.after);
    ae_json_set_int(rows, "kept", x->report.kept);
    ae_json_set_int(rows, "means", x->report.means);
    ae_json_set_int(rows, "drawn", x->report.drawn);
    for (int i = 0; i < x->report.tables.count; i++) {
        ae_json_add(tables, NULL, ae_json_new_string(x->report.tables.names[i]));
    }
    ae_json_set(rows, "tables", tables);
    ae_json_set(o, "rows", x->model ? rows : ae_json_new_null());
    if (!x->model) {
        ae_json_free(rows);
    }
    return ae_run_print_json(x->run, o);
}

static int report(const extension *x, int64_t before, int64_t after)
{
    FILE *log = x->run->log;
    const ae_tokenizer_growth *g = &x->growth;
    if (x->run->json) {
        return report_json(x, before, after);
    }
    if (ae_options_flag(x->run->options, "quiet")) {
        return 0;
    }
    fprintf(log, "%s: %lld tokens, before %lld", x->output, (long long)after, (long long)before);
    if (!ae_options_text(x->run->options, "new-tokenizer")) {
        fprintf(log,
                "; new: %lld in the vocabulary, %lld found whole, %lld special; %lld took old ids, %lld were there",
                (long long)g->vocabulary, (long long)g->whole, (long long)g->special, (long long)g->replaced,
                (long long)g->known);
    }
    fputc('\n', log);
    if (x->model) {
        fprintf(log, "rows: %lld kept, %lld means of old pieces, %lld drawn\n", (long long)x->report.kept,
                (long long)x->report.means, (long long)x->report.drawn);
    }
    for (int i = 0; i < x->report.tables.count; i++) {
        fprintf(log, "  %s\n", x->report.tables.names[i]);
    }
    return 0;
}

/* ---- the command ---------------------------------------------------------------------------------------------------- */

static ae_tokenizer *new_tokenizer(extension *x)
{
    ae_run *run = x->run;
    const char *other = ae_options_text(run->options, "new-tokenizer");
    if (other) {
        return ae_tokenizer_open(other, NULL, &run->error);
    }
    if (find_free_ids(x) != 0) {
        return NULL;
    }
    ae_tokenizer_words words = {.words = (const char *const *)x->words.words,
                                .n_words = x->words.n,
                                .special = (const char *const *)x->special.words,
                                .n_special = x->special.n,
                                .free_ids = x->free_ids,
                                .n_free = x->n_free,
                                .single_word = ae_options_flag(run->options, "single-word")};
    return ae_tokenizer_extend(x->old, &words, &x->growth, &run->error);
}

/* Changes the model; `now` is taken over on success. */
static int change_model(extension *x, ae_tokenizer *now)
{
    ae_run *run = x->run;
    ae_vocabulary_map map;
    bool extended = !ae_options_text(run->options, "new-tokenizer");
    int64_t least = extended ? ae_json_int(x->bundle.config, "vocab_size", 0, NULL) : 0;
    int64_t seed = ae_options_int(run->options, "seed");
    int status = ae_vocabulary_map_make(x->old, now, ae_options_choice(run->options, "rows") == 0, &map, &run->error);
    status =
        status == 0 ? ae_bundle_change_vocabulary(run, &x->bundle, now, &map, least, (uint64_t)seed, &x->report) : -1;
    ae_vocabulary_map_free(&map);
    return status;
}

static int extend(extension *x)
{
    ae_run *run = x->run;
    ae_tokenizer_files files;
    x->output = ae_options_text(run->options, "output");
    if (!x->output) {
        return ae_err_set(&run->error, AE_E_VALUE, "where to? give --output PATH");
    }
    if (read_words(x) != 0 || open_path(x) != 0 || check_options(x) != 0 ||
        (x->model && ae_run_refuse_existing(run, x->output) != 0)) {
        return -1;
    }
    int64_t before = ae_tokenizer_size(x->old);
    ae_tokenizer *now = new_tokenizer(x);
    int64_t after = now ? ae_tokenizer_size(now) : 0;
    int status = now ? 0 : -1;
    if (x->model && status == 0) {
        status = change_model(x, now);
        now = status == 0 ? NULL : now;
        status = status == 0 ? write_model(x) : -1;
    } else if (status == 0) {
        status = ae_run_write_tokenizer(run, now, x->output, &files);
    }
    ae_tokenizer_free(now);
    return status == 0 ? report(x, before, after) : -1;
}

static int run_extend(ae_run *run)
{
    extension x = {.run = run};
    int status = extend(&x);
    if (!x.model) {
        ae_tokenizer_free(x.old);
    }
    ae_bundle_free(&x.bundle);
    ae_vocabulary_report_free(&x.report);
    free_words(&x.words);
    free_words(&x.special);
    free(x.free_ids);
    return status;
}

static const char *const options[] = {"output",        "words",     "special-token", "single-word", "replace", "rows",
                                      "new-tokenizer", "tokenizer", "seed",          "to",          "plugin",  "kind",
                                      "force",         "quiet",     "json",          NULL};

const ae_command ae_cmd_tokenizer_extend = {
    .name = "tokenizer extend",
    .summary = "give a tokenizer, or a model and its tokenizer, new words or another vocabulary",
    .usage = "PATH [WORD...]",
    .details =
        "PATH is a tokenizer, as for `tokenizer convert`, or a model file or Hugging Face folder with weights. Old "
        "tokens keep their ids, and new ones follow behind the last, or take those of the tokens that --replace names. "
        "WordPiece and word lists take a word into their vocabulary when their rules leave it one word; every other "
        "word is found in texts whole, before they are cut.\n\n"
        "A model of any class gets rows for them, in its embeddings and in its projections to words with their biases. "
        "--rows mean begins with the mean of the rows of the pieces that the word was cut into, --rows drawn with "
        "values that the model's own initialiser draws. --new-tokenizer gives a model another vocabulary: the rows of "
        "tokens that both spell alike, or that have the same role, are carried over. The output is NAME.h5 or a folder "
        "(--to hf) and holds weights alone: go on with `pretrain --init`.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = -1,
    .run = run_extend,
};
