/* Decoders: the strings of tokens become the strings whose concatenation is the text. */
#include "tokenizers/byte_letters.h"
#include "tokenizers/component.h"
#include "tokenizers/pattern.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* ---- strings ---------------------------------------------------------------------------------------------------------- */

void ae_strings_extend(ae_strings *s, const char *bytes, size_t length)
{
    if ((s->used + length > s->room || !s->bytes) && !s->failed) {
        size_t room = 2 * s->room + length + 256;
        char *p = realloc(s->bytes, room);
        s->failed = !p;
        s->bytes = p ? p : s->bytes;
        s->room = p ? room : s->room;
    }
    if (!s->failed && length > 0) {
        memcpy(s->bytes + s->used, bytes, length);
        s->used += length;
        s->at[s->count - 1].length += length;
    }
}

void ae_strings_add(ae_strings *s, const char *bytes, size_t length)
{
    if (s->count == s->count_room && !s->failed) {
        size_t room = 2 * s->count_room + 64;
        struct ae_string *at = realloc(s->at, room * sizeof *at);
        s->failed = !at;
        s->at = at ? at : s->at;
        s->count_room = at ? room : s->count_room;
    }
    if (!s->failed) {
        s->at[s->count++] = (struct ae_string){s->used, 0};
        ae_strings_extend(s, bytes, length);
    }
}

void ae_strings_free(ae_strings *s)
{
    free(s->bytes);
    free(s->at);
    *s = (ae_strings){0};
}

static bool begins_with(const char *bytes, size_t length, const char *prefix, size_t n)
{
    return n > 0 && length >= n && memcmp(bytes, prefix, n) == 0;
}

static char *need_copy(const ae_json *object, const char *key, const char *otherwise, ae_err *e)
{
    ae_err local = {0};
    const char *text = ae_json_string(object, key, otherwise, &local);
    char *copy = local.code ? NULL : strdup(text);
    if (!copy) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
    }
    return copy;
}

/* ---- WordPiece -------------------------------------------------------------------------------------------------------- */

typedef struct word_piece {
    char *prefix;
    bool cleanup;
} word_piece;

static void word_piece_free(void *self)
{
    word_piece *d = self;
    free(d->prefix);
    free(d);
}

static void *word_piece_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    bool cleanup = ae_json_bool(object, "cleanup", true, &local);
    char *prefix = local.code ? NULL : need_copy(object, "prefix", "##", &local);
    word_piece *d = prefix ? malloc(sizeof *d) : NULL;
    if (!d) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        free(prefix);
        return NULL;
    }
    *d = (word_piece){prefix, cleanup};
    return d;
}

static int word_piece_to_json(const void *self, ae_json *object)
{
    const word_piece *d = self;
    ae_json_set_string(object, "prefix", d->prefix);
    return ae_json_set_bool(object, "cleanup", d->cleanup);
}

/* The blanks that English does not have: " ." " n't" and so on; replaced one after the other in each string. */
static const char *const untidy[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

void ae_strings_replace(ae_strings *s, const char *what, const char *with)
{
    if (s->failed || s->count == 0) {
        return;
    }
    struct ae_string *last = &s->at[s->count - 1];
    char *text = s->bytes + last->offset;
    size_t n = strlen(what), m = strlen(with), length = last->length, out = 0;
    for (size_t i = 0; i < length && n > 0;) {
        if (length - i >= n && memcmp(text + i, what, n) == 0) {
            memcpy(text + out, with, m);
            out += m;
            i += n;
        } else {
            text[out++] = text[i++];
        }
    }
    if (n > 0) {
        s->used = last->offset + out;
        last->length = out;
    }
}

void ae_strings_tidy(ae_strings *s)
{
    for (size_t i = 0; i < sizeof untidy / sizeof *untidy; i++) {
        ae_strings_replace(s, untidy[i][0], untidy[i][1]);
    }
}

static void word_piece_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    const word_piece *d = self;
    size_t prefix = strlen(d->prefix);
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        const char *bytes = in->bytes + in->at[i].offset;
        size_t length = in->at[i].length;
        bool goes_on = i > 0 && (prefix == 0 || begins_with(bytes, length, d->prefix, prefix));
        ae_strings_add(out, i > 0 && !goes_on ? " " : "", i > 0 && !goes_on);
        ae_strings_extend(out, bytes + (goes_on ? prefix : 0), length - (goes_on ? prefix : 0));
        if (d->cleanup) {
            ae_strings_tidy(out);
        }
    }
}

