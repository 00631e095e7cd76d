/* Cases of one forward and backward. */
#include "apps/parity_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ae_parity_build(const ae_case *c, ae_parity_model *p, ae_err *e)
{
    const char *class_name = ae_json_need_string(c->meta, "class", e);
    memset(p, 0, sizeof *p);
    if (!class_name) {
        return -1;
    }
    p->row = ae_zoo_find(class_name);
    if (!p->row) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s: no model of the class %s (`aesop list models` shows all)", c->dir,
                          class_name);
    }
    if (!c->config || !c->model) {
        return ae_err_set(e, AE_E_MISSING, "%s: config.json and model.safetensors are needed", c->dir);
    }
    p->root = ae_model_new(1);
    p->self = calloc(1, p->row->size);
    p->graph = ae_graph_new();
    if (!p->root || !p->self || !p->graph) {
        ae_parity_free(p);
        return ae_err_set(e, AE_E_MEMORY, "no memory for %s", class_name);
    }
    ae_graph_precision(p->graph, c->precision);
    p->row->build(p->root, p->self, c->config, p->row->kind);
    if (!ae_model_ok(p->root)) {
        ae_err_set(e, ae_model_error(p->root)->code, "%s: %s", c->dir, ae_model_error(p->root)->message);
    } else {
        ae_parity_load(c, p->root, e);
    }
    if (e->code) {
        ae_parity_free(p);
        return -1;
    }
    return 0;
}

int ae_parity_load(const ae_case *c, ae_model *root, ae_err *e)
{
    static const ae_load_options options = {.optional = "pooler.*"};
    return ae_model_load(root, c->model, &options, NULL, e);
}

void ae_parity_free(ae_parity_model *p)
{
    ae_model_free(p->root);
    ae_graph_free(p->graph);
    free(p->self);
    memset(p, 0, sizeof *p);
}

int ae_parity_put(ae_tensors *outputs, const char *prefix, const char *name, const ae_tensor *value,
                  const ae_tensor *like, ae_err *e)
{
    char full[768];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    if (value) {
        return ae_tensors_add_copy(outputs, full, value, e);
    }
    return ae_tensors_add(outputs, full, ae_tensor_new(like->dtype, like->ndim, like->shape, e), e);
}

static int put_gradients(const ae_model *root, ae_tensors *outputs, ae_err *e)
{
    for (int i = 0; i < ae_model_count(root); i++) {
        ae_param_info p = ae_model_at(root, i);
        if (!p.is_buffer && ae_parity_put(outputs, "grad.", p.name, p.tensor->grad, p.tensor, e) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What a user sees: every output, observed, and the loss beside them. */
static void run_outputs(const ae_case *c, ae_parity_model *p, bool packed, ae_tensors *outputs)
{
    ae_io io = {p->graph, c->inputs, outputs, packed, false};
    ae_graph_observe(p->graph, outputs);
    ae_graph_begin(p->graph, AE_GRAD);
    ae_tensor *loss = p->row->run(p->self, &io);
    if (loss) {
        ae_io_put(&io, "loss", loss);
    }
    ae_graph_observe(p->graph, NULL);
}

/* What training computes: the gradients of the loss alone. */
static void run_training(const ae_case *c, ae_parity_model *p, bool packed, ae_tensors *outputs, ae_err *e)
{
    ae_graph *g = p->graph;
    ae_io io = {g, c->inputs, outputs, packed, true};
    ae_graph_begin(g, AE_GRAD);
    ae_tensor *loss = p->row->run(p->self, &io);
    if (loss && ae_backward(g, loss, 0) == 0) {
        put_gradients(p->root, outputs, e);
    }
}

int ae_case_run_model(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e)
{
    ae_parity_model p;
    if (ae_parity_build(c, &p, e) != 0) {
        return -1;
    }
    run_outputs(c, &p, packed, outputs);
    if (ae_ok(p.graph)) {
        run_training(c, &p, packed, outputs, e);
    }
    if (!ae_ok(p.graph)) {
        ae_err_set(e, ae_graph_error(p.graph)->code, "%s: %s", c->dir, ae_graph_error(p.graph)->message);
    }
    ae_parity_free(&p);
    return e->code ? -1 : 0;
}
