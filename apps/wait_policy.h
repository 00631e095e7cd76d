/* How long threads that wait for each other keep their processors busy. */
#ifndef AE_APPS_WAIT_POLICY_H
#define AE_APPS_WAIT_POLICY_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For the first line of main: has waiting threads of GNU's OpenMP go to sleep after half a millisecond, by starting the
 * program argv anew with GOMP_SPINCOUNT set. As it comes, that library lets them spin thirty times as long, and where
 * another process wants the processor, the thread that they wait for does not get it: beside one busy process a step of
 * nanoGPT took up to six times as long as with this. The library reads the variable before main and knows no other way
 * to be told. Does nothing when OMP_WAIT_POLICY or GOMP_SPINCOUNT is set already, when only help is asked for, and when
 * the program cannot be started anew: it then runs as it is. */
AE_API void ae_wait_policy_set(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
