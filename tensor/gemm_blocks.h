/* Products of bf16 blocks into f32, many of few shapes, each made by one thread within a parallel region: attention's.
 * Internal to the library. */
#ifndef AE_TENSOR_GEMM_BLOCKS_H
#define AE_TENSOR_GEMM_BLOCKS_H

#include "tensor/onednn.h"

typedef enum ae_blocks_choice {
    AE_BLOCKS_BEST,   /* bf16 where the processor multiplies it */
    AE_BLOCKS_BF16,   /* always; without such a processor oneDNN emulates them, or the plain twin computes */
    AE_BLOCKS_WIDENED /* never */
} ae_blocks_choice;

/* Changes the choice in the whole process, for tests. */
void ae_blocks_select(ae_blocks_choice choice);

/* Whether blocks of bf16 are to be multiplied as such; else their owner widens them to f32. */
bool ae_blocks_in_bf16(void);

/* What one thread works with. Begins as {0}; ae_blocks_end gives back what it holds. */
typedef struct ae_blocks {
    ae_onednn_set *set; /* NULL until it is needed */
} ae_blocks;

/* Computes q: bf16 by bf16 into f32, batch 1, operands dense in their orientation, without bias, activation or pack; in
 * the normal form that ae_gemm_check writes. Returns 0, or -1 with e filled. */
int ae_blocks_multiply(ae_blocks *w, const ae_gemm *q, ae_err *e);

void ae_blocks_end(ae_blocks *w);

#endif
