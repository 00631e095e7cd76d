/* The dictionaries of segmenters: lines "word frequency tag". */
#include "tokenizers/segmenter_internal.h"

#include "tensor/byte_buffer.h"
#include "tensor/input_file.h"
#include "tensor/utf8_check.h"
#include "tokenizers/vocab.h"

#include <stdlib.h>

#define MOST_FREQUENT 1000000000000 /* of one line, far beyond every list of words */

typedef struct dictionary_line {
    const char *word;
    size_t bytes;
    int64_t frequency; /* -1: not given */
} dictionary_line;

/* A piece of a line; text NULL: there is none. */
typedef struct field {
    const char *text;
    size_t bytes;
} field;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the last field off a line; the line keeps what stands before, without the blanks between. */
static field take_last(field *line)
{
    size_t end = line->bytes;
    while (end > 0 && is_blank(line->text[end - 1])) {
        end--;
    }
    size_t start = end;
    while (start > 0 && !is_blank(line->text[start - 1])) {
        start--;
    }
    field last = {end > 0 ? line->text + start : NULL, end - start};
    while (start > 0 && is_blank(line->text[start - 1])) {
        start--;
    }
    line->bytes = start;
    return last;
}

/* The number that a field is, -1 when it is none, MOST_FREQUENT + 1 when it is too large. */
static int64_t number_of(field f)
{
    int64_t value = 0;
    for (size_t i = 0; i < f.bytes; i++) {
        if (f.text[i] < '0' || f.text[i] > '9') {
            return -1;
        }
        value = value > MOST_FREQUENT ? value : 10 * value + (f.text[i] - '0');
    }
    return f.bytes > 0 ? value > MOST_FREQUENT ? MOST_FREQUENT + 1 : value : -1;
}

static bool is_tag(field f)
{
    for (size_t i = 0; i < f.bytes; i++) {
        if (f.text[i] < 'a' || f.text[i] > 'z') {
            return false;
        }
    }
    return f.bytes > 0;
}

/* What a line says, told from its end: a frequency there, or a tag with or without one before it, or the word alone.
 * Words with blanks inside are found in no text, but count. */
static int read_fields(field line, dictionary_line *out, ae_err *e)
{
    field whole = line, last = take_last(&line), before = line, second = take_last(&before);
    int64_t frequency = number_of(last), earlier = number_of(second);
    if (line.bytes > 0 && frequency >= 0) {
        *out = (dictionary_line){line.text, line.bytes, frequency};
    } else if (before.bytes > 0 && earlier >= 0) {
        *out = (dictionary_line){before.text, before.bytes, earlier};
    } else if (line.bytes == 0 || (before.bytes == 0 && is_tag(last))) {
        field word = line.bytes == 0 ? last : second;
        *out = (dictionary_line){word.text, word.bytes, -1};
    } else {
        return ae_err_set(e, AE_E_FORMAT,
                          "\"%.*s\" is no line of a dictionary, such as \"\xe7\x8b\x90\xe7\x8b\xb8 120 n\"",
                          (int)(whole.bytes < 60 ? whole.bytes : 60), whole.text);
    }
    return out->frequency <= MOST_FREQUENT
               ? 0
               : ae_err_set(e, AE_E_VALUE, "a frequency is above %lld", (long long)MOST_FREQUENT);
}

/* The frequency that makes a word stay one: one more than the product of the probabilities of the words that it falls
 * into now would give it. */
static int suggest(const ae_segmenter *s, dictionary_line *line, ae_segments *cut, ae_err *e)
{
    if (ae_segmenter_cut(s, line->word, line->bytes, cut, e) != 0) {
        return -1;
    }
    double part = 1;
    size_t start = 0;
    for (int64_t i = 0; i < cut->count; start = cut->ends[i++]) {
        part *= (double)ae_segmenter_frequency(s, line->word + start, cut->ends[i] - start) / (double)s->total;
    }
    int64_t own = ae_segmenter_frequency(s, line->word, line->bytes);
    int64_t wanted = s->total > 0 ? (int64_t)(part * (double)s->total) + 1 : 1;
    line->frequency = wanted > own ? wanted : own;
    return 0;
}

static int read_line(ae_segmenter *s, field text, ae_segments *cut, ae_err *e)
{
    dictionary_line line;
    if (!ae_utf8_is_valid(text.text, text.bytes)) {
        return ae_err_set(e, AE_E_FORMAT, "is not valid UTF-8");
    }
    while (text.bytes > 0 && is_blank(*text.text)) {
        text.text++;
        text.bytes--;
    }
    field rest = text;
    if (!take_last(&rest).text) {
        return 0; /* an empty line */
    }
    if (read_fields(text, &line, e) != 0 || (line.frequency < 0 && suggest(s, &line, cut, e) != 0)) {
        return -1;
    }
    if (s->total > INT64_MAX - line.frequency) {
        return ae_err_set(e, AE_E_VALUE, "the frequencies sum up to more than 63 bits hold");
    }
    return ae_segmenter_add(s, line.word, line.bytes, line.frequency) == 0
               ? 0
               : ae_err_set(e, AE_E_MEMORY, "no memory for %lld words", (long long)s->words);
}

static int read_lines(ae_segmenter *s, const ae_bytes *text, ae_err *e)
{
    const char *p = text->length > 0 ? text->data : "", *end = p + text->length;
    ae_segments cut = {0};
    int status = 0;
    if (text->length >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
    }
    for (long long number = 1; p < end && status == 0; number++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        status = read_line(s, (field){p, (size_t)(stop - p)}, &cut, e);
        if (status != 0) {
            ae_err_prefix(e, "line %lld", number);
        }
        p = stop + 1;
    }
    ae_segments_free(&cut);
    return status;
}

static int read_file(ae_segmenter *s, const char *path, ae_err *e)
{
    ae_bytes text = {0};
    int status = ae_input_read_all(path, &text, e);
    if (status == 0) {
        uint64_t both[2] = {s->hash, ae_hash_bytes(text.data, text.length)};
        s->hash = ae_hash_bytes(both, sizeof both);
        status = text.length > 0 ? read_lines(s, &text, e) : 0;
        if (status != 0) {
            ae_err_prefix(e, "%s", path);
        }
    }
    ae_bytes_free(&text);
    return status;
}

ae_segmenter *ae_segmenter_open(const char *const *paths, int n, ae_err *e)
{
    ae_segmenter *s = ae_segmenter_new();
    int status = s ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for a dictionary");
    for (int i = 0; i < n && status == 0; i++) {
        status = read_file(s, paths[i], e);
    }
    if (status == 0 && s->words == 0) {
        status = ae_err_set(e, AE_E_FORMAT,
                            "%s: no line has a word with a frequency, as \"\xe7\x8b\x90\xe7\x8b\xb8 120 n\" has",
                            n > 0 ? paths[0] : "a dictionary");
    }
    if (status != 0) {
        ae_segmenter_free(s);
        return NULL;
    }
    return s;
}
