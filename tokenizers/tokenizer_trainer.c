#include "tokenizers/tokenizer_trainer.h"

#include "tensor/threads.h"
#include "tokenizers/bpe_trainer.h"
#include "tokenizers/kinds.h"
#include "tokenizers/piece_trainer.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* A thread counts into a table of its own, which is emptied into the common one when it has this many words. */
enum { LOCAL_WORDS = 1 << 16, ALL_BYTES = 256 };

typedef struct counting_thread {
    ae_runs runs; /* words, or runs of SentencePiece's text */
    ae_bytes text;
    ae_encoding scratch;
} counting_thread;

struct ae_tokenizer_trainer {
    const ae_kind *kind;            /* NULL: */
    ae_piece_trainer *pieces;       /* of SentencePiece's kinds */
    ae_tokenizer_training training; /* its strings are those below or of the kind's row */
    char **special;
    int n_special;
    ae_tokenizer *splitter; /* the kind's chain without a vocabulary */
    ae_runs counts;
    counting_thread *threads;
    int n_threads;
};

/* ---- making ------------------------------------------------------------------------------------------------------ */

static int check_number(const char *name, int64_t value, ae_err *e)
{
    return value >= 0 ? 0
                      : ae_err_set(e, AE_E_VALUE, "tokenizer training: %s is %lld; it must be 0 or more", name,
                                   (long long)value);
}

/* Numbers that mean something for kinds that join pairs alone. */
static int check_word_list(const ae_tokenizer_training *t, ae_err *e)
{
    if (t->limit_alphabet || t->max_token_length) {
        return ae_err_set(e, AE_E_VALUE,
                          "tokenizer training: %s does not apply to \"%s\", a list of whole words; limit "
                          "it by vocab_size or min_frequency",
                          t->limit_alphabet ? "limit_alphabet" : "max_token_length", t->kind);
    }
    return 0;
}

static int check_joining(const ae_kind *kind, const ae_tokenizer_training *t, int n_special, ae_err *e)
{
    if (t->vocab_size == 0) {
        return ae_err_set(e, AE_E_VALUE, "tokenizer training: \"%s\" wants a vocab_size, for instance 30000", t->kind);
    }
    if (kind->bytes && t->limit_alphabet) {
        return ae_err_set(e, AE_E_VALUE,
                          "tokenizer training: limit_alphabet does not apply to \"%s\", whose alphabet is "
                          "the 256 bytes",
                          t->kind);
    }
    if (kind->bytes && t->vocab_size < ALL_BYTES + n_special) {
        return ae_err_set(e, AE_E_VALUE,
                          "tokenizer training: vocab_size is %lld; the 256 bytes and %d special tokens are %d already",
                          (long long)t->vocab_size, n_special, ALL_BYTES + n_special);
    }
    return 0;
}

static int check_numbers(const ae_tokenizer_training *t, ae_err *e)
{
    if (check_number("vocab_size", t->vocab_size, e) || check_number("min_frequency", t->min_frequency, e) ||
        check_number("limit_alphabet", t->limit_alphabet, e) ||
        check_number("max_token_length", t->max_token_length, e)) {
        return -1;
    }
    if (t->vocab_size > INT32_MAX) {
        return ae_err_set(e, AE_E_VALUE, "tokenizer training: vocab_size is %lld; ids have 31 bits",
                          (long long)t->vocab_size);
    }
    return 0;
}

/* What belongs to SentencePiece's kinds. */
static int check_others(const ae_tokenizer_training *t, ae_err *e)
{
    const char *name = t->algorithm            ? "algorithm"
                       : t->normalization      ? "normalization"
                       : t->character_coverage ? "character_coverage"
                       : t->required_chars     ? "required_chars"
                       : t->n_user_symbols     ? "user_symbols"
                       : t->byte_fallback      ? "byte_fallback"
                       : t->split_digits       ? "split_digits"
                       : t->keep_blanks        ? "keep_blanks"
                       : t->dummy_prefix       ? "dummy_prefix"
                                               : NULL;
    return name ? ae_err_set(e, AE_E_VALUE,
                             "tokenizer training: %s does not apply to \"%s\"; it is for SentencePiece's kinds", name,
                             t->kind)
                : 0;
}

