/* L-BFGS (Nocedal 1980; Liu and Nocedal 1989) with the stopping rules of torch.optim.LBFGS, and a line search for the
 * strong Wolfe conditions after Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6. Vectors are double:
 * the recursion loses digits that f32 does not have. */
#include "nn/optim_lbfgs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct lbfgs {
    int64_t n;
    int history, stored; /* pairs that can be kept, pairs kept: the oldest first */
    double *direction, *gradient;
    double *steps, *changes; /* (history, n) each */
    double *scratch;         /* history */
    double *start, *best, *other, *safe;
    double t, diagonal;
    int64_t iterations;
};

enum { VECTORS = 6 }; /* those outside the history */

/* ---- vectors ------------------------------------------------------------------------------------------------------- */

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void axpy(double a, const double *x, double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] += a * x[i];
    }
}

static double largest(const double *x, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    }
    return most;
}

static double sum_of_sizes(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += fabs(x[i]);
    }
    return sum;
}

static bool all_finite(const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return false;
        }
    }
    return true;
}

/* ---- the memory ---------------------------------------------------------------------------------------------------- */

void lbfgs_free(lbfgs *l)
{
    if (l) {
        free(l->direction);
        free(l);
    }
}

int64_t lbfgs_bytes(const lbfgs *l)
{
    return l ? ((VECTORS + 2 * l->history) * l->n + l->history) * (int64_t)sizeof(double) : 0;
}

static lbfgs *lbfgs_new(int64_t n, int history)
{
    lbfgs *l = calloc(1, sizeof *l);
    size_t total = (size_t)(VECTORS + 2 * (int64_t)history) * (size_t)n + (size_t)history;
    double *x = calloc(total + 1, sizeof *x);
    if (!l || !x) {
        free(l);
        free(x);
        return NULL;
    }
    *l = (lbfgs){.n = n, .history = history, .diagonal = 1, .direction = x};
    l->gradient = x + n;
    l->start = x + 2 * n;
    l->best = x + 3 * n;
    l->other = x + 4 * n;
    l->safe = x + 5 * n;
    l->steps = x + VECTORS * n;
    l->changes = l->steps + history * n;
    l->scratch = l->changes + history * n;
    return l;
}

/* Remembers the last step and the change of gradient that it made, when the curvature along it is positive. */
static void remember(lbfgs *l, const double *gradient)
{
    double curvature = 0;
    double squares = 0;
    for (int64_t i = 0; i < l->n; i++) {
        double y = gradient[i] - l->gradient[i];
        curvature += l->t * l->direction[i] * y;
        squares += y * y;
    }
    if (curvature <= 1e-10) {
        return;
    }
    if (l->stored == l->history) {
        size_t rest = (size_t)(l->history - 1) * (size_t)l->n * sizeof(double);
        memmove(l->steps, l->steps + l->n, rest);
        memmove(l->changes, l->changes + l->n, rest);
        l->stored--;
    }
    double *s = l->steps + l->stored * l->n;
    double *y = l->changes + l->stored * l->n;
    for (int64_t i = 0; i < l->n; i++) {
        s[i] = l->t * l->direction[i];
        y[i] = gradient[i] - l->gradient[i];
    }
    l->diagonal = curvature / squares;
    l->stored++;
}

/* direction = -H gradient by the two loops. */
static void find_direction(lbfgs *l, const double *gradient)
{
    double *d = l->direction;
    for (int64_t i = 0; i < l->n; i++) {
        d[i] = -gradient[i];
    }
    for (int k = l->stored - 1; k >= 0; k--) {
        const double *s = l->steps + k * l->n;
        const double *y = l->changes + k * l->n;
        l->scratch[k] = dot(s, d, l->n) / dot(s, y, l->n);
        axpy(-l->scratch[k], y, d, l->n);
    }
    for (int64_t i = 0; i < l->n; i++) {
        d[i] *= l->diagonal;
    }
    for (int k = 0; k < l->stored; k++) {
        const double *s = l->steps + k * l->n;
        const double *y = l->changes + k * l->n;
        axpy(l->scratch[k] - dot(y, d, l->n) / dot(s, y, l->n), s, d, l->n);
    }
}

