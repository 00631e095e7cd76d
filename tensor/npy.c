#include "tensor/npy_internal.h"

#include "tensor/byte_buffer.h"
#include "tensor/file_map.h"
#include "tensor/zip_file.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX = 10, DATA_ALIGNMENT = 64 };

static const char *const descriptions[] = {
#define AE_NUMPY_DESCRIPTION(symbol, name, bytes, numpy, safetensors) numpy,
    AE_DTYPES(AE_NUMPY_DESCRIPTION)
#undef AE_NUMPY_DESCRIPTION
};

/* ---- the header: a Python dictionary with three known keys -------------------------------------------------------- */

typedef struct header {
    char description[16];
    bool fortran;
    int ndim;
    int64_t shape[AE_MAX_DIMS];
    bool seen[3];
} header;

typedef struct scanner {
    const char *at;
    const char *end;
    ae_err *e;
} scanner;

static int bad_header(const scanner *s, const char *what)
{
    return ae_err_set(s->e, AE_E_FORMAT, "the header of the array is damaged: %s", what);
}

/* Moves over spaces; whether the character comes next. */
static bool next_is(scanner *s, char c)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n')) {
        s->at++;
    }
    return s->at < s->end && *s->at == c;
}

/* The same, and moves over the character. */
static bool take(scanner *s, char c)
{
    bool found = next_is(s, c);
    s->at += found;
    return found;
}

static bool take_word(scanner *s, const char *word)
{
    next_is(s, '\0');
    size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0) {
        return false;
    }
    s->at += n;
    return true;
}

static int take_string(scanner *s, char *text, size_t room)
{
    char quote = take(s, '\'') ? '\'' : take(s, '"') ? '"' : 0;
    if (!quote) {
        return bad_header(s, "a string is needed");
    }
    const char *close = memchr(s->at, quote, (size_t)(s->end - s->at));
    if (!close || (size_t)(close - s->at) >= room) {
        return bad_header(s, "a string without its end, or too long");
    }
    memcpy(text, s->at, (size_t)(close - s->at));
    text[close - s->at] = '\0';
    s->at = close + 1;
    return 0;
}

static int take_shape(scanner *s, header *h)
{
    if (!take(s, '(')) {
        return bad_header(s, "the shape is no tuple");
    }
    while (!take(s, ')')) {
        int64_t value = 0;
        bool digits = false;
        for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++, digits = true) {
            if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *s->at - '0', &value)) {
                return bad_header(s, "an extent is too large");
            }
        }
        if (!digits) {
            return bad_header(s, "an extent is no number");
        }
        if (h->ndim == AE_MAX_DIMS) {
            return ae_err_set(s->e, AE_E_UNSUPPORTED, "an array of more than %d axes", AE_MAX_DIMS);
        }
        h->shape[h->ndim++] = value;
        take(s, 'L'); /* long integers of Python 2 */
        if (!take(s, ',') && !next_is(s, ')')) {
            return bad_header(s, "a comma is missing in the shape");
        }
    }
    return 0;
}

static int take_value(scanner *s, header *h, const char *key)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    int k = 0;
    while (k < 3 && strcmp(key, keys[k]) != 0) {
        k++;
    }
    if (k == 3) {
        return ae_err_set(s->e, AE_E_FORMAT, "the header of the array has an unknown key \"%s\"", key);
    }
    if (h->seen[k]) {
        return ae_err_set(s->e, AE_E_FORMAT, "the header of the array has the key \"%s\" twice", key);
    }
    h->seen[k] = true;
    if (k == 0 && take(s, '[')) {
        return ae_err_set(s->e, AE_E_UNSUPPORTED, "an array of records; save its fields as arrays of their own");
    }
    if (k == 0) {
        return take_string(s, h->description, sizeof h->description);
    }
    if (k == 2) {
        return take_shape(s, h);
    }
    h->fortran = take_word(s, "True");
    return h->fortran || take_word(s, "False") ? 0 : bad_header(s, "fortran_order is neither True nor False");
}

