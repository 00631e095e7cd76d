#include "tokenizers/unihan.h"

#include "tensor/byte_buffer.h"
#include "tensor/input_file.h"
#include "tensor/utf8_check.h"
#include "tokenizers/unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* All Chinese characters and room for more. */
enum { FIRST = 0x2e80, LAST = 0x3ffff, PATH_BYTES = 4096, KANGXI = 0x2f00 };

typedef struct character {
    uint32_t pinyin; /* where it stands in `readings`; 0: nowhere */
    uint8_t radical;
    int8_t strokes; /* one more; 0: not known */
} character;

struct ae_unihan {
    character *characters; /* from FIRST to LAST */
    ae_bytes readings;     /* with a NUL byte behind each */
};

/* A line "U+4E2D<TAB>field<TAB>value". */
typedef struct entry {
    uint32_t character;
    const char *field, *value;
    size_t field_bytes, value_bytes;
} entry;

/* Takes the value of one field; how many there were is counted. */
typedef int take_fn(ae_unihan *u, character *c, const entry *x);

static int take_radical(ae_unihan *u, character *c, const entry *x)
{
    (void)u;
    size_t i = 0;
    int radical = 0, strokes = 0;
    for (; i < x->value_bytes && x->value[i] >= '0' && x->value[i] <= '9' && radical < 1000; i++) {
        radical = 10 * radical + (x->value[i] - '0');
    }
    while (i < x->value_bytes && x->value[i] == '\'') { /* simplified forms of the radical */
        i++;
    }
    if (radical < 1 || radical > AE_RADICALS || i + 1 >= x->value_bytes || x->value[i] != '.') {
        return -1;
    }
    i++;
    bool negative = x->value[i] == '-';
    for (i += negative; i < x->value_bytes && x->value[i] >= '0' && x->value[i] <= '9' && strokes < 100; i++) {
        strokes = 10 * strokes + (x->value[i] - '0');
    }
    c->radical = (uint8_t)radical;
    c->strokes = (int8_t)(negative || strokes > 126 ? 0 : strokes + 1);
    return 0;
}

static int take_reading(ae_unihan *u, character *c, const entry *x)
{
    const char *blank = memchr(x->value, ' ', x->value_bytes); /* a second is the one of Taiwan */
    size_t bytes = blank ? (size_t)(blank - x->value) : x->value_bytes;
    if (bytes == 0 || !ae_utf8_is_valid(x->value, bytes)) {
        return -1;
    }
    if (u->readings.length == 0) {
        ae_bytes_u8(&u->readings, 0);
    }
    c->pinyin = (uint32_t)u->readings.length;
    ae_bytes_add(&u->readings, x->value, bytes);
    ae_bytes_u8(&u->readings, 0);
    return 0;
}

/* 1, 0 for a line without an entry, -1 for one that is none of Unihan. */
static int read_entry(const char *line, size_t bytes, entry *x)
{
    bytes -= bytes > 0 && line[bytes - 1] == '\r';
    if (bytes == 0 || *line == '#') {
        return 0;
    }
    const char *end = line + bytes, *tab = memchr(line, '\t', bytes);
    const char *second = tab ? memchr(tab + 1, '\t', (size_t)(end - tab - 1)) : NULL;
    char digits[8] = "";
    size_t n = tab ? (size_t)(tab - line) : 0;
    if (!second || n < 6 || n > 8 || memcmp(line, "U+", 2) != 0) {
        return -1;
    }
    memcpy(digits, line + 2, n - 2);
    char *stop;
    x->character = (uint32_t)strtoul(digits, &stop, 16);
    x->field = tab + 1;
    x->field_bytes = (size_t)(second - tab - 1);
    x->value = second + 1;
    x->value_bytes = (size_t)(end - second - 1);
    return *stop ? -1 : 1;
}

static int read_lines(ae_unihan *u, const ae_bytes *text, const char *field, take_fn *take, ae_err *e)
{
    const char *p = text->data, *end = p + text->length;
    int64_t taken = 0;
    for (long long number = 1; p < end; number++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        entry x;
        int state = read_entry(p, (size_t)(stop - p), &x);
        bool wanted = state == 1 && x.field_bytes == strlen(field) && memcmp(x.field, field, x.field_bytes) == 0 &&
                      x.character >= FIRST && x.character <= LAST;
        if (state < 0 || (wanted && take(u, &u->characters[x.character - FIRST], &x) != 0)) {
            return ae_err_set(e, AE_E_FORMAT,
                              "line %lld is no line of Unihan, such as \"U+4E2D\\tkMandarin\\t"
                              "zh\xc5\x8dng\": %.*s",
                              number, (int)(stop - p < 40 ? stop - p : 40), p);
        }
        taken += wanted;
        p = stop + 1;
    }
    if (u->readings.failed) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the readings");
    }
    return taken > 0 ? 0 : ae_err_set(e, AE_E_MISSING, "no line says %s of a character", field);
}

/* The path of a file, as it is or packed; false when there is none. */
static bool find_file(const char *folder, const char *name, char path[PATH_BYTES])
{
    static const char *const ends[] = {"", ".bz2", ".gz"};
    struct stat info;
    for (int i = 0; i < 3; i++) {
        int n = snprintf(path, PATH_BYTES, "%s/%s%s", folder, name, ends[i]);
        if (n > 0 && n < PATH_BYTES && stat(path, &info) == 0) {
            return true;
        }
    }
    return false;
}

