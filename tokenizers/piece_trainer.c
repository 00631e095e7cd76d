#include "tokenizers/piece_trainer.h"

#include "tensor/nearest_name.h"
#include "tokenizers/bpe_trainer.h"
#include "tokenizers/charsmap_rules.h"
#include "tokenizers/unicode.h"
#include "tokenizers/unigram_trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LENGTH = 16, LONGEST = 512, ALL_BYTES = 256 };

static const double usual_coverage = 0.9995;

/* What the families' own models were trained with; the first row stands for all that are not named. */
static const struct custom {
    const char *kind, *special, *algorithm, *normalization;
    bool bytes, digits, blanks;
} customs[] = {
    {"", "<unk> <s> </s>", "unigram", "nmt_nfkc", false, false, false},
    {"t5", "<pad> </s> <unk>", "unigram", "nmt_nfkc", false, false, false},
    {"albert", "<pad> <unk> [CLS] [SEP] [MASK]", "unigram", "nmt_nfkc", false, false, false},
    {"xlnet", "<unk> <s> </s> <cls> <sep> <pad> <mask> <eod> <eop>", "unigram", "nmt_nfkc", false, false, false},
    {"pegasus", "<pad> </s> <unk>", "unigram", "nmt_nfkc", false, false, false},
    {"bigbird", "<pad> </s> <s> <unk> [CLS] [SEP] [MASK]", "unigram", "nmt_nfkc", false, false, false},
    {"llama", "<unk> <s> </s>", "bpe", "identity", true, true, true},
};

static const char *const algorithms[] = {"unigram", "bpe", "word", "char"}; /* in the order of ae_piece_algorithm */

struct ae_piece_trainer {
    const ae_piece_kind *kind;
    ae_tokenizer_training training; /* of which numbers alone are read later */
    const struct custom *custom;
    ae_piece_algorithm algorithm;
    const char *normalization;
    bool bytes;
    ae_piece_rules rules;
    ae_bytes map; /* of the normalization */
    char *required;
    char **symbols; /* special tokens, then user-defined symbols */
    int n_special, n_symbols;
    ae_tokenizer *splitter; /* without pieces */
};

static int no_memory(ae_err *e)
{
    return ae_err_set(e, AE_E_MEMORY, "no memory for the pieces of a vocabulary");
}

/* ---- checking ------------------------------------------------------------------------------------------------------- */

static int choose(const char *what, const char *name, const char *const *names, int n, int *chosen, ae_err *e)
{
    char list[128] = "";
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            *chosen = i;
            return 0;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = ae_nearest_name(name, names, n);
    return ae_err_set(e, AE_E_VALUE, "tokenizer training: there is no %s \"%.40s\"%s%s%s; there are %s", what, name,
                      nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "", list);
}

static int check_numbers(const ae_piece_trainer *t, ae_err *e)
{
    const ae_tokenizer_training *w = &t->training;
    bool lists = t->algorithm == AE_PIECES_WORD || t->algorithm == AE_PIECES_CHAR;
    if (w->vocab_size == 0 && !lists) {
        return ae_err_set(e, AE_E_VALUE, "tokenizer training: \"%s\" wants a vocab_size, for instance 8000",
                          t->kind->name);
    }
    if (w->min_frequency && (t->algorithm == AE_PIECES_UNIGRAM || t->algorithm == AE_PIECES_CHAR)) {
        return ae_err_set(e, AE_E_VALUE,
                          "tokenizer training: min_frequency does not apply to the algorithm \"%s\"; it is for bpe and "
                          "word",
                          algorithms[t->algorithm - 1]);
    }
    if (w->max_token_length > LONGEST) {
        return ae_err_set(e, AE_E_VALUE, "tokenizer training: max_token_length is %lld; pieces have at most %d",
                          (long long)w->max_token_length, LONGEST);
    }
    if (!(w->character_coverage >= 0 && w->character_coverage <= 1)) {
        return ae_err_set(e, AE_E_VALUE, "tokenizer training: character_coverage is %g; it is a part, 0 to 1",
                          w->character_coverage);
    }
    if ((w->options.lower_case || w->options.strip_accents) && !t->kind->clean) {
        return ae_err_set(e, AE_E_VALUE,
                          "tokenizer training: lower_case and strip_accents do not apply to \"%s\"; the normalization "
                          "\"nmt_nfkc_cf\" makes small letters",
                          t->kind->name);
    }
    return 0;
}