static int check_training(const ae_kind *kind, const ae_tokenizer_training *t, int n_special, ae_err *e)
{
    if (check_others(t, e)) {
        return -1;
    }
    return kind->learning == AE_LEARN_WORDS ? check_word_list(t, e) : check_joining(kind, t, n_special, e);
}

/* Copies the special tokens: those that were given, else the kind's own. */
static int copy_special(ae_tokenizer_trainer *t, const ae_tokenizer_training *training, ae_err *e)
{
    const char *const *special = training->special ? training->special : t->kind->special;
    int n = training->n_special;
    if (!training->special) {
        for (n = 0; special[n]; n++) {
        }
    }
    t->special = calloc((size_t)n + 1, sizeof *t->special);
    for (int i = 0; t->special && i < n; i++) {
        if (!special[i] || !*special[i]) {
            return ae_err_set(e, AE_E_VALUE, "tokenizer training: special token %d is empty", i);
        }
        t->special[i] = strdup(special[i]);
        if (!t->special[i]) {
            return ae_err_set(e, AE_E_MEMORY, "no memory to train a tokenizer");
        }
        t->n_special++;
    }
    return t->special ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory to train a tokenizer");
}

static int set_up(ae_tokenizer_trainer *t, const ae_tokenizer_training *training, ae_err *e)
{
    if (copy_special(t, training, e) || check_training(t->kind, training, t->n_special, e)) {
        return -1;
    }
    t->training = *training;
    t->training.kind = t->kind->name;
    t->training.special = (const char *const *)t->special;
    t->training.n_special = t->n_special;
    t->training.options.kind = NULL;
    t->training.options.merges = NULL;
    ae_kind_parts parts = {.kind = t->kind, .options = &t->training.options};
    t->splitter = ae_tokenizer_from_parts(&parts, e);
    return t->splitter ? 0 : -1;
}

ae_tokenizer_trainer *ae_tokenizer_trainer_new(const ae_tokenizer_training *training, ae_err *e)
{
    const char *name = training->kind ? training->kind : "";
    const ae_piece_kind *pieces = ae_piece_kind_find(name);
    const ae_kind *kind = pieces ? NULL : ae_kind_find(name, e);
    if ((!pieces && !kind) || check_numbers(training, e)) {
        return NULL;
    }
    ae_tokenizer_trainer *t = calloc(1, sizeof *t);
    if (!t) {
        ae_err_set(e, AE_E_MEMORY, "no memory to train a tokenizer");
        return NULL;
    }
    t->kind = kind;
    t->pieces = pieces ? ae_piece_trainer_new(pieces, training, e) : NULL;
    if (pieces ? !t->pieces : set_up(t, training, e)) {
        ae_tokenizer_trainer_free(t);
        return NULL;
    }
    return t;
}