static int read_file(ae_unihan *u, const char *path, const char *field, take_fn *take, ae_err *e)
{
    ae_bytes text = {0};
    int status = ae_input_read_all(path, &text, e);
    if (status == 0) {
        status = text.data ? read_lines(u, &text, field, take, e) : ae_err_set(e, AE_E_FORMAT, "is empty");
        if (status != 0) {
            ae_err_prefix(e, "%s", path);
        }
    }
    ae_bytes_free(&text);
    return status;
}

static int read_folder(ae_unihan *u, const char *folder, ae_err *e)
{
    char path[PATH_BYTES];
    if (!find_file(folder, "Unihan_Readings.txt", path)) {
        return ae_err_set(e, AE_E_MISSING,
                          "%s: there is no Unihan_Readings.txt (.bz2, .gz) in this folder; Debian's package "
                          "unicode-data has it in /usr/share/unicode",
                          folder);
    }
    if (read_file(u, path, "kMandarin", take_reading, e) != 0) {
        return -1;
    }
    static const char *const names[] = {"Unihan_IRGSources.txt", "Unihan_RadicalStrokeCounts.txt"};
    ae_err local = {0};
    for (int i = 0; i < 2; i++) { /* the field moved from the second to the first */
        bool there = find_file(folder, names[i], path);
        local = there ? (ae_err){0} : local;
        if (there && read_file(u, path, "kRSUnicode", take_radical, &local) == 0) {
            return 0;
        }
        if (local.code && local.code != AE_E_MISSING) {
            break;
        }
    }
    return local.code ? ae_err_set(e, local.code, "%s", local.message)
                      : ae_err_set(e, AE_E_MISSING, "%s: there is no Unihan_IRGSources.txt (.bz2, .gz) in this folder",
                                   folder);
}

ae_unihan *ae_unihan_open(const char *folder, ae_err *e)
{
    ae_unihan *u = calloc(1, sizeof *u);
    if (u) {
        u->characters = calloc(LAST - FIRST + 1, sizeof *u->characters);
    }
    if (!u || !u->characters) {
        ae_err_set(e, AE_E_MEMORY, "no memory for Unihan");
        ae_unihan_free(u);
        return NULL;
    }
    if (read_folder(u, folder, e) != 0) {
        ae_unihan_free(u);
        return NULL;
    }
    return u;
}

void ae_unihan_free(ae_unihan *u)
{
    if (u) {
        free(u->characters);
        ae_bytes_free(&u->readings);
        free(u);
    }
}

/* ---- questions ------------------------------------------------------------------------------------------------------- */

static character look_up(const ae_unihan *u, uint32_t c)
{
    return c >= FIRST && c <= LAST ? u->characters[c - FIRST] : (character){0};
}

int ae_unihan_radical(const ae_unihan *u, uint32_t c)
{
    return look_up(u, c).radical;
}

int ae_unihan_strokes(const ae_unihan *u, uint32_t c)
{
    return look_up(u, c).strokes - 1;
}

uint32_t ae_unihan_radical_character(int radical)
{
    uint32_t parts[AE_DECOMPOSED_MAX];
    if (radical < 1 || radical > AE_RADICALS) {
        return 0;
    }
    ae_char_decompose(KANGXI + (uint32_t)radical - 1, true, parts);
    return parts[0];
}

const char *ae_unihan_pinyin(const ae_unihan *u, uint32_t c)
{
    uint32_t at = look_up(u, c).pinyin;
    return at ? u->readings.data + at : NULL;
}

int ae_pinyin_tone(const char *pinyin, char letters[AE_PINYIN_MAX])
{
    /* macron, acute, caron, grave */
    static const uint32_t marks[] = {0x304, 0x301, 0x30c, 0x300};
    size_t bytes = strlen(pinyin), used = 0;
    int tone = 5;
    for (size_t i = 0; i < bytes;) {
        uint32_t c = 0, parts[AE_DECOMPOSED_MAX];
        int n = ae_utf8_length(pinyin + i, bytes - i);
        if (n <= 0) {
            break;
        }
        ae_utf8_decode(pinyin + i, &c);
        int count = ae_char_decompose(c, false, parts);
        uint32_t letter = count > 0 ? parts[0] : c;
        for (int k = 0; k < count; k++) {
            bool mark = false;
            for (int m = 0; m < 4; m++) {
                mark = mark || parts[k] == marks[m];
                tone = parts[k] == marks[m] ? m + 1 : tone;
            }
            uint32_t joined = k > 0 && !mark ? ae_char_compose(letter, parts[k]) : 0;
            letter = joined ? joined : letter;
            letter = k == 0 && mark ? 0 : letter; /* a mark by itself, behind ê or m */
        }
        char coded[4];
        size_t length = letter ? (size_t)ae_utf8_encode(letter, coded) : 0;
        if (used + length + 1 > AE_PINYIN_MAX) {
            break;
        }
        memcpy(letters + used, coded, length);
        used += length;
        i += (size_t)n;
    }
    letters[used] = '\0';
    return tone;
}
