#include "datasets/sentence_cut.h"

#include <string.h>

size_t ae_blank_length(const char *text, size_t bytes)
{
    if (bytes > 0 && (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r'))) {
        return 1;
    }
    if (bytes > 1 && memcmp(text, "\xc2\xa0", 2) == 0) {
        return 2;
    }
    return bytes > 2 && memcmp(text, "\xe3\x80\x80", 3) == 0 ? 3 : 0;
}

bool ae_is_blank(const char *text, size_t bytes)
{
    for (size_t n; bytes > 0; text += n, bytes -= n) {
        n = ae_blank_length(text, bytes);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

/* Bytes of the first of the strings that the text begins with, or 0. */
static size_t begins_with(const char *text, size_t bytes, const char *const *strings)
{
    for (; *strings; strings++) {
        size_t n = strlen(*strings);
        if (n <= bytes && memcmp(text, *strings, n) == 0) {
            return n;
        }
    }
    return 0;
}

static const char *const wide_ends[] = {"。", "！", "？", "｡", "।", "۔", "؟", "‼", "⁇", "⁈", "⁉", NULL};
static const char *const closing[] = {"\"", "'",  ")",  "]",  "}", "”",  "’", "」",
                                      "』", "）", "》", "】", "»", "〕", NULL};

/* The end of a run of further marks and of what closes there. */
static size_t past_marks(const char *text, size_t bytes, size_t at)
{
    for (;;) {
        size_t n = begins_with(text + at, bytes - at, wide_ends);
        n = n ? n : begins_with(text + at, bytes - at, closing);
        if (n == 0 && at < bytes && (text[at] == '.' || text[at] == '!' || text[at] == '?')) {
            n = 1;
        }
        if (n == 0) {
            return at;
        }
        at += n;
    }
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether the full stop at `at` belongs to an initial or an abbreviation. */
static bool abbreviates(const char *text, size_t at)
{
    static const char *const known[] = {"Mr",  "Mrs", "Ms",  "Dr",  "Prof", "St", "Jr", "Sr",  "Gen", "Col", "Capt",
                                        "Sen", "Rep", "Gov", "Rev", "vs",   "No", "Mt", "e.g", "i.e", "cf",  NULL};
    size_t from = at;
    while (from > 0 && (is_letter(text[from - 1]) || text[from - 1] == '.')) {
        from--;
    }
    size_t n = at - from;
    if (n == 1 && text[from] >= 'A' && text[from] <= 'Z' && text[from] != 'I') {
        return true;
    }
    for (const char *const *k = known; *k; k++) {
        if (strlen(*k) == n && memcmp(text + from, *k, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether a sentence ends at the ASCII mark at `at`, given where its run of marks ends. */
static bool ends_here(const char *text, size_t bytes, size_t at, size_t end)
{
    if (end < bytes && ae_blank_length(text + end, bytes - end) == 0) {
        return text[at] != '.' && (unsigned char)text[end] >= 0x80;
    }
    if (text[at] == '.' && end == at + 1 && abbreviates(text, at)) {
        return false;
    }
    size_t next = end, n;
    while (next < bytes && (n = ae_blank_length(text + next, bytes - next)) > 0) {
        next += n;
    }
    return next == bytes || !(text[next] >= 'a' && text[next] <= 'z');
}

/* The end of the sentence that begins at `from`. */
static size_t sentence_end(const char *text, size_t bytes, size_t from)
{
    for (size_t at = from; at < bytes; at++) {
        unsigned char c = (unsigned char)text[at];
        if (c == '.' || c == '!' || c == '?') {
            size_t end = past_marks(text, bytes, at + 1);
            if (ends_here(text, bytes, at, end)) {
                return end;
            }
        } else if (c == 0xe3 || c == 0xef || c == 0xe0 || c == 0xdb || c == 0xd8 || c == 0xe2) {
            size_t n = begins_with(text + at, bytes - at, wide_ends);
            if (n > 0) {
                return past_marks(text, bytes, at + n);
            }
        }
    }
    return bytes;
}

bool ae_next_sentence(const char *text, size_t bytes, size_t *at, size_t *from, size_t *length)
{
    size_t n;
    while (*at < bytes && (n = ae_blank_length(text + *at, bytes - *at)) > 0) {
        *at += n;
    }
    if (*at == bytes) {
        return false;
    }
    *from = *at;
    *at = sentence_end(text, bytes, *from);
    *length = *at - *from;
    return true;
}
