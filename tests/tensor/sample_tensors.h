/* Dictionaries of tensors of every dtype, and their bit-exact comparison, for the tests of file formats. */
#ifndef AE_TESTS_SAMPLE_TENSORS_H
#define AE_TESTS_SAMPLE_TENSORS_H

#include "tensor/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* Every bit pattern is welcome in a file, NaNs with payload too; bools alone are 0 or 1. */
static inline void fill_with_bits(ae_tensor *t, unsigned seed)
{
    unsigned char *p = t->data;
    size_t bytes = (size_t)ae_numel(t) * ae_dtype_size(t->dtype);
    for (size_t i = 0; i < bytes; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (unsigned char)(t->dtype == AE_BOOL ? (seed >> 24) & 1 : seed >> 24);
    }
}

/* Every dtype as a scalar, an empty tensor, a vector, a matrix and a transposed matrix: 45 tensors, in names with
 * dots. */
static inline ae_tensors *sample_tensors(void)
{
    static const int64_t shapes[][3] = {{0}, {3, 0, 2}, {5}, {3, 4}, {4, 7}};
    static const int ranks[] = {0, 3, 1, 2, 2};
    ae_tensors *d = ae_tensors_new();
    for (int dtype = 0; dtype < AE_DTYPE_COUNT; dtype++) {
        for (int s = 0; s < 5; s++) {
            ae_tensor *t = ae_tensor_new((ae_dtype)dtype, ranks[s], shapes[s], NULL);
            assert_non_null(t);
            fill_with_bits(t, (unsigned)(dtype * 5 + s + 1));
            if (s == 4) {
                t->shape[0] = 7, t->shape[1] = 4;
                t->strides[0] = 1, t->strides[1] = 7;
            }
            char name[64];
            snprintf(name, sizeof name, "layer.%d.%s", s, ae_dtype_name((ae_dtype)dtype));
            assert_int_equal(ae_tensors_add(d, name, t, NULL), 0);
        }
    }
    return d;
}

static inline void assert_same_tensor(const char *name, const ae_tensor *a, const ae_tensor *b)
{
    if (!a || !b) {
        fail_msg("%s is missing", name);
        return;
    }
    if (a->dtype != b->dtype || !ae_same_shape(a, b)) {
        fail_msg("%s: another dtype or shape", name);
    }
    ae_tensor *x = ae_tensor_new(a->dtype, a->ndim, a->shape, NULL),
              *y = ae_tensor_new(a->dtype, a->ndim, a->shape, NULL);
    assert_int_equal(ae_tensor_copy(x, a, NULL), 0);
    assert_int_equal(ae_tensor_copy(y, b, NULL), 0);
    if (memcmp(x->data, y->data, (size_t)ae_numel(x) * ae_dtype_size(x->dtype)) != 0) {
        fail_msg("%s: other values", name);
    }
    ae_tensor_free(x);
    ae_tensor_free(y);
}

static inline void assert_same_tensors(const ae_tensors *a, const ae_tensors *b)
{
    assert_int_equal(ae_tensors_count(a), ae_tensors_count(b));
    for (int i = 0; i < ae_tensors_count(a); i++) {
        const char *name = ae_tensors_name(a, i);
        assert_same_tensor(name, ae_tensors_at(a, i), ae_tensors_get(b, name));
    }
}

/* A small dictionary for tests that mutate or count. */
static inline ae_tensors *small_tensors(void)
{
    ae_tensors *d = ae_tensors_new();
    static const int64_t shape[] = {2, 3};
    static const ae_dtype dtypes[] = {AE_F32, AE_I64, AE_BOOL};
    static const char *const names[] = {"weight", "ids", "mask"};
    for (int i = 0; i < 3; i++) {
        ae_tensor *t = ae_tensor_new(dtypes[i], 2, shape, NULL);
        assert_non_null(t);
        fill_with_bits(t, (unsigned)i + 77);
        assert_int_equal(ae_tensors_add(d, names[i], t, NULL), 0);
    }
    return d;
}

/* Sums a byte of every element, so that a sanitizer sees every tensor that reaches outside its storage. */
static inline unsigned touch_tensors(const ae_tensors *d)
{
    unsigned sum = 0;
    for (int i = 0; d && i < ae_tensors_count(d); i++) {
        const ae_tensor *t = ae_tensors_at(d, i);
        const unsigned char *p = t->data;
        size_t bytes = (size_t)ae_numel(t) * ae_dtype_size(t->dtype);
        for (size_t k = 0; k < bytes; k++) {
            sum = sum * 31 + p[k];
        }
    }
    return sum;
}

#endif
