#include "autograd/einsum.h"
#include "autograd/ops.h"

#include <ctype.h>
#include <string.h>

enum { MAX_TERMS = 16 };

/* A tensor with a label on each axis: a letter, or '0'..'7' for the axes of an ellipsis, aligned at '7'. */
typedef struct term {
    int n;
    char label[AE_MAX_DIMS + 1];
    ae_tensor *x;
} term;

typedef struct equation {
    const char *text;
    ae_graph *g;
    int n;
    term in[MAX_TERMS];
    char out[2 * 26 + AE_MAX_DIMS + 1];
    int64_t extent[128]; /* by label; -1 where it does not occur */
} equation;

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int fail(const equation *e, const char *what)
{
    ae_fail(e->g, AE_E_VALUE, "einsum \"%.80s\": %s", e->text, what);
    return -1;
}

/* One input's labels up to a comma, "->" or the end; the ellipsis takes the axes that no letter names. */
static const char *read_term(equation *e, const char *p, term *t)
{
    char letters[AE_MAX_DIMS + 1];
    int n = 0, dots = -1;
    for (; *p && *p != ',' && *p != '-'; p++) {
        if (*p == '.' && p[1] == '.' && p[2] == '.' && dots < 0) {
            dots = n;
            p += 2;
        } else if (isalpha((unsigned char)*p) && n < AE_MAX_DIMS) {
            letters[n++] = *p;
        } else if (*p != ' ') {
            fail(e, "an input is letters, at most 8, and one \"...\"");
            return NULL;
        }
    }
    int rest = t->x->ndim - n;
    if (rest < 0 || (rest > 0 && dots < 0)) {
        char text[AE_SHAPE_TEXT_MAX];
        ae_fail(e->g, AE_E_SHAPE, "einsum \"%.80s\": %d letters for an input %s", e->text, n,
                ae_shape_text(t->x->ndim, t->x->shape, text));
        return NULL;
    }
    for (int i = 0; i <= n; i++) {
        for (int k = 0; i == dots && k < rest; k++) {
            t->label[t->n++] = (char)('0' + AE_MAX_DIMS - rest + k);
        }
        if (i < n) {
            t->label[t->n++] = letters[i];
        }
    }
    return p;
}

/* The extent of each label; an axis of an ellipsis may be 1 in some inputs. */
static int find_extents(equation *e)
{
    memset(e->extent, -1, sizeof e->extent);
    for (int i = 0; i < e->n; i++) {
        for (int k = 0; k < e->in[i].n; k++) {
            int label = e->in[i].label[k];
            int64_t *extent = &e->extent[label], n = e->in[i].x->shape[k];
            if (*extent < 0 || (isdigit(label) && *extent == 1)) {
                *extent = n;
            } else if (*extent != n && !(isdigit(label) && n == 1)) {
                ae_fail(e->g, AE_E_SHAPE,
                        "einsum \"%.80s\": axis %c has %lld elements in one place and %lld in another", e->text,
                        isdigit(label) ? '.' : label, (long long)*extent, (long long)n);
                return -1;
            }
        }
    }
    return 0;
}

static int count_label(const equation *e, char label)
{
    int count = 0;
    for (int i = 0; i < e->n; i++) {
        for (int k = 0; k < e->in[i].n; k++) {
            count += e->in[i].label[k] == label;
        }
    }
    return count;
}

static void implicit_output(equation *e)
{
    int n = 0;
    for (int label = '0'; label <= 'z'; label++) {
        bool once = isalpha(label) && count_label(e, (char)label) == 1;
        if (once || (isdigit(label) && e->extent[label] >= 0)) {
            e->out[n++] = (char)label;
        }
    }
}

static int read_output(equation *e, const char *p)
{
    int n = 0;
    for (; *p; p++) {
        if (p[0] == '.' && p[1] == '.' && p[2] == '.') {
            p += 2;
            for (int label = '0'; label < '0' + AE_MAX_DIMS; label++) {
                if (e->extent[label] >= 0 && n < AE_MAX_DIMS) {
                    e->out[n++] = (char)label;
                }
            }
        } else if (isalpha((unsigned char)*p)) {
            if (e->extent[(unsigned char)*p] < 0 || memchr(e->out, *p, (size_t)n) || n == AE_MAX_DIMS) {
                return fail(e, "each letter of the result is once there and in an input");
            }
            e->out[n++] = *p;
        } else if (*p != ' ') {
            return fail(e, "the result is letters and \"...\"");
        }
    }
    return 0;
}

static int read_equation(equation *e, ae_tensor *const *xs, int n)
{
    const char *p = e->text;
    for (e->n = 0; e->n < n; e->n++) {
        if (e->n > 0 && *p++ != ',') {
            return fail(e, "fewer inputs than tensors");
        }
        e->in[e->n].x = xs[e->n];
        p = read_term(e, p, &e->in[e->n]);
        if (!p) {
            return -1;
        }
    }
    if (*p == ',') {
        return fail(e, "more inputs than tensors");
    }
    if (find_extents(e) != 0) {
        return -1;
    }
    if (*p == '\0') {
        implicit_output(e);
        return strlen(e->out) > AE_MAX_DIMS ? fail(e, "the result has more than 8 axes") : 0;
    }
    return p[1] == '>' ? read_output(e, p + 2) : fail(e, "what follows the inputs is \"->\"");
}

