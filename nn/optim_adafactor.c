/* Adafactor (Shazeer and Stern 2018, arXiv:1804.04235): the second moment of a matrix is kept as the means of its rows
 * and of its columns. Hugging Face's rule, and that of tensorflow/mesh which trained T5. */
#include "nn/optimizer_rule.h"
#include "tensor/kernels.h"
#include "tensor/threads.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

enum { STATE_ROW, STATE_COLUMN, STATE_FULL, STATE_MEAN };

/* ---- which tensors are factored -------------------------------------------------------------------------------------- */

static bool factored(const ae_optim_config *c, const ae_tensor *p)
{
    return p->ndim >= 2 && p->shape[p->ndim - 1] >= c->factor_from && p->shape[p->ndim - 2] >= c->factor_from;
}

static int row_shape(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    if (!factored(c, p)) {
        return -1;
    }
    optim_like(c, p, shape);
    return p->ndim - 1;
}

static int column_shape(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    if (!factored(c, p)) {
        return -1;
    }
    optim_like(c, p, shape);
    shape[p->ndim - 2] = p->shape[p->ndim - 1];
    return p->ndim - 1;
}

static int full_shape(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    return factored(c, p) ? -1 : optim_like(c, p, shape);
}

static int mean_shape(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    return c->first_moment ? optim_like(c, p, shape) : -1;
}

/* ---- one parameter ----------------------------------------------------------------------------------------------------- */

/* A parameter as `batch` matrices of (rows, columns), and what turns its gradient into the update:
 * g row_factor column_factor, or g / sqrt(full). */
typedef struct plan {
    const ae_optim_config *c;
    const update *u;
    int64_t batch, rows, columns;
    float *row_factor;    /* (batch, rows) */
    float *column_factor; /* (batch, columns) */
    double *partial;      /* (batch, rows): a sum a row */
    float *scratch;       /* (threads, columns) */
    float *zeros;         /* (columns), where the gradient is kept by rows */
    double beta2;
} plan;

static float mixed(const plan *p, float old, double mean)
{
    return (float)(p->beta2 * (double)old + (1 - p->beta2) * (mean + p->c->eps));
}

static const float *gradient_row(const plan *p, int64_t r)
{
    return optim_gradient_row(p->u, r, p->columns, p->zeros);
}

static double squared(double x)
{
    return x * x;
}

/* Row means: one row after another, each summed in order, whatever the number of threads. */
static void update_rows(const plan *p)
{
    float *state = p->u->state[STATE_ROW];
    double share = squared((double)p->u->grad_scale) / (double)p->columns;
#pragma omp parallel for num_threads(ae_threads()) if (p->u->n > 65536) schedule(static)
    for (int64_t r = 0; r < p->batch * p->rows; r++) {
        state[r] = mixed(p, state[r], share * ae_kernels_get()->sum_squares(gradient_row(p, r), p->columns));
    }
}

/* Column means, WIDTH columns at a time. */
static void update_columns(const plan *p)
{
    enum { WIDTH = 256 };
    float *state = p->u->state[STATE_COLUMN];
    int64_t strips = (p->columns + WIDTH - 1) / WIDTH;
    double share = squared((double)p->u->grad_scale) / (double)p->rows;
#pragma omp parallel for num_threads(ae_threads()) if (p->u->n > 65536) schedule(static)
    for (int64_t s = 0; s < p->batch * strips; s++) {
        double sum[WIDTH] = {0};
        int64_t b = s / strips;
        int64_t begin = s % strips * WIDTH;
        int64_t width = p->columns - begin < WIDTH ? p->columns - begin : WIDTH;
        for (int64_t r = 0; r < p->rows; r++) {
            const float *g = gradient_row(p, b * p->rows + r) + begin;
            for (int64_t k = 0; k < width; k++) {
                sum[k] += (double)g[k] * (double)g[k];
            }
        }
        for (int64_t k = 0; k < width; k++) {
            float *x = &state[b * p->columns + begin + k];
            *x = mixed(p, *x, share * sum[k]);
        }
    }
}

