/* What the subcommands `tokenizer ...` share: opening the tokenizer that the options name, and reading lines.
 * Internal to apps/. */
#ifndef AE_APPS_TOKENIZER_RUN_H
#define AE_APPS_TOKENIZER_RUN_H

#include "apps/app.h"
#include "datasets/line_reader.h"
#include "tokenizers/tokenizer.h"

/* A flag that can also be left alone: 1, -1 for "=false", 0 when it was not given. */
int ae_run_yes_no(const ae_run *run, const char *name);

/* What --kind, --lower-case, --strip-accents and --split-chinese say, as far as the command takes them. Strings are
 * borrowed from the run. */
ae_tokenizer_options ae_run_tokenizer_options(const ae_run *run);

/* Opens a tokenizer with these options; NULL and run->error, which asks for --tokenizer when path is NULL. The
 * caller's. */
ae_tokenizer *ae_run_tokenizer(ae_run *run, const char *path);

/* Opens text files as --encoding and --encoding-errors say. */
ae_line_reader *ae_run_open_lines(ae_run *run, const char *const *paths, int n);

/* The same of the command's arguments, or of standard input when there are none. */
ae_line_reader *ae_run_open_arguments(ae_run *run);

/* Calls `line` for each line of the command's arguments, or of standard input, until one returns -1. Results are
 * flushed line by line when the input is a pipe, since somebody may be waiting at its other end. Returns 0, or -1 and
 * run->error. */
int ae_run_each_line(ae_run *run, int (*line)(void *self, const ae_line *line), void *self);

/* Fails when something is at `path` and --force was not given. */
int ae_run_refuse_existing(ae_run *run, const char *path);

#endif
