/* ALBERT's and XLNet's rule for numbers (Lan et al. 2019; Yang et al. 2019; in their tokenization.py): a token that
 * ends in a comma behind a digit is cut anew without it, and the comma is a token of its own. */
#include "tokenizers/sentencepiece_internal.h"
#include "tokenizers/unicode.h"

static bool is_number_and_comma(const char *text, ae_made made)
{
    if (made.end - made.start < 2 || text[made.end - 1] != ',') {
        return false;
    }
    uint32_t i = made.end - 2, c = 0;
    while (i > made.start && ((unsigned char)text[i] & 0xc0) == 0x80) {
        i--;
    }
    ae_utf8_decode(text + i, &c);
    return ae_char_flags(c) & AE_CHAR_DIGIT;
}

/* The token's text without ▁ and the comma, with one ▁ in front: the bytes of it. */
static size_t spell_number(const char *text, ae_made made, char *number)
{
    size_t n = 3;
    memcpy(number, "\xe2\x96\x81", 3);
    for (size_t i = made.start; i < made.end - 1u;) {
        if (ae_is_space_mark(text + i, made.end - i)) {
            i += 3;
        } else {
            number[n++] = text[i++];
        }
    }
    return n;
}

/* Cuts the number and the comma; a ▁ that the token did not have is taken off again. */
static void cut_anew(const ae_sentencepiece *m, const char *text, ae_made made, char *number, ae_work *w)
{
    size_t bytes = spell_number(text, made, number), first = w->n_made, kept = first;
    bool marked = ae_is_space_mark(text + made.start, made.end - made.start);
    bool plain = bytes == made.end - made.start - 1 + (marked ? 0 : 3); /* there was no other ▁ */
    w->word = 0;
    ae_sentencepiece_whole(m, number, 0, bytes, w);
    for (size_t i = first; i < w->n_made; i++) {
        ae_made part = w->made[i];
        if (!marked && part.start == 0 && part.end <= 3) {
            continue;
        }
        if (!marked && part.start == 0) {
            part.id = ae_sentencepiece_find(m, number + 3, part.end - 3);
            part.start = 3;
        }
        uint32_t off = marked ? 0 : 3;
        w->made[kept++] = (ae_made){part.id, plain ? made.start + part.start - off : made.start,
                                    plain ? made.start + part.end - off : made.end - 1, made.word};
    }
    w->n_made = kept;
    w->word = made.word;
    ae_work_make(w, ae_sentencepiece_find(m, ",", 1), made.end - 1, made.end);
}

void ae_sentencepiece_commas(const ae_sentencepiece *m, const char *text, size_t first, ae_work *w)
{
    size_t found = first, longest = 0, count = w->n_made - first;
    while (found < w->n_made && !is_number_and_comma(text, w->made[found])) {
        found++;
    }
    if (found == w->n_made) {
        return;
    }
    for (size_t i = found; i < w->n_made; i++) {
        size_t bytes = w->made[i].end - w->made[i].start;
        longest = bytes > longest ? bytes : longest;
    }
    ae_made *before = ae_work_room(w, 3, count * sizeof *before + longest + 3);
    if (!before) {
        return;
    }
    uint32_t last_word = w->word;
    memcpy(before, w->made + first, count * sizeof *before);
    w->n_made = found;
    for (size_t i = found - first; i < count; i++) {
        if (is_number_and_comma(text, before[i])) {
            cut_anew(m, text, before[i], (char *)(before + count), w);
        } else {
            w->word = before[i].word;
            ae_work_make(w, before[i].id, before[i].start, before[i].end);
        }
    }
    w->word = last_word;
}
