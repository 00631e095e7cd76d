#include "nn/adaptive_softmax.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- PyTorch's form ------------------------------------------------------------------------------------------------ */

/* Whether every tail has a width. */
static bool check_tails(ae_model *m, const char *name, int64_t in, int tails, double div_value)
{
    if (tails < 1) {
        ae_model_fail(m, AE_E_VALUE, "adaptive_softmax: %s%s has no cutoffs; at least 1 is needed", ae_scope_prefix(m),
                      name);
    } else if (!(div_value > 0) || floor((double)in / pow(div_value, tails)) < 1) {
        ae_model_fail(
            m, AE_E_VALUE,
            "adaptive_softmax: %s%s has %lld inputs, div_value %g and %d cutoffs: the last cluster would have "
            "no width",
            ae_scope_prefix(m), name, (long long)in, div_value, tails);
    }
    return ae_model_ok(m);
}

void ae_adaptive_softmax_init(ae_model *m, struct ae_adaptive_softmax *l, const char *name, int64_t in, int64_t classes,
                              const int64_t *cutoffs, int n_cutoffs, double div_value, bool head_bias)
{
    memset(l, 0, sizeof *l);
    ae_word_clusters_init(m, &l->clusters, "adaptive_softmax", classes, cutoffs, n_cutoffs);
    if (!check_tails(m, name, in, n_cutoffs, div_value)) {
        return;
    }
    ae_scope s = ae_scope_open(m, "%s", name);
    ae_linear_init_torch(m, &l->head, "head", in, l->clusters.end[1] + n_cutoffs, head_bias);
    for (int i = 1; i < l->clusters.count; i++) {
        int64_t width = (int64_t)floor((double)in / pow(div_value, i));
        ae_scope tail = ae_scope_open(m, "tail.%d", i - 1);
        ae_linear_init_torch(m, &l->proj[i], "0", in, width, false);
        ae_linear_init_torch(m, &l->out[i], "1", width, ae_word_clusters_size(&l->clusters, i), false);
        ae_scope_close(tail);
    }
    ae_scope_close(s);
}

/* ---- Transformer-XL's form ----------------------------------------------------------------------------------------- */

static void table_init(ae_model *m, struct ae_linear *out, int i, int64_t rows, int64_t width, ae_init init,
                       ae_tensor *tied)
{
    ae_scope s = ae_scope_open(m, "out_layers.%d", i);
    if (tied) {
        out->weight = tied;
        ae_tie(m, "weight", tied);
    } else {
        out->weight = ae_param(m, "weight", 2, (int64_t[]){rows, width}, init);
    }
    out->bias = ae_param(m, "bias", 1, &rows, ae_init_zeros());
    ae_scope_close(s);
}

/* A projection (H,E_i), multiplied from its left side. */
static void proj_init(ae_model *m, struct ae_linear *proj, int i, const ae_adaptive_layout *layout, ae_tensor *tied)
{
    char name[24];
    snprintf(name, sizeof name, "out_projs.%d", i);
    proj->in_out = true;
    proj->weight = tied;
    if (tied) {
        ae_tie(m, name, tied);
    } else {
        proj->weight =
            ae_param(m, name, 2, (int64_t[]){layout->outer, ae_adaptive_width(layout, i)}, layout->proj_init);
    }
}

static bool check_tied(ae_model *m, const char *name, const ae_adaptive_layout *layout,
                       const struct ae_adaptive_embedding *tied)
{
    char have[AE_SHAPE_TEXT_MAX];
    const ae_tensor *table = tied ? tied->weight[0] : NULL;
    bool one = layout->div_value == 1;
    if (table && (tied->clusters.count != layout->n_cutoffs + 1 || tied->one_table != one ||
                  tied->clusters.end[tied->clusters.count] != layout->classes || table->shape[1] != layout->width)) {
        ae_model_fail(m, AE_E_VALUE,
                      "adaptive_softmax: %s%s is tied to %s %s of %d clusters and %lld classes; its own layout has %d, "
                      "%lld and width %lld",
                      ae_scope_prefix(m), name, table->name, ae_shape_text(table->ndim, table->shape, have),
                      tied->clusters.count, (long long)tied->clusters.end[tied->clusters.count], layout->n_cutoffs + 1,
                      (long long)layout->classes, (long long)layout->width);
    }
    return ae_model_ok(m);
}

