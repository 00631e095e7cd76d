/* Averages of a model's weights: exponential moving averages, and stochastic weight averaging (Izmailov et al. 2018,
 * arXiv:1803.05407). */
#ifndef AE_NN_AVERAGE_H
#define AE_NN_AVERAGE_H

#include "nn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_average ae_average;

/* An average of every parameter of m, f32. decay in 0..1: average = decay average + (1 - decay) value, beginning with
 * the first value; with warmup, as TensorFlow does, decay is at most (1 + n)/(10 + n) at update n. decay 0 means the
 * plain mean of all values seen (SWA). NULL and e filled: a decay outside [0, 1), no memory, a failed root. The model
 * must outlive it; parameters added later are not seen. */
AE_API ae_average *ae_average_new(ae_model *m, double decay, bool warmup, ae_err *e);
AE_API void ae_average_free(ae_average *a); /* NULL is allowed */

/* Takes the values that the parameters have now into the average. */
AE_API void ae_average_update(ae_average *a);

/* Exchanges the average and the parameters' values (raising versions): once to evaluate with the average, once more to
 * train on. Does nothing before the first update. */
AE_API void ae_average_swap(ae_average *a);

AE_API int64_t ae_average_updates(const ae_average *a); /* so far */

/* Adds "average/<parameter>" and "average_updates" to out, or takes them back (copied); loading into another model or a
 * file without them is an error, and then nothing was changed. Returns 0 or -1. */
AE_API int ae_average_save(const ae_average *a, ae_tensors *out, ae_err *e);
AE_API int ae_average_load(ae_average *a, const ae_tensors *in, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
