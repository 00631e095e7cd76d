/* Initialisers, named by what the papers call them. */
#ifndef AE_NN_INIT_H
#define AE_NN_INIT_H

#include "tensor/random.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How to fill a new parameter: fill(t, a, b, key) with t contiguous f32. A user's own function serves as well. */
typedef struct ae_init {
    void (*fill)(ae_tensor *t, double a, double b, const ae_random_key *key);
    double a, b;
    int64_t zero_row; /* 1 + the row to be zeroed afterwards (padding of an embedding); 0: none */
} ae_init;

AE_API ae_init ae_init_zeros(void);
AE_API ae_init ae_init_ones(void);
AE_API ae_init ae_init_constant(double value);
AE_API ae_init ae_init_normal(double std);           /* N(0, std²): GPT */
AE_API ae_init ae_init_truncated_normal(double std); /* redrawn beyond 2 std: BERT */
AE_API ae_init ae_init_uniform(double lo, double hi);

#ifdef __cplusplus
}
#endif
#endif
