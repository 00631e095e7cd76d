#include "apps/weights.h"
#include "tensor/model_file.h"
#include "tensor/npy.h"
#include "tensor/safetensors.h"
#include "tensor/sharded.h"
#include "tensor/torch_file.h"
#include "zoo/composed.h"
#include "zoo/uer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static const struct {
    const char *name, *about;
} formats[] = {
#define FORMAT_ROW(symbol, name, about) {name, about},
    AE_WEIGHT_FORMATS(FORMAT_ROW)
#undef FORMAT_ROW
};

const char *ae_weights_format_name(ae_weights_format format)
{
    return (unsigned)format < AE_WEIGHTS_FORMAT_COUNT ? formats[format].name : NULL;
}

const char *ae_weights_format_about(ae_weights_format format)
{
    return (unsigned)format < AE_WEIGHTS_FORMAT_COUNT ? formats[format].about : NULL;
}

static int joined(char path[PATH_BYTES], const char *dir, const char *file, ae_err *e)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", dir, file);
    return n > 0 && n < PATH_BYTES ? 0 : ae_err_set(e, AE_E_VALUE, "the path %s is too long", dir);
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* The first of "architectures", as Hugging Face writes it. */
static void class_from_config(ae_weights *w)
{
    const ae_json *list = w->config ? ae_json_get(w->config, "architectures") : NULL;
    const char *name = NULL;
    if (list && ae_json_count(list) > 0 && ae_json_value_string(ae_json_at(list, 0), &name, NULL) == 0) {
        snprintf(w->class_name, sizeof w->class_name, "%s", name);
    }
}

static int read_folder(const char *dir, ae_weights *w, ae_err *e)
{
    static const char *const files[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                        "pytorch_model.bin.index.json"};
    char path[PATH_BYTES];
    w->format = AE_WEIGHTS_HF;
    if (joined(path, dir, "config.json", e) != 0) {
        return -1;
    }
    if (access(path, F_OK) == 0) {
        w->config = ae_json_read_file(path, e);
        class_from_config(w);
    }
    for (int i = 0; i < 4 && !e->code; i++) {
        if (joined(path, dir, files[i], e) == 0 && access(path, F_OK) == 0) {
            w->tensors = ae_tensors_read_file(path, e);
            return w->tensors ? 0 : -1;
        }
    }
    return ae_err_set(e, AE_E_MISSING,
                      "%s: a folder without model.safetensors, model.safetensors.index.json or "
                      "pytorch_model.bin",
                      dir);
}

static int read_model_file(const char *path, ae_weights *w, ae_err *e)
{
    ae_model_info info = {0};
    ae_err own = {0};
    w->format = AE_WEIGHTS_H5;
    ae_h5 *f = ae_model_file_open(path, &info, &own);
    if (!f && own.code == AE_E_FORMAT) {
        w->tensors = ae_hdf5_read(path, NULL, '.', e); /* an HDF5 file of another kind: its tensors alone */
    } else if (!f) {
        ae_err_set(e, own.code, "%s", own.message);
    } else {
        snprintf(w->class_name, sizeof w->class_name, "%s", info.model ? info.model : "");
        snprintf(w->plugin, sizeof w->plugin, "%s", info.plugin ? info.plugin : "");
        w->config = ae_model_file_config(f, e);
        w->tensors = ae_h5_read_tensors(f, "weights", '.', e);
    }
    ae_h5_close(f);
    ae_model_info_free(&info);
    return w->tensors ? 0 : -1;
}

/* A configuration beside a file: <path without ending>.json, or config.json in the same folder. */
static void config_beside(const char *path, ae_weights *w)
{
    char beside[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) : 1;
    if (snprintf(beside, sizeof beside, "%.*s/config.json", n, slash ? path : ".") < PATH_BYTES &&
        access(beside, F_OK) == 0) {
        w->config = ae_json_read_file(beside, NULL);
        class_from_config(w);
    }
}

