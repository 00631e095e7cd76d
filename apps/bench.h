/* What the bench commands share: models of standard sizes with made-up data, and timing. */
#ifndef AE_APPS_BENCH_H
#define AE_APPS_BENCH_H

#include "apps/app.h"
#include "apps/clock.h"
#include "apps/recipes.h"
#include "zoo/zoo.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { AE_BENCH_VOCABULARY = 21128 }; /* UER-py's Chinese one, for composed models that name none */

/* The model of a recipe, built, with random inputs of B sequences of T tokens. */
typedef struct ae_bench_model {
    const ae_zoo_model *row;
    ae_model *root;
    void *self;
    ae_json *config;
    ae_tensors *inputs;

    /* How its steps are made; all zero: AdamW that clips, one round. */
    const char *rule; /* of the optimizer; NULL: adamw */
    bool early;       /* parameters are updated inside backward, without clipping */
    int64_t rounds;   /* that add up their gradients */
} ae_bench_model;

AE_API int ae_bench_model_new(ae_bench_model *b, const ae_recipe *recipe, int64_t batch, int64_t seq, bool labels,
                              ae_err *e);

/* The same without inputs; vocab: the number of words, 0: that of the recipe. */
AE_API int ae_bench_model_build(ae_bench_model *b, const ae_recipe *recipe, int64_t vocab, ae_err *e);

/* The model of a row from a configuration, which it takes over, without inputs; `empty`: its values are not set, for
 * dry runs. */
AE_API int ae_bench_model_from(ae_bench_model *b, const ae_zoo_model *row, ae_json *config, bool empty, ae_err *e);

/* Gives it random inputs of B sequences of T tokens, with labels of what its row learns. */
AE_API int ae_bench_model_feed(ae_bench_model *b, int64_t batch, int64_t seq, bool labels, ae_err *e);

/* Takes ids (B,T) and their attention_mask (B,T; or NULL) as inputs, instead of those it had, with random labels of
 * real positions. Refuses models that take no tokens. */
AE_API int ae_bench_model_give(ae_bench_model *b, ae_tensor *ids, ae_tensor *mask, bool labels, ae_err *e);
AE_API void ae_bench_model_free(ae_bench_model *b);

/* AdamW with decay and clipping, as in pretraining. The caller's; NULL on failure. */
AE_API ae_optimizer *ae_bench_optimizer(const ae_bench_model *b, ae_err *e);

/* A training step with dropout, or without an optimizer a forward pass; packed: real positions only, where the model
 * can. Equal steps draw equal random numbers. Refuses to train a model that gives no loss. */
AE_API int ae_bench_step(ae_bench_model *b, ae_graph *g, ae_optimizer *optimizer, int64_t step, bool packed,
                         double *loss, ae_err *e);

/* The bytes of the model's parameters and buffers, and of its inputs. */
AE_API int64_t ae_bench_model_bytes(const ae_bench_model *b);
AE_API int64_t ae_bench_input_bytes(const ae_bench_model *b);

/* What the steps so far held at most: model, copies of weights for inference, inputs, the
 * optimizer's states (NULL: none) and what the graph made. What
 * the program itself and oneDNN take is not in it. */
AE_API int64_t ae_bench_held_bytes(const ae_bench_model *b, const ae_graph *g, const ae_optimizer *optimizer);

/* The options that begin the list of every command that measures a model. */
#define AE_BENCH_OPTIONS "model", "batch", "precision", "threads", "json"

/* A graph in --precision, with --profile where the command takes it. The caller's; NULL and run->error on failure. */
AE_API ae_graph *ae_bench_graph(ae_run *run, bool training);

/* The median of n numbers, which are sorted in place; NaN for none. */
AE_API double ae_median(double *values, int n);

/* The largest resident memory of this process so far, in GiB. */
AE_API double ae_peak_rss_gib(void);

/* Prints a row each for an LSTM, oneDNN's LSTM and a GRU of `width` cells on (batch,time,width). 0, or -1 and
 * run->error. */
AE_API int ae_bench_recurrent(ae_run *run, ae_graph *g, int64_t batch, int64_t time, int64_t width);

/* Prints what operations on 8 x 8 numbers cost beside their kernels, the tape on, a row each. 0, or -1 and run->error.
 */
AE_API int ae_bench_overhead(ae_run *run, ae_graph *g);

#ifdef __cplusplus
}
#endif
#endif
