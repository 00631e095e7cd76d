/* A BERT tokenizer of few words for the tests of datasets: its vocabulary is written to a file and opened from there.
 * The words are w0..w99, the word "ab" is spelled "a ##b", and there are the usual marks and special tokens. */
#ifndef AE_TESTS_TINY_TOKENIZER_H
#define AE_TESTS_TINY_TOKENIZER_H

#include "tokenizers/tokenizer.h"

#include <stdio.h>

enum {
    TINY_PAD,
    TINY_UNK,
    TINY_CLS,
    TINY_SEP,
    TINY_MASK,
    TINY_A,
    TINY_B,
    TINY_STOP,
    TINY_W0,
    TINY_SIZE = TINY_W0 + 100
};

static inline ae_tokenizer *tiny_tokenizer(const char *path)
{
    ae_err e = {0};
    FILE *f = fopen(path, "w");
    if (!f) {
        return NULL;
    }
    fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n.\n", f);
    for (int i = 0; i < 100; i++) {
        fprintf(f, "w%d\n", i);
    }
    fclose(f);
    const ae_tokenizer_options options = {.kind = "bert"};
    ae_tokenizer *t = ae_tokenizer_open(path, &options, &e);
    if (!t) {
        fprintf(stderr, "%s\n", e.message);
    }
    return t;
}

#endif
