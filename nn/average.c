#include "nn/average.h"

#include <stdlib.h>
#include <string.h>

typedef struct pair {
    ae_tensor *parameter, *mean;
} pair;

struct ae_average {
    double decay;
    bool warmup;
    int64_t updates;
    pair *pairs;
    int count;
};

static int fill(ae_average *a, const ae_model *m, ae_err *e)
{
    a->pairs = calloc((size_t)ae_model_count(m) + 1, sizeof *a->pairs);
    if (!a->pairs) {
        return ae_err_set(e, AE_E_MEMORY, "average: no memory");
    }
    for (int i = 0; i < ae_model_count(m); i++) {
        ae_param_info p = ae_model_at(m, i);
        if (!p.is_buffer) {
            pair *new_pair = &a->pairs[a->count++];
            new_pair->parameter = p.tensor;
            new_pair->mean = ae_tensor_new(AE_F32, p.tensor->ndim, p.tensor->shape, e);
            if (!new_pair->mean) {
                return -1;
            }
        }
    }
    return 0;
}

ae_average *ae_average_new(ae_model *m, double decay, bool warmup, ae_err *e)
{
    if (!ae_model_ok(m)) {
        ae_err_set(e, ae_model_error(m)->code, "%s", ae_model_error(m)->message);
        return NULL;
    }
    if (!(decay >= 0 && decay < 1)) {
        ae_err_set(e, AE_E_VALUE, "average: decay must lie in [0, 1); it is %g", decay);
        return NULL;
    }
    ae_average *a = calloc(1, sizeof *a);
    if (!a) {
        ae_err_set(e, AE_E_MEMORY, "average: no memory");
        return NULL;
    }
    a->decay = decay;
    a->warmup = warmup;
    if (fill(a, m, e) != 0) {
        ae_average_free(a);
        return NULL;
    }
    return a;
}

void ae_average_free(ae_average *a)
{
    if (!a) {
        return;
    }
    for (int i = 0; i < a->count; i++) {
        ae_tensor_free(a->pairs[i].mean);
    }
    free(a->pairs);
    free(a);
}

int64_t ae_average_updates(const ae_average *a)
{
    return a->updates;
}

/* How much of the difference to the new value the next update takes. */
static float next_share(const ae_average *a)
{
    double n = (double)a->updates;
    if (a->updates == 0) {
        return 1;
    }
    if (a->decay == 0) {
        return (float)(1 / (n + 1));
    }
    double ramp = (1 + n) / (10 + n);
    return (float)(1 - (a->warmup && ramp < a->decay ? ramp : a->decay));
}

void ae_average_update(ae_average *a)
{
    const float share = next_share(a);
    for (int i = 0; i < a->count; i++) {
        const float *x = a->pairs[i].parameter->data;
        float *mean = a->pairs[i].mean->data;
        int64_t n = ae_numel(a->pairs[i].mean);
        if (share == 1) {
            memcpy(mean, x, (size_t)n * sizeof *mean);
            continue;
        }
#pragma omp parallel for simd if (n > 65536) schedule(static)
        for (int64_t k = 0; k < n; k++) {
            mean[k] += share * (x[k] - mean[k]);
        }
    }
    a->updates++;
}

void ae_average_swap(ae_average *a)
{
    for (int i = 0; i < a->count && a->updates > 0; i++) {
        float *x = a->pairs[i].parameter->data;
        float *mean = a->pairs[i].mean->data;
        int64_t n = ae_numel(a->pairs[i].mean);
#pragma omp parallel for simd if (n > 65536) schedule(static)
        for (int64_t k = 0; k < n; k++) {
            float old = x[k];
            x[k] = mean[k];
            mean[k] = old;
        }
        ae_param_touch(a->pairs[i].parameter);
    }
}

/* ---- saving -------------------------------------------------------------------------------------------------------- */

enum { LABEL_MAX = 640 };

static const char *label(const pair *p, char text[LABEL_MAX])
{
    snprintf(text, LABEL_MAX, "average/%s", p->parameter->name);
    return text;
}

int ae_average_save(const ae_average *a, ae_tensors *out, ae_err *e)
{
    char text[LABEL_MAX];
    ae_tensor *n = ae_tensor_new(AE_I64, 0, NULL, e);
    if (!n) {
        return -1;
    }
    ae_set_i64(n, 0, a->updates);
    int status = ae_tensors_add(out, "average_updates", n, e);
    for (int i = 0; i < a->count && status == 0; i++) {
        status = ae_tensors_add_copy(out, label(&a->pairs[i], text), a->pairs[i].mean, e);
    }
    return status;
}

int ae_average_load(ae_average *a, const ae_tensors *in, ae_err *e)
{
    char text[LABEL_MAX];
    const ae_tensor *n = ae_tensors_get(in, "average_updates");
    if (!n || n->dtype != AE_I64 || ae_numel(n) != 1 || ae_get_i64(n, 0) < 0) {
        return ae_err_set(e, AE_E_MISSING, "average: the count average_updates is missing; was an average saved here?");
    }
    for (int i = 0; i < a->count; i++) {
        const ae_tensor *t = ae_tensors_get(in, label(&a->pairs[i], text));
        if (!t || t->dtype != AE_F32 || !ae_same_shape(t, a->pairs[i].mean)) {
            return ae_err_set(e, t ? AE_E_SHAPE : AE_E_MISSING, "average: %s is %s", text,
                              t ? "not f32 of the parameter's shape" : "missing");
        }
    }
    for (int i = 0; i < a->count; i++) {
        if (ae_tensor_copy(a->pairs[i].mean, ae_tensors_get(in, label(&a->pairs[i], text)), e) != 0) {
            return -1;
        }
    }
    a->updates = ae_get_i64(n, 0);
    return 0;
}
