/* Results of commands that answer record by record, in the format that --output's ending, --to or --json says:
 *
 *   .tsv          a line a record, fields parted by TABs; an empty record is an empty line (also standard output)
 *   .jsonl        an object a line; an empty record has null in every field
 *   .npy          one array, a row a record
 *   .h5           one array a field; rows are written as they come, so that memory is bounded
 *   .safetensors  one array a field
 *
 * Arrays have rows of NaN, or -1 of integers, for empty records. */
#ifndef AE_APPS_RECORD_WRITER_H
#define AE_APPS_RECORD_WRITER_H

#include "apps/app.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_field_kind {
    AE_FIELD_TEXT,    /* in .tsv and .jsonl only */
    AE_FIELD_INTEGER, /* in arrays only: the number behind a text */
    AE_FIELD_SCALAR,  /* one number: (N) */
    AE_FIELD_VECTOR   /* (N,width) */
} ae_field_kind;

typedef struct ae_field {
    const char *name;
    ae_field_kind kind;
    int64_t width;      /* of a vector */
    char *const *names; /* of a vector's entries (then an object in JSON), or NULL */
} ae_field;

/* The value of one field. */
typedef struct ae_field_value {
    const char *text;
    int64_t integer;
    const float *numbers; /* scalar or vector */
} ae_field_value;

typedef struct ae_record_writer ae_record_writer;

/* Begins to write records of n fields (copied, names borrowed). `about` (copied, may be NULL) is kept in .h5 and
 * .safetensors as the text "about". NULL and run->error: an unknown format, arrays without --output, a file that exists
 * (without --force), several arrays for .npy. */
AE_API ae_record_writer *ae_record_writer_open(ae_run *run, const ae_field *fields, int n, const ae_json *about);

/* One record; values NULL: an empty one. Returns 0, or -1 and run->error. */
AE_API int ae_record_write(ae_record_writer *w, const ae_field_value *values);

/* Hands on what a reader of a pipe waits for. */
AE_API void ae_record_writer_flush(ae_record_writer *w);

/* Finishes the file and frees w. Returns 0, or -1 and run->error. */
AE_API int ae_record_writer_close(ae_record_writer *w);

/* Frees w and leaves no file; NULL is allowed. */
AE_API void ae_record_writer_abort(ae_record_writer *w);

/* Fails when a file exists and --force was not given. */
AE_API int ae_refuse_existing(ae_run *run, const char *path);

/* The fewest digits that read back as the same float, in `text`; "nan" and "inf" as C has them. */
AE_API const char *ae_float_text(float x, char text[32]);

#ifdef __cplusplus
}
#endif
#endif