static void set_factors(const plan *p)
{
    const float *row = p->u->state[STATE_ROW];
    const float *column = p->u->state[STATE_COLUMN];
    for (int64_t b = 0; b < p->batch; b++) {
        double mean = ae_kernels_get()->sum(row + b * p->rows, p->rows) / (double)p->rows;
        for (int64_t r = b * p->rows; r < (b + 1) * p->rows; r++) {
            p->row_factor[r] = (float)(1 / sqrt((double)row[r] / mean));
        }
    }
    for (int64_t k = 0; k < p->batch * p->columns; k++) {
        p->column_factor[k] = 1 / sqrtf(column[k]);
    }
}

static void update_full(const plan *p)
{
    float *state = p->u->state[STATE_FULL];
    double share = squared((double)p->u->grad_scale);
#pragma omp parallel for num_threads(ae_threads()) if (p->u->n > 65536) schedule(static)
    for (int64_t r = 0; r < p->batch * p->rows; r++) {
        const float *g = gradient_row(p, r);
        for (int64_t k = 0; k < p->columns; k++) {
            float *x = &state[r * p->columns + k];
            *x = mixed(p, *x, share * squared((double)g[k]));
        }
    }
}

/* The update of row r before clipping and rate, into d (columns). */
static void direction(const plan *p, int64_t r, float *restrict d)
{
    const float *restrict g = gradient_row(p, r);
    const float scale = p->u->grad_scale;
    int64_t n = p->columns;
    if (p->row_factor) {
        const float *restrict column = p->column_factor + r / p->rows * n;
        const float row = p->row_factor[r];
#pragma omp simd
        for (int64_t k = 0; k < n; k++) {
            d[k] = scale * g[k] * (row * column[k]);
        }
    } else {
        const float *restrict full = p->u->state[STATE_FULL] + r * n;
#pragma omp simd
        for (int64_t k = 0; k < n; k++) {
            d[k] = scale * g[k] / sqrtf(full[k]);
        }
    }
}

static double update_rms(const plan *p)
{
    int64_t total = p->batch * p->rows;
#pragma omp parallel num_threads(ae_threads()) if (p->u->n > 65536)
    {
        float *d = p->scratch + omp_get_thread_num() * p->columns;
#pragma omp for schedule(static)
        for (int64_t r = 0; r < total; r++) {
            direction(p, r, d);
            p->partial[r] = ae_kernels_get()->sum_squares(d, p->columns);
        }
    }
    double sum = 0;
    for (int64_t r = 0; r < total; r++) {
        sum += p->partial[r];
    }
    return sqrt(sum / (double)p->u->n);
}

/* p = keep p - d, with d or the running mean of it; one row. */
static void apply_row(const plan *p, int64_t r, float shrink, float *restrict d)
{
    const float keep = (float)(1 - p->u->weight_decay * p->u->a);
    const float beta1 = (float)p->c->beta1;
    const float take1 = (float)(1 - p->c->beta1);
    float *restrict x = p->u->p + r * p->columns;
    float *restrict mean = p->u->state[STATE_MEAN] ? p->u->state[STATE_MEAN] + r * p->columns : NULL;
    direction(p, r, d);
    for (int64_t k = 0; mean && k < p->columns; k++) {
        mean[k] = beta1 * mean[k] + take1 * (shrink * d[k]);
    }
    const float *restrict step = mean ? mean : d;
    const float factor = mean ? 1 : shrink;
#pragma omp simd
    for (int64_t k = 0; k < p->columns; k++) {
        x[k] = x[k] * keep - factor * step[k];
    }
}

