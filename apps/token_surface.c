#include "apps/token_surface.h"

#include "tensor/utf8_check.h"

#include <string.h>

static int join_words(void *self, const char *word, size_t bytes)
{
    ae_bytes *all = self;
    ae_bytes_add(all, word, bytes);
    return all->failed ? -1 : 0;
}

/* The range of character k of a text; false behind the last. */
static bool nth_character(const ae_bytes *text, int64_t k, size_t *at, size_t *bytes)
{
    for (*at = 0; *at < text->length; *at += *bytes) {
        int n = ae_utf8_length(text->data + *at, text->length - *at);
        *bytes = n > 0 ? (size_t)n : 1;
        if (k-- == 0) {
            return true;
        }
    }
    return false;
}

/* Several characters of a normalised text may stand for one of the text given; each is a token here. */
static int64_t place_among_equals(const ae_encoding *x, int64_t i)
{
    int64_t k = 0;
    while (k < i && x->starts[i - k - 1] == x->starts[i] && x->ends[i - k - 1] == x->ends[i]) {
        k++;
    }
    return k;
}

int ae_token_surface(const ae_tokenizer *t, const char *text, const ae_encoding *x, int64_t i, const char *suffix,
                     ae_encoding *scratch, ae_bytes *out, ae_err *e)
{
    size_t length = 0, at = 0, size = 0, bytes = (size_t)(x->ends[i] - x->starts[i]);
    const char *token = ae_tokenizer_token(t, x->ids[i], &length), *part = text + x->starts[i];
    bool said = bytes == length && memcmp(part, token, length) == 0; /* the unknown token itself stands there */
    if (said || x->ids[i] != ae_tokenizer_role(t, AE_TOKEN_UNKNOWN)) {
        ae_bytes_add(out, token, length);
        return 0;
    }
    ae_bytes word = {0};
    int status = ae_tokenizer_split(t, part, bytes, join_words, &word, scratch, e);
    if (status == 0 && nth_character(&word, place_among_equals(x, i), &at, &size)) {
        ae_bytes_add(out, word.data + at, size);
    }
    if (i + 1 == x->count || x->words[i + 1] != x->words[i]) {
        ae_bytes_add_text(out, suffix);
    }
    ae_bytes_free(&word);
    return status == 0 ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory to spell a token");
}
