/* What is done with bytes that may be anything, one function a format: read them, touch all that was read, and check
 * what must hold. The fuzzers and the test of mutated files share these. */
#ifndef AE_TESTS_FUZZ_TARGETS_H
#define AE_TESTS_FUZZ_TARGETS_H

#include "tensor/file_map.h"
#include "tensor/hdf5_file_internal.h"
#include "tensor/hdf5_file_seal.h"
#include "tensor/json.h"
#include "tensor/npy_internal.h"
#include "tensor/safetensors_internal.h"
#include "tensor/torch_file_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void fuzz_require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "violated: %s\n", what);
        abort();
    }
}

/* A failure must say something, a success must not. */
static inline void fuzz_check_error(bool failed, const ae_err *e)
{
    fuzz_require(failed == (e->code != AE_OK), "an error is set exactly on failure");
    fuzz_require(!failed || e->message[0] != '\0', "an error has a message");
}

/* Reads every byte, so that a sanitizer sees a tensor that reaches outside its storage. */
static inline void fuzz_touch(const ae_tensors *d)
{
    uint64_t sum = 0;
    for (int i = 0; d && i < ae_tensors_count(d); i++) {
        const ae_tensor *t = ae_tensors_at(d, i);
        const unsigned char *p = t->data;
        size_t bytes = (size_t)ae_numel(t) * ae_dtype_size(t->dtype);
        fuzz_require((uintptr_t)t->data % ae_dtype_size(t->dtype) == 0, "tensors are aligned for their dtype");
        fuzz_require(ae_is_contiguous(t), "tensors from files are contiguous");
        for (size_t k = 0; k < bytes; k++) {
            sum += p[k];
            fuzz_require(t->dtype != AE_BOOL || p[k] <= 1, "bools are 0 or 1");
        }
    }
    fuzz_require(sum < UINT64_MAX, "the sum is used, so the reads take place");
}

/* What was accepted is written and read again without a change. */
static inline void fuzz_json(const uint8_t *data, size_t size)
{
    ae_err e = {0};
    ae_json *j = ae_json_parse((const char *)data, size, &e);
    fuzz_check_error(!j, &e);
    if (j) {
        char *text = ae_json_text(j, size % 2, &e);
        fuzz_require(text != NULL, "a parsed text can be written");
        ae_json *again = ae_json_parse(text, strlen(text), &e);
        fuzz_require(again != NULL, "a written text can be parsed");
        char *more = ae_json_text(again, size % 2, &e);
        fuzz_require(more && strcmp(text, more) == 0, "writing is stable");
        free(more);
        free(text);
        ae_json_free(again);
    }
    ae_json_free(j);
}

static inline void fuzz_safetensors(const uint8_t *data, size_t size)
{
    ae_err e = {0};
    ae_json *metadata = NULL;
    ae_storage *s = ae_copy_bytes(data, size, &e);
    ae_tensors *d = ae_safetensors_parse(s, &metadata, &e);
    fuzz_check_error(!d, &e);
    ae_storage_drop(s);
    fuzz_touch(d);
    ae_tensors_free(d);
    ae_json_free(metadata);
}

static inline void fuzz_npy(const uint8_t *data, size_t size)
{
    ae_err e = {0};
    ae_storage *s = ae_copy_bytes(data, size, &e);
    ae_tensor *t = ae_npy_parse(s, 0, size, &e);
    fuzz_check_error(!t, &e);
    ae_storage_drop(s);
    ae_tensors *d = ae_tensors_new();
    if (t) {
        ae_tensors_add(d, "array", t, &e);
    }
    fuzz_touch(d);
    ae_tensors_free(d);
}

static inline void fuzz_npz(const uint8_t *data, size_t size)
{
    ae_err e = {0};
    ae_storage *s = ae_copy_bytes(data, size, &e);
    ae_tensors *d = ae_npz_parse(s, &e);
    fuzz_check_error(!d, &e);
    ae_storage_drop(s);
    fuzz_touch(d);
    ae_tensors_free(d);
}

static inline void fuzz_torch(const uint8_t *data, size_t size)
{
    ae_err e = {0};
    ae_storage *s = ae_copy_bytes(data, size, &e);
    ae_tensors *d = ae_torch_parse(s, &e);
    fuzz_check_error(!d, &e);
    ae_storage_drop(s);
    fuzz_touch(d);
    ae_tensors_free(d);
}

/* The older format behind its fixed beginning, so that every mutation reaches the pickles. */
static inline void fuzz_pickle(const uint8_t *data, size_t size)
{
    static const char begin[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    size_t length = sizeof begin - 1;
    if (size > length && memcmp(data, begin, length) == 0) {
        fuzz_torch(data, size);
        return;
    }
    uint8_t *whole = malloc(length + size);
    fuzz_require(whole != NULL, "there is memory");
    memcpy(whole, begin, length);
    memcpy(whole + length, data, size);
    fuzz_torch(whole, length + size);
    free(whole);
}

/* Everything that a model file is asked for. Only sealed files: HDF5's library itself crashes on others, as its own
 * fuzzing reports tell, and it is not this code that could mend that. */
static inline void fuzz_hdf5(const uint8_t *data, size_t size)
{
    ae_err e = {0};
    ae_storage *s = ae_copy_bytes(data, size, &e);
    if (ae_seal_check(s, NULL) == 0) {
        ae_storage_drop(s);
        return;
    }
    ae_h5 *f = ae_h5_open_storage(s, "memory", &e);
    fuzz_check_error(!f, &e);
    ae_storage_drop(s);
    if (!f) {
        return;
    }
    int64_t format = 0;
    size_t bytes = 0;
    ae_tensors *d = ae_h5_read_tensors(f, NULL, '/', &e);
    fuzz_check_error(!d, &e);
    ae_json *members = ae_h5_members(f, "/", NULL);
    char *text = ae_h5_read_text(f, "config", NULL), *model = ae_h5_read_attribute(f, "/", "model", NULL);
    void *blob = ae_h5_read_blob(f, "random", &bytes, NULL);
    ae_h5_read_attribute_int(f, "/", "aesop_format", &format, NULL);
    ae_h5_close(f);
    fuzz_touch(d);
    ae_tensors_free(d);
    ae_json_free(members);
    free(text);
    free(model);
    free(blob);
}

#endif
