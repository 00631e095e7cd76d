/* The most probable way to cut a text into pieces, each with a probability of its own (Kudo 2018, "Subword
 * regularization"): what both models of this kind run. Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_BEST_PATH_H
#define AE_TOKENIZERS_BEST_PATH_H

#include "tokenizers/trie.h"

typedef struct ae_path_pieces {
    ae_trie trie;
    double *scores;       /* of each id: the logarithm of its probability */
    double unknown_score; /* of a character that is no piece */
    int32_t unknown;      /* its id; -1: there is none, and the path ends where one would be needed */
} ae_path_pieces;

/* A place between two bytes. */
typedef struct ae_path_spot {
    double score;   /* of the best path that ends here */
    uint32_t start; /* where its last piece begins; when all is done: where the piece that begins here ends */
    int32_t id;     /* of the piece that ends here */
} ae_path_spot;

/* Finds the path: spots[0 .. bytes] are written, and spots[0].start is the end of the first piece, and so on. `before`
 * is the score of all that stands in front; `single`: sums are rounded to single precision at every step, as
 * SentencePiece's are. Of equal paths the one whose last piece begins first wins. Returns how near any two compared
 * paths came, HUGE_VAL when there was no choice; NaN when an unknown character was met and there is no unknown piece:
 * it ends at *missing. Bytes are valid UTF-8 and not empty. */
double ae_best_path(const ae_path_pieces *p, const char *text, size_t bytes, double before, bool single,
                    ae_path_spot *spots, size_t *missing);

/* The bytes of the character that begins with this one. */
static inline size_t ae_lead_length(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

#endif
