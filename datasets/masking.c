/* What a masked language model has to predict. Nothing is allocated: while positions are chosen, labels[] holds what
 * the choice needs, and a chosen position is marked by ids[p] = ~ids[p]. */
#include "datasets/draws.h"
#include "datasets/instances.h"

#include <math.h>

enum { IGNORED = -100, TRIES = 64 };

typedef enum fate { AS_MASK, AS_RANDOM, KEPT } fate;

typedef struct masker {
    const ae_masking *how;
    const ae_tokenizer *tokenizer;
    const uint8_t *inside;
    ae_draws draws;
    int32_t *ids;
    int64_t *labels;
    int64_t n, budget, chosen;
} masker;

ae_masking ae_masking_defaults(void)
{
    return (ae_masking){
        .rate = 0.15, .as_mask = 0.8, .as_random = 0.1, .unit = AE_MASK_TOKENS, .span_p = 0.2, .span_most = 10};
}

/* Google's number: the rounded part of all tokens, special ones too, but at least one. */
static int64_t budget_of(const ae_masking *how, int64_t n)
{
    int64_t wanted = (int64_t)nearbyint((double)n * how->rate);
    wanted = wanted < 1 && how->rate > 0 ? 1 : wanted;
    return how->most > 0 && wanted > how->most ? how->most : wanted;
}

static int32_t id_at(const masker *m, int64_t p)
{
    return m->ids[p] < 0 ? ~m->ids[p] : m->ids[p];
}

static bool is_special(const masker *m, int64_t p)
{
    return ae_tokenizer_is_special(m->tokenizer, id_at(m, p));
}

/* Whether p goes on with the word of the position before it. */
static bool goes_on(const masker *m, int64_t p)
{
    return p > 0 && p < m->n && !is_special(m, p) && !is_special(m, p - 1) &&
           (m->inside ? m->inside[p] != 0 : ae_tokenizer_joins(m->tokenizer, id_at(m, p - 1), id_at(m, p)));
}

static int64_t word_end(const masker *m, int64_t p)
{
    do {
        p++;
    } while (goes_on(m, p));
    return p;
}

static fate draw_fate(masker *m)
{
    double u = ae_draw_unit(&m->draws);
    return u < m->how->as_mask ? AS_MASK : u < m->how->as_mask + m->how->as_random ? AS_RANDOM : KEPT;
}

/* A uniform id that is not special; the original one should there be none. */
static int32_t draw_id(masker *m, int32_t original)
{
    for (int i = 0; i < TRIES; i++) {
        int32_t id = (int32_t)ae_draw_below(&m->draws, ae_tokenizer_size(m->tokenizer));
        if (!ae_tokenizer_is_special(m->tokenizer, id)) {
            return id;
        }
    }
    return original;
}

static void replace(masker *m, int64_t p, fate what)
{
    int32_t original = id_at(m, p), mask = ae_tokenizer_role(m->tokenizer, AE_TOKEN_MASK);
    m->labels[p] = original;
    m->ids[p] = what == AS_RANDOM ? draw_id(m, original) : what == AS_MASK && mask >= 0 ? mask : original;
}

/* ---- tokens and whole words -------------------------------------------------------------------------------------- */

/* Lists in labels[] where the units to choose from begin, and returns how many there are. */
static int64_t list_units(masker *m)
{
    int64_t count = 0;
    bool words = m->how->unit == AE_MASK_WHOLE_WORDS;
    for (int64_t p = 0; p < m->n; p++) {
        if (!is_special(m, p) && !(words && goes_on(m, p))) {
            m->labels[count++] = p;
        }
    }
    return count;
}

static void mark(masker *m, int64_t from, int64_t to)
{
    for (int64_t p = from; p < to; p++) {
        m->ids[p] = ~m->ids[p];
    }
    m->chosen += to - from;
}

