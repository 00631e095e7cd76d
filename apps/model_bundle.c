#include "apps/model_bundle.h"

#include "apps/plugin.h"
#include "apps/weights.h"
#include "tensor/model_file.h"
#include "zoo/composed.h"

#include <stdlib.h>
#include <string.h>

/* Parameters that belong to a task, not to the encoder: they may be new or left over. */
static const char *const heads =
    "cls.* classifier* score* qa_outputs* *pooler* lm_head* target.* *multiple_choice_head*";

/* Buffers that some published files carry and no model needs. */
static const char *const left_over = "*position_ids *.attn.bias *.attn.masked_bias";

void ae_bundle_free(ae_bundle *d)
{
    ae_model_free(d->model);
    free(d->self);
    ae_json_free(d->config);
    ae_json_free(d->settings);
    ae_tokenizer_free(d->tokenizer);
    memset(d, 0, sizeof *d);
}

/* ---- building -------------------------------------------------------------------------------------------------------------- */

/* A composed model may have an encoder of the program's own or of a plugin. */
static int build_composed(ae_run *run, ae_bundle *d)
{
    const ae_encoder *const *extra = ae_run_encoders(run);
    const char *name = ae_composed_encoder_name(d->config);
    if (!extra) {
        return -1;
    }
    if (*d->plugin && name && !ae_encoder_find(extra, name, NULL)) {
        return ae_err_set(
            &run->error, AE_E_MISSING,
            "this model needs the encoder %s of the plugin %s: give the file with --plugin, or its folder "
            "with AESOP_PLUGIN_PATH",
            name, d->plugin);
    }
    const ae_plugin_record *plugin = name ? ae_plugins_source(run->plugins, name) : NULL;
    snprintf(d->plugin, sizeof d->plugin, "%s", plugin ? plugin->name : "");
    ae_composed_build(d->model, d->self, d->config, extra);
    return 0;
}

static bool is_composed(const ae_zoo_model *row)
{
    return strcmp(row->class_name, "Composed") == 0;
}

int ae_bundle_build(ae_run *run, ae_bundle *d, const ae_zoo_model *row, uint64_t seed, bool deferred)
{
    d->row = row;
    d->model = ae_model_new(seed);
    d->self = calloc(1, row->size);
    if (!d->model || !d->self) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for the model");
    }
    if (deferred) {
        ae_model_defer_init(d->model);
    }
    if (is_composed(row)) {
        if (build_composed(run, d) != 0) {
            return -1;
        }
    } else {
        row->build(d->model, d->self, d->config, row->kind);
    }
    if (!ae_model_ok(d->model)) {
        const ae_err *e = ae_model_error(d->model);
        return ae_err_set(&run->error, e->code, "%s", e->message);
    }
    return 0;
}

/* ---- opening --------------------------------------------------------------------------------------------------------------- */

static int given_tokenizer(ae_run *run, ae_bundle *d)
{
    if (!ae_options_has(run->options, "tokenizer") || !ae_options_text(run->options, "tokenizer")) {
        return 0;
    }
    ae_tokenizer_free(d->tokenizer);
    d->tokenizer = ae_tokenizer_open(ae_options_text(run->options, "tokenizer"), NULL, &run->error);
    return d->tokenizer ? 0 : -1;
}

static int read_sections(ae_bundle *d, const char *path, ae_err *e)
{
    ae_model_info info = {0};
    ae_h5 *f = ae_model_file_open(path, &info, e);
    snprintf(d->plugin, sizeof d->plugin, "%s", info.plugin ? info.plugin : "");
    ae_model_info_free(&info);
    if (f && ae_h5_has(f, "settings")) {
        d->settings = ae_h5_read_json(f, "settings", e);
    }
    if (f && !e->code && ae_h5_has(f, "tokenizer")) {
        ae_json *j = ae_h5_read_json(f, "tokenizer", e);
        d->tokenizer = j ? ae_tokenizer_from_json(j, e) : NULL;
        ae_json_free(j);
    }
    ae_h5_close(f);
    return e->code ? -1 : 0;
}

