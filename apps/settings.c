#include "apps/settings.h"

#include "tensor/nearest_name.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 128 };

/* ---- values as text ---------------------------------------------------------------------------------------------------- */

/* A JSON value as the text that the command line would have; objects of --print-config give their "value". Malloc'ed.
 */
static char *text_of(const ae_json *value, ae_err *e)
{
    switch (ae_json_type_of(value)) {
    case AE_JSON_STRING: {
        const char *text = NULL;
        return ae_json_value_string(value, &text, e) == 0 ? strdup(text) : NULL;
    }
    case AE_JSON_BOOL:
    case AE_JSON_NUMBER:
        return ae_json_text(value, false, e);
    default:
        ae_err_set(e, AE_E_VALUE, "is %s; a number, a string or a boolean is wanted",
                   ae_json_type_name(ae_json_type_of(value)));
        return NULL;
    }
}

static int set_one(ae_run *run, const char *name, const ae_json *value, ae_origin origin)
{
    ae_err own = {0};
    char *text = text_of(value, &own);
    int status = -1;
    if (!text) {
        ae_err_set(&run->error, AE_E_VALUE, "%s %s", name, own.code ? own.message : "could not be read");
    } else {
        status = ae_options_set(run->options, name, text, origin, &run->error);
    }
    free(text);
    return status;
}

static bool takes_many(const ae_run *run, const char *name)
{
    for (int i = 0; i < ae_options_rows(run->options); i++) {
        const ae_option *row = ae_options_row(run->options, i);
        if (strcmp(row->name, name) == 0) {
            return row->many;
        }
    }
    return false;
}

static int set_value(ae_run *run, const char *name, const ae_json *value, ae_origin origin)
{
    if (ae_json_type_of(value) == AE_JSON_OBJECT) {
        value = ae_json_get(value, "value");
    }
    if (ae_json_is_null(value)) {
        return 0; /* nobody set it when it was printed */
    }
    if (ae_json_type_of(value) != AE_JSON_ARRAY) {
        return set_one(run, name, value, origin);
    }
    if (!takes_many(run, name)) {
        return ae_err_set(&run->error, AE_E_VALUE, "%s takes one value, not an array", name);
    }
    for (const ae_json *m = ae_json_first(value); m; m = ae_json_next(m)) {
        if (set_one(run, name, m, origin) != 0) {
            return -1;
        }
    }
    return 0;
}

static void option_name(const char *key, char name[KEY_BYTES])
{
    snprintf(name, KEY_BYTES, "%s", key);
    for (char *p = name; *p; p++) {
        *p = *p == '_' ? '-' : *p;
    }
}

/* ---- configuration files ----------------------------------------------------------------------------------------------- */

