/* Training an encoder of one's own without the program: the one of convmixer.h, in a composed model that learns to tell
 * sentences in which a word stands twice in a row. Build it with `cc new_encoder.c $(pkg-config --cflags --libs
 * aesop)`.
 */
#include "convmixer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, LENGTH = 8, WORDS = 12, STEPS = 200 };

/* Half of the sentences get a repeated word. */
static void make_batch(int64_t step, int64_t *ids, int64_t *labels)
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

int main(void)
{
    static const char text[] = "{\"vocab_size\": 12, \"encoder\": \"convmixer\", \"kernel_size\": 3, "
                               "\"emb_size\": 32, \"hidden_size\": 32, \"layers_num\": 2, \"dropout\": 0, "
                               "\"initializer_range\": 0.3, \"target\": [\"cls\"], \"pooling\": \"max\"}";
    ae_err err = {0};
    struct ae_composed model = {0};
    ae_json *config = ae_json_parse(text, strlen(text), &err);
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    ae_composed_build(m, &model, config, convmixer_list);

    /* A batch: named tensors, as data sets make them. */
    ae_tensors *batch = ae_tensors_new(), *outputs = ae_tensors_new();
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, (int64_t[]){BATCH, LENGTH}, &err);
    ae_tensor *labels = ae_tensor_new(AE_I64, 1, (int64_t[]){BATCH}, &err);
    ae_tensors_add(batch, "input_ids", ids, &err);
    ae_tensors_add(batch, "labels", labels, &err);
    ae_io io = {.graph = g, .inputs = batch, .outputs = outputs, .loss_only = true};

    ae_optim_config rule = ae_optim_defaults("adamw");
    ae_optimizer *opt = ae_optimizer_new(m, &rule, &err);
    for (int64_t step = 0; step < STEPS; step++) {
        make_batch(step, (int64_t *)ids->data, (int64_t *)labels->data);
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *loss = ae_composed_run(&model, &io);
        if (step % 50 == 0) {
            printf("step %3d  loss %.4f\n", (int)step, ae_item(loss));
        }
        if (ae_backward(g, loss, 0) != 0 || ae_optimizer_step(opt, g, 5e-3) != 0) {
            fprintf(stderr, "%s\n", ae_graph_error(g)->message);
            return 1;
        }
    }

    make_batch(STEPS, (int64_t *)ids->data, (int64_t *)labels->data); /* sentences that it has not seen */
    ae_graph_begin(g, AE_EVAL);
    io.loss_only = false;
    ae_composed_run(&model, &io);
    const ae_tensor *logits = ae_tensors_get(outputs, "logits");
    int right = 0;
    for (int b = 0; logits && b < BATCH; b++) {
        right += (ae_get_f64(logits, 2 * b + 1) > ae_get_f64(logits, 2 * b)) == (b % 2 == 1);
    }
    printf("%d of %d new sentences told right\n", right, BATCH);
    ae_optimizer_free(opt);
    ae_tensors_free(batch);
    ae_tensors_free(outputs);
    ae_graph_free(g);
    ae_model_free(m);
    ae_json_free(config);
    return right >= BATCH * 9 / 10 ? 0 : 1;
}
