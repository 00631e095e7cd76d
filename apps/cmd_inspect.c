#include "apps/command_table.h"
#include "apps/inspect_memory.h"
#include "apps/weights.h"

#include <stdlib.h>

static int64_t numel_of(const ae_tensors *d, int64_t *bytes)
{
    int64_t n = 0;
    *bytes = 0;
    for (int i = 0; i < ae_tensors_count(d); i++) {
        const ae_tensor *t = ae_tensors_at(d, i);
        n += ae_numel(t);
        *bytes += ae_numel(t) * (int64_t)ae_dtype_size(t->dtype);
    }
    return n;
}

static void print_text(ae_run *run, const ae_weights *w)
{
    char shape[AE_SHAPE_TEXT_MAX];
    int64_t bytes, n = numel_of(w->tensors, &bytes);
    fprintf(run->out, "format      %s (%s)\n", ae_weights_format_name(w->format), ae_weights_format_about(w->format));
    fprintf(run->out, "class       %s\n", *w->class_name ? w->class_name : "not stated");
    fprintf(run->out, "tensors     %d, %lld elements, %.1f MiB\n", ae_tensors_count(w->tensors), (long long)n,
            (double)bytes / (1024.0 * 1024.0));
    if (w->config) {
        char *config = ae_json_text(w->config, true, &run->error);
        fprintf(run->out, "config      %s\n", config ? config : "");
        free(config);
    }
    for (int i = 0; i < ae_tensors_count(w->tensors); i++) {
        const ae_tensor *t = ae_tensors_at(w->tensors, i);
        fprintf(run->out, "%-5s %-20s %s\n", ae_dtype_name(t->dtype), ae_shape_text(t->ndim, t->shape, shape),
                ae_tensors_name(w->tensors, i));
    }
}

static int print_json(ae_run *run, const ae_weights *w)
{
    int64_t bytes, n = numel_of(w->tensors, &bytes);
    ae_json *object = ae_json_new_object(), *list = ae_json_new_array();
    ae_json_set_string(object, "format", ae_weights_format_name(w->format));
    ae_json_set_string(object, "class", *w->class_name ? w->class_name : NULL);
    ae_json_set_int(object, "elements", n);
    ae_json_set_int(object, "bytes", bytes);
    if (w->config) {
        ae_json_set(object, "config", ae_json_copy(w->config));
    }
    for (int i = 0; i < ae_tensors_count(w->tensors); i++) {
        const ae_tensor *t = ae_tensors_at(w->tensors, i);
        ae_json *row = ae_json_new_object(), *shape = ae_json_new_array();
        for (int k = 0; k < t->ndim; k++) {
            ae_json_add(shape, NULL, ae_json_new_int(t->shape[k]));
        }
        ae_json_set_string(row, "name", ae_tensors_name(w->tensors, i));
        ae_json_set_string(row, "dtype", ae_dtype_name(t->dtype));
        ae_json_set(row, "shape", shape);
        ae_json_add(list, NULL, row);
    }
    ae_json_set(object, "tensors", list);
    return ae_run_print_json(run, object);
}

static int run_inspect(ae_run *run)
{
    ae_weights w;
    if (ae_options_flag(run->options, "memory")) {
        return ae_inspect_memory(run);
    }
    if (ae_inspect_no_memory(run) != 0) {
        return -1;
    }
    int status = ae_weights_read(ae_options_argument(run->options, 0), &w, &run->error);
    if (status == 0 && run->json) {
        status = print_json(run, &w);
    } else if (status == 0) {
        print_text(run, &w);
    }
    ae_weights_free(&w);
    return status == 0 ? AE_EXIT_DONE : status;
}

static const char *const options[] = {AE_INSPECT_MEMORY_OPTIONS, "json", "memory", NULL};

const ae_command ae_cmd_inspect = {
    .name = "inspect",
    .summary = "show what a file or folder of weights holds",
    .usage = "[PATH]",
    .details = "PATH is a model file of Aesop (.h5), a Hugging Face folder, a .safetensors file, a PyTorch file (.bin, "
               ".pt, .pkl: read as data, nothing in it is run), a .npz, or any HDF5 file.\n\n"
               "With --memory: what a training step (or with --infer a forward pass) of --batch sequences of --seq "
               "tokens takes when it holds most: weights, gradients, states of the optimizer, what each operation "
               "saves for backward, results and workspaces by operation. PATH is then a model with its configuration; "
               "--model takes instead a recipe (`list recipes`) or a configuration file (.json) of a model that does "
               "not exist yet. The step is made without computing anything: it needs neither the time nor the memory.",
    .options = options,
    .arguments_min = 0,
    .arguments_max = 1,
    .run = run_inspect,
};
