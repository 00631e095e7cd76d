#include "apps/memory_report.h"

#include "tensor/kernels.h"

#include <stdlib.h>
#include <string.h>

enum { KINDS = AE_MEMORY_GRADIENTS + 1, STEPS = 2 };

/* ---- measuring -------------------------------------------------------------------------------------------------------- */

static int larger_first(const void *a, const void *b)
{
    const ae_memory_row *x = a, *y = b;
    return x->at_peak != y->at_peak ? (x->at_peak < y->at_peak) - (x->at_peak > y->at_peak) : strcmp(x->what, y->what);
}

/* Lines of one operation and kind are one: an operation's name may have several addresses. */
static void add_line(ae_memory_report *r, const ae_memory_row *row)
{
    r->kinds[row->kind] += row->at_peak;
    if (row->at_peak == 0) {
        return;
    }
    for (int i = 0; i < r->count; i++) {
        if (r->lines[i].kind == row->kind && strcmp(r->lines[i].what, row->what) == 0) {
            r->lines[i].at_peak += row->at_peak;
            return;
        }
    }
    if (r->count < AE_MEMORY_LINES) {
        r->lines[r->count++] = *row;
    }
}

static void read_account(const ae_bench_model *b, const ae_graph *g, const ae_optimizer *optimizer, ae_memory_report *r)
{
    const ae_pool *pool = ae_graph_pool(g);
    ae_pool_stats stats = ae_pool_get_stats(pool);
    memset(r, 0, sizeof *r);
    r->weights = ae_bench_model_bytes(b);
    r->packs = ae_model_pack_bytes(b->root);
    r->inputs = ae_bench_input_bytes(b);
    r->optimizer = optimizer ? ae_optimizer_bytes(optimizer) : 0;
    r->total = ae_bench_held_bytes(b, g, optimizer);
    r->reserved = r->total - stats.peak + stats.reserved;
    for (int i = 0; i < ae_pool_rows(pool); i++) {
        ae_memory_row row = ae_pool_row(pool, i);
        add_line(r, &row);
    }
    qsort(r->lines, (size_t)r->count, sizeof *r->lines, larger_first);
}

static int run_steps(ae_bench_model *b, ae_graph *g, ae_optimizer *optimizer, const ae_memory_plan *plan, ae_err *e)
{
    double loss;
    int status = 0;
    ae_graph_precision(g, plan->precision);
    ae_graph_sparse_gradients(g, true); /* as in training */
    if (plan->recompute && ae_zoo_recompute(b->row, b->self, g, e) != 0) {
        ae_err_prefix(e, "--checkpoint-activations");
        return -1;
    }
    ae_kernels_dry_run(plan->dry);
    for (int i = 0; i < STEPS && status == 0; i++) {
        status = ae_bench_step(b, g, optimizer, i, b->row->packs, &loss, e);
    }
    ae_kernels_dry_run(false);
    return status;
}

int ae_memory_measure(ae_bench_model *b, const ae_memory_plan *plan, ae_memory_report *r, ae_err *e)
{
    ae_graph *g = ae_graph_new();
    ae_optimizer *optimizer = plan->train ? ae_bench_optimizer(b, e) : NULL;
    int status = -1;
    if (!g || ae_pool_account(ae_graph_pool(g)) != 0) {
        ae_err_set(e, AE_E_MEMORY, "no memory for a report of memory");
    } else if (optimizer || !plan->train) {
        status = run_steps(b, g, optimizer, plan, e);
    }
    if (status == 0) {
        read_account(b, g, optimizer, r);
    }
    ae_model_zero_grad(b->root); /* what a failed step left lives in the graph's pool */
    ae_optimizer_free(optimizer);
    ae_graph_free(g);
    return status;
}

/* ---- showing ------------------------------------------------------------------------------------------------------------ */

static const char *const titles[KINDS] = {"results and workspaces", "saved for backward", "gradients"};

static void print_line(FILE *out, int indent, const char *what, int64_t bytes, int64_t total)
{
    fprintf(out, "%*s%-*s %12.2f MiB %5.1f %%\n", indent, "", 34 - indent, what, (double)bytes / 0x1p20,
            100 * (double)bytes / (double)(total > 0 ? total : 1));
}

void ae_memory_print(const ae_memory_report *r, FILE *out)
{
    static const ae_memory_kind order[KINDS] = {AE_MEMORY_GRADIENTS, AE_MEMORY_SAVED, AE_MEMORY_WORKING};
    print_line(out, 0, "weights", r->weights, r->total);
    print_line(out, 0, "copies of weights", r->packs, r->total);
    print_line(out, 0, "optimizer", r->optimizer, r->total);
    print_line(out, 0, "batch", r->inputs, r->total);
    for (int k = 0; k < KINDS; k++) {
        print_line(out, 0, titles[order[k]], r->kinds[order[k]], r->total);
        for (int i = 0; i < r->count; i++) {
            if (r->lines[i].kind == order[k] && *r->lines[i].what) {
                print_line(out, 2, r->lines[i].what, r->lines[i].at_peak, r->total);
            }
        }
    }
    print_line(out, 0, "all, when most is held", r->total, r->total);
    print_line(out, 0, "taken from the system", r->reserved, r->total);
}

ae_json *ae_memory_json(const ae_memory_report *r)
{
    ae_json *o = ae_json_new_object(), *operations = ae_json_new_array();
    ae_json_set_int(o, "weights", r->weights);
    ae_json_set_int(o, "packs", r->packs);
    ae_json_set_int(o, "optimizer", r->optimizer);
    ae_json_set_int(o, "batch", r->inputs);
    for (int k = 0; k < KINDS; k++) {
        ae_json_set_int(o, ae_memory_kind_name((ae_memory_kind)k), r->kinds[k]);
    }
    ae_json_set_int(o, "total", r->total);
    ae_json_set_int(o, "reserved", r->reserved);
    for (int i = 0; i < r->count; i++) {
        ae_json *line = ae_json_new_object();
        ae_json_set_string(line, "kind", ae_memory_kind_name(r->lines[i].kind));
        ae_json_set_string(line, "operation", r->lines[i].what);
        ae_json_set_int(line, "bytes", r->lines[i].at_peak);
        ae_json_add(operations, NULL, line);
    }
    ae_json_set(o, "operations", operations);
    return o;
}
