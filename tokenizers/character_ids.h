/* ELMo's input: a word as the numbers of its bytes, so that no word is unknown.
 *
 * Source: Peters et al. 2018; the numbers are those of allenai/bilm-tf (bilm/data.py): bytes of UTF-8 0 to 255, then
 * the marks below. A word is its beginning, its bytes, its end, and padding. In training these numbers are used as they
 * are (261 rows); at prediction 1 is added to each, so that 0 is left for places without a word (262 rows). */
#ifndef AE_TOKENIZERS_CHARACTER_IDS_H
#define AE_TOKENIZERS_CHARACTER_IDS_H

#include "tokenizers/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    AE_CHARACTER_SENTENCE_BEGIN = 256,
    AE_CHARACTER_SENTENCE_END,
    AE_CHARACTER_WORD_BEGIN,
    AE_CHARACTER_WORD_END,
    AE_CHARACTER_PADDING,
    AE_CHARACTERS,           /* how many there are: 261 */
    AE_CHARACTER_WIDTH = 50, /* ids of a word in the published models */
    AE_CHARACTER_WIDTH_MIN = 3
};

/* Writes the `width` (at least AE_CHARACTER_WIDTH_MIN) ids of a word; bytes beyond width - 2 are cut off, within a
 * character too, as the reference does. */
AE_API void ae_character_ids(const char *word, size_t bytes, int64_t width, int32_t *ids);

/* The same of a mark that stands for a word: AE_CHARACTER_SENTENCE_BEGIN, AE_CHARACTER_SENTENCE_END. */
AE_API void ae_character_mark(int32_t mark, int64_t width, int32_t *ids);

/* The words of a sentence. Begin with all zero bytes and use it again: its memory grows and stays. */
typedef struct ae_character_words {
    int64_t count, width;
    int32_t *ids; /* (count, width) */
    int64_t room;
    ae_encoding scratch;
} ae_character_words;

AE_API void ae_character_words_free(ae_character_words *x); /* frees what it holds and zeroes it */

typedef struct ae_character_options {
    int64_t width; /* 0: AE_CHARACTER_WIDTH */
    bool marks;    /* <S> in front and </S> behind */
    bool shifted;  /* 1 is added to every id, for prediction */
} ae_character_options;

/* The words of a sentence that a tokenizer finds (ae_tokenizer_split; NULL: what stands between blanks) as ids. The
 * words "<S>" and "</S>" are the marks. Returns 0, or -1 and e: no memory, a width outside 3..1000. */
AE_API int ae_character_words_of(const ae_tokenizer *t, const char *text, size_t bytes,
                                 const ae_character_options *options, ae_character_words *out, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
