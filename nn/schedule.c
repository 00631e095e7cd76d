#include "nn/schedule.h"
#include "tensor/nearest_name.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* ---- one function a row: the factor at step t ------------------------------------------------------------------------ */

static double rise(const ae_schedule *s, double t)
{
    return s->warmup > 0 ? t / (double)s->warmup : 1;
}

static bool rising(const ae_schedule *s, double t)
{
    return t < (double)s->warmup;
}

/* How much of the way from w to T lies behind t; may pass 1. */
static double progress(const ae_schedule *s, double t)
{
    double length = (double)(s->total - s->warmup);
    return (t - (double)s->warmup) / (length > 1 ? length : 1);
}

static double from_start(const ae_schedule *s, double t)
{
    return t / (double)(s->total > 1 ? s->total : 1);
}

static double constant(const ae_schedule *s, double t)
{
    (void)s;
    (void)t;
    return 1;
}

static double constant_with_warmup(const ae_schedule *s, double t)
{
    return rising(s, t) ? rise(s, t) : 1;
}

static double linear(const ae_schedule *s, double t)
{
    return rising(s, t) ? rise(s, t) : fmax(0, 1 - progress(s, t));
}

static double cosine(const ae_schedule *s, double t)
{
    return rising(s, t) ? rise(s, t) : (1 + cos(2 * pi * s->cycles * progress(s, t))) / 2;
}

static double cosine_with_restarts(const ae_schedule *s, double t)
{
    double x = progress(s, t);
    if (rising(s, t)) {
        return rise(s, t);
    }
    return x >= 1 ? 0 : (1 + cos(pi * fmod(s->cycles * x, 1))) / 2;
}

static double polynomial(const ae_schedule *s, double t)
{
    double end = s->base > 0 ? s->end_rate / s->base : 0;
    double left = 1 - progress(s, t);
    if (rising(s, t)) {
        return rise(s, t);
    }
    return left <= 0 ? end : (1 - end) * pow(left, s->power) + end;
}

static double inverse_sqrt(const ae_schedule *s, double t)
{
    double scale = s->timescale > 0 ? s->timescale : s->warmup > 0 ? (double)s->warmup : 10000;
    return rising(s, t) ? rise(s, t) : sqrt(scale / (t - (double)s->warmup + scale));
}

static double uer_inverse_sqrt(const ae_schedule *s, double t)
{
    if (rising(s, t)) {
        return rise(s, t);
    }
    if (t > (double)s->total) {
        return s->base > 0 ? s->end_rate / s->base : 0;
    }
    return sqrt((double)s->warmup / fmax(t, 1));
}

static double uer_tri_stage(const ae_schedule *s, double t)
{
    double behind = t - (double)(s->total - s->decay); /* in the last stage */
    if (rising(s, t)) {
        return s->start_scale + (1 - s->start_scale) * rise(s, t);
    }
    if (behind < 0) {
        return 1;
    }
    return behind <= (double)s->decay && s->decay > 0 ? pow(s->end_scale, behind / (double)s->decay) : s->end_scale;
}

static double bert(const ae_schedule *s, double t)
{
    return rising(s, t) ? rise(s, t) : fmax(0, 1 - from_start(s, t));
}

static double xlnet(const ae_schedule *s, double t)
{
    return rising(s, t) ? rise(s, t) : (1 - s->end_scale) * fmax(0, 1 - progress(s, t)) + s->end_scale;
}

/* The program multiplies the two, so that the rise bends. */
static double gpt1_linear(const ae_schedule *s, double t)
{
    double line = fmax(0, 1 - from_start(s, t));
    return t <= (double)s->warmup ? rise(s, t) * line : line;
}

static double gpt1_cosine(const ae_schedule *s, double t)
{
    return t <= (double)s->warmup && s->warmup > 0 ? rise(s, t) : (1 + cos(pi * fmin(1, from_start(s, t)))) / 2;
}

