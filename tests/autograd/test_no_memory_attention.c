/* Attention in bf16 products, forward and backward, while allocations fail, each in turn, alone or with all that
 * follow: an error of memory or the same result, and nothing left behind. */
#include "memory_scenarios.h"

#include "autograd/ops.h"
#include "tensor/gemm_blocks.h"

#include <stdlib.h>

static uint64_t digest(const ae_tensor *t)
{
    uint64_t sum = 1;
    for (int64_t i = 0; i < ae_numel(t); i++) {
        sum = sum * 31 + (uint64_t)(int64_t)(ae_get_f64(t, i) * 4096);
    }
    return sum;
}

static int attend(const void *self, uint64_t *result, ae_err *e)
{
    (void)self;
    ae_graph *g = ae_graph_new();
    if (!g) {
        return ae_err_set(e, AE_E_MEMORY, "no memory to begin");
    }
    ae_graph_begin(g, AE_TRAIN);
    int64_t shape[3] = {1, 40, 8};
    ae_tensor *x = ae_requires_grad(g, ae_cast(g, ae_randn(g, AE_F32, 3, shape, 0, 1), AE_BF16));
    ae_tensor *bias = ae_requires_grad(g, ae_randn(g, AE_F32, 1, (int64_t[]){40}, 0, 1));
    ae_attention_options o = {.heads = 1, .dropout = 0.1, .relative = &(ae_relative){x, ae_squeeze(g, x, 0), 0, x}};
    ae_tensor *y = ae_f_attention(g, x, x, x, ae_mask_with_bias(g, ae_mask_full(g), bias), &o);
    int status = ae_backward(g, ae_sum(g, ae_mul(g, y, y), 0, NULL, false), 0);
    if (status == 0) {
        *result = digest(y) ^ digest(x->grad) ^ digest(bias->grad);
    } else {
        ae_err_set(e, ae_graph_error(g)->code, "%s", ae_graph_error(g)->message);
    }
    ae_graph_free(g);
    ae_onednn_release();
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    ae_blocks_select(AE_BLOCKS_BF16);
    memory_every_failure("attention", attend, NULL, 400, 0);
    ae_blocks_select(AE_BLOCKS_BEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
