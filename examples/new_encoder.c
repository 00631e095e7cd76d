/* A new encoder in one file: convolution over words and the maximum over time (Kim 2014, arXiv:1408.5882), trained to
 * tell sentences in which a word stands twice in a row. Build it with `cc new_encoder.c $(pkg-config --cflags --libs
 * aesop)`. */
#include "aesop.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 64, LENGTH = 8, WORDS = 12, WIDTH = 32, STEPS = 300 };

/* 1. What it is made of. The names given in kim_init are the names in the checkpoint. */
struct kim {
    struct ae_embedding words;
    struct ae_conv1d pairs;
    struct ae_linear classifier;
};

static void kim_init(ae_model *m, struct kim *k)
{
    ae_embedding_init(m, &k->words, "words", WORDS, WIDTH, ae_init_normal(0.5), -1);
    ae_conv1d_init(m, &k->pairs, "pairs", WIDTH, 2 * WIDTH, 2, NULL, true);
    ae_linear_init(m, &k->classifier, "classifier", 2 * WIDTH, 2, ae_init_normal(0.1), true);
}

/* 2. How it computes: ids (B,T) to one vector a sentence, (B,2*WIDTH). Gradients follow by themselves. */
static ae_tensor *kim_encode(ae_graph *g, const struct kim *k, ae_tensor *ids)
{
    ae_frame f = ae_frame_open(g);
    ae_tensor *x = ae_embedding(g, &k->words, ids);  /* (B,T,H) */
    x = ae_relu(g, ae_conv1d_time(g, &k->pairs, x)); /* (B,T-1,2H) */
    return ae_frame_return(f, ae_pool_over_time(g, AE_POOLING_MAX, x, NULL));
}

/* 3. Data: half of the sentences get a repeated word. */
static void make_batch(int64_t step, int64_t ids[BATCH * LENGTH], int64_t labels[BATCH])
{
    ae_random_key key = ae_random_key_make(7, (uint64_t)step, 0, 0, 0);
    ae_random_int_i64(&key, 0, 0, WORDS, ids, BATCH * LENGTH);
    for (int b = 0; b < BATCH; b++) {
        int64_t *row = ids + b * LENGTH;
        for (int t = 1; t < LENGTH; t++) {
            row[t] = row[t] == row[t - 1] ? (row[t] + 1) % WORDS : row[t];
        }
        labels[b] = b % 2;
        int at = 1 + b % (LENGTH - 1);
        row[at] = labels[b] ? row[at - 1] : row[at];
    }
}

static ae_tensor *logits_of(ae_graph *g, const struct kim *k, int64_t *ids)
{
    ae_tensor *x = ae_from_borrowed(g, AE_I64, 2, (int64_t[]){BATCH, LENGTH}, ids);
    return ae_linear(g, &k->classifier, kim_encode(g, k, x));
}

int main(void)
{
    static int64_t ids[BATCH * LENGTH], labels[BATCH];
    ae_err err = {0};
    struct kim k;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    kim_init(m, &k);
    ae_optim_config config = ae_optim_defaults("adamw");
    ae_optimizer *opt = ae_optimizer_new(m, &config, &err);
    for (int64_t step = 0; step < STEPS; step++) {
        make_batch(step, ids, labels);
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *y = ae_from_borrowed(g, AE_I64, 1, (int64_t[]){BATCH}, labels);
        ae_tensor *loss = ae_cross_entropy(g, logits_of(g, &k, ids), y, NULL);
        if (step % 50 == 0) {
            printf("step %3d  loss %.4f\n", (int)step, ae_item(loss));
        }
        if (ae_backward(g, loss, 0) != 0 || ae_optimizer_step(opt, g, 1e-2) != 0) {
            fprintf(stderr, "%s\n", ae_graph_error(g)->message);
            return 1;
        }
    }
    make_batch(STEPS, ids, labels); /* sentences that it has not seen */
    ae_graph_begin(g, AE_EVAL);
    int64_t best[BATCH];
    ae_read(ae_argmax(g, logits_of(g, &k, ids), -1, false), AE_I64, best, BATCH);
    int right = 0;
    for (int b = 0; b < BATCH; b++) {
        right += best[b] == labels[b];
    }
    printf("%d of %d new sentences told right\n", right, BATCH);
    ae_optimizer_free(opt);
    ae_graph_free(g);
    ae_model_free(m);
    return right >= BATCH * 9 / 10 ? 0 : 1;
}
