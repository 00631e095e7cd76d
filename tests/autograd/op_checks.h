/* The checks that every row of the list of ops must pass, each of one op and variant, as verdicts: the tests over the
 * list want all of them good, the test with broken derivatives wants a bad one. */
#ifndef AE_TESTS_OP_CHECKS_H
#define AE_TESTS_OP_CHECKS_H

#include "op_harness.h"

/* What a check found: failed, and in which words. */
typedef struct verdict {
    bool failed;
    char text[1024];
} verdict;

extern ae_graph *graph; /* where everything runs */

/* First derivatives in f64 against central differences. */
void first_order(verdict *v, const ae_op *op, int variant);

/* The derivatives of first derivatives likewise. */
void second_order(verdict *v, const ae_op *op, int variant);

/* The path in f32 against f64, values and gradients: dense, strided, and with each input's gradient off in turn. */
void fast_path(verdict *v, const ae_op *op, int variant);

/* The path in bf16, which an op may refuse by AE_E_DTYPE. */
void bf16_path(verdict *v, const ae_op *op, int variant);

/* Each extent in turn is made empty, wherever it stands: f32 and f64 must refuse alike or agree. */
void zero_extents(verdict *v, const ae_op *op, int variant);

#endif
