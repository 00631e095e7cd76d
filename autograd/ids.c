#include "autograd/ids.h"
#include "autograd/tape.h"

int ae_ids_check_dtype(ae_call *c, int i)
{
    char text[AE_DESCRIBE_MAX];
    if (c->in[i]->dtype == AE_I64 || c->in[i]->dtype == AE_I32) {
        return 0;
    }
    return ae_call_fail(c, AE_E_DTYPE, "%s is %s; ids are i64 or i32: cast it", ae_call_describe(c, i, text),
                        ae_dtype_name(c->in[i]->dtype));
}

static int fail_range(ae_call *c, int64_t id, int64_t at, int64_t extent, int of, int axis)
{
    char text[AE_DESCRIBE_MAX];
    if (of < 0) {
        return ae_call_fail(c, AE_E_VALUE, "id %lld at place %lld is outside of 0..%lld", (long long)id, (long long)at,
                            (long long)extent - 1);
    }
    return ae_call_fail(c, AE_E_VALUE, "id %lld at place %lld is outside of axis %d of %s", (long long)id,
                        (long long)at, axis, ae_call_describe(c, of, text));
}

const int64_t *ae_ids(ae_call *c, int i, int64_t extent, int of, int axis)
{
    ae_tensor *t = c->in[i];
    if (t->dtype != AE_I64) {
        ae_tensor *wide = ae_empty(c->graph, AE_I64, t->ndim, t->shape);
        if (!ae_ok(c->graph) || ae_tensor_copy(wide, t, &c->graph->error) != 0) {
            return NULL;
        }
        t = wide;
    }
    t = ae_dense(c->graph, t);
    if (!ae_ok(c->graph)) {
        return NULL;
    }
    const int64_t *ids = t->data;
    int64_t n = ae_numel(t), bad = n;
#pragma omp parallel for schedule(static) reduction(min : bad) if (n > 65536)
    for (int64_t k = 0; k < n; k++) {
        if ((uint64_t)ids[k] >= (uint64_t)extent && k < bad) {
            bad = k;
        }
    }
    if (bad < n) {
        fail_range(c, ids[bad], bad, extent, of, axis);
        return NULL;
    }
    return ids;
}