/* Goes through the units in random order (the shuffle is made as far as it is needed) and skips a word that is longer
 * than what is left of the budget. Should every word be, the last one is taken: an instance without anything to predict
 * would be wasted. */
static void choose_units(masker *m)
{
    int64_t count = list_units(m), from = 0, to = 0;
    for (int64_t i = 0; i < count && m->chosen < m->budget; i++) {
        int64_t k = i + ae_draw_below(&m->draws, count - i);
        from = m->labels[k];
        m->labels[k] = m->labels[i];
        to = m->how->unit == AE_MASK_WHOLE_WORDS ? word_end(m, from) : from + 1;
        if (m->chosen + to - from <= m->budget) {
            mark(m, from, to);
        }
    }
    if (m->chosen == 0 && m->budget > 0) {
        mark(m, from, to);
    }
    for (int64_t p = 0; p < m->n; p++) {
        if (m->ids[p] < 0) {
            replace(m, p, draw_fate(m)); /* each token by itself, those of a word too */
        } else {
            m->labels[p] = IGNORED;
        }
    }
}

/* ---- spans ------------------------------------------------------------------------------------------------------- */

/* In labels[] while spans are chosen: */
enum { FREE = 1, TAKEN = IGNORED }; /* taken: a special token; below it, the fate of a chosen one */

/* The geometric law P(k) ~ p (1-p)^(k-1), cut at span_most and normalised. */
static int64_t draw_span(masker *m)
{
    double left = 1, total = 1, u = ae_draw_unit(&m->draws);
    for (int64_t k = 0; k < m->how->span_most; k++) {
        total *= 1 - m->how->span_p;
    }
    u *= 1 - total;
    int64_t k = 1;
    for (; k < m->how->span_most; k++) {
        left *= 1 - m->how->span_p;
        if (u < 1 - left) {
            break;
        }
    }
    return k;
}

/* The first position of the word that holds the k-th free position. */
static int64_t find_anchor(const masker *m, int64_t k)
{
    int64_t p = 0;
    while (m->labels[p] != FREE || k-- > 0) {
        p++;
    }
    while (goes_on(m, p) && m->labels[p - 1] == FREE) {
        p--;
    }
    return p;
}

/* Spans of whole words from random words on, until the budget is spent; one that meets another, a special token or the
 * end is shorter. All tokens of a span share one draw of what becomes of them. */
static void choose_spans(masker *m)
{
    int64_t free = 0;
    for (int64_t p = 0; p < m->n; p++) {
        m->labels[p] = is_special(m, p) ? TAKEN : FREE;
        free += m->labels[p] == FREE;
    }
    while (free > 0 && m->chosen < m->budget) {
        int64_t words = draw_span(m), p = find_anchor(m, ae_draw_below(&m->draws, free));
        fate what = draw_fate(m);
        for (; words > 0; words--) {
            for (int64_t end = word_end(m, p); p < end && m->labels[p] == FREE && m->chosen < m->budget; p++) {
                m->labels[p] = TAKEN - 1 - (int64_t)what;
                m->chosen++;
                free--;
            }
            if (p == m->n || m->labels[p] != FREE || m->chosen == m->budget) {
                break;
            }
        }
    }
    for (int64_t p = 0; p < m->n; p++) {
        if (m->labels[p] < TAKEN) {
            replace(m, p, (fate)(TAKEN - 1 - m->labels[p]));
        } else {
            m->labels[p] = IGNORED;
        }
    }
}

void ae_mask_tokens(const ae_masking *how, const ae_tokenizer *t, const ae_random_key *key, const uint8_t *inside,
                    int32_t *ids, int64_t *labels, int64_t n)
{
    masker m = {.how = how,
                .tokenizer = t,
                .inside = inside,
                .draws = {.key = *key},
                .ids = ids,
                .labels = labels,
                .n = n,
                .budget = budget_of(how, n)};
    if (how->unit == AE_MASK_SPANS) {
        choose_spans(&m);
    } else {
        choose_units(&m);
    }
}
