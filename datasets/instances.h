/* Training instances built from a corpus, in one HDF5 file without padding.
 *
 * Objectives:
 *   mlm_nsp   BERT's pairs (Devlin et al. 2019, google-research/bert create_pretraining_data): documents are parted by
 *             blank lines, a line is a sentence; two segments fill seq tokens, the second half the time from another
 *             document; some are short
 *   mlm       pieces of seq tokens of one document (or of all, `full_sentences`), with CLS and SEP
 *   lm        pieces of seq + 1 tokens of the running text, documents joined by SEP: token t predicts token t+1
 *
 * The file (readable with h5py): texts "about" (JSON: objective, options, tokenizer hash, sources with bytes and hash,
 * counts) and "tokenizer" (JSON); tensors "ids" i32 (all tokens), "offsets" i64 (count+1), "split" i32 (count; tokens
 * of the first segment with its special ones; pairs only), "label" u8 (count; pairs only: 1 when the second is from
 * elsewhere), and for static masks "mask_positions" i32, "mask_ids" i32 (the original tokens; "ids" holds what the
 * model sees), "mask_offsets" i64 (count+1). */
#ifndef AE_DATASETS_INSTANCES_H
#define AE_DATASETS_INSTANCES_H

#include "datasets/dataset.h"
#include "datasets/line_reader.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_mask_unit { AE_MASK_TOKENS, AE_MASK_WHOLE_WORDS, AE_MASK_SPANS } ae_mask_unit;

/* How tokens are masked (Devlin et al. 2019, section 3.1; spans: Joshi et al. 2020, SpanBERT, section 3.1). */
typedef struct ae_masking {
    double rate;      /* 0.15 of the tokens, at least one */
    int64_t most;     /* at most so many in an instance; 0: no limit */
    double as_mask;   /* 0.8 become the mask token */
    double as_random; /* 0.1 become a random token that is not special; the rest stay */
    ae_mask_unit unit;
    double span_p;     /* geometric law of span lengths: 0.2 */
    int64_t span_most; /* and its end: 10 */
} ae_masking;

AE_API ae_masking ae_masking_defaults(void);

/* Masks ids[n] in place: labels[i] is the original id where something is to be predicted, else -100. Special tokens are
 * never chosen; a word is masked as a whole, a span gets one draw of 80/10/10. */
AE_API void ae_mask_tokens(const ae_masking *how, const ae_tokenizer *t, const ae_random_key *key, int32_t *ids,
                           int64_t *labels, int64_t n);

typedef enum ae_corpus_unit {
    AE_UNIT_AUTO,     /* told from the first lines; what was assumed is in the report */
    AE_UNIT_SENTENCE, /* a line is a sentence, a blank line ends the document */
    AE_UNIT_DOCUMENT  /* a line is a document; mlm_nsp cuts it into sentences at . ! ? and their Chinese forms */
} ae_corpus_unit;

typedef struct ae_instance_options {
    const char *objective; /* "mlm_nsp", "mlm", "lm" */
    int64_t seq;           /* tokens of an instance, special ones included */
    int64_t duplicates;  /* times the corpus is gone through, with other draws; 1 with dynamic masks, else BERT's 10 */
    double short_seq;    /* part of the pairs that get a random shorter length: 0.1 */
    bool dynamic;        /* masks are drawn when a batch is made, not stored */
    bool full_sentences; /* mlm: pieces may run over the end of a document */
    bool line_ends;      /* lm: the text keeps its line ends (a character model), lines are not documents */
    bool no_special;     /* lm: no CLS in front of and no SEP behind a document */
    ae_masking masking;
    ae_corpus_unit unit;
    uint64_t seed;
    int64_t buffer; /* bytes of text in memory at once, within which documents are shuffled and paired: 64 MiB */
    const char *const *exclude; /* files whose lines (or columns of tables) are taken out of the corpus */
    int n_exclude;
    ae_line_options lines;
} ae_instance_options;

/* Published defaults of an objective. */
AE_API ae_instance_options ae_instance_defaults(const char *objective);

typedef struct ae_build_report {
    int64_t lines, documents, sentences, bytes, tokens, instances, unknown_tokens;
    int64_t empty_documents, excluded, repaired;
    ae_corpus_unit unit;
    double seconds;
} ae_build_report;

/* Builds the file `output` from the paths, on ae_threads() threads, in bounded memory; the result does not depend on
 * the number of threads. `progress` (may be NULL) gets bytes done and all (-1: unknown); other than 0 stops with
 * AE_E_STATE and leaves no file. Returns 0 or -1: an empty corpus, a wrong format (line number and an example of the
 * right one), invalid UTF-8, no space. */
AE_API int ae_instances_build(const char *const *paths, int n, const ae_tokenizer *t,
                              const ae_instance_options *options, const char *output,
                              int (*progress)(void *self, int64_t done, int64_t all), void *self,
                              ae_build_report *report, ae_err *e);

/* Opens such a file as a dataset (mapped: memory grows with what is read). *about (may be NULL) gets the JSON,
 * *tokenizer (may be NULL) the tokenizer it was built with; both the caller's. With `masking` (may be NULL) dynamic
 * masks are drawn by it instead of the file's own rule. Batches have input_ids, attention_mask, token_type_ids, labels
 * (masked models), next_ids (lm), next_sentence_label (pairs). */
AE_API ae_dataset *ae_instances_open(const char *path, const ae_masking *masking, ae_json **about,
                                     ae_tokenizer **tokenizer, ae_err *e);

/* The ids of example i as stored, for printing; returns how many, *ids borrowed. */
AE_API int64_t ae_instances_ids(const ae_dataset *d, int64_t i, const int32_t **ids);

#ifdef __cplusplus
}
#endif
#endif
