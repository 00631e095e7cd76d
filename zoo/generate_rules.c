/* The rules that penalise or forbid tokens, in the order of Hugging Face's logits processors. Ids outside the
 * vocabulary touch nothing. */
#include "zoo/generate_internal.h"

#include <math.h>
#include <string.h>

static void forbid(float *logits, int64_t v, int64_t token)
{
    if (token >= 0 && token < v) {
        logits[token] = -INFINITY;
    }
}

/* Keskar et al. 2019, arXiv:1909.05858, section 4.1, with Hugging Face's rule for logits below zero. */
static void penalise_repetition(double penalty, const int64_t *ids, int64_t length, float *logits, int64_t v,
                                uint8_t *seen)
{
    memset(seen, 0, (size_t)v);
    for (int64_t i = 0; i < length; i++) {
        if (ids[i] >= 0 && ids[i] < v && !seen[ids[i]]) {
            float *x = &logits[ids[i]];
            *x = *x < 0 ? *x * (float)penalty : *x / (float)penalty;
            seen[ids[i]] = 1;
        }
    }
}

/* Paulus et al. 2017, arXiv:1705.04304, section 2.5: whatever followed the last n-1 tokens before. */
static void forbid_ngrams(int64_t n, const int64_t *ids, int64_t length, float *logits, int64_t v)
{
    const int64_t *last = ids + length - (n - 1);
    for (int64_t i = 0; i + n <= length; i++) {
        if (memcmp(ids + i, last, (size_t)(n - 1) * sizeof *ids) == 0) {
            forbid(logits, v, ids[i + n - 1]);
        }
    }
}

/* A word's last token, where its others stand before; a word longer than what was read is let through, as there. */
static void forbid_word(const ae_generate_options *o, const ae_token_list *word, const int64_t *ids, int64_t length,
                        float *logits, int64_t v)
{
    int64_t last = word->ids[word->count - 1], before = word->count - 1;
    if (before == 0 && ae_generate_ends(o, last)) {
        return;
    }
    bool here = before == 0 ||
                (word->count <= length && memcmp(word->ids, ids + length - before, (size_t)before * sizeof *ids) == 0);
    if (here) {
        forbid(logits, v, last);
    }
}

bool ae_generate_ends(const ae_generate_options *o, int64_t token)
{
    for (int64_t i = 0; i < o->eos.count; i++) {
        if (o->eos.ids[i] == token) {
            return true;
        }
    }
    return false;
}

int ae_generate_check_rules(const ae_generate_options *o, int64_t v, ae_err *e)
{
    if (!(o->repetition_penalty >= 0) || isinf(o->repetition_penalty)) {
        return ae_err_set(e, AE_E_VALUE, "generate: repetition_penalty is %g; it must be above 0 (1 does nothing)",
                          o->repetition_penalty);
    }
    if (o->no_repeat_ngram_size < 0 || o->min_length < 0 || o->min_new_tokens < 0) {
        return ae_err_set(e, AE_E_VALUE,
                          "generate: no_repeat_ngram_size %lld, min_length %lld, min_new_tokens %lld; none may be "
                          "below 0",
                          (long long)o->no_repeat_ngram_size, (long long)o->min_length, (long long)o->min_new_tokens);
    }
    for (int64_t i = 0; i < o->bad_word_count; i++) {
        const ae_token_list *word = &o->bad_words[i];
        if (word->count < 1) {
            return ae_err_set(e, AE_E_VALUE, "generate: bad word %lld holds no token", (long long)i);
        }
        for (int64_t k = 0; k < word->count; k++) {
            if (word->ids[k] < 0 || word->ids[k] >= v) {
                return ae_err_set(e, AE_E_VALUE,
                                  "generate: bad word %lld holds the token %lld; the vocabulary has %lld", (long long)i,
                                  (long long)word->ids[k], (long long)v);
            }
        }
    }
    return 0;
}

void ae_generate_rules(const ae_generate_options *o, const int64_t *ids, int64_t length, int64_t start, float *logits,
                       int64_t v, uint8_t *seen)
{
    if (o->repetition_penalty > 0 && o->repetition_penalty != 1) {
        penalise_repetition(o->repetition_penalty, ids, length, logits, v, seen);
    }
    if (o->no_repeat_ngram_size > 0 && length + 1 >= o->no_repeat_ngram_size) {
        forbid_ngrams(o->no_repeat_ngram_size, ids, length, logits, v);
    }
    for (int64_t i = 0; i < o->bad_word_count; i++) {
        forbid_word(o, &o->bad_words[i], ids, length, logits, v);
    }
    if (length < o->min_length || length - start < o->min_new_tokens) {
        for (int64_t i = 0; i < o->eos.count; i++) {
            forbid(logits, v, o->eos.ids[i]);
        }
    }
}
