#include "nn/init.h"
#include "tensor/lapack.h"

#include <math.h>
#include <stdlib.h>

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

ae_init ae_init_gpt2_residual(double std, int64_t layers)
{
    return ae_init_normal(std / sqrt(2.0 * (double)(layers > 0 ? layers : 1)));
}

/* ---- by the shape -------------------------------------------------------------------------------------------------- */

static void fans(const ae_tensor *t, double *in, double *out)
{
    double n = (double)ae_numel(t);
    double rows = t->ndim > 0 && t->shape[0] > 0 ? (double)t->shape[0] : 1;
    double columns = t->ndim > 1 && t->shape[1] > 0 ? (double)t->shape[1] : 1;
    *in = t->ndim < 2 ? n : n / rows;
    *out = t->ndim < 2 ? n : n / columns;
    *in = *in > 0 ? *in : 1;
    *out = *out > 0 ? *out : 1;
}

static void fill_symmetric(ae_tensor *t, double bound, const ae_random_key *key)
{
    fill_uniform(t, -bound, bound, key);
}

static void fill_xavier_uniform(ae_tensor *t, double gain, double b, const ae_random_key *key)
{
    double in, out;
    (void)b;
    fans(t, &in, &out);
    fill_symmetric(t, gain * sqrt(6 / (in + out)), key);
}

static void fill_xavier_normal(ae_tensor *t, double gain, double b, const ae_random_key *key)
{
    double in, out;
    (void)b;
    fans(t, &in, &out);
    fill_normal(t, 0, gain * sqrt(2 / (in + out)), key);
}

/* a: factor of the standard deviation 1/sqrt(fan_in). */
static void fill_fan_in_uniform(ae_tensor *t, double a, double b, const ae_random_key *key)
{
    double in, out;
    (void)b;
    fans(t, &in, &out);
    fill_symmetric(t, a * sqrt(3 / in), key);
}

static void fill_fan_in_normal(ae_tensor *t, double a, double b, const ae_random_key *key)
{
    double in, out;
    (void)b;
    fans(t, &in, &out);
    fill_normal(t, 0, a / sqrt(in), key);
}

ae_init ae_init_xavier_uniform(double gain)
{
    return (ae_init){.fill = fill_xavier_uniform, .a = gain};
}

ae_init ae_init_xavier_normal(double gain)
{
    return (ae_init){.fill = fill_xavier_normal, .a = gain};
}

ae_init ae_init_kaiming_uniform(double slope)
{
    return (ae_init){.fill = fill_fan_in_uniform, .a = sqrt(2 / (1 + slope * slope))};
}

ae_init ae_init_kaiming_normal(double slope)
{
    return (ae_init){.fill = fill_fan_in_normal, .a = sqrt(2 / (1 + slope * slope))};
}

ae_init ae_init_torch(void)
{
    return ae_init_kaiming_uniform(sqrt(5)); /* as PyTorch writes it; 1/sqrt(fan_in) comes out */
}

ae_init ae_init_torch_width(int64_t width)
{
    double bound = 1 / sqrt((double)(width > 0 ? width : 1));
    return ae_init_uniform(-bound, bound);
}

ae_init ae_init_fan_in_normal(double factor)
{
    return (ae_init){.fill = fill_fan_in_normal, .a = factor};
}

/* ---- orthogonal ---------------------------------------------------------------------------------------------------- */

/* Rows of x (n,m), n <= m, made orthonormal one after another, twice over for the digits; for machines without LAPACK.
 */
static void gram_schmidt(double *x, int64_t n, int64_t m)
{
    for (int64_t i = 0; i < n; i++) {
        double *row = x + i * m;
        double square = 0;
        for (int64_t j = 0; j < 2 * i; j++) {
            const double *other = x + j % i * m;
            double along = 0;
            for (int64_t k = 0; k < m; k++) {
                along += row[k] * other[k];
            }
            for (int64_t k = 0; k < m; k++) {
                row[k] -= along * other[k];
            }
        }
        for (int64_t k = 0; k < m; k++) {
            square += row[k] * row[k];
        }
        for (int64_t k = 0; k < m; k++) {
            row[k] /= sqrt(square);
        }
    }
}

/* The same by QR of the transpose (m,n), with the signs that Gram and Schmidt give. Returns 0, or -1 when LAPACK is not
 * there. */
static int orthogonal_by_qr(double *x, int64_t n, int64_t m)
{
    ae_tensor *a = ae_tensor_wrap(x, AE_F64, 2, (int64_t[]){n, m}, NULL);
    ae_tensor *q = NULL;
    ae_tensor *r = NULL;
    if (!a) {
        return -1;
    }
    ae_tensor flipped = *a;
    flipped.shape[0] = m;
    flipped.shape[1] = n;
    flipped.strides[0] = 1;
    flipped.strides[1] = m;
    int status = ae_lapack_qr(&flipped, &q, &r, NULL);
    for (int64_t i = 0; status == 0 && i < n; i++) {
        double sign = ae_get_f64(r, i * n + i) < 0 ? -1 : 1;
        for (int64_t k = 0; k < m; k++) {
            x[i * m + k] = sign * ((const double *)q->data)[k * n + i];
        }
    }
    ae_tensor_free(q);
    ae_tensor_free(r);
    ae_tensor_free(a);
    return status;
}

