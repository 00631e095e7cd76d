/* What a token's range in the text must be: the text cut there, normalised, is what the token spells. Where one
 * character of the text became several tokens, or part of one, the range is that character: it holds what the token
 * spells, and no shorter range does. */
#ifndef AE_TESTS_TOKENIZERS_OFFSET_CHECKS_H
#define AE_TESTS_TOKENIZERS_OFFSET_CHECKS_H

#include "tensor/byte_buffer.h"
#include "tensor/utf8_check.h"
#include "tokenizers/byte_letters.h"
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK "\xe2\x96\x81" /* U+2581, a blank in SentencePiece's tokens */

/* Replaces every `from` by `to`, which is not longer. */
static inline void replace_all(char *text, size_t *bytes, const char *from, const char *to)
{
    size_t n = strlen(from), m = strlen(to), out = 0;
    for (size_t i = 0; i < *bytes;) {
        if (n <= *bytes - i && memcmp(text + i, from, n) == 0) {
            memcpy(text + out, to, m);
            out += m;
            i += n;
        } else {
            text[out++] = text[i++];
        }
    }
    *bytes = out;
    text[out] = '\0';
}

/* Takes blanks off both ends, and what parts one spelling of a thing from another: U+2581 for a blank, the two small
 * sigmas, of which the end of the word decides. */
static inline void plain_text(ae_bytes *b)
{
    if (b->length == 0) {
        return;
    }
    if (ae_utf8_is_valid(b->data, b->length)) { /* else part of a character */
        replace_all(b->data, &b->length, BLOCK, " ");
        replace_all(b->data, &b->length, "\xcf\x82", "\xcf\x83");
    }
    size_t blanks = strspn(b->data, " ");
    memmove(b->data, b->data + blanks, b->length - blanks + 1);
    for (b->length -= blanks; b->length > 0 && b->data[b->length - 1] == ' '; b->length--) {
    }
    b->data[b->length] = '\0';
}

/* What a token spells: without the marks that its family puts on it. */
static inline void spelled(const ae_tokenizer *t, int32_t id, ae_bytes *out)
{
    size_t bytes = 0;
    unsigned value = 0;
    const char *token = ae_tokenizer_token(t, id, &bytes);
    const char *prefix = ((const ae_model_row *)t->model.row)->prefix(t->model.self);
    size_t n = strlen(prefix), end = bytes;
    bool added = t->flags[id] & AE_FLAG_ADDED;
    if (!added && n > 0 && bytes > n && memcmp(token, prefix, n) == 0) {
        token += n;
        end -= n;
    }
    if (!added && end > 4 && memcmp(token + end - 4, "</w>", 4) == 0) {
        end -= 4;
    }
    if (!added && bytes == 6 && sscanf(token, "<0x%2X>", &value) == 1) {
        ae_bytes_u8(out, value);
        return;
    }
    bool letters = !added && t->decoder.row == &ae_decoder_byte_level.row;
    for (size_t i = 0; i < end;) {
        uint32_t c = 0;
        size_t step = (size_t)ae_utf8_decode(token + i, &c);
        int byte = letters ? ae_character_byte(c) : -1;
        if (byte >= 0) {
            ae_bytes_u8(out, (unsigned)byte);
        } else {
            ae_bytes_add(out, token + i, step);
        }
        i += step;
    }
}

typedef struct offset_checker {
    const ae_tokenizer *t;
    bool valid; /* the text is UTF-8; else what is broken stands for U+FFFD */
    ae_work work;
    ae_scratch scratch;
    ae_bytes slice, want;
} offset_checker;

static inline void offset_checker_free(offset_checker *k)
{
    ae_work_free(&k->work);
    free(k->scratch.mended);
    free(k->scratch.places);
    ae_bytes_free(&k->slice);
    ae_bytes_free(&k->want);
}

typedef enum slice_form { SLICE_INSIDE, SLICE_BEGINS, SLICE_RAW } slice_form;

/* The text of a range as the normalizer has it, inside a text or where one begins, or as it stands there: byte-level
 * tokens may begin within a character and stay bytes. */
static inline void normal_slice(offset_checker *k, const char *text, size_t bytes, slice_form form)
{
    bool mended = false;
    k->slice.length = 0;
    if (form != SLICE_RAW && (k->t->normalizer.row || !k->valid)) {
        text = ae_mend_utf8(&k->scratch, text, &bytes, k->t->mend_bytes, &mended, NULL);
    }
    if (form == SLICE_RAW || !k->t->normalizer.row) {
        ae_bytes_add(&k->slice, text, bytes);
        plain_text(&k->slice);
        return;
    }
    ae_work_reset(&k->work);
    k->work.begins = k->work.text_start = form == SLICE_BEGINS;
    ae_work_begin(&k->work, text, bytes);
    ae_normalize(k->t, &k->work);
    ae_bytes_add(&k->slice, k->work.text.bytes, k->work.text.length);
    plain_text(&k->slice);
}

