#include "apps/command_table.h"
#include "apps/model_bundle.h"
#include "apps/record_writer.h"
#include "apps/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct average {
    ae_run *run;
    ae_bundle first; /* its parameters receive the mean */
    int n;           /* files */
    double *shares;  /* (n), summing to 1 */
    double **sums;   /* one array a parameter; NULL for integers */
    int count;
} average;

static void average_free(average *a)
{
    for (int i = 0; a->sums && i < a->count; i++) {
        free(a->sums[i]);
    }
    free(a->sums);
    free(a->shares);
    ae_bundle_free(&a->first);
}

/* ---- how much each counts --------------------------------------------------------------------------------------------- */

static int read_shares(average *a)
{
    const char *list = ae_options_text(a->run->options, "weights"), *p = list;
    double sum = 0;
    int given = 0;
    a->shares = malloc((size_t)a->n * sizeof *a->shares);
    if (!a->shares) {
        return ae_err_set(&a->run->error, AE_E_MEMORY, "no memory for %d files", a->n);
    }
    for (int i = 0; i < a->n; i++) {
        a->shares[i] = 1;
    }
    while (p && *p) {
        char *end;
        double x = strtod(p, &end);
        if (end == p || (*end && *end != ',') || !isfinite(x) || x < 0) {
            return ae_err_set(&a->run->error, AE_E_VALUE,
                              "--weights %s: numbers of at least 0 parted by commas are "
                              "wanted, as in 1,1,2",
                              list);
        }
        if (given < a->n) {
            a->shares[given] = x;
        }
        given++;
        p = *end ? end + 1 : end;
    }
    for (int i = 0; i < a->n; i++) {
        sum += a->shares[i];
    }
    if ((list && given != a->n) || !(sum > 0)) {
        return ae_err_set(&a->run->error, AE_E_VALUE, "--weights %s: %d numbers for %d files%s", list, given, a->n,
                          given == a->n ? ", and all are 0" : "");
    }
    for (int i = 0; i < a->n; i++) {
        a->shares[i] /= sum;
    }
    return 0;
}

/* ---- adding ------------------------------------------------------------------------------------------------------------ */

static int check_tokenizer(average *a, const char *path)
{
    char class_name[128];
    ae_bundle d = {0};
    int status = ae_bundle_peek(a->run, &d, path, class_name);
    if (status == 0 && strcmp(class_name, a->first.row->class_name) != 0) {
        status = ae_err_set(&a->run->error, AE_E_VALUE, "%s is a %s, the first file a %s", path,
                            *class_name ? class_name : "file that names no class", a->first.row->class_name);
    }
    if (status == 0 && d.tokenizer && a->first.tokenizer &&
        ae_tokenizer_hash(d.tokenizer) != ae_tokenizer_hash(a->first.tokenizer)) {
        status = ae_err_set(&a->run->error, AE_E_VALUE,
                            "%s was trained with another tokenizer than the first file: their tables of words do not "
                            "belong together",
                            path);
    }
    ae_bundle_free(&d);
    return status;
}

/* Adds share * value of every parameter of another model of the same class and shapes. */
static int add_model(average *a, const ae_model *m, double share, const char *path)
{
    char mine[AE_SHAPE_TEXT_MAX], theirs[AE_SHAPE_TEXT_MAX];
    for (int i = 0; i < a->count; i++) {
        const ae_param_info first = ae_model_at(a->first.model, i);
        const ae_tensor *t = ae_model_get(m, first.name);
        if (!t || !ae_same_shape(t, first.tensor)) {
            return ae_err_set(&a->run->error, AE_E_SHAPE, "%s: %s is %s, in the first file %s", path, first.name,
                              t ? ae_shape_text(t->ndim, t->shape, theirs) : "missing",
                              ae_shape_text(first.tensor->ndim, first.tensor->shape, mine));
        }
        for (int64_t k = 0; a->sums[i] && k < ae_numel(t); k++) {
            a->sums[i][k] += share * ae_get_f64(t, k);
        }
    }
    return 0;
}

