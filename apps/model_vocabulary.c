#include "apps/model_vocabulary.h"

#include "autograd/ops.h"

#include <stdlib.h>
#include <string.h>

typedef struct changing {
    ae_run *run;
    ae_bundle *old;
    ae_bundle next; /* what takes its place */
    const ae_vocabulary_map *map;
    int *axes; /* by parameter: which axis counts tokens, or -1 */
    int count;
    ae_vocabulary_report *report;
} changing;

void ae_vocabulary_report_free(ae_vocabulary_report *r)
{
    for (int i = 0; i < r->tables.count; i++) {
        free(r->tables.names[i]);
    }
    free(r->tables.names);
    memset(r, 0, sizeof *r);
}

/* ---- the configuration ---------------------------------------------------------------------------------------------- */

static ae_json *moved_id(const changing *c, const ae_json *value)
{
    int64_t id = -1;
    if (ae_json_type_of(value) != AE_JSON_NUMBER || ae_json_value_int(value, &id, NULL) != 0 || id < 0) {
        return ae_json_copy(value);
    }
    int32_t now = id < c->map->old_size ? ae_vocabulary_map_find(c->map, (int32_t)id) : -1;
    return now >= 0 ? ae_json_new_int(now) : ae_json_new_null();
}

/* "pad_token_id" and its like, single numbers and lists, follow their tokens. */
static int move_ids(changing *c, ae_json *config)
{
    int failed = 0;
    for (const ae_json *m = ae_json_first(c->old->config); m; m = ae_json_next(m)) {
        const char *key = ae_json_key(m);
        size_t n = strlen(key), end = strlen("_token_id");
        if (n <= end || strcmp(key + n - end, "_token_id") != 0) {
            continue;
        }
        ae_json *value = NULL;
        if (ae_json_type_of(m) == AE_JSON_ARRAY) {
            value = ae_json_new_array();
            for (const ae_json *item = ae_json_first(m); item; item = ae_json_next(item)) {
                failed |= ae_json_add(value, NULL, moved_id(c, item));
            }
        } else {
            value = moved_id(c, m);
        }
        failed |= ae_json_set(config, key, value);
    }
    return failed ? ae_err_set(&c->run->error, AE_E_MEMORY, "no memory for the configuration") : 0;
}

/* ---- which axes count tokens ---------------------------------------------------------------------------------------- */

/* Describes the model with another number of tokens, the configuration's ids moved or not; its values are not filled.
 */
static int describe(changing *c, ae_bundle *d, int64_t vocab_size, bool moved, uint64_t seed)
{
    d->config = ae_json_copy(c->old->config);
    snprintf(d->plugin, sizeof d->plugin, "%s", c->old->plugin);
    if (!d->config || ae_json_set_int(d->config, "vocab_size", vocab_size) != 0) {
        return ae_err_set(&c->run->error, AE_E_MEMORY, "no memory for the configuration");
    }
    if (moved && move_ids(c, d->config) != 0) {
        return -1;
    }
    return ae_bundle_build(c->run, d, c->old->row, seed, true);
}

/* The axis that is one longer in the probe: -1 for none, -2 and an error where they differ in another way. */
static int axis_of(ae_run *run, const ae_param_info *was, const ae_param_info *probe)
{
    int axis = -1, changes = 0;
    bool same = was->name && probe->name && strcmp(was->name, probe->name) == 0 &&
                was->tensor->ndim == probe->tensor->ndim && was->tensor->dtype == probe->tensor->dtype;
    for (int i = 0; same && i < was->tensor->ndim; i++) {
        int64_t more = probe->tensor->shape[i] - was->tensor->shape[i];
        changes += more != 0;
        axis = more == 1 ? i : axis;
        same = more == 0 || more == 1;
    }
    if (same && changes <= 1) {
        return axis;
    }
    ae_err_set(&run->error, AE_E_UNSUPPORTED, "%s does not have one row a token; this model's vocabulary is fixed",
               was->name ? was->name : "a parameter");
    return -2;
}

