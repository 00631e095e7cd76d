/* Chinese words by a dictionary: the cut of a text into words whose product of probabilities is the largest, as jieba
 * finds it (github.com/fxsjy/jieba 0.42, cut with HMM=False; words that the dictionary does not have stay single
 * characters). Used to mask whole words and phrases of a text whose tokens are characters.
 *
 * A dictionary has a word a line, "word frequency tag" with blanks between; the tag is not used. A line without a
 * frequency, as jieba's lists of users may have, gets the frequency that makes the word stay one, given the words read
 * so far. The probability of a word is its frequency over the sum of all. */
#ifndef AE_TOKENIZERS_SEGMENTER_H
#define AE_TOKENIZERS_SEGMENTER_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_segmenter ae_segmenter;

/* Reads dictionaries, one or several that add to each other: what stands twice has its last frequency. They are files
 * of UTF-8, plain or packed by gzip or bzip2. NULL and e filled, with path and line, when one cannot be read, a line is
 * none of a dictionary, or no word has a frequency. Never changes afterwards: any number of threads may use one. */
AE_API ae_segmenter *ae_segmenter_open(const char *const *paths, int n, ae_err *e);

AE_API void ae_segmenter_free(ae_segmenter *s); /* NULL is allowed */

/* The number of words that have a frequency. */
AE_API int64_t ae_segmenter_size(const ae_segmenter *s);

/* A number that two segmenters share only when they were read from the same text. */
AE_API uint64_t ae_segmenter_hash(const ae_segmenter *s);

/* The words of a text, which cover it. Begin with all zero bytes and use it again: its memory grows and stays. */
typedef struct ae_segments {
    int64_t count;
    uint32_t *ends; /* where each word ends, in bytes of the text; the last one is the text's end */
    void *scratch;  /* of the implementation */
} ae_segments;

AE_API void ae_segments_free(ae_segments *x); /* frees what it holds and zeroes it */

/* Cuts a text. Between Chinese characters, ASCII letters, digits and + # & . _ % - every other character is a word of
 * its own, but \r\n, which is one; letters and digits that are no part of a word of the dictionary make one word
 * together. Bytes that are no UTF-8 count as characters. 0, or -1 without memory or for more than 2^31 bytes. */
AE_API int ae_segmenter_cut(const ae_segmenter *s, const char *text, size_t bytes, ae_segments *out, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