static int check_symbols(const ae_piece_trainer *t, ae_err *e)
{
    int unknown = 0, others = t->n_symbols + (t->bytes ? ALL_BYTES : 0);
    for (int i = 0; i < t->n_symbols; i++) {
        if (!*t->symbols[i]) {
            return ae_err_set(e, AE_E_VALUE, "tokenizer training: %s %d is empty",
                              i < t->n_special ? "special token" : "user-defined symbol",
                              i < t->n_special ? i : i - t->n_special);
        }
        for (int k = 0; k < i; k++) {
            if (strcmp(t->symbols[i], t->symbols[k]) == 0) {
                return ae_err_set(e, AE_E_VALUE, "tokenizer training: the symbol \"%.60s\" is there twice",
                                  t->symbols[i]);
            }
        }
        unknown += i < t->n_special && strcmp(t->symbols[i], "<unk>") == 0;
    }
    if (unknown != 1) {
        return ae_err_set(e, AE_E_VALUE, "tokenizer training: \"<unk>\" must be one of the special tokens of \"%s\"",
                          t->kind->name);
    }
    if (t->training.vocab_size && t->training.vocab_size <= others) {
        return ae_err_set(e, AE_E_VALUE, "tokenizer training: vocab_size is %lld; symbols%s are %d already",
                          (long long)t->training.vocab_size, t->bytes ? " and bytes" : "", others);
    }
    return 0;
}

/* ---- making --------------------------------------------------------------------------------------------------------- */

static int add_symbol(ae_piece_trainer *t, const char *text, size_t bytes, bool special, ae_err *e)
{
    char **grown = realloc(t->symbols, ((size_t)t->n_symbols + 1) * sizeof *grown);
    t->symbols = grown ? grown : t->symbols;
    char *copy = grown ? strndup(text, bytes) : NULL;
    if (!copy) {
        return no_memory(e);
    }
    t->symbols[t->n_symbols++] = copy;
    t->n_special += special;
    return 0;
}

/* Lists the symbols: special ones that were given or the custom's, then the user's. */
static int list_symbols(ae_piece_trainer *t, const ae_tokenizer_training *w, ae_err *e)
{
    int status = 0;
    for (int i = 0; w->special && i < w->n_special && status == 0; i++) {
        const char *token = w->special[i] ? w->special[i] : "";
        status = add_symbol(t, token, strlen(token), true, e);
    }
    const char *word = w->special ? "" : t->custom->special;
    for (size_t n = 0; *word && status == 0; word += n + (word[n] == ' ')) {
        n = strcspn(word, " ");
        status = add_symbol(t, word, n, true, e);
    }
    for (int i = 0; i < w->n_user_symbols && status == 0; i++) {
        const char *symbol = w->user_symbols[i] ? w->user_symbols[i] : "";
        status = add_symbol(t, symbol, strlen(symbol), false, e);
    }
    t->required = status == 0 && w->required_chars ? strdup(w->required_chars) : NULL;
    return status == 0 && (t->required || !w->required_chars) ? 0 : no_memory(e);
}

static int settle(ae_piece_trainer *t, ae_err *e)
{
    const ae_tokenizer_training *w = &t->training;
    int algorithm = 0, n_names = ae_charsmap_rules_count(), normalization = 0;
    t->custom = &customs[0];
    for (size_t i = 1; i < sizeof customs / sizeof *customs; i++) {
        t->custom = strcmp(customs[i].kind, t->kind->name) == 0 ? &customs[i] : t->custom;
    }
    const char *name = w->algorithm ? w->algorithm : t->custom->algorithm;
    const char *map = w->normalization ? w->normalization : t->custom->normalization;
    if (choose("algorithm", name, algorithms, 4, &algorithm, e) ||
        choose("normalization", map, ae_charsmap_rules_names(), n_names, &normalization, e)) {
        return -1;
    }
    t->normalization = ae_charsmap_rules_names()[normalization];
    t->algorithm = (ae_piece_algorithm)(algorithm + 1);
    t->bytes = w->byte_fallback ? w->byte_fallback > 0 : t->custom->bytes;
    t->rules.max_length = w->max_token_length ? (int)w->max_token_length : MAX_LENGTH;
    t->rules.split_digits = w->split_digits ? w->split_digits > 0 : t->custom->digits;
    t->rules.join_scripts = t->algorithm == AE_PIECES_WORD; /* words are counted whole */
    return 0;
}

