/* The words of the Penn Treebank, as its own script and as NLTK find them. */
#include "tokenizers/english_words.h"
#include "tokenizers/unicode.h"

#include <string.h>

/* ---- what both have -------------------------------------------------------------------------------------------------- */

static const char brackets[] = "][(){}<>";

/* A quote at the very front becomes an opening one, followed by `behind`. */
static void open_first_quote(ae_cells *x, const char *behind)
{
    size_t from = ae_cells_one_of(x, 0, "\"");
    if (from) {
        ae_cells_put_text(x, "``", x->at[0]);
        ae_cells_put_text(x, behind, x->at[0]);
    }
    ae_cells_take(x, from, x->n - from);
    ae_cells_swap(x);
}

/* Quotes behind a blank or an opening bracket open; `single`: two single ones too. */
static void open_quotes(ae_cells *x, bool single)
{
    for (size_t i = 0; i < x->n;) {
        bool before = ae_cells_one_of(x, i, " ([{<");
        size_t quote = !before                                   ? 0
                       : ae_cells_one_of(x, i + 1, "\"")         ? 1
                       : single && ae_cells_have(x, i + 1, "''") ? 2
                                                                 : 0;
        ae_cells_take(x, i, 1);
        if (quote) {
            ae_cells_put_text(x, " `` ", x->at[i + 1]);
        }
        i += 1 + quote;
    }
    ae_cells_swap(x);
}

/* All other quotes close. */
static void close_quotes(ae_cells *x)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->at[i].c == '"') {
            ae_cells_put_text(x, " '' ", x->at[i]);
        } else {
            ae_cells_take(x, i, 1);
        }
    }
    ae_cells_swap(x);
}

/* A single quote between another character and a blank stands alone. */
static void part_last_apostrophes(ae_cells *x)
{
    for (size_t i = 0; i < x->n;) {
        bool here = x->at[i].c != '\'' && ae_cells_have(x, i + 1, "' ");
        ae_cells_take(x, i, 1);
        if (here) {
            ae_cells_put_text(x, " ' ", x->at[i + 1]);
        }
        i += here ? 3 : 1;
    }
    ae_cells_swap(x);
}

/* ---- the script ------------------------------------------------------------------------------------------------------ */

/* The full stop that ends the line, with what closes behind it. */
static void part_last_stop(ae_cells *x)
{
    size_t end = x->n, stop;
    while (end > 0 && x->at[end - 1].c == ' ') {
        end--;
    }
    for (stop = end; stop > 0 && ae_cells_one_of(x, stop - 1, "])}>\"'"); stop--) {
    }
    if (stop < 2 || x->at[stop - 1].c != '.' || x->at[stop - 2].c == '.') {
        return;
    }
    ae_cells_take(x, 0, stop - 1);
    ae_cells_put(x, ' ', x->at[stop - 1]);
    ae_cells_take(x, stop - 1, end - stop + 1);
    ae_cells_put(x, ' ', x->at[end - 1]);
    ae_cells_swap(x);
}

/* 's, 'm and 'd. */
static void part_letter_endings(ae_cells *x)
{
    for (size_t i = 0; i < x->n;) {
        bool here = x->at[i].c == '\'' && ae_cells_one_of(x, i + 1, "sSmMdD") && ae_cells_one_of(x, i + 2, " ");
        size_t count = here ? 3 : 1;
        ae_cells_put_text(x, here ? " " : "", x->at[i]);
        ae_cells_take(x, i, count);
        i += count;
    }
    ae_cells_swap(x);
}

/* Words that are two; "-" is where they part, and the capital is that of the first letter. */
static const char *const joined_words[] = {"can-not", "d'-ye",   "gim-me", "gon-na", "got-ta",
                                           "lem-me",  "more-'n", "'t-is",  "'t-was", "wan-na"};

/* The one that NLTK parts elsewhere. */
static const char nltk_do_you[] = "d-'ye";

enum { DO_YOU = 1, JOINED_WORDS = sizeof joined_words / sizeof *joined_words };

