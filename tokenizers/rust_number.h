/* Numbers as Hugging Face's library reads them. Its JSON parser (serde_json, without its exact mode) rounds twice: the
 * digits to a number, and that divided by a power of ten. Equal sums of Unigram's scores are told apart by such bits.
 * Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_RUST_NUMBER_H
#define AE_TOKENIZERS_RUST_NUMBER_H

#include "tensor/json.h"

/* The value that the library has for a JSON number, or -1 and e filled when it is no number. */
int ae_rust_double(const ae_json *number, double *value, ae_err *e);

/* A JSON number whose shortest digits the library reads as the value, or nearly where there is none; NULL without
 * memory. The caller's. */
ae_json *ae_rust_number(double value);

#endif
