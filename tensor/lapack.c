#include "tensor/lapack.h"

#include <dlfcn.h>
#include <float.h>
#include <lapacke.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- the library, loaded once ------------------------------------------------------------------------------------ */

/* One row a routine; each exists for f32 (s) and f64 (d). */
#define ROUTINES(ROW)                                                                                                  \
    ROW(gesdd) /* singular values */                                                                                   \
    ROW(geqrf) /* QR, the factors folded into one matrix */                                                            \
    ROW(orgqr) /* Q out of that */                                                                                     \
    ROW(potrf) /* Cholesky */                                                                                          \
    ROW(gelsd) /* least squares by singular values */                                                                  \
    ROW(syevd) /* symmetric eigenvalues */                                                                             \
    ROW(gesv)  /* LU and two triangular solutions */

static struct {
#define MEMBERS(name)                                                                                                  \
    __typeof__(LAPACKE_s##name) *s##name;                                                                              \
    __typeof__(LAPACKE_d##name) *d##name;
    ROUTINES(MEMBERS)
#undef MEMBERS
    bool ready;
    char failure[256];
} lapack;

static void find(void *library, const char *name, void *function, size_t size)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, size); /* C has no cast from an object's address to a function's */
    if (!symbol && lapack.ready) {
        lapack.ready = false;
        ae_err e = {0};
        ae_err_set(&e, AE_E_UNSUPPORTED, "it has no %s", name);
        memcpy(lapack.failure, e.message, sizeof lapack.failure - 1);
    }
}

