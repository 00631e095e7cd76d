#include "apps/record_writer.h"

#include "apps/record_writer_internal.h"
#include "tensor/nearest_name.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const formats[] = {"tsv", "jsonl", "npy", "h5", "safetensors"};
enum { FORMATS = sizeof formats / sizeof *formats };

/* ---- formats ---------------------------------------------------------------------------------------------------------- */

static int format_of(ae_run *run, const char *output, ae_record_format *format)
{
    const char *to = ae_options_text(run->options, "to"), *dot = output ? strrchr(output, '.') : NULL;
    const char *ending = dot && !strchr(dot, '/') ? dot + 1 : "";
    const char *name = to ? to : output ? ending : run->json ? "jsonl" : "tsv";
    for (int i = 0; i < FORMATS; i++) {
        if (strcmp(name, formats[i]) == 0) {
            *format = (ae_record_format)i;
            return 0;
        }
    }
    const char *nearest = ae_nearest_name(name, formats, FORMATS);
    return ae_err_set(&run->error, AE_E_VALUE,
                      "%s%s: no format of records%s%s%s; the ending of --output or --to names one of tsv, jsonl, npy, "
                      "h5, safetensors",
                      to ? "--to " : "", to ? to : output, nearest ? " (did you mean " : "", nearest ? nearest : "",
                      nearest ? "?)" : "");
}

int ae_refuse_existing(ae_run *run, const char *path)
{
    if (access(path, F_OK) == 0 && !ae_options_flag(run->options, "force")) {
        run->error_file = path;
        return ae_err_set(&run->error, AE_E_UNEXPECTED, "%s: exists; --force overwrites it", path);
    }
    return 0;
}

const char *ae_float_text(float x, char text[32])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, 32, "%.*g", digits, (double)x);
        if (!(strtof(text, NULL) != x)) {
            break;
        }
    }
    return text;
}

/* ---- lines ------------------------------------------------------------------------------------------------------------ */

/* A label may hold what would break the line. */
static void add_text(ae_bytes *line, const char *text)
{
    for (const char *c = text; *c; c++) {
        ae_bytes_u8(line, *c == '\t' || *c == '\n' || *c == '\r' ? ' ' : (unsigned char)*c);
    }
}

static void tsv_line(ae_record_writer *w, const ae_field_value *values)
{
    char number[32];
    bool first = true;
    for (int i = 0; i < w->n && values; i++) {
        const ae_field *f = &w->fields[i];
        int64_t width = f->kind == AE_FIELD_VECTOR ? f->width : 1;
        for (int64_t k = 0; k < width && f->kind != AE_FIELD_INTEGER; k++) {
            ae_bytes_add_text(&w->line, first ? "" : "\t");
            first = false;
            if (f->kind == AE_FIELD_TEXT) {
                add_text(&w->line, values[i].text ? values[i].text : "");
            } else {
                ae_bytes_add_text(&w->line, ae_float_text(values[i].numbers[k], number));
            }
        }
    }
    ae_bytes_add_text(&w->line, "\n");
}

/* A number of JSON with a float's own digits; what is not finite is null. */
static ae_json *json_number(float x)
{
    char text[32];
    return isfinite(x) ? ae_json_new_double(strtod(ae_float_text(x, text), NULL)) : ae_json_new_null();
}

static ae_json *json_value(const ae_field *f, const ae_field_value *v)
{
    if (!v || f->kind == AE_FIELD_TEXT) {
        return ae_json_new_string(v ? v->text : NULL);
    }
    if (f->kind == AE_FIELD_SCALAR) {
        return json_number(*v->numbers);
    }
    ae_json *list = f->names ? ae_json_new_object() : ae_json_new_array();
    for (int64_t k = 0; k < f->width; k++) {
        ae_json_add(list, f->names ? f->names[k] : NULL, json_number(v->numbers[k]));
    }
    return list;
}