static void fill_orthogonal(ae_tensor *t, double gain, double blocks, const ae_random_key *key)
{
    int64_t parts = blocks > 1 ? (int64_t)blocks : 1;
    int64_t rows = t->ndim > 0 ? t->shape[0] / parts : 1;
    int64_t columns = rows > 0 ? ae_numel(t) / (rows * parts) : 0;
    int64_t n = rows < columns ? rows : columns;
    int64_t m = rows < columns ? columns : rows;
    double *x = malloc((size_t)(n * m) * sizeof *x + 1);
    for (int64_t part = 0; part < parts && x && n > 0; part++) {
        ae_random_key own = ae_random_subkey(key, (uint64_t)part);
        float *to = (float *)t->data + part * rows * columns;
        ae_random_normal_f64(&own, 0, 0, 1, x, n * m);
        if (orthogonal_by_qr(x, n, m) != 0) {
            gram_schmidt(x, n, m);
        }
        for (int64_t i = 0; i < rows * columns; i++) {
            int64_t r = i / columns;
            int64_t k = i % columns;
            to[i] = (float)(gain * (rows < columns ? x[r * m + k] : x[k * m + r]));
        }
    }
    if (!x) {
        fill_xavier_normal(t, gain, 0, key); /* the nearest that needs no memory */
    }
    free(x);
}

ae_init ae_init_orthogonal(double gain, int64_t blocks)
{
    return (ae_init){.fill = fill_orthogonal, .a = gain, .b = (double)blocks};
}

static void fill_identity(ae_tensor *t, double a, double blocks, const ae_random_key *key)
{
    int64_t parts = blocks > 1 ? (int64_t)blocks : 1;
    int64_t rows = t->ndim > 0 ? t->shape[0] / parts : 1;
    int64_t columns = rows > 0 ? ae_numel(t) / (rows * parts) : 0;
    (void)a;
    fill_constant(t, 0, 0, key);
    for (int64_t r = 0; r < rows * parts && columns > 0; r++) {
        if (r % rows < columns) {
            ((float *)t->data)[r * columns + r % rows] = 1;
        }
    }
}

ae_init ae_init_identity(int64_t blocks)
{
    return (ae_init){.fill = fill_identity, .b = (double)blocks};
}

static void fill_skip_thoughts(ae_tensor *t, double a, double b, const ae_random_key *key)
{
    (void)a;
    (void)b;
    if (t->ndim == 2 && t->shape[0] == t->shape[1]) {
        fill_orthogonal(t, 1, 1, key);
    } else {
        fill_symmetric(t, 0.1, key);
    }
}

ae_init ae_init_skip_thoughts(void)
{
    return (ae_init){.fill = fill_skip_thoughts};
}

/* a: the first position; b: 1 for halves. */
static void fill_sinusoidal(ae_tensor *t, double first, double halves, const ae_random_key *key)
{
    (void)key;
    int64_t width = t->ndim > 0 ? t->shape[t->ndim - 1] : 1;
    int64_t sines = (width + 1) / 2;
    for (int64_t i = 0; i < ae_numel(t); i++) {
        int64_t column = i % width;
        bool sine = halves != 0 ? column < sines : column % 2 == 0;
        int64_t pair = halves == 0 ? column / 2 : sine ? column : column - sines;
        double angle = (first + (double)(i / width)) / pow(10000, 2 * (double)pair / (double)width);
        ((float *)t->data)[i] = (float)(sine ? sin(angle) : cos(angle));
    }
}

ae_init ae_init_sinusoidal(int64_t first, bool halves)
{
    return (ae_init){.fill = fill_sinusoidal, .a = (double)first, .b = halves};
}

static void fill_sinusoidal_spread(ae_tensor *t, double std, double b, const ae_random_key *key)
{
    fill_sinusoidal(t, 0, b, key);
    float *x = t->data;
    for (int64_t i = 0; i < ae_numel(t); i++) {
        x[i] *= (float)(std * M_SQRT2);
    }
}

ae_init ae_init_sinusoidal_spread(double std)
{
    return (ae_init){.fill = fill_sinusoidal_spread, .a = std, .b = 0};
}

/* a: the value; b: part + parts / 1024, both small whole numbers. */
static void fill_part(ae_tensor *t, double a, double b, const ae_random_key *key)
{
    double part = floor(b);
    int64_t parts = (int64_t)((b - part) * 1024);
    int64_t length = parts > 0 ? ae_numel(t) / parts : 0;
    fill_constant(t, 0, 0, key);
    for (int64_t i = 0; i < length; i++) {
        ((float *)t->data)[(int64_t)part * length + i] = (float)a;
    }
}

ae_init ae_init_part(double value, int part, int parts)
{
    bool fits = parts > 0 && parts < 1024 && part >= 0 && part < parts;
    return (ae_init){.fill = fill_part, .a = value, .b = fits ? part + parts / 1024.0 : 0};
}
