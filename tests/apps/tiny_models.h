/* Models of a few hundred numbers with tokenizers of a few words, made and saved for tests of commands that use them.
 */
#ifndef AE_TESTS_TINY_MODELS_H
#define AE_TESTS_TINY_MODELS_H

#include "apps/model_bundle.h"
#include "apps/plugin.h"
#include "apps/program.h"

#include <fcntl.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS                                                                                                          \
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nfox\ncrow\nsat\non\na\ntree\nsaid\n.\n,\n##s\nold\nhe\nshe\nran\n"
enum { PAD, UNK, CLS, SEP, MASK, THE, FOX, CROW, SAT, ON, A, TREE, SAID, DOT, COMMA, PLURAL, OLD, HE, SHE, RAN, VOCAB };

#define BERT_SIZES                                                                                                     \
    "\"vocab_size\": 20, \"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, "                   \
    "\"intermediate_size\": 16, \"max_position_embeddings\": 24, \"initializer_range\": 0.5, \"pad_token_id\": 0"
#define GPT2_SIZES                                                                                                     \
    "\"vocab_size\": 20, \"n_embd\": 8, \"n_layer\": 2, \"n_head\": 2, \"n_positions\": 12, "                          \
    "\"initializer_range\": 0.5"

/* Writes a file; the text may be NULL for one that must not exist. */
static inline void write_text(const char *path, const char *text)
{
    unlink(path);
    FILE *f = text ? fopen(path, "wb") : NULL;
    if (f) {
        fwrite(text, 1, strlen(text), f);
        fclose(f);
    }
}

/* What the next run reads from standard input. */
static inline void give_input(const char *text)
{
    write_text("standard_input.txt", text);
    int file = open("standard_input.txt", O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(dup2(file, STDIN_FILENO), STDIN_FILENO);
    close(file);
}

static inline void fail_on(const ae_err *e)
{
    if (e->code) {
        fail_msg("%s", e->message);
    }
}

/* A model with random weights; its tokenizer has WORDS unless `tokenizer` is another file, or "" for none. */
static inline void make_model(const char *path, const char *class_name, const char *config, const char *settings,
                              const char *tokenizer, uint64_t seed)
{
    ae_run run = {0};
    ae_bundle d = {0};
    write_text("words.txt", WORDS);
    d.config = ae_json_parse(config, strlen(config), &run.error);
    d.settings = ae_json_parse(settings, strlen(settings), &run.error);
    fail_on(&run.error);
    if (!tokenizer || *tokenizer) {
        d.tokenizer = ae_tokenizer_open(tokenizer ? tokenizer : "words.txt", NULL, &run.error);
    }
    assert_non_null(ae_zoo_find(class_name));
    if (ae_bundle_build(&run, &d, ae_zoo_find(class_name), seed, false) == 0) {
        ae_bundle_save(&d, path, NULL, NULL, &run.error);
    }
    ae_bundle_free(&d);
    ae_plugins_free(run.plugins);
    fail_on(&run.error);
}

/* The model of a file, and a graph that it was run in on one sequence of ids; observed into `seen` unless NULL. */
typedef struct tiny {
    ae_bundle bundle;
    ae_graph *graph;
    ae_tensors *outputs;
    ae_plugins *plugins;
} tiny;

static inline void tiny_open(tiny *t, const char *path)
{
    static const char *const none[] = {NULL};
    ae_run run = {0};
    memset(t, 0, sizeof *t);
    run.options = ae_options_new(none, NULL, &run.error);
    assert_int_equal(ae_bundle_open(&run, &t->bundle, path), 0);
    ae_options_free(run.options);
    t->plugins = run.plugins;
    t->graph = ae_graph_new();
}

static inline const ae_tensor *tiny_run(tiny *t, const char *output, const int64_t *ids, int64_t n, ae_tensors *seen)
{
    ae_err e = {0};
    ae_tensors *batch = ae_tensors_new();
    ae_tensor *x = ae_tensor_new(AE_I64, 2, (int64_t[]){1, n}, &e);
    memcpy(x->data, ids, (size_t)n * sizeof *ids);
    ae_tensors_add(batch, "input_ids", x, &e);
    ae_tensors_free(t->outputs);
    t->outputs = ae_tensors_new();
    ae_graph_observe(t->graph, seen);
    ae_graph_begin(t->graph, AE_EVAL);
    ae_bundle_run(&t->bundle, t->graph, batch, t->outputs, false);
    ae_graph_observe(t->graph, NULL);
    fail_on(ae_graph_error(t->graph));
    ae_tensors_free(batch);
    return output ? ae_tensors_get(t->outputs, output) : NULL;
}

static inline void tiny_close(tiny *t)
{
    ae_tensors_free(t->outputs);
    ae_graph_free(t->graph);
    ae_bundle_free(&t->bundle);
    ae_plugins_free(t->plugins);
}

/* The status of the last run, with its messages when it is not what was expected. */
static inline void expect_status(int got, int want)
{
    if (got != want) {
        fail_msg("status %d, not %d; out: %s; log: %s", got, want, out_text, log_text);
    }
}

static inline void expect_log(const char *part)
{
    if (!strstr(log_text, part)) {
        fail_msg("the log lacks \"%s\"; it says: %s", part, log_text);
    }
}

/* Line number i (from 0) of a text, without its end; the caller frees it. */
static inline char *line_of(const char *text, int i)
{
    for (; i > 0 && text; i--) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    assert_non_null(text);
    return strndup(text, strcspn(text, "\n"));
}

static inline int count_lines(const char *text)
{
    int n = 0;
    for (; *text; text++) {
        n += *text == '\n';
    }
    return n;
}

#endif