static void apply(const plan *p, float shrink)
{
#pragma omp parallel num_threads(ae_threads()) if (p->u->n > 65536)
    {
        float *d = p->scratch + omp_get_thread_num() * p->columns;
#pragma omp for schedule(static)
        for (int64_t r = 0; r < p->batch * p->rows; r++) {
            apply_row(p, r, shrink, d);
        }
    }
}

/* The rate of this step: Shazeer and Stern's section 8 (relative step sizes) and section 9. */
static double rate(const ae_optim_config *c, const update *u)
{
    double t = (double)u->t;
    double lr = u->lr;
    if (c->relative_step) {
        lr *= fmin(c->warmup_init ? 1e-6 * t : 1e-2, 1 / sqrt(t));
    }
    if (c->scale_parameter) {
        lr *= fmax(c->eps2, sqrt(ae_kernels_get()->sum_squares(u->p, u->n) / (double)u->n));
    }
    return lr;
}

static int update_one(const ae_optim_config *c, update *u)
{
    const ae_tensor *t = u->tensor;
    plan p = {.c = c, .u = u, .batch = 1, .rows = 1, .columns = u->n, .beta2 = 1 - pow((double)u->t, c->decay_rate)};
    if (t->ndim >= 2) {
        p.columns = t->shape[t->ndim - 1];
        p.rows = t->shape[t->ndim - 2];
        p.batch = u->n / (p.rows * p.columns);
    }
    p.partial = malloc((size_t)(p.batch * p.rows) * sizeof(double));
    p.scratch = malloc((size_t)(ae_threads() * p.columns) * sizeof(float));
    if (factored(c, t)) {
        p.row_factor = malloc((size_t)(p.batch * p.rows) * sizeof(float));
        p.column_factor = malloc((size_t)(p.batch * p.columns) * sizeof(float));
    }
    p.zeros = u->rows ? calloc((size_t)p.columns, sizeof(float)) : NULL;
    int status =
        p.partial && p.scratch && (p.zeros || !u->rows) && (!factored(c, t) || (p.row_factor && p.column_factor)) ? 0
                                                                                                                  : -1;
    if (status == 0) {
        u->a = rate(c, u);
        if (factored(c, t)) {
            update_rows(&p);
            update_columns(&p);
            set_factors(&p);
        } else {
            update_full(&p);
        }
        double excess = fmax(1, update_rms(&p) / c->clip_threshold);
        apply(&p, (float)(u->a / excess));
    }
    free(p.partial);
    free(p.scratch);
    free(p.zeros);
    free(p.row_factor);
    free(p.column_factor);
    return status;
}

static int adafactor_step(const ae_optim_config *c, update *list, int count)
{
    int status = 0;
    for (int i = 0; i < count && status == 0; i++) {
        status = list[i].n > 0 ? update_one(c, &list[i]) : 0;
    }
    return status;
}

/* ---- the two rules --------------------------------------------------------------------------------------------------- */

static void adafactor_defaults(ae_optim_config *c)
{
    c->beta1 = 0.9;
    c->eps = 1e-30;
    c->eps2 = 1e-3;
    c->clip_threshold = 1;
    c->decay_rate = -0.8;
    c->scale_parameter = true;
    c->relative_step = true;
}

static void adafactor_mesh_defaults(ae_optim_config *c)
{
    adafactor_defaults(c);
    c->relative_step = false;
    c->factor_from = 128;
}

#define ADAFACTOR_STATES                                                                                               \
    {                                                                                                                  \
        {"exp_avg_sq_row", row_shape, NULL}, {"exp_avg_sq_col", column_shape, NULL}, {"exp_avg_sq", full_shape, NULL}, \
        {                                                                                                              \
            "exp_avg", mean_shape, NULL                                                                                \
        }                                                                                                              \
    }

const optim_rule optim_adafactor = {"adafactor", adafactor_defaults, ADAFACTOR_STATES, adafactor_step};
const optim_rule optim_adafactor_mesh = {"adafactor_mesh", adafactor_mesh_defaults, ADAFACTOR_STATES, adafactor_step};
