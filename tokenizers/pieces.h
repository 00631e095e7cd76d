/* The pieces of a SentencePiece model: what its file lists and its models choose from. Internal to tokenizers/.
 *
 * Source: Kudo & Richardson 2018, "SentencePiece"; the types are those of the ModelProto of its files. */
#ifndef AE_TOKENIZERS_PIECES_H
#define AE_TOKENIZERS_PIECES_H

#include "tokenizers/vocab.h"

typedef enum ae_piece_type {
    AE_PIECE_NORMAL = 1,
    AE_PIECE_UNKNOWN,
    AE_PIECE_CONTROL, /* <s>, </s>: never found in text */
    AE_PIECE_USER,    /* user-defined: always one token where it stands in a text */
    AE_PIECE_UNUSED,
    AE_PIECE_BYTE /* <0x00> to <0xFF> */
} ae_piece_type;

/* Pieces by id. */
typedef struct ae_piece_list {
    ae_vocab *vocab; /* the spelling of each */
    float *scores;   /* logarithms of probabilities; of BPE minus the rank of the merge */
    uint8_t *types;  /* of ae_piece_type */
} ae_piece_list;

void ae_piece_list_free(ae_piece_list *p); /* frees what it holds */

/* An empty vocabulary, and room for the scores and types of so many pieces, all 0; -1 and e filled without memory. */
int ae_piece_list_room(ae_piece_list *p, size_t count, ae_err *e);

/* Reads and writes [[spelling, score], [spelling, score, type], ...]; -1 and e filled, NULL without memory. */
int ae_piece_list_from_json(const ae_json *array, ae_piece_list *p, ae_err *e);
ae_json *ae_piece_list_json(const ae_piece_list *p);

typedef enum ae_piece_algorithm {
    AE_PIECES_UNIGRAM = 1,
    AE_PIECES_BPE,
    AE_PIECES_WORD,
    AE_PIECES_CHAR
} ae_piece_algorithm;

/* How text becomes pieces, besides the pieces themselves. */
typedef struct ae_piece_options {
    ae_piece_algorithm algorithm;
    bool byte_fallback; /* what has no piece becomes bytes */
    bool comma_rule;    /* ALBERT and XLNet: a piece that ends in a comma behind a digit is cut anew without it */
} ae_piece_options;

/* The model row "SentencePiece" from lists, which it takes over, even on failure. Its JSON is
 * {"type": "SentencePiece", "algorithm": "unigram", "byte_fallback": false, "comma_rule": false,
 *  "pieces": [[spelling, score], [spelling, score, type], ...]}, a type left out being AE_PIECE_NORMAL. NULL and e
 * filled without memory, or when there is no piece of AE_PIECE_UNKNOWN or more than one, or a score is no number. */
void *ae_sentencepiece_make(ae_piece_list pieces, ae_piece_options options, ae_err *e);

/* What it was made of, for writers. */
const ae_piece_list *ae_sentencepiece_pieces(const void *self);
ae_piece_options ae_sentencepiece_options(const void *self);

#endif
