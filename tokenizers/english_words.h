/* Rules that part English text into words, which then stand between blanks: those that recurrent models were trained
 * with. Internal to tokenizers/.
 *
 * Each was checked against the program that defines it, whose words these are to the letter: the script tokenizer.sed
 * of the Penn Treebank (Robert MacIntyre 1995; as InferSent has it), word_tokenize of NLTK 3.8 for one sentence, and
 * tokenizer.perl of Moses for English. They look at neighbours, at the beginning and at the end, so a text is one
 * sentence; the first and the last take each line for one. */
#ifndef AE_TOKENIZERS_ENGLISH_WORDS_H
#define AE_TOKENIZERS_ENGLISH_WORDS_H

#include "tokenizers/cells.h"

/* The Penn Treebank's words of a line. */
void ae_english_treebank(ae_cells *x);

/* NLTK's of a sentence. */
void ae_english_nltk(ae_cells *x);

/* Moses's of a line: `aggressive` parts words at hyphens too ("a @-@ b"), `escape` writes & | < > ' " [ ] as XML has
 * them ("&amp;"). */
void ae_english_moses(ae_cells *x, bool aggressive, bool escape);

#endif
