/* BertPreTokenizer: blanks part words and vanish, punctuation characters are words of their own (Devlin et al. 2018).
 */
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

bool ae_is_ascii_punctuation(uint32_t c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
}

static void cut(ae_work *w, const void *self, ae_piece piece)
{
    (void)self;
    size_t start = piece.start;
    for (size_t i = piece.start; i < piece.end;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(w->text.bytes + i, &c);
        unsigned flags = ae_char_flags(c);
        bool mark = ae_is_ascii_punctuation(c) || flags & AE_CHAR_PUNCTUATION;
        if (mark || flags & AE_CHAR_SPACE) {
            ae_work_piece(w, start, i, -1);
            ae_work_piece(w, i, mark ? i + n : i, -1);
            start = i + n;
        }
        i += n;
    }
    ae_work_piece(w, start, piece.end, -1);
}

static int apply(const void *self, ae_work *w)
{
    return ae_work_cut(w, cut, self);
}

static void cutting(const void *self, ae_cutting *c)
{
    (void)self;
    c->cut = AE_CUT_WORDS;
}

const ae_pre_tokenizer_row ae_pre_tokenizer_bert = {{"BertPreTokenizer", NULL, NULL, NULL}, apply, cutting};
