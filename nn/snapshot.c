#include "nn/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static int write_weights(ae_h5 *f, const ae_model *m, ae_err *e)
{
    const ae_save_options share = {.share = true};
    ae_tensors *d = ae_tensors_new();
    int status = d ? ae_model_save(m, &share, d, e) : ae_err_set(e, AE_E_MEMORY, "snapshot: no memory");
    status = status == 0 ? ae_h5_write_tensors(f, "weights", d, e) : status;
    ae_tensors_free(d);
    return status;
}

static int write_optimizer(ae_h5 *f, const ae_optimizer *opt, ae_err *e)
{
    ae_tensors *d = ae_tensors_new();
    int status = d ? ae_optimizer_save(opt, d, e) : ae_err_set(e, AE_E_MEMORY, "snapshot: no memory");
    status = status == 0 ? ae_h5_write_tensors(f, "optimizer", d, e) : status;
    ae_tensors_free(d);
    return status == 0 ? ae_h5_write_attribute(f, "optimizer", "rule", ae_optimizer_rule(opt), e) : status;
}

/* The seed is a text: JSON numbers of other programs end at 2^53. */
static int write_training(ae_h5 *f, const ae_snapshot *c, ae_err *e)
{
    char seed[32];
    ae_json *j = ae_json_new_object();
    snprintf(seed, sizeof seed, "%" PRIu64, c->seed);
    ae_json_set_string(j, "seed", seed);
    ae_json_set_int(j, "step", c->step);
    if (c->extra) {
        ae_json_set(j, "extra", ae_json_copy(c->extra));
    }
    int status = ae_h5_write_json(f, "training", j, e);
    ae_json_free(j);
    return status;
}

int ae_snapshot_write(ae_h5 *f, const ae_snapshot *c, ae_err *e)
{
    if (write_weights(f, c->model, e) != 0 || (c->optimizer && write_optimizer(f, c->optimizer, e) != 0)) {
        return -1;
    }
    return write_training(f, c, e);
}

int ae_snapshot_save(const char *path, const char *name, const char *plugin, const ae_json *config,
                     const ae_snapshot *c, ae_err *e)
{
    ae_h5 *f = ae_model_file_create(path, name, plugin, config, e);
    if (!f) {
        return -1;
    }
    if (ae_snapshot_write(f, c, e) != 0) {
        ae_h5_close(f);
        return -1;
    }
    return ae_h5_commit(f, e);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int read_weights(ae_h5 *f, ae_model *m, ae_err *e)
{
    const ae_load_options adopt = {.adopt = true};
    ae_tensors *d = ae_h5_read_tensors(f, "weights", '/', e);
    int status = d ? ae_model_load(m, d, &adopt, NULL, e) : -1;
    ae_tensors_free(d);
    return status;
}

static int check_rule(ae_h5 *f, const ae_optimizer *opt, ae_err *e)
{
    if (!ae_h5_has(f, "optimizer")) {
        return ae_err_set(e, AE_E_MISSING, "the file holds no optimizer state; train from its weights anew instead");
    }
    char *rule = ae_h5_read_attribute(f, "optimizer", "rule", e);
    int status = rule ? 0 : -1;
    if (rule && strcmp(rule, ae_optimizer_rule(opt)) != 0) {
        status = ae_err_set(e, AE_E_VALUE, "the file holds the state of %s, and %s is to go on; ask for the same rule",
                            rule, ae_optimizer_rule(opt));
    }
    free(rule);
    return status;
}

static int read_optimizer(ae_h5 *f, ae_optimizer *opt, ae_err *e)
{
    if (check_rule(f, opt, e) != 0) {
        return -1;
    }
    ae_tensors *d = ae_h5_read_tensors(f, "optimizer", '/', e);
    int status = d ? ae_optimizer_load(opt, d, e) : -1;
    ae_tensors_free(d);
    return status;
}

static int parse_seed(const char *text, uint64_t *seed, ae_err *e)
{
    char *end = NULL;
    errno = 0;
    *seed = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno) {
        return ae_err_set(e, AE_E_FORMAT, "the section training holds the seed \"%s\"; a number of 64 bits is expected",
                          text);
    }
    return 0;
}

static int read_training(ae_h5 *f, ae_snapshot *c, ae_err *e)
{
    ae_err own = {0};
    if (!ae_h5_has(f, "training")) {
        return 0;
    }
    ae_json *j = ae_h5_read_json(f, "training", &own);
    const char *seed = j ? ae_json_need_string(j, "seed", &own) : NULL;
    int64_t step = j ? ae_json_need_int(j, "step", &own) : 0;
    const ae_json *extra = j ? ae_json_object(j, "extra", &own) : NULL;
    if (seed && own.code == AE_OK && parse_seed(seed, &c->seed, &own) == 0) {
        c->step = step;
        c->extra = extra ? ae_json_copy(extra) : NULL;
    }
    ae_json_free(j);
    return own.code == AE_OK ? 0 : ae_err_set(e, own.code, "%s", own.message);
}

int ae_snapshot_read(ae_h5 *f, ae_snapshot *c, ae_err *e)
{
    c->seed = 0;
    c->step = 0;
    c->extra = NULL;
    if ((c->optimizer && check_rule(f, c->optimizer, e) != 0) || read_weights(f, c->model, e) != 0 ||
        (c->optimizer && read_optimizer(f, c->optimizer, e) != 0)) {
        return -1;
    }
    return read_training(f, c, e);
}

int ae_snapshot_load(const char *path, ae_snapshot *c, ae_err *e)
{
    ae_model_info info;
    ae_err own = {0};
    ae_h5 *f = ae_model_file_open(path, &info, e);
    if (!f) {
        return -1;
    }
    int status = ae_snapshot_read(f, c, &own);
    ae_h5_close(f);
    ae_model_info_free(&info);
    return status == 0 ? 0 : ae_err_set(e, own.code, "%s: %s", path, own.message);
}
