/* The second score of attention, by where a key stands relative to the query, and its gradients. */
#include "autograd/attention_internal.h"

#include <string.h>

/* Relative scores of a block: query t0 + i and key s meet in column s - i + n_t - 1 of the product of its queries with
 * the n_s + n_t - 1 relative keys from row `first` on, of which columns [from, to) are in the table. */
typedef struct diagonals {
    int64_t first, count, from, to;
} diagonals;

static diagonals diagonals_of(const attention_problem *p, int64_t t0, int64_t n_t, int64_t n_s)
{
    diagonals r = {.first = p->attr->origin - t0 - n_t + 1, .count = n_s > 0 ? n_s + n_t - 1 : 0};
    int64_t rows = p->relative_keys->shape[0];
    r.from = r.first < 0 ? -r.first : 0;
    r.from = r.from < r.count ? r.from : r.count;
    r.to = rows - r.first < r.count ? rows - r.first : r.count;
    r.to = r.to > r.from ? r.to : r.from;
    return r;
}

static const float *diagonal_keys(const attention_head *h, const diagonals *r)
{
    return h->relative_keys + (r->first + r->from) * h->relative_keys_row;
}

void ae_attention_add_relative(const ae_kernels *f, const attention_problem *p, const attention_head *h, int64_t t0,
                               int64_t n_t, int64_t n_s, float *x, float *scratch)
{
    diagonals r = diagonals_of(p, t0, n_t, n_s);
    int64_t n = r.to - r.from;
    if (n == 0) {
        return;
    }
    float *kt = scratch, *product = scratch + p->d * (p->max_s + AE_ATTENTION_BLOCK);
    f->transpose(diagonal_keys(h, &r), h->relative_keys_row, n, p->d, kt, n);
    f->matmul(n_t, n, p->d, p->scale, h->relative_query + t0 * h->relative_query_row, h->relative_query_row, 1, kt, n,
              product, n, false);
    for (int64_t i = 0; i < n_t; i++) {
        int64_t shift = r.from + i - n_t + 1; /* the key that column 0 of the product belongs to */
        for (int64_t m = shift < 0 ? -shift : 0; m < n && m + shift < n_s; m++) {
            x[i * n_s + m + shift] += product[i * n + m];
        }
    }
}

void ae_attention_relative_gradients(const ae_kernels *f, const attention_problem *p, const attention_head *h,
                                     int64_t t0, int64_t n_t, int64_t n_s, const float *x_grad, float *dquery,
                                     float *dkeys, float *scratch)
{
    diagonals r = diagonals_of(p, t0, n_t, n_s);
    int64_t n = r.to - r.from, width = p->heads * p->d;
    if (n == 0) {
        return;
    }
    memset(scratch, 0, (size_t)(n_t * n) * sizeof *scratch);
    for (int64_t i = 0; i < n_t; i++) {
        int64_t shift = r.from + i - n_t + 1;
        for (int64_t m = shift < 0 ? -shift : 0; m < n && m + shift < n_s; m++) {
            scratch[i * n + m] = x_grad[i * n_s + m + shift];
        }
    }
    f->matmul(n_t, p->d, n, p->scale, scratch, n, 1, diagonal_keys(h, &r), h->relative_keys_row, dquery, width, false);
    f->matmul(n, p->d, n_t, p->scale, scratch, 1, n, h->relative_query + t0 * h->relative_query_row,
              h->relative_query_row, dkeys + (r.first + r.from) * width, width, true);
}