/* What lies beside or inside the weights. */
static int read_companions(ae_run *run, ae_bundle *d, const char *path, ae_weights_format format)
{
    ae_err none = {0};
    if (format == AE_WEIGHTS_H5) {
        if (read_sections(d, path, &run->error) != 0) {
            return -1;
        }
    } else if (format == AE_WEIGHTS_HF) {
        d->tokenizer = ae_tokenizer_open(path, NULL, &none); /* a folder may hold none */
    }
    if (!d->settings) {
        d->settings = ae_json_new_object();
    }
    return given_tokenizer(run, d);
}

int ae_bundle_peek(ae_run *run, ae_bundle *d, const char *path, char class_name[128])
{
    ae_weights w = {0};
    int status = ae_weights_read(path, &w, &run->error);
    snprintf(class_name, 128, "%s", w.class_name);
    if (status == 0 && w.config) {
        d->config = ae_json_copy(w.config);
    }
    status = status == 0 ? read_companions(run, d, path, w.format) : status;
    ae_weights_free(&w);
    return status;
}

static int open_weights(ae_run *run, ae_bundle *d, const char *path, ae_weights *w)
{
    ae_load_options load = {.ignore = left_over, .adopt = true};
    const ae_zoo_model *row = *w->class_name ? ae_zoo_find(w->class_name) : NULL;
    if (!row || !w->config) {
        return ae_err_set(&run->error, AE_E_UNSUPPORTED, "%s: %s%s", path,
                          row ? "no configuration beside the weights" : "no model of the class ",
                          row              ? ""
                          : *w->class_name ? w->class_name
                                           : "(none is named)");
    }
    d->config = ae_json_copy(w->config);
    if (read_companions(run, d, path, w->format) != 0 || ae_bundle_build(run, d, row, 1, true) != 0) {
        return -1;
    }
    return ae_model_load(d->model, w->tensors, &load, NULL, &run->error);
}

int ae_bundle_open(ae_run *run, ae_bundle *d, const char *path)
{
    ae_weights w = {0};
    run->error_file = path;
    int status = ae_weights_read(path, &w, &run->error);
    status = status == 0 ? open_weights(run, d, path, &w) : status;
    ae_weights_free(&w);
    if (status == 0) {
        run->error_file = NULL;
    }
    return status;
}

/* ---- starting from weights --------------------------------------------------------------------------------------------------- */

/* The tensors without heads that have another shape here. */
static ae_tensors *fitting(ae_run *run, const ae_bundle *d, ae_tensors *from)
{
    ae_tensors *fit = ae_tensors_new();
    for (int i = 0; fit && i < ae_tensors_count(from); i++) {
        const char *name = ae_tensors_name(from, i);
        ae_tensor *t = ae_tensors_at(from, i);
        const ae_tensor *mine = ae_model_get(d->model, name);
        if (mine && !ae_same_shape(mine, t) && ae_name_matches(name, heads)) {
            fprintf(run->log, "init: %s has another shape there and begins anew\n", name);
        } else if (ae_tensors_add(fit, name, ae_tensor_share(t, &run->error), &run->error) != 0) {
            ae_tensors_free(fit);
            return NULL;
        }
    }
    return fit;
}

static void report_names(ae_run *run, const char *what, const ae_name_list *list)
{
    if (list->count > 0) {
        fprintf(run->log, "init: %d %s: %s%s%s\n", list->count, what, list->names[0], list->count > 1 ? ", " : "",
                list->count > 2   ? "..."
                : list->count > 1 ? list->names[1]
                                  : "");
    }
}

