/* Records as arrays: rows gather in memory and go to the file at the end, or block by block where the format can. */
#include "apps/record_writer_internal.h"

#include "tensor/model_file.h"
#include "tensor/npy.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_ROWS = 4096 };

static bool is_array(const ae_field *f)
{
    return f->kind != AE_FIELD_TEXT;
}

static int64_t width_of(const ae_field *f)
{
    return f->kind == AE_FIELD_VECTOR ? f->width : 1;
}

static size_t row_bytes(const ae_field *f)
{
    return (size_t)width_of(f) * (f->kind == AE_FIELD_INTEGER ? sizeof(int64_t) : sizeof(float));
}

/* The field that .npy holds: the only one of numbers, or the integers where there is none; -1 for several. */
static int only_array(const ae_record_writer *w)
{
    int found = -1, integers = -1, count = 0;
    for (int i = 0; i < w->n; i++) {
        if (w->fields[i].kind == AE_FIELD_INTEGER) {
            integers = i;
        } else if (is_array(&w->fields[i])) {
            found = i;
            count++;
        }
    }
    return count > 1 ? -1 : count == 1 ? found : integers;
}

int ae_record_arrays_open(ae_record_writer *w)
{
    if (w->format == AE_RECORDS_NPY && only_array(w) < 0) {
        return ae_err_set(&w->run->error, AE_E_VALUE,
                          "%s: an .npy file holds one array, several were asked for; .h5 and .safetensors hold them",
                          w->output);
    }
    if (w->format == AE_RECORDS_H5) {
        w->h5 = ae_h5_create(w->output, &w->run->error);
        return w->h5 ? 0 : -1;
    }
    return 0;
}

/* ---- adding ------------------------------------------------------------------------------------------------------------ */

static int make_room(ae_record_writer *w)
{
    int64_t capacity = w->capacity ? 2 * w->capacity : 256;
    for (int i = 0; i < w->n; i++) {
        void *larger = is_array(&w->fields[i]) ? realloc(w->columns[i], (size_t)capacity * row_bytes(&w->fields[i]) + 1)
                                               : w->columns[i];
        if (is_array(&w->fields[i]) && !larger) {
            return ae_err_set(&w->run->error, AE_E_MEMORY, "no memory for %lld records; .h5 files need none for all",
                              (long long)capacity);
        }
        w->columns[i] = larger;
    }
    w->capacity = capacity;
    return 0;
}

static ae_tensor *column(const ae_record_writer *w, int i)
{
    const ae_field *f = &w->fields[i];
    int ndim = f->kind == AE_FIELD_VECTOR ? 2 : 1;
    return ae_tensor_wrap(w->columns[i], f->kind == AE_FIELD_INTEGER ? AE_I64 : AE_F32, ndim,
                          (int64_t[]){w->rows, width_of(f)}, &w->run->error);
}

static int append_block(ae_record_writer *w)
{
    int status = 0;
    for (int i = 0; i < w->n && status == 0; i++) {
        if (is_array(&w->fields[i])) {
            ae_tensor *t = column(w, i);
            status = t ? ae_h5_append(w->h5, w->fields[i].name, t, &w->run->error) : -1;
            ae_tensor_free(t);
        }
    }
    w->rows = 0;
    w->any = true;
    return status;
}

int ae_record_arrays_add(ae_record_writer *w, const ae_field_value *values)
{
    if (w->rows == w->capacity && make_room(w) != 0) {
        return -1;
    }
    for (int i = 0; i < w->n; i++) {
        const ae_field *f = &w->fields[i];
        if (f->kind == AE_FIELD_INTEGER) {
            ((int64_t *)w->columns[i])[w->rows] = values ? values[i].integer : -1;
        } else if (is_array(f)) {
            float *row = (float *)w->columns[i] + w->rows * width_of(f);
            for (int64_t k = 0; k < width_of(f); k++) {
                row[k] = values ? values[i].numbers[k] : NAN;
            }
        }
    }
    w->rows++;
    return w->h5 && w->rows == BLOCK_ROWS ? append_block(w) : 0;
}

/* ---- closing ----------------------------------------------------------------------------------------------------------- */

static int close_h5(ae_record_writer *w)
{
    ae_err *e = &w->run->error;
    int status = w->rows > 0 || !w->any ? append_block(w) : 0;
    if (status == 0 && w->about) {
        status = ae_h5_write_json(w->h5, "about", w->about, e);
    }
    if (status != 0) {
        return -1;
    }
    ae_h5 *f = w->h5;
    w->h5 = NULL;
    return ae_h5_commit(f, e);
}

static int close_safetensors(ae_record_writer *w)
{
    ae_err *e = &w->run->error;
    ae_tensors *all = ae_tensors_new();
    ae_json *metadata = w->about ? ae_json_new_object() : NULL;
    char *about = w->about ? ae_json_text(w->about, false, e) : NULL;
    int status = all && (!w->about || about) ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for the output");
    ae_json_set_string(metadata, "about", about);
    for (int i = 0; i < w->n && status == 0; i++) {
        ae_tensor *t = is_array(&w->fields[i]) ? column(w, i) : NULL;
        if (is_array(&w->fields[i])) {
            status = t ? ae_tensors_add(all, w->fields[i].name, t, e) : -1;
        }
    }
    status = status == 0 ? ae_safetensors_write(w->output, all, metadata, e) : status;
    ae_tensors_free(all);
    ae_json_free(metadata);
    free(about);
    return status;
}

int ae_record_arrays_close(ae_record_writer *w)
{
    if (w->capacity == 0 && make_room(w) != 0) {
        return -1;
    }
    if (w->format == AE_RECORDS_H5) {
        return close_h5(w);
    }
    if (w->format == AE_RECORDS_SAFETENSORS) {
        return close_safetensors(w);
    }
    ae_tensor *t = column(w, only_array(w));
    int status = t ? ae_npy_write(w->output, t, &w->run->error) : -1;
    ae_tensor_free(t);
    return status;
}
