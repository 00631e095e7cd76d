/* A new encoder in one file: the mixer of Tolstikhin et al. 2021 (arXiv:2105.01601) on tokens. It has no attention: a
 * feed-forward block over the positions of a sequence moves information between them. Trained here to say a sequence
 * backwards, which no encoder can that sees each position alone. Exits with 0 when it has learned to. */
#include "aesop.h"

enum { VOCABULARY = 16, LENGTH = 8, WIDTH = 64, LAYERS = 2, BATCH = 32, STEPS = 60 };

struct mixer_layer {
    struct ae_layer_norm position_norm, width_norm;
    struct ae_feed_forward positions; /* over T, the same for every element of the width */
    struct ae_feed_forward widths;    /* over H, the same for every position */
};

struct mixer {
    struct ae_embedding words;
    struct mixer_layer layer[LAYERS];
    struct ae_linear output;
};

static void mixer_init(ae_model *m, struct mixer *x)
{
    static const ae_feed_forward_names parts = {"input", NULL, "output"};
    ae_init init = ae_init_normal(0.05);
    ae_embedding_init(m, &x->words, "words", VOCABULARY, WIDTH, init, -1);
    for (int i = 0; i < LAYERS; i++) {
        struct mixer_layer *l = &x->layer[i];
        ae_scope s = ae_scope_open(m, "layer.%d", i);
        ae_layer_norm_init(m, &l->position_norm, "position_norm", WIDTH, 1e-5);
        ae_feed_forward_init(m, &l->positions, "positions", &parts, LENGTH, 4 * LENGTH, AE_ACT_FN_GELU, init, true);
        ae_layer_norm_init(m, &l->width_norm, "width_norm", WIDTH, 1e-5);
        ae_feed_forward_init(m, &l->widths, "widths", &parts, WIDTH, 2 * WIDTH, AE_ACT_FN_GELU, init, true);
        ae_scope_close(s);
    }
    ae_linear_init(m, &x->output, "output", WIDTH, VOCABULARY, init, true);
}

static ae_tensor *mixer_layer(ae_graph *g, const struct mixer_layer *l, ae_tensor *x /* (B,T,H) */)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = ae_transpose(g, ae_layer_norm(g, &l->position_norm, x), 1, 2); /* (B,H,T) */
    x = ae_add(g, x, ae_transpose(g, ae_feed_forward(g, &l->positions, y), 1, 2));
    x = ae_add(g, x, ae_feed_forward(g, &l->widths, ae_layer_norm(g, &l->width_norm, x)));
    return ae_frame_return(f, x);
}

static ae_tensor *mixer_logits(ae_graph *g, const struct mixer *m, ae_tensor *ids /* (B,T) */)
{
    ae_tensor *x = ae_embedding(g, &m->words, ids);
    for (int i = 0; i < LAYERS; i++) {
        x = mixer_layer(g, &m->layer[i], x);
    }
    return ae_linear(g, &m->output, x); /* (B,T,V) */
}

/* The share of the logits whose largest is the target. */
static double accuracy(ae_tensor *logits, ae_tensor *targets)
{
    int right = 0;
    for (int64_t i = 0; i < BATCH * LENGTH; i++) {
        int64_t best = 0;
        for (int64_t v = 1; v < VOCABULARY; v++) {
            best = ae_get_f64(logits, i * VOCABULARY + v) > ae_get_f64(logits, i * VOCABULARY + best) ? v : best;
        }
        right += best == ae_get_i64(targets, i);
    }
    return (double)right / (BATCH * LENGTH);
}

int main(void)
{
    ae_err e = {0};
    struct mixer mixer;
    ae_model *m = ae_model_new(1);
    mixer_init(m, &mixer);
    ae_graph *g = ae_graph_new();
    ae_optim_config config = ae_optim_defaults("adamw");
    ae_optimizer *optimizer = ae_optimizer_new(m, &config, &e);
    double share = 0;
    for (int step = 0; optimizer && step <= STEPS; step++) {
        ae_graph_random(g, 1, (uint64_t)step, 0, 0);
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *ids = ae_randint(g, 2, (const int64_t[]){BATCH, LENGTH}, 0, VOCABULARY);
        ae_tensor *targets = ae_flip(g, ids, 1, (const int[]){1});
        ae_tensor *logits = mixer_logits(g, &mixer, ids);
        ae_tensor *loss = ae_cross_entropy(g, logits, targets, NULL);
        share = ae_ok(g) ? accuracy(logits, targets) : 0;
        if (step % 10 == 0) {
            printf("step %3d  loss %.4f  right %5.1f %%\n", step, ae_item(loss), 100 * share);
        }
        if (ae_backward(g, loss, 0) != 0 || ae_optimizer_step(optimizer, g, 3e-3) != 0) {
            fprintf(stderr, "%s\n", ae_graph_error(g)->message);
            break;
        }
    }
    ae_optimizer_free(optimizer);
    ae_graph_free(g);
    ae_model_free(m);
    return share > 0.99 ? 0 : 1;
}