static int add_file(average *a, int i)
{
    const char *path = ae_options_argument(a->run->options, i);
    ae_bundle d = {0};
    a->run->error_file = path;
    if (check_tokenizer(a, path) != 0) {
        return -1;
    }
    int status = ae_bundle_open(a->run, &d, path);
    status = status == 0 ? add_model(a, d.model, a->shares[i], path) : status;
    ae_bundle_free(&d);
    a->run->error_file = status == 0 ? NULL : path;
    return status;
}

static int begin(average *a)
{
    const char *path = ae_options_argument(a->run->options, 0);
    if (ae_bundle_open(a->run, &a->first, path) != 0) {
        return -1;
    }
    a->count = ae_model_count(a->first.model);
    a->sums = calloc((size_t)a->count + 1, sizeof *a->sums);
    for (int i = 0; i < a->count && a->sums; i++) {
        const ae_tensor *t = ae_model_at(a->first.model, i).tensor;
        if (ae_dtype_is_float(t->dtype)) {
            a->sums[i] = calloc((size_t)ae_numel(t) + 1, sizeof **a->sums);
            if (!a->sums[i]) {
                return ae_err_set(&a->run->error, AE_E_MEMORY, "no memory for the sums of %s", path);
            }
        }
    }
    return a->sums ? add_model(a, a->first.model, a->shares[0], path)
                   : ae_err_set(&a->run->error, AE_E_MEMORY, "no memory for %d parameters", a->count);
}

static int finish(average *a, const char *output)
{
    ae_json *files = ae_json_new_array();
    for (int i = 0; i < a->count; i++) {
        ae_tensor *t = ae_model_at(a->first.model, i).tensor;
        for (int64_t k = 0; a->sums[i] && k < ae_numel(t); k++) {
            ae_set_f64(t, k, a->sums[i][k]);
        }
    }
    for (int i = 0; i < a->n; i++) {
        ae_json_add(files, NULL, ae_json_new_string(ae_options_argument(a->run->options, i)));
    }
    ae_json_set(a->first.settings, "averaged", files);
    return ae_bundle_save(&a->first, output, NULL, NULL, &a->run->error);
}

/* ---- the command ------------------------------------------------------------------------------------------------------- */

static int report(ae_run *run, const average *a, const char *output)
{
    if (!run->json) {
        if (!ae_options_flag(run->options, "quiet")) {
            fprintf(run->log, "%s: the mean of %d files, %d tensors\n", output, a->n, a->count);
        }
        return 0;
    }
    ae_json *o = ae_json_new_object(), *shares = ae_json_new_array();
    for (int i = 0; i < a->n; i++) {
        ae_json_add(shares, NULL, ae_json_new_double(a->shares[i]));
    }
    ae_json_set_string(o, "output", output);
    ae_json_set_int(o, "files", a->n);
    ae_json_set_int(o, "tensors", a->count);
    ae_json_set(o, "weights", shares);
    return ae_run_print_json(run, o);
}

static int average_files(average *a)
{
    ae_run *run = a->run;
    const char *output = ae_options_text(run->options, "output");
    if (!output) {
        return ae_err_set(&run->error, AE_E_MISSING, "where to? give --output OUT.h5");
    }
    if (ae_refuse_existing(run, output) != 0 || read_shares(a) != 0 || begin(a) != 0) {
        return -1;
    }
    for (int i = 1; i < a->n; i++) {
        if (add_file(a, i) != 0) {
            return -1;
        }
    }
    return finish(a, output) == 0 ? report(run, a, output) : -1;
}

static int run_average(ae_run *run)
{
    average a = {.run = run, .n = ae_options_arguments(run->options)};
    int status = average_files(&a);
    average_free(&a);
    return status == 0 ? AE_EXIT_DONE : status;
}

static const char *const options[] = {"force", "json", "output", "quiet", "weights", "plugin", NULL};

const ae_command ae_cmd_average = {
    .name = "average",
    .summary = "write the mean of the weights of several models",
    .usage = "A.h5 B.h5...",
    .details =
        "The files must hold models of one class with equal shapes and one tokenizer: checkpoints of one run, or "
        "runs that began with the same weights. Each counts alike, or as --weights says. Configuration, "
        "tokenizer and settings are the first file's; the sums are made in double precision.",
    .options = options,
    .arguments_min = 2,
    .arguments_max = -1,
    .run = run_average,
};