static void fill_list(const ae_piece_trainer *t, const ae_scored_pieces *learned, ae_piece_list *list, ae_err *e)
{
    int64_t id = 0;
    ae_err local = {0};
    for (int i = 0; i < t->n_symbols && !local.code; i++, id++) {
        bool unknown = strcmp(t->symbols[i], "<unk>") == 0;
        list->types[id] = i >= t->n_special ? AE_PIECE_USER : unknown ? AE_PIECE_UNKNOWN : AE_PIECE_CONTROL;
        ae_vocab_add(list->vocab, t->symbols[i], strlen(t->symbols[i]), id, &local);
    }
    for (int byte = 0; byte < ALL_BYTES && t->bytes && !local.code; byte++, id++) {
        char piece[8];
        list->types[id] = AE_PIECE_BYTE;
        ae_vocab_add(list->vocab, piece, (size_t)snprintf(piece, sizeof piece, "<0x%02X>", byte), id, &local);
    }
    for (int64_t i = 0; learned && i < learned->pieces.n && !local.code; i++) {
        size_t bytes;
        const char *piece = ae_word_counts_text(&learned->pieces, i, &bytes);
        if (ae_vocab_find(list->vocab, piece, bytes) < 0) {
            list->types[id] = AE_PIECE_NORMAL;
            list->scores[id] = learned->scores[i];
            ae_vocab_add(list->vocab, piece, bytes, id++, &local);
        }
    }
    if (local.code) {
        ae_err_set(e, local.code, "%s", local.message);
    }
}

/* A tokenizer with the symbols and what was learned (NULL: nothing, to normalise with). */
static ae_tokenizer *build(const ae_piece_trainer *t, const ae_scored_pieces *learned, ae_err *e)
{
    const ae_tokenizer_training *w = &t->training;
    ae_err local = {0};
    ae_piece_file f = {.options = {.algorithm = t->algorithm, .byte_fallback = t->bytes}};
    ae_piece_kind kind = *t->kind;
    if (!learned) { /* whose ids would want pieces that are not there yet */
        kind = *ae_piece_kind_find("sentencepiece");
        kind.clean = t->kind->clean;
        kind.lower_case = t->kind->lower_case;
    }
    f.spec.add_dummy_prefix = w->dummy_prefix >= 0;
    f.spec.remove_extra_whitespaces = w->keep_blanks ? w->keep_blanks < 0 : !t->custom->blanks;
    f.spec.escape_whitespaces = true;
    f.spec.name = strdup(t->normalization);
    f.spec.charsmap = t->map.length > 0 ? malloc(t->map.length) : NULL;
    f.spec.charsmap_bytes = t->map.length;
    if (!f.spec.name || (t->map.length > 0 && !f.spec.charsmap)) {
        no_memory(&local);
    } else if (t->map.length > 0) {
        memcpy(f.spec.charsmap, t->map.data, t->map.length);
    }
    size_t room = (size_t)t->n_symbols + ALL_BYTES + (learned ? (size_t)learned->pieces.n : 0);
    if (!local.code && ae_piece_list_room(&f.pieces, room, &local) == 0) {
        fill_list(t, learned, &f.pieces, &local);
    }
    if (local.code) {
        ae_piece_file_free(&f);
        ae_err_set(e, local.code, "%s", local.message);
        return NULL;
    }
    ae_piece_settings settings = {.options = &w->options};
    return ae_tokenizer_from_pieces(&f, learned ? t->kind : &kind, &settings, e);
}

