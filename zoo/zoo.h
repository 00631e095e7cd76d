/* zoo/: the models. One header and source a model, listed here.
 *
 * A row of the list makes a model usable by name: the class name that published configurations carry, how to build it
 * from that JSON, and how to run it on named tensors. The program and its parity tests need nothing else. */
#ifndef AE_ZOO_ZOO_H
#define AE_ZOO_ZOO_H

#include "nn/nn.h"
#include "tensor/json.h"
#include "zoo/generate.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Named tensors into and out of a run. */
typedef struct ae_io {
    ae_graph *graph;
    const ae_tensors *inputs; /* borrowed */
    ae_tensors *outputs;      /* copies are added; floats are f32 whatever the precision */
    bool packed;              /* compute real positions only, where the model can */
    bool loss_only;           /* do not compute outputs that the loss does not need */
} ae_io;

/* An input as a tensor of the graph; a missing one is an error of the graph (ae_io_optional: NULL). */
AE_API ae_tensor *ae_io_get(ae_io *io, const char *name);
AE_API ae_tensor *ae_io_optional(ae_io *io, const char *name);

/* Adds a copy of t to the outputs, in f32 where t is bf16. */
AE_API void ae_io_put(ae_io *io, const char *name, const ae_tensor *t);

/* The sum of output * weight over all elements, for the input `weight_name`: a linear probe as loss. */
AE_API ae_tensor *ae_io_probe(ae_io *io, ae_tensor *output, const char *weight_name);

/* What a classifier's labels are: "problem_type" of Hugging Face's configurations. */
typedef enum ae_problem { AE_ONE_LABEL, AE_MANY_LABELS, AE_REGRESSION } ae_problem;

/* Reads "problem_type" (one label when it is null) and the number of labels ("num_labels", or the length of "id2label",
 * or 2); a single label is regression unless it says otherwise. */
AE_API void ae_problem_read(const ae_json *config, ae_problem *problem, int64_t *num_labels, ae_err *e);

/* The loss of a problem: cross-entropy of ids, binary cross-entropy of (B,labels) floats (which need no problem
 * to be named), or squared error. */
AE_API ae_tensor *ae_problem_loss(ae_graph *g, ae_problem problem, ae_tensor *logits, ae_tensor *labels);

/* Extractive question answering from logits (B,T,2): puts start_logits and end_logits, and returns the mean of both
 * cross-entropies over all T positions, or NULL without start_positions and end_positions. Positions outside the
 * sequence do not count. */
AE_API ae_tensor *ae_io_spans(ae_io *io, ae_tensor *logits);

typedef struct ae_zoo_model {
    const char *name;       /* "bert" */
    const char *class_name; /* "BertForPreTraining", as in "architectures" of config.json */
    const char *paper;
    const char *alias; /* another name that ae_zoo_find takes; NULL for none */
    size_t size;       /* of the model's struct */
    /* Builds parameters into m and fills self (size zeroed bytes) from a configuration; errors stick in m. `kind` is
     * the row's own: which of the models that share this function it is, as their file numbers them. */
    void (*build)(ae_model *m, void *self, const ae_json *config, int kind);
    int kind;
    /* Runs forward, puts every output by its name; returns the loss, or NULL when the inputs hold no labels. */
    ae_tensor *(*run)(const void *self, ae_io *io);
    bool packs; /* io->packed is honoured: outputs at real positions are the same */
    /* Whether a built model calls its layers by ae_segment, so that ae_graph_recompute spares memory; NULL: no. */
    bool (*recomputes)(const void *self);
    /* For language models: how to generate with it; NULL elsewhere. */
    ae_decoder (*decoder)(const void *self);
    /* What its batches are made for (datasets/dataset.h says what they hold): "mlm_nsp", "mlm", "lm", "classes" (scores
     * too, by "problem_type"), "tags", "spans", "choices"; NULL for a bare encoder and for rows that no data trains. */
    const char *objective;
    bool apart; /* texts come apart (s1_ids, s1_lengths, s2_ids, s2_lengths), not joined in input_ids */
    int texts;  /* how many texts an example has: 1, 2, or 0 for either */
} ae_zoo_model;

/* For rows whose layers are always called by ae_segment. */
AE_API bool ae_zoo_recomputes(const void *self);

/* Has g recompute the layers of a built model in backward. Returns 0, or -1 for a model that cannot. */
AE_API int ae_zoo_recompute(const ae_zoo_model *row, const void *self, ae_graph *g, ae_err *e);

/* Row i of the list; NULL behind the last. */
AE_API const ae_zoo_model *ae_zoo_at(int i);

/* The row of a class name, alone or as a word of a dotted path ("transformers.BertModel"); NULL when there is none. */
AE_API const ae_zoo_model *ae_zoo_find(const char *class_name);

/* The first row of a family ("bert") that trains on an objective ("classes"); NULL when there is none. */
AE_API const ae_zoo_model *ae_zoo_for(const char *family, const char *objective);

/* The same among the rows that take examples of so many texts. */
AE_API const ae_zoo_model *ae_zoo_for_texts(const char *family, const char *objective, int texts);

#ifdef __cplusplus
}
#endif
#endif
