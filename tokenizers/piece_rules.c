#include "tokenizers/piece_rules.h"

#include "tokenizers/regex.h"

enum { ANY_SCRIPT = -1, LONG_VOWEL = 0x30FC };

/* The digits that SentencePiece knows: ASCII and full width. */
static bool is_digit(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 0xFF10 && c <= 0xFF19);
}

/* Kana and the mark of long vowels count as Han, what has no script as common. */
static int script_of(uint32_t c)
{
    if (c < 0x80) { /* most characters of many texts */
        return (c | 32) >= 'a' && (c | 32) <= 'z' ? AE_SCRIPT_LATIN : AE_SCRIPT_COMMON;
    }
    ae_script script = ae_unicode_script(c);
    if (script == AE_SCRIPT_HIRAGANA || script == AE_SCRIPT_KATAKANA || c == LONG_VOWEL) {
        return AE_SCRIPT_HAN;
    }
    return script == AE_SCRIPT_NONE ? AE_SCRIPT_COMMON : (int)script;
}

ae_rule_char ae_piece_char(const ae_piece_rules *rules, uint32_t c)
{
    ae_rule_char r = {.blank = c == AE_BLANK, .digit = is_digit(c)};
    r.script = rules->join_scripts || r.blank || (rules->join_numbers && r.digit) ? ANY_SCRIPT : script_of(c);
    return r;
}

/* Where ▁ may not stand beside what is in front of it or behind it. */
static bool blank_border(const ae_piece_rules *rules, ae_rule_char before, ae_rule_char after)
{
    if (rules->join_blanks || (before.blank && after.blank && rules->blank_pieces)) {
        return false;
    }
    return rules->blank_suffix ? before.blank : after.blank;
}

bool ae_piece_border(const ae_piece_rules *rules, ae_rule_char before, ae_rule_char after)
{
    if (before.blank || after.blank) {
        return blank_border(rules, before, after);
    }
    if (rules->split_digits && (before.digit || after.digit)) {
        return true;
    }
    /* An inherited script is that of what is in front of it, and a piece may begin with it. */
    return before.script != ANY_SCRIPT && after.script != ANY_SCRIPT && before.script != AE_SCRIPT_INHERITED &&
           after.script != AE_SCRIPT_INHERITED && before.script != after.script;
}

static bool blank_allowed(const ae_piece_rules *rules, size_t i, size_t n, bool all_blank)
{
    if (all_blank && rules->blank_pieces) {
        return true;
    }
    bool first = i == 0, last = i == n - 1;
    if (rules->blank_suffix) {
        return last || (rules->join_blanks && !first);
    }
    return first || (rules->join_blanks && !last);
}

bool ae_piece_allowed(const ae_piece_rules *rules, const uint32_t *chars, size_t n)
{
    int script = ANY_SCRIPT;
    bool all_blank = true;
    for (size_t i = 0; i < n; i++) {
        all_blank &= chars[i] == AE_BLANK;
    }
    for (size_t i = 0; i < n; i++) {
        ae_rule_char c = ae_piece_char(rules, chars[i]);
        if (c.blank) {
            if (!blank_allowed(rules, i, n, all_blank)) {
                return false;
            }
            continue;
        }
        int here = c.script == AE_SCRIPT_INHERITED ? script : c.script;
        if ((rules->split_digits && c.digit && n > 1) ||
            (script != ANY_SCRIPT && here != ANY_SCRIPT && script != here)) {
            return false;
        }
        script = here;
    }
    return n > 0 && n <= (size_t)rules->max_length;
}
