#include "tokenizers/piece_lattice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- edges ---------------------------------------------------------------------------------------------------------- */

/* Characters of the text as the numbers of their pieces. */
static uint32_t char_piece(const uint32_t *chars, uint32_t n, uint32_t c)
{
    uint32_t low = 0;
    while (n > 1) {
        uint32_t half = n / 2;
        low += chars[low + half] <= c ? half : 0;
        n -= half;
    }
    return chars[low] == c ? low : AE_NO_PLACE;
}

/* Calls for every edge in turn, shorter pieces first: `first` counts them, or receives them. */
static void char_edges(ae_lattice *l, const uint32_t *chars, uint32_t n_chars)
{
    const ae_run_text *t = l->text;
    for (uint32_t run = 0; run < t->n_runs; run++) {
        for (uint32_t p = t->starts[run]; p + 2 < t->starts[run + 1]; p++) {
            uint32_t piece = char_piece(chars, n_chars, t->symbols[p]);
            if (piece == AE_NO_PLACE) {
                continue;
            }
            if (!l->edges) {
                l->first[p]++;
                l->pieces[piece].place = p;
            } else {
                l->edges[l->first[p]++] = piece;
            }
        }
    }
}

static void substring_edges(ae_lattice *l, uint32_t n_chars, const ae_substrings *found, const uint32_t *by_length)
{
    for (size_t i = 0; i < found->n; i++) {
        const ae_substring *s = &found->list[by_length[i]];
        for (uint32_t k = 0; k < s->places; k++) {
            uint32_t p = found->order[s->left + k];
            if (!l->edges) {
                l->first[p]++;
            } else {
                l->edges[l->first[p]++] = n_chars + by_length[i];
            }
        }
    }
}

/* Numbers of substrings, shorter ones first; NULL without memory. */
static uint32_t *order_by_length(const ae_substrings *found)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < found->n; i++) {
        longest = found->list[i].length > longest ? found->list[i].length : longest;
    }
    size_t *starts = calloc((size_t)longest + 2, sizeof *starts);
    uint32_t *order = malloc((found->n + 1) * sizeof *order);
    if (starts && order) {
        for (size_t i = 0; i < found->n; i++) {
            starts[found->list[i].length + 1]++;
        }
        for (uint32_t n = 0; n < longest; n++) {
            starts[n + 1] += starts[n];
        }
        for (size_t i = 0; i < found->n; i++) {
            order[starts[found->list[i].length]++] = (uint32_t)i;
        }
    }
    free(starts);
    if (!starts) {
        free(order);
        return NULL;
    }
    return order;
}

/* Turns counts into places where each position's edges begin; the sum of all, or -1 when it has no 32 bits. */
static int64_t accumulate(uint32_t *first, size_t n)
{
    uint64_t all = 0;
    for (size_t p = 0; p <= n; p++) {
        uint32_t count = first[p];
        first[p] = (uint32_t)all;
        all += p < n ? count : 0;
        if (all > UINT32_MAX) {
            return -1;
        }
    }
    return (int64_t)all;
}

static int make_edges(ae_lattice *l, const uint32_t *chars, uint32_t n_chars, const ae_substrings *found,
                      const uint32_t *by_length, ae_err *e)
{
    size_t n = l->text->n;
    char_edges(l, chars, n_chars);
    substring_edges(l, n_chars, found, by_length);
    int64_t all = accumulate(l->first, n);
    if (all < 0) {
        return ae_err_set(e, AE_E_VALUE, "the text has more than 4294967295 places of pieces; train on a sample");
    }
    l->edges = malloc(((size_t)all + 1) * sizeof *l->edges);
    if (!l->edges) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the pieces of the text");
    }
    char_edges(l, chars, n_chars);
    substring_edges(l, n_chars, found, by_length);
    memmove(l->first + 1, l->first, n * sizeof *l->first);
    l->first[0] = 0;
    return 0;
}