/* ---- the function -------------------------------------------------------------------------------------------------- */

static void read_point(const lbfgs_problem *p, double *x)
{
    for (int i = 0; i < p->count; i++) {
        const float *from = p->tensors[i]->data;
        for (int64_t k = 0; k < ae_numel(p->tensors[i]); k++) {
            *x++ = (double)from[k];
        }
    }
}

/* Parameters = x + t d. */
static void write_point(const lbfgs_problem *p, const double *x, double t, const double *d)
{
    for (int i = 0; i < p->count; i++) {
        float *to = p->tensors[i]->data;
        for (int64_t k = 0; k < ae_numel(p->tensors[i]); k++) {
            to[k] = (float)(*x++ + t * *d++);
        }
        ae_param_touch(p->tensors[i]);
    }
}

static int evaluate(const lbfgs_problem *p, double *loss, double *gradient)
{
    ae_err e = {0};
    ae_model_zero_grad(p->model);
    int status = p->fn(p->graph, p->user, loss);
    for (int i = 0; i < p->count; i++) {
        const ae_tensor *grad = ae_param_grad(p->tensors[i], &e);
        int64_t n = ae_numel(p->tensors[i]);
        if (!grad || status != 0) {
            memset(gradient, 0, (size_t)n * sizeof *gradient);
        } else {
            status = ae_read(grad, AE_F64, gradient, n);
        }
        gradient += n;
    }
    ae_model_zero_grad(p->model);
    if (e.code != AE_OK) {
        ae_fail(p->graph, e.code, "%s", e.message);
    }
    if (status != 0 && ae_ok(p->graph)) {
        ae_fail(p->graph, AE_E_STATE, "optimizer: the closure of lbfgs failed");
    }
    return ae_ok(p->graph) ? 0 : -1;
}

static int check_finite(const lbfgs *l, const lbfgs_problem *p, double loss, const double *gradient)
{
    if (isfinite(loss) && all_finite(gradient, l->n)) {
        return 0;
    }
    for (int i = 0; i < p->count; i++) {
        int64_t n = ae_numel(p->tensors[i]);
        if (!all_finite(gradient, n)) {
            ae_fail(p->graph, AE_E_NONFINITE, "optimizer: the gradient of %s is not finite, so nothing was updated",
                    p->tensors[i]->name);
        }
        gradient += n;
    }
    ae_fail(p->graph, AE_E_NONFINITE, "optimizer: the loss is %g, so nothing was updated", loss);
    return -1;
}

/* ---- the line search ----------------------------------------------------------------------------------------------- */

/* A point of the line: its place, value, slope and gradient. */
typedef struct trial {
    double t, value, slope;
    double *gradient;
} trial;

typedef struct line {
    const lbfgs_problem *p;
    lbfgs *l;
    double value, slope; /* at t = 0 */
    double smallest;     /* brackets shorter than this are not cut any more */
    int left;            /* evaluations that remain */
} line;

static int try_at(line *s, double t, trial *out)
{
    write_point(s->p, s->l->start, t, s->l->direction);
    s->left--;
    out->t = t;
    if (evaluate(s->p, &out->value, out->gradient) != 0) {
        return -1;
    }
    out->slope = dot(out->gradient, s->l->direction, s->l->n);
    if (!isfinite(out->value) || !isfinite(out->slope)) {
        out->value = (double)INFINITY;
        out->slope = 0;
    }
    return 0;
}

