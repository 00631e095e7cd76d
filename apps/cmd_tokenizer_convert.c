#include "apps/command_table.h"
#include "apps/tokenizer_files.h"
#include "apps/tokenizer_run.h"

static int report(ae_run *run, const ae_tokenizer *t, const ae_tokenizer_files *files)
{
    if (run->json) {
        ae_json *object = ae_tokenizer_files_json(t, files);
        return ae_run_print_json(run, object);
    }
    for (int i = 0; i < files->n && !ae_options_flag(run->options, "quiet"); i++) {
        fprintf(run->log, "%s: %d tokens\n", files->path[i], (int)ae_tokenizer_size(t));
    }
    return AE_EXIT_DONE;
}

static int run_convert(ae_run *run)
{
    const char *output = ae_options_text(run->options, "output");
    if (!output) {
        return ae_err_set(&run->error, AE_E_VALUE,
                          "tokenizer convert: where to? give --output: NAME.json, NAME.model, NAME.txt "
                          "or a folder");
    }
    ae_tokenizer *t = ae_run_tokenizer(run, ae_options_argument(run->options, 0));
    ae_tokenizer_files files;
    int status = t ? ae_run_write_tokenizer(run, t, output, &files) : -1;
    status = status == 0 ? report(run, t, &files) : -1;
    ae_tokenizer_free(t);
    return status;
}

static const char *const options[] = {"output", "kind", "lower-case", "strip-accents", "split-chinese", "force",
                                      "quiet",  "json", NULL};

const ae_command ae_cmd_tokenizer_convert = {
    .name = "tokenizer convert",
    .summary = "write a tokenizer in another form",
    .usage = "PATH",
    .details =
        "PATH is a vocab.txt, a vocab.json with merges.txt beside it, a tokenizer.json, a SentencePiece model, a "
        "folder "
        "with one of these, or a model file. --output NAME.json gives a tokenizer.json that Hugging Face's library "
        "reads; NAME.model a SentencePiece model; NAME.txt a list of tokens; anything else is a folder with "
        "tokenizer.json, tokenizer_config.json, and vocab.txt, vocab.json with merges.txt, or spiece.model.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_convert,
};
