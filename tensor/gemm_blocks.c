#include "tensor/gemm_blocks.h"

#include "tensor/counters.h"
#include "tensor/gemm_internal.h"
#include "tensor/kernels.h"

#include <stdatomic.h>

static atomic_int selected; /* an ae_blocks_choice; only tests move it */

void ae_blocks_select(ae_blocks_choice choice)
{
    atomic_store_explicit(&selected, (int)choice, memory_order_relaxed);
}

bool ae_blocks_in_bf16(void)
{
    const int choice = atomic_load_explicit(&selected, memory_order_relaxed);
    return choice == AE_BLOCKS_BF16 || (choice == AE_BLOCKS_BEST && ae_onednn_has_bf16());
}

int ae_blocks_multiply(ae_blocks *w, const ae_gemm *q, ae_err *e)
{
    if (ae_kernels_dry()) {
        return 0;
    }
    const bool empty = q->m == 0 || q->n == 0 || q->k == 0; /* kills the process in oneDNN 2.6 */
    if (!empty && !w->set) {
        w->set = ae_onednn_set_take(e);
        if (!w->set) {
            return -1;
        }
    }
    const int result = empty ? 1 : ae_onednn_set_matmul(w->set, q, e);
    if (result == 0) {
        ae_kernel_seen(AE_K_GEMM_ONEDNN_BF16);
    }
    return result <= 0 ? result : ae_gemm_plain_unchecked(q, e);
}

void ae_blocks_end(ae_blocks *w)
{
    ae_onednn_set_put(w->set);
    w->set = NULL;
}
