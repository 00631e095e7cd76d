#include "zoo/zoo.h"
#include "zoo/bert.h"

#include <string.h>

ae_tensor *ae_io_optional(ae_io *io, const char *name)
{
    const ae_tensor *t = ae_tensors_get(io->inputs, name);
    return t ? ae_input(io->graph, t) : NULL;
}

ae_tensor *ae_io_get(ae_io *io, const char *name)
{
    ae_tensor *t = ae_io_optional(io, name);
    return t ? t : ae_fail(io->graph, AE_E_MISSING, "the inputs hold no %s", name);
}

void ae_io_put(ae_io *io, const char *name, const ae_tensor *t)
{
    ae_err e = {0};
    if (ae_ok(io->graph) && ae_tensors_add_copy(io->outputs, name, t, &e) != 0) {
        ae_fail(io->graph, e.code, "output %s: %s", name, e.message);
    }
}

ae_tensor *ae_io_probe(ae_io *io, ae_tensor *output, const char *weight_name)
{
    ae_frame f = ae_frame_open(io->graph);
    ae_tensor *weighted = ae_mul(io->graph, output, ae_io_get(io, weight_name));
    return ae_frame_return(f, ae_sum(io->graph, weighted, 0, NULL, false));
}

/* One line a file of models. */
static const struct {
    const ae_zoo_model *models;
    const int *count;
} families[] = {
    {ae_bert_models, &ae_bert_model_count},
};

enum { FAMILIES = sizeof families / sizeof families[0] };

const ae_zoo_model *ae_zoo_at(int i)
{
    for (int f = 0; i >= 0 && f < FAMILIES; f++) {
        if (i < *families[f].count) {
            return &families[f].models[i];
        }
        i -= *families[f].count;
    }
    return NULL;
}

const ae_zoo_model *ae_zoo_find(const char *class_name)
{
    const char *dot = strrchr(class_name, '.');
    const ae_zoo_model *model;
    for (int i = 0; (model = ae_zoo_at(i)) != NULL; i++) {
        if (strcmp(model->class_name, dot ? dot + 1 : class_name) == 0) {
            return model;
        }
    }
    return NULL;
}
