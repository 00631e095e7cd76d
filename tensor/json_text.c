#include "tensor/json_internal.h"

#include "tensor/byte_buffer.h"
#include "tensor/utf8_check.h"

#include <stdlib.h>
#include <string.h>

/* The letter of a character's short escape, or 0. */
static char escape_letter(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static void write_string(ae_bytes *b, const char *s)
{
    size_t length = strlen(s);
    ae_bytes_u8(b, '"');
    for (size_t at = 0; at < length;) {
        unsigned char c = (unsigned char)s[at];
        int bytes = ae_utf8_length(s + at, length - at);
        if (escape_letter(c)) {
            ae_bytes_printf(b, "\\%c", escape_letter(c));
        } else if (c < 0x20) {
            ae_bytes_printf(b, "\\u%04x", c);
        } else if (bytes == 0 && memcmp(s + at, AE_JSON_ZERO, 2) == 0) {
            ae_bytes_add_text(b, "\\u0000");
            bytes = 2;
        } else if (bytes == 0) {
            ae_bytes_add_text(b, "\xef\xbf\xbd");
        } else {
            ae_bytes_add(b, s + at, (size_t)bytes);
        }
        at += bytes > 0 ? (size_t)bytes : 1;
    }
    ae_bytes_u8(b, '"');
}

static bool is_container(const ae_json *j)
{
    return ae_json_type_of(j) == AE_JSON_ARRAY || ae_json_type_of(j) == AE_JSON_OBJECT;
}

/* Objects and arrays of containers stand on several lines, arrays of plain values on one. */
static bool is_tall(const ae_json *j)
{
    if (ae_json_type_of(j) == AE_JSON_OBJECT) {
        return ae_json_first(j) != NULL;
    }
    for (const ae_json *m = ae_json_first(j); m; m = ae_json_next(m)) {
        if (is_container(m)) {
            return true;
        }
    }
    return false;
}

static void new_line(ae_bytes *b, int depth)
{
    ae_bytes_u8(b, '\n');
    ae_bytes_fill(b, ' ', 2 * (size_t)depth);
}

static void write_value(ae_bytes *b, const ae_json *j, bool pretty, int depth);

static void write_container(ae_bytes *b, const ae_json *j, bool pretty, int depth)
{
    bool object = ae_json_type_of(j) == AE_JSON_OBJECT;
    bool tall = pretty && is_tall(j);
    if (ae_json_is_broken(j)) {
        b->failed = true;
    }
    ae_bytes_u8(b, object ? '{' : '[');
    for (const ae_json *m = ae_json_first(j); m; m = ae_json_next(m)) {
        if (tall) {
            new_line(b, depth + 1);
        }
        if (object) {
            write_string(b, ae_json_key(m));
            ae_bytes_add_text(b, pretty ? ": " : ":");
        }
        write_value(b, m, pretty, depth + 1);
        if (ae_json_next(m)) {
            ae_bytes_add_text(b, pretty && !tall ? ", " : ",");
        }
    }
    if (tall) {
        new_line(b, depth);
    }
    ae_bytes_u8(b, object ? '}' : ']');
}

static void write_value(ae_bytes *b, const ae_json *j, bool pretty, int depth)
{
    char room[AE_JSON_NUMBER_TEXT_MAX];
    bool yes = false;
    switch (ae_json_type_of(j)) {
    case AE_JSON_NULL:
        ae_bytes_add_text(b, "null");
        break;
    case AE_JSON_BOOL:
        ae_json_value_bool(j, &yes, NULL);
        ae_bytes_add_text(b, yes ? "true" : "false");
        break;
    case AE_JSON_NUMBER:
        ae_bytes_add_text(b, ae_json_number_text(j, room));
        break;
    case AE_JSON_STRING:
        write_string(b, ae_json_string_text(j));
        break;
    case AE_JSON_ARRAY:
    case AE_JSON_OBJECT:
        write_container(b, j, pretty, depth);
        break;
    }
}

char *ae_json_text(const ae_json *j, bool pretty, ae_err *e)
{
    ae_bytes b = {0};
    write_value(&b, j, pretty, 0);
    if (pretty) {
        ae_bytes_u8(&b, '\n');
    }
    if (b.failed) {
        ae_bytes_free(&b);
        ae_err_set(e, AE_E_MEMORY, "no memory for a JSON text, or a member could not be added to it before");
        return NULL;
    }
    return b.data;
}
