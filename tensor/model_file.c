#include "tensor/model_file_internal.h"

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

int ae_h5_write_json(ae_h5 *f, const char *name, const ae_json *value, ae_err *e)
{
    char *text = ae_json_text(value, true, e);
    int result = text ? ae_h5_write_text(f, name, text, e) : -1;
    free(text);
    return result;
}

ae_json *ae_h5_read_json(ae_h5 *f, const char *name, ae_err *e)
{
    char *text = ae_h5_read_text(f, name, e);
    if (!text) {
        return NULL;
    }
    ae_err own = {0};
    ae_json *value = ae_json_parse(text, strlen(text), &own);
    free(text);
    if (!value) {
        ae_err_set(e, own.code, "section %s: %s", name, own.message);
    }
    return value;
}

ae_h5 *ae_model_file_create_as(const char *path, int64_t format, const char *model, const char *plugin,
                               const ae_json *config, ae_err *e)
{
    ae_h5 *f = ae_h5_create(path, e);
    if (!f) {
        return NULL;
    }
    if (ae_h5_write_attribute_int(f, "/", "aesop_format", format, e) != 0 ||
        ae_h5_write_attribute(f, "/", "model", model, e) != 0 ||
        ae_h5_write_attribute(f, "/", "writer", "aesop " AE_VERSION, e) != 0 ||
        (plugin && ae_h5_write_attribute(f, "/", "plugin", plugin, e) != 0) ||
        ae_h5_write_json(f, "config", config, e) != 0) {
        ae_h5_close(f);
        return NULL;
    }
    return f;
}

ae_h5 *ae_model_file_create(const char *path, const char *model, const char *plugin, const ae_json *config, ae_err *e)
{
    return ae_model_file_create_as(path, AE_MODEL_FORMAT, model, plugin, config, e);
}

static int read_info(ae_h5 *f, const char *path, int64_t newest, ae_model_info *info, ae_err *e)
{
    if (!ae_h5_has_attribute(f, "/", "aesop_format")) {
        return ae_err_set(e, AE_E_FORMAT,
                          "%s: an HDF5 file, but not a model written by Aesop: the attribute aesop_format is missing",
                          path);
    }
    if (ae_h5_read_attribute_int(f, "/", "aesop_format", &info->format, e) != 0) {
        return -1;
    }
    info->writer = ae_h5_read_attribute(f, "/", "writer", NULL);
    if (info->format < 1 || info->format > newest) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "%s: the model file has format %lld, written by %s; aesop %s reads formats 1 to %lld%s", path,
                          (long long)info->format, info->writer ? info->writer : "an unknown program", ae_version(),
                          (long long)newest, info->format > newest ? "; use a newer aesop" : "");
    }
    info->model = ae_h5_read_attribute(f, "/", "model", e);
    if (ae_h5_has_attribute(f, "/", "plugin")) {
        info->plugin = ae_h5_read_attribute(f, "/", "plugin", e);
        return info->model && info->plugin ? 0 : -1;
    }
    return info->model ? 0 : -1;
}

ae_h5 *ae_model_file_open_as(const char *path, int64_t newest, ae_model_info *info, ae_err *e)
{
    *info = (ae_model_info){0};
    ae_h5 *f = ae_h5_open(path, e);
    if (f && read_info(f, path, newest, info, e) != 0) {
        ae_h5_close(f);
        return NULL;
    }
    return f;
}

ae_h5 *ae_model_file_open(const char *path, ae_model_info *info, ae_err *e)
{
    return ae_model_file_open_as(path, AE_MODEL_FORMAT, info, e);
}

ae_json *ae_model_file_config(ae_h5 *f, ae_err *e)
{
    return ae_h5_read_json(f, "config", e);
}

void ae_model_info_free(ae_model_info *info)
{
    free(info->model);
    free(info->plugin);
    free(info->writer);
    *info = (ae_model_info){0};
}