static int read_file(const char *path, ae_weights *w, ae_err *e)
{
    unsigned char head[8] = {0};
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f) {
        fclose(f);
    }
    if (n == 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0) {
        return read_model_file(path, w, e);
    }
    const char *ending = strrchr(path, '.');
    bool npz = ending && strcmp(ending, ".npz") == 0;
    bool torch = (n >= 2 && head[0] == 'P' && head[1] == 'K') || (n >= 1 && head[0] == 0x80);
    w->format = npz ? AE_WEIGHTS_NPZ : torch ? AE_WEIGHTS_TORCH : AE_WEIGHTS_SAFETENSORS;
    w->tensors = ae_tensors_read_file(path, e);
    config_beside(path, w);
    return w->tensors ? 0 : -1;
}

int ae_weights_read(const char *path, ae_weights *w, ae_err *e)
{
    struct stat s;
    memset(w, 0, sizeof *w);
    if (stat(path, &s) != 0) {
        return ae_err_set(e, AE_E_MISSING, "%s: cannot be opened: %s", path, strerror(errno));
    }
    return S_ISDIR(s.st_mode) ? read_folder(path, w, e) : read_file(path, w, e);
}

void ae_weights_free(ae_weights *w)
{
    ae_json_free(w->config);
    ae_tensors_free(w->tensors);
    memset(w, 0, sizeof *w);
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

int ae_weights_format_of(const char *path, const char *to, ae_weights_format *format, ae_err *e)
{
    static const struct {
        const char *ending;
        ae_weights_format format;
    } endings[] = {
        {"h5", AE_WEIGHTS_H5},     {"hdf5", AE_WEIGHTS_H5},  {"safetensors", AE_WEIGHTS_SAFETENSORS},
        {"bin", AE_WEIGHTS_TORCH}, {"pt", AE_WEIGHTS_TORCH}, {"pth", AE_WEIGHTS_TORCH},
        {"npz", AE_WEIGHTS_NPZ},
    };
    for (int i = 0; to && i < AE_WEIGHTS_FORMAT_COUNT; i++) {
        if (strcmp(to, formats[i].name) == 0) {
            *format = (ae_weights_format)i;
            return 0;
        }
    }
    if (to) {
        return ae_err_set(e, AE_E_VALUE, "no format is called \"%s\"; h5, hf, safetensors, bin and npz are", to);
    }
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    for (size_t i = 0; dot && (!slash || dot > slash) && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcmp(dot + 1, endings[i].ending) == 0) {
            *format = endings[i].format;
            return 0;
        }
    }
    return ae_err_set(e, AE_E_VALUE, "%s: the ending names no format; give --to h5|hf|safetensors|bin|npz", path);
}

static int write_model_file(const char *path, const ae_weights *w, ae_err *e)
{
    if (!*w->class_name || !w->config) {
        return ae_hdf5_write(path, w->tensors, false, e); /* nothing says what it is: plain tensors */
    }
    ae_h5 *f = ae_model_file_create(path, w->class_name, *w->plugin ? w->plugin : NULL, w->config, e);
    if (!f) {
        return -1;
    }
    if (ae_h5_write_tensors(f, "weights", w->tensors, e) != 0) {
        ae_h5_close(f);
        return -1;
    }
    return ae_h5_commit(f, e);
}

static int write_folder(const char *dir, const ae_weights *w, ae_err *e)
{
    char path[PATH_BYTES];
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        return ae_err_set(e, AE_E_IO, "%s: the folder cannot be made: %s", dir, strerror(errno));
    }
    if (w->config && (joined(path, dir, "config.json", e) != 0 || ae_json_write_file(w->config, path, e) != 0)) {
        return -1;
    }
    ae_json *metadata = ae_json_new_object(); /* Hugging Face's loader asks for it */
    ae_json_set_string(metadata, "format", "pt");
    int status =
        joined(path, dir, "model.safetensors", e) == 0 ? ae_safetensors_write(path, w->tensors, metadata, e) : -1;
    ae_json_free(metadata);
    return status;
}

int ae_weights_write(const char *path, ae_weights_format format, const ae_weights *w, ae_err *e)
{
    switch (format) {
    case AE_WEIGHTS_H5:
        return write_model_file(path, w, e);
    case AE_WEIGHTS_HF:
        return write_folder(path, w, e);
    case AE_WEIGHTS_TORCH:
        return ae_torch_write(path, w->tensors, e);
    case AE_WEIGHTS_NPZ:
        return ae_npz_write(path, w->tensors, e);
    default:
        return ae_safetensors_write(path, w->tensors, NULL, e);
    }
}

/* ---- through the model ------------------------------------------------------------------------------------------------ */

