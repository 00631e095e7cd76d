/* Text that is cut before each ▁, which no piece goes on behind, so that parts can be looked up.
 *
 * Unigram's sums are in single precision and run through the whole text, so where two cuts of a part are nearly equal,
 * which one wins depends on the sum in front of it. A part is kept with the sum up to which rounding cannot change its
 * cut; beyond it, the part is cut in its place, behind the sum that the original would have there. */
#include "tokenizers/sentencepiece_internal.h"
#include "tokenizers/unicode.h"

#include <math.h>

enum { PART_BYTES = 64, PART_TOKENS = 64, MOST_LIMIT = 62 };

/* The sum in front of the next part. */
typedef struct running {
    double sum;   /* nearly */
    double exact; /* as the original has it, in front of the byte `place` */
    size_t place; /* which is the end of made[counted - 1] or inside it */
    size_t counted;
} running;

ae_path_report ae_sentencepiece_path(const ae_sentencepiece *m, const char *text, size_t start, size_t end,
                                     double before, bool single, ae_work *w)
{
    ae_path_spot *spots = ae_work_room(w, 1, (end - start + 1) * sizeof *spots);
    size_t missing = 0;
    if (!spots) {
        return (ae_path_report){0};
    }
    double margin = ae_best_path(&m->path, text + start, end - start, before, single, spots, &missing);
    for (size_t i = 0; i < end - start;) {
        size_t stop = spots[i].start;
        ae_sentencepiece_add(m, text, start + i, start + stop, spots[stop].id, w);
        i = stop;
    }
    return (ae_path_report){spots[end - start].score, margin};
}

static size_t next_part(const char *text, size_t start, size_t bytes)
{
    size_t i = start;
    while (ae_is_space_mark(text + i, bytes - i)) {
        i += 3;
    }
    while (i < bytes && !((unsigned char)text[i] == 0xe2 && ae_is_space_mark(text + i, bytes - i))) {
        i++;
    }
    return i;
}

/* Two paths over n characters differ by n roundings each at most, of half the distance between two numbers; below 2^k
 * that distance is at most 2^(k - 24). The largest such k, one less to be safe. */
static uint8_t limit_of(double margin, size_t bytes)
{
    int exponent = 0;
    if (margin == HUGE_VAL) {
        return MOST_LIMIT;
    }
    frexp(margin / (double)bytes, &exponent);
    exponent += 22;
    return (uint8_t)(margin == 0 || exponent < 0 ? 0 : exponent > MOST_LIMIT ? MOST_LIMIT : exponent);
}

static bool is_safe(const ae_sentencepiece *m, const ae_cached *x, double sum)
{
    double largest = 1.01 * fabs(sum) + x->bytes * m->largest;
    return x->limit > 0 && largest < (double)((uint64_t)1 << x->limit);
}

/* Cuts a part as if it stood alone and keeps the result; NULL when it cannot be kept. */
static const ae_cached *learn(const ae_sentencepiece *m, const char *part, size_t bytes, ae_work *w)
{
    int32_t ids[PART_TOKENS], words[PART_TOKENS];
    uint32_t starts[PART_TOKENS], ends[PART_TOKENS], word = w->word;
    size_t first = w->n_made;
    ae_path_report report = {0, HUGE_VAL};
    if (bytes > PART_BYTES) {
        return NULL;
    }
    w->word = 0;
    if (m->options.algorithm == AE_PIECES_UNIGRAM) {
        report = ae_sentencepiece_path(m, part, 0, bytes, 0, false, w);
    } else {
        ae_sentencepiece_whole(m, part, 0, bytes, w);
    }
    size_t count = w->n_made - first;
    for (size_t i = 0; i < count; i++) {
        ids[i] = w->made[first + i].id;
        starts[i] = w->made[first + i].start;
        ends[i] = w->made[first + i].end;
        words[i] = (int32_t)w->made[first + i].word;
    }
    ae_cached *x = w->failed ? NULL
                             : ae_word_cache_add(&w->parts, part, bytes, ids, starts, ends, words, count, 0, 0,
                                                 (int32_t)w->word + 1);
    if (x) {
        x->score = (float)report.score;
        x->limit = limit_of(report.margin, bytes);
    }
    w->n_made = first;
    w->word = word;
    return x;
}

static void recall(const ae_sentencepiece *m, const ae_cached *x, const char *text, size_t start, ae_work *w)
{
    const char *ids = w->parts.arena + x->offset;
    const unsigned char *places = (const unsigned char *)ids + 4u * x->count;
    w->word += start > 0 && ae_is_space_mark(text + start, x->bytes);
    uint32_t word = w->word;
    for (size_t i = 0; i < x->count; i++) {
        int32_t id;
        memcpy(&id, ids + 4 * i, 4);
        w->word = word + places[2 * x->count + i];
        size_t end = start + places[x->count + i];
        if (i == 0 && id == m->unknown) {
            ae_sentencepiece_join(m, start, end, w);
        } else {
            ae_work_make(w, id, start + places[i], end);
        }
    }
    w->word = word + x->words - 1u;
}

/* ---- in its place -------------------------------------------------------------------------------------------------- */

static double plus(double sum, double score)
{
    return (double)(float)(sum + score);
}

/* The characters that begin in [start, end). */
static size_t letters(const char *text, size_t start, size_t end)
{
    size_t n = 0;
    for (size_t i = start; i < end; i++) {
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return n;
}

/* Goes on with the exact sum to the end of what is made. */
static void count_up(const ae_sentencepiece *m, const char *text, running *r, const ae_work *w)
{
    for (size_t i = r->counted > 0 ? r->counted - 1 : 0; i < w->n_made; i++) {
        ae_made made = w->made[i];
        if (made.end <= r->place) {
            continue;
        }
        bool unknown = made.id == m->unknown || m->pieces.types[made.id] == AE_PIECE_BYTE;
        size_t from = made.start > r->place ? made.start : r->place;
        for (size_t n = unknown ? letters(text, from, made.end) : 0; n > 0; n--) {
            r->exact = plus(r->exact, m->path.unknown_score);
        }
        r->exact = unknown ? r->exact : plus(r->exact, m->path.scores[made.id]);
        r->place = made.end;
    }
    r->counted = w->n_made;
}

static void add_in_place(const ae_sentencepiece *m, const char *text, size_t start, size_t end, running *r, ae_work *w)
{
    if (m->options.algorithm != AE_PIECES_UNIGRAM) {
        ae_sentencepiece_whole(m, text, start, end, w);
        return;
    }
    count_up(m, text, r, w);
    r->exact = r->sum = ae_sentencepiece_path(m, text, start, end, r->exact, true, w).score;
    r->place = end;
    r->counted = w->n_made;
}

void ae_sentencepiece_parts(const ae_sentencepiece *m, const char *text, size_t bytes, ae_work *w)
{
    running r = {.counted = w->n_made};
    ae_word_cache_own(&w->parts, m->hash);
    for (size_t start = 0, end = 0; start < bytes; start = end) {
        end = next_part(text, start, bytes);
        const ae_cached *x = ae_word_cache_find(&w->parts, text + start, end - start, bytes - start);
        x = x ? x : learn(m, text + start, end - start, w);
        if (x && is_safe(m, x, r.sum)) {
            recall(m, x, text, start, w);
            r.sum += (double)x->score;
        } else {
            add_in_place(m, text, start, end, &r, w);
        }
    }
}
