/* LAPACK's results put together again, against known values, and what bad input gets. */
#include "tensor/lapack.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static ae_tensor *make(ae_dtype dtype, int64_t rows, int64_t cols, int seed)
{
    ae_err e = {0};
    const int64_t shape[2] = {rows, cols};
    ae_tensor *t = ae_tensor_new(dtype, 2, shape, &e);
    assert_non_null(t);
    for (int64_t i = 0; i < rows * cols; i++) {
        const uint32_t x = ((uint32_t)i + 1) * 2654435761u * (uint32_t)(2 * seed + 1);
        ae_set_f64(t, i, ((double)(x >> 16 & 1023u) - 512) / 512);
    }
    return t;
}

static ae_tensor *make_from(ae_dtype dtype, int ndim, int64_t rows, int64_t cols, const double *values)
{
    ae_err e = {0};
    const int64_t shape[2] = {rows, cols};
    ae_tensor *t = ae_tensor_new(dtype, ndim, shape, &e);
    assert_non_null(t);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, values[i]);
    }
    return t;
}

static double at(const ae_tensor *t, int64_t i, int64_t j)
{
    return ae_get_f64(t, i * t->shape[1] + j);
}

/* The largest |sum_k a_ik d_k b_kj - c_ij|; d NULL means ones. */
static double product_error(const ae_tensor *a, const ae_tensor *d, const ae_tensor *b, const ae_tensor *c)
{
    double worst = 0;
    for (int64_t i = 0; i < c->shape[0]; i++) {
        for (int64_t j = 0; j < c->shape[1]; j++) {
            double sum = 0;
            for (int64_t k = 0; k < a->shape[1]; k++) {
                sum += at(a, i, k) * (d ? ae_get_f64(d, k) : 1) * at(b, k, j);
            }
            worst = fmax(worst, fabs(sum - at(c, i, j)));
        }
    }
    return worst;
}

/* The largest |(q^T q - 1)_ij|. */
static double orthonormal_error(const ae_tensor *q)
{
    double worst = 0;
    for (int64_t i = 0; i < q->shape[1]; i++) {
        for (int64_t j = 0; j < q->shape[1]; j++) {
            double sum = 0;
            for (int64_t k = 0; k < q->shape[0]; k++) {
                sum += at(q, k, i) * at(q, k, j);
            }
            worst = fmax(worst, fabs(sum - (i == j)));
        }
    }
    return worst;
}

static double tolerance(ae_dtype dtype)
{
    return dtype == AE_F64 ? 1e-12 : 1e-5;
}

static const int64_t shapes[][2] = {{1, 1}, {5, 5}, {7, 4}, {4, 7}, {33, 20}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };
static const ae_dtype dtypes[] = {AE_F32, AE_F64};

static void svd_puts_together(void **state)
{
    (void)state;
    for (int c = 0; c < 2 * SHAPES; c++) {
        const ae_dtype dtype = dtypes[c & 1];
        ae_tensor *a = make(dtype, shapes[c / 2][0], shapes[c / 2][1], 3), *u, *s, *vt;
        ae_err e = {0};
        assert_int_equal(ae_lapack_svd(a, &u, &s, &vt, &e), 0);
        assert_true(product_error(u, s, vt, a) < 10 * tolerance(dtype));
        assert_true(orthonormal_error(u) < tolerance(dtype));
        for (int64_t i = 0; i < s->shape[0]; i++) {
            assert_true(ae_get_f64(s, i) >= 0 && (i == 0 || ae_get_f64(s, i) <= ae_get_f64(s, i - 1)));
        }
        ae_tensor *alone;
        assert_int_equal(ae_lapack_svd(a, NULL, &alone, NULL, &e), 0);
        assert_true(fabs(ae_get_f64(alone, 0) - ae_get_f64(s, 0)) < 10 * tolerance(dtype));
        ae_tensor_free(alone);
        ae_tensor_free(a);
        ae_tensor_free(u);
        ae_tensor_free(s);
        ae_tensor_free(vt);
    }
}

