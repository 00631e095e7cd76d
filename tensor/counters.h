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

/* One row a kernel: symbol, the name in reports ("family.path.dtype"). */
#define AE_KERNELS(ROW)                                                                                                \
    ROW(AE_K_GEMM_ONEDNN_F32, "gemm.onednn.f32")   /* matmul primitive */                                              \
    ROW(AE_K_GEMM_ONEDNN_BF16, "gemm.onednn.bf16") /* bf16 operands, f32 or bf16 result */                             \
    ROW(AE_K_GEMM_ONEDNN_I8, "gemm.onednn.i8")     /* i8 operands, i32 or f32 result */                                \
    ROW(AE_K_GEMM_PACKED_F32, "gemm.packed.f32")   /* B in oneDNN's own layout */                                      \
    ROW(AE_K_GEMM_PACKED_BF16, "gemm.packed.bf16")                                                                     \
    ROW(AE_K_GEMM_PACKED_I8, "gemm.packed.i8")                                                                         \
    ROW(AE_K_GEMM_CONVERTED_BF16, "gemm.converted.bf16") /* bf16 operands widened, then the f32 product */             \
    ROW(AE_K_GEMM_PLAIN_F32, "gemm.plain.f32")                                                                         \
    ROW(AE_K_GEMM_PLAIN_F64, "gemm.plain.f64")                                                                         \
    ROW(AE_K_GEMM_PLAIN_BF16, "gemm.plain.bf16")                                                                       \
    ROW(AE_K_GEMM_PLAIN_I8, "gemm.plain.i8")

typedef enum ae_kernel {
#define AE_KERNEL_ENUM(symbol, name) symbol,
    AE_KERNELS(AE_KERNEL_ENUM)
#undef AE_KERNEL_ENUM
        AE_KERNEL_COUNT
} ae_kernel;

/* Adds one call; a relaxed atomic increment, from any thread. */
AE_API void ae_kernel_called(ae_kernel kernel);

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
