#include "datasets/instances_build.h"

#include "tensor/threads.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 64 << 10, SINKS_PER_THREAD = 4 }; /* tokens of text that a thread turns into instances at a time */

/* ---- running over items in parallel ------------------------------------------------------------------------------ */

typedef struct span {
    int64_t from, to, duplicate;
} span;

/* The next items of about a block of tokens; blocks do not depend on the number of threads. */
static span next_span(const ae_builder *b, span before, int64_t count, ae_weight_fn weight)
{
    span s = {before.to, before.to, before.duplicate};
    if (s.from == count) {
        s = (span){0, 0, before.duplicate + 1};
    }
    for (int64_t tokens = 0; s.to < count && tokens < BLOCK; s.to++) {
        tokens += weight(b, s.to);
    }
    return s;
}

int ae_builder_run(ae_builder *b, int64_t count, ae_weight_fn weight, ae_emit_fn emit, ae_err *e)
{
    span *spans = calloc((size_t)b->sinks_count, sizeof *spans), last = {0};
    int result = spans ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for instances");
    bool more = count > 0;
    while (result == 0 && more) {
        int used = 0;
        while (more && used < b->sinks_count) {
            last = spans[used++] = next_span(b, last, count, weight);
            more = last.to < count || last.duplicate + 1 < b->options.duplicates;
        }
#pragma omp parallel for schedule(dynamic) num_threads(ae_threads())
        for (int i = 0; i < used; i++) {
            for (int64_t item = spans[i].from; item < spans[i].to; item++) {
                emit(b, &b->sinks[i], item, spans[i].duplicate);
            }
        }
        for (int i = 0; i < used && result == 0; i++) {
            result = ae_sink_write(b, &b->sinks[i], e);
        }
    }
    free(spans);
    return result;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

/* The first of the offsets; and the tensors of masks, which may stay empty. */
static int begin_tensors(ae_builder *b, ae_err *e)
{
    int64_t zero = 0;
    int32_t nothing;
    const int64_t one[1] = {1}, none[1] = {0};
    ae_tensor *first = ae_tensor_wrap(&zero, AE_I64, 1, one, e), *empty = ae_tensor_wrap(&nothing, AE_I32, 1, none, e);
    int result = first && empty ? ae_h5_append(b->file, "offsets", first, e) : -1;
    if (result == 0 && !b->options.dynamic) {
        result = ae_h5_append(b->file, "mask_offsets", first, e) || ae_h5_append(b->file, "mask_positions", empty, e) ||
                         ae_h5_append(b->file, "mask_ids", empty, e)
                     ? -1
                     : 0;
    }
    ae_tensor_free(first);
    ae_tensor_free(empty);
    return result;
}

static int begin(ae_builder *b, const char *output, ae_err *e)
{
    b->pairs = strcmp(b->options.objective, "mlm_nsp") == 0;
    b->masked = b->pairs || strcmp(b->options.objective, "mlm") == 0;
    b->room = b->options.seq - (b->masked ? ae_tokenizer_special_count(b->tokenizer, b->pairs) : 0);
    b->key = ae_random_key_make(b->options.seed, 0, 0, 0, 0);
    b->sinks_count = SINKS_PER_THREAD * ae_threads();
    b->sinks = calloc((size_t)b->sinks_count, sizeof *b->sinks);
    if (!b->sinks) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for instances");
    }
    b->file = ae_h5_create(output, e);
    return b->file ? begin_tensors(b, e) : -1;
}

static int pass_corpus(ae_builder *b, ae_corpus *corpus, ae_err *e)
{
    int state;
    while ((state = ae_corpus_fill(corpus, &b->documents, e)) == 1) {
        if ((b->pairs ? ae_build_pairs(b, e) : ae_build_pieces(b, false, e)) != 0) {
            return -1;
        }
    }
    return state < 0 || b->pairs ? state : ae_build_pieces(b, true, e);
}