static uint32_t small(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Whether a word of the list stands at i; its length without "-". Only its first letter may be a capital, or all may.
 */
static size_t joined_at(const ae_cells *x, size_t i, const char *word, bool any_case)
{
    size_t n = 0;
    bool first = true;
    for (; *word; word++) {
        if (*word == '-') {
            continue;
        }
        bool letter = *word != '\'';
        if (i + n >= x->n) {
            return 0;
        }
        uint32_t c = x->at[i + n].c;
        c = any_case || (first && letter) ? small(c) : c;
        if (c != (unsigned char)*word) {
            return 0;
        }
        first = first && !letter;
        n++;
    }
    return n;
}

/* One of them between blanks, both of which are passed over. */
static void part_joined(ae_cells *x, const char *word)
{
    size_t half = strcspn(word, "-");
    for (size_t i = 0; i < x->n;) {
        size_t length = x->at[i].c == ' ' ? joined_at(x, i + 1, word, false) : 0;
        bool here = length > 0 && ae_cells_one_of(x, i + 1 + length, " ");
        if (here) {
            ae_cells_take(x, i, 1 + half);
            ae_cells_put(x, ' ', x->at[i + half]);
            ae_cells_take(x, i + 1 + half, length - half + 1);
        } else {
            ae_cells_take(x, i, 1);
        }
        i += here ? length + 2 : 1;
    }
    ae_cells_swap(x);
}

void ae_english_treebank(ae_cells *x)
{
    /* Each with the blank that follows it, which begins nothing more. */
    static const char *const endings[] = {"'ll ", "'re ", "'ve ", "n't ", "'LL ", "'RE ", "'VE ", "N'T "};
    open_first_quote(x, " ");
    open_quotes(x, false);
    ae_cells_part_text(x, "...", " ");
    ae_cells_part(x, ",;:@#$%&");
    part_last_stop(x);
    ae_cells_part(x, "?!");
    ae_cells_part(x, brackets);
    ae_cells_part_text(x, "--", " ");
    ae_cells_pad(x);
    close_quotes(x);
    bool apostrophes = ae_cells_hold(x, '\'');
    if (apostrophes) {
        part_last_apostrophes(x);
        part_letter_endings(x);
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
            ae_cells_part_text(x, endings[i], "");
        }
    }
    for (int i = 0; i < JOINED_WORDS; i++) {
        if (apostrophes || !strchr(joined_words[i], '\'')) {
            part_joined(x, joined_words[i]);
        }
    }
}

/* ---- NLTK ------------------------------------------------------------------------------------------------------------ */

static bool is_python_space(uint32_t c)
{
    return ae_char_flags(c) & AE_CHAR_SPACE || (c >= 0x1c && c <= 0x1f);
}

/* \w of Python. */
static bool is_python_word(uint32_t c)
{
    return c == '_' || ae_char_flags(c) & (AE_CHAR_LETTER | AE_CHAR_NUMBER);
}

static bool is_any(uint32_t c, const uint32_t *set)
{
    for (; *set; set++) {
        if (c == *set) {
            return true;
        }
    }
    return false;
}

static void part_any(ae_cells *x, const uint32_t *set)
{
    for (size_t i = 0; i < x->n; i++) {
        bool one = is_any(x->at[i].c, set);
        ae_cells_put_text(x, one ? " " : "", x->at[i]);
        ae_cells_take(x, i, 1);
        ae_cells_put_text(x, one ? " " : "", x->at[i]);
    }
    ae_cells_swap(x);
}

/* Runs of a character, of at least so many. */
static void part_runs(ae_cells *x, uint32_t c, size_t least)
{
    for (size_t i = 0, end; i < x->n; i = end) {
        for (end = i; end < x->n && x->at[end].c == c; end++) {
        }
        bool run = end - i >= least;
        end = end > i ? end : i + 1;
        ae_cells_put_text(x, run ? " " : "", x->at[i]);
        ae_cells_take(x, i, end - i);
        ae_cells_put_text(x, run ? " " : "", x->at[i]);
    }
    ae_cells_swap(x);
}

/* An apostrophe before a word of one letter that is no short form stands alone. */
static void part_before_letter(ae_cells *x)
{
    for (size_t i = 0; i < x->n; i++) {
        bool here = x->at[i].c == '\'' && i + 1 < x->n && is_python_word(x->at[i + 1].c) &&
                    !(i + 2 < x->n && is_python_word(x->at[i + 2].c)) && !ae_cells_one_of(x, i + 1, "mMtTsSdDnN") &&
                    x->at[i + 1].c != 0x17f;
        ae_cells_take(x, i, 1);
        ae_cells_put_text(x, here ? " " : "", x->at[i]);
    }
    ae_cells_swap(x);
}

/* The full stop at the end, and what closes behind it apart from it. */
static void part_closed_stop(ae_cells *x)
{
    static const uint32_t closing[] = {']', ')', '}', '>', '"', '\'', 0xbb, 0x201d, 0x2019, ' ', 0};
    size_t end = x->n, stop;
    while (end > 0 && is_python_space(x->at[end - 1].c)) {
        end--;
    }
    for (stop = end; stop > 0 && is_any(x->at[stop - 1].c, closing); stop--) {
    }
    if (stop < 2 || x->at[stop - 1].c != '.' || x->at[stop - 2].c == '.') {
        return;
    }
    ae_cells_take(x, 0, stop - 1);
    ae_cells_put(x, ' ', x->at[stop - 1]);
    ae_cells_take(x, stop - 1, 1);
    ae_cells_put(x, ' ', x->at[stop - 1]);
    ae_cells_take(x, stop, end - stop);
    ae_cells_put(x, ' ', x->at[end - 1]);
    ae_cells_swap(x);
}

/* Colons and commas that something but a digit follows, which is passed over; then one at the end, or before the line
 * end there. */