ae_piece_trainer *ae_piece_trainer_new(const ae_piece_kind *kind, const ae_tokenizer_training *training, ae_err *e)
{
    ae_piece_trainer *t = NULL;
    if (kind->layout == AE_LAYOUT_VOCAB) {
        ae_err_set(e, AE_E_VALUE, "tokenizer training: \"%s\" takes its ids from a vocab.json; train \"sentencepiece\"",
                   kind->name);
        return NULL;
    }
    t = calloc(1, sizeof *t);
    if (!t) {
        no_memory(e);
        return NULL;
    }
    t->kind = kind;
    t->training = *training;
    t->training.options.kind = NULL;
    t->training.options.merges = NULL;
    if (settle(t, e) == 0 && list_symbols(t, training, e) == 0 && check_symbols(t, e) == 0 &&
        check_numbers(t, e) == 0 && ae_charsmap_rules_make(t->normalization, &t->map, e) == 0) {
        t->splitter = build(t, NULL, e);
    }
    if (!t->splitter) {
        ae_piece_trainer_free(t);
        return NULL;
    }
    return t;
}

void ae_piece_trainer_free(ae_piece_trainer *t)
{
    if (t) {
        for (int i = 0; i < t->n_symbols; i++) {
            free(t->symbols[i]);
        }
        ae_tokenizer_free(t->splitter);
        free(t->symbols);
        free(t->required);
        ae_bytes_free(&t->map);
        free(t);
    }
}

const ae_tokenizer *ae_piece_trainer_splitter(const ae_piece_trainer *t)
{
    return t->splitter;
}

void ae_piece_trainer_count(const ae_piece_trainer *t, ae_runs *runs, const char *text, size_t bytes)
{
    ae_runs_cut(runs, &t->rules, (ae_run_symbols){(const char *const *)t->symbols, t->n_symbols}, text, bytes);
}

/* ---- learning ------------------------------------------------------------------------------------------------------- */

typedef struct learning {
    const ae_piece_trainer *trainer;
    const ae_runs *runs;
    const ae_alphabet *alphabet;
    int64_t room, others; /* pieces to be learned (0: no limit), and those that are there */
    int (*progress)(void *self, int64_t done, int64_t all);
    void *self;
    ae_err *e;
} learning;

static int learn_unigram(const learning *l, ae_scored_pieces *out)
{
    ae_unigram_options options = {.vocab_size = l->room + l->others,
                                  .others = l->others,
                                  .rules = l->trainer->rules,
                                  .progress = l->progress,
                                  .self = l->self};
    return ae_unigram_train(l->runs, l->alphabet, &options, out, l->e);
}

/* Adds a piece with minus its place as score. */
static void add_ranked(ae_scored_pieces *out, const char *piece, size_t bytes)
{
    int64_t id = ae_word_counts_add(&out->pieces, piece, bytes, 0);
    if (id >= 0) {
        out->scores[id] = (float)-id;
    }
}

static int learn_pairs(const learning *l, ae_scored_pieces *out)
{
    ae_bytes alphabet = {0};
    char text[4];
    ae_bytes_add_text(&alphabet, "");
    for (int64_t i = 0; i < l->alphabet->n; i++) {
        ae_bytes_add(&alphabet, text, (size_t)ae_utf8_encode(l->alphabet->chars[i], text));
    }
    int64_t least = l->trainer->training.min_frequency;
    ae_bpe_options options = {.vocab_size = l->room,
                              .min_frequency = least ? least : 1,
                              .rules = &l->trainer->rules,
                              .alphabet = alphabet.data,
                              .progress = l->progress,
                              .self = l->self};
    ae_bpe_result learned = {0};
    int status = alphabet.failed ? no_memory(l->e) : ae_bpe_train(&l->runs->words, &options, &learned, l->e);
    ae_bytes_free(&alphabet);
    if (status) {
        return -1;
    }
    out->scores = malloc(((size_t)learned.tokens.n + 1) * sizeof *out->scores);
    for (int64_t i = 0; out->scores && i < learned.n_merges; i++) {
        size_t bytes;
        const char *piece = ae_word_counts_text(&learned.tokens, learned.merges[i].made, &bytes);
        add_ranked(out, piece, bytes);
    }
    for (int64_t i = 0; out->scores && i < l->alphabet->n; i++) {
        add_ranked(out, text, (size_t)ae_utf8_encode(l->alphabet->chars[i], text));
    }
    ae_bpe_result_free(&learned);
    return out->scores && !out->pieces.failed ? 0 : no_memory(l->e);
}

