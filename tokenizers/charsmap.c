#include "tokenizers/charsmap.h"

#include "tensor/base64.h"
#include "tensor/byte_buffer.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>
#include <string.h>

/* ---- units of the trie -------------------------------------------------------------------------------------------- */

static bool has_value(uint32_t unit)
{
    return unit >> 8 & 1;
}

static size_t children(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* The node that a byte leads to from the children at *node, which become those of that node; false: none. */
static bool step(const ae_charsmap *c, size_t *node, unsigned char byte, uint32_t *unit)
{
    size_t at = *node ^ byte;
    if (at >= c->n_units || (c->units[at] & (1u << 31 | 0xff)) != byte) {
        return false;
    }
    *unit = c->units[at];
    *node = at ^ children(*unit);
    return true;
}

/* The text of the node whose children are at `node`; NULL for one that points nowhere. */
static const char *value(const ae_charsmap *c, size_t node)
{
    size_t offset = node < c->n_units ? c->units[node] & 0x7fffffff : SIZE_MAX;
    return offset < c->text_bytes && ((unsigned char)c->texts[offset] & 0xc0) != 0x80 ? c->texts + offset : NULL;
}

static size_t find(const ae_charsmap *c, const char *text, size_t length, bool longest, const char **with)
{
    size_t best = 0, node = c->n_units > 0 ? children(c->units[0]) : 0;
    uint32_t unit = 0;
    for (size_t i = 0; i < length && c->n_units > 0 && step(c, &node, (unsigned char)text[i], &unit); i++) {
        bool whole = i + 1 == length || ((unsigned char)text[i + 1] & 0xc0) != 0x80;
        const char *found = has_value(unit) && whole ? value(c, node) : NULL;
        if (found) {
            best = i + 1;
            *with = found;
            if (!longest) {
                break;
            }
        }
    }
    return best;
}

size_t ae_charsmap_longest(const ae_charsmap *c, const char *text, size_t length, const char **with)
{
    return find(c, text, length, true, with);
}

size_t ae_charsmap_shortest(const ae_charsmap *c, const char *text, size_t length, const char **with)
{
    return find(c, text, length, false, with);
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

static void find_apart(ae_charsmap *c)
{
    for (unsigned a = 0; a < 128; a++) {
        size_t node = c->n_units > 0 ? children(c->units[0]) : 0;
        uint32_t unit = 0;
        bool inside = c->n_units > 0 && step(c, &node, (unsigned char)a, &unit);
        c->apart[a] = !inside || !has_value(unit);
        for (unsigned b = 0; b < 128 && inside && c->apart[a]; b++) {
            size_t next = node;
            c->apart[a] = !step(c, &next, (unsigned char)b, &unit);
        }
    }
}

static bool is_ideograph(unsigned char first)
{
    return first >= 0xe4 && first <= 0xe9;
}

static void find_apart_ideographs(ae_charsmap *c)
{
    for (unsigned a = 0xe4; a <= 0xe9; a++) {
        size_t node = c->n_units > 0 ? children(c->units[0]) : 0;
        uint32_t unit = 0;
        c->apart[a] = c->n_units == 0 || !step(c, &node, (unsigned char)a, &unit);
    }
}

size_t ae_charsmap_run(const bool apart[256], bool clusters, const char *text, size_t i, size_t length)
{
    const unsigned char *t = (const unsigned char *)text;
    for (size_t next = i; i < length && apart[t[i]]; i = next) {
        bool ideograph = is_ideograph(t[i]);
        next = i + (ideograph ? 3 : 1);
        if (next < length && t[next] >= 0x80 && !(ideograph && (!clusters || is_ideograph(t[next])))) {
            break;
        }
    }
    return i;
}

/* A node without children has no other byte's node among them. */
static bool is_end(const ae_charsmap *c, size_t node)
{
    bool end = true;
    uint32_t unit = 0;
    for (unsigned b = 1; b < 256 && end; b++) {
        size_t next = node;
        end = !step(c, &next, (unsigned char)b, &unit);
    }
    return end;
}

static bool keeps_blanks(const ae_charsmap *c)
{
    bool keeps = true;
    for (const char *blank = " \t\n\r"; *blank && keeps && c->n_units > 0; blank++) {
        size_t node = children(c->units[0]);
        uint32_t unit = 0;
        if (step(c, &node, (unsigned char)*blank, &unit)) {
            const char *with = has_value(unit) ? value(c, node) : " ";
            keeps = with && strcmp(with, " ") == 0 && is_end(c, node);
        }
    }
    return keeps;
}

int ae_charsmap_read(const void *bytes, size_t length, ae_charsmap *c, ae_err *e)
{
    *c = (ae_charsmap){0};
    size_t trie = length >= 4 ? ae_load_u32(bytes) : 0;
    if (length > 0 && (length <= 4 || trie == 0 || trie % 4 != 0 || trie >= length - 4)) {
        return ae_err_set(e, AE_E_FORMAT, "the map of characters is broken: a trie of %zu bytes in %zu", trie, length);
    }
    const char *texts = length > 0 ? (const char *)bytes + 4 + trie : "";
    size_t text_bytes = length > 0 ? length - 4 - trie : 0;
    if (ae_utf8_valid(texts, text_bytes) != text_bytes) {
        return ae_err_set(e, AE_E_FORMAT, "the map of characters is broken: its texts are not UTF-8");
    }
    c->source = malloc(length + 1);
    c->units = malloc(trie + 4);
    if (!c->source || !c->units) {
        ae_charsmap_free(c);
        return ae_err_set(e, AE_E_MEMORY, "no memory for a map of characters");
    }
    if (length > 0) {
        memcpy(c->source, bytes, length);
    }
    c->source[length] = '\0';
    c->source_bytes = length;
    c->n_units = trie / 4;
    for (size_t i = 0; i < c->n_units; i++) {
        c->units[i] = ae_load_u32((const char *)bytes + 4 + 4 * i);
    }
    c->texts = c->source + (length - text_bytes);
    c->text_bytes = text_bytes;
    find_apart(c);
    find_apart_ideographs(c);
    c->keeps_blanks = keeps_blanks(c);
    return 0;
}

void ae_charsmap_free(ae_charsmap *c)
{
    free(c->source);
    free(c->units);
    *c = (ae_charsmap){0};
}

int ae_charsmap_from_json(const ae_json *object, ae_charsmap *map, ae_err *e)
{
    ae_err local = {0};
    size_t length = 0;
    const char *text = ae_json_string(object, "precompiled_charsmap", "", &local);
    char *bytes = local.code ? NULL : ae_base64_bytes(text, strlen(text), &length, &local);
    int status = bytes ? ae_charsmap_read(bytes, length, map, &local) : -1;
    free(bytes);
    return status == 0 ? 0 : ae_err_set(e, local.code, "\"precompiled_charsmap\": %s", local.message);
}

int ae_charsmap_to_json(const ae_charsmap *map, ae_json *object)
{
    char *text = ae_base64_text(map->source, map->source_bytes);
    int status = ae_json_set(object, "precompiled_charsmap", text ? ae_json_new_string(text) : NULL);
    free(text);
    return status;
}
