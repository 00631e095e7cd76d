/* Products, streamed weights, rows of bytes, transposes. */
#include "tensor/kernel_checks.h"

typedef struct product {
    int64_t m, n, k;
    float alpha;
    bool transposed, accumulate;
} product;

static void check_product(const product *p)
{
    static float a[40000], b[40000], c[40000], before[40000];
    int64_t lda = (p->transposed ? p->m : p->k) + 3;
    int64_t ldb = p->n + 5;
    int64_t ldc = p->n + 2;
    int64_t a_row = p->transposed ? 1 : lda;
    int64_t a_col = p->transposed ? lda : 1;
    fill(a, (p->transposed ? p->k : p->m) * lda, -1, 1);
    fill(b, p->k * ldb, -1, 1);
    fill(before, p->m * ldc, -1, 1);
    memcpy(c, before, sizeof c);
    k->matmul(p->m, p->n, p->k, p->alpha, a, a_row, a_col, b, ldb, c, ldc, p->accumulate);
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            double want = 0;
            for (int64_t q = 0; q < p->k; q++) {
                want += (double)a[i * a_row + q * a_col] * (double)b[q * ldb + j];
            }
            want = (double)p->alpha * want + (p->accumulate ? (double)before[i * ldc + j] : 0);
            check_near(c[i * ldc + j], want, 4e-7 * sqrt((double)p->k) + 3e-7 + 2e-7 * fabs(want), "matmul", j);
        }
        for (int64_t j = p->n; j < ldc; j++) {
            assert_true(c[i * ldc + j] == before[i * ldc + j]);
        }
    }
}

void products(void)
{
    const int64_t m[] = {1, 2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 17, 24, 33};
    const int64_t n[] = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80};
    const int64_t depth[] = {0, 1, 2, 7, 16, 33, 64};
    int turn = 0;
    for (int i = 0; i < (int)(sizeof m / sizeof m[0]); i++) {
        for (int j = 0; j < (int)(sizeof n / sizeof n[0]); j++) {
            for (int q = 0; q < (int)(sizeof depth / sizeof depth[0]); q++, turn++) {
                product p = {m[i], n[j], depth[q], turn % 3 ? 1 : 0.125f, turn & 1, turn & 2};
                check_product(&p);
            }
        }
    }
    const int64_t deep[] = {255, 256, 257, 300, 513};
    for (int q = 0; q < 5; q++) {
        for (int c = 0; c < 4; c++) {
            product p = {11, 37, deep[q], 0.5f, c & 1, c & 2};
            check_product(&p);
        }
    }
    product packed[] = {{70, 200, 100, 1, false, true}, {41, 140, 70, 2, true, false}};
    check_product(&packed[0]);
    check_product(&packed[1]);
    product empty[] = {{0, 5, 5, 1, false, false}, {5, 0, 5, 1, false, true}};
    check_product(&empty[0]);
    check_product(&empty[1]);
}

/* Streams: f32, bf16 and (k,n), all of numbers that bf16 holds, against sums in double; i8 exactly. */
static void check_stream(int64_t m, int64_t n, int64_t depth, bool biased)
{
    static float x[4 * 600], w[70 * 600], turned[600 * 73], bias[70], scale[70], x_scale[4];
    static uint16_t half[70 * 600];
    static int8_t xq[4 * 600], wq[70 * 600];
    int64_t ldx = depth + 3, ldw = n + 3, ldy = n + 2;
    fill(x, m * ldx, -1, 1);
    fill(w, n * depth, -1, 1);
    fill(bias, n, -1, 1);
    fill(scale, n, 0.5f, 1);
    fill(x_scale, m, 0.5f, 1);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t p = 0; p < depth; p++) {
            half[j * depth + p] = ae_f32_to_bf16(w[j * depth + p]);
            w[j * depth + p] = turned[p * ldw + j] = ae_bf16_to_f32(half[j * depth + p]);
            wq[j * depth + p] = (int8_t)((j * 31 + p * 57) % 255 - 127);
        }
    }
    for (int64_t p = 0; p < m * depth; p++) {
        xq[p] = (int8_t)((p * 91) % 255 - 127);
    }
    const float *b = biased ? bias : NULL;
    for (int way = 0; way < 4; way++) {
        float *y = result();
        switch (way) {
        case 0:
            k->stream_f32(m, n, depth, x, ldx, w, b, y, ldy);
            break;
        case 1:
            k->stream_bf16(m, n, depth, x, ldx, half, b, y, ldy);
            break;
        case 2:
            k->stream_columns_f32(m, n, depth, x, ldx, turned, ldw, b, y, ldy);
            break;
        default:
            k->stream_i8(m, n, depth, xq, x_scale, wq, scale, b, y, ldy);
        }
        check_guards((m - 1) * ldy + n);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++) {
                double want = 0;
                for (int64_t p = 0; p < depth; p++) {
                    want += way == 3 ? (double)xq[i * depth + p] * wq[j * depth + p]
                                     : (double)x[i * ldx + p] * (double)w[j * depth + p];
                }
                want *= way == 3 ? (double)x_scale[i] * (double)scale[j] : 1;
                want += biased ? (double)bias[j] : 0;
                check_near(y[i * ldy + j], want, 1.5e-6 * sqrt((double)depth) + 3e-7 + 4e-7 * fabs(want), "stream", j);
            }
        }
    }
}

