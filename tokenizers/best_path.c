#include "tokenizers/best_path.h"

#include <math.h>

#define NOWHERE UINT32_MAX

/* A piece over [start, end) competes for its end. Sums are compared before they are rounded, as in the original. */
static inline double compete(ae_path_spot *spots, uint32_t start, size_t end, double score, int32_t id, bool single,
                             double margin)
{
    ae_path_spot *s = &spots[end];
    if (s->start != NOWHERE) {
        double apart = fabs(score - s->score);
        margin = apart < margin ? apart : margin;
        if (score <= s->score) {
            return margin;
        }
    }
    *s = (ae_path_spot){single ? (double)(float)score : score, start, id};
    return margin;
}

static inline double forward(const ae_path_pieces *p, const char *text, size_t bytes, ae_path_spot *spots,
                             size_t *missing, bool single)
{
    const ae_trie trie = p->trie;
    const double *scores = p->scores;
    double margin = HUGE_VAL;
    for (size_t start = 0, size; start < bytes; start += size) {
        double here = spots[start].score;
        uint64_t unit = trie.units[0];
        bool alone = false; /* the character is a piece */
        size = ae_lead_length((unsigned char)text[start]);
        for (size_t i = start; i < bytes && ae_trie_step(&trie, &unit, (unsigned char)text[i]); i++) {
            int32_t id = ae_trie_id(unit);
            if (id >= 0) {
                margin = compete(spots, (uint32_t)start, i + 1, here + scores[id], id, single, margin);
                alone = alone || i + 1 == start + size;
            }
        }
        if (!alone) {
            double score = here + p->unknown_score;
            score = single ? (double)(float)score : score;
            margin = compete(spots, (uint32_t)start, start + size, score, p->unknown, single, margin);
            if (p->unknown < 0 && spots[start + size].id < 0) {
                *missing = start + size;
                return NAN;
            }
        }
    }
    return margin;
}

/* Turns the links around: each place then tells where the piece that begins there ends. */
static void turn(ae_path_spot *spots, size_t bytes)
{
    uint32_t place = (uint32_t)bytes, next = NOWHERE;
    while (place > 0) {
        uint32_t start = spots[place].start;
        spots[place].start = next;
        next = place;
        place = start;
    }
    spots[0].start = next;
}

double ae_best_path(const ae_path_pieces *p, const char *text, size_t bytes, double before, bool single,
                    ae_path_spot *spots, size_t *missing)
{
    for (size_t i = 1; i <= bytes; i++) {
        spots[i].start = NOWHERE;
    }
    spots[0] = (ae_path_spot){before, 0, -1};
    double margin =
        single ? forward(p, text, bytes, spots, missing, true) : forward(p, text, bytes, spots, missing, false);
    if (!isnan(margin)) {
        turn(spots, bytes);
    }
    return margin;
}