/* Keys that say how to run, not what: a file that was printed elsewhere must not bring them along. */
static bool left_alone(const char *name)
{
    static const char *const names[] = {"schema",       "command", "model-config", "config",
                                        "print-config", "dry-run", "help"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int unknown_key(ae_run *run, const char *key)
{
    const char *names[256];
    int count = 0;
    for (int i = 0; i < ae_options_rows(run->options) && count < 256; i++) {
        names[count++] = ae_options_row(run->options, i)->name;
    }
    const char *nearest = ae_nearest_name(key, names, count);
    return ae_err_set(&run->error, AE_E_UNEXPECTED, "%s has no value called \"%s\"%s%s", run->command->name, key,
                      nearest ? "; did you mean " : "", nearest ? nearest : "");
}

static int read_object(ae_run *run, const ae_json *object)
{
    if (ae_json_type_of(object) != AE_JSON_OBJECT) {
        return ae_err_set(&run->error, AE_E_FORMAT, "a configuration is an object {\"lr\": 1e-4, ...}");
    }
    for (const ae_json *m = ae_json_first(object); m; m = ae_json_next(m)) {
        char name[KEY_BYTES];
        option_name(ae_json_key(m), name);
        if (left_alone(name)) {
            continue;
        }
        if (!ae_options_has(run->options, name)) {
            return unknown_key(run, ae_json_key(m));
        }
        if (set_value(run, name, m, AE_ORIGIN_CONFIG) != 0) {
            return -1;
        }
    }
    return 0;
}

int ae_settings_read(ae_run *run)
{
    for (int i = 0; i < ae_options_count(run->options, "config"); i++) {
        const char *path = ae_options_nth(run->options, "config", i);
        run->error_file = path;
        ae_json *object = ae_json_read_file(path, &run->error);
        int status = object ? read_object(run, object) : -1;
        ae_json_free(object);
        if (status != 0) {
            return -1;
        }
        run->error_file = NULL;
    }
    return 0;
}

/* ---- recipes and model files --------------------------------------------------------------------------------------------- */

int ae_settings_recipe(ae_run *run, const char *text)
{
    char *copy = strdup(text ? text : "");
    char *rest = NULL;
    int status = copy ? 0 : ae_err_set(&run->error, AE_E_MEMORY, "no memory for a recipe");
    for (char *word = copy ? strtok_r(copy, " ", &rest) : NULL; word && status == 0;
         word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        if (value) {
            *value++ = 0;
            if (ae_options_has(run->options, word)) {
                status = ae_options_set(run->options, word, value, AE_ORIGIN_RECIPE, &run->error);
            }
        }
    }
    free(copy);
    return status;
}

/* A model file may come from anywhere: it never says which code to load. */
static bool names_code(const char *name)
{
    return strcmp(name, "plugin") == 0;
}

int ae_settings_stored(ae_run *run, const ae_json *stored, ae_origin origin)
{
    for (const ae_json *m = ae_json_first(stored); m; m = ae_json_next(m)) {
        char name[KEY_BYTES];
        option_name(ae_json_key(m), name);
        if (!left_alone(name) && !names_code(name) && ae_options_has(run->options, name) &&
            set_value(run, name, m, origin) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- the model's configuration ------------------------------------------------------------------------------------------- */

static int set_path(ae_json *config, char *path, ae_json *value, ae_err *e)
{
    char *dot = strchr(path, '.');
    if (!dot) {
        return ae_json_set(config, path, value);
    }
    *dot = 0;
    ae_json *inner = ae_json_new_object(), *outer = ae_json_new_object();
    int status = set_path(inner, dot + 1, value, e);
    ae_json_set(outer, path, inner);
    status = status == 0 ? ae_json_merge(config, outer, e) : status;
    ae_json_free(outer);
    return status;
}

static int set_key(ae_run *run, ae_json *config, const char *text)
{
    char key[KEY_BYTES];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || equals - text >= KEY_BYTES) {
        return ae_err_set(&run->error, AE_E_VALUE, "--set %s: KEY=VALUE is wanted, as in hidden_size=128", text);
    }
    memcpy(key, text, (size_t)(equals - text));
    key[equals - text] = 0;
    ae_err ignored = {0};
    ae_json *value = ae_json_parse(equals + 1, strlen(equals + 1), &ignored);
    return set_path(config, key, value ? value : ae_json_new_string(equals + 1), &run->error);
}

int ae_settings_model(ae_run *run, ae_json *config)
{
    for (int i = 0; i < ae_options_count(run->options, "config"); i++) {
        ae_json *file = ae_json_read_file(ae_options_nth(run->options, "config", i), &run->error);
        const ae_json *over = file ? ae_json_get(file, "model_config") : NULL;
        int status = !file ? -1 : over ? ae_json_merge(config, over, &run->error) : 0;
        ae_json_free(file);
        if (status != 0) {
            return -1;
        }
    }
    for (int i = 0; i < ae_options_count(run->options, "set"); i++) {
        if (set_key(run, config, ae_options_nth(run->options, "set", i)) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------------------------------------- */

static ae_json *option_value(const ae_options *o, const ae_option *row)
{
    if (row->many) {
        ae_json *list = ae_json_new_array();
        for (int i = 0; i < ae_options_count(o, row->name); i++) {
            ae_json_add(list, NULL, ae_json_new_string(ae_options_nth(o, row->name, i)));
        }
        return list;
    }
    switch (row->kind) {
    case AE_OPTION_FLAG:
        return ae_json_new_bool(ae_options_flag(o, row->name));
    case AE_OPTION_INT:
        return ae_json_new_int(ae_options_int(o, row->name));
    case AE_OPTION_REAL:
        return ae_json_new_double(ae_options_real(o, row->name));
    default:
        return ae_json_new_string(ae_options_text(o, row->name));
    }
}

ae_json *ae_settings_json(const ae_run *run, const ae_json *model_config)
{
    ae_json *whole = ae_json_new_object();
    ae_json_set_int(whole, "schema", 1);
    ae_json_set_string(whole, "command", run->command->name);
    for (int i = 0; i < ae_options_rows(run->options); i++) {
        const ae_option *row = ae_options_row(run->options, i);
        ae_origin origin = ae_options_origin(run->options, row->name);
        if (left_alone(row->name)) {
            continue;
        }
        ae_json *entry = ae_json_new_object();
        ae_json_set(entry, "value", origin == AE_ORIGIN_NONE ? ae_json_new_null() : option_value(run->options, row));
        ae_json_set_string(entry, "origin", ae_origin_name(origin));
        ae_json_set(whole, row->name, entry);
    }
    if (model_config) {
        ae_json_set(whole, "model_config", ae_json_copy(model_config));
    }
    return whole;
}

/* Options that change how a run is run and shown, not what comes out. */
static bool is_manner(const char *name)
{
    static const char *const names[] = {"output",   "force",   "resume", "quiet",   "verbose",
                                        "progress", "profile", "json",   "threads", "plot"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

ae_json *ae_settings_plain(const ae_run *run)
{
    ae_json *whole = ae_json_new_object();
    for (int i = 0; i < ae_options_rows(run->options); i++) {
        const ae_option *row = ae_options_row(run->options, i);
        if (!left_alone(row->name) && !is_manner(row->name) && !names_code(row->name) &&
            ae_options_origin(run->options, row->name) > AE_ORIGIN_PRESET) {
            ae_json_set(whole, row->name, option_value(run->options, row));
        }
    }
    return whole;
}
