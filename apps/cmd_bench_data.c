#include "apps/bench.h"
#include "apps/command_table.h"
#include "apps/evaluation.h"
#include "apps/instance_settings.h"
#include "apps/run_files.h"
#include "apps/tokenizer_run.h"
#include "tensor/threads.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 32, MOST_RUNS = 1000, MOST_PATHS = 256, AHEAD = 2 };

/* One way of reading the batches of an epoch. */
typedef struct reading {
    const char *name;
    bool shuffle;
    int64_t window; /* batches that are sorted by length together */
    int ahead;
} reading;

static const reading readings[] = {
    {"in order", false, 0, 0},
    {"shuffled", true, 1, 0},
    {"shuffled by length", true, 64, 0},
    {"the same, read ahead", true, 64, AHEAD},
};

typedef struct result {
    const char *objective, *what;
    int64_t instances;
    double bytes;        /* of text, or of the batches' tensors */
    double real, padded; /* tokens of the batches */
    double seconds;      /* the median */
} result;

typedef struct data_bench {
    ae_run *run;
    const ae_tokenizer *tokenizer;
    const char *paths[MOST_PATHS];
    int n, runs;
    char file[AE_RUN_TEMPORARY];
} data_bench;

static void print_result(const data_bench *b, const result *r)
{
    double rate = (double)r->instances / r->seconds, megabytes = r->bytes * 1e-6 / r->seconds;
    if (!b->run->json) {
        fprintf(b->run->out, "%-8s %-22s %12.0f instances/s %10.2f MB/s", r->objective, r->what, rate, megabytes);
        if (r->padded > 0) {
            fprintf(b->run->out, " %8.1f %% padding", 100 * (1 - r->real / r->padded));
        }
        fprintf(b->run->out, "\n");
        return;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "objective", r->objective);
    ae_json_set_string(o, "what", r->what);
    ae_json_set_int(o, "threads", ae_threads());
    ae_json_set_int(o, "instances", r->instances);
    ae_json_set_double(o, "instances_per_s", rate);
    ae_json_set_double(o, "mb_per_s", megabytes);
    ae_json_set_double(o, "seconds", r->seconds);
    if (r->padded > 0) {
        ae_json_set_double(o, "padding", 1 - r->real / r->padded);
    }
    ae_json_set_double(o, "peak_rss_gib", ae_peak_rss_gib());
    ae_run_print_json(b->run, o);
}

/* ---- building --------------------------------------------------------------------------------------------------------- */

