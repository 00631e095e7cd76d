/* Records out of lines: the fields of TSV, CSV, JSONL and "label text" lines. Knows no file, so that it can be tried
 * with any bytes. Internal to the library. */
#ifndef AE_DATASETS_RECORD_H
#define AE_DATASETS_RECORD_H

#include "tensor/byte_buffer.h"

typedef enum ae_record_kind {
    AE_RECORD_TSV,   /* fields parted by tabs; quotes are text, as in UER's, GLUE's and SICK's files */
    AE_RECORD_CSV,   /* RFC 4180: commas, fields in quotes may hold commas, doubled quotes and line ends */
    AE_RECORD_JSONL, /* an object a line; strings, numbers and booleans are fields, null counts as absent */
    AE_RECORD_SPACE  /* a label, a space, the text */
} ae_record_kind;

/* Places in `text`, where each string ends with a NUL; SIZE_MAX: none. */
typedef struct ae_record_field {
    size_t name;  /* JSONL only */
    size_t value; /* none for an array or an object */
} ae_record_field;

/* Begin with all zero bytes but the kind, and use it for record after record: its memory grows and stays. */
typedef struct ae_record {
    ae_record_kind kind;
    ae_bytes text;
    ae_record_field *fields;
    int64_t count, capacity;
    int64_t line;  /* where the record began */
    int64_t quote; /* CSV: the line where the last quote was opened */
    bool open;     /* CSV: the record goes on in the next line */
} ae_record;

/* Takes a line without its end, valid UTF-8. Returns 1 when a record is complete, 0 when it goes on or the line is
 * blank (bytes 0), -1 and e: odd quotes, a zero byte, no JSON object. */
int ae_record_line(ae_record *r, const char *text, size_t bytes, int64_t number, ae_err *e);

/* After the last line: 0, or -1 and e when a quote was never closed. */
int ae_record_end(const ae_record *r, ae_err *e);

/* Strings of field i of a complete record; NULL where there is none, or beyond the last. */
const char *ae_record_value(const ae_record *r, int64_t i);
const char *ae_record_name(const ae_record *r, int64_t i);

/* The field of that name (JSONL), looked for from `hint` on; -1 when there is none. */
int64_t ae_record_find(const ae_record *r, const char *name, int64_t hint);

void ae_record_free(ae_record *r); /* frees what it holds */

#endif
