#include "apps/bench.h"
#include "apps/bench_lines.h"
#include "apps/command_table.h"
#include "apps/precision.h"
#include "tensor/threads.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, MOST_RUNS = 1000, LONGEST = 1 << 20 };

typedef struct encode_bench {
    ae_bench_model model;
    ae_bench_lines lines;
    ae_graph *graph;
    int64_t *lengths, *sorted;
    int64_t count, batch, vocab;
    double tokens;
    int runs;
    double seconds[MOST_RUNS];
} encode_bench;

/* One length a line. */
static int read_lengths(ae_run *run, encode_bench *b)
{
    if (ae_bench_lines_read(run, &b->lines) != 0) {
        return -1;
    }
    b->count = b->lines.count;
    b->lengths = malloc((size_t)b->count * sizeof *b->lengths);
    b->sorted = malloc((size_t)b->count * sizeof *b->sorted);
    if (!b->lengths || !b->sorted) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for %" PRId64 " lengths", b->count);
    }
    for (int64_t i = 0; i < b->count; i++) {
        char text[24], *end;
        ae_text line = b->lines.lines[i];
        snprintf(text, sizeof text, "%.*s", (int)(line.a_bytes < 23 ? line.a_bytes : 23), line.a);
        b->lengths[i] = strtoll(text, &end, 10);
        if (end == text || *end || b->lengths[i] < 1 || b->lengths[i] > LONGEST) {
            return ae_err_set(&run->error, AE_E_VALUE, "line %" PRId64 " is \"%s\"; a number of tokens is wanted",
                              i + 1, text);
        }
        b->tokens += (double)b->lengths[i];
    }
    return 0;
}

static int longest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* n sequences, the longest first, with made-up tokens. */
static int give_batch(encode_bench *b, const int64_t *lengths, int64_t n, ae_err *e)
{
    int64_t shape[2] = {n, lengths[0]};
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, shape, e), *mask = ae_tensor_new(AE_I64, 2, shape, e);
    if (!ids || !mask) {
        ae_tensor_free(ids);
        ae_tensor_free(mask);
        return -1;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t t = 0; t < lengths[i]; t++) {
            ((int64_t *)ids->data)[i * shape[1] + t] = (i * 7919 + t * 104729) % b->vocab;
            ((int64_t *)mask->data)[i * shape[1] + t] = 1;
        }
    }
    return ae_bench_model_give(&b->model, ids, mask, false, e);
}

/* All sequences once: sorted, cut into batches, encoded. */
static int encode_all(encode_bench *b, ae_err *e)
{
    double loss;
    memcpy(b->sorted, b->lengths, (size_t)b->count * sizeof *b->sorted);
    qsort(b->sorted, (size_t)b->count, sizeof *b->sorted, longest_first);
    for (int64_t at = 0; at < b->count; at += b->batch) {
        int64_t n = b->count - at < b->batch ? b->count - at : b->batch;
        if (give_batch(b, b->sorted + at, n, e) != 0 ||
            ae_bench_step(&b->model, b->graph, NULL, 0, b->model.row->packs, &loss, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static int measure(encode_bench *b, ae_err *e)
{
    for (int i = -1; i < b->runs; i++) { /* the first run asks the system for memory and is not counted */
        double start = ae_seconds();
        if (encode_all(b, e) != 0) {
            return -1;
        }
        b->seconds[i < 0 ? 0 : i] = ae_seconds() - start;
    }
    return 0;
}

static int print_result(ae_run *run, encode_bench *b)
{
    double median = ae_median(b->seconds, b->runs), best = b->seconds[0]; /* sorted now */
    double count = (double)b->count;
    if (!run->json) {
        fprintf(run->out, "%-24s %.1f best, %.1f median of %d runs\n%-24s %.1f best, %.1f median\n%-24s %.2f\n",
                "sequences/s", count / best, count / median, b->runs, "tokens/s", b->tokens / best, b->tokens / median,
                "peak memory, GiB", ae_peak_rss_gib());
        return AE_EXIT_DONE;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "model", ae_options_text(run->options, "model"));
    ae_json_set_string(o, "precision", ae_precision_name(ae_graph_get_precision(b->graph)));
    ae_json_set_int(o, "threads", ae_threads());
    ae_json_set_int(o, "batch", b->batch);
    ae_json_set_int(o, "sequences", b->count);
    ae_json_set_double(o, "tokens", b->tokens);
    ae_json_set_double(o, "sequences_per_s", count / median);
    ae_json_set_double(o, "sequences_per_s_best", count / best);
    ae_json_set_double(o, "tokens_per_s", b->tokens / median);
    ae_json_set_double(o, "peak_rss_gib", ae_peak_rss_gib());
    return ae_run_print_json(run, o);
}

static int open_all(ae_run *run, encode_bench *b)
{
    const ae_options *o = run->options;
    const ae_recipe *recipe = ae_recipe_find(ae_options_text(o, "model"), &run->error);
    b->batch = ae_options_int_or(o, "batch", BATCH);
    b->runs = (int)ae_options_int(o, "runs");
    b->graph = recipe ? ae_bench_graph(run, false) : NULL;
    if (!b->graph || read_lengths(run, b) != 0 || ae_bench_model_build(&b->model, recipe, 0, &run->error) != 0) {
        return -1;
    }
    b->vocab = ae_json_int(b->model.config, "vocab_size", 50257, &run->error);
    return 0;
}

static int run_bench_encode(ae_run *run)
{
    encode_bench b = {0};
    int status = open_all(run, &b) == 0 && measure(&b, &run->error) == 0 ? print_result(run, &b) : -1;
    ae_graph_free(b.graph);
    ae_bench_model_free(&b.model);
    ae_bench_lines_free(&b.lines);
    free(b.lengths);
    free(b.sorted);
    return status;
}

static const char *const options[] = {AE_BENCH_OPTIONS, "runs", "profile", "encoding", "encoding-errors", NULL};

const ae_command ae_cmd_bench_encode = {
    .name = "bench encode",
    .summary = "measure the encoding of sequences of given lengths",
    .details =
        "Reads a number of tokens a line from the files or from standard input, and has a model of a standard size "
        "(`list recipes`) encode as many made-up sequences of these lengths, --runs times: sorted by length, cut into "
        "batches (32, or --batch), each batch without its padding where the model can. Sorting and filling of batches "
        "are part of the time, a tokenizer is not. tools/bench-peers compares it with other programs.",
    .usage = "[FILE...]",
    .arguments_max = -1,
    .options = options,
    .run = run_bench_encode,
};
