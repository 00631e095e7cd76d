#include "zoo/zoo.h"
#include "zoo/bert.h"
#include "zoo/composed.h"
#include "zoo/gpt2.h"
#include "zoo/infersent.h"

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
    if (!ae_ok(io->graph) || io->loss_only) {
        return;
    }
    ae_tensor *copy = ae_tensor_new(t->dtype == AE_BF16 ? AE_F32 : t->dtype, t->ndim, t->shape, &e);
    if (copy && ae_tensor_copy(copy, t, &e) != 0) {
        ae_tensor_free(copy);
        copy = NULL;
    }
    if (!copy || ae_tensors_add(io->outputs, name, copy, &e) != 0) {
        ae_fail(io->graph, e.code, "output %s: %s", name, e.message);
    }
}

ae_tensor *ae_io_probe(ae_io *io, ae_tensor *output, const char *weight_name)
{
    ae_frame f = ae_frame_open(io->graph);
    ae_tensor *weighted = ae_mul(io->graph, output, ae_io_get(io, weight_name));
    return ae_frame_return(f, ae_sum(io->graph, weighted, 0, NULL, false));
}

void ae_problem_read(const ae_json *config, ae_problem *problem, int64_t *num_labels, ae_err *e)
{
    const ae_json *kind = ae_json_get(config, "problem_type");
    const char *name = ae_json_is_null(kind) ? "" : ae_json_string(config, "problem_type", "", e);
    int listed = ae_json_count(ae_json_get(config, "id2label"));
    *num_labels = ae_json_int(config, "num_labels", listed > 0 ? listed : 2, e);
    *problem = AE_ONE_LABEL;
    if (name && strcmp(name, "multi_label_classification") == 0) {
        *problem = AE_MANY_LABELS;
    } else if (name && strcmp(name, "regression") == 0) {
        *problem = AE_REGRESSION;
    } else if (name && !*name && *num_labels == 1) {
        *problem = AE_REGRESSION;
    } else if (name && *name && strcmp(name, "single_label_classification") != 0) {
        ae_err_set(e, AE_E_VALUE,
                   "problem_type is \"%s\"; single_label_classification, multi_label_classification and "
                   "regression exist",
                   name);
    }
    if (*num_labels < 1) {
        ae_err_set(e, AE_E_VALUE, "num_labels is %lld; at least one label is needed", (long long)*num_labels);
    }
}

ae_tensor *ae_problem_loss(ae_graph *g, ae_problem problem, ae_tensor *logits, ae_tensor *labels)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    switch (problem == AE_ONE_LABEL && ae_dtype_is_float(labels->dtype) ? AE_MANY_LABELS : problem) {
    case AE_REGRESSION:
        return ae_mse_loss(g, ae_reshape(g, logits, labels->ndim, labels->shape), labels, AE_REDUCE_MEAN);
    case AE_MANY_LABELS:
        return ae_binary_cross_entropy_with_logits(g, logits, labels, NULL, AE_REDUCE_MEAN);
    default:
        return ae_cross_entropy(g, logits, labels, NULL);
    }
}

/* Cross-entropy of positions in 0..T-1; what lies outside does not count. */
static ae_tensor *position_loss(ae_graph *g, ae_tensor *logits, ae_tensor *positions)
{
    ae_cross_entropy_options o = {.ignore_index = ae_dim(logits, 1)};
    ae_tensor *top = ae_scalar(g, positions->dtype, (double)o.ignore_index);
    positions = ae_maximum(g, positions, ae_scalar(g, positions->dtype, 0));
    return ae_cross_entropy(g, logits, ae_minimum(g, positions, top), &o);
}

ae_tensor *ae_io_spans(ae_io *io, ae_tensor *logits)
{
    ae_graph *g = io->graph;
    ae_tensor *start = ae_squeeze(g, ae_slice(g, logits, -1, 0, 1, 1), -1);
    ae_tensor *end = ae_squeeze(g, ae_slice(g, logits, -1, 1, 2, 1), -1);
    ae_io_put(io, "start_logits", start);
    ae_io_put(io, "end_logits", end);
    ae_tensor *from = ae_io_optional(io, "start_positions"), *to = ae_io_optional(io, "end_positions");
    if (!from || !to || !ae_ok(g)) {
        return NULL;
    }
    return ae_scale(g, ae_add(g, position_loss(g, start, from), position_loss(g, end, to)), 0.5);
}

/* One line a file of models. */
static const struct {
    const ae_zoo_model *models;
    const int *count;
} families[] = {
    {ae_bert_models, &ae_bert_model_count},
    {ae_infersent_models, &ae_infersent_model_count},
    {ae_gpt2_models, &ae_gpt2_model_count},
    {ae_composed_models, &ae_composed_model_count},
};

enum { FAMILIES = sizeof families / sizeof families[0] };

bool ae_zoo_recomputes(const void *self)
{
    (void)self;
    return true;
}

int ae_zoo_recompute(const ae_zoo_model *row, const void *self, ae_graph *g, ae_err *e)
{
    if (!row->recomputes || !row->recomputes(self)) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "%s as it is configured cannot recompute its layers in backward; BERT, GPT-2 and the "
                          "composed encoder transformer without has_residual_attention can",
                          row->class_name);
    }
    ae_graph_recompute(g, true);
    return 0;
}

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

/* Whether name is one of the words of a dotted path: "transformers.BertModel", "GPT2LMHeadModel.generate". */
static bool names(const char *path, const char *name)
{
    size_t n = strlen(name);
    for (;;) {
        size_t word = strcspn(path, ".");
        if (word == n && strncmp(path, name, n) == 0) {
            return true;
        }
        if (!path[word]) {
            return false;
        }
        path += word + 1;
    }
}

const ae_zoo_model *ae_zoo_find(const char *class_name)
{
    const ae_zoo_model *model;
    for (int i = 0; (model = ae_zoo_at(i)) != NULL; i++) {
        if (names(class_name, model->class_name) || (model->alias && names(class_name, model->alias))) {
            return model;
        }
    }
    return NULL;
}

const ae_zoo_model *ae_zoo_for_texts(const char *family, const char *objective, int texts)
{
    const ae_zoo_model *model;
    for (int i = 0; (model = ae_zoo_at(i)) != NULL; i++) {
        if (model->objective && strcmp(model->name, family) == 0 && strcmp(model->objective, objective) == 0 &&
            (!texts || !model->texts || model->texts == texts)) {
            return model;
        }
    }
    return NULL;
}

const ae_zoo_model *ae_zoo_for(const char *family, const char *objective)
{
    return ae_zoo_for_texts(family, objective, 0);
}
