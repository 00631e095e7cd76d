#include "autograd/class_targets.h"

int ae_targets_check(ae_call *c, int i, int64_t classes, int64_t ignore_index)
{
    const ae_tensor *targets = c->in[i];
    if (targets->dtype != AE_I64 && targets->dtype != AE_I32) {
        return ae_call_fail(c, AE_E_DTYPE, "targets are %s; i64 or i32 ids are needed", ae_dtype_name(targets->dtype));
    }
    for (int64_t k = 0; k < ae_numel(targets); k++) {
        int64_t t = ae_get_i64(targets, k);
        if (t != ignore_index && (t < 0 || t >= classes)) {
            return ae_call_fail(c, AE_E_VALUE, "target %lld is %lld; there are %lld classes, and %lld is ignored",
                                (long long)k, (long long)t, (long long)classes, (long long)ignore_index);
        }
    }
    return 0;
}

int ae_label_smoothing_check(ae_call *c, double smoothing)
{
    if (!(smoothing >= 0 && smoothing <= 1)) {
        return ae_call_fail(c, AE_E_VALUE, "label_smoothing is %g; it must lie in 0 to 1", smoothing);
    }
    return 0;
}

double ae_targets_count(const ae_tensor *targets, int64_t ignore_index)
{
    double n = 0;
    for (int64_t i = 0; i < ae_numel(targets); i++) {
        n += ae_get_i64(targets, i) != ignore_index;
    }
    return n > 0 ? n : 1;
}
