/* Tables of labelled text: TSV, CSV and JSONL, and the layouts in which published data sets come.
 *
 * TSV knows no quotes (UER, GLUE, SICK); CSV has them as RFC 4180 says, line ends inside included; JSONL is one object
 * a line, its strings, numbers and booleans are fields. */
#ifndef AE_DATASETS_TABLE_H
#define AE_DATASETS_TABLE_H

#include "datasets/line_reader.h"
#include "tensor/json.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_header { AE_HEADER_AUTO, AE_HEADER_YES, AE_HEADER_NO } ae_header;

typedef struct ae_table_options {
    const char *format;  /* "tsv", "csv", "jsonl", or a preset: a name of ae_table_format_name; NULL: by the file's
                            ending, its first line and the names in its header */
    const char *columns; /* "label=2,text_a=4" (from 1) or "label=gold,text_a=premise"; NULL: by the header or preset.
                            With a text_a in it only these are used, else it replaces some of what was found */
    ae_header header;    /* auto: whether the first row has names that are known, or that `columns` asks for */
    bool unlabelled;     /* a label column is not needed, and ignored */
    ae_line_options lines;
} ae_table_options;

/* The formats by name: "uer", "glue-cola", ... */
AE_API int ae_table_format_count(void);
AE_API const char *ae_table_format_name(int i);  /* NULL outside 0..count-1 */
AE_API const char *ae_table_format_about(int i); /* one line */

typedef struct ae_table_row {
    const char *label; /* NULL when there is none */
    const char *text_a;
    const char *text_b; /* NULL when the table has single texts */
    int64_t line;       /* its first line in the file, from 1 */
} ae_table_row;

/* A whole table in memory; read only, strings owned by it. */
typedef struct ae_table {
    const char *path;
    const char *read_as; /* what was assumed, for reports: "snli (jsonl), label=gold_label, text_a=sentence1, ..." */
    ae_table_row *rows;
    int64_t count;
    int64_t left_out; /* rows that the preset says to leave out (SNLI's "-", STS's empty labels), counted */
    int64_t repaired; /* invalid places of the text that were replaced or skipped */
    bool pairs, labelled;
} ae_table;

/* Reads a table. Blank lines are skipped, but in a table of one column without labels they are empty texts. Blanks
 * around labels go. NULL and e filled, with path and line: a missing file or column (those that exist are named), odd
 * quotes, rows of too few or too many fields, an empty label, a zero byte, and a table without rows. */
AE_API ae_table *ae_table_open(const char *path, const ae_table_options *options, ae_err *e);
AE_API void ae_table_free(ae_table *t); /* NULL is allowed */

/* ---- labels -------------------------------------------------------------------------------------------------------- */

/* The classes of a task: names in the order of their numbers. Plain data for the model file. */
typedef struct ae_labels {
    int64_t count;
    char **names;
} ae_labels;

/* The distinct labels of a table: integers 0..n-1 keep their order, other integers are sorted as numbers, any other
 * strings bytewise. NULL and e without memory or without labels. */
AE_API ae_labels *ae_labels_of(const ae_table *t, ae_err *e);
AE_API void ae_labels_free(ae_labels *l);
AE_API ae_json *ae_labels_json(const ae_labels *l);                  /* an array of strings */
AE_API ae_labels *ae_labels_from_json(const ae_json *j, ae_err *e);  /* refuses what is no array of distinct strings */
AE_API int64_t ae_labels_find(const ae_labels *l, const char *name); /* -1: unseen */

#ifdef __cplusplus
}
#endif
#endif
