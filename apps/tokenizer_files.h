/* A tokenizer as files: tokenizer.json, and the vocabulary files that came before it.
 *
 *   NAME.json   tokenizer.json alone
 *   NAME.txt    a list of tokens, id i in line i (tokenizers that keep no merges)
 *   NAME.model  the model file of SentencePiece's library
 *   a folder    tokenizer.json, tokenizer_config.json, and vocab.txt (unless a token holds a line end), vocab.json
 *               with merges.txt, or spiece.model
 *
 * Internal to apps/. */
#ifndef AE_APPS_TOKENIZER_FILES_H
#define AE_APPS_TOKENIZER_FILES_H

#include "apps/app.h"
#include "tokenizers/tokenizer.h"

enum { AE_TOKENIZER_FILES_MAX = 5, AE_TOKENIZER_PATH = 4096 };

/* The paths that a tokenizer is written to. */
typedef struct ae_tokenizer_files {
    int n;
    char path[AE_TOKENIZER_FILES_MAX][AE_TOKENIZER_PATH];
} ae_tokenizer_files;

/* Writes a tokenizer to `output` as its ending says, and gives the paths. Fails before anything is written when one of
 * them exists (without --force), and when a vocabulary file cannot hold the tokens (tokenizer.json holds all). */
int ae_run_write_tokenizer(ae_run *run, const ae_tokenizer *t, const char *output, ae_tokenizer_files *files);

/* What --json says of them: kind, size, files. The caller's. */
ae_json *ae_tokenizer_files_json(const ae_tokenizer *t, const ae_tokenizer_files *files);

#endif