static double t5(const ae_schedule *s, double t)
{
    double root = 1 / sqrt(fmax(fmax(t, (double)s->warmup), 1));
    double behind = t - (double)(s->total - s->decay);
    return s->decay > 0 && behind > 0 ? root * fmax(0, 1 - behind / (double)s->decay) : root;
}

static double nanogpt(const ae_schedule *s, double t)
{
    double x = fmin(progress(s, t), 1);
    if (rising(s, t)) {
        return (t + 1) / (double)(s->warmup + 1);
    }
    return s->end_scale + (1 - s->end_scale) * (1 + cos(pi * x)) / 2;
}

static double noam(const ae_schedule *s, double t)
{
    double w = (double)s->warmup;
    double up = w > 0 ? (t + 1) * pow(w, -1.5) : (double)INFINITY;
    return fmin(1 / sqrt(t + 1), up) / sqrt(s->width);
}

/* ---- the list -------------------------------------------------------------------------------------------------------- */

static double (*const functions[])(const ae_schedule *s, double t) = {
#define ROW(name, source, formula) name,
    AE_SCHEDULES(ROW)
#undef ROW
};

static const char *const names[] = {
#define ROW(name, source, formula) #name,
    AE_SCHEDULES(ROW)
#undef ROW
};

static const char *const texts[][2] = {
#define ROW(name, source, formula) {source, formula},
    AE_SCHEDULES(ROW)
#undef ROW
};

enum { ROWS = sizeof names / sizeof *names };

int ae_schedule_count(void)
{
    return ROWS;
}

const char *ae_schedule_name(int i)
{
    return i >= 0 && i < ROWS ? names[i] : NULL;
}

const char *ae_schedule_source(int i)
{
    return i >= 0 && i < ROWS ? texts[i][0] : NULL;
}

const char *ae_schedule_formula(int i)
{
    return i >= 0 && i < ROWS ? texts[i][1] : NULL;
}

