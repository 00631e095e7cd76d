#include "nn/adaptive_embedding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t ae_adaptive_width(const ae_adaptive_layout *layout, int i)
{
    return (int64_t)floor((double)layout->width / pow(layout->div_value, i));
}

bool ae_adaptive_check(ae_model *m, const char *who, const char *name, const ae_adaptive_layout *layout)
{
    if (!(layout->div_value >= 1) || isinf(layout->div_value)) {
        ae_model_fail(m, AE_E_VALUE, "%s: div_value of %s%s is %g; it must be at least 1", who, ae_scope_prefix(m),
                      name, layout->div_value);
    } else if (ae_adaptive_width(layout, layout->n_cutoffs) < 1 || layout->outer < 1) {
        ae_model_fail(m, AE_E_VALUE,
                      "%s: %s%s has width %lld, div_value %g and %d cutoffs, inside a model of width %lld: rows of the "
                      "last cluster would be empty",
                      who, ae_scope_prefix(m), name, (long long)layout->width, layout->div_value, layout->n_cutoffs,
                      (long long)layout->outer);
    }
    return ae_model_ok(m);
}

void ae_adaptive_embedding_init(ae_model *m, struct ae_adaptive_embedding *l, const char *name,
                                const ae_adaptive_layout *layout)
{
    char number[24];
    memset(l, 0, sizeof *l);
    ae_word_clusters_init(m, &l->clusters, "adaptive_embedding", layout->classes, layout->cutoffs, layout->n_cutoffs);
    if (!ae_adaptive_check(m, "adaptive_embedding", name, layout)) {
        return;
    }
    l->one_table = layout->div_value == 1;
    l->scale = sqrt((double)layout->outer);
    ae_scope s = ae_scope_open(m, "%s", name);
    for (int i = 0; i < (l->one_table ? 1 : l->clusters.count); i++) {
        int64_t width = ae_adaptive_width(layout, i);
        int64_t rows = l->one_table ? layout->classes : ae_word_clusters_size(&l->clusters, i);
        ae_scope table = ae_scope_open(m, "emb_layers.%d", i);
        l->weight[i] = ae_param(m, "weight", 2, (int64_t[]){rows, width}, layout->init);
        ae_scope_close(table);
        if (!l->one_table || width != layout->outer) {
            snprintf(number, sizeof number, "emb_projs.%d", i);
            l->proj[i] = ae_param(m, number, 2, (int64_t[]){layout->outer, width}, layout->proj_init);
        }
    }
    ae_scope_close(s);
}

static ae_tensor *look_up(ae_graph *g, const struct ae_adaptive_embedding *l, int i, ae_tensor *ids)
{
    ae_tensor *rows = ae_f_embedding(g, l->weight[i], ids, -1);
    return l->proj[i] ? ae_f_linear(g, rows, l->proj[i], NULL) : rows;
}

static int check_ids(ae_graph *g, const struct ae_adaptive_embedding *l, const ae_tensor *ids)
{
    int64_t classes = l->clusters.end[l->clusters.count];
    if (ids->dtype != AE_I64 && ids->dtype != AE_I32) {
        ae_fail(g, AE_E_DTYPE, "adaptive_embedding: ids are %s; i64 or i32 are needed", ae_dtype_name(ids->dtype));
        return -1;
    }
    for (int64_t k = 0; k < ae_numel(ids); k++) {
        int64_t id = ae_get_i64(ids, k);
        if (id < 0 || id >= classes) {
            ae_fail(g, AE_E_VALUE, "adaptive_embedding: id %lld at place %lld; %s and its clusters have %lld rows",
                    (long long)id, (long long)k, l->weight[0]->name, (long long)classes);
            return -1;
        }
    }
    return 0;
}

/* Each cluster's words together, and then all back to their places. */
static ae_tensor *by_clusters(ae_graph *g, const struct ae_adaptive_embedding *l, ae_tensor *ids)
{
    ae_tensor *parts[AE_CLUSTERS_MAX], *places = ae_empty(g, AE_I64, ids->ndim, ids->shape);
    int n = 0;
    int64_t before = 0;
    for (int i = 0; i < l->clusters.count && ae_ok(g); i++) {
        ae_tensor *within, *at = ae_word_clusters_find(g, &l->clusters, i, ids, &within);
        for (int64_t k = 0; at && k < ae_numel(at); k++) {
            ((int64_t *)places->data)[ae_get_i64(at, k)] = before++;
        }
        if (at) {
            parts[n++] = look_up(g, l, i, within);
        }
    }
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    return n > 0 ? ae_index_select(g, ae_concat(g, parts, n, 0), 0, places) : look_up(g, l, 0, ids);
}

ae_tensor *ae_adaptive_embedding(ae_graph *g, const struct ae_adaptive_embedding *l, ae_tensor *ids)
{
    if (!ae_ok(g) || check_ids(g, l, ids) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *rows = l->one_table ? look_up(g, l, 0, ids) : by_clusters(g, l, ids);
    return ae_frame_return(f, ae_scale(g, rows, l->scale));
}