const ae_decoder_row ae_decoder_word_piece = {{"WordPiece", word_piece_from_json, word_piece_to_json, word_piece_free},
                                              word_piece_apply};

/* ---- ByteLevel -------------------------------------------------------------------------------------------------------- */

/* Adds the bytes of a token's letters; of one with other letters, the token as it is. */
static void add_bytes(ae_strings *out, const char *bytes, size_t length)
{
    bool letters = true;
    for (size_t i = 0; i < length && letters;) {
        uint32_t c = 0;
        i += (size_t)ae_utf8_decode(bytes + i, &c);
        letters = ae_character_byte(c) >= 0;
    }
    if (!letters) {
        ae_strings_extend(out, bytes, length);
        return;
    }
    for (size_t i = 0; i < length;) {
        uint32_t c = 0;
        i += (size_t)ae_utf8_decode(bytes + i, &c);
        char byte = (char)ae_character_byte(c);
        ae_strings_extend(out, &byte, 1);
    }
}

/* Invalid UTF-8 becomes U+FFFD, as every decoder of Unicode has it. */
static void add_valid(ae_strings *out, const char *bytes, size_t length)
{
    ae_strings_add(out, "", 0);
    for (size_t i = 0; i < length && !out->failed;) {
        size_t n = ae_utf8_valid(bytes + i, length - i);
        ae_strings_extend(out, bytes + i, n);
        i += n;
        if (i < length) {
            ae_strings_extend(out, "\xef\xbf\xbd", 3);
            i += ae_utf8_broken(bytes + i, length - i);
        }
    }
}

static void byte_level_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    (void)self;
    ae_strings whole = {0};
    ae_strings_add(&whole, "", 0);
    for (size_t i = 0; i < in->count && !whole.failed; i++) {
        add_bytes(&whole, in->bytes + in->at[i].offset, in->at[i].length);
    }
    if (!whole.failed) {
        add_valid(out, whole.bytes, whole.used);
    }
    out->failed = out->failed || whole.failed;
    ae_strings_free(&whole);
}

/* The parameters mean something to the other stages of this name only; they are kept as they came. */
typedef struct byte_level {
    bool add_prefix_space, trim_offsets, use_regex;
} byte_level;

static void *byte_level_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    byte_level parsed = {ae_json_bool(object, "add_prefix_space", true, &local),
                         ae_json_bool(object, "trim_offsets", true, &local),
                         ae_json_bool(object, "use_regex", true, &local)};
    byte_level *d = local.code ? NULL : malloc(sizeof *d);
    if (!d) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        return NULL;
    }
    *d = parsed;
    return d;
}

static int byte_level_to_json(const void *self, ae_json *object)
{
    const byte_level *d = self;
    ae_json_set_bool(object, "add_prefix_space", d->add_prefix_space);
    ae_json_set_bool(object, "trim_offsets", d->trim_offsets);
    return ae_json_set_bool(object, "use_regex", d->use_regex);
}

const ae_decoder_row ae_decoder_byte_level = {{"ByteLevel", byte_level_from_json, byte_level_to_json, NULL},
                                              byte_level_apply};

/* ---- BPEDecoder: the suffix of words becomes a blank -------------------------------------------------------------------- */

static void *bpe_from_json(const ae_json *object, ae_err *e)
{
    return need_copy(object, "suffix", "</w>", e);
}

static int bpe_to_json(const void *self, ae_json *object)
{
    return ae_json_set_string(object, "suffix", self);
}

