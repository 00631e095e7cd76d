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
