#include "tensor/torch_file_internal.h"

#include "tensor/file_map.h"
#include "tensor/torch_storage.h"
#include "tensor/utf8_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 200, MOST_VISITS = 10000000, LONGEST_NAME = 2048, LARGEST_EXPANDED = 1 << 26 };

typedef ae_pickle_value value;

typedef struct reader {
    ae_torch_storages storages;
    ae_tensors *tensors;
    char name[LONGEST_NAME]; /* of the value being visited */
    int depth;
    int visits;
    ae_err *e;
} reader;

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static int read_extents(const value *v, int64_t *extents, int *count, ae_err *e)
{
    /* torch.Size is a call with a tuple as its only argument. */
    if (v->kind == AE_PICKLE_CALL && ae_pickle_is_global(v->callable, "torch", "Size") && v->args->count == 1) {
        v = v->args->items[0];
    }
    if (v->kind != AE_PICKLE_TUPLE && v->kind != AE_PICKLE_LIST) {
        return ae_err_set(e, AE_E_FORMAT, "a shape or strides that are no tuple");
    }
    if (v->count > AE_MAX_DIMS) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%zu axes; at most %d are possible", v->count, AE_MAX_DIMS);
    }
    for (size_t i = 0; i < v->count; i++) {
        if (v->items[i]->kind != AE_PICKLE_INT || v->items[i]->integer < 0) {
            return ae_err_set(e, AE_E_FORMAT, "a shape or strides that are no natural numbers");
        }
        extents[i] = v->items[i]->integer;
    }
    *count = (int)v->count;
    return 0;
}

/* A view of a storage, as a tensor describes itself. */
typedef struct view {
    ae_torch_element element;
    int64_t offset;
    int ndim;
    int64_t shape[AE_MAX_DIMS];
    int64_t strides[AE_MAX_DIMS];
} view;

/* Whether the elements of a view all lie among the `count` elements of its storage. */
static int check_view(const view *x, int64_t count, ae_err *e)
{
    char text[AE_SHAPE_TEXT_MAX];
    int64_t last = x->offset, n = ae_shape_numel(x->ndim, x->shape), step;
    bool inside = n >= 0 && x->offset >= 0;
    for (int i = 0; i < x->ndim && inside && n > 0; i++) {
        inside = !__builtin_mul_overflow(x->shape[i] - 1, x->strides[i], &step) &&
                 !__builtin_add_overflow(last, step, &last);
    }
    if (!inside || (n > 0 && last >= count)) {
        return ae_err_set(e, AE_E_FORMAT, "a shape %s that does not lie in its storage of %lld elements",
                          ae_shape_text(x->ndim, x->shape, text), (long long)count);
    }
    if (n > count && n > LARGEST_EXPANDED) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "an expanded tensor of shape %s over %lld elements",
                          ae_shape_text(x->ndim, x->shape, text), (long long)count);
    }
    return 0;
}

static bool is_dense(const view *x)
{
    int64_t step = 1;
    for (int i = x->ndim - 1; i >= 0; i--) {
        if (x->shape[i] != 1 && x->strides[i] != step) {
            return false;
        }
        step *= x->shape[i];
    }
    return true;
}

/* Copies 16-bit integers, which have no dtype here, into a new i32 tensor. */
static ae_tensor *widen_shorts(const ae_torch_storage *s, int64_t count, ae_err *e)
{
    ae_tensor *t = ae_tensor_new(AE_I32, 1, &count, e);
    const char *p = (const char *)ae_storage_data(s->data) + s->offset;
    for (int64_t i = 0; t && i < count; i++) {
        ae_set_i64(t, i, (int16_t)ae_load_u16(p + 2 * i));
    }
    return t;
}

static ae_tensor *strided_copy(ae_tensor *flat, const view *x, ae_err *e)
{
    ae_tensor strided = *flat;
    strided.ndim = x->ndim;
    memcpy(strided.shape, x->shape, sizeof x->shape);
    memcpy(strided.strides, x->strides, sizeof x->strides);
    strided.data = (char *)flat->data + (size_t)x->offset * ae_dtype_size(flat->dtype);
    ae_tensor *copy = ae_tensor_new(flat->dtype, x->ndim, x->shape, e);
    if (copy && ae_tensor_copy(copy, &strided, e) != 0) {
        ae_tensor_free(copy);
        copy = NULL;
    }
    return copy;
}