static void part_commas(ae_cells *x)
{
    for (size_t i = 0; i < x->n;) {
        bool here = ae_cells_one_of(x, i, ":,") && i + 1 < x->n && !(ae_char_flags(x->at[i + 1].c) & AE_CHAR_DIGIT);
        ae_cells_put_text(x, here ? " " : "", x->at[i]);
        ae_cells_take(x, i, 1);
        if (here) {
            ae_cells_put(x, ' ', x->at[i]);
            ae_cells_take(x, i + 1, 1);
        }
        i += here ? 2 : 1;
    }
    ae_cells_swap(x);
    size_t end = x->n > 1 && x->at[x->n - 1].c == '\n' ? x->n - 1 : x->n;
    if (end > 0 && ae_cells_one_of(x, end - 1, ":,")) {
        ae_cells_take(x, 0, end - 1);
        ae_cells_put(x, ' ', x->at[end - 1]);
        ae_cells_take(x, end - 1, 1);
        ae_cells_put(x, ' ', x->at[end - 1]);
        ae_cells_take(x, end, x->n - end);
        ae_cells_swap(x);
    }
}

/* Short forms, the longest first: 0, or the length of the one at i, which a blank follows. */
static size_t short_form(const ae_cells *x, size_t i, bool letters)
{
    static const char *const long_ones[] = {"'ll ", "'LL ", "'re ", "'RE ", "'ve ", "'VE ", "n't ", "N'T "};
    if (letters) {
        bool letter = ae_cells_have(x, i, "'") && ae_cells_one_of(x, i + 1, "sSmMdD") && ae_cells_one_of(x, i + 2, " ");
        return letter ? 2 : ae_cells_have(x, i, "' ");
    }
    for (size_t k = 0; k < sizeof long_ones / sizeof *long_ones; k++) {
        if (ae_cells_have(x, i, long_ones[k])) {
            return strlen(long_ones[k]) - 1;
        }
    }
    return 0;
}

/* Parts a short form from a character that is neither an apostrophe nor a blank; the blank behind is passed over. */
static void part_short_forms(ae_cells *x, bool letters)
{
    for (size_t i = 0; i < x->n;) {
        size_t length = ae_cells_one_of(x, i, "' ") ? 0 : short_form(x, i + 1, letters);
        ae_cells_take(x, i, 1);
        if (length > 0) {
            ae_cells_put(x, ' ', x->at[i + 1]);
            ae_cells_take(x, i + 1, length + 1);
        }
        i += length > 0 ? length + 2 : 1;
    }
    ae_cells_swap(x);
}

/* Whether a word may begin or end at i: it is between a character of words and another, or an end. */
static bool is_border(const ae_cells *x, size_t i)
{
    bool before = i > 0 && is_python_word(x->at[i - 1].c), behind = i < x->n && is_python_word(x->at[i].c);
    return before != behind;
}

/* One of the joined words wherever it stands alone, in any case of letters: 'tis and 'twas behind a blank, wanna before
 * one. */
static void part_joined_anywhere(ae_cells *x, const char *word)
{
    size_t half = strcspn(word, "-");
    bool apostrophe = *word == '\'', before_space = strcmp(word, "wan-na") == 0;
    for (size_t i = 0; i < x->n;) {
        size_t lead = apostrophe && x->at[i].c == ' ', at = i + lead;
        size_t length = (apostrophe ? lead : is_border(x, i)) ? joined_at(x, at, word, true) : 0, end = at + length;
        bool here = length > 0 && (before_space ? end < x->n && is_python_space(x->at[end].c) : is_border(x, end));
        if (here) {
            ae_cells_put(x, ' ', x->at[at]);
            ae_cells_take(x, at, half);
            ae_cells_put(x, ' ', x->at[at]);
            ae_cells_take(x, at + half, length - half);
            ae_cells_put(x, ' ', x->at[at]);
        } else {
            ae_cells_take(x, i, 1);
        }
        i = here ? end : i + 1;
    }
    ae_cells_swap(x);
}

static void open_and_mark(ae_cells *x)
{
    static const uint32_t opening[] = {0xab, 0x201c, 0x2018, 0x201e, 0};
    part_any(x, opening);
    part_runs(x, '`', 1);
    open_first_quote(x, "");
    ae_cells_part_text(x, "``", " ");
    open_quotes(x, true);
    part_before_letter(x);
    part_closed_stop(x);
    part_commas(x);
    part_runs(x, '.', 2);
    ae_cells_part(x, ";@#$%&");
    ae_cells_part(x, "?!");
    part_last_apostrophes(x);
    ae_cells_part(x, "*");
    ae_cells_part(x, brackets);
    ae_cells_part_text(x, "--", " ");
    ae_cells_pad(x);
}

void ae_english_nltk(ae_cells *x)
{
    static const uint32_t closing[] = {0xbb, 0x201d, 0x2019, 0};
    open_and_mark(x);
    part_any(x, closing);
    ae_cells_part_text(x, "''", " ");
    close_quotes(x);
    part_short_forms(x, true);
    part_short_forms(x, false);
    for (int i = 0; i < JOINED_WORDS; i++) {
        part_joined_anywhere(x, i == DO_YOU ? nltk_do_you : joined_words[i]);
    }
}