/* ---- computing ----------------------------------------------------------------------------------------------------- */

static int place_of(const term *t, char label)
{
    const char *p = memchr(t->label, label, (size_t)t->n);
    return p ? (int)(p - t->label) : -1;
}

static void drop_label(term *t, int k)
{
    memmove(t->label + k, t->label + k + 1, (size_t)(t->n - k));
    t->n--;
}

/* A label that occurs twice takes the diagonal, which becomes the last axis. */
static void take_diagonals(ae_graph *g, term *t)
{
    for (int i = 0; i < t->n; i++) {
        for (int k = i + 1; k < t->n; k++) {
            if (t->label[i] == t->label[k]) {
                char label = t->label[i];
                t->x = ae_diagonal(g, t->x, 0, i, k);
                drop_label(t, k);
                drop_label(t, i);
                t->label[t->n++] = label;
                i = -1;
                break;
            }
        }
    }
}

/* Sums over the axes that neither `other` nor what comes later needs. */
static void sum_out(ae_graph *g, term *t, const char *needed, const term *other)
{
    int axes[AE_MAX_DIMS], count = 0;
    for (int k = 0; k < t->n; k++) {
        if (!strchr(needed, t->label[k]) && !(other && place_of(other, t->label[k]) >= 0)) {
            axes[count++] = k;
        }
    }
    if (count == 0) {
        return;
    }
    t->x = ae_sum(g, t->x, count, axes, false);
    for (int k = count - 1; k >= 0; k--) {
        drop_label(t, axes[k]);
    }
}

/* The labels of a that are, or are not, in b, and are, or are not, needed later. */
static int choose(const term *a, const term *b, bool in_b, const char *needed, bool is_needed, char *out)
{
    int n = 0;
    for (int k = 0; k < a->n; k++) {
        if ((place_of(b, a->label[k]) >= 0) == in_b && (strchr(needed, a->label[k]) != NULL) == is_needed) {
            out[n++] = a->label[k];
        }
    }
    out[n] = '\0';
    return n;
}

static int64_t elements(const equation *e, const char *labels)
{
    int64_t n = 1;
    for (; *labels; labels++) {
        n *= e->extent[(unsigned char)*labels];
    }
    return n;
}

/* t as (|first|, |second|, |third|), axes of 1 under an ellipsis widened. */
static ae_tensor *grouped(const equation *e, const term *t, const char *first, const char *second, const char *third)
{
    int axes[AE_MAX_DIMS], n = 0;
    int64_t wide[AE_MAX_DIMS];
    const char *groups[] = {first, second, third};
    for (int i = 0; i < 3; i++) {
        for (const char *p = groups[i]; *p; p++) {
            wide[n] = e->extent[(unsigned char)*p];
            axes[n++] = place_of(t, *p);
        }
    }
    ae_tensor *x = ae_expand(e->g, ae_permute(e->g, t->x, axes), n, wide);
    return ae_reshape(e->g, x, 3, (int64_t[]){elements(e, first), elements(e, second), elements(e, third)});
}

/* The product of two terms, summed over what both have and nothing later needs. */
static int multiply(const equation *e, term *a, term *b, const char *needed, term *out)
{
    char batch[AE_MAX_DIMS + 1], sum[AE_MAX_DIMS + 1], rows[AE_MAX_DIMS + 1], cols[AE_MAX_DIMS + 1];
    sum_out(e->g, a, needed, b);
    sum_out(e->g, b, needed, a);
    if (!ae_ok(e->g)) {
        return -1;
    }
    int n = choose(a, b, true, needed, true, batch) + choose(a, b, false, needed, true, rows);
    n += choose(b, a, false, needed, true, cols);
    choose(a, b, true, needed, false, sum);
    if (n > AE_MAX_DIMS) {
        return fail(e, "a product on the way has more than 8 axes");
    }
    ae_tensor *product;
    int64_t m = elements(e, rows), k = elements(e, cols);
    if (!sum[0] || (m == 1 && k == 1)) { /* no matrix: element by element */
        ae_tensor *x = sum[0] ? grouped(e, a, batch, sum, rows) : grouped(e, a, batch, rows, "");
        ae_tensor *y = sum[0] ? grouped(e, b, batch, sum, cols) : grouped(e, b, batch, "", cols);
        product = ae_mul(e->g, x, y);
        product = sum[0] ? ae_sum(e->g, product, 1, (int[]){1}, true) : product;
    } else {
        product = ae_matmul(e->g, grouped(e, a, batch, rows, sum), grouped(e, b, batch, sum, cols));
    }
    int64_t shape[AE_MAX_DIMS];
    *out = (term){.n = n};
    snprintf(out->label, sizeof out->label, "%s%s%s", batch, rows, cols);
    for (int i = 0; i < n; i++) {
        shape[i] = e->extent[(unsigned char)out->label[i]];
    }
    out->x = ae_reshape(e->g, product, n, shape);
    return ae_ok(e->g) ? 0 : -1;
}

