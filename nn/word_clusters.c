#include "nn/word_clusters.h"

void ae_word_clusters_init(ae_model *m, struct ae_word_clusters *c, const char *who, int64_t classes,
                           const int64_t *cutoffs, int n)
{
    *c = (struct ae_word_clusters){.count = 1, .end = {0, classes > 0 ? classes : 0}};
    if (classes < 1 || n < 0 || n >= AE_CLUSTERS_MAX) {
        ae_model_fail(m, AE_E_VALUE, "%s: %lld classes and %d cutoffs; at least 1 class is needed, at most %d cutoffs",
                      who, (long long)classes, n, AE_CLUSTERS_MAX - 1);
        return;
    }
    int64_t last = 0;
    for (int i = 0; i < n; i++) {
        if (cutoffs[i] <= last || cutoffs[i] >= classes) {
            ae_model_fail(m, AE_E_VALUE,
                          "%s: cutoff %d is %lld; cutoffs must rise strictly between 0 and the %lld classes", who, i,
                          (long long)cutoffs[i], (long long)classes);
            return;
        }
        last = cutoffs[i];
    }
    c->count = n + 1;
    for (int i = 0; i < n; i++) {
        c->end[i + 1] = cutoffs[i];
    }
    c->end[n + 1] = classes;
}

int64_t ae_word_clusters_size(const struct ae_word_clusters *c, int i)
{
    return c->end[i + 1] - c->end[i];
}

ae_tensor *ae_word_clusters_find(ae_graph *g, const struct ae_word_clusters *c, int i, const ae_tensor *ids,
                                 ae_tensor **within)
{
    int64_t n = 0, begin = c->end[i], end = c->end[i + 1];
    *within = NULL;
    for (int64_t k = 0; k < ae_numel(ids) && ae_ok(g); k++) {
        int64_t id = ae_get_i64(ids, k);
        n += id >= begin && id < end;
    }
    if (n == 0) {
        return NULL;
    }
    ae_tensor *places = ae_empty(g, AE_I64, 1, &n), *inside = ae_empty(g, AE_I64, 1, &n);
    if (!ae_ok(g)) {
        return NULL;
    }
    int64_t *to = places->data, *number = inside->data;
    for (int64_t k = 0, at = 0; at < n; k++) {
        int64_t id = ae_get_i64(ids, k);
        if (id >= begin && id < end) {
            to[at] = k;
            number[at++] = id - begin;
        }
    }
    *within = inside;
    return places;
}