static inline bool holds(offset_checker *k, const char *text, size_t bytes)
{
    normal_slice(k, text, bytes, SLICE_INSIDE);
    return k->want.length == 0 || memmem(k->slice.data, k->slice.length, k->want.data, k->want.length);
}

/* Added tokens and bytes stand in the text as they are spelled, or as the normalizer makes of that. */
static inline bool equals(offset_checker *k, const char *text, size_t bytes, bool added)
{
    bool raw = added || !k->t->normalizer.row;
    for (int form = SLICE_INSIDE; form < SLICE_RAW + raw; form++) {
        normal_slice(k, text, bytes, (slice_form)form);
        if (k->slice.length == k->want.length && memcmp(k->slice.data, k->want.data, k->want.length) == 0) {
            return true;
        }
    }
    return false;
}

/* Bytes of the first and of the last character. */
static inline size_t first_bytes(const char *text, size_t bytes)
{
    size_t n = bytes > 0;
    while (n < bytes && ((unsigned char)text[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

static inline size_t last_bytes(const char *text, size_t bytes)
{
    size_t n = 1;
    while (n < bytes && ((unsigned char)text[bytes - n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

/* The text without blanks of all kinds at its ends, which some added tokens take in. */
static inline const char *bare(const char *text, size_t *bytes)
{
    uint32_t c = 0;
    while (*bytes > 0 && ae_utf8_decode(text, &c) && ae_char_flags(c) & AE_CHAR_SPACE) {
        size_t n = first_bytes(text, *bytes);
        text += n;
        *bytes -= n;
    }
    while (*bytes > 0 && ae_utf8_decode(text + *bytes - last_bytes(text, *bytes), &c) &&
           ae_char_flags(c) & AE_CHAR_SPACE) {
        *bytes -= last_bytes(text, *bytes);
    }
    return text;
}

/* Whether token i of an encoding stands where it says. */
static inline bool offset_holds(offset_checker *k, const char *text, const ae_encoding *x, int64_t i)
{
    int32_t unknown = ae_tokenizer_role(k->t, AE_TOKEN_UNKNOWN);
    const char *slice = text + x->starts[i];
    size_t bytes = (size_t)(x->ends[i] - x->starts[i]);
    if (x->ids[i] == unknown) {
        return bytes > 0;
    }
    bool added = k->t->flags[x->ids[i]] & AE_FLAG_ADDED;
    slice = added && ae_utf8_is_valid(slice, bytes) ? bare(slice, &bytes) : slice;
    k->want.length = 0;
    spelled(k->t, x->ids[i], &k->want);
    plain_text(&k->want);
    if (k->want.length == 0 || equals(k, slice, bytes, added)) {
        return true;
    }
    if (!ae_utf8_is_valid(slice, bytes) && memmem("\xef\xbf\xbd", 3, k->want.data, k->want.length)) {
        return true; /* what is broken stands for U+FFFD, whatever the normalizer makes of that */
    }
    if (bytes == 0 || !k->t->normalizer.row || !holds(k, slice, bytes)) {
        return false;
    }
    if (first_bytes(k->slice.data, k->slice.length) == k->slice.length) {
        return true; /* all of it is one character, of which the token is a byte */
    }
    for (; bytes > 0 && *slice == ' '; slice++, bytes--) {
    }
    for (; bytes > 0 && slice[bytes - 1] == ' '; bytes--) {
    }
    size_t first = first_bytes(slice, bytes), last = last_bytes(slice, bytes);
    return (bytes == first || !holds(k, slice + first, bytes - first)) &&
           (bytes == last || !holds(k, slice, bytes - last));
}

/* The number of the first token of the text that stands elsewhere than it says, or -1; the tokens are in x. */
static inline int64_t offset_breach(offset_checker *k, const char *text, size_t bytes, ae_encoding *x)
{
    ae_err e = {0};
    k->valid = ae_utf8_is_valid(text, bytes);
    if (ae_tokenizer_encode(k->t, text, bytes, NULL, x, &e) != 0) {
        return 0;
    }
    for (int64_t i = 0; i < x->count; i++) {
        if (!offset_holds(k, text, x, i)) {
            return i;
        }
    }
    return -1;
}

#endif
