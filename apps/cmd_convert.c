#include "apps/command_table.h"
#include "apps/tokenizer_files.h"
#include "apps/weights.h"
#include "tensor/model_file.h"
#include "zoo/zoo.h"

#include <string.h>
#include <unistd.h>

static int check_output(ae_run *run, const char *output)
{
    if (!output) {
        return ae_err_set(&run->error, AE_E_VALUE, "convert: where to? give --output PATH");
    }
    if (access(output, F_OK) == 0 && !ae_options_flag(run->options, "force")) {
        return ae_err_set(&run->error, AE_E_UNEXPECTED, "%s: exists; --force overwrites it", output);
    }
    return 0;
}

static int report(ae_run *run, const ae_weights *w, const char *output, ae_weights_format format, bool known)
{
    if (run->json) {
        ae_json *o = ae_json_new_object();
        ae_json_set_string(o, "output", output);
        ae_json_set_string(o, "format", ae_weights_format_name(format));
        ae_json_set_string(o, "class", *w->class_name ? w->class_name : NULL);
        ae_json_set_bool(o, "checked", known);
        ae_json_set_int(o, "tensors", ae_tensors_count(w->tensors));
        return ae_run_print_json(run, o);
    }
    if (!ae_options_flag(run->options, "quiet")) {
        fprintf(run->log, "%s: %d tensors, %s\n", output, ae_tensors_count(w->tensors),
                known ? "every parameter of the model checked" : "copied by name: the class is not known here");
    }
    return AE_EXIT_DONE;
}

/* Passes the weights through their model where there is one; *known says whether. */
static int check_weights(ae_run *run, ae_weights *w, bool *known)
{
    const char *names = ae_options_text(run->options, "names");
    if (strcmp(names, "auto") != 0) {
        *known = true;
        return ae_weights_rename(w, names, &run->error);
    }
    *known = *w->class_name && w->config && ae_zoo_find(w->class_name);
    if (!*known && !ae_options_text(run->options, "model")) {
        return 0;
    }
    return ae_weights_normalise(w, &run->error); /* says what is missing */
}

/* The tokenizer of a model file goes into the folder too, so that what reads the folder needs no --tokenizer. */
static int write_tokenizer(ae_run *run, const char *source, const char *folder)
{
    ae_tokenizer_files files;
    ae_model_info info;
    ae_h5 *f = ae_model_file_open(source, &info, &run->error);
    ae_json *json = f && ae_h5_has(f, "tokenizer") ? ae_h5_read_json(f, "tokenizer", &run->error) : NULL;
    ae_tokenizer *t = json ? ae_tokenizer_from_json(json, &run->error) : NULL;
    int status = t ? ae_run_write_tokenizer(run, t, folder, &files) : run->error.code ? -1 : 0;
    ae_tokenizer_free(t);
    ae_json_free(json);
    ae_h5_close(f);
    ae_model_info_free(&info);
    return status;
}

static int convert(ae_run *run, ae_weights *w)
{
    const char *output = ae_options_text(run->options, "output"), *class_name = ae_options_text(run->options, "model");
    ae_weights_format format;
    if (check_output(run, output) != 0 ||
        ae_weights_format_of(output, ae_options_text(run->options, "to"), &format, &run->error) != 0 ||
        ae_weights_read(ae_options_argument(run->options, 0), w, &run->error) != 0) {
        return -1;
    }
    w->encoders = ae_run_encoders(run);
    if (!w->encoders) {
        return -1;
    }
    if (class_name) {
        snprintf(w->class_name, sizeof w->class_name, "%s", class_name);
    }
    bool known;
    if (check_weights(run, w, &known) != 0) {
        return -1;
    }
    if (ae_weights_write(output, format, w, &run->error) != 0 ||
        (format == AE_WEIGHTS_HF && w->format == AE_WEIGHTS_H5 &&
         write_tokenizer(run, ae_options_argument(run->options, 0), output) != 0)) {
        return -1;
    }
    return report(run, w, output, format, known);
}

static int run_convert(ae_run *run)
{
    ae_weights w = {0};
    int status = convert(run, &w);
    ae_weights_free(&w);
    return status;
}

static const char *const options[] = {"output", "to", "model", "names", "plugin", "force", "quiet", "json", NULL};

const ae_command ae_cmd_convert = {
    .name = "convert",
    .summary = "write weights in another format",
    .usage = "PATH",
    .details =
        "Reads what `inspect` reads and writes by the ending of --output, or by --to: h5, hf (a folder, with the "
        "tokenizer that a model file holds), safetensors, bin, npz.\n\n"
        "Where config.json or --model names a class of the zoo, the weights pass through that model: a missing, "
        "unexpected or misshapen tensor is an error, base prefixes (\"bert.\") are added or removed, and old names "
        "(gamma, beta) are mended. Other files are copied tensor by tensor.\n\n"
        "--names hf makes BERT and GPT-2 of UER-py's checkpoints (its configuration beside them as config.json), "
        "--names uer the other way round. UER-py's layer norm divides by the unbiased standard deviation; the states "
        "of "
        "a converted model differ by that, as those of UER-py's own conversions do.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_convert,
};
