/* The model root: owner of parameters and buffers, of their names, and of the first error of building and loading.
 *
 * A name is the checkpoint's name. A module's constructor opens a scope, its parameters are named inside it:
 *
 *     ae_scope s = ae_scope_open(m, "encoder.layer.%d", i);
 *     ae_linear_init(m, &layer->query, "attention.self.query", hidden, hidden, ae_init_normal(0.02));
 *     ae_scope_close(s);                 // encoder.layer.0.attention.self.query.weight and .bias
 *
 * Parameters are f32 and have one truth here; every op that meets a parameter of a failed root fails with its error. */
#ifndef AE_NN_MODEL_H
#define AE_NN_MODEL_H

#include "autograd/ops.h"
#include "nn/init.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_model ae_model;

AE_API ae_model *ae_model_new(uint64_t seed); /* seed: of the initialisers; NULL when there is no memory */
AE_API void ae_model_free(ae_model *m);       /* frees parameters, buffers and their gradients; NULL is allowed */

AE_API bool ae_model_ok(const ae_model *m);
AE_API const ae_err *ae_model_error(const ae_model *m);

/* Records an error unless the root holds one; returns -1. */
AE_API int ae_model_fail(ae_model *m, ae_code code, const char *format, ...) AE_PRINTF(3, 4);

/* Zeroed memory that lives as long as the root: arrays of layers. NULL after an error; bytes may be 0. */
AE_API void *ae_model_alloc(ae_model *m, size_t bytes);

/* ---- names and parameters ---------------------------------------------------------------------------------------- */

typedef struct ae_scope {
    ae_model *model;
    size_t length; /* of the prefix before it */
} ae_scope;

/* Every name until ae_scope_close is put behind "<formatted>."; an empty string changes nothing. */
AE_API ae_scope ae_scope_open(ae_model *m, const char *format, ...) AE_PRINTF(2, 3);
AE_API void ae_scope_close(ae_scope s);

/* The open prefix, "" or ending in a dot; borrowed, until the next scope call. */
AE_API const char *ae_scope_prefix(const ae_model *m);

/* A new f32 parameter under the open scope, filled by init (from the model's seed and its own full name, so that the
 * order of building changes nothing). Owned by the root. After an error: the root's bad tensor. */
AE_API ae_tensor *ae_param(ae_model *m, const char *name, int ndim, const int64_t *shape, ae_init init);

/* Parameters made from now on get their first values not when they are made but from ae_model_fill, which fills those
 * that nothing else has filled (and returns how many); ae_model_load calls it. So a model that is loaded from a file
 * never touches the memory of values that the file replaces. */
AE_API void ae_model_defer_init(ae_model *m);
AE_API int ae_model_fill(ae_model *m);
AE_API void ae_model_mark_filled(ae_model *m, int i); /* parameter i has its values: for loaders */

/* A tensor that is saved and loaded but not trained, zero at first. */
AE_API ae_tensor *ae_buffer(ae_model *m, const char *name, ae_dtype dtype, int ndim, const int64_t *shape);

/* Gives an existing parameter a second name under the open scope (a tied weight). Both names are read from files; which
 * are written is the choice of who writes. */
AE_API void ae_tie(ae_model *m, const char *name, ae_tensor *parameter);

typedef struct ae_param_info {
    const char *name;  /* the canonical one */
    ae_tensor *tensor; /* tensor->grad: the accumulated gradient, or NULL; see ae_param_grad */
    bool trainable;    /* false for buffers and what was frozen */
    bool is_buffer;
    int aliases; /* number of further names */
} ae_param_info;

/* The parameters and buffers in order of making; i outside 0..count-1 gives all zeros. */
AE_API int ae_model_count(const ae_model *m);
AE_API ae_param_info ae_model_at(const ae_model *m, int i);
AE_API const char *ae_model_alias(const ae_model *m, int i, int alias); /* NULL outside the range */

/* A parameter or buffer by any of its names; NULL when there is none. */
AE_API ae_tensor *ae_model_get(const ae_model *m, const char *name);

/* The number of elements of all parameters (tied ones once, buffers left out). */
AE_API int64_t ae_model_numel(const ae_model *m);

/* Parameters whose canonical name matches a pattern (`*` any run of characters, `?` one; several patterns separated by
 * spaces) get no gradient from now on (or get one again). Returns how many matched. */
AE_API int ae_model_freeze(ae_model *m, const char *patterns, bool frozen);
AE_API bool ae_name_matches(const char *name, const char *patterns);

/* A parameter's gradient as a tensor of its shape: parameter->grad, which is made here where look-ups left rows alone
 * (ae_graph_sparse_gradients). NULL when there is none (e untouched) and without memory. */
AE_API ae_tensor *ae_param_grad(ae_tensor *parameter, ae_err *e);

/* Drops every gradient. */
AE_API void ae_model_zero_grad(ae_model *m);

/* Tells the root that a parameter's values were changed from outside; optimizer and loader do it themselves. */
AE_API void ae_param_touch(ae_tensor *parameter);

/* A number that rises with every change of the parameter's values. */
AE_API uint64_t ae_param_version(const ae_tensor *parameter);

/* Bytes of the copies of parameters that inference made for its products, in bf16, in i8 and in oneDNN's own layout:
 * each where a product first asked for it, filled anew when the parameter's version has changed since. */
AE_API int64_t ae_model_pack_bytes(const ae_model *m);

/* Frees them; the next product that needs one makes it again. No graph may be computing with the model. */
AE_API void ae_model_drop_packs(ae_model *m);

#ifdef __cplusplus
}
#endif
#endif
