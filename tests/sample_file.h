/* A small file that a test reads. */
#ifndef AE_TESTS_SAMPLE_FILE_H
#define AE_TESTS_SAMPLE_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

/* Writes a file in a folder; its path, until the next one is written. */
static inline const char *write_file_in(const char *folder, const char *name, const void *data, size_t bytes)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
    return path;
}

#endif
