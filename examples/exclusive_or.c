#include "aesop.h"
#include <stdio.h>

int main(void)
{
    struct ae_linear hidden, output;
    ae_model *m = ae_model_new(1);
    ae_graph *g = ae_graph_new();
    ae_linear_init_torch(m, &hidden, "hidden", 2, 8, true);
    ae_linear_init_torch(m, &output, "output", 8, 1, true);
    ae_optim_config config = ae_optim_defaults("adamw");
    ae_optimizer *opt = ae_optimizer_new(m, &config, NULL);
    double last = 1;
    for (int step = 0, status = opt ? 0 : -1; status == 0 && step < 300; step++) {
        ae_graph_begin(g, AE_TRAIN);
        ae_tensor *x = ae_from_data(g, AE_F32, 2, (int64_t[]){4, 2}, (float[]){0, 0, 0, 1, 1, 0, 1, 1});
        ae_tensor *y = ae_from_data(g, AE_F32, 2, (int64_t[]){4, 1}, (float[]){0, 1, 1, 0});
        ae_tensor *logits = ae_linear(g, &output, ae_tanh(g, ae_linear(g, &hidden, x)));
        ae_tensor *loss = ae_binary_cross_entropy_with_logits(g, logits, y, NULL, AE_REDUCE_MEAN);
        last = ae_item(loss);
        status = ae_backward(g, loss, 0) != 0 || ae_optimizer_step(opt, g, 0.05) != 0;
    }
    printf("loss %.4f %s\n", last, ae_graph_error(g)->message);
    return ae_optimizer_free(opt), ae_graph_free(g), ae_model_free(m), last < 0.05 ? 0 : 1;
}