static int init_weights(ae_run *run, ae_bundle *d, const char *path, ae_tensors *from)
{
    char ignore[512];
    snprintf(ignore, sizeof ignore, "%s %s", heads, left_over);
    ae_load_options load = {.ignore = ignore, .optional = heads};
    ae_load_report report = {0};
    ae_tensors *fit = fitting(run, d, from);
    int status = fit ? ae_model_load(d->model, fit, &load, &report, &run->error) : -1;
    if (status == 0 && report.loaded == 0) {
        status = ae_err_set(&run->error, AE_E_MISSING, "%s holds no parameter of this model", path);
    }
    if (status == 0 && !ae_options_flag(run->options, "quiet")) {
        fprintf(run->log, "init: %d parameters from %s\n", report.loaded, path);
        report_names(run, "begin anew", &report.missing);
    }
    ae_load_report_free(&report);
    ae_tensors_free(fit);
    return status;
}

int ae_bundle_init(ae_run *run, ae_bundle *d, const char *path)
{
    ae_weights w = {0};
    ae_bundle source = {0};
    run->error_file = path;
    int status = ae_weights_read(path, &w, &run->error);
    if (status == 0 && w.format == AE_WEIGHTS_H5) {
        ae_err ignored = {0};
        read_sections(&source, path, &ignored); /* plain tensors have no sections */
    }
    if (status == 0 && source.tokenizer && d->tokenizer &&
        ae_tokenizer_hash(source.tokenizer) != ae_tokenizer_hash(d->tokenizer)) {
        status = ae_err_set(&run->error, AE_E_VALUE,
                            "%s was trained with another tokenizer (%s, %d tokens; here %s, %d "
                            "tokens): its ids mean other words. Leave --tokenizer out to take the file's",
                            path, ae_tokenizer_kind(source.tokenizer), (int)ae_tokenizer_size(source.tokenizer),
                            ae_tokenizer_kind(d->tokenizer), (int)ae_tokenizer_size(d->tokenizer));
    }
    status = status == 0 ? init_weights(run, d, path, w.tensors) : status;
    ae_bundle_free(&source);
    ae_weights_free(&w);
    if (status == 0) {
        run->error_file = NULL;
    }
    return status;
}

/* ---- saving ------------------------------------------------------------------------------------------------------------------- */

static int write_sections(ae_h5 *f, const ae_bundle *d, ae_err *e)
{
    if (d->tokenizer) {
        ae_json *j = ae_tokenizer_json(d->tokenizer, e);
        int status = j ? ae_h5_write_json(f, "tokenizer", j, e) : -1;
        ae_json_free(j);
        if (status != 0) {
            return -1;
        }
    }
    return d->settings ? ae_h5_write_json(f, "settings", d->settings, e) : 0;
}

int ae_bundle_save(const ae_bundle *d, const char *path, const ae_snapshot *snapshot, const ae_tensors *also, ae_err *e)
{
    ae_snapshot weights = {.model = d->model};
    ae_h5 *f = ae_model_file_create(path, d->row->class_name, *d->plugin ? d->plugin : NULL, d->config, e);
    if (!f) {
        return -1;
    }
    if (write_sections(f, d, e) != 0 || ae_snapshot_write(f, snapshot ? snapshot : &weights, e) != 0 ||
        (also && ae_h5_write_tensors(f, "average", also, e) != 0)) {
        ae_h5_close(f);
        return -1;
    }
    return ae_h5_commit(f, e);
}

/* ---- labels -------------------------------------------------------------------------------------------------------------------- */

ae_labels *ae_bundle_labels(const ae_bundle *d, ae_err *e)
{
    const ae_json *map = ae_json_object(d->config, "id2label", e);
    int count = map ? ae_json_count(map) : 0;
    ae_json *list = count > 0 ? ae_json_new_array() : NULL;
    for (int i = 0; i < count && list; i++) {
        char key[24];
        snprintf(key, sizeof key, "%d", i);
        const char *name = ae_json_need_string(map, key, e);
        ae_json_add(list, NULL, ae_json_new_string(name ? name : ""));
    }
    ae_labels *labels = list && !(e && e->code) ? ae_labels_from_json(list, e) : NULL;
    ae_json_free(list);
    return labels;
}

