/* Gated convolutions: Dauphin et al. 2016, "Language Modeling with Gated Convolutional Networks", arXiv:1612.08083, as
 * UER-py has them. Layer i, over the kernel_size last steps (zeros stand before the first):
 *
 *     h = (conv_i x + b_i) * sigmoid(gate_i x + c_i)          and every block_size layers h = h + input of the block
 *
 * Parameter names and shapes are UER-py's: two-dimensional convolutions, and a second bias beside each one's own. */
#include "zoo/encoders.h"

#include <stdio.h>

struct half {
    ae_tensor *weight; /* (O,1,K,I) in the first layer, (O,O,K,1) in the others */
    ae_tensor *bias;   /* (O) */
    ae_tensor *more;   /* (1,O,1,1) */
};

struct gatedcnn {
    int layers, block;
    int64_t kernel;
    struct layer {
        struct half conv, gate;
    } * layer;
};

static void half_init(ae_model *m, struct half *h, const char *kind, int i, int64_t in, int64_t out, int64_t kernel,
                      ae_init init)
{
    char module[32], more[32];
    if (i == 0) {
        snprintf(module, sizeof module, "%s_1", kind);
        snprintf(more, sizeof more, "%s_b1", kind);
    } else {
        snprintf(module, sizeof module, "%s.%d", kind, i - 1);
        snprintf(more, sizeof more, "%s_b.%d", kind, i - 1);
    }
    ae_scope s = ae_scope_open(m, "%s", module);
    h->weight = i ? ae_param(m, "weight", 4, (int64_t[]){out, out, kernel, 1}, init)
                  : ae_param(m, "weight", 4, (int64_t[]){out, 1, kernel, in}, init);
    h->bias = ae_param(m, "bias", 1, &out, init);
    ae_scope_close(s);
    h->more = ae_param(m, more, 4, (int64_t[]){1, out, 1, 1}, init);
}

static int64_t build(ae_model *m, void *self, const ae_json *config, int64_t width)
{
    struct gatedcnn *n = self;
    ae_encoder_sizes s;
    ae_err e = {0};
    n->kernel = ae_json_int(config, "kernel_size", 3, &e);
    int64_t block = ae_json_int(config, "block_size", 2, &e);
    ae_init init = ae_init_normal(ae_json_double(config, "initializer_range", 0.02, &e));
    if (e.code || ae_encoder_read_sizes(m, "gatedcnn", config, &s) != 0) {
        ae_model_fail(m, e.code, "gatedcnn: %s", e.message);
        return 1;
    }
    if (n->kernel < 1 || n->kernel > 1024 || block < 1 || block > 1024) {
        ae_model_fail(m, AE_E_VALUE, "gatedcnn: kernel_size is %lld and block_size %lld; both must be in 1..1024",
                      (long long)n->kernel, (long long)block);
        return 1;
    }
    n->layers = s.layers_num;
    n->block = (int)block;
    n->layer = ae_model_alloc(m, (size_t)n->layers * sizeof *n->layer);
    for (int i = 0; n->layer && i < n->layers; i++) {
        half_init(m, &n->layer[i].conv, "conv", i, width, s.hidden_size, n->kernel, init);
        half_init(m, &n->layer[i].gate, "gate", i, width, s.hidden_size, n->kernel, init);
    }
    return s.hidden_size;
}

/* x (B,T,I) to (B,T,O). */
static ae_tensor *convolve(ae_graph *g, const struct half *h, bool first, int64_t kernel, ae_tensor *x)
{
    ae_conv1d_options causal = {.pad_left = kernel - 1};
    int64_t out = ae_dim(h->bias, 0);
    ae_tensor *weight = first ? ae_transpose(g, ae_squeeze(g, h->weight, 1), 1, 2) : ae_squeeze(g, h->weight, 3);
    ae_tensor *bias = ae_add(g, h->bias, ae_reshape(g, h->more, 1, &out));
    return ae_f_conv1d_time(g, x, weight, bias, &causal);
}

static ae_tensor *encode(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens)
{
    const struct gatedcnn *n = self;
    (void)tokens;
    if (!n->layer || !ae_ok(g)) {
        return ae_fail(g, AE_E_STATE, "gatedcnn: it was not built");
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *residual = NULL;
    for (int i = 0; i < n->layers; i++) {
        const struct layer *l = &n->layer[i];
        ae_tensor *h = convolve(g, &l->conv, i == 0, n->kernel, x);
        x = ae_mul(g, h, ae_sigmoid(g, convolve(g, &l->gate, i == 0, n->kernel, x)));
        if (i == 0) {
            residual = x;
        } else if (i % n->block == 0) {
            x = ae_add(g, x, residual);
            residual = x;
        }
    }
    return ae_frame_return(f, x);
}

static ae_sight sees_past(const void *self)
{
    (void)self;
    return AE_SIGHT_PAST;
}

static const char *const keys[] = {"kernel_size", "block_size", NULL};

const ae_encoder ae_encoder_gatedcnn = {.name = "gatedcnn",
                                        .about = "gated convolutions over the words before (Dauphin et al. 2016)",
                                        .size = sizeof(struct gatedcnn),
                                        .keys = keys,
                                        .build = build,
                                        .encode = encode,
                                        .sight = sees_past};
