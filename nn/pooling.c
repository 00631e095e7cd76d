#include "nn/pooling.h"

#include <string.h>

static const char *const names[] = {
#define ROW(symbol, name, formula) name,
    AE_POOLINGS(ROW)
#undef ROW
};

ae_tensor *ae_pool_over_time(ae_graph *g, ae_pooling pooling, ae_tensor *x, ae_tensor *lengths)
{
    switch (pooling) {
    case AE_POOLING_MEAN:
        return ae_mean_over_time(g, x, lengths);
    case AE_POOLING_MAX:
        return ae_max_over_time(g, x, lengths);
    case AE_POOLING_FIRST: {
        ae_frame f = ae_frame_open(g);
        return ae_frame_return(f, ae_squeeze(g, ae_slice(g, x, 1, 0, 1, 1), 1));
    }
    case AE_POOLING_LAST:
        return ae_last_over_time(g, x, lengths);
    default:
        return ae_fail(g, AE_E_VALUE, "pool_over_time: there is no pooling %d", (int)pooling);
    }
}

const char *ae_pooling_name(ae_pooling pooling)
{
    return (unsigned)pooling < AE_POOLING_COUNT ? names[pooling] : "?";
}

int ae_pooling_parse(const char *name, ae_pooling *pooling, ae_err *e)
{
    for (int i = 0; i < AE_POOLING_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *pooling = (ae_pooling)i;
            return 0;
        }
    }
    return ae_err_set(e, AE_E_VALUE, "pooling: %s is not known; mean, max, first, last are", name);
}