static void load(void)
{
    void *library = dlopen("liblapacke.so.3", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        strncpy(lapack.failure, why ? why : "no reason given", sizeof lapack.failure - 1);
        return;
    }
    lapack.ready = true;
#define FIND(name)                                                                                                     \
    find(library, "LAPACKE_s" #name, &lapack.s##name, sizeof lapack.s##name);                                          \
    find(library, "LAPACKE_d" #name, &lapack.d##name, sizeof lapack.d##name);
    ROUTINES(FIND)
#undef FIND
}

static int need_library(const char *op, ae_err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return lapack.ready ? 0
                        : ae_err_set(e, AE_E_UNSUPPORTED, "%s: liblapacke.so.3 is not usable (%s); install liblapacke",
                                     op, lapack.failure);
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static bool is_finite(const ae_tensor *t)
{
    const int64_t count = ae_numel(t);
    for (int64_t i = 0; i < count; i++) {
        const double value = t->dtype == AE_F64 ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i];
        if (!isfinite(value)) {
            return false;
        }
    }
    return true;
}

/* A contiguous copy of a matrix, or of a vector as a matrix of one column when allowed; NULL with e filled. */
static ae_tensor *copy_matrix(const char *op, const char *name, const ae_tensor *a, bool vector_too, ae_err *e)
{
    char shape[AE_SHAPE_TEXT_MAX];
    if (!a || (!a->data && ae_numel(a) > 0)) {
        ae_err_set(e, AE_E_VALUE, "%s: %s is NULL or was freed", op, name);
        return NULL;
    }
    if (a->dtype != AE_F32 && a->dtype != AE_F64) {
        ae_err_set(e, AE_E_DTYPE, "%s: %s must be f32 or f64; it is %s", op, name, ae_dtype_name(a->dtype));
        return NULL;
    }
    const bool extents = a->ndim >= 1 && a->shape[0] <= INT_MAX && (a->ndim < 2 || a->shape[1] <= INT_MAX);
    if ((a->ndim != 2 && !(vector_too && a->ndim == 1)) || !extents) {
        ae_err_set(e, AE_E_SHAPE, "%s: %s must be a matrix%s; it is %s", op, name, vector_too ? " or a vector" : "",
                   ae_shape_text(a->ndim, a->shape, shape));
        return NULL;
    }
    ae_tensor *copy = ae_tensor_new(a->dtype, a->ndim, a->shape, e);
    if (copy && (ae_tensor_copy(copy, a, e) || !is_finite(copy))) {
        ae_err_set(e, AE_E_NONFINITE, "%s: %s holds NaN or infinity", op, name);
        ae_tensor_free(copy);
        return NULL;
    }
    return copy;
}

static ae_tensor *copy_square(const char *op, const ae_tensor *a, ae_err *e)
{
    char shape[AE_SHAPE_TEXT_MAX];
    ae_tensor *copy = copy_matrix(op, "a", a, false, e);
    if (copy && copy->shape[0] != copy->shape[1]) {
        ae_err_set(e, AE_E_SHAPE, "%s: a must be square; it is %s", op, ae_shape_text(2, copy->shape, shape));
        ae_tensor_free(copy);
        return NULL;
    }
    return copy;
}

/* A right-hand side that fits a: equal dtype and rows. */
static ae_tensor *copy_right(const char *op, const ae_tensor *a, const ae_tensor *b, ae_err *e)
{
    ae_tensor *copy = copy_matrix(op, "b", b, true, e);
    if (!copy) {
        return NULL;
    }
    if (copy->dtype != a->dtype || copy->shape[0] != a->shape[0]) {
        char a_shape[AE_SHAPE_TEXT_MAX];
        char b_shape[AE_SHAPE_TEXT_MAX];
        ae_err_set(e, copy->dtype != a->dtype ? AE_E_DTYPE : AE_E_SHAPE,
                   "%s: a and b need one dtype and as many rows; a is %s %s, b is %s %s", op, ae_dtype_name(a->dtype),
                   ae_shape_text(2, a->shape, a_shape), ae_dtype_name(copy->dtype),
                   ae_shape_text(copy->ndim, copy->shape, b_shape));
        ae_tensor_free(copy);
        return NULL;
    }
    return copy;
}

static ae_tensor *new_matrix(ae_dtype dtype, int64_t rows, int64_t cols, ae_err *e)
{
    const int64_t shape[2] = {rows, cols};
    return ae_tensor_new(dtype, 2, shape, e);
}

/* Hands t on, or frees it when nobody wants it; nothing but NULL is handed on after a failure. */
static void hand_on(ae_tensor **result, ae_tensor *t, int failed)
{
    if (result) {
        *result = failed ? NULL : t;
    }
    if (failed || !result) {
        ae_tensor_free(t);
    }
}

/* What LAPACKE returned, as an error: out of memory below -1000, no convergence above 0. */
static int not_converged(const char *op, lapack_int info, ae_err *e)
{
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR) {
        return ae_err_set(e, AE_E_MEMORY, "%s: LAPACK has no memory to work in", op);
    }
    return info ? ae_err_set(e, AE_E_NONFINITE, "%s: the iteration did not converge (LAPACK says %d)", op, (int)info)
                : 0;
}

static lapack_int leading(const ae_tensor *t)
{
    const int64_t cols = t->ndim == 2 ? t->shape[1] : 1;
    return cols > 1 ? (lapack_int)cols : 1;
}

/* ---- decompositions ---------------------------------------------------------------------------------------------- */

int ae_lapack_svd(const ae_tensor *a, ae_tensor **u, ae_tensor **s, ae_tensor **vt, ae_err *e)
{
    ae_tensor *copy = need_library("svd", e) ? NULL : copy_matrix("svd", "a", a, false, e);
    ae_tensor *left = NULL, *values = NULL, *right = NULL;
    int failed = -1;
    if (copy) {
        const int64_t m = copy->shape[0], n = copy->shape[1], r = m < n ? m : n;
        left = new_matrix(copy->dtype, m, r, e);
        values = ae_tensor_new(copy->dtype, 1, &r, e);
        right = new_matrix(copy->dtype, r, n, e);
        failed = left && values && right ? 0 : -1;
        if (!failed && r > 0) {
            const lapack_int rows = (lapack_int)m, cols = (lapack_int)n;
            const lapack_int info =
                copy->dtype == AE_F64
                    ? lapack.dgesdd(LAPACK_ROW_MAJOR, 'S', rows, cols, copy->data, leading(copy), values->data,
                                    left->data, leading(left), right->data, leading(right))
                    : lapack.sgesdd(LAPACK_ROW_MAJOR, 'S', rows, cols, copy->data, leading(copy), values->data,
                                    left->data, leading(left), right->data, leading(right));
            failed = not_converged("svd", info, e);
        }
    }
    ae_tensor_free(copy);
    hand_on(u, left, failed);
    hand_on(s, values, failed);
    hand_on(vt, right, failed);
    return failed;
}

/* Copies the first rows and columns of src; with upper, zeros below the diagonal. */
static void copy_corner(ae_tensor *dst, const ae_tensor *src, bool upper)
{
    const size_t size = ae_dtype_size(dst->dtype);
    for (int64_t i = 0; i < dst->shape[0]; i++) {
        const int64_t skip = upper ? (i < dst->shape[1] ? i : dst->shape[1]) : 0;
        memcpy((char *)dst->data + (size_t)(i * dst->shape[1] + skip) * size,
               (const char *)src->data + (size_t)(i * src->shape[1] + skip) * size,
               (size_t)(dst->shape[1] - skip) * size);
    }
}

/* Turns f (m,n) into its folded factors, and q (m,k) into the orthonormal one, with r (k,n) in between. */
static int factor(ae_tensor *f, ae_tensor *q, ae_tensor *r, ae_tensor *scales, ae_err *e)
{
    const lapack_int m = (lapack_int)f->shape[0], n = (lapack_int)f->shape[1], k = (lapack_int)r->shape[0];
    const bool f64 = f->dtype == AE_F64;
    lapack_int info = f64 ? lapack.dgeqrf(LAPACK_ROW_MAJOR, m, n, f->data, leading(f), scales->data)
                          : lapack.sgeqrf(LAPACK_ROW_MAJOR, m, n, f->data, leading(f), scales->data);
    if (info == 0) {
        copy_corner(r, f, true);
        copy_corner(q, f, false);
        info = f64 ? lapack.dorgqr(LAPACK_ROW_MAJOR, m, k, k, q->data, leading(q), scales->data)
                   : lapack.sorgqr(LAPACK_ROW_MAJOR, m, k, k, q->data, leading(q), scales->data);
    }
    return not_converged("qr", info, e);
}

int ae_lapack_qr(const ae_tensor *a, ae_tensor **q, ae_tensor **r, ae_err *e)
{
    ae_tensor *copy = need_library("qr", e) ? NULL : copy_matrix("qr", "a", a, false, e);
    ae_tensor *orthonormal = NULL, *triangular = NULL;
    int failed = -1;
    if (copy) {
        const int64_t m = copy->shape[0], n = copy->shape[1], k = m < n ? m : n;
        ae_tensor *scales = ae_tensor_new(copy->dtype, 1, &k, e);
        orthonormal = new_matrix(copy->dtype, m, k, e);
        triangular = new_matrix(copy->dtype, k, n, e);
        failed = scales && orthonormal && triangular ? 0 : -1;
        if (!failed && k > 0) {
            failed = factor(copy, orthonormal, triangular, scales, e);
        }
        ae_tensor_free(scales);
    }
    ae_tensor_free(copy);
    hand_on(q, orthonormal, failed);
    hand_on(r, triangular, failed);
    return failed;
}

int ae_lapack_cholesky(const ae_tensor *a, ae_tensor **l, ae_err *e)
{
    ae_tensor *copy = need_library("cholesky", e) ? NULL : copy_square("cholesky", a, e);
    int failed = copy ? 0 : -1;
    if (copy && copy->shape[0] > 0) {
        const lapack_int n = (lapack_int)copy->shape[0];
        const lapack_int info = copy->dtype == AE_F64
                                    ? lapack.dpotrf(LAPACK_ROW_MAJOR, 'L', n, copy->data, leading(copy))
                                    : lapack.spotrf(LAPACK_ROW_MAJOR, 'L', n, copy->data, leading(copy));
        if (info > 0) {
            failed = ae_err_set(e, AE_E_VALUE, "cholesky: a is not positive definite; its leading %d x %d block is not",
                                (int)info, (int)info);
        } else {
            failed = not_converged("cholesky", info, e);
        }
        for (int64_t i = 0; i < n; i++) { /* the upper triangle still holds a */
            memset((char *)copy->data + (size_t)(i * n + i + 1) * ae_dtype_size(copy->dtype), 0,
                   (size_t)(n - i - 1) * ae_dtype_size(copy->dtype));
        }
    }
    hand_on(l, copy, failed);
    return failed;
}

int ae_lapack_eigh(const ae_tensor *a, ae_tensor **w, ae_tensor **v, ae_err *e)
{
    ae_tensor *copy = need_library("eigh", e) ? NULL : copy_square("eigh", a, e);
    ae_tensor *values = copy ? ae_tensor_new(copy->dtype, 1, copy->shape, e) : NULL;
    int failed = values ? 0 : -1;
    if (!failed && copy->shape[0] > 0) {
        const lapack_int n = (lapack_int)copy->shape[0];
        const lapack_int info =
            copy->dtype == AE_F64
                ? lapack.dsyevd(LAPACK_ROW_MAJOR, 'V', 'L', n, copy->data, leading(copy), values->data)
                : lapack.ssyevd(LAPACK_ROW_MAJOR, 'V', 'L', n, copy->data, leading(copy), values->data);
        failed = not_converged("eigh", info, e);
    }
    hand_on(w, values, failed);
    hand_on(v, copy, failed);
    return failed;
}

/* ---- equations --------------------------------------------------------------------------------------------------- */

int ae_lapack_solve(const ae_tensor *a, const ae_tensor *b, ae_tensor **x, ae_err *e)
{
    ae_tensor *left = need_library("solve", e) ? NULL : copy_square("solve", a, e);
    ae_tensor *right = left ? copy_right("solve", left, b, e) : NULL;
    int failed = right ? 0 : -1;
    if (!failed && ae_numel(right) > 0) {
        const lapack_int n = (lapack_int)left->shape[0], k = leading(right);
        lapack_int *pivots = malloc((size_t)n * sizeof *pivots);
        lapack_int info = LAPACK_WORK_MEMORY_ERROR;
        if (pivots && left->dtype == AE_F64) {
            info = lapack.dgesv(LAPACK_ROW_MAJOR, n, k, left->data, leading(left), pivots, right->data, k);
        } else if (pivots) {
            info = lapack.sgesv(LAPACK_ROW_MAJOR, n, k, left->data, leading(left), pivots, right->data, k);
        }
        free(pivots);
        failed = info > 0 ? ae_err_set(e, AE_E_VALUE, "solve: a is singular; pivot %d is 0", (int)info)
                          : not_converged("solve", info, e);
    }
    ae_tensor_free(left);
    hand_on(x, right, failed);
    return failed;
}

/* Solves into both (max(m,n),k), whose first m rows hold b. */
static int least_squares(ae_tensor *a, ae_tensor *both, int64_t *rank, ae_err *e)
{
    const lapack_int m = (lapack_int)a->shape[0], n = (lapack_int)a->shape[1], k = (lapack_int)both->shape[1];
    const lapack_int most = m > n ? m : n;
    void *values = malloc((size_t)most * sizeof(double));
    lapack_int found = 0;
    lapack_int info = LAPACK_WORK_MEMORY_ERROR;
    if (values && a->dtype == AE_F64) {
        info = lapack.dgelsd(LAPACK_ROW_MAJOR, m, n, k, a->data, leading(a), both->data, leading(both), values,
                             most * DBL_EPSILON, &found);
    } else if (values) {
        info = lapack.sgelsd(LAPACK_ROW_MAJOR, m, n, k, a->data, leading(a), both->data, leading(both), values,
                             (float)most * FLT_EPSILON, &found);
    }
    free(values);
    *rank = found;
    return not_converged("lstsq", info, e);
}

int ae_lapack_lstsq(const ae_tensor *a, const ae_tensor *b, ae_tensor **x, int64_t *rank, ae_err *e)
{
    ae_tensor *left = need_library("lstsq", e) ? NULL : copy_matrix("lstsq", "a", a, false, e);
    ae_tensor *right = left ? copy_right("lstsq", left, b, e) : NULL;
    ae_tensor *both = NULL, *solution = NULL;
    int64_t found = 0;
    int failed = -1;
    if (right) {
        const int64_t m = left->shape[0], n = left->shape[1], k = right->ndim == 2 ? right->shape[1] : 1;
        const int64_t shape[2] = {n, k};
        both = new_matrix(left->dtype, m > n ? m : n, k, e);
        solution = ae_tensor_new(left->dtype, right->ndim, shape, e);
        failed = both && solution ? 0 : -1;
        if (!failed && m > 0 && n > 0 && k > 0) {
            const size_t row = (size_t)k * ae_dtype_size(left->dtype);
            memcpy(both->data, right->data, (size_t)m * row);
            failed = least_squares(left, both, &found, e);
            memcpy(solution->data, both->data, (size_t)n * row);
        }
    }
    if (rank && !failed) {
        *rank = found;
    }
    ae_tensor_free(left);
    ae_tensor_free(right);
    ae_tensor_free(both);
    hand_on(x, solution, failed);
    return failed;
}
