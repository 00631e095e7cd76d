#include "nn/embedding.h"

void ae_embedding_init(ae_model *m, struct ae_embedding *l, const char *name, int64_t rows, int64_t width, ae_init init,
                       int64_t padding_idx)
{
    l->padding_idx = padding_idx;
    if (padding_idx < -1 || padding_idx >= rows) {
        ae_model_fail(m, AE_E_VALUE, "embedding: padding_idx of %s%s must be -1 or a row of 0..%lld; it is %lld",
                      ae_scope_prefix(m), name, (long long)rows - 1, (long long)padding_idx);
    }
    init.zero_row = padding_idx + 1;
    ae_scope s = ae_scope_open(m, "%s", name);
    l->weight = ae_param(m, "weight", 2, (int64_t[]){rows, width}, init);
    ae_scope_close(s);
}

ae_tensor *ae_embedding(ae_graph *g, const struct ae_embedding *l, ae_tensor *ids)
{
    return ae_f_embedding(g, l->weight, ids, l->padding_idx);
}
