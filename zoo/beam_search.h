/* Beam search: the likeliest sequences found by keeping several beginnings of each. Scores and rules are those of
 * Hugging Face's generate() with num_beams. */
#ifndef AE_ZOO_BEAM_SEARCH_H
#define AE_ZOO_BEAM_SEARCH_H

#include "zoo/generate.h"

#ifdef __cplusplus
extern "C" {
#endif

/* When a row ends, once num_beams sequences of it are complete; "early_stopping" there. */
typedef enum ae_beam_stop {
    AE_BEAM_STOP_UNLIKELY, /* false: when no open beam would beat the worst of them at its present length */
    AE_BEAM_STOP_FULL,     /* true: at once */
    AE_BEAM_STOP_NEVER     /* "never": when no open beam can beat the worst of them at any length */
} ae_beam_stop;

typedef struct ae_beam_options {
    /* Length, ends, padding, penalties and bans; they act on the logarithms of probabilities. What draws, slides or
     * listens is ignored. */
    ae_generate_options rules;
    int64_t num_beams;     /* at least 1 */
    double length_penalty; /* a sequence's score is the sum of its logarithms over its length to this power; 1 there */
    ae_beam_stop early_stopping;
} ae_beam_options;

/* Extends input_ids (B,T) as ae_generate does. *sequences (B,L) i64 are the best ones, with the first eos behind those
 * that ended, then padding; *totals (B) f32 their scores; *scores (B*num_beams,N,V) f32 the logarithms behind every
 * choice. All are host tensors that the caller frees; totals and scores may be NULL. Returns 0 or -1. */
AE_API int ae_beam_search(ae_graph *g, const ae_decoder *d, const ae_tensor *input_ids, const ae_tensor *attention_mask,
                          const ae_beam_options *options, ae_tensor **sequences, ae_tensor **totals, ae_tensor **scores,
                          ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