void ae_adaptive_softmax_init_transfo_xl(ae_model *m, struct ae_adaptive_softmax *l, const char *name,
                                         const ae_adaptive_layout *layout, const struct ae_adaptive_embedding *tied,
                                         const bool *tie_projs)
{
    memset(l, 0, sizeof *l);
    ae_word_clusters_init(m, &l->clusters, "adaptive_softmax", layout->classes, layout->cutoffs, layout->n_cutoffs);
    if (!ae_adaptive_check(m, "adaptive_softmax", name, layout) || !check_tied(m, name, layout, tied)) {
        return;
    }
    l->one_table = layout->div_value == 1;
    int count = l->clusters.count;
    ae_scope s = ae_scope_open(m, "%s", name);
    if (count > 1) {
        int64_t entries = count - 1;
        l->entries.weight = ae_param(m, "cluster_weight", 2, (int64_t[]){entries, layout->width}, layout->init);
        l->entries.bias = ae_param(m, "cluster_bias", 1, &entries, ae_init_zeros());
    }
    for (int i = 0; i < (l->one_table ? 1 : count); i++) {
        int64_t rows = l->one_table ? layout->classes : ae_word_clusters_size(&l->clusters, i);
        table_init(m, &l->out[i], i, rows, ae_adaptive_width(layout, i), layout->init, tied ? tied->weight[i] : NULL);
    }
    for (int i = 0; i < count && (!l->one_table || layout->width != layout->outer); i++) {
        bool shared = tied && tie_projs && tie_projs[i];
        proj_init(m, &l->proj[i], i, layout, shared ? tied->proj[l->one_table ? 0 : i] : NULL);
    }
    ae_scope_close(s);
}

/* ---- rows of the clusters ------------------------------------------------------------------------------------------ */

/* The tables of one forward: of the head, shortlist and entries, and of each further cluster. */
typedef struct tables {
    ae_tensor *weight[AE_CLUSTERS_MAX], *bias[AE_CLUSTERS_MAX];
} tables;

static ae_tensor *joined(ae_graph *g, ae_tensor *a, ae_tensor *b)
{
    return ae_concat(g, (ae_tensor *[]){a, b}, 2, 0);
}

static tables tables_of(ae_graph *g, const struct ae_adaptive_softmax *l)
{
    tables t = {{0}, {0}};
    int count = l->clusters.count;
    int64_t sizes[AE_CLUSTERS_MAX];
    for (int i = 0; i < count; i++) {
        t.weight[i] = l->out[i].weight;
        t.bias[i] = l->out[i].bias;
        sizes[i] = ae_word_clusters_size(&l->clusters, i);
    }
    if (l->head.weight) {
        t.weight[0] = l->head.weight;
        t.bias[0] = l->head.bias;
        return t;
    }
    if (l->one_table && count > 1) {
        ae_split(g, l->out[0].weight, 0, count, sizes, t.weight);
        ae_split(g, l->out[0].bias, 0, count, sizes, t.bias);
    }
    if (count > 1) {
        t.weight[0] = joined(g, t.weight[0], l->entries.weight);
        t.bias[0] = joined(g, t.bias[0], l->entries.bias);
    }
    return t;
}

/* The column of cluster i in the head; i is at least 1. */
static int64_t entry_of(const struct ae_adaptive_softmax *l, int i)
{
    return l->clusters.end[1] + (l->last_first ? l->clusters.count - 1 - i : i - 1);
}

static ae_tensor *projected(ae_graph *g, const struct ae_adaptive_softmax *l, int i, ae_tensor *rows)
{
    return l->proj[i].weight ? ae_linear(g, &l->proj[i], rows) : rows;
}

static ae_tensor *as_rows(ae_graph *g, ae_tensor *x)
{
    int64_t width = ae_dim(x, -1);
    if (x->ndim < 1 || width < 1) {
        return ae_fail(g, AE_E_SHAPE, "adaptive_softmax: x has no last axis to project");
    }
    return ae_reshape(g, x, 2, (int64_t[]){ae_numel(x) / width, width});
}

/* ---- loss ---------------------------------------------------------------------------------------------------------- */

/* How many targets count; -1 after failing. */
static int64_t check_targets(ae_graph *g, const struct ae_adaptive_softmax *l, const ae_tensor *x,
                             const ae_tensor *targets, int64_t ignore_index)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    int64_t classes = l->clusters.end[l->clusters.count], count = 0;
    if (targets->dtype != AE_I64 && targets->dtype != AE_I32) {
        ae_fail(g, AE_E_DTYPE, "adaptive_softmax: targets are %s; i64 or i32 ids are needed",
                ae_dtype_name(targets->dtype));
    } else if (targets->ndim != x->ndim - 1 ||
               memcmp(targets->shape, x->shape, (size_t)targets->ndim * sizeof(int64_t)) != 0) {
        ae_fail(g, AE_E_SHAPE, "adaptive_softmax: x %s must be targets %s with one more axis",
                ae_shape_text(x->ndim, x->shape, a), ae_shape_text(targets->ndim, targets->shape, b));
    }
    for (int64_t k = 0; ae_ok(g) && k < ae_numel(targets); k++) {
        int64_t t = ae_get_i64(targets, k);
        if (t != ignore_index && (t < 0 || t >= classes)) {
            ae_fail(g, AE_E_VALUE, "adaptive_softmax: target %lld is %lld; there are %lld classes, and %lld is ignored",
                    (long long)k, (long long)t, (long long)classes, (long long)ignore_index);
        }
        count += t != ignore_index;
    }
    return ae_ok(g) ? count : -1;
}