static int find(const char *name)
{
    for (int i = 0; i < ROWS; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

ae_schedule ae_schedule_make(const char *name, double base, int64_t warmup, int64_t total)
{
    ae_schedule s = {.name = name, .base = base, .warmup = warmup, .total = total};
    s.cycles = strcmp(name, "cosine") == 0 ? 0.5 : 1;
    s.power = 1;
    s.end_rate = 1e-7;
    s.start_scale = 0.01;
    s.end_scale = strcmp(name, "xlnet") == 0 ? 0 : strcmp(name, "nanogpt") == 0 ? 0.1 : 0.01;
    s.width = 512;
    return s;
}

double ae_schedule_rate(const ae_schedule *s, int64_t step)
{
    int row = find(s->name);
    return row < 0 ? 0 : s->base * functions[row](s, step > 0 ? (double)step : 0);
}

/* ---- what is refused ------------------------------------------------------------------------------------------------- */

static const struct number {
    const char *name;
    size_t offset;
    bool positive;
} numbers[] = {
    {"base", offsetof(ae_schedule, base), false},
    {"cycles", offsetof(ae_schedule, cycles), false},
    {"power", offsetof(ae_schedule, power), false},
    {"end_rate", offsetof(ae_schedule, end_rate), false},
    {"start_scale", offsetof(ae_schedule, start_scale), false},
    {"end_scale", offsetof(ae_schedule, end_scale), false},
    {"timescale", offsetof(ae_schedule, timescale), false},
    {"width", offsetof(ae_schedule, width), true},
};

/* Whether the rate runs towards the end of training, so that an end is needed. */
static bool needs_total(const char *name)
{
    static const char *const open[] = {"constant", "constant_with_warmup", "inverse_sqrt", "t5", "noam"};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        if (strcmp(name, open[i]) == 0) {
            return false;
        }
    }
    return true;
}

static int check_counts(const ae_schedule *s, ae_err *e)
{
    if (s->warmup < 0 || s->total < 0 || s->decay < 0) {
        return ae_err_set(e, AE_E_VALUE, "schedule: warmup, total and decay count steps; they are %lld, %lld, %lld",
                          (long long)s->warmup, (long long)s->total, (long long)s->decay);
    }
    if (needs_total(s->name) && s->total <= 0) {
        return ae_err_set(e, AE_E_VALUE, "schedule: %s runs to the end of training; set total", s->name);
    }
    if (needs_total(s->name) && s->warmup + s->decay > s->total) {
        return ae_err_set(e, AE_E_VALUE, "schedule: warmup %lld and decay %lld do not fit into the %lld steps of %s",
                          (long long)s->warmup, (long long)s->decay, (long long)s->total, s->name);
    }
    if (strcmp(s->name, "t5") == 0 && s->decay > s->total) {
        return ae_err_set(e, AE_E_VALUE, "schedule: decay %lld is longer than the %lld steps of t5",
                          (long long)s->decay, (long long)s->total);
    }
    return 0;
}

int ae_schedule_check(const ae_schedule *s, ae_err *e)
{
    if (find(s->name) < 0) {
        const char *near = ae_nearest_name(s->name, names, ROWS);
        return ae_err_set(e, AE_E_VALUE, "schedule: there is no schedule %s; %s%s%s", s->name,
                          near ? "did you mean " : "see AE_SCHEDULES", near ? near : "", near ? "?" : "");
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double x;
        memcpy(&x, (const char *)s + numbers[i].offset, sizeof x);
        if (!(x >= 0) || isinf(x) || (numbers[i].positive && x == 0)) {
            return ae_err_set(e, AE_E_VALUE, "schedule: %s of %s must be finite and %s 0; it is %g", numbers[i].name,
                              s->name, numbers[i].positive ? "above" : "at least", x);
        }
    }
    if (strcmp(s->name, "polynomial") == 0 && s->end_rate >= s->base) {
        return ae_err_set(e, AE_E_VALUE, "schedule: polynomial must fall: its end_rate %g is not below its base %g",
                          s->end_rate, s->base);
    }
    return check_counts(s, e);
}

/* ---- schedules that look at results ---------------------------------------------------------------------------------- */

ae_plateau ae_plateau_make(double rate, bool more_is_better)
{
    return (ae_plateau){
        .rate = rate, .factor = 0.1, .threshold = 1e-4, .patience = 10, .more_is_better = more_is_better};
}

static bool better(const ae_plateau *p, double result)
{
    if (!p->begun) {
        return !isnan(result);
    }
    return p->more_is_better ? result > p->best * (1 + p->threshold) : result < p->best * (1 - p->threshold);
}

double ae_plateau_update(ae_plateau *p, double result)
{
    if (better(p, result)) {
        p->best = result;
        p->begun = true;
        p->bad = 0;
    } else {
        p->bad++;
    }
    if (p->cooling > 0) {
        p->cooling--;
        p->bad = 0;
    }
    if (p->bad > p->patience) {
        p->rate = fmax(p->rate * p->factor, p->least);
        p->cooling = p->cooldown;
        p->bad = 0;
    }
    return p->rate;
}

ae_infersent_schedule ae_infersent_schedule_make(double rate)
{
    return (ae_infersent_schedule){.rate = rate, .decay = 0.99, .shrink = 5, .least = 1e-5, .best = -INFINITY};
}

double ae_infersent_begin_epoch(ae_infersent_schedule *s)
{
    s->epoch++;
    if (s->epoch > 1) {
        s->rate *= s->decay;
    }
    return s->rate;
}

void ae_infersent_end_epoch(ae_infersent_schedule *s, double accuracy)
{
    if (accuracy > s->best) {
        s->best = accuracy;
        return;
    }
    s->rate /= s->shrink;
    s->stopped = s->rate < s->least;
}
