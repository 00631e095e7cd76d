#include "tokenizers/character_ids.h"

#include "tensor/utf8_check.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH_MAX = 1000 };

void ae_character_ids(const char *word, size_t bytes, int64_t width, int32_t *ids)
{
    int64_t n = (int64_t)bytes < width - 2 ? (int64_t)bytes : width - 2;
    ids[0] = AE_CHARACTER_WORD_BEGIN;
    for (int64_t i = 0; i < n; i++) {
        ids[1 + i] = (unsigned char)word[i];
    }
    ids[1 + n] = AE_CHARACTER_WORD_END;
    for (int64_t i = n + 2; i < width; i++) {
        ids[i] = AE_CHARACTER_PADDING;
    }
}

void ae_character_mark(int32_t mark, int64_t width, int32_t *ids)
{
    ae_character_ids("?", 1, width, ids);
    ids[1] = mark;
}

void ae_character_words_free(ae_character_words *x)
{
    free(x->ids);
    ae_encoding_free(&x->scratch);
    *x = (ae_character_words){0};
}

/* The ids of the next word, or NULL without memory. */
static int32_t *next_row(ae_character_words *x)
{
    if ((x->count + 1) * x->width > x->room) {
        int64_t room = 2 * x->room + 32 * x->width;
        int32_t *ids = realloc(x->ids, (size_t)room * sizeof *ids);
        if (!ids) {
            return NULL;
        }
        x->ids = ids;
        x->room = room;
    }
    return x->ids + x->count++ * x->width;
}

static int add_mark(ae_character_words *x, int32_t mark)
{
    int32_t *row = next_row(x);
    if (row) {
        ae_character_mark(mark, x->width, row);
    }
    return row ? 0 : -1;
}

static int add_word(void *self, const char *word, size_t bytes)
{
    ae_character_words *x = self;
    if (bytes == 3 && memcmp(word, "<S>", 3) == 0) {
        return add_mark(x, AE_CHARACTER_SENTENCE_BEGIN);
    }
    if (bytes == 4 && memcmp(word, "</S>", 4) == 0) {
        return add_mark(x, AE_CHARACTER_SENTENCE_END);
    }
    int32_t *row = next_row(x);
    if (row) {
        ae_character_ids(word, bytes, x->width, row);
    }
    return row ? 0 : -1;
}

/* The length of a blank at the front, or 0 for any other character, whose length is then in *other. */
static size_t blank(const char *text, size_t bytes, size_t *other)
{
    int n = ae_utf8_length(text, bytes);
    uint32_t c = 0;
    *other = n > 0 ? (size_t)n : 1;
    if (n > 0) {
        ae_utf8_decode(text, &c);
    }
    return ae_char_flags(c) & AE_CHAR_SPACE ? *other : 0;
}

static int split_blanks(const char *text, size_t bytes, ae_character_words *x)
{
    size_t start = 0, n = 0;
    for (size_t i = 0; i <= bytes; i += n) {
        if (i == bytes || blank(text + i, bytes - i, &n)) {
            if (i > start && add_word(x, text + start, i - start) != 0) {
                return -1;
            }
            start = i + n;
        }
        if (i == bytes) {
            break;
        }
    }
    return 0;
}

int ae_character_words_of(const ae_tokenizer *t, const char *text, size_t bytes, const ae_character_options *options,
                          ae_character_words *out, ae_err *e)
{
    out->count = 0;
    out->width = options->width ? options->width : AE_CHARACTER_WIDTH;
    if (out->width < AE_CHARACTER_WIDTH_MIN || out->width > WIDTH_MAX) {
        return ae_err_set(e, AE_E_VALUE, "a width of %lld ids a word is outside %d..%d", (long long)out->width,
                          AE_CHARACTER_WIDTH_MIN, WIDTH_MAX);
    }
    int status = options->marks ? add_mark(out, AE_CHARACTER_SENTENCE_BEGIN) : 0;
    if (status == 0) {
        status =
            t ? ae_tokenizer_split(t, text, bytes, add_word, out, &out->scratch, e) : split_blanks(text, bytes, out);
    }
    status = status == 0 && options->marks ? add_mark(out, AE_CHARACTER_SENTENCE_END) : status;
    if (status != 0) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the characters of a text of %zu bytes", bytes);
    }
    for (int64_t i = 0; options->shifted && i < out->count * out->width; i++) {
        out->ids[i]++;
    }
    return 0;
}
