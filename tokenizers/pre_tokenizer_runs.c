/* Pre-tokenizers that cut between characters without looking for anything: UnicodeScripts, FixedLength. */
#include "tokenizers/component.h"
#include "tokenizers/regex.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* ---- UnicodeScripts: a piece ends where another script begins -------------------------------------------------------- */

/* The script, Japanese syllables counting as Chinese; a blank goes with either neighbour. */
static ae_script script_of(uint32_t c)
{
    ae_script s = c == ' ' ? AE_SCRIPT_NONE : c == 0x30fc ? AE_SCRIPT_HAN : ae_unicode_script(c);
    return s == AE_SCRIPT_HIRAGANA || s == AE_SCRIPT_KATAKANA ? AE_SCRIPT_HAN : s;
}

/* What stands in front of the first character that has a script is lost, as in Hugging Face's library. */
static void cut_scripts(ae_work *w, const void *self, ae_piece piece)
{
    (void)self;
    ae_script last = AE_SCRIPT_NONE;
    size_t start = piece.end;
    for (size_t i = piece.start; i < piece.end;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(w->text.bytes + i, &c);
        ae_script now = script_of(c);
        if (now != AE_SCRIPT_NONE && now != last) {
            ae_work_piece(w, start, i, -1);
            start = i;
            last = now;
        }
        i += n;
    }
    ae_work_piece(w, start, piece.end, -1);
}

static int apply_scripts(const void *self, ae_work *w)
{
    return ae_work_cut(w, cut_scripts, self);
}

const ae_pre_tokenizer_row ae_pre_tokenizer_unicode_scripts = {
    {"UnicodeScripts", NULL, NULL, NULL}, apply_scripts, NULL};

/* ---- FixedLength: so many characters a piece --------------------------------------------------------------------------- */

static void *length_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    int64_t length = ae_json_int(object, "length", 5, &local);
    if (!local.code && length < 1) {
        ae_err_set(&local, AE_E_VALUE, "\"length\" is %lld; a piece has at least 1 character", (long long)length);
    }
    int64_t *self = local.code ? NULL : malloc(sizeof *self);
    if (!self) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        return NULL;
    }
    *self = length;
    return self;
}

static int length_to_json(const void *self, ae_json *object)
{
    return ae_json_set_int(object, "length", *(const int64_t *)self);
}

static void cut_length(ae_work *w, const void *self, ae_piece piece)
{
    int64_t count = 0;
    size_t start = piece.start;
    for (size_t i = piece.start; i < piece.end;) {
        uint32_t c = 0;
        i += (size_t)ae_utf8_decode(w->text.bytes + i, &c);
        if (++count == *(const int64_t *)self) {
            ae_work_piece(w, start, i, -1);
            start = i;
            count = 0;
        }
    }
    ae_work_piece(w, start, piece.end, -1);
}

static int apply_length(const void *self, ae_work *w)
{
    return ae_work_cut(w, cut_length, self);
}

const ae_pre_tokenizer_row ae_pre_tokenizer_fixed_length = {
    {"FixedLength", length_from_json, length_to_json, NULL}, apply_length, NULL};
