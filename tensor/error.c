#include "tensor/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int ae_err_set(ae_err *e, ae_code code, const char *format, ...)
{
    if (!e || e->code != AE_OK) {
        return -1;
    }
    e->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    return -1;
}

void ae_err_prefix(ae_err *e, const char *format, ...)
{
    if (!e || e->code == AE_OK) {
        return;
    }
    char old[AE_ERR_MESSAGE_MAX];
    memcpy(old, e->message, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof e->message) {
        snprintf(e->message + n, sizeof e->message - (size_t)n, ": %s", old);
    }
}

void ae_err_clear(ae_err *e)
{
    if (e) {
        e->code = AE_OK;
        e->message[0] = '\0';
    }
}

const char *ae_code_name(ae_code code)
{
    static const char *const names[] = {
#define AE_CODE_NAME(symbol, name) name,
        AE_CODES(AE_CODE_NAME)
#undef AE_CODE_NAME
    };
    return (unsigned)code < AE_CODE_COUNT ? names[code] : "unknown";
}
