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
static const char *const dots[] = {"…", NULL}; /* behind a mark; by themselves they end nothing but a quotation */
static const char *const closing[] = {"\"", "'",  ")",  "]",  "}", "”",  "’", "」",
                                      "』", "）", "》", "】", "»", "〕", NULL};

/* The end of a run of further marks and of what closes there. */
static size_t past_marks(const char *text, size_t bytes, size_t at)
{
    for (;;) {
        size_t n = begins_with(text + at, bytes - at, wide_ends);
        n = n ? n : begins_with(text + at, bytes - at, closing);
        n = n ? n : begins_with(text + at, bytes - at, dots);
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

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_one_of(const char *word, size_t bytes, const char *const *list)
{
    for (; *list; list++) {
        if (strlen(*list) == bytes && memcmp(word, *list, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* Initials: one capital that is not the word I, or several with stops between, as in A.C. Bradley. */
static bool is_initials(const char *word, size_t bytes)
{
    static const char *const other[] = {"I", "U.S", "U.K", "U.N", "E.U", "D.C", "U.S.A", "A.M", "P.M", NULL};
    for (size_t i = 0; i < bytes; i++) {
        if (i % 2 == 0 ? !is_capital(word[i]) : word[i] != '.') {
            return false;
        }
    }
    return bytes % 2 == 1 && !is_one_of(word, bytes, other);
}

/* Whether the full stop at `at` belongs to an initial or an abbreviation, or, with only digits before it since `from`,
 * to a number in a list; `next` is the character behind the blanks that follow. */
static bool abbreviates(const char *text, size_t from, size_t at, char next)
{
    static const char *const known[] = {"Mr",  "Mrs", "Ms",   "Dr",  "Prof", "St",     "Jr",  "Sr",
                                        "Gen", "Col", "Capt", "Sen", "Rep",  "Gov",    "Rev", "Hon",
                                        "Lt",  "Sgt", "Maj",  "Cpl", "Pvt",  "Adm",    "Mme", "Mlle",
                                        "vs",  "Mt",  "e.g",  "i.e", "cf",   "Messrs", NULL};
    static const char *const numbered[] = {"No",  "Nos", "Art",  "p",   "pp",  "Fig", "Figs", "Vol",
                                           "Sec", "Ch",  "Eq",   "Jan", "Feb", "Mar", "Apr",  "Jun",
                                           "Jul", "Aug", "Sept", "Sep", "Oct", "Nov", "Dec",  NULL};
    size_t word = at, digits = at;
    while (word > from && (is_letter(text[word - 1]) || text[word - 1] == '.')) {
        word--;
    }
    while (digits > from && is_digit(text[digits - 1])) {
        digits--;
    }
    size_t n = at - word;
    return is_initials(text + word, n) || is_one_of(text + word, n, known) ||
           (is_digit(next) && is_one_of(text + word, n, numbered)) || (digits == from && at > from);
}

/* Whether a sentence that began at `from` ends at the ASCII mark at `at`, given where its run of marks ends. */
static bool ends_here(const char *text, size_t bytes, size_t from, size_t at, size_t end)
{
    if (end < bytes && ae_blank_length(text + end, bytes - end) == 0) {
        return text[at] != '.' && (unsigned char)text[end] >= 0x80;
    }
    size_t next = end, n;
    while (next < bytes && (n = ae_blank_length(text + next, bytes - next)) > 0) {
        next += n;
    }
    if (text[at] == '.' && end == at + 1 && next < bytes && abbreviates(text, from, at, text[next])) {
        return false;
    }
    return next == bytes || !(text[next] >= 'a' && text[next] <= 'z');
}

/* Bytes of Chinese dots that a closing quote follows, or 0. */
static size_t quoted_dots(const char *text, size_t bytes)
{
    static const char *const pair[] = {"……", NULL}, *const quotes[] = {"”", "」", "』", NULL};
    size_t n = begins_with(text, bytes, pair);
    return n > 0 && begins_with(text + n, bytes - n, quotes) ? n : 0;
}

/* The end of the sentence that begins at `from`. */
static size_t sentence_end(const char *text, size_t bytes, size_t from)
{
    for (size_t at = from; at < bytes; at++) {
        unsigned char c = (unsigned char)text[at];
        if (c == '.' || c == '!' || c == '?') {
            size_t end = past_marks(text, bytes, at + 1);
            if (ends_here(text, bytes, from, at, end)) {
                return end;
            }
        } else if (c == 0xe3 || c == 0xef || c == 0xe0 || c == 0xdb || c == 0xd8 || c == 0xe2) {
            size_t n = begins_with(text + at, bytes - at, wide_ends);
            n = n > 0 ? n : quoted_dots(text + at, bytes - at);
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
