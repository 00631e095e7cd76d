#include "apps/bench.h"
#include "apps/bench_lines.h"
#include "apps/command_table.h"
#include "apps/tokenizer_run.h"
#include "datasets/permutation.h"
#include "tensor/threads.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 1000, STEPS = 10 };

typedef struct packing_bench {
    ae_bench_model model;
    ae_bench_lines lines;
    ae_text *batch_lines;
    ae_encoding_batch encoded;
    ae_tokenizer *tokenizer;
    ae_graph *graph;
    ae_optimizer *optimizer;
    int64_t batch, seq;
    int steps;
    double seconds[2][MAX_STEPS]; /* of each step: padded, packed */
    double losses[2];
    double real, padded; /* tokens of all counted batches */
} packing_bench;

/* Sentences of the text in random order, padded to the longest of them, become the model's inputs. */
static int next_batch(packing_bench *p, const ae_permutation *order, int64_t step, bool counted, ae_err *e)
{
    for (int64_t i = 0; i < p->batch; i++) {
        p->batch_lines[i] = p->lines.lines[ae_permutation_at(order, (step * p->batch + i) % p->lines.count)];
    }
    ae_batch_options options = {.encode = {.special = true, .max_length = p->seq}, .padding = AE_PAD_LONGEST};
    if (ae_tokenizer_encode_batch(p->tokenizer, p->batch_lines, p->batch, &options, &p->encoded, e) != 0) {
        return -1;
    }
    int64_t shape[2] = {p->batch, p->encoded.longest}, real = 0;
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, shape, e), *mask = ae_tensor_new(AE_I64, 2, shape, e);
    for (int64_t i = 0; ids && mask && i < ae_numel(ids); i++) {
        ae_set_i64(ids, i, p->encoded.ids[i]);
        ae_set_i64(mask, i, p->encoded.mask[i]);
        real += p->encoded.mask[i];
    }
    if (!ids || !mask) {
        ae_tensor_free(ids);
        ae_tensor_free(mask);
        return -1;
    }
    p->real += counted ? (double)real : 0;
    p->padded += counted ? (double)ae_numel(ids) : 0;
    return ae_bench_model_give(&p->model, ids, mask, true, e);
}

/* Both ways take each batch, by turns the one or the other first. */
static int run_batches(packing_bench *p, ae_err *e)
{
    ae_random_key key = ae_random_key_make(1, 0, 0, 0, 7);
    ae_permutation order = ae_permutation_of(&key, p->lines.count);
    for (int i = -1; i < p->steps; i++) { /* the first batch asks the system for memory and is not counted */
        if (next_batch(p, &order, i + 1, i >= 0, e) != 0) {
            return -1;
        }
        for (int k = 0; k < 2; k++) {
            int way = (i + 1 + k) % 2;
            double start = ae_seconds();
            if (ae_bench_step(&p->model, p->graph, p->optimizer, i + 1, way == 1, &p->losses[way], e) != 0) {
                return -1;
            }
            p->seconds[way][i < 0 ? 0 : i] = ae_seconds() - start;
        }
    }
    return 0;
}

static int print_result(ae_run *run, packing_bench *p)
{
    double ratios[MAX_STEPS], sums[2] = {0, 0};
    for (int i = 0; i < p->steps; i++) {
        ratios[i] = p->seconds[0][i] / p->seconds[1][i];
        sums[0] += p->seconds[0][i];
        sums[1] += p->seconds[1][i];
    }
    double times = ae_median(ratios, p->steps), saved = p->padded / p->real;
    if (!run->json) {
        fprintf(run->out, "%-28s %.1f\n%-28s %.1f\n%-28s %.2f (median of %d batches)\n%-28s %.2f\n%-28s %.2f\n",
                "padded, real tokens/s", p->real / sums[0], "packed, real tokens/s", p->real / sums[1],
                "packed faster, times", times, p->steps, "padded tokens / real tokens", saved, "share of that",
                times / saved);
        return AE_EXIT_DONE;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "model", ae_options_text(run->options, "model"));
    ae_json_set_int(o, "batch", p->batch);
    ae_json_set_int(o, "steps", p->steps);
    ae_json_set_int(o, "threads", ae_threads());
    ae_json_set_double(o, "padded_tokens_per_s", p->real / sums[0]);
    ae_json_set_double(o, "packed_tokens_per_s", p->real / sums[1]);
    ae_json_set_double(o, "times_median", times);
    ae_json_set_double(o, "padded_over_real", saved);
    ae_json_set_double(o, "share", times / saved);
    ae_json_set_double(o, "padded_loss", p->losses[0]);
    ae_json_set_double(o, "packed_loss", p->losses[1]);
    return ae_run_print_json(run, o);
}

static int open_all(ae_run *run, packing_bench *p)
{
    const ae_options *o = run->options;
    ae_err *e = &run->error;
    const ae_recipe *recipe = ae_recipe_find(ae_options_text(o, "model"), e);
    p->batch = ae_options_int_or(o, "batch", 32);
    p->seq = ae_options_int_or(o, "seq", 128);
    p->steps = (int)fmin((double)ae_options_int_or(o, "steps", STEPS), MAX_STEPS);
    p->graph = recipe ? ae_bench_graph(run, true) : NULL;
    p->tokenizer = p->graph ? ae_run_tokenizer(run, ae_options_text(o, "tokenizer")) : NULL;
    if (!p->tokenizer || ae_bench_lines_read(run, &p->lines) != 0 ||
        ae_bench_model_build(&p->model, recipe, ae_tokenizer_size(p->tokenizer), e) != 0) {
        return -1;
    }
    p->batch_lines = calloc((size_t)p->batch, sizeof *p->batch_lines);
    p->optimizer = ae_bench_optimizer(&p->model, e);
    if (!p->batch_lines || !p->optimizer) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for batches of %" PRId64, p->batch);
    }
    return 0;
}

static int run_bench_packing(ae_run *run)
{
    packing_bench p = {0};
    int status = open_all(run, &p) == 0 && run_batches(&p, &run->error) == 0 ? print_result(run, &p) : -1;
    ae_optimizer_free(p.optimizer);
    ae_graph_free(p.graph);
    ae_bench_model_free(&p.model);
    ae_bench_lines_free(&p.lines);
    ae_encoding_batch_free(&p.encoded);
    ae_tokenizer_free(p.tokenizer);
    free(p.batch_lines);
    return status;
}

static const char *const options[] = {AE_BENCH_OPTIONS, "tokenizer",       "kind", "seq", "steps",
                                      "encoding",       "encoding-errors", NULL};

const ae_command ae_cmd_bench_packing = {
    .name = "bench packing",
    .summary = "measure what it saves not to compute on padding",
    .details =
        "Trains a model of a standard size (`list recipes`) on single lines of the files, or of standard input, in "
        "random order: each batch, padded to its longest line, goes through a training step as it is and through "
        "one that computes real tokens only, by turns the one or the other first. Packing is worth at most the "
        "ratio of padded to real tokens; the last number is the share of it that is reached.",
    .usage = "[FILE...]",
    .arguments_max = -1,
    .options = options,
    .run = run_bench_packing,
};