void streams(void)
{
    const int64_t n[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 70};
    const int64_t depth[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 511, 597};
    for (int64_t m = 1; m <= AE_STREAM_ROWS; m++) {
        for (int j = 0; j < (int)(sizeof n / sizeof n[0]); j++) {
            for (int q = 0; q < (int)(sizeof depth / sizeof depth[0]); q++) {
                check_stream(m, n[j], depth[q], (j + q) % 2 != 0);
            }
        }
    }
}

void bytes_of_a_row(void)
{
    static float x[MAX_N];
    static int8_t q[MAX_N + 1];
    static int32_t sums[MAX_N];
    for (int i = 1; i < SIZES; i++) {
        int64_t n = size_at(i);
        fill(x, n, -3, 3);
        x[n / 2] = -4;
        q[n] = 99;
        float scale = k->quantize_i8(x, q, n);
        assert_true(scale == 4.0f / 127 && q[n / 2] == -127 && q[n] == 99);
        for (int64_t j = 0; j < n; j++) {
            assert_true(fabs((double)x[j] - (double)scale * q[j]) <= 0.5001 * (double)scale);
            sums[j] = q[j] * 1000;
        }
        float *y = result();
        k->scale_i32(sums, scale, x, NULL, y, n);
        check_guards(n);
        for (int64_t j = 0; j < n; j++) {
            check_near(y[j], 1000.0 * q[j] * (double)scale * (double)x[j], 0.01, "scale_i32", j);
        }
        k->scale_i32(sums, 1, x, x, (float *)(void *)sums, n);
        for (int64_t j = 0; j < n; j++) {
            check_near(((float *)(void *)sums)[j], (1000.0 * q[j] + 1) * (double)x[j], 0.1, "scale_i32", j);
        }
    }
    float odd[4] = {1, NAN, 2, 3}, tiny[2] = {1e-39f, -1e-38f}, zeros[3] = {0, -0.0f, 0};
    assert_true(isnan(k->quantize_i8(odd, q, 4)) && q[0] == 0 && q[3] == 0);
    odd[1] = -INFINITY;
    assert_true(isnan(k->quantize_i8(odd, q, 4)) && q[0] == 0);
    assert_true(k->quantize_i8(tiny, q, 2) == 0 && q[1] == 0);
    assert_true(k->quantize_i8(zeros, q, 3) == 0 && q[1] == 0);
}

void transposes(void)
{
    static float x[100 * 110], y[100 * 110];
    for (int64_t rows = 0; rows <= 70; rows += rows < 34 ? 1 : 9) {
        for (int64_t cols = 0; cols <= 70; cols += cols < 34 ? 1 : 9) {
            int64_t ldx = cols + 3;
            int64_t ldy = rows + 2;
            fill(x, rows * ldx, -1, 1);
            for (int i = 0; i < 100 * 110; i++) {
                y[i] = 777;
            }
            k->transpose(x, ldx, rows, cols, y, ldy);
            for (int64_t j = 0; j < cols; j++) {
                for (int64_t i = 0; i < ldy; i++) {
                    assert_true(y[j * ldy + i] == (i < rows ? x[i * ldx + j] : 777));
                }
            }
            assert_true(y[cols * ldy] == 777);
        }
    }
}
