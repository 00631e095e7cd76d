/* Tokenizers and texts that several tests use. */
#ifndef AE_TESTS_TOKENIZERS_TOKENIZER_SAMPLES_H
#define AE_TESTS_TOKENIZERS_TOKENIZER_SAMPLES_H

#include "sample_file.h"
#include "tokenizers/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline ae_tokenizer *open_golden(const char *name, const ae_tokenizer_options *options)
{
    char path[512];
    ae_err e = {0};
    snprintf(path, sizeof path, "%s/golden/%s", AE_TEST_DIR, name);
    ae_tokenizer *t = ae_tokenizer_open(path, options, &e);
    if (!t) {
        fail_msg("%s", e.message);
    }
    return t;
}

/* A tokenizer from the text of a tokenizer.json. */
static inline ae_tokenizer *from_text(const char *text, ae_err *e)
{
    ae_json *j = ae_json_parse(text, strlen(text), e);
    if (!j) {
        fail_msg("%s", e->message);
    }
    ae_tokenizer *t = ae_tokenizer_from_json(j, e);
    ae_json_free(j);
    return t;
}

static inline ae_tokenizer *good_text(const char *text)
{
    ae_err e = {0};
    ae_tokenizer *t = from_text(text, &e);
    if (!t) {
        fail_msg("%s", e.message);
    }
    return t;
}

static inline ae_tokenizer *of_kind(const char *kind, const char *const *tokens, int n)
{
    ae_err e = {0};
    ae_kind_parts parts = {.kind = ae_kind_find(kind, &e), .tokens = tokens, .n_tokens = n};
    ae_tokenizer *t = parts.kind ? ae_tokenizer_from_parts(&parts, &e) : NULL;
    if (!t) {
        fail_msg("%s", e.message);
    }
    return t;
}

static inline void encode_text(const ae_tokenizer *t, const char *text, const ae_encode_options *o, ae_encoding *x)
{
    ae_err e = {0};
    if (ae_tokenizer_encode(t, text, strlen(text), o, x, &e) != 0) {
        fail_msg("%s: %s", text, e.message);
    }
}

/* The tokens of an encoding with a blank between, as one string to compare. */
static inline void assert_spelled(const ae_tokenizer *t, const ae_encoding *x, const char *want)
{
    char got[4096] = "";
    for (int64_t i = 0; i < x->count; i++) {
        size_t used = strlen(got);
        snprintf(got + used, sizeof got - used, "%s%s", i ? " " : "", ae_tokenizer_token(t, x->ids[i], NULL));
    }
    assert_string_equal(got, want);
}

static inline void assert_message(const ae_err *e, const char *part)
{
    if (!strstr(e->message, part)) {
        fail_msg("\"%s\" lacks \"%s\"", e->message, part);
    }
}

/* Words that ae_tokenizer_split gives, one behind the other. */
typedef struct joined_words {
    char text[512];
    size_t length;
} joined_words;

static inline int join_word(void *self, const char *word, size_t bytes)
{
    joined_words *j = self;
    if (j->length + bytes < sizeof j->text) {
        memcpy(j->text + j->length, word, bytes);
        j->length += bytes;
    }
    return 0;
}

/* Tokens of a small vocabulary. */
static const char *const letter_tokens[] = {"[UNK]", "[CLS]", "[SEP]", "a", "b", "e", "h", "l", "o", "t", " ", "\n"};
enum { LETTER_TOKENS = sizeof letter_tokens / sizeof *letter_tokens };

/* The model of a tokenizer.json with few words. */
#define ONE_LETTER_WORDS                                                                                               \
    "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"u\":0,\"\xc4\xa0"                                                  \
    "a\":1,\"a\":2,\"\xc4\xa0.\":3},\"unk_token\":\"u\"}"

/* Texts that are hard somewhere: bytes of every class, in an order that a small generator gives. */
static const char *const fragments[] = {
    "the ",
    "Hello",
    " ",
    "  ",
    "\n",
    "\t\r\n",
    "'s",
    "don't",
    "[MASK]",
    "<mask>",
    "</s>",
    "[CLS",
    "\xc3\xa9",
    "e\xcc\x81",
    "\xce\xa3",
    "\xce\x91\xce\xa3.",
    "\xe4\xb8\xad\xe6\x96\x87",
    "\xef\xbc\x8c",
    "\xe3\x80\x80",
    "\xe2\x80\xa8",
    "\xf0\x9f\x98\x80",
    "\xe2\x80\x8b",
    "\xef\xbf\xbd",
    "\x01",
    "\x7f",
    "\xcc\x81",
    "=\xcc\xb8",
    "\xe1\xba\x9b\xcc\xa3",
    "\xc4\xb0",
    "123",
    "3.14",
    "_",
    "--",
    "\xe2\x80\x9c",
    "\xed\x95\x9c\xea\xb5\xad",
    "\xf0\xab\xa0\xa0",
    "\xcd\xbe",
    "unaffable",
    "RUNNING",
    "$",
    "\xc2\xa0",
    "\xc2\x85",
    "\x0b",
    "ABC",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
};

enum { FRAGMENTS = sizeof fragments / sizeof *fragments };

static inline uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* Up to `most` fragments, and, one text in four, some bytes that are no UTF-8. */
static inline size_t random_text(uint64_t *seed, int most, char *text, size_t room)
{
    size_t n = 0;
    int count = (int)(next_random(seed) % (uint32_t)(most + 1));
    for (int i = 0; i < count; i++) {
        const char *f = fragments[next_random(seed) % FRAGMENTS];
        size_t length = strlen(f);
        if (n + length + 4 < room) {
            memcpy(text + n, f, length);
            n += length;
        }
        uint32_t dice = next_random(seed) % 64;
        if (dice < 3) {
            text[n++] = (char)(dice == 0 ? 0 : dice == 1 ? 0xff : 0xe4);
        }
    }
    text[n] = '\0';
    return n;
}

#endif
