/* How the Python tokenizers of the references spell tokens: one that is not in the vocabulary by its text, not as
 * "<unk>". */
#ifndef AE_APPS_TOKEN_SURFACE_H
#define AE_APPS_TOKEN_SURFACE_H

#include "tensor/byte_buffer.h"
#include "tokenizers/tokenizer.h"

/* Adds the spelling of token i of a text's encoding, which has no special tokens around it: the vocabulary's, and for
 * the unknown token the normalised character that it stands for, with `suffix` behind the last of a word. `scratch` is
 * the caller's. Returns 0, or -1 and e. */
int ae_token_surface(const ae_tokenizer *t, const char *text, const ae_encoding *x, int64_t i, const char *suffix,
                     ae_encoding *scratch, ae_bytes *out, ae_err *e);

#endif
