/* Random numbers one after another from one key, for code that cannot say beforehand how many it needs. Internal. */
#ifndef AE_DATASETS_DRAWS_H
#define AE_DATASETS_DRAWS_H

#include "tensor/random.h"

/* Begin with the key and zeros otherwise. */
typedef struct ae_draws {
    ae_random_key key;
    uint64_t next;     /* element of the key's stream */
    uint32_t words[4]; /* the block that holds it */
} ae_draws;

uint32_t ae_draw_word(ae_draws *d);
double ae_draw_unit(ae_draws *d);                  /* uniform on [0,1), multiples of 2^-32 */
int64_t ae_draw_below(ae_draws *d, int64_t limit); /* uniform on 0..limit-1, exactly; 0 when limit < 2 */

#endif
