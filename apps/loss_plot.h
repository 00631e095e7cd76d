/* The course of a run drawn with characters: loss over steps. */
#ifndef AE_APPS_LOSS_PLOT_H
#define AE_APPS_LOSS_PLOT_H

#include "tensor/error.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Draws the training loss (`*`) and the validation loss (`o`) of RUN.log.jsonl over its steps, `width` x `height`
 * characters without the axes. A log without two losses draws nothing. Returns 0, or -1 and e. */
AE_API int ae_loss_plot(FILE *out, const char *log_path, int width, int height, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