static int json_line(ae_record_writer *w, const ae_field_value *values)
{
    ae_json *record = ae_json_new_object();
    ae_json_set_int(record, "schema", 1);
    for (int i = 0; i < w->n; i++) {
        if (w->fields[i].kind != AE_FIELD_INTEGER) {
            ae_json_set(record, w->fields[i].name, json_value(&w->fields[i], values ? &values[i] : NULL));
        }
    }
    char *text = ae_json_text(record, false, &w->run->error);
    ae_json_free(record);
    if (text) {
        ae_bytes_add_text(&w->line, text);
        ae_bytes_add_text(&w->line, "\n");
    }
    free(text);
    return text ? 0 : -1;
}

static int write_line(ae_record_writer *w, const ae_field_value *values)
{
    w->line.length = 0;
    if (w->format == AE_RECORDS_TSV) {
        tsv_line(w, values);
    } else if (json_line(w, values) != 0) {
        return -1;
    }
    if (w->line.failed) {
        return ae_err_set(&w->run->error, AE_E_MEMORY, "no memory for a line");
    }
    if (w->file) {
        return ae_atomic_write(w->file, w->line.data, w->line.length, &w->run->error);
    }
    return fwrite(w->line.data, 1, w->line.length, w->run->out) == w->line.length
               ? 0
               : ae_err_set(&w->run->error, AE_E_IO, "the output could not be written: is the disk full?");
}

/* ---- opening and closing ---------------------------------------------------------------------------------------------- */

static int open_file(ae_record_writer *w, const char *output)
{
    ae_run *run = w->run;
    bool lines = w->format == AE_RECORDS_TSV || w->format == AE_RECORDS_JSONL;
    if (!output) {
        return lines ? 0
                     : ae_err_set(&run->error, AE_E_VALUE, "%s is no format for standard output; give --output FILE",
                                  formats[w->format]);
    }
    if (ae_refuse_existing(run, output) != 0) {
        return -1;
    }
    if (!lines) {
        return ae_record_arrays_open(w);
    }
    w->file = ae_atomic_open(output, &run->error);
    return w->file ? 0 : -1;
}

ae_record_writer *ae_record_writer_open(ae_run *run, const ae_field *fields, int n, const ae_json *about)
{
    ae_record_format format;
    const char *output = ae_options_text(run->options, "output");
    output = output && strcmp(output, "-") != 0 ? output : NULL;
    if (format_of(run, output, &format) != 0) {
        return NULL;
    }
    ae_record_writer *w = calloc(1, sizeof *w);
    if (!w || n > AE_RECORD_FIELDS) {
        free(w);
        ae_err_set(&run->error, AE_E_MEMORY, "no memory for the output");
        return NULL;
    }
    *w = (ae_record_writer){.run = run, .format = format, .output = output, .n = n, .about = ae_json_copy(about)};
    memcpy(w->fields, fields, (size_t)n * sizeof *fields);
    if (open_file(w, output) != 0) {
        ae_record_writer_abort(w);
        return NULL;
    }
    return w;
}

int ae_record_write(ae_record_writer *w, const ae_field_value *values)
{
    bool lines = w->format == AE_RECORDS_TSV || w->format == AE_RECORDS_JSONL;
    return lines ? write_line(w, values) : ae_record_arrays_add(w, values);
}

void ae_record_writer_flush(ae_record_writer *w)
{
    if (!w->output) {
        fflush(w->run->out);
    }
}

int ae_record_writer_close(ae_record_writer *w)
{
    int status = 0;
    if (w->file) {
        status = ae_atomic_commit(w->file, &w->run->error);
        w->file = NULL;
    } else if (w->output) {
        status = ae_record_arrays_close(w);
    }
    ae_record_writer_abort(w);
    return status;
}

void ae_record_writer_abort(ae_record_writer *w)
{
    if (w) {
        ae_atomic_abort(w->file);
        ae_h5_close(w->h5);
        for (int i = 0; i < w->n; i++) {
            free(w->columns[i]);
        }
        ae_bytes_free(&w->line);
        ae_json_free(w->about);
        free(w);
    }
}
