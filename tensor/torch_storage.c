#include "tensor/torch_storage.h"

#include "tensor/file_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ae_torch_describe(const ae_pickle_value *persistent, ae_torch_element *element, const ae_pickle_value **key,
                      int64_t *count, ae_err *e)
{
    static const struct {
        const char *class;
        ae_torch_element element;
    } table[] = {
        {"FloatStorage", {AE_F32, 4}},     {"DoubleStorage", {AE_F64, 8}}, {"HalfStorage", {AE_F16, 2}},
        {"BFloat16Storage", {AE_BF16, 2}}, {"LongStorage", {AE_I64, 8}},   {"IntStorage", {AE_I32, 4}},
        {"ShortStorage", {AE_I32, 2}},     {"CharStorage", {AE_I8, 1}},    {"ByteStorage", {AE_U8, 1}},
        {"BoolStorage", {AE_BOOL, 1}},
    };
    const ae_pickle_value *id = persistent->kind == AE_PICKLE_PERSISTENT ? persistent->args : NULL;
    if (!id || id->kind != AE_PICKLE_TUPLE || id->count < 5 || !ae_pickle_text_is(id->items[0], "storage") ||
        id->items[1]->kind != AE_PICKLE_GLOBAL || id->items[2]->kind != AE_PICKLE_TEXT ||
        id->items[4]->kind != AE_PICKLE_INT || id->items[4]->integer < 0) {
        return ae_err_set(e, AE_E_FORMAT, "a tensor without a proper storage");
    }
    if (id->count > 5 && id->items[5]->kind != AE_PICKLE_NONE) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "a storage that is a view of another one; save the file with a later PyTorch");
    }
    const ae_pickle_value *class = id->items[1];
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (ae_pickle_is_global(class, "torch", table[i].class) ||
            ae_pickle_is_global(class, "torch.cuda", table[i].class)) {
            *element = table[i].element;
            *key = id->items[2];
            *count = id->items[4]->integer;
            return 0;
        }
    }
    char name[256];
    return ae_err_set(e, AE_E_UNSUPPORTED, "storages of class %s are not supported",
                      ae_pickle_global_text(class, name, sizeof name));
}

static const ae_torch_storage *look_up(const ae_torch_storages *s, const ae_pickle_value *key)
{
    for (size_t i = 0; i < s->count; i++) {
        if (ae_pickle_text_is(key, s->list[i].key)) {
            return &s->list[i];
        }
    }
    return NULL;
}

int ae_torch_add(ae_torch_storages *s, const ae_pickle_value *key, ae_storage *data, size_t offset, size_t bytes,
                 size_t width, ae_err *e)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 64;
        ae_torch_storage *list = realloc(s->list, capacity * sizeof *list);
        if (!list) {
            return ae_err_set(e, AE_E_MEMORY, "no memory for %zu storages", capacity);
        }
        s->list = list;
        s->capacity = capacity;
    }
    const char *first = (const char *)ae_storage_data(data) + offset;
    ae_torch_storage x = {strndup(key->text, key->length), data, offset, bytes};
    if (!x.key) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the name of a storage");
    }
    if ((uintptr_t)first % width != 0) {
        x.data = ae_copy_bytes(first, bytes, e);
        x.offset = 0;
    } else {
        ae_storage_hold(data);
    }
    if (!x.data) {
        free(x.key);
        return -1;
    }
    s->list[s->count++] = x;
    return 0;
}

const ae_torch_storage *ae_torch_find(ae_torch_storages *s, const ae_pickle_value *key, ae_err *e)
{
    const ae_torch_storage *found = look_up(s, key);
    if (found) {
        return found;
    }
    char name[512];
    int length = key->length < 200 ? (int)key->length : 200;
    snprintf(name, sizeof name, "%.200s/data/%.*s", s->prefix ? s->prefix : "", length, key->text);
    int member = s->zip ? ae_zip_find(s->zip, name) : -1;
    if (member < 0) {
        ae_err_set(e, AE_E_FORMAT, "the storage \"%.*s\" is not in the file", length, key->text);
        return NULL;
    }
    size_t offset = 0, bytes = 0;
    ae_storage *data = ae_zip_content(s->zip, member, &offset, &bytes, e);
    int result = data ? ae_torch_add(s, key, data, offset, bytes, 8, e) : -1;
    ae_storage_drop(data);
    return result == 0 ? &s->list[s->count - 1] : NULL;
}

void ae_torch_storages_free(ae_torch_storages *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->list[i].key);
        ae_storage_drop(s->list[i].data);
    }
    free(s->list);
    free(s->prefix);
    ae_zip_free(s->zip);
    *s = (ae_torch_storages){0};
}
