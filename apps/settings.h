/* Where the values of a run come from: preset < model file < recipe < --config FILE < command line.
 *
 * A configuration file is one JSON object. A key is the name of an option ("_" is taken for "-"); its value is a
 * number, a string, a boolean, an array for options that may be given several times, or, as --print-config writes it,
 * an object
 * {"value": ..., "origin": ...}. Further keys: "schema" and "command" (left alone) and "model_config", an object that
 * is laid over the recipe's configuration of the model. */
#ifndef AE_APPS_SETTINGS_H
#define AE_APPS_SETTINGS_H

#include "apps/app.h"
#include "apps/recipes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads every --config FILE into the options. Returns 0, or -1 and run->error. */
AE_API int ae_settings_read(ae_run *run);

/* Sets options from a recipe's text ("lr=1e-4 batch=32"); those that the command does not take are passed over. */
AE_API int ae_settings_recipe(ae_run *run, const char *text);

/* Sets options from the settings of a model file, likewise; `origin` says how strong they are: AE_ORIGIN_MODEL for a
 * start from it, AE_ORIGIN_CONFIG for going on with its run. */
AE_API int ae_settings_stored(ae_run *run, const ae_json *stored, ae_origin origin);

/* Lays "model_config" of every --config FILE, and then every --set KEY=VALUE, over a model's configuration. VALUE is
 * JSON, or else a string; KEY may be a path ("a.b"). */
AE_API int ae_settings_model(ae_run *run, ae_json *config);

/* Every value with its origin, as --print-config shows it; model_config is copied in when it is not NULL. Owned by the
 * caller. */
AE_API ae_json *ae_settings_json(const ae_run *run, const ae_json *model_config);

/* The values that were not preset, as plain members: what a model file keeps of its training. */
AE_API ae_json *ae_settings_plain(const ae_run *run);

#ifdef __cplusplus
}
#endif
#endif
