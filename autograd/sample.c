#include "autograd/elementwise.h"
#include "autograd/op.h"

ae_tensor *ae_sample_in(ae_sample *s, const char *shape, double lo, double hi)
{
    return s->maker->in(s, shape, lo, hi);
}

ae_tensor *ae_sample_distinct(ae_sample *s, const char *shape)
{
    return s->maker->distinct(s, shape);
}

ae_tensor *ae_sample_ids(ae_sample *s, const char *shape, int64_t lo, int64_t hi)
{
    return s->maker->ids(s, shape, lo, hi);
}

ae_tensor *ae_sample_mask(ae_sample *s, const char *shape)
{
    return s->maker->mask(s, shape);
}

ae_tensor *ae_sample_blocks(ae_sample *s, double lo, double hi)
{
    return ae_sample_in(s, s->variant == 0 ? "3,5" : "37,1021", lo, hi);
}

void ae_sample_operands(ae_sample *s, ae_tensor **x, double x_lo, double x_hi, ae_tensor **y, double y_lo, double y_hi)
{
    static const char *const shapes[][2] = {{"3,4", "3,4"}, {"2,1,4", "3,1"}, {"37,1021", "1021"}};
    *x = ae_sample_in(s, shapes[s->variant][0], x_lo, x_hi);
    *y = ae_sample_in(s, shapes[s->variant][1], y_lo, y_hi);
}