enum { IGNORED = -100 };

/* Targets as one row, with IGNORED in the place of ignore_index. */
static ae_tensor *plain_targets(ae_graph *g, const ae_tensor *targets, int64_t ignore_index)
{
    int64_t n = ae_numel(targets);
    ae_tensor *y = ae_empty(g, AE_I64, 1, &n);
    for (int64_t k = 0; k < n && ae_ok(g); k++) {
        int64_t t = ae_get_i64(targets, k);
        ((int64_t *)y->data)[k] = t == ignore_index ? IGNORED : t;
    }
    return y;
}

/* What the head has to find: a word of the shortlist, or the entry of the target's cluster. */
static ae_tensor *head_targets(ae_graph *g, const struct ae_adaptive_softmax *l, const ae_tensor *targets)
{
    ae_tensor *y = ae_empty_like(g, targets);
    for (int64_t k = 0; ae_ok(g) && k < ae_numel(targets); k++) {
        int64_t t = ((const int64_t *)targets->data)[k];
        int i = 0;
        while (t >= l->clusters.end[i + 1]) {
            i++;
        }
        ((int64_t *)y->data)[k] = i > 0 ? entry_of(l, i) : t;
    }
    return y;
}

/* Losses of all rows, (N), or their sum: the head's, and on top of it each cluster's. */
static ae_tensor *losses(ae_graph *g, const struct ae_adaptive_softmax *l, ae_tensor *rows, ae_tensor *targets,
                         bool each)
{
    ae_cross_entropy_options o = {.ignore_index = IGNORED, .reduction = each ? AE_REDUCE_NONE : AE_REDUCE_SUM};
    tables t = tables_of(g, l);
    ae_tensor *wanted = head_targets(g, l, targets);
    ae_tensor *loss = ae_linear_cross_entropy(g, projected(g, l, 0, rows), t.weight[0], t.bias[0], wanted, &o);
    for (int i = 1; i < l->clusters.count && ae_ok(g); i++) {
        ae_tensor *within, *at = ae_word_clusters_find(g, &l->clusters, i, targets, &within);
        if (!at) {
            continue;
        }
        ae_tensor *h = projected(g, l, i, ae_index_select(g, rows, 0, at));
        ae_tensor *tail = ae_linear_cross_entropy(g, h, t.weight[i], t.bias[i], within, &o);
        loss = each ? ae_index_add(g, loss, 0, at, tail) : ae_add(g, loss, tail);
    }
    return loss;
}

ae_tensor *ae_adaptive_softmax_loss(ae_graph *g, const struct ae_adaptive_softmax *l, ae_tensor *x, ae_tensor *targets,
                                    int64_t ignore_index, ae_reduction reduction)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *rows = as_rows(g, x);
    int64_t count = ae_ok(g) ? check_targets(g, l, x, targets, ignore_index) : -1;
    if (count < 0) {
        return ae_frame_return(f, ae_bad(g));
    }
    bool each = reduction == AE_REDUCE_NONE;
    ae_tensor *plain = plain_targets(g, targets, ignore_index);
    ae_tensor *loss = ae_ok(g) ? losses(g, l, rows, plain, each) : ae_bad(g);
    if (each) {
        loss = ae_reshape(g, loss, targets->ndim, targets->shape);
    }
    bool mean = reduction == AE_REDUCE_MEAN && count > 1;
    return ae_frame_return(f, mean ? ae_scale(g, loss, 1 / (double)count) : loss);
}

/* ---- all classes --------------------------------------------------------------------------------------------------- */

ae_tensor *ae_adaptive_softmax_log_prob(ae_graph *g, const struct ae_adaptive_softmax *l, ae_tensor *x)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *rows = as_rows(g, x), *parts[AE_CLUSTERS_MAX], *head = NULL;
    if (!ae_ok(g)) {
        return ae_frame_return(f, ae_bad(g));
    }
    tables t = tables_of(g, l);
    for (int i = 0; i < l->clusters.count; i++) {
        ae_tensor *logits = ae_f_linear(g, projected(g, l, i, rows), t.weight[i], t.bias[i]);
        ae_tensor *found = ae_log_softmax(g, logits, -1);
        head = i == 0 ? found : head;
        int64_t column = i == 0 ? 0 : entry_of(l, i);
        parts[i] = i == 0 ? ae_slice(g, head, 1, 0, l->clusters.end[1], 1)
                          : ae_add(g, found, ae_slice(g, head, 1, column, column + 1, 1));
    }
    ae_tensor *all = ae_concat(g, parts, l->clusters.count, 1);
    int64_t shape[AE_MAX_DIMS];
    memcpy(shape, x->shape, sizeof shape);
    shape[x->ndim - 1] = l->clusters.end[l->clusters.count];
    return ae_frame_return(f, ae_reshape(g, all, x->ndim, shape));
}
