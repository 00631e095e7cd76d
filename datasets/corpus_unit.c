#include "datasets/corpus_unit.h"

#include "datasets/sentence_cut.h"

#include <stdio.h>
#include <string.h>

/* The beginning of a text, cut between characters. */
static void quote(char *to, size_t room, const char *text, size_t bytes)
{
    size_t n = bytes < room - 4 ? bytes : room - 4;
    while (n < bytes && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
    }
    memcpy(to + n, n < bytes ? "..." : "", n < bytes ? 4 : 1);
}

void ae_corpus_look_at(ae_corpus_look *look, const char *text, size_t bytes)
{
    size_t at = 0, from, length;
    int64_t sentences = 0;
    while (ae_next_sentence(text, bytes, &at, &from, &length)) {
        if (sentences++ == 0 && look->lines < 2) {
            quote(look->examples[look->lines], sizeof look->examples[0], text + from, bytes - from);
        }
    }
    if (sentences > 0) {
        look->blank += look->blank_before && look->lines > 0;
        look->lines++;
        look->sentences += sentences;
    }
    look->blank_before = sentences == 0;
}

static bool lines_hold_several(const ae_corpus_look *look)
{
    return 2 * look->sentences >= 3 * look->lines;
}

ae_corpus_unit ae_corpus_look_unit(const ae_corpus_look *look)
{
    return look->blank > 0 && !lines_hold_several(look) ? AE_UNIT_SENTENCE : AE_UNIT_DOCUMENT;
}

void ae_corpus_look_explain(const ae_corpus_look *look, char text[512])
{
    const char *unit = ae_corpus_look_unit(look) == AE_UNIT_SENTENCE
                           ? "a line is a sentence, a blank line ends a document"
                           : "a line is a document";
    int n = snprintf(text, 512,
                     "%s: the first %lld lines with text hold %.1f sentences each, %lld blank lines between them", unit,
                     (long long)look->lines, look->lines > 0 ? (double)look->sentences / (double)look->lines : 0.0,
                     (long long)look->blank);
    for (int i = 0; i < 2 && i < look->lines && n < 512; i++) {
        n += snprintf(text + n, (size_t)(512 - n), "%s \"%s\"", i == 0 ? "; for instance" : " and", look->examples[i]);
    }
}

int ae_corpus_wrong_form(const char *path, int64_t line, const char *found, ae_err *e)
{
    return ae_err_set(
        e, AE_E_FORMAT,
        "%s:%lld: %s; sentence pairs (mlm_nsp) need documents of several sentences: either a sentence a "
        "line and a blank line between documents (--unit sentence), as in \"A fox saw grapes.\\nThey hung "
        "high.\\n\\nA crow was thirsty.\\nIt found a jug.\\n\", or a document a line (--unit line), as in "
        "\"A fox saw grapes. They hung high.\\nA crow was thirsty. It found a jug.\\n\"; the objective mlm "
        "takes any text",
        path, (long long)line, found);
}

int ae_corpus_refuse_table(const ae_line *line, ae_err *e)
{
    bool header =
        line->bytes < 256 && strchr(line->text, '\t') && strstr(line->text, "label") && strstr(line->text, "text_a");
    return !header ? 0
                   : ae_err_set(e, AE_E_FORMAT,
                                "%s:%lld: \"%.40s\" is the header of a labelled table, not text; a corpus holds text "
                                "alone (cut -f2 takes out a column), tables are for finetune",
                                line->path, (long long)line->number, line->text);
}
