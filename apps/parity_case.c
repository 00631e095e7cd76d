#include "apps/parity.h"
#include "tensor/safetensors.h"
#include "zoo/zoo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static int path_of(char path[PATH_BYTES], const char *dir, const char *file, ae_err *e)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", dir, file);
    return n > 0 && n < PATH_BYTES ? 0 : ae_err_set(e, AE_E_VALUE, "the path %s is too long", dir);
}

static ae_json *json_file(const char *dir, const char *file, bool needed, ae_err *e)
{
    char path[PATH_BYTES];
    if (path_of(path, dir, file, e) != 0 || (!needed && access(path, F_OK) != 0)) {
        return NULL;
    }
    return ae_json_read_file(path, e);
}

static ae_tensors *tensor_file(const char *dir, const char *file, bool needed, ae_err *e)
{
    char path[PATH_BYTES];
    if (path_of(path, dir, file, e) != 0 || (!needed && access(path, F_OK) != 0)) {
        return NULL;
    }
    return ae_safetensors_read(path, NULL, e);
}

ae_case *ae_case_read(const char *dir, ae_err *e)
{
    ae_err local = {0};
    e = e ? e : &local;
    ae_case *c = calloc(1, sizeof *c);
    if (!c || !(c->dir = strdup(dir))) {
        free(c);
        ae_err_set(e, AE_E_MEMORY, "no memory for the case %s", dir);
        return NULL;
    }
    c->precision = AE_F32;
    c->meta = json_file(dir, "meta.json", true, e);
    c->config = e->code ? NULL : json_file(dir, "config.json", false, e);
    c->expected = e->code ? NULL : tensor_file(dir, "expected.safetensors", true, e);
    c->inputs = e->code ? NULL : tensor_file(dir, "inputs.safetensors", true, e);
    c->model = e->code ? NULL : tensor_file(dir, "model.safetensors", false, e);
    if (e->code) {
        ae_case_free(c);
        return NULL;
    }
    return c;
}

void ae_case_free(ae_case *c)
{
    if (!c) {
        return;
    }
    free(c->dir);
    ae_json_free(c->meta);
    ae_json_free(c->config);
    ae_tensors_free(c->model);
    ae_tensors_free(c->inputs);
    ae_tensors_free(c->expected);
    free(c);
}

const char *ae_case_kind(const ae_case *c)
{
    const char *kind = ae_json_string(c->meta, "kind", NULL, NULL);
    return kind ? kind : "model";
}

bool ae_case_packs(const ae_case *c)
{
    const char *class_name = ae_json_string(c->meta, "class", NULL, NULL);
    const ae_zoo_model *model = class_name ? ae_zoo_find(class_name) : NULL;
    const ae_tensor *ids = ae_tensors_get(c->inputs, "input_ids"), *mask = ae_tensors_get(c->inputs, "attention_mask");
    bool of_tokens = ids && mask && ids->ndim == mask->ndim; /* rather than of pairs of query and key */
    return model && model->packs && of_tokens && strcmp(ae_case_kind(c), "model") == 0;
}

int ae_case_run(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e)
{
    static const struct {
        const char *kind;
        int (*run)(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e);
    } kinds[] = {
        {"model", ae_case_run_model},         {"steps", ae_case_run_steps},       {"decode", ae_case_run_decode},
        {"optimizer", ae_case_run_optimizer}, {"schedule", ae_case_run_schedule},
    };
    const char *kind = ae_case_kind(c);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            return kinds[i].run(c, packed, outputs, e);
        }
    }
    return ae_err_set(e, AE_E_UNSUPPORTED, "%s: cases of the kind \"%s\" are not known to this version", c->dir, kind);
}
