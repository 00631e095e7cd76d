#include "tokenizers/unicode.h"

#include "tensor/utf8_check.h"

#include <pthread.h>
#include <utf8proc.h>

/* Beyond these planes there are only private use and tags: asked one by one. */
enum { TABLE = 0x40000 };

static uint16_t table[TABLE];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static unsigned category_flags(utf8proc_category_t category)
{
    switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
        return AE_CHAR_LETTER | AE_CHAR_WORD | AE_CHAR_CASED;
    case UTF8PROC_CATEGORY_LM:
        return AE_CHAR_LETTER | AE_CHAR_WORD | AE_CHAR_CASE_IGNORED;
    case UTF8PROC_CATEGORY_LO:
        return AE_CHAR_LETTER | AE_CHAR_WORD;
    case UTF8PROC_CATEGORY_MN:
        return AE_CHAR_MARK | AE_CHAR_NONSPACING | AE_CHAR_WORD | AE_CHAR_CASE_IGNORED;
    case UTF8PROC_CATEGORY_ME:
        return AE_CHAR_MARK | AE_CHAR_WORD | AE_CHAR_CASE_IGNORED;
    case UTF8PROC_CATEGORY_MC:
        return AE_CHAR_MARK | AE_CHAR_WORD;
    case UTF8PROC_CATEGORY_ND:
        return AE_CHAR_NUMBER | AE_CHAR_DIGIT | AE_CHAR_WORD;
    case UTF8PROC_CATEGORY_NL:
        return AE_CHAR_NUMBER | AE_CHAR_WORD;
    case UTF8PROC_CATEGORY_NO:
        return AE_CHAR_NUMBER;
    case UTF8PROC_CATEGORY_PC:
        return AE_CHAR_PUNCTUATION | AE_CHAR_WORD;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return AE_CHAR_PUNCTUATION;
    case UTF8PROC_CATEGORY_ZS:
        return AE_CHAR_SPACE | AE_CHAR_SPACE_MARK;
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return AE_CHAR_SPACE;
    case UTF8PROC_CATEGORY_CC:
        return AE_CHAR_CONTROL;
    case UTF8PROC_CATEGORY_CF:
        return AE_CHAR_FORMAT | AE_CHAR_CASE_IGNORED;
    case UTF8PROC_CATEGORY_CO:
        return AE_CHAR_PRIVATE;
    case UTF8PROC_CATEGORY_SK:
        return AE_CHAR_CASE_IGNORED;
    default:
        return 0;
    }
}

static bool within(uint32_t c, uint32_t first, uint32_t last)
{
    return c >= first && c <= last;
}

/* The few members of White_Space, Alphabetic, Join_Control and Case_Ignorable that no general category gives. */
static unsigned extra_flags(uint32_t c)
{
    unsigned flags = 0;
    if (within(c, 0x9, 0xd) || c == 0x85) {
        flags |= AE_CHAR_SPACE;
    }
    if (c == 0x200c || c == 0x200d) {
        flags |= AE_CHAR_WORD;
    }
    if (within(c, 0x24b6, 0x24e9) || within(c, 0x1f130, 0x1f149) || within(c, 0x1f150, 0x1f169) ||
        within(c, 0x1f170, 0x1f189)) {
        flags |= AE_CHAR_WORD | AE_CHAR_CASED; /* circled and squared letters */
    }
    if (within(c, 0x2160, 0x217f)) {
        flags |= AE_CHAR_CASED; /* Roman numerals */
    }
    static const uint32_t inside[] = {0x27,   0x2e,   0x3a,   0xb7,   0x387,  0x55f,  0x5f4,  0x2018, 0x2019,
                                      0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        flags |= c == inside[i] ? AE_CHAR_CASE_IGNORED : 0;
    }
    return flags;
}

static unsigned look_up(uint32_t c)
{
    return category_flags(utf8proc_category((utf8proc_int32_t)c)) | extra_flags(c);
}

static void fill_table(void)
{
    for (uint32_t c = 0; c < TABLE; c++) {
        table[c] = (uint16_t)look_up(c);
    }
}

