/* Tensors as text, as NumPy's str() writes arrays: shortest digits that tell a value from its neighbours, at most 8
 * after the point; powers of ten when values differ too much; columns aligned; long axes cut to 3 + 3; lines of 75. */
#include "tensor/tensor.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISION = 8, LINE_WIDTH = 75, THRESHOLD = 1000, EDGE = 3, WORD_MAX = 400 };

/* ---- a string that grows; once memory fails, nothing more is added ---- */

typedef struct text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
} text;

static void put(text *t, const char *s, size_t n)
{
    if (n == 0) {
        return;
    }
    if (t->length + n + 1 > t->capacity) {
        size_t capacity = 2 * t->capacity + n + 64;
        char *grown = t->failed ? NULL : realloc(t->data, capacity);
        if (grown == NULL) {
            t->failed = true;
            return;
        }
        t->data = grown;
        t->capacity = capacity;
    }
    memcpy(t->data + t->length, s, n);
    t->length += n;
    t->data[t->length] = '\0';
}

static void put_text(text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void put_repeated(text *t, char c, int n)
{
    for (int i = 0; i < n; i++) {
        put(t, &c, 1);
    }
}

/* ---- decimal digits of one finite value ---- */

typedef struct decimal {
    char digits[40]; /* without leading or trailing zeros; "0" for zero */
    int count;
    int exponent; /* of the first digit: value = d.ddd·10^exponent */
    bool negative;
} decimal;

/* Reads what "%.*e" wrote, whatever the locale's decimal point. */
static void read_scientific(const char *s, decimal *d)
{
    d->count = 0;
    d->negative = s[0] == '-';
    for (; *s != 'e'; s++) {
        if (isdigit((unsigned char)*s)) {
            d->digits[d->count++] = *s;
        }
    }
    d->exponent = atoi(s + 1);
    while (d->count > 1 && d->digits[d->count - 1] == '0') {
        d->count--;
    }
}

/* Whether text reads back as v in the precision of dtype. */
static bool reads_back(const char *s, double v, ae_dtype dtype)
{
    switch (dtype) {
    case AE_F32:
        return (double)strtof(s, NULL) == v;
    case AE_F16:
        return (double)ae_f16_to_f32(ae_f32_to_f16(strtof(s, NULL))) == v;
    case AE_BF16:
        return (double)ae_bf16_to_f32(ae_f32_to_bf16(strtof(s, NULL))) == v;
    default:
        return strtod(s, NULL) == v;
    }
}

/* Adds one to the last digit before the exponent; false when that would carry past the first digit. */
static bool step_up(char *s)
{
    char *last = strchr(s, 'e') - 1;
    for (; last >= s && *last != '-'; last--) {
        if (isdigit((unsigned char)*last)) {
            if (*last != '9') {
                ++*last;
                return true;
            }
            *last = '0';
        }
    }
    return false;
}

/* The fewest digits that read back as v. Below a power of two values lie twice as dense as above it: there the digits
 * next above v may do where the nearest ones do not. */
static void shortest(double v, ae_dtype dtype, decimal *d)
{
    char s[64];
    for (int after = 0; after <= 16; after++) {
        snprintf(s, sizeof s, "%.*e", after, v);
        if (reads_back(s, v, dtype) || (step_up(s) && reads_back(s, v, dtype))) {
            break;
        }
    }
    read_scientific(s, d);
}

/* The exact value, rounded to `after` digits behind the first. */
static void exactly(double v, int after, decimal *d)
{
    char s[64];
    snprintf(s, sizeof s, "%.*e", after, v);
    read_scientific(s, d);
}

/* Cuts to at most `after` digits behind the first (scientific) or behind the point; rounds the exact value, not the
 * shortest digits. */
static void cut(double v, int after, bool scientific, decimal *d)
{
    int behind = scientific ? d->count - 1 : d->count - 1 - d->exponent;
    int places = scientific ? after : after + d->exponent;
    if (behind <= after) {
        return;
    }
    if (places >= 0) {
        exactly(v, places, d);
        return;
    }
    /* below half a unit of the last place, or just above: no digit or one */
    d->digits[0] = fabs(v) > 0.5 * pow(10, -after) ? '1' : '0';
    d->exponent = d->digits[0] == '1' ? -after : 0;
    d->count = 1;
}

/* ---- words ---- */

/* How all values of one tensor are written. */
typedef struct format {
    ae_dtype dtype;
    bool scientific;
    int after;    /* digits behind the point: exactly (scientific) or at most */
    int left;     /* width before the point */
    int right;    /* width behind it, exponent included; the rest is filled with spaces */
    int exponent; /* digits of the exponent, at least */
    int width;    /* of integers, and of NaN and infinities */
} format;

typedef struct word {
    char data[WORD_MAX];
    int length;
    int before; /* characters before the point */
} word;

static void add(word *w, char c)
{
    if (w->length + 1 < WORD_MAX) {
        w->data[w->length++] = c;
        w->data[w->length] = '\0';
    }
}

/* "-12.5", "3.", "0.001" */
static void write_positional(const decimal *d, word *w)
{
    if (d->negative) {
        add(w, '-');
    }
    if (d->exponent < 0) {
        add(w, '0');
    }
    for (int i = 0; i <= d->exponent; i++) {
        add(w, i < d->count ? d->digits[i] : '0');
    }
    w->before = w->length;
    add(w, '.');
    for (int i = d->exponent + 1; i < d->count; i++) {
        add(w, i < 0 ? '0' : d->digits[i]);
    }
}

/* "1.5e+10": `after` digits behind the point, at least `exponent` digits of the power. */
static void write_scientific(const decimal *d, int after, int exponent, word *w)
{
    if (d->negative) {
        add(w, '-');
    }
    add(w, d->digits[0]);
    w->before = w->length;
    add(w, '.');
    for (int i = 1; i <= after; i++) {
        add(w, i < d->count ? d->digits[i] : '0');
    }
    char s[16];
    snprintf(s, sizeof s, "e%c%0*d", d->exponent < 0 ? '-' : '+', exponent, abs(d->exponent));
    for (const char *c = s; *c != '\0'; c++) {
        add(w, *c);
    }
}

static const char *special_name(double v)
{
    return isnan(v) ? "nan" : (v < 0 ? "-inf" : "inf");
}

/* One element, unpadded. Digits are exact up to the common width (powers of ten) or the units (else), also where fewer
 * would tell the value from its neighbours. */
static void write_float(double v, const format *f, word *w)
{
    decimal d;
    shortest(v, f->dtype, &d);
    cut(v, f->after, f->scientific, &d);
    int wanted = f->scientific ? f->after : d.exponent;
    if (d.count - 1 < wanted) {
        exactly(v, wanted, &d);
    }
    if (f->scientific) {
        write_scientific(&d, f->after, f->exponent, w);
    } else {
        write_positional(&d, w);
    }
}

static void put_float(text *out, double v, const format *f)
{
    word w = {.length = 0};
    if (!isfinite(v)) {
        const char *name = special_name(v);
        put_repeated(out, ' ', f->left + f->right + 1 - (int)strlen(name));
        put_text(out, name);
        return;
    }
    write_float(v, f, &w);
    put_repeated(out, ' ', f->left - w.before);
    put(out, w.data, (size_t)w.length);
    put_repeated(out, ' ', f->right - (w.length - w.before - 1));
}

static void put_int(text *out, int64_t v, int width)
{
    char s[32];
    snprintf(s, sizeof s, "%*lld", width, (long long)v);
    put_text(out, s);
}

static void put_element(text *out, const ae_tensor *t, int64_t index, const format *f)
{
    if (ae_dtype_is_float(t->dtype)) {
        put_float(out, ae_get_f64(t, index), f);
    } else if (t->dtype == AE_BOOL) {
        put_text(out, ae_get_i64(t, index) != 0 ? " True" : "False");
    } else {
        put_int(out, ae_get_i64(t, index), f->width);
    }
}

/* ---- the format, found from the elements that will be shown ---- */

typedef struct shown {
    const ae_tensor *t;
    bool summary;
    format *format;
    double smallest, largest; /* magnitudes of finite values other than zero */
    int int_width;
    bool any_finite, any_special, any_minus_infinity;
} shown;

static bool is_cut(const shown *s, int axis)
{
    return s->summary && s->t->shape[axis] > 2 * EDGE;
}

/* Calls visit for every element that is shown, in order. */
static void walk(shown *s, int axis, int64_t index, void (*visit)(shown *s, int64_t index))
{
    if (axis == s->t->ndim) {
        visit(s, index);
        return;
    }
    int64_t extent = s->t->shape[axis];
    for (int64_t i = 0; i < extent; i++) {
        if (i == EDGE && is_cut(s, axis)) {
            i = extent - EDGE;
        }
        walk(s, axis + 1, index * extent + i, visit);
    }
}

static void see_int(shown *s, int64_t index)
{
    char digits[32];
    int width = snprintf(digits, sizeof digits, "%lld", (long long)ae_get_i64(s->t, index));
    s->format->width = width > s->format->width ? width : s->format->width;
}

static void see_magnitude(shown *s, int64_t index)
{
    double v = ae_get_f64(s->t, index);
    if (!isfinite(v)) {
        s->any_special = true;
        s->any_minus_infinity |= v < 0;
        return;
    }
    s->any_finite = true;
    if (v != 0) {
        s->smallest = fmin(s->smallest, fabs(v));
        s->largest = fmax(s->largest, fabs(v));
    }
}

/* Widths of the parts of each value, written with at most PRECISION digits behind the point. */
static void see_parts(shown *s, int64_t index)
{
    double v = ae_get_f64(s->t, index);
    if (!isfinite(v)) {
        return;
    }
    format *f = s->format;
    decimal d;
    word w = {.length = 0};
    shortest(v, f->dtype, &d);
    cut(v, PRECISION, f->scientific, &d);
    if (f->scientific) {
        char digits[16];
        int exponent = snprintf(digits, sizeof digits, "%02d", abs(d.exponent));
        f->exponent = exponent > f->exponent ? exponent : f->exponent;
        write_scientific(&d, d.count - 1, 2, &w);
        f->after = d.count - 1 > f->after ? d.count - 1 : f->after;
    } else {
        write_positional(&d, &w);
        int behind = w.length - w.before - 1;
        f->after = behind > f->after ? behind : f->after;
    }
    f->left = w.before > f->left ? w.before : f->left;
}

/* Powers of ten from 1e8 on, below 1e-4, or when magnitudes differ by more than 1000 (in the dtype's own precision). */
static bool wants_scientific(const shown *s)
{
    if (s->largest == 0) {
        return false;
    }
    double ratio = s->largest / s->smallest;
    if (s->t->dtype != AE_F64) {
        ratio = (double)(float)ratio;
    }
    if (s->t->dtype == AE_F16) {
        ratio = (double)ae_f16_to_f32(ae_f32_to_f16((float)ratio));
    }
    return s->largest >= 1e8 || s->smallest < 1e-4 || ratio > 1000;
}

static void find_float_format(shown *s)
{
    format *f = s->format;
    s->smallest = INFINITY;
    walk(s, 0, 0, see_magnitude);
    f->scientific = wants_scientific(s);
    walk(s, 0, 0, see_parts);
    f->right = f->scientific ? f->after + f->exponent + 2 : f->after;
    if (s->any_special) {
        int longest = (s->any_minus_infinity ? 4 : 3) - (f->right + 1);
        f->left = longest > f->left ? longest : f->left;
    }
}

/* ---- layout ---- */

typedef struct layout {
    text *out;
    const shown *shown;
    int line; /* the length of the line so far, as if the opening brackets before it were its indentation */
} layout;

/* Begins a new line before a word of this length when it would not fit, unless the line is still empty. */
static void wrap(layout *l, int length, int axis)
{
    int indent = axis + 1;
    if (l->line + length <= LINE_WIDTH - axis - 1 || l->line <= indent) {
        return;
    }
    text *out = l->out;
    while (out->length > 0 && out->data[out->length - 1] == ' ') {
        out->length--;
    }
    put_text(out, "\n");
    put_repeated(out, ' ', indent);
    l->line = indent;
}

static void put_row(layout *l, int axis, int64_t index)
{
    const ae_tensor *t = l->shown->t;
    int64_t extent = t->shape[axis];
    text one = {0};
    l->line = axis + 1;
    for (int64_t i = 0; i < extent; i++) {
        one.length = 0;
        if (i == EDGE && is_cut(l->shown, axis)) {
            put_text(&one, "...");
            i = extent - EDGE - 1;
        } else {
            put_element(&one, t, index * extent + i, l->shown->format);
        }
        wrap(l, (int)one.length, axis);
        put(l->out, one.data, one.length);
        l->line += (int)one.length + 1;
        if (i + 1 < extent) {
            put_text(l->out, " ");
        }
    }
    l->out->failed |= one.failed;
    free(one.data);
}

static void put_axis(layout *l, int axis, int64_t index)
{
    const ae_tensor *t = l->shown->t;
    int64_t extent = t->shape[axis];
    put_text(l->out, "[");
    if (axis == t->ndim - 1) {
        put_row(l, axis, index);
        put_text(l->out, "]");
        return;
    }
    for (int64_t i = 0; i < extent; i++) {
        if (i > 0) {
            put_repeated(l->out, '\n', t->ndim - axis - 1);
            put_repeated(l->out, ' ', axis + 1);
        }
        if (i == EDGE && is_cut(l->shown, axis)) {
            put_text(l->out, "...");
            i = extent - EDGE - 1;
        } else {
            put_axis(l, axis + 1, index * extent + i);
        }
    }
    put_text(l->out, "]");
}

/* A scalar stands alone: all its digits, and "1.0" rather than "1.". */
static void put_scalar(text *out, const ae_tensor *t)
{
    if (t->dtype == AE_BOOL) {
        put_text(out, ae_get_i64(t, 0) != 0 ? "True" : "False");
        return;
    }
    if (!ae_dtype_is_float(t->dtype)) {
        put_int(out, ae_get_i64(t, 0), 0);
        return;
    }
    double v = ae_get_f64(t, 0);
    if (!isfinite(v)) {
        put_text(out, special_name(v));
        return;
    }
    decimal d;
    word w = {.length = 0};
    shortest(v, t->dtype, &d);
    if (v != 0 && (fabs(v) >= 1e16 || fabs(v) < 1e-4)) {
        write_scientific(&d, d.count - 1, 2, &w);
        if (d.count == 1) { /* "1e+16" */
            memmove(w.data + w.before, w.data + w.before + 1, (size_t)(w.length - w.before));
        }
    } else {
        write_positional(&d, &w);
        if (w.data[w.length - 1] == '.') {
            add(&w, '0');
        }
    }
    put_text(out, w.data);
}

char *ae_tensor_text(const ae_tensor *t)
{
    text out = {0};
    if (t == NULL || t->data == NULL) {
        put_text(&out, t == NULL ? "(no tensor)" : "(freed)");
    } else if (t->ndim == 0) {
        put_scalar(&out, t);
    } else if (ae_numel(t) == 0) {
        put_text(&out, "[]");
    } else {
        format f = {.dtype = t->dtype};
        shown s = {.t = t, .summary = ae_numel(t) > THRESHOLD, .format = &f};
        if (ae_dtype_is_float(t->dtype)) {
            find_float_format(&s);
        } else {
            walk(&s, 0, 0, see_int);
        }
        layout l = {.out = &out, .shown = &s};
        put_axis(&l, 0, 0);
    }
    if (out.failed) {
        free(out.data);
        return NULL;
    }
    return out.data;
}

int ae_tensor_print(FILE *out, const ae_tensor *t)
{
    char *s = ae_tensor_text(t);
    if (s == NULL) {
        return -1;
    }
    int status = fputs(s, out) < 0 || fputc('\n', out) == EOF ? -1 : 0;
    free(s);
    return status;
}