/* Buffers that some published files carry and no model needs. */
static const char *const buffers = "*position_ids *.attn.bias *.attn.masked_bias";

/* UER-py's heads, which a class that was asked for need not have. */
static const char *const uer_heads = "target.* output_layer*";

/* The names of the tensors that come in and go out; NULL: the model's own. */
typedef struct tables {
    const ae_rename_table *from, *to;
} tables;

static int through(const ae_zoo_model *row, ae_model *m, void *self, ae_weights *w, tables names, ae_err *e)
{
    ae_model_defer_init(m); /* the file brings every value */
    if (strcmp(row->class_name, "Composed") == 0) {
        ae_composed_build(m, self, w->config, w->encoders);
    } else {
        row->build(m, self, w->config, row->kind);
    }
    if (!ae_model_ok(m)) {
        return ae_err_set(e, ae_model_error(m)->code, "%s", ae_model_error(m)->message);
    }
    ae_load_options load = {.ignore = names.from ? uer_heads : buffers, .adopt = true};
    ae_save_options save = {.share = true, .aliases = names.to != NULL};
    if (names.from) {
        load.renames = *names.from;
    }
    if (names.to) {
        save.renames = *names.to;
    }
    ae_tensors *own = ae_tensors_new();
    if (!own || ae_model_load(m, w->tensors, &load, NULL, e) != 0 || ae_model_save(m, &save, own, e) != 0) {
        ae_tensors_free(own);
        return ae_err_set(e, AE_E_MEMORY, "no memory for the weights");
    }
    ae_tensors_free(w->tensors);
    w->tensors = own;
    return 0;
}

static int normalise(ae_weights *w, tables names, ae_err *e)
{
    const ae_zoo_model *row = *w->class_name ? ae_zoo_find(w->class_name) : NULL;
    if (!row || !w->config) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s: %s", *w->class_name ? w->class_name : "the weights",
                          row ? "there is no config.json" : "no model of this class; `list models` shows all");
    }
    ae_model *m = ae_model_new(1);
    void *self = calloc(1, row->size);
    int status = m && self ? through(row, m, self, w, names, e) : ae_err_set(e, AE_E_MEMORY, "no memory for the model");
    ae_model_free(m);
    free(self);
    return status;
}

int ae_weights_normalise(ae_weights *w, ae_err *e)
{
    return normalise(w, (tables){0}, e);
}

/* ---- names ----------------------------------------------------------------------------------------------------------- */

static int from_uer(ae_weights *w, const char *found, ae_err *e)
{
    const char *class_name = *w->class_name ? w->class_name : found;
    const ae_rename_table *table = ae_uer_names(class_name);
    if (!table) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s: UER-py's tensors are no such model; they look like %s", class_name,
                          found);
    }
    if (!w->config) {
        return ae_err_set(e, AE_E_MISSING,
                          "the weights have UER-py's names; put its configuration beside them as "
                          "config.json");
    }
    ae_json *config = ae_uer_config_read(class_name, w->config, w->tensors, e);
    if (!config) {
        return -1;
    }
    ae_json_free(w->config);
    w->config = config;
    if (class_name == found) {
        snprintf(w->class_name, sizeof w->class_name, "%s", found);
    }
    return normalise(w, (tables){.from = table}, e);
}

static int to_uer(ae_weights *w, ae_err *e)
{
    const ae_rename_table *table = *w->class_name ? ae_uer_names(w->class_name) : NULL;
    if (!table || !w->config) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s: %s", *w->class_name ? w->class_name : "the weights",
                          table ? "there is no config.json" : "UER-py has no names for this class");
    }
    ae_json *config = ae_uer_config_write(w->class_name, w->config, e);
    if (!config || normalise(w, (tables){.to = table}, e) != 0) {
        ae_json_free(config);
        return -1;
    }
    ae_json_free(w->config);
    w->config = config;
    w->class_name[0] = '\0'; /* UER-py's files name none */
    return 0;
}

int ae_weights_rename(ae_weights *w, const char *names, ae_err *e)
{
    const char *found = ae_uer_class(w->tensors);
    bool uer = strcmp(names, "uer") == 0;
    if (uer && found) {
        return 0;
    }
    return uer ? to_uer(w, e) : found ? from_uer(w, found, e) : ae_weights_normalise(w, e);
}
