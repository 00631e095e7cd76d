/* Errors: a code, a sentence that names the thing and the remedy, and nothing printed.
 *
 * Functions that meet the outside (files, JSON, text) return 0/-1 or NULL and fill an `ae_err`. Graphs and model
 * roots hold one `ae_err` each, which keeps the first error it is given. */
#ifndef AE_TENSOR_ERROR_H
#define AE_TENSOR_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AE_API __attribute__((visibility("default")))
#define AE_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#else
#define AE_API
#define AE_PRINTF(format_index, first_index)
#endif

/* One row a kind of error: symbol, the name that JSON output uses. */
#define AE_CODES(ROW)                                                                                                  \
    ROW(AE_OK, "ok")                                                                                                   \
    ROW(AE_E_SHAPE, "shape")             /* extents or ranks do not fit */                                             \
    ROW(AE_E_DTYPE, "dtype")             /* element types do not fit */                                                \
    ROW(AE_E_VALUE, "value")             /* a number or string outside its range */                                    \
    ROW(AE_E_FREED, "freed")             /* a tensor used after its frame closed */                                    \
    ROW(AE_E_STATE, "state")             /* a call at the wrong time */                                                \
    ROW(AE_E_GRADIENT, "gradient")       /* a derivative that does not exist or was not recorded */                    \
    ROW(AE_E_NONFINITE, "non_finite")    /* NaN or infinity where a finite number is needed */                         \
    ROW(AE_E_MEMORY, "memory")           /* the system gave no memory */                                               \
    ROW(AE_E_IO, "io")                   /* the system refused to open, read, write, sync or rename */                 \
    ROW(AE_E_FORMAT, "format")           /* a file or text that is not what it claims to be */                         \
    ROW(AE_E_MISSING, "missing")         /* a name that is not there */                                                \
    ROW(AE_E_UNEXPECTED, "unexpected")   /* a name that should not be there */                                         \
    ROW(AE_E_UNSUPPORTED, "unsupported") /* valid, and beyond what this build can do */

typedef enum ae_code {
#define AE_CODE_ENUM(symbol, name) symbol,
    AE_CODES(AE_CODE_ENUM)
#undef AE_CODE_ENUM
        AE_CODE_COUNT
} ae_code;

#define AE_ERR_MESSAGE_MAX 1024

/* An error slot; all zero bytes means "no error". */
typedef struct ae_err {
    ae_code code;
    char message[AE_ERR_MESSAGE_MAX]; /* UTF-8, one line, no newline at the end */
} ae_err;

/* Stores code and message in e unless e already holds an error or is NULL; always returns -1. */
AE_API int ae_err_set(ae_err *e, ae_code code, const char *format, ...) AE_PRINTF(3, 4);

/* Puts "prefix: " before the message that e holds, for callers that know which file or tensor it was about. */
AE_API void ae_err_prefix(ae_err *e, const char *format, ...) AE_PRINTF(2, 3);

/* Empties e. */
AE_API void ae_err_clear(ae_err *e);

/* The short name of a code ("shape", "io", ...); "unknown" outside the list. */
AE_API const char *ae_code_name(ae_code code);

#ifdef __cplusplus
}
#endif
#endif