static void bpe_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    const char *suffix = self;
    size_t n = strlen(suffix);
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        const char *bytes = in->bytes + in->at[i].offset;
        size_t length = in->at[i].length;
        ae_strings_add(out, "", 0);
        for (size_t k = 0; k < length && !out->failed;) {
            bool here = begins_with(bytes + k, length - k, suffix, n);
            ae_strings_extend(out, here ? " " : bytes + k, here ? i + 1 < in->count : 1);
            k += here ? n : 1;
        }
    }
}

const ae_decoder_row ae_decoder_bpe = {{"BPEDecoder", bpe_from_json, bpe_to_json, NULL}, bpe_apply};

/* ---- ByteFallback: <0xE4> <0xB8> <0xAD> ---------------------------------------------------------------------------------- */

static int hex_byte(const char *bytes, size_t length)
{
    if (length != 6 || memcmp(bytes, "<0x", 3) != 0 || bytes[5] != '>') {
        return -1;
    }
    int value = 0;
    for (int i = 3; i < 5; i++) {
        char c = bytes[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = 16 * value + digit;
    }
    return value;
}

/* A run of bytes that is no valid text becomes one U+FFFD a byte. */
static void byte_fallback_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    (void)self;
    ae_strings run = {0};
    for (size_t i = 0; i <= in->count && !out->failed && !run.failed; i++) {
        int byte = i < in->count ? hex_byte(in->bytes + in->at[i].offset, in->at[i].length) : -1;
        if (byte >= 0) {
            char c = (char)byte;
            ae_strings_add(&run, &c, 1);
            continue;
        }
        if (run.count > 0 && ae_utf8_valid(run.bytes, run.used) == run.used) {
            ae_strings_add(out, run.bytes, run.used);
        } else {
            for (size_t k = 0; k < run.count; k++) {
                ae_strings_add(out, "\xef\xbf\xbd", 3);
            }
        }
        run.used = run.count = 0;
        if (i < in->count) {
            ae_strings_add(out, in->bytes + in->at[i].offset, in->at[i].length);
        }
    }
    out->failed = out->failed || run.failed;
    ae_strings_free(&run);
}

const ae_decoder_row ae_decoder_byte_fallback = {{"ByteFallback", NULL, NULL, NULL}, byte_fallback_apply};

/* ---- Fuse --------------------------------------------------------------------------------------------------------------- */

static void fuse_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    (void)self;
    ae_strings_add(out, "", 0);
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        ae_strings_extend(out, in->bytes + in->at[i].offset, in->at[i].length);
    }
}

const ae_decoder_row ae_decoder_fuse = {{"Fuse", NULL, NULL, NULL}, fuse_apply};

/* ---- Strip: up to `start` of a character at the front of each string, up to `stop` at its end ------------------------------ */

typedef struct strip {
    char *content;
    int64_t start, stop;
} strip;

static void strip_free(void *self)
{
    strip *d = self;
    free(d->content);
    free(d);
}

static void *strip_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    int64_t start = ae_json_int(object, "start", 0, &local), stop = ae_json_int(object, "stop", 0, &local);
    const char *content = local.code ? NULL : ae_json_need_string(object, "content", &local);
    if (content && ae_utf8_count(content, strlen(content)) != 1) {
        ae_err_set(&local, AE_E_VALUE, "\"content\" must be one character");
    }
    char *copy = local.code ? NULL : strdup(content);
    strip *d = copy ? malloc(sizeof *d) : NULL;
    if (!d) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        free(copy);
        return NULL;
    }
    *d = (strip){copy, start, stop};
    return d;
}

static int strip_to_json(const void *self, ae_json *object)
{
    const strip *d = self;
    ae_json_set_string(object, "content", d->content);
    ae_json_set_int(object, "start", d->start);
    return ae_json_set_int(object, "stop", d->stop);
}

