/* How well a masked language model knows the words of a text: `aesop fill --score`. */
#ifndef AE_APPS_FILL_SCORE_H
#define AE_APPS_FILL_SCORE_H

#include "apps/model_use.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Masks every --every-th word of the file, one at a time, and prints in how many cases the true word is among the first
 * --top candidates, beside the share that the --top most frequent words (of --corpus, or else of the file) would reach.
 * The --skip-frequent most frequent words are neither masked nor guessed.
 * Returns 0, or -1 and run->error. */
AE_API int ae_fill_score(ae_run *run, const ae_use *use, const char *path);

#ifdef __cplusplus
}
#endif
#endif