static int parse_header(scanner *s, header *h)
{
    if (!take(s, '{')) {
        return bad_header(s, "no dictionary");
    }
    while (!take(s, '}')) {
        char key[24];
        if (take_string(s, key, sizeof key) != 0) {
            return -1;
        }
        if (!take(s, ':')) {
            return bad_header(s, "a colon is missing");
        }
        if (take_value(s, h, key) != 0) {
            return -1;
        }
        if (!take(s, ',') && !next_is(s, '}')) {
            return bad_header(s, "a comma is missing");
        }
    }
    next_is(s, '\0');
    if (s->at != s->end) {
        return bad_header(s, "text after the dictionary");
    }
    return h->seen[0] && h->seen[1] && h->seen[2] ? 0 : bad_header(s, "descr, fortran_order or shape is missing");
}

/* ---- element types ----------------------------------------------------------------------------------------------- */

/* How the elements lie in the file, and what they become. */
typedef struct element {
    ae_dtype dtype;
    size_t stored; /* bytes in the file */
    bool is_signed;
    bool big_endian;
} element;

static int parse_description(const char *text, element *x, ae_err *e)
{
    static const struct {
        const char *code;
        element element;
    } table[] = {
        {"f4", {AE_F32, 4, true, false}},   {"f8", {AE_F64, 8, true, false}},  {"f2", {AE_F16, 2, true, false}},
        {"V2", {AE_BF16, 2, true, false}},  {"i1", {AE_I8, 1, true, false}},   {"u1", {AE_U8, 1, false, false}},
        {"b1", {AE_BOOL, 1, false, false}}, {"i2", {AE_I32, 2, true, false}},  {"u2", {AE_I32, 2, false, false}},
        {"i4", {AE_I32, 4, true, false}},   {"u4", {AE_I64, 4, false, false}}, {"i8", {AE_I64, 8, true, false}},
    };
    if (text[0] && strchr("<>|=", text[0])) {
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
            if (strcmp(text + 1, table[i].code) == 0) {
                *x = table[i].element;
                x->big_endian = text[0] == '>' && x->stored > 1;
                return 0;
            }
        }
    }
    return ae_err_set(e, AE_E_UNSUPPORTED,
                      "an array of type \"%s\"%s; real numbers, integers up to 64 bits and bools are read", text,
                      strchr(text, 'O') ? " (pickled objects)" : "");
}

static void swap_bytes(unsigned char *p, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++, p += width) {
        for (size_t k = 0; k < width / 2; k++) {
            unsigned char c = p[k];
            p[k] = p[width - 1 - k];
            p[width - 1 - k] = c;
        }
    }
}

