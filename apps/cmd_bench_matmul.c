#include "apps/bench.h"
#include "apps/bench_matmul.h"
#include "apps/command_table.h"
#include "apps/precision.h"
#include "tensor/threads.h"

#include <math.h>
#include <string.h>

enum { PRECISIONS = 3 };

static const ae_dtype precisions[PRECISIONS] = {AE_F32, AE_BF16, AE_I8};

typedef struct bench {
    ae_bench_product products[AE_BENCH_PRODUCTS];
    int count;
    double seconds[AE_BENCH_PRODUCTS][PRECISIONS]; /* the best of all runs; infinite where nothing was measured */
} bench;

/* int8 is for inference: it has no gradients. */
static bool is_made(const ae_bench_product *p, ae_dtype precision)
{
    return precision != AE_I8 || strcmp(p->what, "forward") == 0;
}

/* Precisions by turns, run after run, for the machine's clock changes. */
static int measure(bench *b, const bool *wanted, int runs, ae_err *e)
{
    for (int k = 0; k < b->count; k++) {
        for (int i = 0; i < PRECISIONS; i++) {
            b->seconds[k][i] = (double)INFINITY;
        }
        for (int run = 0; run < runs; run++) {
            for (int i = 0; i < PRECISIONS && !e->code; i++) {
                if (wanted[i] && is_made(&b->products[k], precisions[i])) {
                    double seconds = ae_bench_product_seconds(&b->products[k], precisions[i], 2, e);
                    b->seconds[k][i] = fmin(b->seconds[k][i], seconds);
                }
            }
        }
    }
    return e->code ? -1 : 0;
}

static int print_row(ae_run *run, const bench *b, int k, int i)
{
    const ae_bench_product *p = &b->products[k];
    const char *precision = ae_precision_name(precisions[i]);
    char name[128];
    double rate = ae_bench_product_flop(p) / b->seconds[k][i] * 1e-9;
    ae_bench_product_implementation(p, precisions[i], name, sizeof name);
    if (!run->json) {
        fprintf(run->out, "%-9s  %-16s %7lld %7lld %7lld %6d %10.3f %10.1f  %s\n", precision, p->what, (long long)p->m,
                (long long)p->n, (long long)p->k, p->count, b->seconds[k][i] * 1e3, rate, name);
        return 0;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "precision", precision);
    ae_json_set_string(o, "product", p->what);
    ae_json_set_int(o, "m", p->m);
    ae_json_set_int(o, "n", p->n);
    ae_json_set_int(o, "k", p->k);
    ae_json_set_int(o, "count", p->count);
    ae_json_set_int(o, "threads", ae_threads());
    ae_json_set_double(o, "seconds", b->seconds[k][i]);
    ae_json_set_double(o, "gflops", rate);
    ae_json_set_string(o, "implementation", name);
    return ae_run_print_json(run, o);
}

/* What all products of a precision take together, each as often as the model makes it. */
static int print_sum(ae_run *run, const bench *b, int i)
{
    double seconds = 0, flop = 0;
    int count = 0;
    for (int k = 0; k < b->count; k++) {
        if (is_made(&b->products[k], precisions[i])) {
            count += b->products[k].count;
            seconds += b->products[k].count * b->seconds[k][i];
            flop += b->products[k].count * ae_bench_product_flop(&b->products[k]);
        }
    }
    if (!run->json) {
        fprintf(run->out, "%-9s  %-40s %6d %10.3f %10.1f\n", ae_precision_name(precisions[i]), "all", count,
                seconds * 1e3, flop / seconds * 1e-9);
        return 0;
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "precision", ae_precision_name(precisions[i]));
    ae_json_set_string(o, "product", "all");
    ae_json_set_int(o, "count", count);
    ae_json_set_int(o, "threads", ae_threads());
    ae_json_set_double(o, "seconds", seconds);
    ae_json_set_double(o, "gflops", flop / seconds * 1e-9);
    return ae_run_print_json(run, o);
}

static int print_all(ae_run *run, const bench *b, const bool *wanted)
{
    int status = 0;
    if (!run->json) {
        fprintf(run->out, "%-9s  %-16s %7s %7s %7s %6s %10s %10s  %s\n", "precision", "product", "m", "n", "k", "count",
                "ms", "GFLOP/s", "implementation");
    }
    for (int i = 0; i < PRECISIONS; i++) {
        for (int k = 0; k < b->count && wanted[i] && status == 0; k++) {
            status = is_made(&b->products[k], precisions[i]) ? print_row(run, b, k, i) : 0;
        }
        status = wanted[i] && status == 0 ? print_sum(run, b, i) : status;
    }
    return status;
}

static int run_bench(ae_run *run)
{
    const ae_options *o = run->options;
    ae_err *e = &run->error;
    const char *precision = ae_options_text(o, "precision");
    const char *name = ae_options_text(o, "model");
    const ae_recipe *recipe = ae_recipe_find(name ? name : "bert-base", e);
    ae_bench_model model = {0};
    if (!recipe || ae_bench_model_build(&model, recipe, 0, e) != 0) {
        return -1;
    }
    bench b = {.count = 0};
    bool wanted[PRECISIONS];
    for (int i = 0; i < PRECISIONS; i++) {
        wanted[i] = strcmp(precision, "auto") == 0 || strcmp(precision, ae_precision_name(precisions[i])) == 0;
    }
    int64_t rows = ae_options_int_or(o, "batch", 32) * ae_options_int_or(o, "seq", 128);
    b.count = ae_bench_products(model.root, rows, true, b.products);
    ae_bench_model_free(&model);
    int status = b.count > 0 ? measure(&b, wanted, (int)ae_options_int(o, "runs"), e)
                             : ae_err_set(e, AE_E_UNSUPPORTED, "--model %s has no weight matrices", recipe->name);
    return status == 0 ? print_all(run, &b, wanted) : -1;
}

static const char *const options[] = {AE_BENCH_OPTIONS, "seq", "runs", NULL};

const ae_command ae_cmd_bench_matmul = {
    .name = "bench matmul",
    .summary = "measure the matrix products of a model's weights",
    .details =
        "Every shape of product that the weights of a model (bert-base) make with batch x seq rows (32 x 128): "
        "forward, and both gradients; how many weights make it, its time (the best of twice --runs), its rate, and "
        "which implementation this processor takes. The last line of a precision is all of them together, the rate "
        "that the "
        "share of `bench train` is measured against. --precision auto measures f32, bf16 and int8 (forward only) by "
        "turns.",
    .options = options,
    .run = run_bench,
};
