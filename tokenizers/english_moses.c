/* The words of Moses's tokenizer for English. */
#include "tokenizers/english_words.h"
#include "tokenizers/regex.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>
#include <string.h>

/* A dot of several in a row: no full stop, and a letter to what looks at neighbours. */
enum { DOT = 0x110000 };

static bool is_alphabetic(uint32_t c)
{
    if (c < 0x80) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    return c == DOT || ae_unicode_alphabetic(c);
}

static bool is_number(uint32_t c)
{
    return c < 0x80 ? c >= '0' && c <= '9' : c != DOT && ae_char_flags(c) & AE_CHAR_NUMBER;
}

static bool is_alphanumeric(uint32_t c)
{
    return is_alphabetic(c) || (c < 0x80 ? c >= '0' && c <= '9' : c != DOT && ae_char_flags(c) & AE_CHAR_DIGIT);
}

/* One blank for all between words and none at the ends; control characters go. */
static void squeeze(ae_cells *x)
{
    bool blank = false;
    for (size_t i = 0; i < x->n; i++) {
        uint32_t c = x->at[i].c;
        if (c != DOT && ae_char_flags(c) & AE_CHAR_SPACE) {
            blank = true;
        } else if (c >= ' ') {
            ae_cells_put_text(x, blank && x->n_out > 0 ? " " : "", x->at[i]);
            ae_cells_take(x, i, 1);
            blank = false;
        }
    }
    ae_cells_swap(x);
}

static void part_marks(ae_cells *x)
{
    for (size_t i = 0; i < x->n; i++) {
        bool mark = !is_alphanumeric(x->at[i].c) && !ae_cells_one_of(x, i, " .'`,-");
        ae_cells_put_text(x, mark ? " " : "", x->at[i]);
        ae_cells_take(x, i, 1);
        ae_cells_put_text(x, mark ? " " : "", x->at[i]);
    }
    ae_cells_swap(x);
}

/* "a-b" is "a @-@ b". */
static void part_hyphens(ae_cells *x)
{
    for (size_t i = 0; i < x->n; i++) {
        bool here = x->at[i].c == '-' && i > 0 && i + 1 < x->n && is_alphanumeric(x->at[i - 1].c) &&
                    is_alphanumeric(x->at[i + 1].c);
        if (here) {
            ae_cells_put_text(x, " @-@ ", x->at[i]);
        } else {
            ae_cells_take(x, i, 1);
        }
    }
    ae_cells_swap(x);
}

/* Several dots stay together, apart from all else. */
static void part_dots(ae_cells *x)
{
    for (size_t i = 0, end; i < x->n; i = end) {
        for (end = i; end < x->n && x->at[end].c == '.'; end++) {
        }
        if (end - i < 2) {
            ae_cells_take(x, i, 1);
            end = i + 1;
            continue;
        }
        ae_cells_put(x, ' ', x->at[i]);
        for (size_t k = i; k < end; k++) {
            ae_cells_put(x, DOT, x->at[k]);
        }
        ae_cells_put_text(x, end < x->n ? " " : "", x->at[end - 1]);
    }
    ae_cells_swap(x);
}

/* A comma with a character before it that is no number, then with one behind it; each pair is passed over. */
static void part_commas(ae_cells *x)
{
    for (size_t i = 0; i < x->n;) {
        bool here = !is_number(x->at[i].c) && ae_cells_one_of(x, i + 1, ",");
        ae_cells_take(x, i, 1);
        if (here) {
            ae_cells_put_text(x, " , ", x->at[i + 1]);
        }
        i += here ? 2 : 1;
    }
    ae_cells_swap(x);
    for (size_t i = 0; i < x->n;) {
        bool here = x->at[i].c == ',' && i + 1 < x->n && !is_number(x->at[i + 1].c);
        if (here) {
            ae_cells_put_text(x, " , ", x->at[i]);
            ae_cells_take(x, i + 1, 1);
        } else {
            ae_cells_take(x, i, 1);
        }
        i += here ? 2 : 1;
    }
    ae_cells_swap(x);
    if (x->n > 1 && x->at[x->n - 1].c == ',' && is_number(x->at[x->n - 2].c)) {
        ae_cells_take(x, 0, x->n - 1);
        ae_cells_put_text(x, " ,", x->at[x->n - 1]);
        ae_cells_swap(x);
    }
}

static bool any_but_letter(uint32_t c)
{
    return !is_alphabetic(c);
}

static bool neither_letter_nor_number(uint32_t c)
{
    return !is_alphabetic(c) && !is_number(c);
}

static bool is_s(uint32_t c)
{
    return c == 's';
}

/* An apostrophe between two characters of given kinds, which are passed over with it. */
static void part_apostrophes(ae_cells *x, bool (*before)(uint32_t), bool (*behind)(uint32_t), const char *instead)
{
    for (size_t i = 0; i < x->n;) {
        bool here = i + 2 < x->n && x->at[i + 1].c == '\'' && before(x->at[i].c) && behind(x->at[i + 2].c);
        ae_cells_take(x, i, 1);
        if (here) {
            ae_cells_put_text(x, instead, x->at[i + 1]);
            ae_cells_take(x, i + 2, 1);
        }
        i += here ? 3 : 1;
    }
    ae_cells_swap(x);
}

/* ---- full stops -------------------------------------------------------------------------------------------------------- */