/* The minimiser of the cubic through two trials, kept inside low..high; the middle when there is none. */
static double cubic(const trial *a, const trial *b, double low, double high)
{
    double d1 = a->slope + b->slope - 3 * (a->value - b->value) / (a->t - b->t);
    double inside = d1 * d1 - a->slope * b->slope;
    double d2 = copysign(sqrt(inside), b->t - a->t);
    double t = b->t - (b->t - a->t) * (b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2);
    if (!isfinite(t)) {
        return (low + high) / 2;
    }
    return t < low ? low : t > high ? high : t;
}

static bool too_high(const line *s, const trial *x)
{
    return !(x->value <= s->value + 1e-4 * x->t * s->slope);
}

static bool flat_enough(const line *s, const trial *x)
{
    return fabs(x->slope) <= -0.9 * s->slope;
}

static void swap(trial *a, trial *b)
{
    trial c = *a;
    *a = *b;
    *b = c;
}

/* Between low, which satisfies the first condition, and high there are points that satisfy both. The third trial's
 * gradient is a buffer. Leaves the result in low. */
static int zoom(line *s, trial *low, trial *high, trial *spare)
{
    while (s->left > 0 && fabs(high->t - low->t) > s->smallest) {
        double left = fmin(low->t, high->t);
        double margin = 0.1 * fabs(high->t - low->t);
        if (try_at(s, cubic(low, high, left + margin, left + 9 * margin), spare) != 0) {
            return -1;
        }
        if (too_high(s, spare) || spare->value >= low->value) {
            swap(high, spare);
            continue;
        }
        if (flat_enough(s, spare)) {
            swap(low, spare);
            return 0;
        }
        if (spare->slope * (high->t - low->t) >= 0) {
            swap(high, low);
        }
        swap(low, spare);
    }
    return 0;
}

/* Leaves the accepted trial in *now. */
static int search(line *s, double t, trial *before, trial *now, trial *spare)
{
    for (bool first = true; s->left > 0; first = false) {
        if (try_at(s, t, now) != 0) {
            return -1;
        }
        if (too_high(s, now) || (!first && now->value >= before->value)) {
            int status = zoom(s, before, now, spare);
            swap(before, now);
            return status;
        }
        if (flat_enough(s, now)) {
            return 0;
        }
        if (now->slope >= 0) {
            return zoom(s, now, before, spare);
        }
        t = cubic(before, now, now->t + 0.01 * (now->t - before->t), 10 * now->t);
        swap(before, now);
    }
    swap(before, now);
    return 0;
}

/* A step along the direction from l->start: sets l->t, and loss and gradient of the new point. */
static int search_line(lbfgs *l, const lbfgs_problem *p, const ae_optim_config *c, double slope, double *loss,
                       double *gradient, int *evaluations)
{
    line s = {p, l, *loss, slope, 0, 25};
    s.smallest = c->tolerance_change / fmax(largest(l->direction, l->n), 1e-300);
    trial before = {0, *loss, slope, l->best};
    trial now = {0, *loss, slope, l->other};
    double *third = malloc((size_t)l->n * sizeof *third + 1);
    trial spare = {0, 0, 0, third};
    int status = third ? 0 : -1;
    if (!third) {
        ae_fail(p->graph, AE_E_MEMORY, "optimizer: no memory for lbfgs");
    }
    memcpy(before.gradient, gradient, (size_t)l->n * sizeof *gradient);
    status = status == 0 ? search(&s, l->t, &before, &now, &spare) : status;
    if (status == 0) {
        l->t = now.t;
        *loss = now.value;
        memcpy(gradient, now.gradient, (size_t)l->n * sizeof *gradient);
        write_point(p, l->start, now.t, l->direction);
    }
    *evaluations += 25 - s.left;
    free(third);
    return status;
}

/* ---- one call ------------------------------------------------------------------------------------------------------ */

typedef struct progress {
    double loss;
    double *gradient;
    int evaluations;
    bool done;
} progress;

