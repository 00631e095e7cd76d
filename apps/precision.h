/* What --precision says. */
#ifndef AE_APPS_PRECISION_H
#define AE_APPS_PRECISION_H

#include "apps/app.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The dtype of --precision, f32 where a command has no such option: auto is bf16 where the processor multiplies it.
 * int8 (AE_I8) is refused for training. Returns 0, or -1 and run->error. */
AE_API int ae_precision_read(ae_run *run, bool training, ae_dtype *precision);

/* "f32", "bf16", "int8" */
AE_API const char *ae_precision_name(ae_dtype precision);

#ifdef __cplusplus
}
#endif
#endif
