#include "tokenizers/regex.h"

#include <oniguruma.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ae_regex {
    OnigRegex engine;
};

/* ---- scripts --------------------------------------------------------------------------------------------------------- */

/* In the order of ae_script from 1 on: the scripts of Unicode 9. */
static const char *const script_names[] = {"Common",
                                           "Inherited",
                                           "Latin",
                                           "Han",
                                           "Hiragana",
                                           "Katakana",
                                           "Adlam",
                                           "Ahom",
                                           "AnatolianHieroglyphs",
                                           "Arabic",
                                           "Armenian",
                                           "Avestan",
                                           "Balinese",
                                           "Bamum",
                                           "BassaVah",
                                           "Batak",
                                           "Bengali",
                                           "Bhaiksuki",
                                           "Bopomofo",
                                           "Brahmi",
                                           "Braille",
                                           "Buginese",
                                           "Buhid",
                                           "CanadianAboriginal",
                                           "Carian",
                                           "CaucasianAlbanian",
                                           "Chakma",
                                           "Cham",
                                           "Cherokee",
                                           "Coptic",
                                           "Cuneiform",
                                           "Cypriot",
                                           "Cyrillic",
                                           "Deseret",
                                           "Devanagari",
                                           "Duployan",
                                           "EgyptianHieroglyphs",
                                           "Elbasan",
                                           "Ethiopic",
                                           "Georgian",
                                           "Glagolitic",
                                           "Gothic",
                                           "Grantha",
                                           "Greek",
                                           "Gujarati",
                                           "Gurmukhi",
                                           "Hangul",
                                           "Hanunoo",
                                           "Hatran",
                                           "Hebrew",
                                           "ImperialAramaic",
                                           "InscriptionalPahlavi",
                                           "InscriptionalParthian",
                                           "Javanese",
                                           "Kaithi",
                                           "Kannada",
                                           "KayahLi",
                                           "Kharoshthi",
                                           "Khmer",
                                           "Khojki",
                                           "Khudawadi",
                                           "Lao",
                                           "Lepcha",
                                           "Limbu",
                                           "LinearA",
                                           "LinearB",
                                           "Lisu",
                                           "Lycian",
                                           "Lydian",
                                           "Mahajani",
                                           "Malayalam",
                                           "Mandaic",
                                           "Manichaean",
                                           "Marchen",
                                           "MeeteiMayek",
                                           "MendeKikakui",
                                           "MeroiticCursive",
                                           "MeroiticHieroglyphs",
                                           "Miao",
                                           "Modi",
                                           "Mongolian",
                                           "Mro",
                                           "Multani",
                                           "Myanmar",
                                           "Nabataean",
                                           "NewTaiLue",
                                           "Newa",
                                           "Nko",
                                           "Ogham",
                                           "OlChiki",
                                           "OldHungarian",
                                           "OldItalic",
                                           "OldNorthArabian",
                                           "OldPermic",
                                           "OldPersian",
                                           "OldSouthArabian",
                                           "OldTurkic",
                                           "Oriya",
                                           "Osage",
                                           "Osmanya",
                                           "PahawhHmong",
                                           "Palmyrene",
                                           "PauCinHau",
                                           "PhagsPa",
                                           "Phoenician",
                                           "PsalterPahlavi",
                                           "Rejang",
                                           "Runic",
                                           "Samaritan",
                                           "Saurashtra",
                                           "Sharada",
                                           "Shavian",
                                           "Siddham",
                                           "SignWriting",
                                           "Sinhala",
                                           "SoraSompeng",
                                           "Sundanese",
                                           "SylotiNagri",
                                           "Syriac",
                                           "Tagalog",
                                           "Tagbanwa",
                                           "TaiLe",
                                           "TaiTham",
                                           "TaiViet",
                                           "Takri",
                                           "Tamil",
                                           "Tangut",
                                           "Telugu",
                                           "Thaana",
                                           "Thai",
                                           "Tibetan",
                                           "Tifinagh",
                                           "Tirhuta",
                                           "Ugaritic",
                                           "Vai",
                                           "WarangCiti",
                                           "Yi"};

enum { SCRIPTS = sizeof script_names / sizeof *script_names, SCRIPT_RANGES = 4096 };

typedef struct script_range {
    uint32_t from, to;
    ae_script script;
} script_range;

static script_range script_ranges[SCRIPT_RANGES];
static int n_script_ranges;
static pthread_once_t scripts_read = PTHREAD_ONCE_INIT;

