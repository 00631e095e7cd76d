/* What the parts of the builder of instances share. Internal. */
#ifndef AE_DATASETS_INSTANCES_BUILD_H
#define AE_DATASETS_INSTANCES_BUILD_H

#include "datasets/corpus.h"
#include "tensor/hdf5_file.h"

/* Finished instances on their way to the file; each thread fills its own. */
typedef struct ae_instance_sink {
    ae_bytes ids;            /* i32 */
    ae_bytes inside;         /* u8 of each of them; with a segmenter only */
    ae_bytes lengths;        /* i64 of each instance */
    ae_bytes splits;         /* i32; pairs only */
    ae_bytes labels;         /* u8; pairs only */
    ae_bytes mask_positions; /* i32; static masks only, as the next two */
    ae_bytes mask_ids;       /* i32 */
    ae_bytes mask_counts;    /* i64 of each instance */
    ae_bytes types;          /* u8: of the instance that is being made */
    ae_bytes mask_labels;    /* i64: likewise */
} ae_instance_sink;

typedef struct ae_builder ae_builder;

/* Makes the instances of an item (a document, or a piece of the running text) on the pass `duplicate`. */
typedef void (*ae_emit_fn)(const ae_builder *b, ae_instance_sink *sink, int64_t item, int64_t duplicate);

/* About how many tokens an item has. */
typedef int64_t (*ae_weight_fn)(const ae_builder *b, int64_t item);

struct ae_builder {
    const ae_tokenizer *tokenizer;
    ae_instance_options options; /* with defaults filled in */
    ae_random_key key;
    bool pairs, masked;
    int64_t room; /* tokens of text in an instance */
    ae_documents documents;

    /* Running text: what is not in pieces yet. */
    ae_bytes stream; /* i32 */
    int64_t piece;   /* the number of the first piece in it */
    bool joined;     /* a document stands before */

    ae_instance_sink *sinks; /* of the items that are in work */
    int sinks_count;
    ae_h5 *file;
    int64_t ids_written, masks_written; /* the last of offsets and mask_offsets */
    ae_build_report *report;
};

/* Adds an instance of one text, or of two segments (b not NULL), with its special tokens; `key` draws a static mask. */
void ae_sink_add(const ae_builder *b, ae_instance_sink *sink, const int32_t *first, int64_t first_count,
                 const int32_t *second, int64_t second_count, bool elsewhere, const ae_random_key *key);

/* Adds tokens as they are. */
void ae_sink_add_plain(ae_instance_sink *sink, const int32_t *ids, int64_t count);

bool ae_sink_failed(const ae_instance_sink *sink);
void ae_sink_empty(ae_instance_sink *sink);
void ae_sink_free(ae_instance_sink *sink);

/* Appends what a sink holds to the file, and empties it. */
int ae_sink_write(ae_builder *b, ae_instance_sink *sink, ae_err *e);

/* Runs emit over items 0..count-1 on all threads, for every duplicate, and writes what comes out in their order. */
int ae_builder_run(ae_builder *b, int64_t count, ae_weight_fn weight, ae_emit_fn emit, ae_err *e);

/* What the file says of itself, but for sources and counts; an object. instances_about.c */
ae_json *ae_instances_about(const ae_tokenizer *t, const ae_instance_options *o);

/* Fills in what 0 stands for, and fails when a number is outside its range. */
int ae_instance_options_check(ae_instance_options *o, const ae_tokenizer *t, ae_err *e);

int ae_masking_check(const ae_masking *m, ae_err *e);

/* The bytes and hashes of files: an array of objects; NULL and e when one cannot be read. */
ae_json *ae_text_sources(const char *const *paths, int n, ae_err *e);

/* instances_pairs.c: the documents in b->documents as pairs. */
int ae_build_pairs(ae_builder *b, ae_err *e);

/* instances_pieces.c: the same as pieces; `last` is set once, at the end of the corpus, to flush what is left. */
int ae_build_pieces(ae_builder *b, bool last, ae_err *e);

#endif