static int check_result(const ae_builder *b, const char *path, ae_err *e)
{
    const ae_build_report *r = b->report;
    if (r->instances > 0) {
        return 0;
    }
    if (r->tokens > 0) {
        return ae_err_set(e, AE_E_VALUE, "%s: %lld tokens are too few for an instance", path, (long long)r->tokens);
    }
    return ae_err_set(
        e, AE_E_VALUE,
        "%s: the corpus holds no text: %lld lines, %lld of them taken out by --exclude; expected text such "
        "as \"A fox saw grapes.\"",
        path, (long long)r->lines, (long long)r->excluded);
}

ae_json *ae_build_report_json(const ae_build_report *r)
{
    ae_json *j = ae_json_new_object();
    ae_json_set_int(j, "instances", r->instances);
    ae_json_set_int(j, "tokens", r->tokens);
    ae_json_set_int(j, "unknown_tokens", r->unknown_tokens);
    ae_json_set_int(j, "documents", r->documents);
    ae_json_set_int(j, "sentences", r->sentences);
    ae_json_set_int(j, "lines", r->lines);
    ae_json_set_int(j, "bytes", r->bytes);
    ae_json_set_int(j, "empty_documents", r->empty_documents);
    ae_json_set_int(j, "tabbed", r->tabbed);
    ae_json_set_int(j, "excluded", r->excluded);
    ae_json_set_int(j, "repaired", r->repaired);
    ae_json_set_string(j, "unit", r->unit == AE_UNIT_SENTENCE ? "sentence" : "line");
    return j;
}

static int write_json(ae_h5 *file, const char *name, const ae_json *j, ae_err *e)
{
    char *text = j ? ae_json_text(j, true, e) : NULL;
    int result = text ? ae_h5_write_text(file, name, text, e)
                      : ae_err_set(e, AE_E_MEMORY, "no memory for the texts of the file");
    free(text);
    return result;
}

static int write_texts(ae_builder *b, const ae_corpus *corpus, ae_err *e)
{
    ae_json *about = ae_instances_about(b->tokenizer, &b->options), *tokenizer = ae_tokenizer_json(b->tokenizer, e);
    ae_json *exclude = ae_text_sources(b->options.exclude, b->options.n_exclude, e);
    ae_json_set(about, "sources", ae_corpus_sources(corpus));
    ae_json_set(about, "exclude", exclude);
    ae_json_set(about, "counts", ae_build_report_json(b->report));
    int result = write_json(b->file, "about", about, e) == 0 ? write_json(b->file, "tokenizer", tokenizer, e) : -1;
    ae_json_free(about);
    ae_json_free(tokenizer);
    return result;
}

static int build(ae_builder *b, const char *first_path, const char *output, ae_corpus *corpus, ae_err *e)
{
    if (begin(b, output, e) != 0 || pass_corpus(b, corpus, e) != 0 || check_result(b, first_path, e) != 0 ||
        write_texts(b, corpus, e) != 0) {
        return -1;
    }
    ae_h5 *file = b->file;
    b->file = NULL;
    return ae_h5_commit(file, e);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int ae_instances_build(const char *const *paths, int n, const ae_tokenizer *t, const ae_instance_options *options,
                       const char *output, int (*progress)(void *self, int64_t done, int64_t all), void *self,
                       ae_build_report *report, ae_err *e)
{
    double start = now();
    ae_build_report own;
    report = report ? report : &own;
    *report = (ae_build_report){0};
    ae_builder b = {.tokenizer = t, .options = *options, .report = report};
    if (ae_instance_options_check(&b.options, t, e) != 0) {
        return -1;
    }
    bool pairs = strcmp(b.options.objective, "mlm_nsp") == 0;
    ae_corpus *corpus = ae_corpus_open(paths, n, t, &b.options, pairs, report, e);
    int result = -1;
    if (corpus) {
        ae_corpus_progress(corpus, progress, self);
        result = build(&b, paths[0], output, corpus, e);
    }
    ae_corpus_close(corpus);
    ae_h5_close(b.file);
    ae_documents_free(&b.documents);
    ae_bytes_free(&b.stream);
    for (int i = 0; b.sinks && i < b.sinks_count; i++) {
        ae_sink_free(&b.sinks[i]);
    }
    free(b.sinks);
    report->seconds = now() - start;
    return result;
}
