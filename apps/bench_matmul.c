#include "apps/bench_matmul.h"
#include "apps/clock.h"
#include "tensor/gemm.h"
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

enum { RATE_RUNS = 4 };

/* ---- which products --------------------------------------------------------------------------------------------------- */

static bool same_product(const ae_bench_product *a, const ae_bench_product *b)
{
    return a->m == b->m && a->n == b->n && a->k == b->k && a->a_transposed == b->a_transposed &&
           a->b_transposed == b->b_transposed;
}

static int add_product(ae_bench_product *list, int count, ae_bench_product p)
{
    for (int i = 0; i < count; i++) {
        if (same_product(&list[i], &p)) {
            list[i].count++;
            return count;
        }
    }
    if (count < AE_BENCH_PRODUCTS) {
        list[count++] = p;
    }
    return count;
}

/* Few rows reach the vocabulary's projection, and one a text a head. */
static bool is_layer_weight(const ae_param_info *info)
{
    static const char *const others[] = {"embedding", "wte", "wpe", "classifier", "pooler", "seq_relationship"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strstr(info->name, others[i])) {
            return false;
        }
    }
    return !info->is_buffer && info->tensor->ndim == 2;
}

int ae_bench_products(const ae_model *root, int64_t rows, bool training, ae_bench_product *list)
{
    int count = 0;
    for (int i = 0; i < ae_model_count(root); i++) {
        ae_param_info info = ae_model_at(root, i);
        if (!is_layer_weight(&info)) {
            continue;
        }
        int64_t out = info.tensor->shape[0], in = info.tensor->shape[1];
        count = add_product(list, count, (ae_bench_product){"forward", rows, out, in, false, true, 1});
        if (training) {
            count = add_product(list, count, (ae_bench_product){"input gradient", rows, in, out, false, false, 1});
            count = add_product(list, count, (ae_bench_product){"weight gradient", out, in, rows, true, false, 1});
        }
    }
    return count;
}

/* ---- timing ----------------------------------------------------------------------------------------------------------- */

/* A tensor of small random values in the precision. */
static ae_tensor *operand(int64_t n, ae_dtype precision, ae_err *e)
{
    ae_tensor *t = ae_tensor_new(precision, 1, &n, e);
    for (int64_t i = 0; t && i < n; i++) {
        float v = (float)((i * 7919) % 101 - 50) / 64.0f;
        if (precision == AE_BF16) {
            ((uint16_t *)t->data)[i] = ae_f32_to_bf16(v);
        } else if (precision == AE_I8) {
            ((int8_t *)t->data)[i] = (int8_t)(v * 64);
        } else {
            ((float *)t->data)[i] = v;
        }
    }
    return t;
}

static ae_gemm gemm_of(const ae_bench_product *p, ae_dtype precision, const void *a, const void *b, void *c)
{
    ae_gemm g = {.a_dtype = precision, .b_dtype = precision, .c_dtype = AE_F32, .batch = 1, .alpha = 1.0f};
    g.m = p->m;
    g.n = p->n;
    g.k = p->k;
    g.a = a;
    g.a_row = p->a_transposed ? 1 : p->k;
    g.a_col = p->a_transposed ? p->m : 1;
    g.b = b;
    g.b_row = p->b_transposed ? 1 : p->n;
    g.b_col = p->b_transposed ? p->k : 1;
    g.c = c;
    g.c_row = p->n;
    return g;
}

double ae_bench_product_seconds(const ae_bench_product *p, ae_dtype precision, int runs, ae_err *e)
{
    ae_tensor *a = operand(p->m * p->k, precision, e), *b = operand(p->k * p->n, precision, e);
    ae_tensor *c = operand(p->m * p->n, AE_F32, e);
    double best = (double)INFINITY;
    for (int i = 0; i < runs && !e->code; i++) {
        ae_gemm g = gemm_of(p, precision, a->data, b->data, c->data);
        double start = ae_seconds();
        ae_gemm_run(&g, e);
        best = fmin(best, ae_seconds() - start);
    }
    ae_tensor_free(a);
    ae_tensor_free(b);
    ae_tensor_free(c);
    return e->code ? 0 : best;
}

const char *ae_bench_product_implementation(const ae_bench_product *p, ae_dtype precision, char *text, size_t size)
{
    static const char operands[64]; /* they are not read, but must be there */
    static char result[64];
    ae_gemm g = gemm_of(p, precision, operands, operands, result);
    return ae_gemm_implementation(&g, text, size);
}

double ae_bench_product_flop(const ae_bench_product *p)
{
    return 2.0 * (double)p->m * (double)p->n * (double)p->k;
}

double ae_bench_matmul_rate(const ae_model *root, int64_t rows, bool training, ae_dtype precision, ae_err *e)
{
    ae_bench_product list[AE_BENCH_PRODUCTS];
    double seconds = 0, flop = 0;
    int count = ae_bench_products(root, rows, training, list);
    for (int i = 0; i < count && !e->code; i++) {
        seconds += list[i].count * ae_bench_product_seconds(&list[i], precision, RATE_RUNS, e);
        flop += list[i].count * ae_bench_product_flop(&list[i]);
    }
    return seconds > 0 ? flop / seconds * 1e-9 : 0;
}
