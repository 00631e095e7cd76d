/* Internal to apps/: what the kinds of parity cases share. */
#ifndef AE_APPS_PARITY_INTERNAL_H
#define AE_APPS_PARITY_INTERNAL_H

#include "apps/parity.h"
#include "zoo/zoo.h"

/* A case's model, built and loaded. */
typedef struct ae_parity_model {
    const ae_zoo_model *row;
    ae_model *root;
    void *self;
    ae_graph *graph;
} ae_parity_model;

int ae_parity_build(const ae_case *c, ae_parity_model *p, ae_err *e);
void ae_parity_free(ae_parity_model *p);

/* Loads c->model into root: every parameter must be there, and nothing else; only a bare encoder may lack its
 * pooler, which no output is asked of then. */
int ae_parity_load(const ae_case *c, ae_model *root, ae_err *e);

/* Adds a copy of value under prefix and name; zeros like `like` when value is NULL. */
int ae_parity_put(ae_tensors *outputs, const char *prefix, const char *name, const ae_tensor *value,
                  const ae_tensor *like, ae_err *e);

#endif
