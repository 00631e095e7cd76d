/* Recipes: a model of a known size with the hyperparameters that its paper or release trains it with, so that nobody
 * needs to know them. A recipe is the weakest source of values: configuration files and the command line come above it.
 */
#ifndef AE_APPS_RECIPES_H
#define AE_APPS_RECIPES_H

#include "tensor/json.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_recipe {
    const char *name;      /* "bert-base" */
    const char *family;    /* of the zoo's list: "bert" */
    const char *objective; /* what it is pretrained on: "mlm_nsp", "mlm", "lm"; "classes" for models of labels alone */
    const char *config;    /* JSON: the model's configuration */
    const char *pretrain;  /* options as "lr=1e-4 batch=32"; NULL: none */
    const char *finetune;
    const char *about; /* one line: size and source */
} ae_recipe;

AE_API const ae_recipe *ae_recipe_at(int i); /* NULL behind the last */

/* The recipe of a name; NULL and e, with the nearest name, when there is none. */
AE_API const ae_recipe *ae_recipe_find(const char *name, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
