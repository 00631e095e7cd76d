/* Training instances built from a corpus, in one HDF5 file without padding.
 *
 * Objectives:
 *   mlm_nsp   BERT's pairs (Devlin et al. 2019, google-research/bert create_pretraining_data): two segments of
 *             sentences fill seq tokens, the second one half the time from another document; some are short
 *   mlm       pieces of a document (or of all, `full_sentences`: SEP stands between two), each with CLS and SEP, of
 *             at most seq tokens
 *   lm        pieces of seq + 1 tokens of the running text, each beginning with the last token of the one before:
 *             token t predicts token t+1, and every token but the first is predicted once. A document begins with
 *             CLS and ends with SEP; where these are one token, as GPT-2's, it stands at the end alone
 *
 * Documents are made of sentences: see ae_corpus_unit. A file ends a document. Nothing is dropped but what truncation
 * cuts off the pairs: a document that is longer than a quarter of the buffer goes on in parts.
 *
 * The file (readable with h5py): texts "about" (JSON: format, objective, options, tokenizer_hash, sources with bytes
 * and hash, counts) and "tokenizer" (JSON); tensors "ids" i32 (all tokens), "offsets" i64 (count+1), "split" i32
 * (count; tokens of type 0, which are the first ones; pairs only), "label" u8 (count; pairs only: 1 when the second is
 * from elsewhere), and for static masks "mask_positions" i32 (within their instance), "mask_ids" i32 (the original
 * tokens; "ids" holds what the model sees), "mask_offsets" i64 (count+1), and where words were found by a segmenter
 * "inside" u8 (of each of "ids": 1 when the token goes on with the word of the token before it). */
#ifndef AE_DATASETS_INSTANCES_H
#define AE_DATASETS_INSTANCES_H

#include "datasets/dataset.h"
#include "datasets/line_reader.h"
#include "tokenizers/segmenter.h"

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
 * never chosen, nor is a random token ever special. Of n tokens (special ones count) n * rate are chosen, rounded half
 * to even. A word is chosen as a whole and skipped when it is longer than what is left to choose; each of its tokens
 * has a draw of mask, random or original of its own. A span is 1 to span_most words long (geometric law) and gets one
 * such draw. Without a mask token in the vocabulary the original stays. inside[i] says whether token i goes on with the
 * word of the token before it; NULL: the tokenizer says. Nothing is allocated. */
AE_API void ae_mask_tokens(const ae_masking *how, const ae_tokenizer *t, const ae_random_key *key,
                           const uint8_t *inside, int32_t *ids, int64_t *labels, int64_t n);

typedef enum ae_corpus_unit {
    AE_UNIT_AUTO,     /* told from the first lines; what was assumed is in the report */
    AE_UNIT_SENTENCE, /* a line is a sentence, a blank line ends the document; mlm and lm join lines by a space */
    AE_UNIT_DOCUMENT  /* a line is a document; mlm_nsp cuts it into sentences at . ! ? and their Chinese forms */
} ae_corpus_unit;

typedef struct ae_instance_options {
    const char *objective; /* "mlm_nsp", "mlm", "lm" */
    int64_t seq;           /* tokens of an instance, special ones included */
    int64_t duplicates;  /* times the corpus is gone through, with other draws; 0: 1 with dynamic masks, else BERT's 10;
                            lm draws nothing and takes 1 only */
    double short_seq;    /* part of the pairs that get a random shorter length: 0.1 */
    bool dynamic;        /* masks are drawn when a batch is made, not stored */
    bool full_sentences; /* mlm: pieces may run over the end of a document */
    bool line_ends;      /* lm: the text keeps its line ends (a character model); a file is one document */
    bool no_special;     /* lm: no CLS in front of and no SEP behind a document */
    ae_masking masking;
    const ae_segmenter *words; /* mlm, mlm_nsp: what a word is to masks of whole words and spans; NULL: the tokenizer
                                  says, to which every Chinese character is a word. Borrowed */
    ae_corpus_unit unit;
    uint64_t seed;
    int64_t buffer;             /* bytes of tokens in memory at once, within which documents are paired: 64 MiB */
    const char *const *exclude; /* files whose lines (or cells of tables) are taken out of the corpus: equal but for
                                   blanks and the case of ASCII letters */
    int n_exclude;
    ae_line_options lines;
} ae_instance_options;

