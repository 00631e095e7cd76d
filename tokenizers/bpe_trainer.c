#include "tokenizers/bpe_trainer.h"

#include "tensor/utf8_check.h"
#include "tokenizers/bpe_pairs.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>
#include <string.h>

typedef struct bpe_work {
    const ae_word_counts *words;
    const ae_bpe_options *options;
    ae_bpe_result *out;
    ae_bpe_pairs pairs;
    int32_t *symbols;     /* the ids of all words, one word after the other */
    size_t *starts;       /* (words->n) of a word in `symbols` */
    uint32_t *lengths;    /* (words->n) */
    int64_t *token_chars; /* by id: characters without prefix and suffix */
    int64_t token_capacity, merge_capacity;
    ae_bytes spelling;       /* of the token that is being made */
    uint32_t *token_symbols; /* its characters; with rules alone */
} bpe_work;

static int no_memory(ae_err *e)
{
    return ae_err_set(e, AE_E_MEMORY, "no memory to train a vocabulary");
}

static size_t char_bytes(const char *text, size_t available)
{
    int length = ae_utf8_length(text, available);
    return length > 0 ? (size_t)length : 1;
}

/* The id of a token, which is taken in if it is new; -1 without memory. */
static int32_t token_of(bpe_work *w, const char *text, size_t bytes, int64_t chars)
{
    ae_word_counts *tokens = &w->out->tokens;
    int64_t before = tokens->n, id = ae_word_counts_add(tokens, text, bytes, 0);
    if (id < before || id > INT32_MAX) {
        return id > INT32_MAX ? -1 : (int32_t)id;
    }
    if (id >= w->token_capacity) {
        int64_t capacity = w->token_capacity ? w->token_capacity * 2 : 1024;
        int64_t *grown = realloc(w->token_chars, (size_t)capacity * sizeof *grown);
        if (!grown) {
            return -1;
        }
        w->token_chars = grown;
        w->token_capacity = capacity;
    }
    w->token_chars[id] = chars;
    return (int32_t)id;
}

/* ---- the alphabet ------------------------------------------------------------------------------------------------ */

static void count_characters(const ae_word_counts *words, const char *always, ae_word_counts *characters)
{
    for (int64_t i = 0; i < words->n; i++) {
        size_t bytes, step;
        const char *word = ae_word_counts_text(words, i, &bytes);
        for (size_t at = 0; at < bytes; at += step) {
            step = char_bytes(word + at, bytes - at);
            ae_word_counts_add(characters, word + at, step, words->words[i].count);
        }
    }
    size_t left = always ? strlen(always) : 0, step;
    for (; left > 0; always += step, left -= step) {
        step = char_bytes(always, left);
        int64_t i = ae_word_counts_add(characters, always, step, 0);
        if (i >= 0) {
            characters->words[i].count = INT64_MAX;
        }
    }
}

/* Takes the characters into the vocabulary, by code point, which is bytewise in UTF-8. */
static int take_alphabet(bpe_work *w, const ae_word_counts *characters)
{
    int64_t limit = w->options->limit_alphabet, *by_count = ae_word_counts_order(characters, true);
    ae_word_counts kept = {0};
    size_t bytes;
    for (int64_t i = 0; by_count && i < characters->n && (limit == 0 || i < limit); i++) {
        const char *text = ae_word_counts_text(characters, by_count[i], &bytes);
        ae_word_counts_add(&kept, text, bytes, 1);
    }
    int64_t *by_code = ae_word_counts_order(&kept, false);
    bool done = by_count && by_code && !kept.failed && !characters->failed;
    for (int64_t i = 0; done && i < kept.n; i++) {
        const char *text = ae_word_counts_text(&kept, by_code[i], &bytes);
        done = token_of(w, text, bytes, 1) >= 0;
    }
    free(by_count);
    free(by_code);
    ae_word_counts_free(&kept);
    return done ? 0 : -1;
}

static int begin_vocabulary(bpe_work *w, ae_err *e)
{
    for (int i = 0; i < w->options->n_special; i++) {
        const char *text = w->options->special[i];
        if (token_of(w, text, strlen(text), 1) < 0) {
            return no_memory(e);
        }
    }
    ae_word_counts characters = {0};
    count_characters(w->words, w->options->alphabet, &characters);
    int status = take_alphabet(w, &characters);
    ae_word_counts_free(&characters);
    return status ? no_memory(e) : 0;
}

/* ---- words as ids ------------------------------------------------------------------------------------------------ */

