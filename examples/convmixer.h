/* A new encoder in one file: convolutions mix each word with its neighbours, one filter for every number of its vector,
 * and a feed-forward block mixes the numbers (after Wu et al. 2019, arXiv:1901.10430, and Trockman and Kolter 2022,
 * arXiv:2201.09792). Three programs use it as it stands here:
 *
 *     new_encoder.c               trains it with a loop of its own
 *     my_aesop.c                  is all of `aesop`, which now knows it: pretrain, finetune, predict, embed, ...
 *     plugin/convmixer_plugin.c   brings it into the installed `aesop` with --plugin
 */
#ifndef CONVMIXER_H
#define CONVMIXER_H

#include "aesop.h"

/* 1. What it is made of. */
struct convmixer_layer {
    struct ae_layer_norm time_norm, width_norm;
    struct ae_conv1d time; /* one filter a channel */
    struct ae_feed_forward width;
};

struct convmixer {
    ae_encoder_sizes sizes; /* hidden_size, layers_num, dropout */
    bool causal;
    struct ae_linear input; /* emb_size to hidden_size */
    struct convmixer_layer *layer;
};

/* 2. Its parameters. The names given here are the names in the checkpoint, behind "encoder.". */
static int64_t convmixer_build(ae_model *m, void *self, const ae_json *config, int64_t width)
{
    static const ae_feed_forward_names parts = {"input", NULL, "output"};
    struct convmixer *c = (struct convmixer *)self;
    ae_err e = {AE_OK, ""};
    int64_t kernel = ae_json_int(config, "kernel_size", 5, &e);
    c->causal = ae_json_bool(config, "causal", false, &e);
    if (e.code || kernel < 1 || kernel % 2 == 0) {
        ae_model_fail(m, AE_E_VALUE, "convmixer: %s", e.code ? e.message : "kernel_size must be odd");
        return 1;
    }
    if (ae_encoder_read_sizes(m, "convmixer", config, &c->sizes) != 0) {
        return 1;
    }
    int64_t h = c->sizes.hidden_size;
    ae_conv1d_options o = {.pad_left = c->causal ? kernel - 1 : kernel / 2, .pad_right = c->causal ? 0 : kernel / 2};
    o.groups = h;
    ae_linear_init_torch(m, &c->input, "input", width, h, true);
    c->layer = (struct convmixer_layer *)ae_model_alloc(m, (size_t)c->sizes.layers_num * sizeof *c->layer);
    for (int i = 0; c->layer && i < c->sizes.layers_num; i++) {
        struct convmixer_layer *l = &c->layer[i];
        ae_scope s = ae_scope_open(m, "layer.%d", i);
        ae_layer_norm_init(m, &l->time_norm, "time_norm", h, 1e-5);
        ae_conv1d_init(m, &l->time, "time", h, h, kernel, &o, true);
        ae_layer_norm_init(m, &l->width_norm, "width_norm", h, 1e-5);
        ae_feed_forward_init(m, &l->width, "width", &parts, h, 2 * h, AE_ACT_FN_GELU, ae_init_normal(0.02), true);
        ae_scope_close(s);
    }
    return h;
}

/* 3. How it computes: words (B,T,width) to states (B,T,H). Gradients follow by themselves. */
static ae_tensor *convmixer_encode(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens)
{
    const struct convmixer *c = (const struct convmixer *)self;
    ae_frame f = ae_frame_open(g);
    ae_tensor *real = NULL; /* (B,T,1): 0 at padding, which must not leak into its neighbours */
    if (tokens->attention_mask) {
        real = ae_unsqueeze(g, ae_cast(g, tokens->attention_mask, AE_F32), -1);
    }
    x = ae_linear(g, &c->input, x);
    for (int i = 0; i < c->sizes.layers_num; i++) {
        const struct convmixer_layer *l = &c->layer[i];
        ae_tensor *y = ae_layer_norm(g, &l->time_norm, x);
        y = ae_gelu(g, ae_conv1d_time(g, &l->time, real ? ae_mul(g, y, real) : y));
        x = ae_add(g, x, ae_dropout(g, y, c->sizes.dropout));
        y = ae_feed_forward(g, &l->width, ae_layer_norm(g, &l->width_norm, x));
        x = ae_add(g, x, ae_dropout(g, y, c->sizes.dropout));
    }
    return ae_frame_return(f, x);
}

/* 4. What it may be trained to predict: with "causal" a state knows no later word. */
static ae_sight convmixer_sight(const void *self)
{
    return ((const struct convmixer *)self)->causal ? AE_SIGHT_PAST : AE_SIGHT_FULL;
}

static const char *const convmixer_keys[] = {"kernel_size", "causal", NULL};

/* 5. All of that as one value. */
static const ae_encoder convmixer = {.name = "convmixer",
                                     .about = "convolutions over neighbours, one filter a channel",
                                     .size = sizeof(struct convmixer),
                                     .keys = convmixer_keys,
                                     .build = convmixer_build,
                                     .encode = convmixer_encode,
                                     .sight = convmixer_sight};

static const ae_encoder *const convmixer_list[] = {&convmixer, NULL};

#endif
