#include "tensor/sharded.h"

#include "tensor/file_map.h"
#include "tensor/hdf5_file.h"
#include "tensor/json.h"
#include "tensor/npy.h"
#include "tensor/safetensors.h"
#include "tensor/torch_file.h"
#include "tensor/zip_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one file ------------------------------------------------------------------------------------------------------ */

static ae_tensors *read_one_array(const char *path, ae_err *e)
{
    ae_tensor *t = ae_npy_read(path, e);
    ae_tensors *d = t ? ae_tensors_new() : NULL;
    if (t && !d) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for a tensor", path);
        ae_tensor_free(t);
    }
    if (d && ae_tensors_add(d, "array", t, e) != 0) {
        ae_tensors_free(d);
        d = NULL;
    }
    return d;
}

/* Of ZIP archives, those of torch.save hold a data.pkl. */
static bool is_torch_archive(ae_storage *file)
{
    ae_zip *z = ae_zip_parse(file, NULL);
    bool found = false;
    for (int i = 0; z && i < ae_zip_count(z) && !found; i++) {
        const char *name = ae_zip_name(z, i);
        size_t n = strlen(name);
        found = n >= 9 && strcmp(name + n - 9, "/data.pkl") == 0;
    }
    ae_zip_free(z);
    return found;
}

static bool begins_with(ae_storage *file, size_t at, const char *bytes, size_t count)
{
    return ae_storage_bytes(file) >= at + count && memcmp((char *)ae_storage_data(file) + at, bytes, count) == 0;
}

static ae_tensors *read_kind(ae_storage *file, const char *path, ae_err *e)
{
    if (begins_with(file, 0, "\x93NUMPY", 6)) {
        return read_one_array(path, e);
    }
    if (begins_with(file, 0, "\x89HDF\r\n\x1a\n", 8)) {
        return ae_hdf5_read(path, NULL, '/', e);
    }
    if (begins_with(file, 0, "PK\3\4", 4) || begins_with(file, 0, "PK\5\6", 4)) {
        return is_torch_archive(file) ? ae_torch_read(path, e) : ae_npz_read(path, e);
    }
    if (begins_with(file, 0, "\x80\x02\x8a\x0a", 4)) {
        return ae_torch_read(path, e);
    }
    if (begins_with(file, 8, "{", 1)) {
        return ae_safetensors_read(path, NULL, e);
    }
    if (begins_with(file, 0, "{", 1)) {
        return ae_sharded_read(path, e);
    }
    ae_err_set(e, AE_E_FORMAT,
               "%s: no file of tensors; safetensors, HDF5, files of torch.save, .npz, .npy and *.index.json are read",
               path);
    return NULL;
}

ae_tensors *ae_tensors_read_file(const char *path, ae_err *e)
{
    ae_storage *file = ae_map_file(path, e);
    ae_tensors *d = file ? read_kind(file, path, e) : NULL;
    ae_storage_drop(file);
    return d;
}

/* ---- shards ---------------------------------------------------------------------------------------------------------- */

typedef struct shard {
    const char *file; /* as the index has it */
    ae_tensors *tensors;
} shard;

typedef struct shards {
    const char *index_path;
    shard *list;
    int count;
    ae_err *e;
} shards;

/* Opens a shard by its name in the index, once; NULL and e filled on failure. */
static ae_tensors *open_shard(shards *s, const char *file)
{
    for (int i = s->count - 1; i >= 0; i--) {
        if (strcmp(s->list[i].file, file) == 0) {
            return s->list[i].tensors;
        }
    }
    size_t n = strlen(file);
    bool nested = n > 11 && strcmp(file + n - 11, ".index.json") == 0;
    if (n == 0 || strchr(file, '/') || nested) {
        ae_err_set(s->e, AE_E_FORMAT, "%s: \"%.200s\" is no name of a shard in the folder of the index", s->index_path,
                   file);
        return NULL;
    }
    shard *list = realloc(s->list, ((size_t)s->count + 1) * sizeof *list);
    s->list = list ? list : s->list;
    const char *slash = strrchr(s->index_path, '/');
    size_t folder = slash ? (size_t)(slash - s->index_path) + 1 : 0;
    char *path = malloc(folder + n + 1);
    if (!list || !path) {
        free(path);
        ae_err_set(s->e, AE_E_MEMORY, "%s: no memory for its shards", s->index_path);
        return NULL;
    }
    memcpy(path, s->index_path, folder);
    memcpy(path + folder, file, n + 1);
    ae_tensors *d = ae_tensors_read_file(path, s->e);
    free(path);
    if (d) {
        s->list[s->count++] = (shard){file, d};
    }
    return d;
}

static int take_tensor(shards *s, const char *name, const char *file, ae_tensors *into)
{
    ae_tensors *d = open_shard(s, file);
    if (!d) {
        return -1;
    }
    const ae_tensor *t = ae_tensors_get(d, name);
    if (!t) {
        return ae_err_set(s->e, AE_E_MISSING, "%s: the tensor %.200s is not in its shard %.200s", s->index_path, name,
                          file);
    }
    ae_tensor *shared = ae_tensor_share(t, s->e);
    return shared ? ae_tensors_add(into, name, shared, s->e) : -1;
}

static int read_shards(shards *s, const ae_json *index, ae_tensors *into)
{
    ae_err own = {0};
    const ae_json *map = ae_json_need_object(index, "weight_map", &own);
    for (const ae_json *m = map ? ae_json_first(map) : NULL; m; m = ae_json_next(m)) {
        const char *file = NULL;
        if (ae_json_value_string(m, &file, &own) != 0) {
            ae_err_prefix(&own, "weight_map");
            break;
        }
        if (take_tensor(s, ae_json_key(m), file, into) != 0) {
            return -1;
        }
    }
    return own.code == AE_OK ? 0 : ae_err_set(s->e, own.code, "%s: %s", s->index_path, own.message);
}

ae_tensors *ae_sharded_read(const char *index_path, ae_err *e)
{
    ae_json *index = ae_json_read_file(index_path, e);
    if (!index) {
        return NULL;
    }
    shards s = {.index_path = index_path, .e = e};
    ae_tensors *d = ae_tensors_new();
    if (!d) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for its tensors", index_path);
    } else if (read_shards(&s, index, d) != 0) {
        ae_tensors_free(d);
        d = NULL;
    }
    for (int i = 0; i < s.count; i++) {
        ae_tensors_free(s.list[i].tensors);
    }
    free(s.list);
    ae_json_free(index);
    return d;
}