/* Words whose stop belongs to them, in the order of bytes; "#" behind those of which it does before a number alone. */
static const char *const abbreviations[] = {
    "Adj",   "Adm",  "Adv",  "Apr",  "Art#", "Asst", "Aug", "Bart", "Bldg", "Brig", "Bros", "Capt", "Cmdr",   "Col",
    "Comdr", "Con",  "Corp", "Cpl",  "DR",   "Dec",  "Dr",  "Drs",  "Ens",  "Feb",  "Gen",  "Gov",  "Hon",    "Hosp",
    "Hr",    "Insp", "Jan",  "Jul",  "Jun",  "Lt",   "MM",  "MR",   "MRS",  "MS",   "Maj",  "Mar",  "Messrs", "Mlle",
    "Mme",   "Mr",   "Mrs",  "Ms",   "Msgr", "No#",  "Nos", "Nov",  "Nr",   "Oct",  "Op",   "Ord",  "Pfc",    "Ph",
    "Prof",  "Pvt",  "Rep",  "Reps", "Res",  "Rev",  "Rs",  "Rt",   "Sen",  "Sens", "Sep",  "Sfc",  "Sgt",    "Sr",
    "St",    "Supt", "Surg", "e.g",  "i.e",  "pp#",  "rev", "v",    "vs"};

enum { LONGEST_ABBREVIATION = 6 };

static int compare_words(const void *a, const void *b)
{
    const char *word = a, *other = *(const char *const *)b;
    size_t length = strcspn(other, "#");
    int order = strncmp(word, other, length);
    return order != 0 ? order : word[length] != '\0';
}

/* 0: no abbreviation, 1: one, 2: one before numbers. */
static int abbreviation(const ae_cells *x, size_t i, size_t length)
{
    char word[LONGEST_ABBREVIATION + 1] = "";
    if (length == 0 || length > LONGEST_ABBREVIATION) {
        return 0;
    }
    for (size_t k = 0; k < length; k++) {
        if (x->at[i + k].c >= 0x80) {
            return 0;
        }
        word[k] = (char)x->at[i + k].c;
    }
    if (length == 1 && word[0] >= 'A' && word[0] <= 'Z') {
        return 1; /* an initial */
    }
    const char *const *found = bsearch(word, abbreviations, sizeof abbreviations / sizeof *abbreviations,
                                       sizeof *abbreviations, compare_words);
    return !found ? 0 : strchr(*found, '#') ? 2 : 1;
}

/* Whether the stop of the word [i, end) belongs to it; `next` is the character behind the blank that follows, or 0. */
static bool keeps_stop(const ae_cells *x, size_t i, size_t end, uint32_t next)
{
    bool stop = false, letter = false;
    for (size_t k = i; k + 1 < end; k++) {
        stop = stop || x->at[k].c == '.';
        letter = letter || is_alphabetic(x->at[k].c);
    }
    int known = abbreviation(x, i, end - i - 1);
    bool small = next < 0x80 ? next >= 'a' && next <= 'z' : next != DOT && ae_unicode_lowercase(next);
    return (stop && letter) || known == 1 || small || (known == 2 && next >= '0' && next <= '9');
}

static void part_stops(ae_cells *x)
{
    size_t last = x->n; /* where the last word ends */
    while (last > 0 && x->at[last - 1].c == ' ') {
        last--;
    }
    for (size_t i = 0, end; i < x->n; i = end) {
        for (end = i; end < x->n && x->at[end].c != ' '; end++) {
        }
        if (end == i) {
            ae_cells_take(x, i, 1);
            end = i + 1;
            continue;
        }
        uint32_t next = end + 1 < x->n ? x->at[end + 1].c : 0;
        bool stop = end - i > 1 && x->at[end - 1].c == '.' && (end == last || !keeps_stop(x, i, end, next));
        ae_cells_take(x, i, end - i - stop);
        if (stop) {
            ae_cells_put_text(x, " .", x->at[end - 1]);
        }
    }
    ae_cells_swap(x);
}

/* ".'" at the very end is two words. */
static void part_last_quote(ae_cells *x)
{
    if (x->n > 1 && ae_cells_have(x, x->n - 2, ".'")) {
        ae_cells_take(x, 0, x->n - 2);
        ae_cells_put_text(x, " . ", x->at[x->n - 2]);
        ae_cells_put_text(x, "' ", x->at[x->n - 1]);
        ae_cells_swap(x);
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------------------ */

static const char *escaped(uint32_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '|':
        return "&#124;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\'':
        return "&apos;";
    case '"':
        return "&quot;";
    case '[':
        return "&#91;";
    case ']':
        return "&#93;";
    default:
        return NULL;
    }
}

static void finish(ae_cells *x, bool escape)
{
    for (size_t i = 0; i < x->n; i++) {
        const char *instead = escape ? escaped(x->at[i].c) : NULL;
        if (instead) {
            ae_cells_put_text(x, instead, x->at[i]);
        } else {
            ae_cells_put(x, x->at[i].c == DOT ? '.' : x->at[i].c, x->at[i]);
        }
    }
    ae_cells_swap(x);
}

void ae_english_moses(ae_cells *x, bool aggressive, bool escape)
{
    squeeze(x);
    part_marks(x);
    if (aggressive) {
        part_hyphens(x);
    }
    part_dots(x);
    part_commas(x);
    if (ae_cells_hold(x, '\'')) {
        part_apostrophes(x, any_but_letter, any_but_letter, " ' ");
        part_apostrophes(x, neither_letter_nor_number, is_alphabetic, " ' ");
        part_apostrophes(x, is_alphabetic, any_but_letter, " ' ");
        part_apostrophes(x, is_alphabetic, is_alphabetic, " '");
        part_apostrophes(x, is_number, is_s, " '");
    }
    part_stops(x);
    squeeze(x);
    part_last_quote(x);
    finish(x, escape);
}
