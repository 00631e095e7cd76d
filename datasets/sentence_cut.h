/* Where sentences end in running text, for corpora with a document a line. Internal. */
#ifndef AE_DATASETS_SENTENCE_CUT_H
#define AE_DATASETS_SENTENCE_CUT_H

#include <stdbool.h>
#include <stddef.h>

/* Finds the next sentence of text[*at .. bytes): *from and *length without the blanks around it; *at moves behind it.
 * False when only blanks are left. The text is valid UTF-8.
 *
 * A sentence ends behind . ! ? and their Chinese, Arabic and Devanagari forms, with the quotes and brackets that close
 * there. An ASCII one counts only before a blank or the end of the text, ! and ? also before a character beyond ASCII,
 * and none of them when a small letter follows; a full stop not behind initials (J., A.C.), one of a few abbreviations
 * (Mr., e.g.; before a number No., p., Jan.) or the number of a list's item. Chinese dots belong to the mark before
 * them, and end a quotation. */
bool ae_next_sentence(const char *text, size_t bytes, size_t *at, size_t *from, size_t *length);

/* Bytes of the blank at the start of the text: ASCII's, U+00A0, U+3000; 0 when there is none. */
size_t ae_blank_length(const char *text, size_t bytes);

/* Whether there is nothing but blanks. */
bool ae_is_blank(const char *text, size_t bytes);

#endif