/* Copies elements of the file, narrower or of the other byte order, into a tensor. */
static void convert(const unsigned char *p, const element *x, ae_tensor *t)
{
    size_t n = (size_t)ae_numel(t);
    if (x->stored == ae_dtype_size(x->dtype)) {
        memcpy(t->data, p, n * x->stored);
        if (x->big_endian) {
            swap_bytes(t->data, n, x->stored);
        }
        return;
    }
    for (size_t i = 0; i < n; i++, p += x->stored) {
        uint64_t value = 0;
        for (size_t k = 0; k < x->stored; k++) {
            value |= (uint64_t)p[x->big_endian ? x->stored - 1 - k : k] << (8 * k);
        }
        int64_t sign = (int64_t)1 << (8 * x->stored - 1);
        int64_t v = x->is_signed ? ((int64_t)value ^ sign) - sign : (int64_t)value;
        ae_set_i64(t, (int64_t)i, v);
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void reverse(int ndim, int64_t *shape)
{
    for (int i = 0; i < ndim / 2; i++) {
        int64_t x = shape[i];
        shape[i] = shape[ndim - 1 - i];
        shape[ndim - 1 - i] = x;
    }
}

/* From the transposed array to the array: reversed axes, dense. Takes t over. */
static ae_tensor *from_fortran(ae_tensor *t, ae_err *e)
{
    if (!t) {
        return NULL;
    }
    reverse(t->ndim, t->shape);
    reverse(t->ndim, t->strides);
    ae_tensor *dense = ae_tensor_new(t->dtype, t->ndim, t->shape, e);
    if (dense && ae_tensor_copy(dense, t, e) != 0) {
        ae_tensor_free(dense);
        dense = NULL;
    }
    ae_tensor_free(t);
    return dense;
}

static ae_tensor *read_values(ae_storage *file, size_t offset, size_t bytes, header *h, ae_err *e)
{
    element x;
    if (parse_description(h->description, &x, e) != 0) {
        return NULL;
    }
    int64_t n = ae_shape_numel(h->ndim, h->shape), wanted;
    if (n < 0 || __builtin_mul_overflow(n, (int64_t)x.stored, &wanted) || (uint64_t)wanted != bytes) {
        char text[AE_SHAPE_TEXT_MAX];
        ae_err_set(e, AE_E_FORMAT, "%zu bytes after the header do not make a shape %s of \"%s\"%s", bytes,
                   ae_shape_text(h->ndim, h->shape, text), h->description,
                   n < 0 || (uint64_t)n > bytes / x.stored ? "; is the file cut short?" : "");
        return NULL;
    }
    if (h->fortran) {
        reverse(h->ndim, h->shape);
    }
    ae_tensor *t;
    if (x.stored == ae_dtype_size(x.dtype) && !x.big_endian) {
        t = ae_tensor_on_storage(file, offset, x.dtype, h->ndim, h->shape, e);
    } else {
        t = ae_tensor_new(x.dtype, h->ndim, h->shape, e);
        if (t) {
            convert((const unsigned char *)ae_storage_data(file) + offset, &x, t);
        }
    }
    if (t) {
        ae_normalise_bools(t);
    }
    return h->fortran ? from_fortran(t, e) : t;
}

ae_tensor *ae_npy_parse(ae_storage *file, size_t offset, size_t bytes, ae_err *e)
{
    const unsigned char *p = (const unsigned char *)ae_storage_data(file) + offset;
    if (bytes < PREFIX || memcmp(p, "\x93NUMPY", 6) != 0) {
        ae_err_set(e, AE_E_FORMAT, "not NumPy's format, which begins with \\x93NUMPY, or cut short");
        return NULL;
    }
    if (p[6] < 1 || p[6] > 3) {
        ae_err_set(e, AE_E_UNSUPPORTED, "version %d of NumPy's format; 1 to 3 are read", p[6]);
        return NULL;
    }
    size_t prefix = p[6] == 1 ? PREFIX : PREFIX + 2;
    size_t length = p[6] == 1 ? ae_load_u16(p + 8) : bytes >= prefix ? ae_load_u32(p + 8) : SIZE_MAX;
    if (bytes < prefix || length > bytes - prefix) {
        ae_err_set(e, AE_E_FORMAT, "the header of the array is longer than the file; is it cut short?");
        return NULL;
    }
    scanner s = {(const char *)p + prefix, (const char *)p + prefix + length, e};
    header h = {0};
    if (parse_header(&s, &h) != 0) {
        return NULL;
    }
    return read_values(file, offset + prefix + length, bytes - prefix - length, &h, e);
}

ae_tensor *ae_npy_read(const char *path, ae_err *e)
{
    ae_storage *file = ae_map_file(path, e);
    if (!file) {
        return NULL;
    }
    ae_err own = {0};
    ae_tensor *t = ae_npy_parse(file, 0, ae_storage_bytes(file), &own);
    ae_storage_drop(file);
    if (!t) {
        ae_err_set(e, own.code, "%s: %s", path, own.message);
    }
    return t;
}

static int read_member(ae_tensors *tensors, const ae_zip *z, int i, ae_err *e)
{
    const char *member = ae_zip_name(z, i);
    size_t length = strlen(member), offset = 0, bytes = 0;
    if (length <= 4 || strcmp(member + length - 4, ".npy") != 0) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%.200s is no .npy file", member);
    }
    char *name = strndup(member, length - 4);
    ae_storage *content = ae_zip_content(z, i, &offset, &bytes, e);
    int result = -1;
    if (!name) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the name %.200s", member);
    } else if (content) {
        ae_err own = {0};
        ae_tensor *t = ae_npy_parse(content, offset, bytes, &own);
        if (t) {
            result = ae_tensors_add(tensors, name, t, e);
        } else {
            ae_err_set(e, own.code, "%.200s: %s", member, own.message);
        }
    }
    ae_storage_drop(content);
    free(name);
    return result;
}

ae_tensors *ae_npz_parse(ae_storage *file, ae_err *e)
{
    ae_zip *z = ae_zip_parse(file, e);
    ae_tensors *tensors = z ? ae_tensors_new() : NULL;
    if (z && !tensors) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the arrays");
    }
    for (int i = 0; tensors && i < ae_zip_count(z); i++) {
        if (read_member(tensors, z, i, e) != 0) {
            ae_tensors_free(tensors);
            tensors = NULL;
        }
    }
    ae_zip_free(z);
    return tensors;
}

