/* A labelled table as a dataset: tokenised once, held in memory as ids. */
#ifndef AE_DATASETS_LABELLED_H
#define AE_DATASETS_LABELLED_H

#include "datasets/dataset.h"
#include "datasets/table.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_layout {
    AE_LAYOUT_JOINED, /* one sequence with special tokens, pairs joined: input_ids, attention_mask, token_type_ids */
    AE_LAYOUT_APART   /* texts of a pair by themselves: s1_ids, s1_lengths, s2_ids, s2_lengths (single: s1 alone) */
} ae_layout;

typedef struct ae_labelled_options {
    const char *objective; /* "classes", "regression", "none" (no labels) */
    int64_t seq; /* tokens of a sequence at most, special ones included: longer ones are cut, the longer text of
                    a pair first; 0: no limit */
    ae_layout layout;
    bool no_special; /* do not put special tokens around */
} ae_labelled_options;

typedef struct ae_labelled_report {
    int64_t cut;     /* examples that were longer than seq */
    int64_t unknown; /* unknown tokens */
    int64_t tokens;
} ae_labelled_report;

/* `labels` gives the classes their numbers (NULL unless "classes"). Errors with file and line: an unseen label (the
 * classes are named), a score that is no finite number. Also refused: a table without labels when there is something to
 * learn, a seq too small for the special tokens, an unknown objective. An empty text gives the special tokens alone (or
 * one pad token, of length 1, where there are none). The table and the tokenizer may go afterwards, the labels too;
 * `report` may be NULL.
 *
 * Batches have the tensors that `layout` names, and labels: (B) i64 of classes, (B) f32 of scores. T is rounded up as
 * ae_collate says, but not beyond seq. An example's length is that of the longer text where texts are apart. A
 * tokenizer without a pad token pads with 0. */
AE_API ae_dataset *ae_labelled_new(const ae_table *table, const ae_tokenizer *t, const ae_labels *labels,
                                   const ae_labelled_options *options, ae_labelled_report *report, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
