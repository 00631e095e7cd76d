/* Running the program inside a test: aesop(2, "inspect", path) returns the exit status and leaves what was printed in
 * out_text and log_text until the next run. Commands whose numbers tests compare compute in f32,
 * unless the test names another precision: left alone they choose it by the processor. */
#ifndef AE_TESTS_PROGRAM_H
#define AE_TESTS_PROGRAM_H

#include "apps/app.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static char *out_text, *log_text;

/* Whether a command whose numbers tests compare is not told its precision. */
static inline bool leaves_precision(int argc, char *const *argv)
{
    static const char *const commands[] = {"predict", "eval", "embed", "fill"};
    bool leaves = false;
    for (size_t i = 0; argc > 0 && i < sizeof commands / sizeof commands[0]; i++) {
        leaves = leaves || strcmp(argv[0], commands[i]) == 0;
    }
    for (int i = 0; i < argc; i++) {
        leaves = leaves && strcmp(argv[i], "--precision") != 0;
    }
    return leaves;
}

static int aesop(int argc, ...)
{
    char *argv[18] = {"aesop"};
    size_t out_size, log_size;
    va_list args;
    va_start(args, argc);
    for (int i = 0; i < argc; i++) {
        argv[i + 1] = va_arg(args, char *);
    }
    va_end(args);
    if (leaves_precision(argc, argv + 1)) {
        argv[++argc] = "--precision=f32";
    }
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