void ae_tokenizer_trainer_free(ae_tokenizer_trainer *t)
{
    if (!t) {
        return;
    }
    for (int i = 0; i < t->n_special; i++) {
        free(t->special[i]);
    }
    for (int i = 0; i < t->n_threads; i++) {
        ae_runs_free(&t->threads[i].runs);
        ae_bytes_free(&t->threads[i].text);
        ae_encoding_free(&t->threads[i].scratch);
    }
    free(t->special);
    free(t->threads);
    ae_runs_free(&t->counts);
    ae_tokenizer_free(t->splitter);
    ae_piece_trainer_free(t->pieces);
    free(t);
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* Moves what a thread has counted to the common table. */
static void hand_over(ae_tokenizer_trainer *t, counting_thread *c)
{
#pragma omp critical /* without a name, which would be a symbol of the library */
    if (t->pieces) {
        ae_runs_merge(&t->counts, &c->runs);
    } else {
        ae_word_counts_merge(&t->counts.words, &c->runs.words);
    }
    ae_runs_clear(&c->runs);
}

static int count_word(void *self, const char *word, size_t bytes)
{
    counting_thread *c = self;
    return ae_word_counts_add(&c->runs.words, word, bytes, 1) < 0 ? -1 : 0;
}

static int join_words(void *self, const char *word, size_t bytes)
{
    counting_thread *c = self;
    ae_bytes_add(&c->text, word, bytes);
    return c->text.failed ? -1 : 0;
}

static int count_text(ae_tokenizer_trainer *t, counting_thread *c, const char *text, size_t bytes, ae_err *e)
{
    const ae_tokenizer *splitter = t->pieces ? ae_piece_trainer_splitter(t->pieces) : t->splitter;
    c->text.length = 0;
    if (ae_tokenizer_split(splitter, text, bytes, t->pieces ? join_words : count_word, c, &c->scratch, e)) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the words of the text");
    }
    if (t->pieces) {
        ae_piece_trainer_count(t->pieces, &c->runs, c->text.data, c->text.length);
    }
    if (c->runs.words.n >= LOCAL_WORDS) {
        hand_over(t, c);
    }
    return 0;
}

static int make_threads(ae_tokenizer_trainer *t, int n, ae_err *e)
{
    if (n <= t->n_threads) {
        return 0;
    }
    counting_thread *threads = realloc(t->threads, (size_t)n * sizeof *threads);
    if (!threads) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the words of the text");
    }
    memset(threads + t->n_threads, 0, (size_t)(n - t->n_threads) * sizeof *threads);
    t->threads = threads;
    t->n_threads = n;
    return 0;
}

int ae_tokenizer_trainer_add(ae_tokenizer_trainer *t, const char *const *texts, const size_t *bytes, int64_t n,
                             ae_err *e)
{
    int threads = ae_threads();
    if (make_threads(t, threads, e)) {
        return -1;
    }
    ae_err failure = {0};
#pragma omp parallel num_threads(threads) if (n > 1)
    {
        ae_err mine = {0};
        counting_thread *self = &t->threads[omp_get_thread_num()];
#pragma omp for schedule(dynamic, 64)
        for (int64_t i = 0; i < n; i++) {
            if (mine.code == AE_OK) {
                count_text(t, self, texts[i], bytes[i], &mine);
            }
        }
        if (mine.code) {
#pragma omp critical
            failure = mine;
        }
    }
    if (failure.code) {
        return ae_err_set(e, failure.code, "%s", failure.message);
    }
    return 0;
}

/* ---- learning ---------------------------------------------------------------------------------------------------- */

/* The tokenizer of a vocabulary; merges NULL for kinds without. */
static ae_tokenizer *build(const ae_tokenizer_trainer *t, const ae_word_counts *tokens, const ae_bpe_merge *merges,
                           int64_t n_merges, ae_err *e)
{
    const char **texts = malloc(((size_t)tokens->n + 1) * sizeof *texts);
    size_t *bytes = malloc(((size_t)tokens->n + 1) * sizeof *bytes);
    int32_t(*pairs)[2] = malloc(((size_t)n_merges + 1) * sizeof *pairs);
    ae_tokenizer *made = NULL;
    if (texts && bytes && pairs) {
        for (int64_t i = 0; i < tokens->n; i++) {
            texts[i] = ae_word_counts_text(tokens, i, &bytes[i]);
        }
        for (int64_t i = 0; i < n_merges; i++) {
            pairs[i][0] = merges[i].a;
            pairs[i][1] = merges[i].b;
        }
        ae_kind_parts parts = {.kind = t->kind,
                               .options = &t->training.options,
                               .tokens = texts,
                               .token_bytes = bytes,
                               .n_tokens = tokens->n,
                               .merges = (const int32_t(*)[2])pairs,
                               .n_merges = n_merges,
                               .special = t->training.special,
                               .n_special = t->n_special};
        made = ae_tokenizer_from_parts(&parts, e);
    } else {
        ae_err_set(e, AE_E_MEMORY, "no memory for the vocabulary");
    }
    free(texts);
    free(bytes);
    free(pairs);
    return made;
}