/* What is left of one input: sums, then the order of the result. */
static ae_tensor *arrange(const equation *e, term *t)
{
    int axes[AE_MAX_DIMS];
    int64_t shape[AE_MAX_DIMS];
    sum_out(e->g, t, e->out, NULL);
    if (!ae_ok(e->g)) {
        return ae_bad(e->g);
    }
    for (int i = 0; i < t->n; i++) {
        axes[i] = place_of(t, e->out[i]);
        shape[i] = e->extent[(unsigned char)e->out[i]];
    }
    return ae_expand(e->g, ae_permute(e->g, t->x, axes), t->n, shape);
}

static ae_tensor *compute(equation *e)
{
    for (int i = 0; i < e->n; i++) {
        take_diagonals(e->g, &e->in[i]);
    }
    term sofar = e->in[0];
    for (int i = 1; i < e->n && ae_ok(e->g); i++) {
        char needed[MAX_TERMS * AE_MAX_DIMS + sizeof e->out];
        snprintf(needed, sizeof needed, "%s", e->out);
        for (int k = i + 1; k < e->n; k++) {
            strncat(needed, e->in[k].label, (size_t)e->in[k].n);
        }
        term next;
        if (multiply(e, &sofar, &e->in[i], needed, &next) != 0) {
            return ae_bad(e->g);
        }
        sofar = next;
    }
    return arrange(e, &sofar);
}

ae_tensor *ae_einsum(ae_graph *g, const char *equation_text, ae_tensor *const *xs, int n)
{
    equation e = {.text = equation_text, .g = g};
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    for (int i = 0; i < n && i < MAX_TERMS; i++) {
        if (!xs[i] || !xs[i]->data) {
            return ae_fail(g, AE_E_FREED, "einsum: input %d is NULL or was freed", i);
        }
    }
    if (!equation_text || n < 1 || n > MAX_TERMS) {
        return ae_fail(g, AE_E_VALUE, "einsum: %d tensors; it takes an equation and 1 to %d of them", n, MAX_TERMS);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = read_equation(&e, xs, n) == 0 ? compute(&e) : ae_bad(g);
    return ae_frame_return(f, y);
}

/* ---- outer, dot, tensordot ----------------------------------------------------------------------------------------- */

static int check_vectors(ae_graph *g, const char *op, const ae_tensor *x, const ae_tensor *y, bool equal)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return -1;
    }
    if (x->ndim == 1 && y->ndim == 1 && (!equal || x->shape[0] == y->shape[0])) {
        return 0;
    }
    ae_fail(g, AE_E_SHAPE, "%s: %s and %s; it takes two vectors%s", op, ae_shape_text(x->ndim, x->shape, a),
            ae_shape_text(y->ndim, y->shape, b), equal ? " of one length" : "");
    return -1;
}

ae_tensor *ae_outer(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    if (check_vectors(g, "outer", x, y, false) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_mul(g, ae_unsqueeze(g, x, 1), y));
}

ae_tensor *ae_dot(ae_graph *g, ae_tensor *x, ae_tensor *y)
{
    if (check_vectors(g, "dot", x, y, true) != 0) {
        return ae_bad(g);
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_sum(g, ae_mul(g, x, y), 0, NULL, false));
}

ae_tensor *ae_tensordot(ae_graph *g, ae_tensor *x, ae_tensor *y, int n)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    bool fits = n >= 0 && n <= x->ndim && n <= y->ndim && x->ndim + y->ndim - 2 * n <= AE_MAX_DIMS;
    int64_t m = 1, k = 1, shape[2 * AE_MAX_DIMS];
    int rank = 0;
    for (int i = 0; fits && i < n; i++) {
        fits = x->shape[x->ndim - n + i] == y->shape[i];
        k *= y->shape[i];
    }
    if (!fits) {
        return ae_fail(g, AE_E_SHAPE, "tensordot: the last %d axes of %s and the first of %s must be equal", n,
                       ae_shape_text(x->ndim, x->shape, a), ae_shape_text(y->ndim, y->shape, b));
    }
    for (int i = 0; i < x->ndim - n; i++) {
        m *= shape[rank++] = x->shape[i];
    }
    int64_t cols = 1;
    for (int i = n; i < y->ndim; i++) {
        cols *= shape[rank++] = y->shape[i];
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *left = ae_reshape(g, x, 2, (int64_t[]){m, k}), *right = ae_reshape(g, y, 2, (int64_t[]){k, cols});
    return ae_frame_return(f, ae_reshape(g, ae_matmul(g, left, right), rank, shape));
}
