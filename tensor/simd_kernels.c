/* All kernels of tensor/kernels.h for one instruction set. The build compiles this file several times, each with its
 * own processor flags and AE_ISA_NAME; everything but the table is static. Loops are plain C that the compiler
 * vectorises. Contraction to fused multiply-add is allowed here, reassociation only in the marked reductions. */
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

#ifndef AE_ISA_NAME
#define AE_ISA_NAME base
#endif

#include "tensor/simd_math.inc"

#include "tensor/simd_blocks.inc"

#include "tensor/simd_dropout.inc"

#include "tensor/simd_rows.inc"

#include "tensor/simd_cells.inc"

#include "tensor/simd_matmul.inc"

#include "tensor/simd_update.inc"

#define AE_JOIN_(a, b) a##b
#define AE_JOIN(a, b) AE_JOIN_(a, b)
#define AE_TEXT_(a) #a
#define AE_TEXT(a) AE_TEXT_(a)
#define AE_TABLE AE_JOIN(ae_kernels_, AE_ISA_NAME)

extern const ae_kernels AE_TABLE;

const ae_kernels AE_TABLE = {
    .name = AE_TEXT(AE_ISA_NAME),
    .exp = exp_block,
    .log = log_block,
    .tanh = tanh_block,
    .sigmoid = sigmoid_block,
    .erf = erf_block,
    .gelu = gelu_block,
    .gelu_tanh = gelu_tanh_block,
    .silu = silu_block,
    .softplus = softplus_block,
    .relu = relu_block,
    .gelu_backward = gelu_backward,
    .gelu_tanh_backward = gelu_tanh_backward,
    .silu_backward = silu_backward,
    .softplus_backward = softplus_backward,
    .erf_backward = erf_backward,
    .tanh_backward = tanh_backward,
    .sigmoid_backward = sigmoid_backward,
    .relu_backward = relu_backward,
    .bf16_to_f32 = bf16_to_f32,
    .f32_to_bf16 = f32_to_bf16,
    .f16_to_f32 = f16_to_f32,
    .f32_to_f16 = f32_to_f16,
    .add = add,
    .mul = mul,
    .axpy = axpy,
    .scale = scale,
    .dot = dot,
    .sum = sum,
    .sum_squares = sum_squares,
    .max = max,
    .exp_shift = exp_shift,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .log_softmax = log_softmax,
    .log_softmax_backward = log_softmax_backward,
    .cross_entropy = cross_entropy,
    .cross_entropy_backward = cross_entropy_backward,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .rms_norm = rms_norm,
    .rms_norm_backward = rms_norm_backward,
    .dropout_add_layer_norm = dropout_add_layer_norm,
    .dropout = dropout,
    .lstm = lstm,
    .lstm_backward = lstm_backward,
    .gru = gru,
    .gru_backward = gru_backward,
    .gru_reset = gru_reset,
    .gru_output = gru_output,
    .gru_output_backward = gru_output_backward,
    .gru_reset_backward = gru_reset_backward,
    .matmul = matmul,
    .transpose = transpose,
    .adam = adam,
    .sgd = sgd,
};
