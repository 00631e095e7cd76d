/* Running the program inside a test: aesop(2, "inspect", path) returns the exit status and leaves what was printed in
 * out_text and log_text until the next run. */
#ifndef AE_TESTS_PROGRAM_H
#define AE_TESTS_PROGRAM_H

#include "apps/app.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

static char *out_text, *log_text;

static int aesop(int argc, ...)
{
    char *argv[16] = {"aesop"};
    size_t out_size, log_size;
    va_list args;
    va_start(args, argc);
    for (int i = 0; i < argc; i++) {
        argv[i + 1] = va_arg(args, char *);
    }
    va_end(args);
    free(out_text);
    free(log_text);
    FILE *out = open_memstream(&out_text, &out_size), *log = open_memstream(&log_text, &log_size);
    int status = ae_app_run(NULL, argc + 1, argv, out, log);
    fclose(out);
    fclose(log);
    return status;
}

static int free_texts(void **state)
{
    (void)state;
    free(out_text);
    free(log_text);
    return 0;
}

#endif
