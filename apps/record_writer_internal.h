/* What a record writer is made of. Internal to apps/. */
#ifndef AE_APPS_RECORD_WRITER_INTERNAL_H
#define AE_APPS_RECORD_WRITER_INTERNAL_H

#include "apps/record_writer.h"
#include "tensor/atomic_file.h"
#include "tensor/byte_buffer.h"
#include "tensor/hdf5_file.h"

enum { AE_RECORD_FIELDS = 8 };

typedef enum ae_record_format {
    AE_RECORDS_TSV,
    AE_RECORDS_JSONL,
    AE_RECORDS_NPY,
    AE_RECORDS_H5,
    AE_RECORDS_SAFETENSORS
} ae_record_format;

struct ae_record_writer {
    ae_run *run;
    ae_record_format format;
    const char *output; /* NULL: standard output */
    ae_json *about;
    int n;
    ae_field fields[AE_RECORD_FIELDS];
    /* lines */
    ae_bytes line;
    ae_atomic_file *file;
    /* arrays: rows of floats, or of i64 for integers, that wait */
    ae_h5 *h5;
    void *columns[AE_RECORD_FIELDS];
    int64_t rows, capacity;
    bool any; /* rows went to the file before */
};

int ae_record_arrays_open(ae_record_writer *w);
int ae_record_arrays_add(ae_record_writer *w, const ae_field_value *values);
int ae_record_arrays_close(ae_record_writer *w);

#endif
