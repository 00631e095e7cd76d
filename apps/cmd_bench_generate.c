#include "apps/bench.h"
#include "apps/command_table.h"
#include "apps/precision.h"
#include "tensor/threads.h"

#include <stdlib.h>
#include <string.h>

enum { PRECISIONS = 3, MOST_RUNS = 1000, STREAM_BYTES = 1 << 28 }; /* a stream of several times any cache */

static const ae_dtype precisions[PRECISIONS] = {AE_F32, AE_BF16, AE_I8};

/* What one precision was measured at, a number a run. */
typedef struct measured {
    double step[MOST_RUNS];  /* seconds, the median of a run's steps */
    double share[MOST_RUNS]; /* bytes of weights a second over the bandwidth measured right before */
    int64_t bytes;           /* of weights that a step reads */
} measured;

typedef struct bench {
    ae_bench_model model;
    ae_decoder decoder;
    ae_graph *graph;
    ae_tensor *prompt; /* (B,T) */
    int64_t batch, length;
    int runs;
    uint64_t *stream;
    double bandwidth[MOST_RUNS * PRECISIONS]; /* bytes a second */
    int bandwidths;
    double *times; /* (length): when a token was there */
    int64_t tokens;
    measured measured[PRECISIONS];
} bench;

/* ---- measuring -------------------------------------------------------------------------------------------------------- */

/* Four quarters side by side: one stream alone leaves a part of the bandwidth to the gaps between its pages. */
static uint64_t read_part(const uint64_t *x, int64_t n)
{
    const int64_t q = n / 4;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (int64_t i = 0; i < q; i++) {
        a += x[i];
        b += x[q + i];
        c += x[2 * q + i];
        d += x[3 * q + i];
    }
    return a + b + c + d;
}

/* Every thread reads one part of memory once; what it adds up is returned so that it must be read. */
static uint64_t read_stream(const uint64_t *x, int64_t n)
{
    uint64_t sum = 0;
    const int threads = ae_threads();
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : sum)
    for (int t = 0; t < threads; t++) {
        const int64_t from = n * t / threads;
        sum += read_part(x + from, n * (t + 1) / threads - from);
    }
    return sum;
}

static double stream_bandwidth(bench *b)
{
    const int64_t n = STREAM_BYTES / (int64_t)sizeof *b->stream;
    double start = ae_seconds();
    b->stream[0] = read_stream(b->stream, n) & 1;
    double rate = STREAM_BYTES / (ae_seconds() - start);
    b->bandwidth[b->bandwidths++] = rate;
    return rate;
}

static int note_time(void *user, int64_t row, int64_t id)
{
    bench *b = user;
    (void)id;
    if (row == 0 && b->tokens < b->length) {
        b->times[b->tokens++] = ae_seconds();
    }
    return 0;
}

/* Generates, and leaves the median time of a step in *seconds; reading the prompt is not counted. */
static int one_run(bench *b, ae_dtype precision, double *seconds, ae_err *e)
{
    ae_generate_options o = {.max_new_tokens = b->length, .token = note_time, .user = b};
    ae_tensor *sequences = NULL;
    b->tokens = 0;
    ae_graph_precision(b->graph, precision);
    int status = ae_generate(b->graph, &b->decoder, b->prompt, NULL, &o, &sequences, NULL, e);
    ae_tensor_free(sequences);
    if (status != 0) {
        return -1;
    }
    for (int64_t i = 0; i + 1 < b->tokens; i++) {
        b->times[i] = b->times[i + 1] - b->times[i];
    }
    *seconds = ae_median(b->times, (int)b->tokens - 1);
    return 0;
}

