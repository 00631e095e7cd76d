/* What a step of a model takes of memory, by kind and by operation.
 *
 * The step is really made, by the model's own code on a graph whose pool keeps an account; twice, so that the second
 * time everything is there that a step leaves behind. Formulas would have to be kept right for every operation; this
 * follows by itself. For models that are too large, or not there yet, the step is made dry (ae_kernels_dry_run):
 * nothing is computed, and as nothing is written, nearly none of the memory is really taken. What oneDNN, threads'
 * stacks, a tokenizer, and batches read ahead take is not counted. */
#ifndef AE_APPS_MEMORY_REPORT_H
#define AE_APPS_MEMORY_REPORT_H

#include "apps/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The step; how it updates (rule, early, rounds) stands in the model. */
typedef struct ae_memory_plan {
    bool train;     /* else a forward pass */
    bool recompute; /* layers, in backward */
    bool dry;       /* needs no values in the model */
    ae_dtype precision;
} ae_memory_plan;

enum { AE_MEMORY_LINES = 256 };

/* Bytes when the step holds most. */
typedef struct ae_memory_report {
    int64_t weights;                        /* parameters and buffers */
    int64_t packs;                          /* copies of weights for inference */
    int64_t optimizer;                      /* its states */
    int64_t inputs;                         /* the batch */
    int64_t kinds[AE_MEMORY_GRADIENTS + 1]; /* by ae_memory_kind */
    int64_t total;
    int64_t reserved;                     /* total, with what the pool got from the system beyond what it gave out */
    ae_memory_row lines[AE_MEMORY_LINES]; /* of operations, largest first */
    int count;
} ae_memory_report;

/* Makes the steps with the inputs that b has. Returns 0 or -1. */
AE_API int ae_memory_measure(ae_bench_model *b, const ae_memory_plan *plan, ae_memory_report *r, ae_err *e);

/* As a table, and as a JSON object that the caller owns. */
AE_API void ae_memory_print(const ae_memory_report *r, FILE *out);
AE_API ae_json *ae_memory_json(const ae_memory_report *r);

#ifdef __cplusplus
}
#endif
#endif
