/* Training of SentencePiece's kinds: from counted runs of text to a tokenizer. Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_PIECE_TRAINER_H
#define AE_TOKENIZERS_PIECE_TRAINER_H

#include "tokenizers/piece_kinds.h"
#include "tokenizers/run_counts.h"
#include "tokenizers/tokenizer_trainer.h"

typedef struct ae_piece_trainer ae_piece_trainer;

/* NULL and e filled: numbers outside their range, names that are unknown, no memory. Strings are copied. */
ae_piece_trainer *ae_piece_trainer_new(const ae_piece_kind *kind, const ae_tokenizer_training *training, ae_err *e);
void ae_piece_trainer_free(ae_piece_trainer *t); /* NULL is allowed */

/* A tokenizer that normalises texts as the trained one will. Borrowed. */
const ae_tokenizer *ae_piece_trainer_splitter(const ae_piece_trainer *t);

/* Counts the runs of a normalised text. */
void ae_piece_trainer_count(const ae_piece_trainer *t, ae_runs *runs, const char *text, size_t bytes);

/* The tokenizer that the runs give. */
ae_tokenizer *ae_piece_trainer_finish(const ae_piece_trainer *t, const ae_runs *runs,
                                      int (*progress)(void *self, int64_t done, int64_t all), void *self, ae_err *e);

#endif