static int move(lbfgs *l, const ae_optim_config *c, const lbfgs_problem *p, bool last, double slope, progress *at)
{
    double before = at->loss;
    read_point(p, l->start);
    if (c->strong_wolfe) {
        if (search_line(l, p, c, slope, &at->loss, at->gradient, &at->evaluations) != 0) {
            return -1;
        }
    } else {
        write_point(p, l->start, l->t, l->direction);
        if (!last) { /* nobody looks at the value behind the last step: the next call begins with it */
            at->evaluations++;
            if (evaluate(p, &at->loss, at->gradient) != 0 || check_finite(l, p, at->loss, at->gradient) != 0) {
                return -1;
            }
        }
    }
    at->done = largest(at->gradient, l->n) <= c->tolerance_grad ||
               fabs(l->t) * largest(l->direction, l->n) <= c->tolerance_change ||
               (!last && fabs(at->loss - before) < c->tolerance_change);
    return 0;
}

static int iterate(lbfgs *l, const ae_optim_config *c, const lbfgs_problem *p, double lr, progress *at)
{
    int most = c->max_evaluations > 0 ? c->max_evaluations : c->max_iterations * 5 / 4;
    for (int i = 1; i <= c->max_iterations && !at->done && at->evaluations < most; i++) {
        if (l->iterations++ > 0) {
            remember(l, at->gradient);
        }
        find_direction(l, at->gradient);
        memcpy(l->gradient, at->gradient, (size_t)l->n * sizeof(double));
        l->t = l->iterations == 1 ? fmin(1, 1 / sum_of_sizes(at->gradient, l->n)) * lr : lr;
        double slope = dot(at->gradient, l->direction, l->n);
        if (slope > -c->tolerance_change) {
            l->t = 0; /* no step was made: the next call has nothing to remember */
            break;
        }
        if (move(l, c, p, i == c->max_iterations, slope, at) != 0) {
            return -1;
        }
    }
    return 0;
}

static int64_t size_of(const lbfgs_problem *p)
{
    int64_t n = 0;
    for (int i = 0; i < p->count; i++) {
        n += ae_numel(p->tensors[i]);
    }
    return n;
}

int lbfgs_minimise(lbfgs **state, const ae_optim_config *c, const lbfgs_problem *p, double lr, double *loss,
                   ae_optim_report *report)
{
    int64_t n = size_of(p);
    if (*state && (*state)->n != n) {
        ae_fail(p->graph, AE_E_STATE,
                "optimizer: lbfgs remembers %lld elements and the trainable parameters have %lld; "
                "make a new optimizer after freezing",
                (long long)(*state)->n, (long long)n);
        return -1;
    }
    *state = *state ? *state : lbfgs_new(n, c->history);
    progress at = {.gradient = malloc((size_t)n * sizeof(double) + 1), .evaluations = 1};
    lbfgs *l = *state;
    if (!l || !at.gradient) {
        free(at.gradient);
        ae_fail(p->graph, AE_E_MEMORY, "optimizer: no memory for lbfgs");
        return -1;
    }
    read_point(p, l->safe);
    int status = evaluate(p, &at.loss, at.gradient);
    status = status == 0 ? check_finite(l, p, at.loss, at.gradient) : status;
    if (status == 0) {
        *loss = at.loss;
        report->grad_norm = sqrt(dot(at.gradient, at.gradient, n));
        report->updated = p->count;
        at.done = largest(at.gradient, n) <= c->tolerance_grad;
        status = iterate(l, c, p, lr, &at);
    }
    if (status != 0) {
        write_point(p, l->safe, 0, l->direction);
        l->stored = 0; /* what it remembers no longer belongs to where it stands */
        l->iterations = 0;
        l->diagonal = 1;
    }
    free(at.gradient);
    return status;
}

/* ---- saving -------------------------------------------------------------------------------------------------------- */

static int save_vector(ae_tensors *out, const char *name, const double *x, int64_t rows, int64_t n, ae_err *e)
{
    ae_tensor *t = ae_tensor_new(AE_F64, 2, (int64_t[]){rows, n}, e);
    if (!t) {
        return -1;
    }
    memcpy(t->data, x, (size_t)(rows * n) * sizeof *x);
    return ae_tensors_add(out, name, t, e);
}

