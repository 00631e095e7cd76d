#include "nn/optimizer_rule.h"
#include "tensor/threads.h"

#include <stdlib.h>
#include <string.h>

static int64_t blocks_of(const update *u)
{
    return (u->n + OPTIM_BLOCK - 1) / OPTIM_BLOCK;
}

/* The update that holds a block: the last one whose first block is not behind it. */
static const update *holder(const update *list, int count, int64_t block)
{
    int low = 0;
    int high = count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (list[middle].first_block <= block) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return &list[low];
}

/* ---- a gradient kept by rows --------------------------------------------------------------------------------------- */

/* The update of n elements from `begin` on, with their gradient: blocks of the whole begin at a multiple of
 * OPTIM_BLOCK. */
static update part_of(const update *u, int64_t begin, int64_t n, const float *gradient)
{
    update part = *u;
    part.p += begin;
    part.g = gradient;
    part.rows = NULL;
    part.n = n;
    for (int s = 0; s < OPTIM_STATES; s++) {
        part.state[s] = u->state[s] ? u->state[s] + begin : NULL;
    }
    part.sums = u->sums ? u->sums + 2 * (begin / OPTIM_BLOCK) : NULL;
    return part;
}

/* Where a thread puts a block's gradient together: zeros between two uses. */
typedef struct block_buffer {
    float values[OPTIM_BLOCK];
} block_buffer;

/* The part of row `i` of those kept that lies in [begin, end): its first element, into *n how many. */
static int64_t row_part(const ae_row_gradient *r, int64_t i, int64_t begin, int64_t end, int64_t *n)
{
    int64_t from = r->ids[i] * r->width, to = from + r->width;
    from = from > begin ? from : begin;
    to = to < end ? to : end;
    *n = to - from;
    return from;
}

/* Elements [begin, end) of an update by rows. */
static void run_rows(const ae_optim_config *c, const update *u, int64_t begin, int64_t end, optim_block_fn fn,
                     bool zeros, block_buffer *buffer)
{
    const ae_row_gradient *r = u->rows;
    int64_t n, first = ae_row_gradient_find(r, begin / r->width), last = first;
    for (; last < r->count && r->ids[last] * r->width < end; last++) {
        int64_t from = row_part(r, last, begin, end, &n);
        const float *values = r->values + last * r->width + (from - r->ids[last] * r->width);
        if (u->still && zeros) {
            update part = part_of(u, from, n, values);
            fn(c, &part, 0, n);
        } else {
            memcpy(buffer->values + (from - begin), values, (size_t)n * sizeof(float));
        }
    }
    if (u->still && zeros) {
        return;
    }
    if (zeros || last > first) {
        update part = part_of(u, begin, end - begin, buffer->values);
        fn(c, &part, 0, end - begin);
    }
    for (int64_t i = first; i < last; i++) {
        int64_t from = row_part(r, i, begin, end, &n);
        memset(buffer->values + (from - begin), 0, (size_t)n * sizeof(float));
    }
}

const float *optim_gradient_row(const update *u, int64_t r, int64_t columns, const float *zeros)
{
    if (!u->rows) {
        return u->g + r * columns;
    }
    int64_t i = ae_row_gradient_find(u->rows, r);
    return i < u->rows->count && u->rows->ids[i] == r ? u->rows->values + i * columns : zeros;
}

/* ---- all blocks ---------------------------------------------------------------------------------------------------- */

static void run_blocks(const ae_optim_config *c, update *list, int count, optim_block_fn fn, bool zeros)
{
    int64_t total = 0;
    for (int i = 0; i < count; i++) {
        list[i].first_block = total;
        total += blocks_of(&list[i]);
    }
#pragma omp parallel num_threads(ae_threads()) if (total > 2)
    {
        ae_threads_prepare();
        block_buffer buffer = {{0}};
#pragma omp for schedule(dynamic, 16)
        for (int64_t block = 0; block < total; block++) {
            const update *u = holder(list, count, block);
            int64_t begin = (block - u->first_block) * OPTIM_BLOCK;
            int64_t end = begin + OPTIM_BLOCK < u->n ? begin + OPTIM_BLOCK : u->n;
            if (u->rows) {
                run_rows(c, u, begin, end, fn, zeros, &buffer);
            } else {
                fn(c, u, begin, end);
            }
        }
    }
}

void optim_blocks(const ae_optim_config *c, update *list, int count, optim_block_fn fn)
{
    run_blocks(c, list, count, fn, true);
}

void optim_gradient_blocks(const ae_optim_config *c, update *list, int count, optim_block_fn fn)
{
    run_blocks(c, list, count, fn, false);
}

int optim_sums_new(update *list, int count)
{
    int64_t total = 0;
    for (int i = 0; i < count; i++) {
        total += blocks_of(&list[i]);
    }
    double *sums = calloc((size_t)total * 2 + 1, sizeof *sums);
    for (int i = 0; i < count && sums; i++) {
        list[i].sums = sums;
        sums += 2 * blocks_of(&list[i]);
    }
    return count == 0 || list[0].sums ? 0 : -1;
}

void optim_sums_free(update *list, int count)
{
    if (count > 0) {
        free(list[0].sums);
    }
    for (int i = 0; i < count; i++) {
        list[i].sums = NULL;
    }
}

double optim_sum(const update *u, int which)
{
    double sum = 0;
    for (int64_t b = 0; b < blocks_of(u); b++) {
        sum += u->sums[2 * b + which];
    }
    return sum;
}

int optim_like(const ae_optim_config *c, const ae_tensor *p, int64_t shape[AE_MAX_DIMS])
{
    (void)c;
    memcpy(shape, p->shape, (size_t)p->ndim * sizeof *shape);
    return p->ndim;
}
