#include "apps/bench.h"
#include "apps/bench_lines.h"
#include "apps/command_table.h"
#include "apps/tokenizer_run.h"
#include "tensor/threads.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINES = 1000, MOST_RUNS = 1000 };

typedef struct result {
    double rates[MOST_RUNS], cpu_rates[MOST_RUNS]; /* MB/s of each run, by the clock and of processor time */
    double median;
    int threads;
} result;

/* Lets everybody compare ids: from 2166136261 on, the hash becomes (hash xor id) * 16777619 in 32 bits for each id, and
 * for -1 behind each line. */
static uint32_t hash_id(uint32_t h, int32_t id)
{
    return (h ^ (uint32_t)id) * 16777619u;
}

static uint32_t hash_ids(uint32_t h, const ae_encoding_batch *b)
{
    for (int64_t i = 0; i < b->count; i++) {
        for (int64_t k = b->offsets[i]; k < b->offsets[i + 1]; k++) {
            h = hash_id(h, b->ids[k]);
        }
        h = hash_id(h, -1);
    }
    return h;
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* One pass over all lines: its seconds, without those that hashing takes; hash NULL: nothing is hashed. -1: failed. */
static double pass(const ae_tokenizer *t, const ae_bench_lines *c, int64_t batch, int threads, ae_encoding_batch *b,
                   int64_t *tokens, uint32_t *hash, double *cpu, ae_err *e)
{
    ae_batch_options options = {.threads = threads};
    double seconds = 0;
    *cpu = 0;
    *tokens = 0;
    for (int64_t i = 0; i < c->count; i += batch) {
        int64_t n = c->count - i < batch ? c->count - i : batch;
        double start = ae_seconds(), cpu_start = cpu_seconds();
        if (ae_tokenizer_encode_batch(t, c->lines + i, n, &options, b, e) != 0) {
            ae_err_prefix(e, "lines from %" PRId64, i + 1);
            return -1;
        }
        seconds += ae_seconds() - start;
        *cpu += cpu_seconds() - cpu_start;
        *tokens += b->offsets[n];
        if (hash) {
            *hash = hash_ids(*hash, b);
        }
    }
    return seconds;
}

static void print_result(ae_run *run, const ae_bench_lines *c, result *r, int runs, int64_t tokens, uint32_t hash)
{
    double megabytes = (double)c->bytes.length * 1e-6, seconds = megabytes / r->median;
    double cpu_rate = ae_median(r->cpu_rates, runs);
    if (!run->json) {
        fprintf(run->out,
                "%2d thread%s %10.2f MB/s %12.0f tokens/s   %10.2f MB/s of processor time   (medians of %d runs)\n",
                r->threads, r->threads == 1 ? " " : "s", r->median, (double)tokens / seconds, cpu_rate, runs);
        return;
    }
    char text[16];
    snprintf(text, sizeof text, "%08x", (unsigned)hash);
    ae_json *row = ae_json_new_object(), *rates = ae_json_new_array();
    ae_json_set_int(row, "threads", r->threads);
    ae_json_set_double(row, "mb_per_s", r->median);
    ae_json_set_double(row, "cpu_mb_per_s", cpu_rate);
    ae_json_set_double(row, "tokens_per_s", (double)tokens / seconds);
    for (int i = 0; i < runs; i++) {
        ae_json_add(rates, NULL, ae_json_new_double(r->rates[i]));
    }
    ae_json_set(row, "runs_mb_per_s", rates);
    ae_json_set_double(row, "megabytes", megabytes);
    ae_json_set_int(row, "lines", c->count);
    ae_json_set_int(row, "tokens", tokens);
    ae_json_set_string(row, "ids_hash", text);
    ae_run_print_json(run, row);
}

/* Runs with one thread and with all alternate, so that what else the machine does falls on both. */
static int measure(ae_run *run, const ae_tokenizer *t, const ae_bench_lines *c, int64_t batch, int runs)
{
    result results[2] = {{.threads = 1}, {.threads = ae_threads()}};
    int count = results[1].threads > 1 ? 2 : 1;
    ae_encoding_batch b = {0};
    uint32_t hash = 2166136261u;
    int64_t tokens = 0;
    double seconds = 0, cpu = 0, megabytes = (double)c->bytes.length * 1e-6;
    for (int i = 0; i < runs && seconds >= 0; i++) {
        for (int k = 0; k < count && seconds >= 0; k++) {
            seconds = pass(t, c, batch, results[k].threads, &b, &tokens, i + k == 0 ? &hash : NULL, &cpu, &run->error);
            results[k].rates[i] = megabytes / seconds;
            results[k].cpu_rates[i] = megabytes / cpu;
        }
    }
    for (int k = 0; k < count && seconds >= 0; k++) {
        double sorted[MOST_RUNS];
        memcpy(sorted, results[k].rates, sizeof sorted);
        results[k].median = ae_median(sorted, runs);
        print_result(run, c, &results[k], runs, tokens, hash);
    }
    ae_encoding_batch_free(&b);
    return seconds < 0 ? -1 : AE_EXIT_DONE;
}

static int run_bench_tokenizer(ae_run *run)
{
    const ae_options *opt = run->options;
    const int64_t batch = ae_options_int_or(opt, "batch", LINES);
    ae_tokenizer *t = ae_run_tokenizer(run, ae_options_text(opt, "tokenizer"));
    ae_bench_lines c = {0};
    int status = -1;
    if (t && ae_bench_lines_read(run, &c) == 0) {
        status = measure(run, t, &c, batch, (int)ae_options_int(opt, "runs"));
    }
    ae_bench_lines_free(&c);
    ae_tokenizer_free(t);
    return status;
}

static const char *const options[] = {
    "tokenizer",       "kind",  "lower-case", "strip-accents", "split-chinese", "encoding",
    "encoding-errors", "batch", "runs",       "threads",       "json",          NULL};

const ae_command ae_cmd_bench_tokenizer = {
    .name = "bench tokenizer",
    .summary = "measure how fast a tokenizer encodes",
    .details =
        "Reads the lines of the files, or of standard input, into memory and encodes them in batches (1000 lines, or "
        "--batch) with offsets and without special tokens: --runs times with one thread and with --threads, by turns. "
        "MB are millions of bytes of text; beside the clock's rate stands that of processor time, all threads "
        "together, which other work on the machine disturbs less. --json adds a hash of all ids, by which those of "
        "other "
        "programs can be compared: from 2166136261 on, (hash xor id) * 16777619 in 32 bits for each id and for -1 "
        "behind each line.",
    .usage = "[FILE...]",
    .arguments_max = -1,
    .options = options,
    .run = run_bench_tokenizer,
};