static void qr_puts_together(void **state)
{
    (void)state;
    for (int c = 0; c < 2 * SHAPES; c++) {
        const ae_dtype dtype = dtypes[c & 1];
        ae_tensor *a = make(dtype, shapes[c / 2][0], shapes[c / 2][1], 5), *q, *r;
        ae_err e = {0};
        assert_int_equal(ae_lapack_qr(a, &q, &r, &e), 0);
        assert_true(product_error(q, NULL, r, a) < 10 * tolerance(dtype));
        assert_true(orthonormal_error(q) < tolerance(dtype));
        for (int64_t i = 0; i < r->shape[0]; i++) {
            for (int64_t j = 0; j < i && j < r->shape[1]; j++) {
                assert_true(at(r, i, j) == 0);
            }
        }
        ae_tensor_free(a);
        ae_tensor_free(q);
        ae_tensor_free(r);
    }
}

static void cholesky_known(void **state)
{
    (void)state;
    /* The upper triangle is not read: 99 stands there. */
    const double values[9] = {4, 99, 99, 12, 37, 99, -16, -43, 98};
    const double want[9] = {2, 0, 0, 6, 1, 0, -8, 5, 3};
    for (int d = 0; d < 2; d++) {
        ae_tensor *a = make_from(dtypes[d], 2, 3, 3, values), *l;
        ae_err e = {0};
        assert_int_equal(ae_lapack_cholesky(a, &l, &e), 0);
        for (int i = 0; i < 9; i++) {
            assert_true(fabs(ae_get_f64(l, i) - want[i]) < 100 * tolerance(dtypes[d]));
        }
        ae_tensor_free(l);
        ae_set_f64(a, 8, 1);
        assert_int_equal(ae_lapack_cholesky(a, &l, &e), -1);
        assert_null(l);
        assert_int_equal(e.code, AE_E_VALUE);
        assert_string_equal(e.message, "cholesky: a is not positive definite; its leading 3 x 3 block is not");
        ae_tensor_free(a);
    }
}

static void eigh_puts_together(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        ae_tensor *a = make(dtypes[d], 12, 12, 7), *w, *v;
        for (int64_t i = 0; i < 12; i++) {
            for (int64_t j = 0; j < i; j++) {
                ae_set_f64(a, j * 12 + i, at(a, i, j));
            }
        }
        ae_err e = {0};
        assert_int_equal(ae_lapack_eigh(a, &w, &v, &e), 0);
        assert_true(orthonormal_error(v) < tolerance(dtypes[d]));
        for (int64_t i = 0; i < 12; i++) {
            assert_true(i == 0 || ae_get_f64(w, i) >= ae_get_f64(w, i - 1));
            for (int64_t j = 0; j < 12; j++) { /* a v_j = w_j v_j */
                double sum = 0;
                for (int64_t k = 0; k < 12; k++) {
                    sum += at(a, i, k) * at(v, k, j);
                }
                assert_true(fabs(sum - ae_get_f64(w, j) * at(v, i, j)) < 10 * tolerance(dtypes[d]));
            }
        }
        ae_tensor_free(a);
        ae_tensor_free(w);
        ae_tensor_free(v);
    }
}

