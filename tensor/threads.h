/* How many threads compute, and the floating-point state they compute in. */
#ifndef AE_TENSOR_THREADS_H
#define AE_TENSOR_THREADS_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The number of threads of a parallel region, at least 1. Until ae_set_threads is called: AESOP_THREADS, else
 * OMP_NUM_THREADS, else the smaller of the CPUs this process may run on and its cgroup's CPU quota (rounded up).
 * Found once; a value that is not a number from 1 to 4096 counts as not set. */
AE_API int ae_threads(void);

/* Sets the number of threads for the whole process, also for OpenMP and what is built on it; 0 goes back to the
 * automatic choice. Call it before the first computation: results are bit-equal only between runs of equal threads.
 * Returns 0, or -1 (AE_E_VALUE) outside 0..4096. */
AE_API int ae_set_threads(int threads, ae_err *e);

/* Makes this thread treat denormal numbers as zero, as inputs and as results; for the first line of a parallel region.
 * Denormals slow training down several times. Cheap (a register is read, and written when it differs); does nothing
 * on processors other than x86-64 and arm64. OpenMP's pool threads keep the state until they end. */
AE_API void ae_threads_prepare(void);

/* Prepares the calling thread and every thread of the OpenMP pool that it starts; returns the threads prepared. */
AE_API int ae_threads_prepare_all(void);

/* Puts back what ae_threads_prepare changed in this thread (denormals computed as IEEE 754 says), for tests. */
AE_API void ae_threads_restore_denormals(void);

#ifdef __cplusplus
}
#endif
#endif
