/* What a line of a corpus is, told from its first lines, and what to say when it is not what is needed. Internal. */
#ifndef AE_DATASETS_CORPUS_UNIT_H
#define AE_DATASETS_CORPUS_UNIT_H

#include "datasets/instances.h"

/* What the first lines look like; all zero bytes to begin with. */
typedef struct ae_corpus_look {
    int64_t lines;     /* with text */
    int64_t blank;     /* blank lines that stand between lines with text */
    int64_t sentences; /* of the lines with text */
    bool blank_before;
    char examples[2][96]; /* the beginnings of the first two lines with text */
} ae_corpus_look;

void ae_corpus_look_at(ae_corpus_look *look, const char *text, size_t bytes);

/* AE_UNIT_SENTENCE or AE_UNIT_DOCUMENT. Lines of several sentences (3 in 2 lines or more) are documents; else blank
 * lines part documents; without any, a line is a document. */
ae_corpus_unit ae_corpus_look_unit(const ae_corpus_look *look);

/* One line that says why, with the examples. */
void ae_corpus_look_explain(const ae_corpus_look *look, char text[512]);

/* Fills e for a corpus from which no pairs of sentences can be built: what was found, from which line on, what is
 * expected and an example of it. Returns -1. */
int ae_corpus_wrong_form(const char *path, int64_t line, const char *found, ae_err *e);

/* Fills e and returns -1 when the first line is the header of a labelled table. */
int ae_corpus_refuse_table(const ae_line *line, ae_err *e);

#endif
