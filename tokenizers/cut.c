/* Where texts are cut beforehand. Every cut is at a place that the whole pipeline cuts at, whatever stands around it,
 * so the parts give the tokens of the whole; a test holds the two against each other. */
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

typedef enum class { WORD, BLANK, MARK, HIGH } class;

#define B BLANK
#define M MARK
#define H8 HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH
#define H32 H8, H8, H8, H8

/* Control characters count as words: most vanish in the middle of one. */
static const unsigned char classes[256] = {
    0,   0,   0,   0,  0, 0, 0, 0, 0, B, B, 0, 0, B, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0-31 */
    B,   M,   M,   M,  M, M, M, M, M, M, M, M, M, M, M, M, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, M, M, M, M, M, M, /* 32-63 */
    M,   0,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, M, M, M, M, M, /* 64-95 */
    M,   0,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, M, M, M, M, 0, /* 96-127 */
    H32, H32, H32, H32};

#undef B
#undef M
#undef H8
#undef H32

static size_t skip_blanks(const char *text, size_t i, size_t end)
{
    while (i < end && classes[(unsigned char)text[i]] == BLANK) {
        i++;
    }
    return i;
}

/* The bytes of a Chinese character at the front, or 0. Where the original and Hugging Face's differ, the smaller range.
 */
static size_t chinese(const char *text)
{
    uint32_t c = 0;
    size_t n = (unsigned char)*text >= 0xe3 ? (size_t)ae_utf8_decode(text, &c) : 0;
    return n && ae_is_chinese(c, false) ? n : 0;
}

static bool joins_blank(const char *text, size_t i, size_t end)
{
    return i < end && text[i - 1] == ' ' && (unsigned char)text[i] >= 0xcc &&
           ae_grapheme(text + i - 1, end - i + 1) > 1;
}

static size_t cut_words(const ae_cutting *c, const char *text, size_t end, size_t *start, bool marks)
{
    size_t first = *start, i = *start = skip_blanks(text, *start, end);
    if (c->clusters && i > first && joins_blank(text, i, end)) {
        --*start;
    }
    if (i < end && marks && classes[(unsigned char)text[i]] == MARK) {
        return i + 1;
    }
    while (i < end) {
        unsigned char kind = classes[(unsigned char)text[i]];
        if (kind == WORD || (kind == MARK && !marks)) {
            i++;
        } else if (kind == HIGH) {
            size_t n = c->chinese ? chinese(text + i) : 0;
            if (n) {
                return i == *start ? i + n : i;
            }
            uint32_t character = 0;
            i += (size_t)ae_utf8_decode(text + i, &character);
        } else {
            break;
        }
    }
    return i;
}

size_t ae_cut_next(const ae_cutting *c, const char *text, size_t end, size_t *start)
{
    uint32_t character = 0;
    switch (c->cut) {
    case AE_CUT_WORDS:
        return cut_words(c, text, end, start, !c->sigma);
    case AE_CUT_BLANKS:
        return cut_words(c, text, end, start, false);
    case AE_CUT_GPT2:
        return *start < end ? *start + ae_gpt2_piece(text + *start, end - *start) : end;
    case AE_CUT_LETTERS:
        return *start < end ? *start + (size_t)ae_utf8_decode(text + *start, &character) : end;
    default:
        return end;
    }
}

bool ae_cut_keeps(const ae_cutting *c, const ae_added *a)
{
    bool words = c->cut == AE_CUT_WORDS, blanks = c->cut == AE_CUT_BLANKS;
    bool looks_beyond = a->lstrip || a->rstrip || (words && a->single_word); /* "_" is a part and no end of a word */
    if ((!words && !blanks) || looks_beyond) {
        return false;
    }
    for (size_t i = 0; i < a->pattern_bytes;) {
        unsigned char kind = classes[(unsigned char)a->pattern[i]];
        uint32_t character = 0;
        i += (size_t)ae_utf8_decode(a->pattern + i, &character);
        if (kind == BLANK || (words && (kind == MARK || ae_is_chinese(character, true)))) {
            return false;
        }
    }
    return true;
}