static void solve_known(void **state)
{
    (void)state;
    const double values[4] = {2, 1, 1, 3};
    const double right[4] = {3, 5, 5, 10};
    for (int d = 0; d < 2; d++) {
        ae_tensor *a = make_from(dtypes[d], 2, 2, 2, values), *x;
        ae_tensor *b = make_from(dtypes[d], 2, 2, 2, right);
        ae_tensor *one = make_from(dtypes[d], 1, 2, 0, (const double[]){3, 5});
        ae_err e = {0};
        assert_int_equal(ae_lapack_solve(a, b, &x, &e), 0);
        assert_true(product_error(a, NULL, x, b) < 10 * tolerance(dtypes[d]));
        ae_tensor_free(x);
        assert_int_equal(ae_lapack_solve(a, one, &x, &e), 0);
        assert_int_equal(x->ndim, 1);
        assert_true(fabs(ae_get_f64(x, 0) - 0.8) < tolerance(dtypes[d]));
        assert_true(fabs(ae_get_f64(x, 1) - 1.4) < tolerance(dtypes[d]));
        ae_tensor_free(x);
        for (int i = 0; i < 4; i++) {
            ae_set_f64(a, i, 1);
        }
        assert_int_equal(ae_lapack_solve(a, one, &x, &e), -1);
        assert_null(x);
        assert_string_equal(e.message, "solve: a is singular; pivot 2 is 0");
        ae_tensor_free(a);
        ae_tensor_free(b);
        ae_tensor_free(one);
    }
}

/* A line through four points; then a matrix of rank 1, where the shortest solution is wanted. */
static void lstsq_known(void **state)
{
    (void)state;
    const double line[8] = {1, 0, 1, 1, 1, 2, 1, 3};
    const double points[4] = {-1, 0.2, 0.9, 2.1};
    for (int d = 0; d < 2; d++) {
        ae_tensor *a = make_from(dtypes[d], 2, 4, 2, line), *x;
        ae_tensor *b = make_from(dtypes[d], 1, 4, 0, points);
        ae_err e = {0};
        int64_t rank = 0;
        assert_int_equal(ae_lapack_lstsq(a, b, &x, &rank, &e), 0);
        assert_int_equal(rank, 2);
        assert_int_equal(x->ndim, 1);
        assert_true(fabs(ae_get_f64(x, 0) + 0.95) < tolerance(dtypes[d]));
        assert_true(fabs(ae_get_f64(x, 1) - 1) < tolerance(dtypes[d]));
        ae_tensor_free(x);
        ae_tensor_free(a);
        ae_tensor_free(b);
        a = make_from(dtypes[d], 2, 1, 3, (const double[]){1, 2, 2}); /* wide: one equation, three unknowns */
        b = make_from(dtypes[d], 2, 1, 2, (const double[]){9, 18});
        assert_int_equal(ae_lapack_lstsq(a, b, &x, &rank, &e), 0);
        assert_int_equal(rank, 1);
        const double want[6] = {1, 2, 2, 4, 2, 4};
        for (int i = 0; i < 6; i++) {
            assert_true(fabs(ae_get_f64(x, i) - want[i]) < tolerance(dtypes[d]));
        }
        ae_tensor_free(x);
        ae_tensor_free(a);
        ae_tensor_free(b);
    }
}

/* A transposed view gives the same as its copy. */
static void strided_input(void **state)
{
    (void)state;
    ae_tensor *a = make(AE_F64, 6, 4, 2), *s, *t;
    ae_err e = {0};
    assert_int_equal(ae_lapack_svd(a, NULL, &s, NULL, &e), 0);
    ae_tensor *view = ae_tensor_share(a, &e);
    view->shape[0] = 4;
    view->shape[1] = 6;
    view->strides[0] = 1;
    view->strides[1] = 4;
    assert_int_equal(ae_lapack_svd(view, NULL, &t, NULL, &e), 0);
    for (int i = 0; i < 4; i++) {
        assert_true(fabs(ae_get_f64(s, i) - ae_get_f64(t, i)) < 1e-12);
    }
    ae_tensor_free(view);
    ae_tensor_free(a);
    ae_tensor_free(s);
    ae_tensor_free(t);
}