static int find_axes(changing *c, int64_t vocab_size)
{
    ae_bundle probe = {0};
    const ae_model *model = c->old->model;
    int status = describe(c, &probe, vocab_size + 1, false, 1), tables = 0;
    c->count = ae_model_count(model);
    c->axes = malloc(((size_t)c->count + 1) * sizeof *c->axes);
    if (status == 0 && !c->axes) {
        status = ae_err_set(&c->run->error, AE_E_MEMORY, "no memory for %d parameters", c->count);
    }
    for (int i = 0; i < c->count && status == 0; i++) {
        ae_param_info was = ae_model_at(model, i), other = ae_model_at(probe.model, i);
        c->axes[i] = axis_of(c->run, &was, &other);
        tables += c->axes[i] >= 0;
        status = c->axes[i] == -2 ? -1 : 0;
    }
    if (status == 0 && tables == 0) {
        status =
            ae_err_set(&c->run->error, AE_E_UNSUPPORTED,
                       "%s has no table of words: nothing in it depends on the vocabulary", c->old->row->class_name);
    }
    ae_bundle_free(&probe);
    return status;
}

/* ---- the rows ------------------------------------------------------------------------------------------------------- */

/* A parameter seen as (outer, tokens, inner). */
typedef struct rows {
    char *data;
    int64_t outer, tokens, inner;
    size_t bytes; /* of a row */
} rows;

static rows rows_of(const ae_tensor *t, int axis)
{
    rows r = {.data = t->data, .outer = 1, .tokens = t->shape[axis], .inner = 1};
    for (int i = 0; i < axis; i++) {
        r.outer *= t->shape[i];
    }
    for (int i = axis + 1; i < t->ndim; i++) {
        r.inner *= t->shape[i];
    }
    r.bytes = (size_t)r.inner * ae_dtype_size(t->dtype);
    return r;
}

static char *row_at(const rows *r, int64_t outer, int64_t token)
{
    return r->data + (size_t)(outer * r->tokens + token) * r->bytes;
}

static void mean_row(const rows *from, const rows *to, int64_t outer, int64_t token, const int32_t *old, int64_t n)
{
    float *out = (float *)(void *)row_at(to, outer, token);
    for (int64_t k = 0; k < to->inner; k++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += ((const float *)(const void *)row_at(from, outer, old[i]))[k];
        }
        out[k] = (float)(sum / (double)n);
    }
}

/* Whether a row without a token keeps its numbers: a table padded beyond its tokens is padded with the same rows. */
static bool stays(const changing *c, int64_t token, int64_t before)
{
    bool now = token < c->map->size && ae_tokenizer_token(c->next.tokenizer, (int32_t)token, NULL);
    bool then = token < c->map->old_size && ae_tokenizer_token(c->old->tokenizer, (int32_t)token, NULL);
    return !now && !then && token < before;
}

static void fill_table(const changing *c, const ae_tensor *from_tensor, ae_tensor *to_tensor, int axis)
{
    rows from = rows_of(from_tensor, axis), to = rows_of(to_tensor, axis);
    const ae_vocabulary_map *map = c->map;
    for (int64_t outer = 0; outer < to.outer; outer++) {
        for (int64_t token = 0; token < to.tokens; token++) {
            int origin = token < map->size ? map->origin[token] : AE_TOKEN_NEW;
            const int32_t *old = map->old + (token < map->size ? map->begin[token] : 0);
            if (origin == AE_TOKEN_PIECES && to_tensor->dtype == AE_F32) {
                mean_row(&from, &to, outer, token, old, map->begin[token + 1] - map->begin[token]);
            } else if (origin == AE_TOKEN_KEPT) {
                memcpy(row_at(&to, outer, token), row_at(&from, outer, old[0]), to.bytes);
            } else if (stays(c, token, from.tokens)) {
                memcpy(row_at(&to, outer, token), row_at(&from, outer, token), to.bytes);
            }
        }
    }
}

