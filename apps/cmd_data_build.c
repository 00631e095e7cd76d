#include "apps/command_table.h"
#include "apps/instance_settings.h"
#include "apps/stop_signal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The paths of --corpus and those that stand by themselves; owned by the caller, the strings borrowed. */
static const char **gather_paths(ae_run *run, int *n)
{
    int options = ae_options_count(run->options, "corpus"), arguments = ae_options_arguments(run->options);
    const char **paths = calloc((size_t)options + (size_t)arguments + 1, sizeof *paths);
    *n = options + arguments;
    for (int i = 0; paths && i < *n; i++) {
        paths[i] =
            i < options ? ae_options_nth(run->options, "corpus", i) : ae_options_argument(run->options, i - options);
    }
    if (!paths) {
        ae_err_set(&run->error, AE_E_MEMORY, "no memory for the paths");
    } else if (*n == 0) {
        ae_err_set(&run->error, AE_E_MISSING, "give --corpus FILE (- for standard input)");
        free(paths);
        return NULL;
    }
    return paths;
}

static int check_options(ae_run *run)
{
    const char *objective = ae_options_text(run->options, "objective"),
               *output = ae_options_text(run->options, "output");
    if (strcmp(objective, "auto") == 0) {
        return ae_err_set(&run->error, AE_E_MISSING, "give --objective mlm_nsp, mlm or lm");
    }
    if (!output) {
        return ae_err_set(&run->error, AE_E_MISSING, "give --output FILE");
    }
    if (!ae_options_text(run->options, "tokenizer")) {
        return ae_err_set(&run->error, AE_E_MISSING, "give --tokenizer PATH");
    }
    if (access(output, F_OK) == 0 && !ae_options_flag(run->options, "force")) {
        return ae_err_set(&run->error, AE_E_UNEXPECTED, "%s: exists; --force overwrites it", output);
    }
    return 0;
}

static int print_json(ae_run *run, const ae_build_report *r, const char *output)
{
    ae_json *j = ae_build_report_json(r);
    ae_json_set_string(j, "output", output);
    ae_json_set_string(j, "objective", ae_options_text(run->options, "objective"));
    ae_json_set_string(j, "unit_reason", *r->explanation ? r->explanation : NULL);
    ae_json_set_double(j, "seconds", r->seconds);
    return ae_run_print_json(run, j);
}

static void print_text(ae_run *run, const ae_build_report *r, const char *output)
{
    double seconds = r->seconds > 0 ? r->seconds : 1e-9;
    fprintf(run->out, "output      %s\n", output);
    fprintf(run->out, "instances   %lld (%.0f/s)\n", (long long)r->instances, (double)r->instances / seconds);
    fprintf(run->out, "tokens      %lld, %lld unknown\n", (long long)r->tokens, (long long)r->unknown_tokens);
    fprintf(run->out, "documents   %lld, of %lld sentences\n", (long long)r->documents, (long long)r->sentences);
    fprintf(run->out, "text        %lld lines, %.1f MB (%.1f MB/s)\n", (long long)r->lines, (double)r->bytes / 1e6,
            (double)r->bytes / 1e6 / seconds);
}

static int run_data_build(ae_run *run)
{
    ae_build_report report;
    int n, status = -1;
    const char **paths = check_options(run) == 0 ? gather_paths(run, &n) : NULL;
    ae_tokenizer *t = paths ? ae_tokenizer_open(ae_options_text(run->options, "tokenizer"), NULL, &run->error) : NULL;
    if (t) {
        const char *output = ae_options_text(run->options, "output");
        ae_stop_signal_begin();
        status = ae_instance_build(run, paths, n, t, ae_options_text(run->options, "objective"), output, &report);
        int signal = ae_stop_signal();
        ae_stop_signal_end();
        if (status == 0 && run->json) {
            status = print_json(run, &report, output);
        } else if (status == 0) {
            print_text(run, &report, output);
        } else if (signal != 0) {
            fprintf(run->log, "stopped by a signal; nothing was written\n");
            status = 128 + signal;
        }
    }
    ae_tokenizer_free(t);
    free(paths);
    return status;
}

static const char *const options[] = {
    AE_INSTANCE_OPTIONS, "force",     "json", "objective", "output", "progress", "quiet", "seed",
    "threads",           "tokenizer", NULL};

const ae_command ae_cmd_data_build = {
    .name = "data build",
    .summary = "build training instances from text",
    .usage = "[FILE...]",
    .details =
        "Turns text (plain or .gz, - for standard input) into the instances of an objective: mlm_nsp (BERT's pairs of "
        "segments), mlm (pieces of documents) or lm (pieces of running text), in one HDF5 file without padding that "
        "pretrain takes as --data and h5py reads.\n\n"
        "The text holds a sentence a line with a blank line between documents (--unit sentence), or a document a line "
        "(--unit line); auto tells which from the first lines and says so.\n\n"
        "Memory does not grow with the text, all processors work, and the result does not depend on how many there "
        "are. Masks are drawn whenever a batch is made, unless --static is given.",
    .options = options,
    .arguments_min = 0,
    .arguments_max = -1,
    .run = run_data_build,
};
