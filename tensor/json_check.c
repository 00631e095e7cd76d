#include "tensor/json_check.h"

#include "tensor/utf8_check.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEEPEST = 512,      /* cJSON itself recurses up to 1000 */
    LONGEST_NUMBER = 63 /* what cJSON 1.7 reads of a number */
};

int ae_json_err_at(ae_err *e, const char *text, size_t offset, ae_code code, const char *format, ...)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            line++;
            column = 1;
        } else if ((text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    char message[AE_ERR_MESSAGE_MAX / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return ae_err_set(e, code, "line %d, column %d: %s", line, column, message);
}

static int defect(ae_json_scan *s, size_t offset, const char *what)
{
    return ae_json_err_at(s->e, s->text, offset, AE_E_FORMAT, "%s", what);
}

static char peek(const ae_json_scan *s)
{
    return s->at < s->length ? s->text[s->at] : '\0';
}

static void skip_space(ae_json_scan *s)
{
    while (s->at < s->length && memchr(" \t\r\n", s->text[s->at], 4)) {
        s->at++;
    }
}

/* Four hexadecimal digits at `at`, or -1. */
static int hex4(const ae_json_scan *s, size_t at)
{
    int value = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = i < s->length ? s->text[i] : '\0';
        if (c >= '0' && c <= '9') {
            value = value * 16 + (c - '0');
        } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
            value = value * 16 + ((c | 32) - 'a' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

/* Notes an escaped zero byte, at which a C string would end. */
static int keep_zero(ae_json_scan *s, size_t offset)
{
    if (s->zeros_count == s->zeros_capacity) {
        size_t capacity = s->zeros_capacity ? s->zeros_capacity * 2 : 64;
        size_t *zeros = realloc(s->zeros, capacity * sizeof *zeros);
        if (!zeros) {
            return ae_err_set(s->e, AE_E_MEMORY, "no memory for %zu zero bytes", capacity);
        }
        s->zeros = zeros;
        s->zeros_capacity = capacity;
    }
    s->zeros[s->zeros_count++] = offset;
    return 0;
}

/* Moves over the escape that begins at s->at. */
static int scan_escape(ae_json_scan *s)
{
    size_t start = s->at;
    char c = start + 1 < s->length ? s->text[start + 1] : '\0';
    if (c != '\0' && strchr("\"\\/bfnrt", c)) {
        s->at += 2;
        return 0;
    }
    if (c != 'u') {
        return defect(s, start, "an escape that JSON does not have; a backslash itself is written \\\\");
    }
    int unit = hex4(s, start + 2);
    if (unit < 0) {
        return defect(s, start, "\\u needs four hexadecimal digits");
    }
    s->at += 6;
    if (unit == 0) {
        return keep_zero(s, start);
    }
    if (unit >= 0xdc00 && unit <= 0xdfff) {
        return defect(s, start, "the second half of a surrogate pair without its first half");
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        bool pair = s->at + 1 < s->length && s->text[s->at] == '\\' && s->text[s->at + 1] == 'u';
        int second = pair ? hex4(s, s->at + 2) : -1;
        if (second < 0xdc00 || second > 0xdfff) {
            return defect(s, start, "the first half of a surrogate pair without its second half");
        }
        s->at += 6;
    }
    return 0;
}

static int scan_string(ae_json_scan *s)
{
    size_t start = s->at++;
    while (s->at < s->length) {
        unsigned char c = (unsigned char)s->text[s->at];
        if (c == '"') {
            s->at++;
            return 0;
        }
        if (c == '\\') {
            if (scan_escape(s) != 0) {
                return -1;
            }
        } else if (c < 0x20) {
            return defect(s, s->at, "a control character (a line end?) inside a string; write it as an escape");
        } else {
            int bytes = ae_utf8_length(s->text + s->at, s->length - s->at);
            if (bytes == 0) {
                return defect(s, s->at, "invalid UTF-8 in a string");
            }
            s->at += (size_t)bytes;
        }
    }
    return defect(s, start, "a string without its closing quote");
}

static size_t scan_digits(ae_json_scan *s)
{
    size_t start = s->at;
    while (peek(s) >= '0' && peek(s) <= '9') {
        s->at++;
    }
    return s->at - start;
}

static int keep_digits(ae_json_scan *s, size_t offset, size_t length)
{
    if (s->digits_count == s->digits_capacity) {
        size_t capacity = s->digits_capacity ? s->digits_capacity * 2 : 64;
        ae_json_digits *digits = realloc(s->digits, capacity * sizeof *digits);
        if (!digits) {
            return ae_err_set(s->e, AE_E_MEMORY, "no memory for %zu numbers", capacity);
        }
        s->digits = digits;
        s->digits_capacity = capacity;
    }
    s->digits[s->digits_count++] = (ae_json_digits){s->numbers, offset, length};
    return 0;
}

static int scan_number(ae_json_scan *s)
{
    size_t start = s->at;
    bool fraction = false;
    if (peek(s) == '-') {
        s->at++;
    }
    bool zero = peek(s) == '0';
    size_t digits = scan_digits(s);
    if (digits == 0) {
        return defect(s, start, "a number needs digits after its sign (NaN and Infinity are not JSON)");
    }
    if (zero && digits > 1) {
        return defect(s, start, "a number with a leading zero");
    }
    if (peek(s) == '.') {
        fraction = true;
        s->at++;
        if (scan_digits(s) == 0) {
            return defect(s, start, "a number needs digits after its point");
        }
    }
    if ((peek(s) | 32) == 'e') {
        fraction = true;
        s->at++;
        if (peek(s) == '+' || peek(s) == '-') {
            s->at++;
        }
        if (scan_digits(s) == 0) {
            return defect(s, start, "a number needs digits in its exponent");
        }
    }
    if (s->at - start > LONGEST_NUMBER) {
        return defect(s, start, "a number of more than 63 characters");
    }
    bool minus_zero = zero && s->text[start] == '-';
    if ((fraction || digits > 15 || minus_zero) && keep_digits(s, start, s->at - start) != 0) {
        return -1;
    }
    s->numbers++;
    return 0;
}

static int scan_word(ae_json_scan *s, const char *word)
{
    size_t n = strlen(word);
    if (s->length - s->at < n || memcmp(s->text + s->at, word, n) != 0) {
        return defect(s, s->at, "a word that JSON does not have; true, false and null are all there are");
    }
    s->at += n;
    return 0;
}

static int scan_value(ae_json_scan *s);

static int scan_key(ae_json_scan *s)
{
    if (peek(s) != '"') {
        return defect(s, s->at, peek(s) == '}' ? "a comma before the closing brace" : "a key in quotes is needed here");
    }
    if (s->keys == INT_MAX) {
        return defect(s, s->at, "too many keys");
    }
    if (s->keys++ == s->wanted_key) {
        s->wanted_offset = s->at;
    }
    if (scan_string(s) != 0) {
        return -1;
    }
    skip_space(s);
    if (peek(s) != ':') {
        return defect(s, s->at, "a colon is needed after a key");
    }
    s->at++;
    return 0;
}

/* Moves over an array or object; s->at is its opening bracket. */
static int scan_container(ae_json_scan *s)
{
    size_t start = s->at++;
    bool object = s->text[start] == '{';
    char closing = object ? '}' : ']';
    if (++s->depth > DEEPEST) {
        return defect(s, start, "nested deeper than 512 levels");
    }
    skip_space(s);
    bool empty = peek(s) == closing && s->at < s->length;
    while (!empty) {
        skip_space(s);
        if ((object && scan_key(s) != 0) || scan_value(s) != 0) {
            return -1;
        }
        skip_space(s);
        if (peek(s) == closing) {
            break;
        }
        if (s->at >= s->length) {
            return defect(s, start,
                          object ? "an object without its closing brace" : "an array without its closing bracket");
        }
        if (peek(s) != ',') {
            return defect(s, s->at,
                          object ? "a comma or a closing brace is needed here"
                                 : "a comma or a closing bracket is needed here");
        }
        s->at++;
    }
    s->at++;
    s->depth--;
    return 0;
}

static int scan_value(ae_json_scan *s)
{
    skip_space(s);
    if (s->at >= s->length) {
        return defect(s, s->at, "the text ends where a value is needed");
    }
    char c = peek(s);
    if (c == '{' || c == '[') {
        return scan_container(s);
    }
    if (c == '"') {
        return scan_string(s);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return scan_number(s);
    }
    if (c == 't' || c == 'f' || c == 'n') {
        return scan_word(s, c == 't' ? "true" : c == 'f' ? "false" : "null");
    }
    return defect(s, s->at, c == ']' ? "a comma before the closing bracket" : "a value is needed here");
}

static int scan_all(ae_json_scan *s)
{
    if (s->length >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0) {
        s->at = 3;
    }
    if (scan_value(s) != 0) {
        return -1;
    }
    skip_space(s);
    return s->at == s->length ? 0 : defect(s, s->at, "text after the end of the value");
}

int ae_json_scan_text(ae_json_scan *s, const char *text, size_t length, ae_err *e)
{
    *s = (ae_json_scan){.text = text, .length = length, .wanted_key = -1, .e = e};
    int result = scan_all(s);
    if (result != 0) {
        free(s->digits);
        free(s->zeros);
        s->digits = NULL;
        s->zeros = NULL;
    }
    return result;
}

size_t ae_json_key_offset(const char *text, size_t length, int key)
{
    ae_json_scan s = {.text = text, .length = length, .wanted_key = key};
    scan_all(&s);
    free(s.digits);
    free(s.zeros);
    return s.wanted_offset;
}
