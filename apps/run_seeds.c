#include "apps/run_seeds.h"

#include "apps/metrics.h"
#include "apps/run_files.h"

#include <stdlib.h>

enum { MOST_SEEDS = 100 };

static int bad_seeds(ae_run *run, const char *text)
{
    return ae_err_set(&run->error, AE_E_VALUE, "--seeds %s: a range like 1..3 or a list like 1,5,9 is wanted", text);
}

/* The seeds of --seeds, or the one of --seed; how many, or -1 and run->error. */
static int read_seeds(ae_run *run, uint64_t *seeds, int most)
{
    const char *text = ae_options_text(run->options, "seeds");
    int n = 0;
    if (!text) {
        seeds[0] = (uint64_t)ae_options_int(run->options, "seed");
        return 1;
    }
    unsigned long long a, b;
    int used = 0;
    if (sscanf(text, "%llu..%llu%n", &a, &b, &used) == 2 && !text[used] && a <= b && b - a < (unsigned)most) {
        for (unsigned long long i = a; i <= b; i++) {
            seeds[n++] = i;
        }
        return n;
    }
    for (const char *p = text; *p && n < most; p++) {
        char *end;
        seeds[n++] = strtoull(p, &end, 10);
        if (end == p || (*end && *end != ',') || *p == '-') {
            return bad_seeds(run, text);
        }
        p = end;
        if (!*p) {
            return n;
        }
    }
    return bad_seeds(run, text);
}

static int print_scores(ae_run *run, const char *metric, const double *results, int n)
{
    ae_spread spread = ae_spread_of(results, n);
    if (!run->json) {
        fprintf(run->out, "%s over %d seeds: %.4f +- %.4f\n", metric, n, spread.mean, spread.deviation);
        return 0;
    }
    ae_json *whole = ae_json_new_object(), *list = ae_json_new_array();
    for (int i = 0; i < n; i++) {
        ae_json_add(list, NULL, ae_json_new_double(results[i]));
    }
    ae_json_set_string(whole, "metric", metric);
    ae_json_set(whole, "results", list);
    ae_spread_json(whole, &spread);
    return ae_run_print_json(run, whole);
}

static int check_several(ae_run *run, const char *output)
{
    if (!output) {
        return ae_err_set(&run->error, AE_E_MISSING, "where to? -o RUN.h5 names the files of the run");
    }
    if (ae_options_text(run->options, "resume")) {
        return ae_err_set(&run->error, AE_E_VALUE, "--resume goes on with one run; --seeds begins several");
    }
    return 0;
}

int ae_run_each_seed(ae_run *run, ae_seed_run once)
{
    uint64_t seeds[MOST_SEEDS];
    double scores[MOST_SEEDS];
    char path[AE_RUN_PATH], what[32];
    const char *output = ae_options_text(run->options, "output");
    int n = read_seeds(run, seeds, MOST_SEEDS);
    ae_training t = {0};
    if (n == 1) {
        int status = once(run, output, seeds[0], &t, &scores[0]);
        return status != 0 ? status : t.signal ? 128 + t.signal : AE_EXIT_DONE;
    }
    if (n < 0 || check_several(run, output) != 0) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        snprintf(what, sizeof what, "seed-%llu.h5", (unsigned long long)seeds[i]);
        if (ae_run_path(output, what, path, &run->error) != 0 || once(run, path, seeds[i], &t, &scores[i]) != 0) {
            return -1;
        }
        if (t.signal) {
            return 128 + t.signal;
        }
    }
    return print_scores(run, t.metric, scores, n);
}

ae_json *ae_training_json(const ae_training *t)
{
    char best[AE_RUN_PATH];
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "output", t->output);
    ae_json_set_int(o, "seed", (int64_t)t->seed);
    ae_json_set_int(o, "steps", t->step);
    ae_json_set_double(o, "train_loss", t->last_loss);
    ae_json_set_string(o, "metric", t->metric);
    ae_json_set_double(o, "best", t->best);
    ae_json_set_int(o, "best_step", t->best_step);
    ae_json_set(o, "best_file", ae_train_best_path(t, best, NULL) == 0 ? ae_json_new_string(best) : ae_json_new_null());
    return o;
}
