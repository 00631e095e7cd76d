/* What an operation costs beside its kernel: on 8 x 8 numbers, where the kernel itself is next to nothing. */
#include "apps/bench.h"
#include "autograd/ops.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"

enum { SIDE = 8, CALLS = 500, REPEATS = 31 };

typedef struct small_op {
    const char *name;
    ae_tensor *(*run)(ae_graph *g, ae_tensor *x, ae_tensor *y);
    int (*kernel)(const float *x, const float *y, float *z, ae_err *e);
} small_op;

static ae_tensor *run_tanh(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    (void)y;
    return ae_tanh(g, x);
}

static int add_kernel(const float *x, const float *y, float *z, ae_err *e)
{
    (void)e;
    ae_kernels_get()->add(x, y, z, (int64_t)SIDE * SIDE);
    return 0;
}

static int tanh_kernel(const float *x, const float *y, float *z, ae_err *e)
{
    (void)y;
    (void)e;
    ae_kernels_get()->tanh(x, z, (int64_t)SIDE * SIDE);
    return 0;
}

static int matmul_kernel(const float *x, const float *y, float *z, ae_err *e)
{
    ae_gemm q = {.a_dtype = AE_F32, .b_dtype = AE_F32, .c_dtype = AE_F32, .batch = 1, .alpha = 1.0f};
    q.m = q.n = q.k = q.a_row = q.b_row = q.c_row = SIDE;
    q.a_col = q.b_col = 1;
    q.a = x;
    q.b = y;
    q.c = z;
    return ae_gemm_run(&q, e);
}

static const small_op small_ops[] = {
    {"add", ae_add, add_kernel},
    {"tanh", run_tanh, tanh_kernel},
    {"matmul", ae_matmul, matmul_kernel},
};

static ae_tensor *operand(ae_graph *g, double value)
{
    return ae_requires_grad(g, ae_full(g, AE_F32, 2, (int64_t[]){SIDE, SIDE}, value));
}

/* Microseconds of one call, forward with recording: the median of many rounds, each a step of its own. */
static double call_time(ae_graph *g, const small_op *op)
{
    double rounds[REPEATS];
    for (int r = 0; r < REPEATS; r++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *x = operand(g, 0.5), *y = operand(g, 0.25);
        double start = ae_seconds();
        for (int i = 0; i < CALLS; i++) {
            op->run(g, x, y);
        }
        rounds[r] = (ae_seconds() - start) / CALLS * 1e6;
    }
    return ae_median(rounds, REPEATS);
}

/* The same of the kernel on the numbers of three tensors. */
static double kernel_time(ae_graph *g, const small_op *op, ae_err *e)
{
    double rounds[REPEATS];
    ae_graph_begin(g, AE_EVAL);
    ae_tensor *x = operand(g, 0.5), *y = operand(g, 0.25), *z = operand(g, 0);
    for (int r = 0; r < REPEATS && ae_ok(g); r++) {
        double start = ae_seconds();
        for (int i = 0; i < CALLS; i++) {
            op->kernel(x->data, y->data, z->data, e);
        }
        rounds[r] = (ae_seconds() - start) / CALLS * 1e6;
    }
    return ae_ok(g) ? ae_median(rounds, REPEATS) : 0;
}

static void print_row(ae_run *run, const small_op *op, double call, double kernel)
{
    if (!run->json) {
        fprintf(run->out, "%-16s %10.3f %10.3f %10.3f\n", op->name, call, kernel, call - kernel);
        return;
    }
    ae_json *row = ae_json_new_object();
    ae_json_set_string(row, "small_op", op->name);
    ae_json_set_double(row, "call_us", call);
    ae_json_set_double(row, "kernel_us", kernel);
    ae_json_set_double(row, "overhead_us", call - kernel);
    ae_run_print_json(run, row);
}

int ae_bench_overhead(ae_run *run, ae_graph *g)
{
    if (!run->json) {
        fprintf(run->out, "\n%-16s %10s %10s %10s\n", "8 x 8, tape on", "call us", "kernel us", "overhead");
    }
    for (size_t i = 0; i < sizeof small_ops / sizeof *small_ops; i++) {
        double kernel = kernel_time(g, &small_ops[i], &run->error), call = call_time(g, &small_ops[i]);
        if (!ae_ok(g)) {
            return ae_err_set(&run->error, ae_graph_error(g)->code, "%s", ae_graph_error(g)->message);
        }
        print_row(run, &small_ops[i], call, kernel);
    }
    return run->error.code ? -1 : 0;
}