int ae_lattice_make(ae_lattice *l, const ae_run_text *text, const uint32_t *chars, uint32_t n_chars,
                    const ae_substrings *found, ae_err *e)
{
    *l = (ae_lattice){.text = text, .n_pieces = n_chars + (uint32_t)found->n, .longest = 1};
    l->pieces = calloc((size_t)l->n_pieces + 1, sizeof *l->pieces);
    l->first = calloc(text->n + 1, sizeof *l->first);
    uint32_t *by_length = order_by_length(found);
    int status = -1;
    if (!l->pieces || !l->first || !by_length) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the pieces of the text");
    } else {
        for (uint32_t i = 0; i < n_chars; i++) {
            l->pieces[i] = (ae_lattice_piece){.length = 1, .place = AE_NO_PLACE};
        }
        for (size_t i = 0; i < found->n; i++) {
            const ae_substring *s = &found->list[i];
            l->pieces[n_chars + i] = (ae_lattice_piece){.length = s->length, .place = found->order[s->left]};
            l->longest = s->length > l->longest ? s->length : l->longest;
        }
        status = make_edges(l, chars, n_chars, found, by_length, e);
    }
    free(by_length);
    if (status) {
        ae_lattice_free(l);
    }
    return status;
}

void ae_lattice_free(ae_lattice *l)
{
    free(l->pieces);
    free(l->first);
    free(l->edges);
    *l = (ae_lattice){0};
}

void ae_lattice_renumber(ae_lattice *l, const uint32_t *numbers)
{
    uint32_t kept = 0, begin = 0;
    for (size_t p = 0; p < l->text->n; p++) {
        uint32_t end = l->first[p + 1];
        for (uint32_t i = begin; i < end; i++) {
            if (numbers[l->edges[i]] != AE_NO_PLACE) {
                l->edges[kept++] = numbers[l->edges[i]];
            }
        }
        begin = end;
        l->first[p + 1] = kept;
    }
}

/* ---- room ----------------------------------------------------------------------------------------------------------- */

int ae_lattice_room_make(ae_lattice_room *r, size_t characters)
{
    size_t n = characters + 1;
    *r = (ae_lattice_room){malloc(n * sizeof *r->forward), malloc(n * sizeof *r->backward),
                           malloc(n * sizeof *r->shifts), malloc(n * sizeof *r->best), malloc(n * sizeof *r->from)};
    if (!r->forward || !r->backward || !r->shifts || !r->best || !r->from) {
        ae_lattice_room_free(r);
        return -1;
    }
    return 0;
}

void ae_lattice_room_free(ae_lattice_room *r)
{
    free(r->forward);
    free(r->backward);
    free(r->shifts);
    free(r->best);
    free(r->from);
    *r = (ae_lattice_room){0};
}

/* ---- sums ----------------------------------------------------------------------------------------------------------- */

/* Products of probabilities along a long run leave the range of double. So when all sums that later ones are made of
 * have become small, they are multiplied by 2^SHIFT, and each sum knows how many times it was. */
enum { SHIFT = 512 };

static bool all_small(const double *sums, uint32_t from, uint32_t to)
{
    static const double small = 0x1p-512;
    while (from <= to && sums[from] < small) {
        from++;
    }
    return from > to;
}

static bool has_own_piece(const ae_lattice *l, uint32_t begin, uint32_t end)
{
    if (begin == end) {
        return false;
    }
    const ae_lattice_piece *shortest = &l->pieces[l->edges[begin]];
    return shortest->length == 1 && shortest->probability > 0;
}

