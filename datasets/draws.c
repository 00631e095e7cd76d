#include "datasets/draws.h"

uint32_t ae_draw_word(ae_draws *d)
{
    uint64_t element = d->next++;
    if (element % 4 == 0) {
        const uint64_t block = element / 4;
        const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), d->key.stream[0], d->key.stream[1]};
        ae_philox(d->key.key, counter, d->words);
    }
    return d->words[element % 4];
}

double ae_draw_unit(ae_draws *d)
{
    return ae_draw_word(d) * 0x1p-32;
}

/* The words from the largest multiple of the limit on would favour small numbers, so they are drawn again. */
int64_t ae_draw_below(ae_draws *d, int64_t limit)
{
    if (limit < 2) {
        return 0;
    }
    if (limit <= UINT32_MAX) {
        const uint32_t n = (uint32_t)limit, unfair = (uint32_t)(-n % n); /* 2^32 mod n */
        uint64_t product;
        do {
            product = (uint64_t)ae_draw_word(d) * n;
        } while ((uint32_t)product < unfair);
        return (int64_t)(product >> 32);
    }
    const uint64_t n = (uint64_t)limit, unfair = -n % n;
    uint64_t word;
    do {
        word = (uint64_t)ae_draw_word(d) << 32;
        word |= ae_draw_word(d);
    } while (word < unfair);
    return (int64_t)(word % n);
}