/* GPT-2's characters for the 256 bytes. */
static void byte_alphabet(char text[2 * ALL_BYTES + 1])
{
    char *end = text;
    for (int byte = 0; byte < ALL_BYTES; byte++) {
        char letter[3];
        int length = ae_byte_letter((unsigned char)byte, letter);
        memcpy(end, letter, (size_t)length);
        end += length;
    }
    *end = '\0';
}

static ae_tokenizer *learn_pairs(const ae_tokenizer_trainer *t, int (*progress)(void *, int64_t, int64_t), void *self,
                                 ae_err *e)
{
    const ae_tokenizer_training *wanted = &t->training;
    char alphabet[2 * ALL_BYTES + 1] = "";
    if (t->kind->bytes) {
        byte_alphabet(alphabet);
    }
    ae_bpe_options options = {.vocab_size = wanted->vocab_size,
                              .min_frequency = wanted->min_frequency ? wanted->min_frequency : 2,
                              .limit_alphabet = wanted->limit_alphabet,
                              .max_token_length = wanted->max_token_length,
                              .prefix = t->kind->prefix,
                              .suffix = t->kind->suffix,
                              .alphabet = alphabet,
                              .special = wanted->special,
                              .n_special = t->n_special,
                              .progress = progress,
                              .self = self};
    ae_bpe_result learned;
    if (ae_bpe_train(&t->counts.words, &options, &learned, e)) {
        return NULL;
    }
    int64_t n_merges = t->kind->learning == AE_LEARN_MERGES ? learned.n_merges : 0;
    ae_tokenizer *made = build(t, &learned.tokens, learned.merges, n_merges, e);
    ae_bpe_result_free(&learned);
    return made;
}

/* The special tokens and the most frequent words, bytewise among equals. */
static ae_tokenizer *learn_words(const ae_tokenizer_trainer *t, ae_err *e)
{
    const ae_tokenizer_training *wanted = &t->training;
    int64_t limit = wanted->vocab_size ? wanted->vocab_size : INT32_MAX;
    ae_word_counts tokens = {0};
    for (int i = 0; i < t->n_special; i++) {
        ae_word_counts_add(&tokens, t->special[i], strlen(t->special[i]), 0);
    }
    const ae_word_counts *counts = &t->counts.words;
    int64_t *order = ae_word_counts_order(counts, true);
    for (int64_t i = 0; order && i < counts->n && tokens.n < limit; i++) {
        const ae_counted_word *word = &counts->words[order[i]];
        if (word->count < wanted->min_frequency) {
            break;
        }
        ae_word_counts_add(&tokens, counts->text.data + word->at, word->bytes, 0);
    }
    ae_tokenizer *made = NULL;
    if (!order || tokens.failed) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the vocabulary");
    } else {
        made = build(t, &tokens, NULL, 0, e);
    }
    free(order);
    ae_word_counts_free(&tokens);
    return made;
}

ae_tokenizer *ae_tokenizer_trainer_finish(ae_tokenizer_trainer *t,
                                          int (*progress)(void *self, int64_t done, int64_t all), void *self, ae_err *e)
{
    for (int i = 0; i < t->n_threads; i++) {
        hand_over(t, &t->threads[i]);
    }
    if (t->counts.words.failed) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the words of the text");
        return NULL;
    }
    if (t->pieces) {
        return ae_piece_trainer_finish(t->pieces, &t->counts, progress, self, e);
    }
    if (t->kind->learning == AE_LEARN_WORDS) {
        return learn_words(t, e);
    }
    return learn_pairs(t, progress, self, e);
}
