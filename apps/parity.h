/* Parity: running a golden case and comparing what comes out with what a reference implementation produced.
 *
 * A case is a folder: meta.json (class, kind, tolerances), config.json, model.safetensors, inputs.safetensors,
 * expected.safetensors. An element passes when |got - want| <= atol + rtol |want| + scale_rtol max |want|; infinities,
 * which a case may write as 1e30, must be met exactly.
 *
 * In bf16 single elements say little, for what cancels leaves the rounding of what it cancels with. There a tensor
 * passes when the length of its error is at most AE_PARITY_BF16 of its own length; gradients that are short beside the
 * others, such as those of key biases, which are 0 in theory, are measured by the mean length of all gradients. */
#ifndef AE_APPS_PARITY_H
#define AE_APPS_PARITY_H

#include "tensor/json.h"
#include "tensor/tensor.h"

#define AE_PARITY_BF16 0.125

#ifdef __cplusplus
extern "C" {
#endif

/* A case read into memory; fields are NULL where the folder has no such file. */
typedef struct ae_case {
    char *dir;
    ae_json *meta;
    ae_json *config;
    ae_tensors *model;
    ae_tensors *inputs;
    ae_tensors *expected;
    ae_dtype precision; /* of the run: f32 as read; bf16 for cases of one forward and backward (kind "model") */
} ae_case;

/* Reads a folder; NULL and e on the first file that is missing or broken. Free with ae_case_free. */
AE_API ae_case *ae_case_read(const char *dir, ae_err *e);
AE_API void ae_case_free(ae_case *c); /* NULL is allowed */

/* The kind that meta.json names: "model" when it names none, "steps", "decode", "optimizer", "schedule", ... */
AE_API const char *ae_case_kind(const ae_case *c);

/* Whether the case's model can skip padding. */
AE_API bool ae_case_packs(const ae_case *c);

/* Computes the case; outputs get the names of expected. packed: real positions only. Returns 0 or -1. */
AE_API int ae_case_run(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e);

/* The kinds, one function each; ae_case_run chooses. */
AE_API int ae_case_run_model(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e);
AE_API int ae_case_run_steps(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e);
AE_API int ae_case_run_decode(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e);
AE_API int ae_case_run_optimizer(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e); /* packed: no matter */
AE_API int ae_case_run_schedule(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e);  /* packed: no matter */

/* How one expected tensor fared. */
typedef struct ae_parity_row {
    const char *name; /* borrowed from the case */
    enum { AE_PARITY_OK, AE_PARITY_BEYOND, AE_PARITY_SHAPE, AE_PARITY_MISSING } verdict;
    double fraction; /* the largest error (in bf16 its length) as a fraction of what is allowed; above 1 fails */
    double max_abs;  /* the largest absolute error */
    double relative; /* the same over the largest magnitude expected */
    int64_t beyond;  /* elements that fail */
} ae_parity_row;

/* Compares outputs with c->expected, worst first; rows of padded positions are left out as meta.json says. With
 * packed, attention maps are left out too. Returns the number of failures and a malloc'ed array in *rows (n of
 * them), which the caller frees; -1 after an error. */
AE_API int ae_case_compare(const ae_case *c, const ae_tensors *outputs, bool packed, ae_parity_row **rows, int *n,
                           ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
