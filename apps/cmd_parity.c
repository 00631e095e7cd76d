#include "apps/command_table.h"
#include "apps/parity.h"
#include "apps/parity_tokenizer.h"
#include "apps/precision.h"
#include "tensor/counters.h"
#include "tensor/kernels.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_SHOWN = 8 };

static const char *const verdicts[] = {"ok", "beyond", "shape", "missing"};

/* ---- printing -------------------------------------------------------------------------------------------------------- */

static void print_rows(ae_run *run, const ae_parity_row *rows, int n)
{
    bool all = ae_options_flag(run->options, "verbose");
    fprintf(run->out, "%10s %11s %11s %8s  %s\n", "fraction", "max abs", "relative", "beyond", "tensor");
    for (int i = 0; i < n; i++) {
        const ae_parity_row *r = &rows[i];
        if (!all && i >= ROWS_SHOWN && r->verdict == AE_PARITY_OK) {
            fprintf(run->out, "%10s and %d more within tolerance (--verbose shows them)\n", "", n - i);
            break;
        }
        if (r->verdict == AE_PARITY_OK || r->verdict == AE_PARITY_BEYOND) {
            fprintf(run->out, "%10.4g %11.3e %11.3e %8lld  %s%s\n", r->fraction, r->max_abs, r->relative,
                    (long long)r->beyond, r->name, r->verdict == AE_PARITY_OK ? "" : "   <-- beyond tolerance");
        } else {
            fprintf(run->out, "%43s  %s   <-- %s\n", "", r->name,
                    r->verdict == AE_PARITY_MISSING ? "not produced" : "of another shape");
        }
    }
}

static void print_kernels(ae_run *run)
{
    fprintf(run->out, "kernels:");
    for (int i = 0; i < AE_KERNEL_COUNT; i++) {
        if (ae_kernel_count_at(i) > 0) {
            fprintf(run->out, " %s", ae_kernel_name(i));
        }
    }
    fprintf(run->out, "\n");
}

static ae_json *kernels_json(void)
{
    ae_json *list = ae_json_new_array();
    for (int i = 0; i < AE_KERNEL_COUNT; i++) {
        if (ae_kernel_count_at(i) > 0) {
            ae_json_add(list, NULL, ae_json_new_string(ae_kernel_name(i)));
        }
    }
    return list;
}

static int print_json(ae_run *run, const char *dir, bool packed, const ae_parity_row *rows, int n, int failures)
{
    ae_json *object = ae_json_new_object(), *list = ae_json_new_array();
    ae_json_set_string(object, "case", dir);
    ae_json_set_string(object, "mode", packed ? "packed" : "padded");
    ae_json_set_bool(object, "pass", failures == 0);
    ae_json_set_int(object, "failures", failures);
    for (int i = 0; i < n; i++) {
        ae_json *row = ae_json_new_object();
        ae_json_set_string(row, "name", rows[i].name);
        ae_json_set_string(row, "verdict", verdicts[rows[i].verdict]);
        ae_json_set_double(row, "fraction", rows[i].fraction);
        ae_json_set_double(row, "max_abs", rows[i].max_abs);
        ae_json_set_double(row, "relative", rows[i].relative);
        ae_json_set_int(row, "beyond", rows[i].beyond);
        ae_json_add(list, NULL, row);
    }
    ae_json_set(object, "tensors", list);
    ae_json_set(object, "kernels", kernels_json());
    return ae_run_print_json(run, object);
}

/* ---- one case --------------------------------------------------------------------------------------------------------- */

/* Runs, compares, prints; *failures receives how many tensors fail. An error of the case itself counts as one. */
static int run_mode(ae_run *run, const ae_case *c, bool packed, const char *write, int *failures)
{
    ae_parity_row *rows = NULL;
    int n = 0, status = -1;
    ae_tensors *outputs = ae_tensors_new();
    if (!outputs) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for the outputs of %s", c->dir);
    }
    ae_kernel_counts_reset();
    if (ae_case_run(c, packed, outputs, &run->error) == 0) {
        *failures = ae_case_compare(c, outputs, packed, &rows, &n, &run->error);
        status = *failures < 0 ? -1 : 0;
    }
    if (status == 0 && run->json) {
        status = print_json(run, c->dir, packed, rows, n, *failures);
    } else if (status == 0) {
        fprintf(run->out, "%s (%s)\n", c->dir, packed ? "packed" : "padded");
        print_rows(run, rows, n);
        print_kernels(run);
        fprintf(run->out, "%s  %d tensors compared, %d failed\n\n", *failures ? "FAIL" : "PASS", n, *failures);
    }
    if (status == 0 && write) {
        status = ae_safetensors_write(write, outputs, NULL, &run->error);
    }
    free(rows);
    ae_tensors_free(outputs);
    return status;
}

/* ---- a case of a tokenizer -------------------------------------------------------------------------------------------- */

