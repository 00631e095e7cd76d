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

void optim_blocks(const ae_optim_config *c, update *list, int count, optim_block_fn fn)
{
    int64_t total = 0;
    for (int i = 0; i < count; i++) {
        list[i].first_block = total;
        total += blocks_of(&list[i]);
    }
#pragma omp parallel num_threads(ae_threads()) if (total > 2)
    {
        ae_threads_prepare();
#pragma omp for schedule(static)
        for (int64_t block = 0; block < total; block++) {
            const update *u = holder(list, count, block);
            int64_t begin = (block - u->first_block) * OPTIM_BLOCK;
            int64_t end = begin + OPTIM_BLOCK < u->n ? begin + OPTIM_BLOCK : u->n;
            fn(c, u, begin, end);
        }
    }
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