/* room->forward[i]: the probability of all ways to cut the first i characters. */
static void sum_forward(const ae_lattice *l, ae_lattice_room *room, uint32_t start, uint32_t length, double unknown)
{
    double *sums = room->forward;
    int32_t shifts = 0;
    memset(sums, 0, ((size_t)length + 1) * sizeof *sums);
    sums[0] = 1;
    uint32_t reach = 0; /* the furthest sum that is not 0 */
    for (uint32_t i = 0; i < length; i++) {
        uint32_t begin = l->first[start + i], end = l->first[start + i + 1];
        if (sums[i] < 0x1p-512 && all_small(sums, i, reach)) {
            for (uint32_t k = i; k <= reach; k++) {
                sums[k] *= 0x1p512;
            }
            shifts++;
        }
        room->shifts[i] = shifts;
        for (uint32_t k = begin; k < end; k++) {
            const ae_lattice_piece *piece = &l->pieces[l->edges[k]];
            sums[i + piece->length] += sums[i] * (double)piece->probability;
            reach = i + piece->length > reach ? i + piece->length : reach;
        }
        if (!has_own_piece(l, begin, end)) {
            sums[i + 1] += sums[i] * unknown;
            reach = i + 1 > reach ? i + 1 : reach;
        }
    }
    room->shifts[length] = shifts;
}

/* The way back: room->backward[i] is the probability of all ways to cut what is behind i characters. Each piece is met
 * once, between what is in front of it and what is behind it. */
void ae_lattice_expect(const ae_lattice *l, ae_lattice_room *room, uint32_t start, uint32_t length, int64_t count,
                       int64_t *sums)
{
    double unknown = exp(l->unknown), *back = room->backward;
    sum_forward(l, room, start, length, unknown);
    double weight = (double)count * AE_LATTICE_UNIT / room->forward[length];
    int32_t all = room->shifts[length], shifts = 0;
    back[length] = 1;
    for (uint32_t i = length; i-- > 0;) {
        uint32_t begin = l->first[start + i], end = l->first[start + i + 1];
        double sum = has_own_piece(l, begin, end) ? 0 : unknown * back[i + 1];
        for (uint32_t k = begin; k < end; k++) {
            uint32_t id = l->edges[k], to = i + l->pieces[id].length;
            double there = (double)l->pieces[id].probability * back[to];
            sum += there;
            /* There are as many shifts in both sums as in the whole, one more, or so few that nothing is left. */
            int32_t left = all - room->shifts[i] - shifts;
            double share = room->forward[i] * there * weight;
            share = left == 0 ? share : ldexp(share, left * SHIFT);
            sums[id] += share < 0x1p62 ? (int64_t)(share + 0.5) : 0;
        }
        back[i] = sum;
        uint32_t last = i + l->longest < length ? i + l->longest : length;
        if (sum < 0x1p-512 && all_small(back, i, last)) {
            for (uint32_t k = i; k <= last; k++) {
                back[k] *= 0x1p512;
            }
            shifts++;
        }
    }
}

/* ---- the best way --------------------------------------------------------------------------------------------------- */

double ae_lattice_best(const ae_lattice *l, ae_lattice_room *room, uint32_t start, uint32_t length, bool parted)
{
    double *scores = room->forward;
    for (uint32_t i = 1; i <= length; i++) {
        scores[i] = -INFINITY;
    }
    scores[0] = 0;
    for (uint32_t i = 0; i < length; i++) {
        uint32_t begin = l->first[start + i], end = l->first[start + i + 1];
        for (uint32_t k = begin; k < end; k++) {
            const ae_lattice_piece *piece = &l->pieces[l->edges[k]];
            uint32_t to = i + piece->length;
            double score = scores[i] + (double)piece->score;
            if (to > length || piece->probability == 0 || (parted && piece->length == length) ||
                !(score > scores[to])) {
                continue;
            }
            scores[to] = score;
            room->best[to] = l->edges[k];
            room->from[to] = i;
        }
        if (!has_own_piece(l, begin, end) && scores[i] + l->unknown > scores[i + 1]) {
            scores[i + 1] = scores[i] + l->unknown;
            room->best[i + 1] = AE_NO_PLACE;
            room->from[i + 1] = i;
        }
    }
    return scores[length];
}