/* Spells the character at `at` of a word as the vocabulary has it there. */
static void spell_character(bpe_work *w, const char *character, size_t bytes, bool first, bool last)
{
    w->spelling.length = 0;
    if (!first && w->options->prefix) {
        ae_bytes_add_text(&w->spelling, w->options->prefix);
    }
    ae_bytes_add(&w->spelling, character, bytes);
    if (last && w->options->suffix) {
        ae_bytes_add_text(&w->spelling, w->options->suffix);
    }
}

/* Calls `use` with the spelling of each character of the words that is in the alphabet. */
static int for_each_character(bpe_work *w, const ae_word_counts *alphabet,
                              int (*use)(bpe_work *w, int64_t word, void *p), void *p)
{
    for (int64_t i = 0; i < w->words->n; i++) {
        size_t bytes, step;
        const char *word = ae_word_counts_text(w->words, i, &bytes);
        for (size_t at = 0; at < bytes; at += step) {
            step = char_bytes(word + at, bytes - at);
            if (ae_word_counts_find(alphabet, word + at, step) < 0) {
                continue; /* its neighbours become neighbours of each other */
            }
            spell_character(w, word + at, step, at == 0, at + step == bytes);
            if (w->spelling.failed || use(w, i, p)) {
                return -1;
            }
        }
    }
    return 0;
}

static int collect_form(bpe_work *w, int64_t word, void *forms)
{
    (void)word;
    return ae_word_counts_add(forms, w->spelling.data, w->spelling.length, 1) < 0 ? -1 : 0;
}

static int append_symbol(bpe_work *w, int64_t word, void *length)
{
    size_t *n = length;
    int64_t id = ae_word_counts_find(&w->out->tokens, w->spelling.data, w->spelling.length);
    if (w->lengths[word] == 0) {
        w->starts[word] = *n;
    }
    w->symbols[(*n)++] = (int32_t)id;
    w->lengths[word]++;
    return 0;
}

/* Takes the forms with prefix or suffix into the vocabulary. */
static int take_forms(bpe_work *w, const ae_word_counts *alphabet)
{
    ae_word_counts forms = {0};
    int status = for_each_character(w, alphabet, collect_form, &forms);
    int64_t *order = status == 0 ? ae_word_counts_order(&forms, false) : NULL;
    for (int64_t i = 0; order && status == 0 && i < forms.n; i++) {
        size_t bytes;
        const char *text = ae_word_counts_text(&forms, order[i], &bytes);
        status = token_of(w, text, bytes, 1) < 0;
    }
    bool done = order && status == 0;
    free(order);
    ae_word_counts_free(&forms);
    return done ? 0 : -1;
}