/* Words or characters by falling count; the score is the logarithm of the share. */
static int learn_list(const learning *l, ae_scored_pieces *out)
{
    bool words = l->trainer->algorithm == AE_PIECES_WORD;
    const ae_word_counts *counted = &l->runs->words;
    int64_t n = words ? counted->n : l->alphabet->n, all = l->alphabet->all;
    int64_t least = l->trainer->training.min_frequency;
    int64_t *order = words ? ae_word_counts_order(counted, true) : NULL;
    out->scores = malloc(((size_t)n + 1) * sizeof *out->scores);
    for (int64_t i = 0, sum = 0; words && order && i < n; i++) {
        sum += counted->words[i].count;
        all = sum;
    }
    for (int64_t i = 0; out->scores && (order || !words) && i < n && (l->room == 0 || i < l->room); i++) {
        char text[4];
        size_t bytes = words ? 0 : (size_t)ae_utf8_encode(l->alphabet->chars[i], text);
        const char *piece = words ? ae_word_counts_text(counted, order[i], &bytes) : text;
        int64_t count = words ? counted->words[order[i]].count : l->alphabet->counts[i];
        if (count < least) {
            break;
        }
        int64_t id = ae_word_counts_add(&out->pieces, piece, bytes, 0);
        if (id >= 0) {
            out->scores[id] = (float)(log((double)(count > 0 ? count : 1)) - log((double)all));
        }
    }
    bool done = out->scores && (order || !words) && !out->pieces.failed;
    free(order);
    return done ? 0 : no_memory(l->e);
}

static int learn(const learning *l, ae_scored_pieces *out)
{
    switch (l->trainer->algorithm) {
    case AE_PIECES_UNIGRAM:
        return learn_unigram(l, out);
    case AE_PIECES_BPE:
        return learn_pairs(l, out);
    default:
        return learn_list(l, out);
    }
}

ae_tokenizer *ae_piece_trainer_finish(const ae_piece_trainer *t, const ae_runs *runs,
                                      int (*progress)(void *self, int64_t done, int64_t all), void *self, ae_err *e)
{
    const ae_tokenizer_training *w = &t->training;
    double coverage = w->character_coverage > 0 ? w->character_coverage : usual_coverage;
    ae_alphabet alphabet = {0};
    ae_runs kept = {0};
    ae_scored_pieces learned = {0};
    ae_tokenizer *made = NULL;
    int status = ae_alphabet_choose(&alphabet, runs, coverage, w->limit_alphabet, t->required);
    if (status == 0) {
        ae_runs_restrict(&kept, runs, &alphabet);
    }
    int64_t others = t->n_symbols + (t->bytes ? ALL_BYTES : 0);
    bool lists = t->algorithm == AE_PIECES_WORD || t->algorithm == AE_PIECES_CHAR;
    if (status || kept.words.failed) {
        no_memory(e);
    } else if (!lists && alphabet.n + others > w->vocab_size) {
        ae_err_set(e, AE_E_VALUE,
                   "the alphabet of the text and %lld symbols are %lld pieces, vocab_size is %lld; raise it or lower "
                   "character_coverage",
                   (long long)others, (long long)(alphabet.n + others), (long long)w->vocab_size);
    } else {
        learning l = {t, &kept, &alphabet, w->vocab_size ? w->vocab_size - others : 0, others, progress, self, e};
        made = learn(&l, &learned) == 0 ? build(t, &learned, e) : NULL;
    }
    ae_scored_pieces_free(&learned);
    ae_runs_free(&kept);
    ae_alphabet_free(&alphabet);
    return made;
}
