/* The maps of characters that new SentencePiece models are given: Unicode's compatibility composition (NFKC) as rules,
 * as SentencePiece has it (Kudo & Richardson 2018, section 3.2). Internal to tokenizers/.
 *
 * "nmt_" makes further characters blanks, drops control characters and leaves the full-width tilde; "_cf" folds the
 * case of letters. Rules are made from the Unicode tables of the installed library, so younger characters may have some
 * that SentencePiece's tables do not have. */
#ifndef AE_TOKENIZERS_CHARSMAP_RULES_H
#define AE_TOKENIZERS_CHARSMAP_RULES_H

#include "tensor/byte_buffer.h"

/* The names: identity, nfkc, nfkc_cf, nmt_nfkc, nmt_nfkc_cf. */
int ae_charsmap_rules_count(void);
const char *const *ae_charsmap_rules_names(void);

/* Adds the bytes of a map to `out`; identity adds none. The name is one of the list. 0, or -1 and e without memory. */
int ae_charsmap_rules_make(const char *name, ae_bytes *out, ae_err *e);

#endif
