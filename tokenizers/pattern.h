/* What a Split or Replace looks for: a text, or one of the regular expressions that tokenizers use, known by name.
 * Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_PATTERN_H
#define AE_TOKENIZERS_PATTERN_H

#include "tensor/json.h"

typedef struct ae_pattern {
    char *text; /* as the file has it */
    size_t length;
    bool regex;
    size_t (*match)(const char *bytes, size_t length); /* of a regex: the bytes that match at the front, 0: none */
    bool every;                                        /* it matches every character alone */
} ae_pattern;

/* Reads {"String": "..."}, {"Regex": "..."} or a plain string. A regex that is not known is AE_E_UNSUPPORTED, with the
 * list of those that are. */
int ae_pattern_from_json(const ae_json *json, ae_pattern *p, ae_err *e);
ae_json *ae_pattern_json(const ae_pattern *p);
void ae_pattern_free(ae_pattern *p);

/* The next match at or behind `at`; never empty. */
bool ae_pattern_find(const ae_pattern *p, const char *bytes, size_t length, size_t at, size_t *start, size_t *end);

#endif