/* Streams and precisions by turns; the first run makes the copies of weights and is not counted. */
static int measure(bench *b, const bool *wanted, ae_err *e)
{
    for (int run = -1; run < b->runs; run++) {
        for (int i = 0; i < PRECISIONS; i++) {
            double seconds, rate = wanted[i] && run >= 0 ? stream_bandwidth(b) : 1;
            measured *m = &b->measured[i];
            if (wanted[i] && one_run(b, precisions[i], &seconds, e) != 0) {
                return -1;
            }
            if (wanted[i] && run >= 0) {
                m->bytes = ae_graph_weight_bytes(b->graph);
                m->step[run] = seconds;
                m->share[run] = (double)m->bytes / seconds / rate;
            }
        }
    }
    return 0;
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static int print_row(ae_run *run, bench *b, int i)
{
    measured *m = &b->measured[i];
    double step = ae_median(m->step, b->runs), share = ae_median(m->share, b->runs);
    double bandwidth = ae_median(b->bandwidth, b->bandwidths);
    if (!run->json) {
        fprintf(run->out, "%-9s %10.1f %12.2f %12.1f %14.1f %10.2f\n", ae_precision_name(precisions[i]),
                (double)b->batch / step, step * 1e3, (double)m->bytes * 1e-6, bandwidth * 1e-9, share);
        return 0;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "model", ae_options_text(run->options, "model"));
    ae_json_set_string(o, "precision", ae_precision_name(precisions[i]));
    ae_json_set_int(o, "batch", b->batch);
    ae_json_set_int(o, "prompt", b->prompt->shape[1]);
    ae_json_set_int(o, "length", b->length);
    ae_json_set_int(o, "runs", b->runs);
    ae_json_set_int(o, "threads", ae_threads());
    ae_json_set_int(o, "parameters", ae_model_numel(b->model.root));
    ae_json_set_double(o, "tokens_per_s", (double)b->batch / step);
    ae_json_set_double(o, "step_seconds", step);
    ae_json_set_int(o, "weight_bytes", m->bytes);
    ae_json_set_double(o, "stream_bytes_per_s", bandwidth);
    ae_json_set_double(o, "bandwidth_share", share);
    return ae_run_print_json(run, o);
}

static int print_all(ae_run *run, bench *b, const bool *wanted)
{
    int status = AE_EXIT_DONE;
    if (!run->json) {
        fprintf(run->out, "%-9s %10s %12s %12s %14s %10s\n", "precision", "tokens/s", "ms a step", "MB of weights",
                "stream, GB/s", "share");
    }
    for (int i = 0; i < PRECISIONS && status == AE_EXIT_DONE; i++) {
        status = wanted[i] ? print_row(run, b, i) : status;
    }
    return status;
}

static int prepare(ae_run *run, bench *b)
{
    const ae_options *o = run->options;
    ae_err *e = &run->error;
    const ae_recipe *recipe = ae_recipe_find(ae_options_text(o, "model"), e);
    int64_t seq = ae_options_int_or(o, "seq", 16);
    b->batch = ae_options_int_or(o, "batch", 1);
    b->length = ae_options_int(o, "length");
    b->runs = (int)ae_options_int(o, "runs");
    if (!recipe || ae_bench_model_new(&b->model, recipe, b->batch, seq, false, e) != 0) {
        return -1;
    }
    if (!b->model.row->decoder) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "--model %s: a %s keeps no cache of keys and values to generate with",
                          recipe->name, b->model.row->class_name);
    }
    if (b->length < 2) {
        return ae_err_set(e, AE_E_VALUE, "--length %lld: the time between tokens needs at least 2",
                          (long long)b->length);
    }
    b->decoder = b->model.row->decoder(b->model.self);
    b->prompt = ae_tensors_get(b->model.inputs, "input_ids");
    b->graph = ae_bench_graph(run, false); /* its precision changes with every run */
    b->times = malloc((size_t)b->length * sizeof *b->times);
    b->stream = malloc(STREAM_BYTES);
    if (!b->graph || !b->times || !b->stream) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a bench");
    }
    memset(b->stream, 1, STREAM_BYTES); /* untouched pages would all be one page of zeros */
    return 0;
}

static int run_bench(ae_run *run)
{
    const char *precision = ae_options_text(run->options, "precision");
    bool wanted[PRECISIONS];
    bench b = {0};
    for (int i = 0; i < PRECISIONS; i++) {
        wanted[i] = strcmp(precision, "auto") == 0 || strcmp(precision, ae_precision_name(precisions[i])) == 0;
    }
    int status = prepare(run, &b) == 0 && measure(&b, wanted, &run->error) == 0 ? print_all(run, &b, wanted) : -1;
    ae_bench_model_free(&b.model);
    ae_graph_free(b.graph);
    free(b.times);
    free(b.stream);
    return status;
}

static const char *const options[] = {AE_BENCH_OPTIONS, "seq", "length", "runs", "profile", NULL};

const ae_command ae_cmd_bench_generate = {
    .name = "bench generate",
    .summary = "measure generation: tokens a second, and the share of the memory's bandwidth",
    .details =
        "Continues --batch prompts of --seq random tokens (16) with a language model of a standard size (`list "
        "recipes`) by --length tokens, with a key/value cache, taking the likeliest token. A step reads every weight "
        "once, so the bytes of weights over the time of a step are set against the bandwidth of a read-only stream "
        "through 256 MiB that is measured right before each of the --runs: the share. --precision auto measures f32, "
        "bf16 (weights kept in 16 bits and widened as they are read) and int8 by turns. tools/bench-peers compares it "
        "with other programs.",
    .options = options,
    .run = run_bench,
};
