/* Texts to work on, one record after the other: the lines of files or of standard input, or the rows of tables. */
#ifndef AE_APPS_TEXT_RECORDS_H
#define AE_APPS_TEXT_RECORDS_H

#include "apps/app.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a TAB in a line is. */
typedef enum ae_tab_rule {
    AE_TAB_IS_TEXT,    /* lines are single texts */
    AE_TAB_PARTS_PAIR, /* every line is a pair parted by one TAB; anything else is an error */
    AE_TAB_MAY_PART    /* a line with exactly one TAB is a pair */
} ae_tab_rule;

typedef struct ae_record {
    const char *text_a; /* the reader's until the next call */
    const char *text_b; /* NULL: a single text */
    size_t a_bytes, b_bytes;
    bool empty;       /* an empty line: its result is an empty record */
    const char *path; /* the run's: it outlives the reader */
    int64_t line;     /* in its file, from 1 */
} ae_record;

typedef struct ae_records ae_records;

/* The records of the run's arguments from number `first` on, or of standard input where there is none. Tables when one
 * of --format, --columns and --header is given; they are read as a whole, one file at a time. The command takes
 * AE_TABLE_OPTIONS (table_settings.h). NULL and run->error on failure. */
AE_API ae_records *ae_records_open(ae_run *run, int first, ae_tab_rule tabs);
AE_API void ae_records_close(ae_records *r); /* NULL is allowed */

/* The next record: 1; 0 at the end; -1 and run->error, with file and line. */
AE_API int ae_records_next(ae_records *r, ae_record *record);

/* Whether the next call comes back without waiting for a pipe or a terminal. */
AE_API bool ae_records_ready(const ae_records *r);

/* Records so far; none at the end is for the caller to judge. */
AE_API int64_t ae_records_count(const ae_records *r);

#ifdef __cplusplus
}
#endif
#endif
