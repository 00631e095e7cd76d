/* Initialisers, named by what the papers call them. */
#ifndef AE_NN_INIT_H
#define AE_NN_INIT_H

#include "tensor/random.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How to fill a new parameter: fill(t, a, b, key) with t contiguous f32. A user's own function serves as well. */
typedef struct ae_init {
    void (*fill)(ae_tensor *t, double a, double b, const ae_random_key *key);
    double a, b;
    int64_t zero_row; /* 1 + the row to be zeroed afterwards (padding of an embedding); 0: none */
} ae_init;

/* ---- without regard to the shape ------------------------------------------------------------------------------------- */

AE_API ae_init ae_init_zeros(void);
AE_API ae_init ae_init_ones(void);
AE_API ae_init ae_init_constant(double value);
AE_API ae_init ae_init_normal(double std);           /* N(0, std^2): GPT */
AE_API ae_init ae_init_truncated_normal(double std); /* redrawn beyond 2 std: BERT */
AE_API ae_init ae_init_uniform(double lo, double hi);

/* N(0, std^2/(2 layers)): what GPT-2 gives to the projections that feed the residual stream. */
AE_API ae_init ae_init_gpt2_residual(double std, int64_t layers);

/* ---- by the shape ------------------------------------------------------------------------------------------------ */

/* fan_in is the product of all extents but the first, fan_out the first times those behind the second; a vector has
 * fan_in = fan_out = its length. */

/* U(+-gain sqrt(6/(fan_in + fan_out))) and N(0, gain^2 2/(fan_in + fan_out)): Glorot and Bengio 2010; TensorFlow's
 * default. */
AE_API ae_init ae_init_xavier_uniform(double gain);
AE_API ae_init ae_init_xavier_normal(double gain);

/* U(+-sqrt(6/((1 + slope^2) fan_in))) and N(0, 2/((1 + slope^2) fan_in)): He et al. 2015, for a leaky relu of that
 * slope (0: relu). */
AE_API ae_init ae_init_kaiming_uniform(double slope);
AE_API ae_init ae_init_kaiming_normal(double slope);

/* U(+-1/sqrt(fan_in)): PyTorch's default of linear and convolution weights. */
AE_API ae_init ae_init_torch(void);

/* U(+-1/sqrt(width)): PyTorch's default of every recurrent parameter (width of the state), and of biases (fan_in of
 * their weight). */
AE_API ae_init ae_init_torch_width(int64_t width);

/* N(0, factor^2/fan_in): T5 and mesh (k, v, wi, wo; T5's q has factor 1/sqrt(d_kv)), LeCun et al. 1998. */
AE_API ae_init ae_init_fan_in_normal(double factor);

/* A matrix whose rows (or columns, whichever are fewer) are orthonormal, times gain: Saxe et al. 2014. With `blocks`
 * over 1 the rows are that many equal blocks, each orthogonal for itself: the gates of a recurrent layer. Higher ranks
 * count as (first, all others). */
AE_API ae_init ae_init_orthogonal(double gain, int64_t blocks);

/* Ones on the diagonal, zeros elsewhere; of every one of `blocks` equal blocks of rows. */
AE_API ae_init ae_init_identity(int64_t blocks);

/* Square matrices orthogonal, others U(-0.1, 0.1): Kiros et al. 2015. */
AE_API ae_init ae_init_skip_thoughts(void);

/* The position table of Vaswani et al. 2017, section 3.5: angles p / 10000^(2i/H) of position p = first + row; sines
 * and cosines alternate, or, with halves, all sines come before all cosines (Transformer-XL, XLNet, PEGASUS). */
AE_API ae_init ae_init_sinusoidal(int64_t first, bool halves);

/* The same from position 0, alternating, times std sqrt(2), which is a root mean square of std: for positions that are
 * learned beside words of that spread. A shift by one position is then one rotation for all of them from the start. */
AE_API ae_init ae_init_sinusoidal_spread(double std);

/* Zeros but for part `part` of `parts` equal parts of the first axis, which get value: the forget gate's bias (part 1
 * of 4), the carry gate of a highway layer (part 1 of 2). */
AE_API ae_init ae_init_part(double value, int part, int parts);

#ifdef __cplusplus
}
#endif
#endif
