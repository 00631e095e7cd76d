/* Counters of kernel calls. Tests and `aesop parity` read them to see which kernels really ran: a fast path that
 * silently fell back to its plain twin would otherwise pass every comparison.
 *
 * Every kernel worth telling apart has one row here; the harness walks the list and fails on a kernel never called. */
#ifndef AE_TENSOR_COUNTERS_H
#define AE_TENSOR_COUNTERS_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The entries of tensor/kernels.h, one row each for one instruction set. Their counts stop at 1: they are called a row
 * at a time, where counting would cost more than it tells. */
#define AE_TABLE_KERNELS(ROW, ISA, isa)                                                                                \
    ROW(AE_K_EXP_##ISA, "exp." isa)                                                                                    \
    ROW(AE_K_LOG_##ISA, "log." isa)                                                                                    \
    ROW(AE_K_TANH_##ISA, "tanh." isa)                                                                                  \
    ROW(AE_K_SIGMOID_##ISA, "sigmoid." isa)                                                                            \
    ROW(AE_K_ERF_##ISA, "erf." isa)                                                                                    \
    ROW(AE_K_GELU_##ISA, "gelu." isa)                                                                                  \
    ROW(AE_K_GELU_TANH_##ISA, "gelu_tanh." isa)                                                                        \
    ROW(AE_K_SILU_##ISA, "silu." isa)                                                                                  \
    ROW(AE_K_SOFTPLUS_##ISA, "softplus." isa)                                                                          \
    ROW(AE_K_RELU_##ISA, "relu." isa)                                                                                  \
    ROW(AE_K_GELU_BACKWARD_##ISA, "gelu_backward." isa)                                                                \
    ROW(AE_K_GELU_TANH_BACKWARD_##ISA, "gelu_tanh_backward." isa)                                                      \
    ROW(AE_K_SILU_BACKWARD_##ISA, "silu_backward." isa)                                                                \
    ROW(AE_K_SOFTPLUS_BACKWARD_##ISA, "softplus_backward." isa)                                                        \
    ROW(AE_K_ERF_BACKWARD_##ISA, "erf_backward." isa)                                                                  \
    ROW(AE_K_TANH_BACKWARD_##ISA, "tanh_backward." isa)                                                                \
    ROW(AE_K_SIGMOID_BACKWARD_##ISA, "sigmoid_backward." isa)                                                          \
    ROW(AE_K_RELU_BACKWARD_##ISA, "relu_backward." isa)                                                                \
    ROW(AE_K_BF16_TO_F32_##ISA, "bf16_to_f32." isa)                                                                    \
    ROW(AE_K_F32_TO_BF16_##ISA, "f32_to_bf16." isa)                                                                    \
    ROW(AE_K_F16_TO_F32_##ISA, "f16_to_f32." isa)                                                                      \
    ROW(AE_K_F32_TO_F16_##ISA, "f32_to_f16." isa)                                                                      \
    ROW(AE_K_ADD_##ISA, "add." isa)                                                                                    \
    ROW(AE_K_MUL_##ISA, "mul." isa)                                                                                    \
    ROW(AE_K_AXPY_##ISA, "axpy." isa)                                                                                  \
    ROW(AE_K_SCALE_##ISA, "scale." isa)                                                                                \
    ROW(AE_K_DOT_##ISA, "dot." isa)                                                                                    \
    ROW(AE_K_SUM_##ISA, "sum." isa)                                                                                    \
    ROW(AE_K_SUM_SQUARES_##ISA, "sum_squares." isa)                                                                    \
    ROW(AE_K_COLUMN_SUMS_##ISA, "column_sums." isa)                                                                    \
    ROW(AE_K_MAX_##ISA, "max." isa)                                                                                    \
    ROW(AE_K_MIN_##ISA, "min." isa)                                                                                    \
    ROW(AE_K_MAX_INTO_##ISA, "max_into." isa)                                                                          \
    ROW(AE_K_MIN_INTO_##ISA, "min_into." isa)                                                                          \
    ROW(AE_K_FIND_##ISA, "find." isa)                                                                                  \
    ROW(AE_K_EXP_SHIFT_##ISA, "exp_shift." isa)                                                                        \
    ROW(AE_K_SOFTMAX_##ISA, "softmax." isa)                                                                            \
    ROW(AE_K_SOFTMAX_BACKWARD_##ISA, "softmax_backward." isa)                                                          \
    ROW(AE_K_LOG_SOFTMAX_##ISA, "log_softmax." isa)                                                                    \
    ROW(AE_K_LOG_SOFTMAX_BACKWARD_##ISA, "log_softmax_backward." isa)                                                  \
    ROW(AE_K_CROSS_ENTROPY_##ISA, "cross_entropy." isa)                                                                \
    ROW(AE_K_CROSS_ENTROPY_BACKWARD_##ISA, "cross_entropy_backward." isa)                                              \
    ROW(AE_K_LAYER_NORM_##ISA, "layer_norm." isa)                                                                      \
    ROW(AE_K_LAYER_NORM_BACKWARD_##ISA, "layer_norm_backward." isa)                                                    \
    ROW(AE_K_RMS_NORM_##ISA, "rms_norm." isa)                                                                          \
    ROW(AE_K_RMS_NORM_BACKWARD_##ISA, "rms_norm_backward." isa)                                                        \
    ROW(AE_K_DROPOUT_ADD_LAYER_NORM_##ISA, "dropout_add_layer_norm." isa)                                              \
    ROW(AE_K_DROPOUT_##ISA, "dropout." isa)                                                                            \
    ROW(AE_K_LSTM_##ISA, "lstm." isa)                                                                                  \
    ROW(AE_K_LSTM_BACKWARD_##ISA, "lstm_backward." isa)                                                                \
    ROW(AE_K_GRU_##ISA, "gru." isa)                                                                                    \
    ROW(AE_K_GRU_BACKWARD_##ISA, "gru_backward." isa)                                                                  \
    ROW(AE_K_GRU_RESET_##ISA, "gru_reset." isa)                                                                        \
    ROW(AE_K_GRU_OUTPUT_##ISA, "gru_output." isa)                                                                      \
    ROW(AE_K_GRU_OUTPUT_BACKWARD_##ISA, "gru_output_backward." isa)                                                    \
    ROW(AE_K_GRU_RESET_BACKWARD_##ISA, "gru_reset_backward." isa)                                                      \
    ROW(AE_K_MATMUL_##ISA, "matmul." isa)                                                                              \
    ROW(AE_K_TRANSPOSE_##ISA, "transpose." isa)                                                                        \
    ROW(AE_K_STREAM_F32_##ISA, "stream_f32." isa)                                                                      \
    ROW(AE_K_STREAM_BF16_##ISA, "stream_bf16." isa)                                                                    \
    ROW(AE_K_STREAM_COLUMNS_F32_##ISA, "stream_columns_f32." isa)                                                      \
    ROW(AE_K_STREAM_I8_##ISA, "stream_i8." isa)                                                                        \
    ROW(AE_K_SCALE_I32_##ISA, "scale_i32." isa)                                                                        \
    ROW(AE_K_QUANTIZE_I8_##ISA, "quantize_i8." isa)                                                                    \
    ROW(AE_K_ADAM_##ISA, "adam." isa)                                                                                  \
    ROW(AE_K_SGD_##ISA, "sgd." isa)

/* One row a kernel: symbol, the name in reports ("family.path.dtype"). */
#define AE_KERNELS(ROW)                                                                                                \
    ROW(AE_K_GEMM_SGEMM_F32, "gemm.sgemm.f32")     /* dnnl_sgemm */                                                    \
    ROW(AE_K_GEMM_ONEDNN_F32, "gemm.onednn.f32")   /* matmul primitive */                                              \
    ROW(AE_K_GEMM_ONEDNN_BF16, "gemm.onednn.bf16") /* bf16 operands, f32 or bf16 result */                             \
    ROW(AE_K_GEMM_ONEDNN_I8, "gemm.onednn.i8")     /* i8 operands, i32 or f32 result */                                \
    ROW(AE_K_GEMM_PACKED_F32, "gemm.packed.f32")   /* B in oneDNN's own layout */                                      \
    ROW(AE_K_GEMM_PACKED_BF16, "gemm.packed.bf16")                                                                     \
    ROW(AE_K_GEMM_CONVERTED_BF16, "gemm.converted.bf16") /* bf16 operands widened, then the f32 product */             \
    ROW(AE_K_GEMM_PLAIN_F32, "gemm.plain.f32")                                                                         \
    ROW(AE_K_GEMM_PLAIN_F64, "gemm.plain.f64")                                                                         \
    ROW(AE_K_GEMM_PLAIN_BF16, "gemm.plain.bf16")                                                                       \
    ROW(AE_K_GEMM_PLAIN_I8, "gemm.plain.i8")                                                                           \
    ROW(AE_K_ATTENTION, "attention.blocked")                                                                           \
    ROW(AE_K_ATTENTION_BACKWARD, "attention.blocked.backward")                                                         \
    ROW(AE_K_ATTENTION_BF16, "attention.bf16") /* as above, with products of bf16 */                                   \
    ROW(AE_K_ATTENTION_BF16_BACKWARD, "attention.bf16.backward")                                                       \
    AE_TABLE_KERNELS(ROW, BASE, "base")     /* "softmax.base" */                                                       \
    AE_TABLE_KERNELS(ROW, AVX2, "avx2")     /* never called where ae_kernels_select("avx2") fails, */                  \
    AE_TABLE_KERNELS(ROW, AVX512, "avx512") /* and likewise */

typedef enum ae_kernel {
#define AE_KERNEL_ENUM(symbol, name) symbol,
    AE_KERNELS(AE_KERNEL_ENUM)
#undef AE_KERNEL_ENUM
        AE_KERNEL_COUNT
} ae_kernel;

/* Adds one call; a relaxed atomic increment, from any thread. */
AE_API void ae_kernel_called(ae_kernel kernel);

/* Makes the count at least 1. Costs a load once that is so: for kernels that are called for every row, by many threads.
 */
AE_API void ae_kernel_seen(ae_kernel kernel);

/* Calls since the last reset of the kernel of this name; -1 when there is no such kernel. */
AE_API int64_t ae_kernel_count(const char *name);

/* The name and the calls of kernel 0..AE_KERNEL_COUNT-1, for walking the list; "?" and -1 outside. */
AE_API const char *ae_kernel_name(int kernel);
AE_API int64_t ae_kernel_count_at(int kernel);

/* Sets every counter to zero. */
AE_API void ae_kernel_counts_reset(void);

#ifdef __cplusplus
}
#endif
#endif