static int compare_ranges(const void *a, const void *b)
{
    const script_range *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static void read_scripts(void)
{
    OnigEncoding utf8 = ONIG_ENCODING_UTF8;
    for (int i = 0; i < SCRIPTS; i++) {
        OnigUChar *name = (OnigUChar *)(uintptr_t)script_names[i];
        OnigCodePoint single = 0;
        const OnigCodePoint *ranges = NULL; /* their number, and pairs */
        int type = utf8->property_name_to_ctype(utf8, name, name + strlen(script_names[i]));
        if (type < 0 || utf8->get_ctype_code_range((OnigCtype)type, &single, &ranges) != 0) {
            continue;
        }
        for (OnigCodePoint k = 0; k < ranges[0] && n_script_ranges < SCRIPT_RANGES; k++) {
            script_ranges[n_script_ranges++] = (script_range){ranges[1 + 2 * k], ranges[2 + 2 * k], (ae_script)(i + 1)};
        }
    }
    qsort(script_ranges, (size_t)n_script_ranges, sizeof *script_ranges, compare_ranges);
}

ae_script ae_unicode_script(uint32_t c)
{
    pthread_once(&scripts_read, read_scripts);
    int low = 0, high = n_script_ranges;
    while (low < high) {
        int middle = (low + high) / 2;
        if (script_ranges[middle].to < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < n_script_ranges && script_ranges[low].from <= c ? script_ranges[low].script : AE_SCRIPT_NONE;
}

bool ae_unicode_alphabetic(uint32_t c)
{
    return ONIGENC_IS_CODE_CTYPE(ONIG_ENCODING_UTF8, c, ONIGENC_CTYPE_ALPHA);
}

bool ae_unicode_lowercase(uint32_t c)
{
    return ONIGENC_IS_CODE_CTYPE(ONIG_ENCODING_UTF8, c, ONIGENC_CTYPE_LOWER);
}

/* ---- expressions ------------------------------------------------------------------------------------------------------ */

/* Oniguruma's tables, once a process: its own functions for it know no threads. */
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
}

ae_regex *ae_regex_new(const char *text, size_t bytes, ae_err *e)
{
    pthread_once(&prepared, prepare);
    ae_regex *r = calloc(1, sizeof *r);
    if (!r) {
        ae_err_set(e, AE_E_MEMORY, "no memory for a regular expression of %zu bytes", bytes);
        return NULL;
    }
    const OnigUChar *pattern = (const OnigUChar *)text;
    OnigErrorInfo info = {0};
    int code = onig_new(&r->engine, pattern, pattern + bytes, ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT,
                        &info);
    if (code != ONIG_NORMAL) {
        OnigUChar reason[ONIG_MAX_ERROR_MESSAGE_LEN] = {0};
        onig_error_code_to_str(reason, code, &info);
        ae_err_set(e, code == ONIGERR_MEMORY ? AE_E_MEMORY : AE_E_VALUE,
                   "the regular expression %.200s is not understood: %s", text, (const char *)reason);
        free(r);
        return NULL;
    }
    return r;
}

void ae_regex_free(ae_regex *r)
{
    if (r) {
        onig_free(r->engine);
        free(r);
    }
}

/* How often a search may go back. Oniguruma's own limit, 10 million, is for each place of a text, and a hostile text
 * would cost that at all of its places. */
static unsigned long steps_for(size_t length)
{
    return 10000000ul + 100ul * length;
}

ae_regex_walk ae_regex_begin(const ae_regex *r, const char *bytes, size_t length)
{
    OnigMatchParam *limits = onig_new_match_param();
    if (limits) {
        onig_set_retry_limit_in_search_of_match_param(limits, steps_for(length));
    }
    return (ae_regex_walk){.regex = r, .bytes = bytes, .length = length, .region = onig_region_new(), .limits = limits};
}

ae_match ae_regex_next(ae_regex_walk *w, size_t *start, size_t *end)
{
    if (!w->region || !w->limits) {
        return AE_MATCH_NO_MEMORY;
    }
    const OnigUChar *text = (const OnigUChar *)w->bytes;
    while (w->at <= w->length) {
        OnigRegion *region = w->region;
        int place = onig_search_with_param(w->regex->engine, text, text + w->length, text + w->at, text + w->length,
                                           region, ONIG_OPTION_NONE, w->limits);
        if (place < 0) {
            return place == ONIG_MISMATCH    ? AE_MATCH_NONE
                   : place == ONIGERR_MEMORY ? AE_MATCH_NO_MEMORY
                                             : AE_MATCH_GAVE_UP;
        }
        *start = (size_t)region->beg[0];
        *end = (size_t)region->end[0];
        if (*start == *end && w->any && *end == w->before) { /* begin behind the next character */
            do {
                w->at++;
            } while (w->at < w->length && ((unsigned char)w->bytes[w->at] & 0xc0) == 0x80);
            continue;
        }
        w->at = w->before = *end;
        w->any = true;
        return AE_MATCH_FOUND;
    }
    return AE_MATCH_NONE;
}

void ae_regex_end(ae_regex_walk *w)
{
    if (w->region) {
        onig_region_free(w->region, 1);
    }
    if (w->limits) {
        onig_free_match_param(w->limits);
    }
    *w = (ae_regex_walk){0};
}
