/* What a Split or Replace looks for: a text or a regular expression. Those that most tokenizers have are matched by
 * functions of our own, which are faster, all others by the engine (regex.h). Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_PATTERN_H
#define AE_TOKENIZERS_PATTERN_H

#include "tensor/json.h"
#include "tokenizers/regex.h"

typedef struct ae_pattern {
    char *text; /* as the file has it */
    size_t length;
    bool regex;
    size_t (*match)(const char *bytes, size_t length); /* of a known one: the bytes that match at the front, 0: none */
    ae_regex *engine;                                  /* of any other, and of the empty text */
    bool every;                                        /* it matches every character alone */
    bool clip;                                         /* it is CLIP's, which leaves nothing out but blanks */
} ae_pattern;

/* Reads {"String": "..."}, {"Regex": "..."} or a plain string. The empty text is found between all characters. */
int ae_pattern_from_json(const ae_json *json, ae_pattern *p, ae_err *e);
ae_json *ae_pattern_json(const ae_pattern *p);
void ae_pattern_free(ae_pattern *p);

/* The matches in a text, one after the other; in an empty text there is none. */
typedef struct ae_matches {
    const ae_pattern *pattern;
    const char *bytes;
    size_t length, at;
    ae_regex_walk walk;
} ae_matches;

ae_matches ae_pattern_begin(const ae_pattern *p, const char *bytes, size_t length);
ae_match ae_pattern_next(ae_matches *m, size_t *start, size_t *end);
void ae_pattern_end(ae_matches *m);

#endif
