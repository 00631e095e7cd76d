/* Small good files of every format, to begin mutating from. */
#ifndef AE_TESTS_FUZZ_SEEDS_H
#define AE_TESTS_FUZZ_SEEDS_H

#include "tensor/model_file.h"
#include "tensor/npy.h"
#include "tensor/safetensors.h"
#include "tensor/torch_file.h"

#include <stdio.h>
#include <string.h>

static inline ae_tensors *seed_tensors(void)
{
    static const int64_t shape[] = {2, 3};
    ae_tensors *d = ae_tensors_new();
    for (int dtype = 0; dtype < AE_DTYPE_COUNT; dtype += 4) { /* f32, i8, bool */
        ae_tensor *t = ae_tensor_new((ae_dtype)dtype, 2, shape, NULL);
        for (int i = 0; i < 6; i++) {
            ae_set_i64(t, i, i);
        }
        ae_tensors_add(d, ae_dtype_name((ae_dtype)dtype), t, NULL);
    }
    return d;
}

static inline int seed_model_file(const char *path, const ae_tensors *d)
{
    ae_json *config = ae_json_new_object();
    ae_json_set_int(config, "hidden_size", 8);
    ae_h5 *f = ae_model_file_create(path, "bert", NULL, config, NULL);
    ae_json_free(config);
    if (!f) {
        return -1;
    }
    ae_h5_write_tensors(f, "weights", d, NULL);
    ae_h5_write_blob(f, "random", "123", 3, NULL);
    return ae_h5_commit(f, NULL);
}

/* Writes FOLDER/FORMAT.seed for every format; returns 0 or -1. */
static inline int write_seeds(const char *folder)
{
    static const char json[] =
        "{\"a\": [1, -2.5e3, true, null, \"\\u00e4\\n\\u0000z\"], \"b\": {\"c\": 12345678901234567890}}";
    char path[7][512];
    static const char *const formats[7] = {"json", "safetensors", "npy", "npz", "torch", "hdf5", "hdf5_groups"};
    for (int i = 0; i < 7; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s.seed", folder, formats[i]);
    }
    ae_tensors *d = seed_tensors();
    FILE *f = fopen(path[0], "wb");
    int result = f && fwrite(json, 1, sizeof json - 1, f) == sizeof json - 1 && fclose(f) == 0 ? 0 : -1;
    result |= ae_safetensors_write(path[1], d, NULL, NULL);
    result |= ae_npy_write(path[2], ae_tensors_at(d, 0), NULL);
    result |= ae_npz_write(path[3], d, NULL);
    result |= ae_torch_write(path[4], d, NULL);
    result |= seed_model_file(path[5], d);
    result |= ae_hdf5_write(path[6], d, true, NULL);
    ae_tensors_free(d);
    return result;
}

#endif