static void empty_matrices(void **state)
{
    (void)state;
    ae_tensor *a = make(AE_F32, 0, 3, 1), *none = make(AE_F32, 0, 0, 1), *x, *y, *z;
    ae_err e = {0};
    assert_int_equal(ae_lapack_svd(a, &x, &y, &z, &e), 0);
    assert_int_equal(ae_numel(x) + ae_numel(y) + ae_numel(z), 0);
    ae_tensor_free(x);
    ae_tensor_free(y);
    ae_tensor_free(z);
    assert_int_equal(ae_lapack_qr(a, &x, &y, &e), 0);
    ae_tensor_free(x);
    ae_tensor_free(y);
    assert_int_equal(ae_lapack_cholesky(none, &x, &e), 0);
    ae_tensor_free(x);
    assert_int_equal(ae_lapack_eigh(none, &x, &y, &e), 0);
    ae_tensor_free(x);
    ae_tensor_free(y);
    assert_int_equal(ae_lapack_solve(none, a, &x, &e), 0);
    assert_int_equal(x->shape[1], 3);
    ae_tensor_free(x);
    int64_t rank = 9;
    assert_int_equal(ae_lapack_lstsq(a, a, &x, &rank, &e), 0); /* no equation: the shortest solution is 0 */
    assert_int_equal(rank, 0);
    assert_int_equal(ae_numel(x), 9);
    assert_true(ae_get_f64(x, 4) == 0);
    ae_tensor_free(x);
    ae_tensor_free(a);
    ae_tensor_free(none);
}

static void bad_input(void **state)
{
    (void)state;
    const int64_t cube[3] = {2, 2, 2};
    ae_err e = {0};
    ae_tensor *x = NULL, *a = make(AE_F32, 2, 3, 1), *other = make(AE_F64, 2, 3, 1);
    ae_tensor *square = make(AE_F32, 2, 2, 1), *ids = ae_tensor_new(AE_I64, 3, cube, &e);
    assert_int_equal(ae_lapack_svd(NULL, &x, NULL, NULL, &e), -1);
    assert_string_equal(e.message, "svd: a is NULL or was freed");
    ae_err_clear(&e);
    assert_int_equal(ae_lapack_svd(ids, &x, NULL, NULL, &e), -1);
    assert_string_equal(e.message, "svd: a must be f32 or f64; it is i64");
    ae_err_clear(&e);
    ids->dtype = AE_F64; /* as large an element, and zeros either way */
    assert_int_equal(ae_lapack_qr(ids, &x, NULL, &e), -1);
    assert_string_equal(e.message, "qr: a must be a matrix; it is [2,2,2]");
    ae_err_clear(&e);
    assert_int_equal(ae_lapack_cholesky(a, &x, &e), -1);
    assert_string_equal(e.message, "cholesky: a must be square; it is [2,3]");
    ae_err_clear(&e);
    assert_int_equal(ae_lapack_solve(square, other, &x, &e), -1);
    assert_string_equal(e.message, "solve: a and b need one dtype and as many rows; a is f32 [2,2], b is f64 [2,3]");
    ae_err_clear(&e);
    ae_set_f64(a, 3, NAN);
    assert_int_equal(ae_lapack_lstsq(square, a, &x, NULL, &e), -1);
    assert_string_equal(e.message, "lstsq: b holds NaN or infinity");
    assert_int_equal(e.code, AE_E_NONFINITE);
    ae_err_clear(&e);
    ae_set_f64(square, 0, INFINITY);
    assert_int_equal(ae_lapack_eigh(square, &x, NULL, &e), -1);
    assert_string_equal(e.message, "eigh: a holds NaN or infinity");
    assert_null(x);
    ae_tensor_free(a);
    ae_tensor_free(other);
    ae_tensor_free(square);
    ae_tensor_free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(svd_puts_together),  cmocka_unit_test(qr_puts_together), cmocka_unit_test(cholesky_known),
        cmocka_unit_test(eigh_puts_together), cmocka_unit_test(solve_known),      cmocka_unit_test(lstsq_known),
        cmocka_unit_test(strided_input),      cmocka_unit_test(empty_matrices),   cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
