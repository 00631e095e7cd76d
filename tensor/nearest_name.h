/* The name a user probably meant: for messages about unknown keys, options, models. */
#ifndef AE_TENSOR_NEAREST_NAME_H
#define AE_TENSOR_NEAREST_NAME_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The Levenshtein distance of two strings in bytes (Levenshtein 1966); only the first 255 bytes of each count. */
AE_API int ae_edit_distance(const char *a, const char *b);

/* The entry of names with the smallest edit distance to word (the first of several); borrowed. NULL when the list is
 * empty or when even the best needs more edits than a third of the word's length, at least 2. */
AE_API const char *ae_nearest_name(const char *word, const char *const *names, int count);

#ifdef __cplusplus
}
#endif
#endif
