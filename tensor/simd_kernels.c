/* All kernels of tensor/kernels.h for one instruction set. The build compiles this file several times, each with its
 * own processor flags and AE_ISA_NAME; everything but the table is static. Loops are plain C that the compiler
 * vectorises. Contraction to fused multiply-add is allowed here, reassociation only in the marked reductions. */
#include "tensor/kernels.h"

#include "tensor/counters.h"

#include <float.h>
#include <math.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#ifndef AE_ISA_NAME
#define AE_ISA_NAME base
#define AE_ISA_SYMBOL BASE
#endif

#include "tensor/simd_math.inc"

#include "tensor/simd_vector.inc"

#include "tensor/simd_blocks.inc"

#include "tensor/simd_dropout.inc"

#include "tensor/simd_rows.inc"

#include "tensor/simd_cells.inc"

#include "tensor/simd_matmul.inc"

#include "tensor/simd_stream.inc"

#include "tensor/simd_update.inc"

#define AE_JOIN_(a, b) a##b
#define AE_JOIN(a, b) AE_JOIN_(a, b)
#define AE_TEXT_(a) #a
#define AE_TEXT(a) AE_TEXT_(a)
#define AE_TABLE AE_JOIN(ae_kernels_, AE_ISA_NAME)
#define AE_COUNTER(symbol) AE_JOIN(AE_K_##symbol##_, AE_ISA_SYMBOL)

#include "tensor/simd_entries.inc"