/* Defaults of an objective: 128 tokens, dynamic masks by BERT's numbers, sentence pairs by Google's; all zero bytes in
 * `lines`. An objective that is none of the three gives the same and is refused by ae_instances_build. */
AE_API ae_instance_options ae_instance_defaults(const char *objective);

typedef struct ae_build_report {
    int64_t lines, bytes;    /* of text, line ends not counted */
    int64_t documents;       /* that hold a token */
    int64_t sentences;       /* that hold a token; a document, where it need not be cut, is one */
    int64_t tokens;          /* of the text, each once, without special ones */
    int64_t instances;       /* all duplicates together */
    int64_t unknown_tokens;  /* of `tokens` */
    int64_t empty_documents; /* that have text but no token */
    int64_t tabbed;          /* lines that begin with a field of 1 to 16 bytes and a tab, as labelled tables do */
    int64_t excluded;        /* lines left out because a file of `exclude` holds them */
    int64_t repaired;        /* invalid places replaced or skipped */
    ae_corpus_unit unit;     /* sentence or document */
    char explanation[512];   /* one line: what the unit was told from, with two examples; "" when it was given */
    double seconds;
} ae_build_report;

/* The counts of a report as a JSON object; the caller's. */
AE_API ae_json *ae_build_report_json(const ae_build_report *report);

/* Builds the file `output` (whatever stood there is replaced once all went well) from the paths, on ae_threads()
 * threads; the result does not depend on their number. Memory is bounded by the buffer and the longest line, whatever
 * the size of the corpus. `progress` (may be NULL) gets bytes done and all (-1: unknown); other than 0 stops with
 * AE_E_STATE and leaves no file. `report` (may be NULL) is filled as far as it got. Returns 0 or -1: options outside
 * their range, a tokenizer without the special tokens that the objective needs, an empty corpus, a wrong format (line
 * number and an example of the right one), invalid UTF-8, no space. */
AE_API int ae_instances_build(const char *const *paths, int n, const ae_tokenizer *t,
                              const ae_instance_options *options, const char *output,
                              int (*progress)(void *self, int64_t done, int64_t all), void *self,
                              ae_build_report *report, ae_err *e);

/* Whether a file holds what ae_instances_build would make now: the same objective, options, tokenizer and text, which
 * is read for it. 1 or 0; a file that is missing or none of ours is 0, and so is standard input. -1 and e: a source or
 * an excluded file that cannot be read. */
AE_API int ae_instances_match(const char *path, const char *const *paths, int n, const ae_tokenizer *t,
                              const ae_instance_options *options, ae_err *e);

/* Opens such a file as a dataset (mapped: memory grows with what is read). *about (may be NULL) gets the JSON,
 * *tokenizer (may be NULL) the tokenizer it was built with; both the caller's. With `masking` (may be NULL) masks are
 * drawn anew by it for every batch instead of by the file's own rule; static masks are undone then.
 *
 * Batches have input_ids and attention_mask (B,T); mlm and mlm_nsp also token_type_ids and labels (B,T), mlm_nsp
 * next_sentence_label (B); lm next_ids (B,T). All are i64. NULL and e: not such a file, damaged, a newer format. */
AE_API ae_dataset *ae_instances_open(const char *path, const ae_masking *masking, ae_json **about,
                                     ae_tokenizer **tokenizer, ae_err *e);

/* The ids of example i as stored, for printing; returns how many, *ids borrowed. */
AE_API int64_t ae_instances_ids(const ae_dataset *d, int64_t i, const int32_t **ids);

#ifdef __cplusplus
}
#endif
#endif
