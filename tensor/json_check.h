/* The strict scan of a JSON text that runs before cJSON sees it. Internal to the JSON door. */
#ifndef AE_TENSOR_JSON_CHECK_H
#define AE_TENSOR_JSON_CHECK_H

#include "tensor/error.h"

/* A number whose digits a double or its printing could change; `number` counts the numbers of the text from 0. */
typedef struct ae_json_digits {
    int number;
    size_t offset;
    size_t length;
} ae_json_digits;

typedef struct ae_json_scan {
    const char *text;
    size_t length;
    size_t at;
    int depth;
    int numbers; /* seen so far */
    int keys;    /* seen so far */
    int wanted_key;
    size_t wanted_offset; /* where key number wanted_key begins */
    ae_json_digits *digits;
    size_t digits_count;
    size_t digits_capacity;
    size_t *zeros; /* where the escapes \u0000 begin */
    size_t zeros_count;
    size_t zeros_capacity;
    ae_err *e;
} ae_json_scan;

/* Checks grammar, UTF-8, escapes, depth and number lengths of the whole text; a byte-order mark is skipped. On success
 * `digits` lists the numbers to keep and `zeros` the escaped zero bytes; the caller frees both. Returns 0, or -1 with e
 * filled. */
int ae_json_scan_text(ae_json_scan *s, const char *text, size_t length, ae_err *e);

/* The offset at which key number `key` (counted from 0 in document order) of a text that passed the scan begins. */
size_t ae_json_key_offset(const char *text, size_t length, int key);

/* Sets "line L, column C: message"; columns count characters, from 1. Always returns -1. */
int ae_json_err_at(ae_err *e, const char *text, size_t offset, ae_code code, const char *format, ...) AE_PRINTF(5, 6);

#endif