static ae_tensor *make_tensor(const ae_torch_storage *s, const view *x, int64_t count, ae_err *e)
{
    if (ae_shape_numel(x->ndim, x->shape) == 0) {
        return ae_tensor_new(x->element.dtype, x->ndim, x->shape, e);
    }
    bool shorts = x->element.stored != ae_dtype_size(x->element.dtype);
    if (!shorts && is_dense(x)) {
        return ae_tensor_on_storage(s->data, s->offset + (size_t)x->offset * x->element.stored, x->element.dtype,
                                    x->ndim, x->shape, e);
    }
    ae_tensor *flat =
        shorts ? widen_shorts(s, count, e) : ae_tensor_on_storage(s->data, s->offset, x->element.dtype, 1, &count, e);
    ae_tensor *copy = flat ? strided_copy(flat, x, e) : NULL;
    ae_tensor_free(flat);
    return copy;
}

/* From the arguments (storage, offset, shape, strides, ...) of _rebuild_tensor and _rebuild_tensor_v2. */
static ae_tensor *rebuild_tensor(reader *r, const value *args)
{
    view x = {0};
    int strides = 0;
    int64_t count = 0;
    const value *key = NULL;
    if (args->count < 4 || args->items[1]->kind != AE_PICKLE_INT) {
        ae_err_set(r->e, AE_E_FORMAT, "a tensor with %zu arguments; at least 4 are needed", args->count);
        return NULL;
    }
    x.offset = args->items[1]->integer;
    if (ae_torch_describe(args->items[0], &x.element, &key, &count, r->e) != 0 ||
        read_extents(args->items[2], x.shape, &x.ndim, r->e) != 0 ||
        read_extents(args->items[3], x.strides, &strides, r->e) != 0) {
        return NULL;
    }
    if (strides != x.ndim) {
        ae_err_set(r->e, AE_E_FORMAT, "a shape of %d axes with %d strides", x.ndim, strides);
        return NULL;
    }
    if (check_view(&x, count, r->e) != 0) {
        return NULL;
    }
    const ae_torch_storage *s = ae_torch_find(&r->storages, key, r->e);
    if (!s) {
        return NULL;
    }
    if ((uint64_t)count > s->bytes / x.element.stored) {
        ae_err_set(r->e, AE_E_FORMAT, "a storage of %lld elements with %zu bytes; is the file cut short?",
                   (long long)count, s->bytes);
        return NULL;
    }
    ae_tensor *t = make_tensor(s, &x, count, r->e);
    if (t) {
        ae_normalise_bools(t);
    }
    return t;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

static int visit(reader *r, value *v);

/* The value under a text key of a dictionary, or NULL. */
static value *get(const value *dictionary, const char *key)
{
    for (size_t i = 0; dictionary && i + 1 < dictionary->count; i += 2) {
        if (ae_pickle_text_is(dictionary->items[i], key)) {
            return dictionary->items[i + 1];
        }
    }
    return NULL;
}

/* Appends a part to the name; returns the length before, to cut it back to, or -1. */
static int64_t enter(reader *r, const char *part, size_t length)
{
    size_t before = strlen(r->name);
    if (before + length + 2 > sizeof r->name || memchr(part, '\0', length) || !ae_utf8_is_valid(part, length)) {
        return ae_err_set(r->e, AE_E_FORMAT, "a name that is too long or no text");
    }
    snprintf(r->name + before, sizeof r->name - before, "%s%.*s", before ? "." : "", (int)length, part);
    return (int64_t)before;
}

static int visit_under(reader *r, const char *part, size_t length, value *v)
{
    int64_t before = enter(r, part, length);
    if (before < 0 || visit(r, v) != 0) {
        return -1; /* the name stays, for the message */
    }
    r->name[before] = '\0';
    return 0;
}

static bool is_plain(const value *v)
{
    return v->kind <= AE_PICKLE_TEXT || v->kind == AE_PICKLE_GLOBAL;
}

static int visit_items(reader *r, const value *dictionary)
{
    char digits[32];
    for (size_t i = 0; i + 1 < dictionary->count; i += 2) {
        const value *key = dictionary->items[i];
        value *v = dictionary->items[i + 1];
        int result = 0;
        if (is_plain(v)) {
            continue;
        }
        if (key->kind == AE_PICKLE_TEXT) {
            result = visit_under(r, key->text, key->length, v);
        } else if (key->kind == AE_PICKLE_INT) {
            snprintf(digits, sizeof digits, "%lld", (long long)key->integer);
            result = visit_under(r, digits, strlen(digits), v);
        } else {
            result = ae_err_set(r->e, AE_E_UNSUPPORTED, "a dictionary with a key that is neither text nor integer");
        }
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

static int visit_list(reader *r, const value *list)
{
    char digits[32];
    for (size_t i = 0; i < list->count; i++) {
        snprintf(digits, sizeof digits, "%zu", i);
        if (!is_plain(list->items[i]) && visit_under(r, digits, strlen(digits), list->items[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool is_ordered_dict(const value *v)
{
    return v->kind == AE_PICKLE_CALL && (ae_pickle_is_global(v->callable, "collections", "OrderedDict") ||
                                         ae_pickle_is_global(v->callable, "collections", "defaultdict"));
}

/* Python 2 makes an OrderedDict by a call with a list of pairs; they become its items. */
static void adopt_pairs(value *v)
{
    const value *list = v->args->count == 1 ? v->args->items[0] : NULL;
    if (v->count > 0 || !list || list->kind != AE_PICKLE_LIST || list->count == 0) {
        return;
    }
    value **items = malloc(2 * list->count * sizeof *items);
    size_t n = 0;
    for (size_t i = 0; items && i < list->count; i++) {
        const value *pair = list->items[i];
        if ((pair->kind == AE_PICKLE_LIST || pair->kind == AE_PICKLE_TUPLE) && pair->count == 2) {
            items[n++] = pair->items[0];
            items[n++] = pair->items[1];
        }
    }
    free(v->items);
    v->items = items;
    v->count = n;
    v->capacity = items ? 2 * list->count : 0;
}

/* The dictionary behind a value: itself, or what an OrderedDict or an instance holds. */
static const value *items_of(value *v)
{
    if (v && is_ordered_dict(v)) {
        adopt_pairs(v);
    }
    bool holds = v && (v->kind == AE_PICKLE_DICT || v->kind == AE_PICKLE_CALL || v->kind == AE_PICKLE_INSTANCE);
    return holds ? v : NULL;
}

static int visit_part(reader *r, const value *state, const char *key)
{
    const value *items = items_of(get(state, key));
    return items ? visit_items(r, items) : 0;
}

/* Attributes of an instance: those of a torch.nn.Module that its state_dict would show, else all of them. */
static int visit_attributes(reader *r, const value *state)
{
    if (state->kind == AE_PICKLE_TUPLE) { /* (attributes, slots) */
        for (size_t i = 0; i < state->count; i++) {
            if (state->items[i]->kind == AE_PICKLE_DICT && visit_attributes(r, state->items[i]) != 0) {
                return -1;
            }
        }
        return 0;
    }
    if (state->kind != AE_PICKLE_DICT) {
        return 0;
    }
    if (!get(state, "_parameters") || !get(state, "_modules")) {
        return visit_items(r, state);
    }
    return visit_part(r, state, "_parameters") != 0 || visit_part(r, state, "_buffers") != 0 ||
                   visit_part(r, state, "_modules") != 0
               ? -1
               : 0;
}

/* Parameters and variables wrap a tensor: it is the first one among their arguments or, in old files, their state. */
static value *wrapped(const value *v)
{
    const value *places[] = {v->args, v->state};
    for (int k = 0; k < 2; k++) {
        const value *p = places[k];
        for (size_t i = 0; p && p->kind == AE_PICKLE_TUPLE && i < p->count; i++) {
            if (p->items[i]->kind == AE_PICKLE_CALL || p->items[i]->kind == AE_PICKLE_INSTANCE) {
                return p->items[i];
            }
        }
    }
    return NULL;
}

static bool is_wrapper(const value *class)
{
    static const char *const names[][2] = {
        {"torch._utils", "_rebuild_parameter"},  {"torch._utils", "_rebuild_parameter_with_state"},
        {"torch.nn.parameter", "Parameter"},     {"torch.nn.parameter", "Buffer"},
        {"torch.autograd.variable", "Variable"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (ae_pickle_is_global(class, names[i][0], names[i][1])) {
            return true;
        }
    }
    return false;
}

/* Calls whose results hold no tensors, so that nothing is lost by passing over them. */
static bool is_harmless(const value *function)
{
    static const char *const names[][2] = {
        {"torch", "Size"},
        {"torch", "device"},
        {"__builtin__", "set"},
        {"builtins", "set"},
        {"_codecs", "encode"},
        {"numpy", "dtype"},
        {"numpy.core.multiarray", "scalar"},
        {"numpy._core.multiarray", "scalar"},
        {"argparse", "Namespace"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (ae_pickle_is_global(function, names[i][0], names[i][1])) {
            return true;
        }
    }
    return false;
}

static int add_tensor(reader *r, ae_tensor *t)
{
    return t ? ae_tensors_add(r->tensors, r->name[0] ? r->name : "tensor", t, r->e) : -1;
}

static int visit_call(reader *r, value *v)
{
    const value *f = v->callable;
    if (ae_pickle_is_global(f, "torch._utils", "_rebuild_tensor_v2") ||
        ae_pickle_is_global(f, "torch._utils", "_rebuild_tensor")) {
        return add_tensor(r, rebuild_tensor(r, v->args));
    }
    if (is_wrapper(f)) {
        value *inner = wrapped(v);
        return inner ? visit(r, inner) : ae_err_set(r->e, AE_E_FORMAT, "a parameter without a tensor");
    }
    if (v->kind == AE_PICKLE_INSTANCE || ae_pickle_is_global(f, "copy_reg", "_reconstructor") ||
        ae_pickle_is_global(f, "copyreg", "_reconstructor")) {
        return v->count > 0 && visit_items(r, v) != 0 ? -1 : v->state ? visit_attributes(r, v->state) : 0;
    }
    if (is_ordered_dict(v)) {
        return visit_items(r, items_of(v)); /* its state holds notes such as _metadata */
    }
    if (is_harmless(f)) {
        return 0;
    }
    char text[256];
    return ae_err_set(r->e, AE_E_UNSUPPORTED, "made by %s, which is not read; save a state dict of plain tensors",
                      ae_pickle_global_text(f, text, sizeof text));
}

static int visit_inside(reader *r, value *v)
{
    switch (v->kind) {
    case AE_PICKLE_CALL:
    case AE_PICKLE_INSTANCE:
        return visit_call(r, v);
    case AE_PICKLE_DICT:
        return visit_items(r, v);
    case AE_PICKLE_LIST:
    case AE_PICKLE_TUPLE:
        return visit_list(r, v);
    default:
        return 0;
    }
}

static int visit(reader *r, value *v)
{
    if (v->on_path) {
        return 0; /* a cycle, such as a module that knows its parent */
    }
    if (++r->depth > DEEPEST || ++r->visits > MOST_VISITS) {
        return ae_err_set(r->e, AE_E_FORMAT, "values nested too deep or too often");
    }
    v->on_path = true;
    int result = visit_inside(r, v);
    v->on_path = false;
    r->depth--;
    return result;
}

/* Collects the tensors below the root of a pickle. */
static int collect(reader *r, const ae_pickle *p)
{
    ae_err own = {0};
    ae_err *outside = r->e;
    r->e = &own;
    r->tensors = ae_tensors_new();
    int result = r->tensors ? visit(r, ae_pickle_root(p)) : ae_err_set(&own, AE_E_MEMORY, "no memory for the tensors");
    r->e = outside;
    if (result != 0 && r->name[0]) {
        ae_err_set(outside, own.code, "%.300s: %s", r->name, own.message);
    } else if (result != 0) {
        ae_err_set(outside, own.code, "%s", own.message);
    }
    return result;
}

/* ---- the ZIP format ------------------------------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Checks the small members that say how the others are to be read. */
static int check_members(const ae_zip *z, const char *prefix, ae_err *e)
{
    char name[512];
    snprintf(name, sizeof name, "%.400s/constants.pkl", prefix);
    if (ae_zip_find(z, name) >= 0) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "a TorchScript archive; save its state_dict() with torch.save");
    }
    snprintf(name, sizeof name, "%.400s/byteorder", prefix);
    int member = ae_zip_find(z, name);
    if (member < 0) {
        return 0;
    }
    size_t offset = 0, bytes = 0;
    ae_storage *content = ae_zip_content(z, member, &offset, &bytes, e);
    if (!content) {
        return -1;
    }
    bool little = bytes == 6 && memcmp((const char *)ae_storage_data(content) + offset, "little", 6) == 0;
    ae_storage_drop(content);
    return little ? 0
                  : ae_err_set(e, AE_E_UNSUPPORTED,
                               "written on a big-endian machine; load and save it on a little-endian one");
}

static int read_zip(reader *r, ae_storage *file)
{
    ae_zip *z = r->storages.zip = ae_zip_parse(file, r->e);
    if (!z) {
        return -1;
    }
    int member = 0, count = ae_zip_count(z);
    while (member < count && !ends_with(ae_zip_name(z, member), "/data.pkl")) {
        member++;
    }
    if (member == count) {
        return ae_err_set(r->e, AE_E_FORMAT, "a ZIP archive without data.pkl, so not a file of torch.save");
    }
    const char *name = ae_zip_name(z, member);
    r->storages.prefix = strndup(name, strlen(name) - strlen("/data.pkl"));
    if (!r->storages.prefix) {
        return ae_err_set(r->e, AE_E_MEMORY, "no memory for a name");
    }
    if (check_members(z, r->storages.prefix, r->e) != 0) {
        return -1;
    }
    size_t offset = 0, bytes = 0, used = 0;
    ae_storage *content = ae_zip_content(z, member, &offset, &bytes, r->e);
    if (!content) {
        return -1;
    }
    ae_pickle *p = ae_pickle_parse((const char *)ae_storage_data(content) + offset, bytes, &used, r->e);
    int result = p ? collect(r, p) : -1;
    ae_pickle_free(p);
    ae_storage_drop(content);
    return result;
}

/* ---- the older format: magic number, version, machine, the value, the keys of the storages, the storages ------------ */

static ae_pickle *next_pickle(reader *r, ae_storage *file, size_t *at)
{
    size_t used = 0;
    ae_pickle *p =
        ae_pickle_parse((const char *)ae_storage_data(file) + *at, ae_storage_bytes(file) - *at, &used, r->e);
    *at += used;
    return p;
}

static bool is_magic(const ae_pickle *p)
{
    static const char magic[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"; /* 0x1950a86a20f9469cfc6c */
    const value *v = p ? ae_pickle_root(p) : NULL;
    return v && v->kind == AE_PICKLE_LONG && v->length == sizeof magic - 1 && memcmp(v->text, magic, v->length) == 0;
}

static int check_machine(const ae_pickle *p, ae_err *e)
{
    const value *little = ae_pickle_root(p)->kind == AE_PICKLE_DICT ? get(ae_pickle_root(p), "little_endian") : NULL;
    if (little && little->kind == AE_PICKLE_BOOL && !little->integer) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "written on a big-endian machine; load and save it on a little-endian one");
    }
    return 0;
}

/* How many bytes an element of a storage has: only the descriptions of its tensors tell. 0 when none does. */
static size_t stored_size(const ae_pickle *object, const value *key)
{
    for (const value *v = ae_pickle_first_persistent(object); v; v = v->next_persistent) {
        ae_torch_element element;
        const value *own_key = NULL;
        int64_t count;
        if (ae_torch_describe(v, &element, &own_key, &count, NULL) == 0 && own_key->length == key->length &&
            memcmp(own_key->text, key->text, key->length) == 0) {
            return element.stored;
        }
    }
    return 0;
}

static int read_storages(reader *r, ae_storage *file, size_t at, const ae_pickle *object, const value *keys)
{
    const char *data = ae_storage_data(file);
    size_t bytes = ae_storage_bytes(file);
    for (size_t i = 0; i < keys->count; i++) {
        const value *key = keys->items[i];
        size_t width = key->kind == AE_PICKLE_TEXT ? stored_size(object, key) : 0;
        if (width == 0) {
            return ae_err_set(r->e, AE_E_FORMAT, "storage %zu belongs to no tensor of a known class", i);
        }
        uint64_t count = bytes - at >= 8 ? ae_load_u64(data + at) : UINT64_MAX;
        if (bytes - at < 8 || count > (bytes - at - 8) / width) {
            return ae_err_set(r->e, AE_E_FORMAT, "storage %zu does not lie in the file; is it cut short?", i);
        }
        at += 8;
        if (ae_torch_add(&r->storages, key, file, at, (size_t)count * width, width, r->e) != 0) {
            return -1;
        }
        at += (size_t)count * width;
    }
    return 0;
}

static int read_old_object(reader *r, ae_storage *file, size_t at)
{
    ae_pickle *object = next_pickle(r, file, &at), *keys = object ? next_pickle(r, file, &at) : NULL;
    int result = -1;
    if (keys && ae_pickle_root(keys)->kind != AE_PICKLE_LIST) {
        ae_err_set(r->e, AE_E_FORMAT, "the keys of the storages are no list");
    } else if (keys && read_storages(r, file, at, object, ae_pickle_root(keys)) == 0) {
        result = collect(r, object);
    }
    ae_pickle_free(keys);
    ae_pickle_free(object);
    return result;
}

static int read_old(reader *r, ae_storage *file)
{
    size_t at = 0;
    ae_err none = {0};
    ae_err *outside = r->e;
    r->e = &none;
    ae_pickle *magic = next_pickle(r, file, &at);
    r->e = outside;
    bool good = is_magic(magic);
    ae_pickle_free(magic);
    if (!good) {
        return ae_err_set(r->e, AE_E_FORMAT, "neither a ZIP archive nor the older format of torch.save");
    }
    ae_pickle *version = next_pickle(r, file, &at), *machine = version ? next_pickle(r, file, &at) : NULL;
    int result = -1;
    if (machine && (ae_pickle_root(version)->kind != AE_PICKLE_INT || ae_pickle_root(version)->integer != 1001)) {
        ae_err_set(r->e, AE_E_UNSUPPORTED, "a version of the older format other than 1001");
    } else if (machine && check_machine(machine, r->e) == 0) {
        result = read_old_object(r, file, at);
    }
    ae_pickle_free(version);
    ae_pickle_free(machine);
    return result;
}

ae_tensors *ae_torch_parse(ae_storage *file, ae_err *e)
{
    reader *r = calloc(1, sizeof *r);
    if (!r) {
        ae_err_set(e, AE_E_MEMORY, "no memory to read a file");
        return NULL;
    }
    r->e = e;
    bool zip = ae_storage_bytes(file) >= 4 && memcmp(ae_storage_data(file), "PK\3\4", 4) == 0;
    int result = zip ? read_zip(r, file) : read_old(r, file);
    ae_tensors *tensors = r->tensors;
    if (result != 0) {
        ae_tensors_free(tensors);
        tensors = NULL;
    }
    ae_torch_storages_free(&r->storages);
    free(r);
    return tensors;
}

ae_tensors *ae_torch_read(const char *path, ae_err *e)
{
    ae_storage *file = ae_map_file(path, e);
    if (!file) {
        return NULL;
    }
    ae_err own = {0};
    ae_tensors *tensors = ae_torch_parse(file, &own);
    ae_storage_drop(file);
    if (!tensors) {
        ae_err_set(e, own.code, "%s: %s", path, own.message);
    }
    return tensors;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void pickle_text(ae_bytes *b, const char *text)
{
    ae_bytes_u8(b, 'X');
    ae_bytes_u32(b, (uint32_t)strlen(text));
    ae_bytes_add_text(b, text);
}

static void pickle_int(ae_bytes *b, int64_t number)
{
    if (number >= 0 && number <= INT32_MAX) {
        ae_bytes_u8(b, 'J');
        ae_bytes_u32(b, (uint32_t)number);
    } else {
        ae_bytes_u8(b, 0x8a); /* LONG1 */
        ae_bytes_u8(b, 8);
        ae_bytes_u64(b, (uint64_t)number);
    }
}

static void pickle_tuple(ae_bytes *b, int count, const int64_t *numbers)
{
    ae_bytes_u8(b, '(');
    for (int i = 0; i < count; i++) {
        pickle_int(b, numbers[i]);
    }
    ae_bytes_u8(b, 't');
}

/* _rebuild_tensor_v2(storage, 0, shape, strides, requires_grad = False, hooks = OrderedDict()) */
static void pickle_tensor(ae_bytes *b, const ae_tensor *t, int key)
{
    static const char *const classes[] = {"FloatStorage", "DoubleStorage", "BFloat16Storage",
                                          "HalfStorage",  "CharStorage",   "ByteStorage",
                                          "IntStorage",   "LongStorage",   "BoolStorage"};
    int64_t strides[AE_MAX_DIMS] = {0};
    char digits[16];
    ae_shape_strides(t->ndim, t->shape, strides);
    snprintf(digits, sizeof digits, "%d", key);
    ae_bytes_add_text(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_text(b, "storage");
    ae_bytes_printf(b, "ctorch\n%s\n", classes[t->dtype]);
    pickle_text(b, digits);
    pickle_text(b, "cpu");
    pickle_int(b, ae_numel(t));
    ae_bytes_add_text(b, "tQ");
    pickle_int(b, 0);
    pickle_tuple(b, t->ndim, t->shape);
    pickle_tuple(b, t->ndim, strides);
    ae_bytes_add_text(b, "\x89"
                         "ccollections\nOrderedDict\n)RtR");
}

/* The first tensor with the same memory as tensor i, for ties; i itself when there is none. */
static int first_on_memory(const ae_tensors *tensors, int i)
{
    const ae_tensor *t = ae_tensors_at(tensors, i);
    for (int k = 0; k < i && ae_numel(t) > 0 && ae_is_contiguous(t); k++) {
        const ae_tensor *o = ae_tensors_at(tensors, k);
        if (o->data == t->data && o->dtype == t->dtype && ae_numel(o) == ae_numel(t) && ae_is_contiguous(o)) {
            return k;
        }
    }
    return i;
}

static int make_pickle(ae_bytes *b, const ae_tensors *tensors, ae_err *e)
{
    ae_bytes_add_text(b, "\x80\x02"
                         "ccollections\nOrderedDict\n)R(");
    for (int i = 0; i < ae_tensors_count(tensors); i++) {
        pickle_text(b, ae_tensors_name(tensors, i));
        pickle_tensor(b, ae_tensors_at(tensors, i), first_on_memory(tensors, i));
    }
    ae_bytes_add_text(b, "u.");
    return b->failed ? ae_err_set(e, AE_E_MEMORY, "no memory for a pickle") : 0;
}

static int write_members(ae_zip_writer *w, const ae_tensors *tensors, const ae_bytes *pickle, ae_err *e)
{
    if (ae_zip_add(w, "archive/data.pkl", pickle->data, pickle->length, NULL, 0, e) != 0) {
        return -1;
    }
    for (int i = 0; i < ae_tensors_count(tensors); i++) {
        if (first_on_memory(tensors, i) != i) {
            continue;
        }
        char name[32];
        snprintf(name, sizeof name, "archive/data/%d", i);
        ae_tensor *made = NULL;
        const ae_tensor *t = ae_dense_for_file(ae_tensors_at(tensors, i), &made, e);
        int result = t ? ae_zip_add(w, name, NULL, 0, t->data, (size_t)ae_numel(t) * ae_dtype_size(t->dtype), e) : -1;
        ae_tensor_free(made);
        if (result != 0) {
            return -1;
        }
    }
    return ae_zip_add(w, "archive/version", "3\n", 2, NULL, 0, e) != 0 ? -1 : ae_zip_finish(w, e);
}

int ae_torch_write_with(const char *path, const ae_tensors *tensors, const ae_file_calls *calls, ae_err *e)
{
    ae_err own = {0};
    ae_bytes pickle = {0};
    int result = -1;
    if (ae_check_names_for_file(tensors, &own) == 0 && make_pickle(&pickle, tensors, &own) == 0) {
        ae_atomic_file *f = ae_atomic_open_with(path, calls, e);
        ae_zip_writer w = {.file = f};
        if (f && write_members(&w, tensors, &pickle, e) == 0) {
            result = ae_atomic_commit(f, e);
        } else {
            ae_atomic_abort(f);
        }
        ae_zip_writer_free(&w);
    }
    if (own.code != AE_OK) {
        ae_err_set(e, own.code, "%s: %s", path, own.message);
    }
    ae_bytes_free(&pickle);
    return result;
}

int ae_torch_write(const char *path, const ae_tensors *tensors, ae_err *e)
{
    return ae_torch_write_with(path, tensors, NULL, e);
}