static void print_differences(ae_run *run, const char *dir, const ae_tokenizer_parity *p)
{
    fprintf(run->out, "%s\n", dir);
    for (int i = 0; i < p->kept; i++) {
        fprintf(run->out, "%s\n  got  %.300s\n  want %.300s\n", p->first[i].path, p->first[i].got, p->first[i].wanted);
    }
    if (p->differences > p->kept) {
        fprintf(run->out, "and %lld more\n", (long long)(p->differences - p->kept));
    }
    fprintf(run->out, "%s  %lld fields compared, %lld failed\n\n", p->differences ? "FAIL" : "PASS",
            (long long)p->fields, (long long)p->differences);
}

static int print_differences_json(ae_run *run, const char *dir, const ae_tokenizer_parity *p)
{
    ae_json *object = ae_json_new_object(), *list = ae_json_new_array();
    ae_json_set_string(object, "case", dir);
    ae_json_set_bool(object, "pass", p->differences == 0);
    ae_json_set_int(object, "failures", p->differences);
    ae_json_set_int(object, "fields", p->fields);
    for (int i = 0; i < p->kept; i++) {
        ae_json *row = ae_json_new_object();
        ae_json_set_string(row, "field", p->first[i].path);
        ae_json_set_string(row, "got", p->first[i].got);
        ae_json_set_string(row, "wanted", p->first[i].wanted);
        ae_json_add(list, NULL, row);
    }
    ae_json_set(object, "differences", list);
    return ae_run_print_json(run, object);
}

static int run_tokenizer_case(ae_run *run, const char *dir, const char *write, int *failed)
{
    ae_tokenizer_parity p;
    int status = ae_tokenizer_case_run(dir, &p, &run->error);
    if (status == 0 && run->json) {
        status = print_differences_json(run, dir, &p);
    } else if (status == 0) {
        print_differences(run, dir, &p);
    }
    *failed += status == 0 && p.differences > 0;
    if (status == 0 && write) {
        status = ae_json_write_file(p.produced, write, &run->error);
    }
    ae_tokenizer_parity_free(&p);
    return status;
}

/* f32 unless --precision is given on the command line. */
static int set_precision(ae_run *run, ae_case *c)
{
    if (ae_options_origin(run->options, "precision") != AE_ORIGIN_COMMAND) {
        return 0;
    }
    if (ae_precision_read(run, true, &c->precision) != 0) {
        return -1;
    }
    if (c->precision == AE_BF16 && strcmp(ae_case_kind(c), "model") != 0) {
        return ae_err_set(&run->error, AE_E_UNSUPPORTED,
                          "%s: bf16 is for cases of one forward and backward; this one is of the kind %s", c->dir,
                          ae_case_kind(c));
    }
    return 0;
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

static int run_case(ae_run *run, const char *dir, const char *write, int *failed)
{
    if (ae_is_tokenizer_case(dir)) {
        return run_tokenizer_case(run, dir, write, failed);
    }
    ae_case *c = ae_case_read(dir, &run->error);
    int failures = 0, status = c ? set_precision(run, c) : -1;
    status = status == 0 ? run_mode(run, c, false, write, &failures) : status;
    *failed += status == 0 && failures > 0;
    if (status == 0 && ae_case_packs(c)) {
        status = run_mode(run, c, true, NULL, &failures);
        *failed += status == 0 && failures > 0;
    }
    ae_case_free(c);
    return status;
}

static int run_parity(ae_run *run)
{
    int cases = ae_options_arguments(run->options), failed = 0;
    const char *write = ae_options_text(run->options, "write");
    if (write && cases != 1) {
        return ae_err_set(&run->error, AE_E_VALUE, "--write stores one case; %d were given", cases);
    }
    for (int i = 0; i < cases; i++) {
        if (run_case(run, ae_options_argument(run->options, i), write, &failed) != 0) {
            return -1;
        }
    }
    if (!run->json && cases > 1) {
        fprintf(run->out, "%d cases, %d failed\n", cases, failed);
    }
    return failed ? AE_EXIT_NO : AE_EXIT_DONE;
}

static const char *const options[] = {"precision", "write", "threads", "verbose", "json", NULL};

const ae_command ae_cmd_parity = {
    .name = "parity",
    .summary = "compare models and tokenizers with reference implementations",
    .usage = "CASE_DIR...",
    .details =
        "A case is a folder with meta.json, config.json, model.safetensors, inputs.safetensors and "
        "expected.safetensors; tools/make_case.py makes one from a model of yours. Every tensor of "
        "expected.safetensors must be produced, in f32 and within the tolerance of meta.json. Cases run padded "
        "and, where the model can skip padding, packed.\n\n"
        "With --precision bf16, for cases of one forward and backward, a tensor passes when the length of its error is "
        "at most an eighth of its own length, or, for a gradient, of the mean length of all gradients.\n\n"
        "A case of a tokenizer holds meta.json, its vocabulary files and expected.json, whose fields must come out "
        "equal; --write stores them as JSON.\n\n"
        "The exit status is 1 when a tensor or field fails.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = -1,
    .run = run_parity,
};