static void strip_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    const strip *d = self;
    size_t n = strlen(d->content);
    for (size_t i = 0; i < in->count; i++) {
        const char *bytes = in->bytes + in->at[i].offset;
        size_t length = in->at[i].length;
        for (int64_t k = 0; k < d->start && begins_with(bytes, length, d->content, n); k++) {
            bytes += n;
            length -= n;
        }
        for (int64_t k = 0; k < d->stop && length >= n && memcmp(bytes + length - n, d->content, n) == 0; k++) {
            length -= n;
        }
        ae_strings_add(out, bytes, length);
    }
}

const ae_decoder_row ae_decoder_strip = {{"Strip", strip_from_json, strip_to_json, strip_free}, strip_apply};

/* ---- Replace -------------------------------------------------------------------------------------------------------------- */

typedef struct replace {
    ae_pattern pattern;
    char *content;
} replace;

static void replace_free(void *self)
{
    replace *d = self;
    ae_pattern_free(&d->pattern);
    free(d->content);
    free(d);
}

static void *replace_from_json(const ae_json *object, ae_err *e)
{
    ae_pattern pattern = {0};
    const char *content = ae_json_need_string(object, "content", e);
    if (!content || ae_pattern_from_json(ae_json_get(object, "pattern"), &pattern, e) != 0) {
        return NULL;
    }
    char *copy = strdup(content);
    replace *d = copy ? malloc(sizeof *d) : NULL;
    if (!d) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        ae_pattern_free(&pattern);
        free(copy);
        return NULL;
    }
    *d = (replace){pattern, copy};
    return d;
}

static int replace_to_json(const void *self, ae_json *object)
{
    const replace *d = self;
    ae_json_set(object, "pattern", ae_pattern_json(&d->pattern));
    return ae_json_set_string(object, "content", d->content);
}

static void replace_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    const replace *d = self;
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        const char *bytes = in->bytes + in->at[i].offset;
        size_t length = in->at[i].length, at = 0, start = 0, end = 0;
        ae_strings_add(out, "", 0);
        ae_matches m = ae_pattern_begin(&d->pattern, bytes, length);
        ae_match found = AE_MATCH_NONE;
        while ((found = ae_pattern_next(&m, &start, &end)) == AE_MATCH_FOUND) {
            ae_strings_extend(out, bytes + at, start - at);
            ae_strings_extend(out, d->content, strlen(d->content));
            at = end;
        }
        ae_pattern_end(&m);
        out->failed = out->failed || found < 0;
        out->gave_up = out->gave_up || found == AE_MATCH_GAVE_UP;
        ae_strings_extend(out, bytes + at, length - at);
    }
}

const ae_decoder_row ae_decoder_replace = {{"Replace", replace_from_json, replace_to_json, replace_free},
                                           replace_apply};

/* ---- Sequence ------------------------------------------------------------------------------------------------------------- */

static void *sequence_from_json(const ae_json *object, ae_err *e)
{
    return ae_sequence_from_json(object, "decoders", ae_decoder_from_json, e);
}

static int sequence_to_json(const void *self, ae_json *object)
{
    return ae_sequence_to_json(self, "decoders", object);
}

static void sequence_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    const ae_sequence *s = self;
    ae_strings now = {0};
    for (size_t i = 0; i < in->count; i++) {
        ae_strings_add(&now, in->bytes + in->at[i].offset, in->at[i].length);
    }
    for (int i = 0; i < s->count && !now.failed; i++) {
        ae_strings next = {0};
        ((const ae_decoder_row *)s->items[i].row)->apply(s->items[i].self, &now, &next);
        ae_strings_free(&now);
        now = next;
    }
    for (size_t i = 0; i < now.count && !now.failed; i++) {
        ae_strings_add(out, now.bytes + now.at[i].offset, now.at[i].length);
    }
    out->failed = out->failed || now.failed;
    out->gave_up = out->gave_up || now.gave_up;
    ae_strings_free(&now);
}

const ae_decoder_row ae_decoder_sequence = {{"Sequence", sequence_from_json, sequence_to_json, ae_sequence_free},
                                            sequence_apply};
