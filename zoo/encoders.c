#include "zoo/encoders.h"

#include "tensor/nearest_name.h"

#include <string.h>

static const ae_encoder *const list[] = {
#define ROW(name) &ae_encoder_##name,
    AE_ENCODERS(ROW)
#undef ROW
};

enum { LISTED = sizeof list / sizeof *list, MOST = 256 };

const ae_encoder *ae_encoder_at(const ae_encoder *const *extra, int i)
{
    for (; i >= 0 && extra && *extra; extra++) {
        if (i-- == 0) {
            return *extra;
        }
    }
    return i >= 0 && i < LISTED ? list[i] : NULL;
}

const ae_encoder *ae_encoder_find(const ae_encoder *const *extra, const char *name, ae_err *e)
{
    const char *names[MOST];
    const ae_encoder *encoder;
    int n = 0;
    for (int i = 0; (encoder = ae_encoder_at(extra, i)) != NULL; i++) {
        if (strcmp(encoder->name, name) == 0) {
            return encoder;
        }
        if (n < MOST) {
            names[n++] = encoder->name;
        }
    }
    const char *nearest = ae_nearest_name(name, names, n);
    if (nearest) {
        ae_err_set(e, AE_E_MISSING, "encoder: \"%s\" is not known; did you mean %s?", name, nearest);
    } else {
        ae_err_set(e, AE_E_MISSING,
                   "encoder: \"%s\" is not known; `list encoders` shows all; one of a plugin needs "
                   "--plugin FILE",
                   name);
    }
    return NULL;
}

/* ---- what encoders share ------------------------------------------------------------------------------------------- */

int ae_encoder_read_sizes(ae_model *m, const char *name, const ae_json *config, ae_encoder_sizes *s)
{
    enum { WIDEST = 1 << 20, DEEPEST = 1 << 10 };
    ae_err e = {0};
    s->hidden_size = ae_json_int(config, "hidden_size", 512, &e);
    int64_t layers = ae_json_int(config, "layers_num", 2, &e);
    s->dropout = ae_json_double(config, "dropout", 0.1, &e);
    if (e.code) {
        return ae_model_fail(m, e.code, "%s: %s", name, e.message);
    }
    if (s->hidden_size < 1 || s->hidden_size > WIDEST) {
        return ae_model_fail(m, AE_E_VALUE, "%s: hidden_size is %lld; it must be in 1..%d", name,
                             (long long)s->hidden_size, (int)WIDEST);
    }
    if (layers < 1 || layers > DEEPEST) {
        return ae_model_fail(m, AE_E_VALUE, "%s: layers_num is %lld; it must be in 1..%d", name, (long long)layers,
                             (int)DEEPEST);
    }
    if (!(s->dropout >= 0 && s->dropout < 1)) {
        return ae_model_fail(m, AE_E_VALUE, "%s: dropout is %g; it must be at least 0 and below 1", name, s->dropout);
    }
    s->layers_num = (int)layers;
    return 0;
}