static int note_table(ae_vocabulary_report *r, const ae_tensor *from, const ae_tensor *to)
{
    char was[AE_SHAPE_TEXT_MAX], is[AE_SHAPE_TEXT_MAX], line[1024];
    char **names = realloc(r->tables.names, (size_t)(r->tables.count + 1) * sizeof *names);
    if (!names) {
        return -1;
    }
    r->tables.names = names;
    snprintf(line, sizeof line, "%.600s %s -> %s", to->name, ae_shape_text(from->ndim, from->shape, was),
             ae_shape_text(to->ndim, to->shape, is));
    names[r->tables.count] = strdup(line);
    return names[r->tables.count++] ? 0 : -1;
}

static int fill(changing *c)
{
    ae_model *was = c->old->model, *is = c->next.model;
    for (int i = 0; i < c->count; i++) {
        const ae_tensor *from = ae_model_at(was, i).tensor;
        ae_tensor *to = ae_model_at(is, i).tensor;
        if (c->axes[i] < 0 && ae_numel(to) > 0) {
            memcpy(to->data, from->data, (size_t)ae_numel(to) * ae_dtype_size(to->dtype));
        }
        if (c->axes[i] < 0) {
            ae_model_mark_filled(is, i);
        } else if (note_table(c->report, from, to) != 0) {
            return ae_err_set(&c->run->error, AE_E_MEMORY, "no memory for the names of tables");
        }
    }
    ae_model_fill(is);
    for (int i = 0; i < c->count; i++) {
        if (c->axes[i] >= 0) {
            fill_table(c, ae_model_at(was, i).tensor, ae_model_at(is, i).tensor, c->axes[i]);
        }
    }
    for (int32_t id = 0; id < c->map->size; id++) {
        int64_t *counts[] = {&c->report->kept, &c->report->means, &c->report->drawn};
        ++*counts[c->map->origin[id]];
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static int check_sizes(const changing *c, int64_t before, int64_t after)
{
    if (before < 1) {
        return ae_err_set(&c->run->error, AE_E_UNSUPPORTED,
                          "%s: its configuration has no vocab_size, so it reads no tokens of a vocabulary",
                          c->old->row->class_name);
    }
    if (c->map->old_size > before) {
        return ae_err_set(&c->run->error, AE_E_VALUE,
                          "the tokenizer has %d tokens and the model's table %lld rows: they do not belong together",
                          (int)c->map->old_size, (long long)before);
    }
    return after < 1 ? ae_err_set(&c->run->error, AE_E_VALUE, "the new tokenizer has no token") : 0;
}

static int change(changing *c, int64_t least, uint64_t seed)
{
    int64_t before = ae_json_int(c->old->config, "vocab_size", 0, NULL), size = c->map->size;
    int64_t after = size > least ? size : least;
    c->report->before = before;
    c->report->after = after;
    if (check_sizes(c, before, after) != 0 || find_axes(c, before) != 0 ||
        describe(c, &c->next, after, true, seed) != 0) {
        return -1;
    }
    return fill(c);
}

int ae_bundle_change_vocabulary(ae_run *run, ae_bundle *d, ae_tokenizer *now, const ae_vocabulary_map *map,
                                int64_t least, uint64_t seed, ae_vocabulary_report *report)
{
    changing c = {.run = run, .old = d, .map = map, .report = report};
    memset(report, 0, sizeof *report);
    c.next.tokenizer = now;
    int status = change(&c, least, seed);
    free(c.axes);
    if (status != 0) {
        c.next.tokenizer = NULL;
        ae_bundle_free(&c.next);
        return -1;
    }
    c.next.settings = d->settings;
    d->settings = NULL;
    ae_bundle_free(d);
    *d = c.next;
    return 0;
}
