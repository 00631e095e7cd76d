/* The bytes of a map of characters (charsmap.h) from its rules. Internal to tokenizers/.
 *
 * Keys become a minimal automaton (equal endings are one state; Daciuk et al. 2000), its states the units of a double
 * array (Aoe 1989). */
#ifndef AE_TOKENIZERS_CHARSMAP_BUILD_H
#define AE_TOKENIZERS_CHARSMAP_BUILD_H

#include "tokenizers/word_counts.h"

/* Rule i replaces word i of `keys` (no byte 0) by word values[i] of `texts`. Adds the bytes to `out`; none without
 * rules. 0, or -1 and e: no memory, too many rules. */
int ae_charsmap_build(const ae_word_counts *keys, const int64_t *values, const ae_word_counts *texts, ae_bytes *out,
                      ae_err *e);

#endif
