#include "nn/init.h"

static void fill_constant(ae_tensor *t, double a, double b, const ae_random_key *key)
{
    (void)b;
    (void)key;
    float *x = t->data;
    int64_t n = ae_numel(t);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)a;
    }
}

static void fill_normal(ae_tensor *t, double a, double b, const ae_random_key *key)
{
    ae_random_normal_f32(key, 0, (float)a, (float)b, t->data, ae_numel(t));
}

static void fill_truncated(ae_tensor *t, double a, double b, const ae_random_key *key)
{
    ae_random_truncated_normal_f32(key, 0, (float)a, (float)b, t->data, ae_numel(t));
}

static void fill_uniform(ae_tensor *t, double a, double b, const ae_random_key *key)
{
    ae_random_uniform_f32(key, 0, (float)a, (float)b, t->data, ae_numel(t));
}

ae_init ae_init_constant(double value)
{
    return (ae_init){.fill = fill_constant, .a = value, .b = 0};
}

ae_init ae_init_zeros(void)
{
    return ae_init_constant(0);
}

ae_init ae_init_ones(void)
{
    return ae_init_constant(1);
}

ae_init ae_init_normal(double std)
{
    return (ae_init){.fill = fill_normal, .a = 0, .b = std};
}

ae_init ae_init_truncated_normal(double std)
{
    return (ae_init){.fill = fill_truncated, .a = 0, .b = std};
}

ae_init ae_init_uniform(double lo, double hi)
{
    return (ae_init){.fill = fill_uniform, .a = lo, .b = hi};
}
