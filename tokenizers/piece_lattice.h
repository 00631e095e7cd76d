/* All ways to cut runs of text into pieces: for every position the pieces that begin there; sums over the ways
 * (forward-backward) and the best way (Viterbi). Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_PIECE_LATTICE_H
#define AE_TOKENIZERS_PIECE_LATTICE_H

#include "tokenizers/substrings.h"

typedef struct ae_lattice_piece {
    float score;       /* the logarithm of its probability */
    float probability; /* 0: given up */
    uint32_t length;   /* characters */
    uint32_t place;    /* a position where it stands, or AE_NO_PLACE */
} ae_lattice_piece;

#define AE_NO_PLACE UINT32_MAX

typedef struct ae_lattice {
    const ae_run_text *text;
    ae_lattice_piece *pieces;
    uint32_t n_pieces;
    uint32_t longest; /* characters of the longest piece */
    uint32_t
        *first; /* (text->n + 1) edges[first[p]] .. edges[first[p + 1] - 1] begin at position p, shorter ones first */
    uint32_t *edges; /* numbers of pieces */
    double unknown;  /* the score of a character that has no piece */
} ae_lattice;

/* Pieces of one character (their characters in rising order) come first in the list, then the substrings. Takes the
 * text as a pointer. 0, or -1 and e. */
int ae_lattice_make(ae_lattice *l, const ae_run_text *text, const uint32_t *chars, uint32_t n_chars,
                    const ae_substrings *found, ae_err *e);
void ae_lattice_free(ae_lattice *l); /* and empties it */

/* Renumbers pieces: piece i becomes `numbers[i]`, or goes when that is AE_NO_PLACE. */
void ae_lattice_renumber(ae_lattice *l, const uint32_t *numbers);

/* What a thread computes with: room for a run of so many characters. */
typedef struct ae_lattice_room {
    double *forward, *backward;
    int32_t *shifts; /* by which forward[i] was scaled */
    uint32_t *best;  /* the piece that ends here in the best way, or AE_NO_PLACE for a character without one */
    uint32_t *from;
} ae_lattice_room;

int ae_lattice_room_make(ae_lattice_room *r, size_t characters); /* 0, or -1 without memory */
void ae_lattice_room_free(ae_lattice_room *r);

/* Adds to `sums`, of each piece, how often it is expected in the run, times `count`, in units of 1 / AE_LATTICE_UNIT:
 * whole numbers, so that the order of additions does not matter. */
enum { AE_LATTICE_UNIT = 1 << 24 };
void ae_lattice_expect(const ae_lattice *l, ae_lattice_room *room, uint32_t start, uint32_t length, int64_t count,
                       int64_t *sums);

/* The best way to cut `length` characters at a position, without the piece that is all of them when `parted`. Fills
 * room->best and room->from, to be followed from room->from[length] down; returns its score, -INFINITY: there is none.
 */
double ae_lattice_best(const ae_lattice *l, ae_lattice_room *room, uint32_t start, uint32_t length, bool parted);

#endif