unsigned ae_char_flags(uint32_t c)
{
    pthread_once(&once, fill_table);
    return c < TABLE ? table[c] : c <= 0x10ffff ? look_up(c) : 0;
}

int ae_utf8_encode(uint32_t c, char bytes[4])
{
    if (c < 0x80) {
        bytes[0] = (char)c;
        return 1;
    }
    int length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = length - 1; i > 0; i--, c >>= 6) {
        bytes[i] = (char)(0x80 | (c & 0x3f));
    }
    bytes[0] = (char)(lead[length] | c);
    return length;
}

size_t ae_utf8_count(const char *bytes, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        count += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    }
    return count;
}

/* Three bytes from U+1000 to U+CFFF, Chinese among them: the second and third may be any that go on. */
static bool is_common(const char *bytes)
{
    const unsigned char *p = (const unsigned char *)bytes;
    return p[0] >= 0xe1 && p[0] <= 0xec && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80;
}

size_t ae_utf8_valid(const char *bytes, size_t length)
{
    size_t i = 0;
    while (i < length) {
        uint64_t eight = 0;
        for (; length - i >= 8; i += 8) {
            __builtin_memcpy(&eight, bytes + i, 8);
            if (eight & 0x8080808080808080u) {
                break;
            }
        }
        while (i < length && (unsigned char)bytes[i] < 0x80) {
            i++;
        }
        while (length - i >= 3 && is_common(bytes + i)) {
            i += 3;
        }
        while (i < length && (unsigned char)bytes[i] >= 0x80) {
            int n = ae_utf8_length(bytes + i, length - i);
            if (n == 0) {
                return i;
            }
            i += (size_t)n;
        }
    }
    return i;
}

size_t ae_utf8_broken(const char *bytes, size_t length)
{
    const unsigned char *p = (const unsigned char *)bytes;
    size_t want = p[0] < 0xc2 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 1;
    for (size_t n = 1; n < want && n < length; n++) {
        unsigned low = 0x80, high = 0xbf;
        if (n == 1) { /* the second byte's range depends on the first: no overlong forms, no surrogates */
            low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : low;
            high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : high;
        }
        if (p[n] < low || p[n] > high) {
            return n;
        }
    }
    return want < length ? want : length;
}

int ae_char_decompose(uint32_t c, bool compatibility, uint32_t parts[AE_DECOMPOSED_MAX])
{
    utf8proc_int32_t *out = (utf8proc_int32_t *)parts;
    int last = 0;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, out, AE_DECOMPOSED_MAX, options, &last);
    if (n < 1 || n > AE_DECOMPOSED_MAX) {
        parts[0] = c;
        return 1;
    }
    return (int)n;
}

int ae_char_combining(uint32_t c)
{
    return utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

uint32_t ae_char_compose(uint32_t a, uint32_t b)
{
    utf8proc_int32_t pair[2] = {(utf8proc_int32_t)a, (utf8proc_int32_t)b};
    utf8proc_ssize_t n = utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return n == 1 ? (uint32_t)pair[0] : 0;
}

size_t ae_grapheme(const char *bytes, size_t length)
{
    utf8proc_int32_t state = 0;
    uint32_t before = 0, c = 0;
    size_t end = (size_t)ae_utf8_decode(bytes, &before);
    while (end < length) {
        size_t n = (size_t)ae_utf8_decode(bytes + end, &c);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)c, &state)) {
            break;
        }
        end += n;
        before = c;
    }
    return end;
}

int ae_char_lower(uint32_t c, uint32_t parts[2])
{
    if (c == 0x130) { /* the one mapping of SpecialCasing.txt to several characters that needs no context */
        parts[0] = 'i';
        parts[1] = 0x307;
        return 2;
    }
    parts[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return 1;
}

uint32_t ae_char_fold(uint32_t c)
{
    utf8proc_int32_t parts[AE_DECOMPOSED_MAX];
    int boundary = 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)c, parts, AE_DECOMPOSED_MAX, UTF8PROC_CASEFOLD, &boundary);
    return n == 1 ? (uint32_t)parts[0] : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}