int ae_bundle_set_labels(ae_json *config, const ae_labels *labels, ae_err *e)
{
    if (!labels) {
        ae_json_remove(config, "id2label");
        ae_json_remove(config, "label2id");
        ae_json_set_int(config, "num_labels", 1);
        return ae_json_set_string(config, "problem_type", "regression") == 0
                   ? 0
                   : ae_err_set(e, AE_E_MEMORY, "no memory for the labels");
    }
    ae_json *names = ae_json_new_object(), *ids = ae_json_new_object();
    for (int64_t i = 0; i < labels->count; i++) {
        char key[24];
        snprintf(key, sizeof key, "%lld", (long long)i);
        ae_json_add(names, key, ae_json_new_string(labels->names[i]));
        ae_json_add(ids, labels->names[i], ae_json_new_int(i));
    }
    ae_json_set_int(config, "num_labels", labels->count);
    ae_json_set_string(config, "problem_type", "single_label_classification");
    ae_json_set(config, "id2label", names);
    return ae_json_set(config, "label2id", ids) == 0 ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for the labels");
}

/* ---- use ------------------------------------------------------------------------------------------------------------------------ */

static const struct positions {
    const char *family, *key;
    int64_t otherwise; /* where the configuration does not say it */
} position_keys[] = {
    {"bert", "max_position_embeddings", 512}, {"gpt2", "n_positions", 1024}, {"composed", "max_seq_length", 512}};

static const struct positions *positions_of(const char *family)
{
    for (size_t i = 0; i < sizeof position_keys / sizeof *position_keys; i++) {
        if (strcmp(family, position_keys[i].family) == 0) {
            return &position_keys[i];
        }
    }
    return NULL;
}

/* Composed models without a table of positions read sequences of any length. */
static bool counts_positions(const char *family, const ae_json *config)
{
    if (strcmp(family, "composed") != 0) {
        return true;
    }
    const ae_json *list = ae_json_get(config, "embedding");
    bool counts = false;
    for (const ae_json *m = ae_json_first(list); m; m = ae_json_next(m)) {
        const char *name = "";
        ae_json_value_string(m, &name, NULL);
        counts = counts || strcmp(name, "pos") == 0 || strcmp(name, "sinusoidalpos") == 0;
    }
    return counts;
}

int64_t ae_family_positions(const char *family, const ae_json *config)
{
    const struct positions *p = positions_of(family);
    return p && counts_positions(family, config) ? ae_json_int(config, p->key, p->otherwise, NULL) : 0;
}

void ae_family_set_positions(const char *family, ae_json *config, int64_t positions)
{
    const struct positions *p = positions_of(family);
    if (p) {
        ae_json_set_int(config, p->key, positions);
    }
}

int64_t ae_bundle_positions(const ae_bundle *d)
{
    return ae_family_positions(d->row->name, d->config);
}

bool ae_bundle_apart(const ae_bundle *d)
{
    bool apart = d->row->apart;
    if (is_composed(d->row)) {
        ae_composed_objective(d->config, &apart);
    }
    return apart;
}

/* GPT-2 looks token_type_ids up in its table of words; segments of a data set are none. */
static ae_tensors *without_types(const ae_tensors *batch)
{
    ae_tensors *rest = ae_tensors_new();
    for (int i = 0; rest && i < ae_tensors_count(batch); i++) {
        const char *name = ae_tensors_name(batch, i);
        ae_tensor *t = strcmp(name, "token_type_ids") == 0 ? NULL : ae_tensor_share(ae_tensors_at(batch, i), NULL);
        if (t && ae_tensors_add(rest, name, t, NULL) != 0) {
            ae_tensors_free(rest);
            return NULL;
        }
    }
    return rest;
}

ae_tensor *ae_bundle_run(const ae_bundle *d, ae_graph *g, const ae_tensors *batch, ae_tensors *outputs, bool loss_only)
{
    ae_tensors *rest = strcmp(d->row->name, "gpt2") == 0 ? without_types(batch) : NULL;
    ae_io io = {
        .graph = g, .inputs = rest ? rest : batch, .outputs = outputs, .packed = d->row->packs, .loss_only = loss_only};
    ae_tensor *loss = d->row->run(d->self, &io);
    ae_tensors_free(rest);
    return loss;
}