ae_tensors *ae_npz_read(const char *path, ae_err *e)
{
    ae_storage *file = ae_map_file(path, e);
    if (!file) {
        return NULL;
    }
    ae_err own = {0};
    ae_tensors *tensors = ae_npz_parse(file, &own);
    ae_storage_drop(file);
    if (!tensors) {
        ae_err_set(e, own.code, "%s: %s", path, own.message);
    }
    return tensors;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int make_header(ae_bytes *b, const ae_tensor *t, ae_err *e)
{
    ae_bytes text = {0};
    ae_bytes_printf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (", descriptions[t->dtype]);
    for (int i = 0; i < t->ndim; i++) {
        ae_bytes_printf(&text, i ? ", %lld" : "%lld", (long long)t->shape[i]);
    }
    ae_bytes_add_text(&text, t->ndim == 1 ? ",), }" : "), }");
    size_t padding = (DATA_ALIGNMENT - (PREFIX + text.length + 1) % DATA_ALIGNMENT) % DATA_ALIGNMENT;
    ae_bytes_fill(&text, ' ', padding);
    ae_bytes_u8(&text, '\n');
    ae_bytes_add(b, "\x93NUMPY\x01\x00", 8);
    ae_bytes_u16(b, (unsigned)text.length);
    ae_bytes_add(b, text.data, text.length);
    bool failed = text.failed || b->failed;
    ae_bytes_free(&text);
    return failed ? ae_err_set(e, AE_E_MEMORY, "no memory for the header of an array") : 0;
}

int ae_npy_write_with(const char *path, const ae_tensor *t, const ae_file_calls *calls, ae_err *e)
{
    ae_err own = {0};
    ae_tensor *made = NULL;
    ae_bytes head = {0};
    const ae_tensor *dense = ae_dense_for_file(t, &made, &own);
    int result = -1;
    if (dense && make_header(&head, t, &own) == 0) {
        ae_atomic_file *f = ae_atomic_open_with(path, calls, e);
        if (f && ae_atomic_write(f, head.data, head.length, e) == 0 &&
            ae_atomic_write(f, dense->data, (size_t)ae_numel(t) * ae_dtype_size(t->dtype), e) == 0) {
            result = ae_atomic_commit(f, e);
        } else {
            ae_atomic_abort(f);
        }
    }
    if (own.code != AE_OK) {
        ae_err_set(e, own.code, "%s: %s", path, own.message);
    }
    ae_bytes_free(&head);
    ae_tensor_free(made);
    return result;
}

int ae_npy_write(const char *path, const ae_tensor *t, ae_err *e)
{
    return ae_npy_write_with(path, t, NULL, e);
}

static int write_member(ae_zip_writer *w, const char *name, const ae_tensor *t, ae_err *e)
{
    ae_tensor *made = NULL;
    ae_bytes head = {0}, member = {0};
    ae_bytes_printf(&member, "%s.npy", name);
    const ae_tensor *dense = ae_dense_for_file(t, &made, e);
    int result = -1;
    if (dense && !member.failed && make_header(&head, t, e) == 0) {
        size_t bytes = (size_t)ae_numel(t) * ae_dtype_size(t->dtype);
        result = ae_zip_add(w, member.data, head.data, head.length, dense->data, bytes, e);
    }
    ae_bytes_free(&head);
    ae_bytes_free(&member);
    ae_tensor_free(made);
    return result;
}

int ae_npz_write_with(const char *path, const ae_tensors *tensors, const ae_file_calls *calls, ae_err *e)
{
    ae_err own = {0};
    if (ae_check_names_for_file(tensors, &own) != 0) {
        return ae_err_set(e, own.code, "%s: %s", path, own.message);
    }
    ae_atomic_file *f = ae_atomic_open_with(path, calls, e);
    if (!f) {
        return -1;
    }
    ae_zip_writer w = {.file = f};
    int result = 0;
    for (int i = 0; i < ae_tensors_count(tensors) && result == 0; i++) {
        result = write_member(&w, ae_tensors_name(tensors, i), ae_tensors_at(tensors, i), e);
    }
    if (result == 0) {
        result = ae_zip_finish(&w, e);
    }
    ae_zip_writer_free(&w);
    if (result != 0) {
        ae_atomic_abort(f);
        return -1;
    }
    return ae_atomic_commit(f, e);
}

int ae_npz_write(const char *path, const ae_tensors *tensors, ae_err *e)
{
    return ae_npz_write_with(path, tensors, NULL, e);
}
