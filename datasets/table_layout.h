/* Where a table keeps its labels and texts: found from options, file name and first record. Internal to the library. */
#ifndef AE_DATASETS_TABLE_LAYOUT_H
#define AE_DATASETS_TABLE_LAYOUT_H

#include "datasets/record.h"
#include "datasets/table.h"

enum { AE_COLUMN_LABEL, AE_COLUMN_TEXT_A, AE_COLUMN_TEXT_B, AE_COLUMNS };

typedef struct ae_table_layout {
    const char *format;        /* a name of the list */
    bool header;               /* the first record holds names, no data */
    int64_t width;             /* fields that every record must have; 0: JSONL, any number */
    int64_t field[AE_COLUMNS]; /* JSONL: in the first record; -1: the table has no such column */
    char *name[AE_COLUMNS];    /* of the column, owned; NULL where it has none */
    const char *leave_out;     /* rows of this label are left out; NULL: none */
} ae_table_layout;

/* The kind of the records, from the options, the path's ending and the first line that is not blank; -1 and e for a
 * format that does not exist. */
int ae_table_kind(const char *path, const ae_table_options *o, const char *line, ae_record_kind *kind, ae_err *e);

/* The layout from the first record; 0, or -1 and e. */
int ae_table_layout_find(const ae_table_options *o, const ae_record *first, ae_table_layout *layout, ae_err *e);
void ae_table_layout_free(ae_table_layout *layout);

/* "uer (tsv), label=label, text_a=text_a", malloc'ed; NULL without memory. */
char *ae_table_layout_text(const ae_table_layout *layout, ae_record_kind kind);

#endif
