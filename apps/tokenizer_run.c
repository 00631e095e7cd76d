#include "apps/tokenizer_run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ae_run_yes_no(const ae_run *run, const char *name)
{
    if (!ae_options_has(run->options, name) || ae_options_origin(run->options, name) == AE_ORIGIN_NONE) {
        return 0;
    }
    return ae_options_flag(run->options, name) ? 1 : -1;
}

ae_tokenizer_options ae_run_tokenizer_options(const ae_run *run)
{
    return (ae_tokenizer_options){
        .kind = ae_options_has(run->options, "kind") ? ae_options_text(run->options, "kind") : NULL,
        .lower_case = ae_run_yes_no(run, "lower-case"),
        .strip_accents = ae_run_yes_no(run, "strip-accents"),
        .split_chinese = ae_run_yes_no(run, "split-chinese"),
    };
}

ae_tokenizer *ae_run_tokenizer(ae_run *run, const char *path)
{
    if (!path) {
        ae_err_set(&run->error, AE_E_VALUE,
                   "which tokenizer? give --tokenizer PATH: a vocab.txt, a tokenizer.json, a "
                   "folder with one of them, or a model file");
        return NULL;
    }
    ae_tokenizer_options options = ae_run_tokenizer_options(run);
    return ae_tokenizer_open(path, &options, &run->error);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* Which of the words an option of choices has. */
static int chosen(const ae_run *run, const char *name, const char *const *words)
{
    const char *text = ae_options_has(run->options, name) ? ae_options_text(run->options, name) : NULL;
    for (int i = 0; text && words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            return i;
        }
    }
    return 0;
}

ae_line_reader *ae_run_open_lines(ae_run *run, const char *const *paths, int n)
{
    static const char *const encodings[] = {"utf-8", "latin1", "cp1252", NULL};
    static const char *const errors[] = {"fail", "replace", "skip", NULL};
    ae_line_options options = {.encoding = (ae_text_encoding)chosen(run, "encoding", encodings),
                               .errors = (ae_text_errors)chosen(run, "encoding-errors", errors)};
    return ae_line_reader_open(paths, n, &options, &run->error);
}

ae_line_reader *ae_run_open_arguments(ae_run *run)
{
    static const char *const standard_input[] = {"-"};
    int n = ae_options_arguments(run->options);
    if (n == 0) {
        return ae_run_open_lines(run, standard_input, 1);
    }
    const char **paths = calloc((size_t)n, sizeof *paths);
    if (!paths) {
        ae_err_set(&run->error, AE_E_MEMORY, "no memory for the names of %d files", n);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        paths[i] = ae_options_argument(run->options, i);
    }
    ae_line_reader *reader = ae_run_open_lines(run, paths, n);
    free(paths);
    return reader;
}

int ae_run_each_line(ae_run *run, int (*line)(void *self, const ae_line *line), void *self)
{
    ae_line_reader *reader = ae_run_open_arguments(run);
    if (!reader) {
        return -1;
    }
    bool pipe = ae_line_reader_total(reader) < 0;
    ae_line next;
    int got, status = 0;
    while (status == 0 && (got = ae_line_reader_next(reader, &next, &run->error)) != 0) {
        status = got < 0 ? -1 : line(self, &next);
        if (pipe) {
            fflush(run->out);
        }
    }
    ae_line_reader_close(reader);
    return status;
}

int ae_run_refuse_existing(ae_run *run, const char *path)
{
    if (access(path, F_OK) == 0 && !ae_options_flag(run->options, "force")) {
        return ae_err_set(&run->error, AE_E_UNEXPECTED, "%s: exists; --force overwrites it", path);
    }
    return 0;
}