static int bench_build(data_bench *b, const char *objective)
{
    double seconds[MOST_RUNS];
    result r = {.objective = objective, .what = "build"};
    for (int i = 0; i < b->runs; i++) {
        ae_build_report report = {0};
        if (ae_instance_build(b->run, b->paths, b->n, b->tokenizer, objective, b->file, &report) != 0) {
            return -1;
        }
        seconds[i] = report.seconds;
        r.instances = report.instances;
        r.bytes = (double)report.bytes;
    }
    r.seconds = ae_median(seconds, b->runs);
    print_result(b, &r);
    return 0;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static void count_batch(result *r, const ae_tensors *batch)
{
    const ae_tensor *ids = ae_tensors_get(batch, "input_ids");
    for (int i = 0; i < ae_tensors_count(batch); i++) {
        const ae_tensor *t = ae_tensors_at(batch, i);
        r->bytes += (double)(ae_numel(t) * (int64_t)ae_dtype_size(t->dtype));
    }
    r->instances += ids->shape[0];
    r->real += (double)ae_batch_tokens(batch);
    r->padded += (double)ae_numel(ids);
}

/* One epoch; its seconds, or -1. */
static double read_epoch(ae_batches *batches, result *r, ae_err *e)
{
    double seconds = 0;
    r->instances = 0;
    r->bytes = r->real = r->padded = 0;
    for (int64_t i = 0; i < ae_batches_per_epoch(batches); i++) {
        double start = ae_seconds();
        ae_tensors *batch = ae_batches_get(batches, i, e);
        seconds += ae_seconds() - start;
        if (!batch) {
            return -1;
        }
        count_batch(r, batch); /* what a step would do, in little: it is not timed */
        ae_tensors_free(batch);
    }
    return seconds;
}

static int bench_reading(data_bench *b, const ae_dataset *d, const reading *how)
{
    ae_batch_plan plan = {.batch = ae_options_int_or(b->run->options, "batch", BATCH),
                          .seed = (uint64_t)ae_options_int(b->run->options, "seed"),
                          .shuffle = how->shuffle,
                          .window = how->window,
                          .ahead = how->ahead};
    double seconds[MOST_RUNS];
    result r = {.objective = d->objective, .what = how->name};
    ae_batches *batches = ae_batches_new(d, &plan, &b->run->error);
    int status = batches ? 0 : -1;
    for (int i = 0; i < b->runs && status == 0; i++) {
        seconds[i] = read_epoch(batches, &r, &b->run->error);
        status = seconds[i] < 0 ? -1 : 0;
    }
    ae_batches_free(batches);
    if (status == 0) {
        r.seconds = ae_median(seconds, b->runs);
        print_result(b, &r);
    }
    return status;
}

static int bench_objective(data_bench *b, const char *objective)
{
    ae_tokenizer *t = NULL;
    if (bench_build(b, objective) != 0) {
        return -1;
    }
    ae_dataset *d = ae_instances_open(b->file, NULL, NULL, &t, &b->run->error);
    int status = d ? 0 : -1;
    for (size_t i = 0; i < sizeof readings / sizeof *readings && status == 0; i++) {
        status = bench_reading(b, d, &readings[i]);
    }
    ae_dataset_free(d);
    ae_tokenizer_free(t);
    return status;
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static int gather(data_bench *b)
{
    const ae_options *o = b->run->options;
    int arguments = ae_options_arguments(o), corpora = ae_options_count(o, "corpus");
    for (int i = 0; i < arguments + corpora && b->n < MOST_PATHS; i++) {
        b->paths[b->n++] = i < arguments ? ae_options_argument(o, i) : ae_options_nth(o, "corpus", i - arguments);
    }
    for (int i = 0; i < b->n; i++) {
        if (strcmp(b->paths[i], "-") == 0) {
            return ae_err_set(&b->run->error, AE_E_VALUE, "the text is read several times; give files, not -");
        }
    }
    return b->n > 0 ? 0 : ae_err_set(&b->run->error, AE_E_MISSING, "which text? give FILE...");
}

static int bench_all(data_bench *b)
{
    static const char *const objectives[] = {"mlm_nsp", "mlm", "lm"};
    const char *asked = ae_options_text(b->run->options, "objective");
    bool all = strcmp(asked, "auto") == 0;
    for (int i = 0; i < 3; i++) {
        if ((all || strcmp(asked, objectives[i]) == 0) && bench_objective(b, objectives[i]) != 0) {
            return -1;
        }
    }
    if (!b->run->json) {
        fprintf(b->run->out, "peak memory %.2f GiB, %d threads, medians of %d runs\n", ae_peak_rss_gib(), ae_threads(),
                b->runs);
    }
    return AE_EXIT_DONE;
}

static int run_bench_data(ae_run *run)
{
    const char *asked = ae_options_text(run->options, "objective");
    data_bench b = {.run = run, .runs = (int)ae_options_int(run->options, "runs")};
    if (strcmp(asked, "classes") == 0 || strcmp(asked, "regression") == 0) {
        return ae_err_set(&run->error, AE_E_VALUE, "%s is learned from tables; mlm_nsp, mlm and lm are built from text",
                          asked);
    }
    ae_tokenizer *t = gather(&b) == 0 ? ae_run_tokenizer(run, ae_options_text(run->options, "tokenizer")) : NULL;
    b.tokenizer = t;
    int status = t ? ae_run_temporary("bench", b.file, &run->error) : -1;
    if (status == 0) {
        status = bench_all(&b);
        unlink(b.file);
    }
    ae_tokenizer_free(t);
    return status;
}

static const char *const options[] = {AE_INSTANCE_OPTIONS, "batch",    "objective", "runs", "seed", "threads",
                                      "tokenizer",         "progress", "quiet",     "json", NULL};

const ae_command ae_cmd_bench_data = {
    .name = "bench data",
    .summary = "measure how fast instances are built and batches are read",
    .usage = "FILE...",
    .details =
        "Builds the instances of each objective (or of --objective) from the text as `data build` does, --runs times, "
        "into a temporary file (TMPDIR), and reads an epoch of batches from it as often: in order; shuffled; shuffled "
        "and sorted by length within windows of 64 batches, as training has them; and the same made ahead on a thread "
        "of its own. MB are millions of bytes of text when building, of the batches' tensors when reading; padding is "
        "the part of the tokens that packed training leaves out.",
    .options = options,
    .arguments_max = -1,
    .run = run_bench_data,
};