static int words_to_symbols(bpe_work *w, ae_err *e)
{
    ae_word_counts alphabet = {0};
    ae_word_counts_merge(&alphabet, &w->out->tokens);
    size_t n = 0, words = (size_t)w->words->n;
    w->symbols = malloc((w->words->text.length + 1) * sizeof *w->symbols);
    w->starts = calloc(words + 1, sizeof *w->starts);
    w->lengths = calloc(words + 1, sizeof *w->lengths);
    bool done = !alphabet.failed && w->symbols && w->starts && w->lengths && take_forms(w, &alphabet) == 0 &&
                for_each_character(w, &alphabet, append_symbol, &n) == 0;
    ae_word_counts_free(&alphabet);
    if (!done) {
        return no_memory(e);
    }
    int64_t size = w->out->tokens.n;
    if (size > w->options->vocab_size) {
        return ae_err_set(e, AE_E_VALUE,
                          "the special tokens and the alphabet of the text are %lld tokens, vocab_size is %lld; raise "
                          "it or set limit_alphabet",
                          (long long)size, (long long)w->options->vocab_size);
    }
    return 0;
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

static void change(bpe_work *w, int32_t a, int32_t b, int64_t by, uint32_t word)
{
    int64_t longest = w->options->rules ? w->options->rules->max_length : w->options->max_token_length;
    if (longest == 0 || w->token_chars[a] + w->token_chars[b] <= longest) {
        ae_bpe_pairs_change(&w->pairs, a, b, by, word);
    }
}

/* A pair of equals overlaps the next one in three equals. Hugging Face counts both, SentencePiece those that can be
 * joined together: whether the last pair of equals between `first` and `last`, read in steps of 1 or -1 from `first` on
 * as far as the same symbol stands, is one of them. */
static bool pair_counts(const bpe_work *w, const int32_t *first, const int32_t *last, int step)
{
    int64_t n = 1;
    if (!w->options->rules || first == last || first[step] != *first) {
        return true;
    }
    for (const int32_t *s = first; s != last && s[step] == *first; s += step) {
        n++;
    }
    return n % 2 == 0;
}

static int count_pairs(bpe_work *w, ae_err *e)
{
    for (int64_t i = 0; i < w->words->n; i++) {
        const int32_t *word = w->symbols + w->starts[i];
        for (uint32_t k = 0; k + 1 < w->lengths[i]; k++) {
            if (pair_counts(w, word + k + 1, word, -1)) {
                change(w, word[k], word[k + 1], w->words->words[i].count, (uint32_t)i);
            }
        }
    }
    ae_bpe_pairs_queue(&w->pairs);
    return w->pairs.failed ? no_memory(e) : 0;
}

/* Joins the pair wherever it stands in a word, from the left, and counts what its neighbours lose and gain. The count
 * of the pair itself stays, as in Hugging Face's trainer; its turn is over. */
static void merge_in_word(bpe_work *w, ae_bpe_merge m, uint32_t word)
{
    int32_t *s = w->symbols + w->starts[word];
    uint32_t n = w->lengths[word], kept = 0;
    int64_t count = w->words->words[word].count;
    for (uint32_t i = 0; i < n; kept++) {
        if (i + 1 >= n || s[i] != m.a || s[i + 1] != m.b) {
            s[kept] = s[i++];
            continue;
        }
        s[kept] = m.a;
        if (kept > 0 && pair_counts(w, s + kept, s, -1)) {
            change(w, s[kept - 1], m.a, -count, word);
        }
        if (i + 2 < n && pair_counts(w, s + i + 1, s + n - 1, 1)) {
            change(w, m.b, s[i + 2], -count, word);
        }
        s[kept] = m.made;
        if (kept > 0 && pair_counts(w, s + kept, s, -1)) {
            change(w, s[kept - 1], m.made, count, word);
        }
        if (i + 2 < n) {
            change(w, m.made, s[i + 2], count, word);
        }
        i += 2;
    }
    w->lengths[word] = kept;
}

/* Spells what a pair becomes: the second's prefix is dropped. */
static void spell_joined(bpe_work *w, int32_t a, int32_t b)
{
    size_t a_bytes, b_bytes, skip = w->options->prefix ? strlen(w->options->prefix) : 0;
    const char *text = ae_word_counts_text(&w->out->tokens, a, &a_bytes);
    w->spelling.length = 0;
    ae_bytes_add(&w->spelling, text, a_bytes);
    text = ae_word_counts_text(&w->out->tokens, b, &b_bytes);
    if (skip > b_bytes || (skip > 0 && memcmp(text, w->options->prefix, skip) != 0)) {
        skip = 0;
    }
    ae_bytes_add(&w->spelling, text + skip, b_bytes - skip);
}

static int32_t joined_token(bpe_work *w, int32_t a, int32_t b)
{
    spell_joined(w, a, b);
    if (w->spelling.failed) {
        return -1;
    }
    return token_of(w, w->spelling.data, w->spelling.length, w->token_chars[a] + w->token_chars[b]);
}

static bool append_merge(bpe_work *w, ae_bpe_merge merge)
{
    ae_bpe_result *out = w->out;
    if (out->n_merges == w->merge_capacity) {
        int64_t capacity = w->merge_capacity ? w->merge_capacity * 2 : 1024;
        ae_bpe_merge *merges = realloc(out->merges, (size_t)capacity * sizeof *merges);
        if (!merges) {
            return false;
        }
        out->merges = merges;
        w->merge_capacity = capacity;
    }
    out->merges[out->n_merges++] = merge;
    return true;
}

/* SentencePiece's order of pairs that are equally frequent. */
static int shorter_first(const void *self, const ae_bpe_pair *x, const ae_bpe_pair *y)
{
    const bpe_work *w = self;
    const ae_word_counts *tokens = &w->out->tokens;
    int64_t n = w->token_chars[x->a] + w->token_chars[x->b], m = w->token_chars[y->a] + w->token_chars[y->b];
    if (n != m) {
        return n < m ? -1 : 1;
    }
    const int32_t ids[2][2] = {{x->a, x->b}, {y->a, y->b}};
    const char *text[2] = {NULL, NULL};
    size_t left[2] = {0, 0};
    int half[2] = {0, 0};
    for (;;) {
        for (int i = 0; i < 2; i++) {
            if (left[i] == 0 && half[i] < 2) {
                text[i] = ae_word_counts_text(tokens, ids[i][half[i]++], &left[i]);
            }
        }
        size_t same = left[0] < left[1] ? left[0] : left[1];
        int order = same > 0 ? memcmp(text[0], text[1], same) : (left[0] > 0) - (left[1] > 0);
        if (order != 0 || same == 0) {
            return order;
        }
        for (int i = 0; i < 2; i++) {
            text[i] += same;
            left[i] -= same;
        }
    }
}

/* Whether what a pair spells is a token that may be made. */
static bool may_be_joined(bpe_work *w, const ae_bpe_pair *pair)
{
    const ae_piece_rules *rules = w->options->rules;
    if (!rules) {
        return true;
    }
    uint32_t *chars = w->token_symbols;
    size_t n = 0;
    spell_joined(w, pair->a, pair->b);
    for (size_t at = 0; at < w->spelling.length && n < (size_t)rules->max_length; n++) {
        at += (size_t)ae_utf8_decode(w->spelling.data + at, &chars[n]);
    }
    return ae_piece_allowed(rules, chars, n) &&
           ae_word_counts_find(&w->out->tokens, w->spelling.data, w->spelling.length) < 0;
}

static bool merge_entry(bpe_work *w, const ae_bpe_entry *entry)
{
    ae_bpe_pair *pair = &w->pairs.pairs[entry->pair];
    ae_bpe_merge merge = {.a = pair->a, .b = pair->b};
    if (!may_be_joined(w, pair)) {
        return !w->spelling.failed;
    }
    merge.made = joined_token(w, merge.a, merge.b);
    if (merge.made < 0 || !append_merge(w, merge)) {
        return false;
    }
    for (uint32_t i = 0; i < entry->places.n; i++) {
        merge_in_word(w, merge, entry->places.at[i]);
    }
    ae_bpe_pairs_queue(&w->pairs);
    return !w->pairs.failed;
}

static int report(const bpe_work *w, ae_err *e)
{
    const ae_bpe_options *o = w->options;
    if (o->progress && o->progress(o->self, w->out->tokens.n, o->vocab_size)) {
        return ae_err_set(e, AE_E_STATE, "training the vocabulary was stopped at %lld of %lld tokens",
                          (long long)w->out->tokens.n, (long long)o->vocab_size);
    }
    return 0;
}

static int merge_pairs(bpe_work *w, ae_err *e)
{
    int64_t least = w->options->min_frequency > 1 ? w->options->min_frequency : 1;
    ae_bpe_entry entry;
    while (w->out->tokens.n < w->options->vocab_size && ae_bpe_pairs_next(&w->pairs, &entry)) {
        bool frequent = entry.count >= least;
        bool merged = frequent && merge_entry(w, &entry);
        free(entry.places.at);
        if (!frequent) {
            break;
        }
        if (!merged) {
            return no_memory(e);
        }
        if (w->out->n_merges % 256 == 0 && report(w, e)) {
            return -1;
        }
    }
    return report(w, e);
}

/* What SentencePiece's way takes besides. */
static int begin_pieces(bpe_work *w, ae_err *e)
{
    const ae_piece_rules *rules = w->options->rules;
    if (!rules) {
        return 0;
    }
    w->pairs.order = shorter_first;
    w->pairs.self = w;
    w->token_symbols = malloc((size_t)rules->max_length * sizeof *w->token_symbols);
    return w->token_symbols ? 0 : no_memory(e);
}

int ae_bpe_train(const ae_word_counts *words, const ae_bpe_options *options, ae_bpe_result *out, ae_err *e)
{
    bpe_work w = {.words = words, .options = options, .out = out};
    *out = (ae_bpe_result){0};
    int status = begin_pieces(&w, e);
    status = status == 0 ? begin_vocabulary(&w, e) : -1;
    status = status == 0 ? words_to_symbols(&w, e) : -1;
    status = status == 0 ? count_pairs(&w, e) : -1;
    status = status == 0 ? merge_pairs(&w, e) : -1;
    ae_bpe_pairs_free(&w.pairs);
    free(w.symbols);
    free(w.starts);
    free(w.lengths);
    free(w.token_chars);
    free(w.token_symbols);
    ae_bytes_free(&w.spelling);
    if (status) {
        ae_bpe_result_free(out);
    }
    return status;
}

void ae_bpe_result_free(ae_bpe_result *r)
{
    ae_word_counts_free(&r->tokens);
    free(r->merges);
    *r = (ae_bpe_result){0};
}