int lbfgs_save(const lbfgs *l, ae_tensors *out, ae_err *e)
{
    if (!l) {
        return 0;
    }
    const double numbers[3] = {l->t, l->diagonal, (double)l->iterations};
    return save_vector(out, "lbfgs/numbers", numbers, 1, 3, e) == 0 &&
                   save_vector(out, "lbfgs/direction", l->direction, 1, l->n, e) == 0 &&
                   save_vector(out, "lbfgs/gradient", l->gradient, 1, l->n, e) == 0 &&
                   save_vector(out, "lbfgs/steps", l->steps, l->stored, l->n, e) == 0 &&
                   save_vector(out, "lbfgs/changes", l->changes, l->stored, l->n, e) == 0
               ? 0
               : -1;
}

/* A matrix of (rows, n); rows -1 takes any number up to most. */
static const ae_tensor *saved(const ae_tensors *in, const char *name, int64_t rows, int64_t most, int64_t n, ae_err *e)
{
    const ae_tensor *t = ae_tensors_get(in, name);
    if (!t) {
        ae_err_set(e, AE_E_MISSING, "optimizer: the state %s is missing", name);
        return NULL;
    }
    bool fits = t->dtype == AE_F64 && t->ndim == 2 && t->shape[1] == n && ae_is_contiguous(t) &&
                (rows < 0 ? t->shape[0] <= most : t->shape[0] == rows);
    if (!fits) {
        char text[AE_SHAPE_TEXT_MAX];
        ae_err_set(e, AE_E_SHAPE, "optimizer: the state %s must be f64 with rows of %lld; it is %s %s", name,
                   (long long)n, ae_dtype_name(t->dtype), ae_shape_text(t->ndim, t->shape, text));
        return NULL;
    }
    return t;
}

int lbfgs_load(lbfgs **state, const ae_optim_config *c, int64_t n, const ae_tensors *in, ae_err *e)
{
    if (!ae_tensors_get(in, "lbfgs/numbers")) {
        lbfgs_free(*state);
        *state = NULL;
        return 0;
    }
    const ae_tensor *numbers = saved(in, "lbfgs/numbers", 1, 1, 3, e);
    const ae_tensor *direction = saved(in, "lbfgs/direction", 1, 1, n, e);
    const ae_tensor *gradient = saved(in, "lbfgs/gradient", 1, 1, n, e);
    const ae_tensor *steps = saved(in, "lbfgs/steps", -1, c->history, n, e);
    const ae_tensor *changes = steps ? saved(in, "lbfgs/changes", steps->shape[0], 0, n, e) : NULL;
    if (!numbers || !direction || !gradient || !steps || !changes) {
        return -1;
    }
    lbfgs *l = lbfgs_new(n, c->history);
    if (!l) {
        return ae_err_set(e, AE_E_MEMORY, "optimizer: no memory for lbfgs");
    }
    const double *x = numbers->data;
    l->t = x[0];
    l->diagonal = x[1];
    l->iterations = (int64_t)x[2];
    l->stored = (int)steps->shape[0];
    memcpy(l->direction, direction->data, (size_t)n * sizeof(double));
    memcpy(l->gradient, gradient->data, (size_t)n * sizeof(double));
    memcpy(l->steps, steps->data, (size_t)(l->stored * n) * sizeof(double));
    memcpy(l->changes, changes->data, (size_t)(l->stored * n) * sizeof(double));
    lbfgs_free(*state);
    *state = l;
    return 0;
}

static void lbfgs_defaults(ae_optim_config *c)
{
    c->history = 100;
    c->max_iterations = 20;
    c->tolerance_grad = 1e-7;
    c->tolerance_change = 1e-9;
}

const optim_rule optim_lbfgs = {"lbfgs", lbfgs_defaults, {{0}}, NULL};
