#include "apps/precision.h"

#include "tensor/onednn.h"

#include <string.h>

const char *ae_precision_name(ae_dtype precision)
{
    return precision == AE_I8 ? "int8" : ae_dtype_name(precision);
}

int ae_precision_read(ae_run *run, bool training, ae_dtype *precision)
{
    const char *name = ae_options_has(run->options, "precision") ? ae_options_text(run->options, "precision") : "f32";
    *precision = AE_F32;
    if (strcmp(name, "int8") == 0 && training) {
        return ae_err_set(
            &run->error, AE_E_UNSUPPORTED,
            "--precision int8 has no gradients; train in f32 or bf16, and use int8 with the trained model: "
            "predict, eval, embed, fill, generate, bench infer and encode");
    }
    if (strcmp(name, "int8") == 0) {
        *precision = AE_I8;
    } else if (strcmp(name, "bf16") == 0 || (strcmp(name, "auto") == 0 && ae_onednn_has_bf16())) {
        *precision = AE_BF16;
    }
    return 0;
}
