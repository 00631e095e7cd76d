/* Random numbers without state: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
 *
 * A key names a draw; the number of an element within the draw is the counter. So any part of a draw can be made again,
 * in any order, on any number of threads and any processor, with the same bits. Every fill takes `first`, the number of
 * y[0] within its draw: fill(first, n) equals fill(first, k) followed by fill(first + k, n - k). Fills of 65536
 * elements
 * and more use ae_threads() threads. n may be 0. Everything but Philox itself is computed in double precision with
 * arithmetic of our own, so that no two C libraries differ. */
#ifndef AE_TENSOR_RANDOM_H
#define AE_TENSOR_RANDOM_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 128 bits that name one draw: Philox's key, and the upper half of its counter. Element e in the streams of 32-bit
 * words is word e%4 of Philox(key, counter = (e/4 as two words, low first, stream[0], stream[1])). */
typedef struct ae_random_key {
    uint32_t key[2];
    uint32_t stream[2];
} ae_random_key;

/* The key of a draw: seed of the run, optimizer step, accumulation round, rank, and the draw's number within them. */
AE_API ae_random_key ae_random_key_make(uint64_t seed, uint64_t step, uint32_t round, uint32_t rank, uint64_t draw);

/* A key derived from another: for a part of a draw that needs keys of its own (one a document, one an attempt). */
AE_API ae_random_key ae_random_subkey(const ae_random_key *key, uint64_t index);

/* Philox4x32-10 itself: four random words from a counter and a key. */
AE_API void ae_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4]);

/* ---- single values ---- */

AE_API uint32_t ae_random_word(const ae_random_key *key, uint64_t element); /* uniform on 0..2^32-1 */
AE_API double ae_random_unit(const ae_random_key *key, uint64_t element);   /* uniform on [0,1), 53 bits */
AE_API double ae_random_gauss(const ae_random_key *key, uint64_t element);  /* that element of ae_random_normal_f64 */

/* Uniform on lo..hi-1; lo when hi <= lo. */
AE_API int64_t ae_random_int(const ae_random_key *key, uint64_t element, int64_t lo, int64_t hi);

/* ---- fills of y[0..n-1] ---- */

/* Uniform words. */
AE_API void ae_random_fill_u32(const ae_random_key *key, uint64_t first, uint32_t *y, int64_t n);

/* Uniform on [lo,hi): multiples of 2^-24 (f32) or 2^-53 (f64) of the width; hi itself never comes. */
AE_API void ae_random_uniform_f32(const ae_random_key *key, uint64_t first, float lo, float hi, float *y, int64_t n);
AE_API void ae_random_uniform_f64(const ae_random_key *key, uint64_t first, double lo, double hi, double *y, int64_t n);

/* Normal, by Box and Muller's transform of 32-bit (f32; at most 6.7 std from the mean) or 53-bit (f64) uniforms. */
AE_API void ae_random_normal_f32(const ae_random_key *key, uint64_t first, float mean, float std, float *y, int64_t n);
AE_API void ae_random_normal_f64(const ae_random_key *key, uint64_t first, double mean, double std, double *y,
                                 int64_t n);

/* Normal, drawn again while more than 2 std from the mean: TensorFlow's truncated_normal, which BERT begins with. */
AE_API void ae_random_truncated_normal_f32(const ae_random_key *key, uint64_t first, float mean, float std, float *y,
                                           int64_t n);
AE_API void ae_random_truncated_normal_f64(const ae_random_key *key, uint64_t first, double mean, double std, double *y,
                                           int64_t n);

/* Uniform integers on lo..hi-1; lo alone when hi <= lo. */
AE_API void ae_random_int_i64(const ae_random_key *key, uint64_t first, int64_t lo, int64_t hi, int64_t *y, int64_t n);
AE_API void ae_random_int_i32(const ae_random_key *key, uint64_t first, int32_t lo, int32_t hi, int32_t *y, int64_t n);

/* 1 with probability p (clamped to 0..1), else 0. Exactly the elements that dropout with this key and p sets to
 * zero. */
AE_API void ae_random_bernoulli(const ae_random_key *key, uint64_t first, double p, uint8_t *y, int64_t n);

/* The words below this are "yes" with probability p: p·2^32, rounded, at most 2^32. */
AE_API uint64_t ae_random_threshold(double p);

/* ---- whole draws ---- */

/* Fills y with a permutation of 0..n-1, each equally likely (Fisher and Yates). */
AE_API void ae_random_permutation(const ae_random_key *key, int64_t *y, int64_t n);

/* Draws `count` indices of 0..n-1 with probabilities proportional to weights[n] into y, in the order drawn; an index of
 * weight 0 never comes. Without replacement no index comes twice. Returns 0, or -1: AE_E_VALUE for a negative or
 * non-finite weight, weights that sum to 0 or overflow, or fewer positive weights than count without replacement;
 * AE_E_MEMORY. */
AE_API int ae_random_multinomial(const ae_random_key *key, const double *weights, int64_t n, int64_t count,
                                 bool replacement, int64_t *y, ae_err *e);
AE_API int ae_random_multinomial_f32(const ae_random_key *key, const float *weights, int64_t n, int64_t count,
                                     bool replacement, int64_t *y, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
