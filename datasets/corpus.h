/* A corpus as tokens, a buffer of documents at a time. Internal to the builder of instances. */
#ifndef AE_DATASETS_CORPUS_H
#define AE_DATASETS_CORPUS_H

#include "datasets/instances.h"
#include "tensor/byte_buffer.h"

/* While instances are made, what a segmenter says of a token stands in its id. */
enum { AE_INSIDE_WORD = 1 << 30 };

/* Documents after each other; all zero bytes is a valid, empty buffer. A document that is longer than a quarter of the
 * buffer comes in parts. */
typedef struct ae_documents {
    ae_bytes ids;       /* i32: the tokens, with AE_INSIDE_WORD */
    ae_bytes sentences; /* i64: where each sentence ends in ids */
    ae_bytes ends;      /* i64: how many sentences there are up to the end of each document */
    ae_bytes flags;     /* u8 of each document */
    int64_t guests;     /* the first documents, which stood in the buffer before: 0 or 1 */
    int64_t first;      /* the number within the corpus of the first that is no guest; parts count */
} ae_documents;

enum { AE_DOCUMENT_BEGINS = 1, AE_DOCUMENT_ENDS = 2 }; /* flags of a part; a whole document has both */

int64_t ae_documents_count(const ae_documents *d); /* guests included */
void ae_documents_free(ae_documents *d);

/* Sentence numbers [*from, *to) of a document, and the tokens [*from, *to) of sentences from..to-1. */
void ae_document_sentences(const ae_documents *d, int64_t document, int64_t *from, int64_t *to);
void ae_sentences_tokens(const ae_documents *d, int64_t from, int64_t to, int64_t *first, int64_t *last);

typedef struct ae_corpus ae_corpus;

typedef int (*ae_progress_fn)(void *self, int64_t done, int64_t all);

/* `pairs`: documents are cut into sentences, and the last document of a buffer stays in the next as a guest. The
 * options, the tokenizer and the report outlive the corpus. */
ae_corpus *ae_corpus_open(const char *const *paths, int n, const ae_tokenizer *t, const ae_instance_options *options,
                          bool pairs, ae_build_report *report, ae_err *e);
void ae_corpus_close(ae_corpus *c); /* NULL is allowed */

void ae_corpus_progress(ae_corpus *c, ae_progress_fn progress, void *self);

/* Fills d with the next documents: 1; 0 at the end, with d empty but for a guest; -1 and e. */
int ae_corpus_fill(ae_corpus *c, ae_documents *d, ae_err *e);

/* The files, once all is read; an array of objects. */
ae_json *ae_corpus_sources(const ae_corpus *c);

#endif
