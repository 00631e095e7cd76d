/* Parity of tokenizers: cases with vocabulary files, meta.json (class, options) and expected.json, {"rows": [...],
 * "pairs": [...]}, whose fields are computed and compared one by one. Internal to apps/. */
#ifndef AE_APPS_PARITY_TOKENIZER_H
#define AE_APPS_PARITY_TOKENIZER_H

#include "tensor/json.h"

/* Whether a folder is such a case: its meta.json says "kind": "tok", or names none beside an expected.json. */
bool ae_is_tokenizer_case(const char *dir);

/* A field that came out otherwise; strings are malloc'ed. */
typedef struct ae_field_difference {
    char *path; /* "rows[3].ids" */
    char *got, *wanted;
} ae_field_difference;

/* All zero bytes is a valid, empty result. */
typedef struct ae_tokenizer_parity {
    ae_json *produced; /* in the shape of expected.json, with every field that it has */
    int64_t fields;    /* compared */
    int64_t differences;
    ae_field_difference *first; /* the first of them, at most AE_DIFFERENCES_KEPT */
    int kept;
} ae_tokenizer_parity;

enum { AE_DIFFERENCES_KEPT = 30 };

/* Opens the case's tokenizer, computes the fields and compares them. Returns 0, also when they differ; -1 and e: files
 * missing or broken, a class of tokenizers that is not known here (AE_E_UNSUPPORTED). Free `p` in either case. */
int ae_tokenizer_case_run(const char *dir, ae_tokenizer_parity *p, ae_err *e);
void ae_tokenizer_parity_free(ae_tokenizer_parity *p);

#endif
