/* The time that passes. */
#ifndef AE_APPS_CLOCK_H
#define AE_APPS_CLOCK_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Seconds of a steady clock. */
AE_API double ae_seconds(void);

/* A length of time as people write it: "12.3s", "4m05s", "2h11m"; text holds 32 bytes. "?" for what is no length. */
AE_API void ae_duration(double seconds, char text[32]);

/* "90", "90s", "30m", "2h", "1.5h" in seconds; NaN for anything else. */
AE_API double ae_parse_duration(const char *text);

#ifdef __cplusplus
}
#endif
#endif
