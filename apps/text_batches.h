/* A model over a stream of texts: windows of records are tokenised, sorted by length into batches, run, and written in
 * the order they came in. */
#ifndef AE_APPS_TEXT_BATCHES_H
#define AE_APPS_TEXT_BATCHES_H

#include "apps/model_use.h"
#include "apps/text_records.h"
#include "datasets/labelled.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one batch gave: one row of numbers a sequence. */
typedef struct ae_text_values {
    float *data; /* (rows, width), malloc'ed by forward */
    int64_t rows, width;
} ae_text_values;

typedef struct ae_text_job {
    int64_t batch; /* sequences a batch */
    /* Every batch has exactly `batch` rows of one length (what is missing is filled up with copies): a text then gives
     * the same bits whatever stands beside it. */
    bool alone;
    /* Runs a batch; lengths (rows) are the tokens of each. Returns 0, or -1 and run->error. */
    int (*forward)(void *self, const ae_tensors *batch, const int64_t *lengths, ae_text_values *values);
    /* Takes the numbers of the next record; values NULL: an empty record. Returns 0, or -1 and run->error. */
    int (*write)(void *self, const float *values, int64_t width);
    /* Makes what was written visible: more input may take long to come. May be NULL. */
    void (*flush)(void *self);
    void *self;
} ae_text_job;

typedef struct ae_text_report {
    int64_t records, empty;
    int64_t cut; /* records that were longer than the model's --seq */
} ae_text_report;

/* Runs the job over all records. A window ends when it is full or when input keeps us waiting. Returns 0, or -1 and
 * run->error: no record at all is an error too. */
AE_API int ae_text_batches_run(ae_run *run, const ae_use *use, ae_records *records, const ae_text_job *job,
                               ae_text_report *report);

/* Says on the log how many records were cut, unless -q; with --json and --output prints the report. Returns 0 or -1. */
AE_API int ae_text_report_print(ae_run *run, const ae_use *use, const ae_text_report *report);

#ifdef __cplusplus
}
#endif
#endif
