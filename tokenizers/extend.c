/* New words for a tokenizer: its vocabulary and its list of added tokens, made anew. */
#include "tokenizers/extend.h"
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

typedef struct growing {
    const ae_tokenizer *t;
    const ae_tokenizer_words *x;
    ae_vocab *vocab;     /* the model's, with new words; NULL when the model takes none */
    ae_json *added;      /* the list of added tokens */
    ae_vocab *new_whole; /* the added tokens that are new, to find those that stand twice; ids count */
    ae_encoding scratch;
    int64_t next_free;
    int32_t next;         /* the first id behind all */
    int64_t longest_word; /* characters of a word that WordPiece still looks up */
    ae_tokenizer_growth growth;
} growing;

/* ---- which ids are there -------------------------------------------------------------------------------------------- */

static int check_free(const growing *g, ae_err *e)
{
    const ae_tokenizer *t = g->t;
    uint8_t *seen = calloc((size_t)t->size + 1, 1);
    int status = seen ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for %d tokens", (int)t->size);
    for (int64_t i = 0; i < g->x->n_free && status == 0; i++) {
        int32_t id = g->x->free_ids[i];
        const char *why = NULL;
        if (!ae_tokenizer_token(t, id, NULL)) {
            why = "has no token";
        } else if (t->flags[id] & (AE_FLAG_SPECIAL | AE_FLAG_ADDED)) {
            why = "is a special or an added token's";
        } else if (!g->vocab) {
            why = "belongs to a model whose tokens cannot be replaced (BPE and its like)";
        } else if (ae_tokenizer_role(t, AE_TOKEN_UNKNOWN) == id) {
            why = "is the unknown token's";
        } else if (seen[id]) {
            why = "stands there twice";
        }
        status = why ? ae_err_set(e, AE_E_VALUE, "the id %d cannot make way for a new word: it %s", (int)id, why) : 0;
        if (!why) {
            seen[id] = 1;
        }
    }
    free(seen);
    return status;
}

/* Whether the model's JSON keeps an object from token to id that any word may stand in. */
static bool takes_words(const ae_tokenizer *t)
{
    return t->model.row == &ae_model_word_piece.row || t->model.row == &ae_model_word_level.row;
}

static int copy_vocab(growing *g, ae_err *e)
{
    const ae_vocab *old = g->t->vocab;
    g->vocab = ae_vocab_new();
    if (!g->vocab) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the vocabulary");
    }
    uint8_t *freed = calloc((size_t)old->size + 1, 1);
    int status = freed ? check_free(g, e) : ae_err_set(e, AE_E_MEMORY, "no memory for %d tokens", (int)old->size);
    for (int64_t i = 0; i < g->x->n_free && status == 0; i++) {
        freed[g->x->free_ids[i]] = 1;
    }
    for (int32_t id = 0; id < old->size && status == 0; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(old, id, &bytes);
        status = token && !freed[id] ? ae_vocab_add(g->vocab, token, bytes, id, e) : 0;
    }
    free(freed);
    return status;
}

/* The id of the next new token. A free one holds no token if fewer words come than were expected, so that the old token
 * is put back at the end. */
static int32_t next_id(growing *g, bool in_vocabulary)
{
    if (in_vocabulary && g->next_free < g->x->n_free) {
        g->growth.replaced++;
        return g->x->free_ids[g->next_free++];
    }
    return g->next++;
}

static int put_back(growing *g, ae_err *e)
{
    int status = 0;
    for (int64_t i = g->next_free; i < g->x->n_free && status == 0; i++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(g->t->vocab, g->x->free_ids[i], &bytes);
        bool taken = ae_vocab_find(g->vocab, token, bytes) >= 0;
        status = taken ? 0 : ae_vocab_add(g->vocab, token, bytes, g->x->free_ids[i], e);
    }
    return status;
}

/* ---- one word ------------------------------------------------------------------------------------------------------- */

/* Whether a word is looked for in the normalised text. SentencePiece's normalizers put a blank in front of what they
 * are given, and the word would be found behind blanks alone; it is looked for in the text as given, as SentencePiece
 * does with user-defined pieces. 1 or 0, -1 and e without memory. */
static int in_normal_text(const growing *g, const char *word, size_t bytes, ae_err *e)
{
    static const char blank[] = "\xe2\x96\x81";
    ae_work w = {.begins = true, .text_start = true};
    ae_work_begin(&w, word, bytes);
    ae_normalize(g->t, &w);
    int result = ae_work_check(&w, e);
    if (result == 0) {
        bool marked = w.text.length >= 3 && memcmp(w.text.bytes, blank, 3) == 0;
        result = !marked || (bytes >= 3 && memcmp(word, blank, 3) == 0);
    }
    ae_work_free(&w);
    return result;
}

/* `id` is that of a token of the vocabulary, or -1 for a new one. */
static int add_whole(growing *g, const char *word, size_t bytes, bool special, int32_t id, ae_err *e)
{
    int normalized = special ? 0 : in_normal_text(g, word, bytes, e);
    if (normalized < 0) {
        return -1;
    }
    if (ae_vocab_find(g->new_whole, word, bytes) >= 0) {
        g->growth.known++;
        return 0;
    }
    ae_json *m = ae_json_new_object();
    ae_json_set_int(m, "id", id >= 0 ? id : next_id(g, false));
    ae_json_set(m, "content", ae_json_new_bytes(word, bytes));
    ae_json_set_bool(m, "single_word", g->x->single_word && !special);
    ae_json_set_bool(m, "normalized", normalized);
    ae_json_set_bool(m, "special", special);
    if (ae_json_add(g->added, NULL, m) != 0) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the added tokens");
    }
    if (special) {
        g->growth.special++;
    } else {
        g->growth.whole++;
    }
    return ae_vocab_add(g->new_whole, word, bytes, g->new_whole->used, e);
}

static int add_to_vocabulary(growing *g, const char *word, size_t bytes, ae_err *e)
{
    if (ae_vocab_find(g->vocab, word, bytes) >= 0) {
        g->growth.known++;
        return 0;
    }
    g->growth.vocabulary++;
    return ae_vocab_add(g->vocab, word, bytes, next_id(g, true), e);
}

/* What the pre-tokenizer makes of a word. */
typedef struct only_word {
    int count;
    char *bytes;
    size_t length;
} only_word;

static int take_word(void *self, const char *word, size_t bytes)
{
    only_word *o = self;
    free(o->bytes);
    o->bytes = malloc(bytes + 1);
    if (!o->bytes) {
        return 1;
    }
    memcpy(o->bytes, word, bytes);
    o->length = bytes;
    o->count++;
    return 0;
}

/* Whether the old tokenizer makes one known token of the text: 1 or 0, -1 and e without memory. */
static int is_one_token(growing *g, const char *word, size_t bytes, ae_err *e)
{
    ae_err local = {0};
    if (ae_tokenizer_encode(g->t, word, bytes, NULL, &g->scratch, &local) != 0) {
        return local.code == AE_E_MEMORY ? ae_err_set(e, local.code, "%s", local.message) : 0;
    }
    return g->scratch.count == 1 && g->scratch.ids[0] != ae_tokenizer_role(g->t, AE_TOKEN_UNKNOWN);
}

static int add_word(growing *g, const char *word, size_t bytes, ae_err *e)
{
    const char *prefix = ((const ae_model_row *)g->t->model.row)->prefix(g->t->model.self);
    size_t n_prefix = strlen(prefix);
    if (bytes == 0) {
        return ae_err_set(e, AE_E_VALUE, "a new word is empty");
    }
    if (g->vocab && n_prefix > 0 && bytes > n_prefix && memcmp(word, prefix, n_prefix) == 0) {
        return add_to_vocabulary(g, word, bytes, e);
    }
    int known = ae_tokenizer_id(g->t, word, bytes) >= 0 ? 1 : is_one_token(g, word, bytes, e);
    if (known != 0) {
        g->growth.known++;
        return known > 0 ? 0 : -1;
    }
    only_word only = {0};
    int status = g->vocab ? ae_tokenizer_split(g->t, word, bytes, take_word, &only, &g->scratch, e) : 0;
    if (status > 0) {
        status = ae_err_set(e, AE_E_MEMORY, "no memory for a word of %zu bytes", bytes);
    } else if (status == 0 && only.count == 1 && (int64_t)ae_utf8_count(only.bytes, only.length) <= g->longest_word) {
        status = add_to_vocabulary(g, only.bytes, only.length, e);
    } else if (status == 0) {
        status = add_whole(g, word, bytes, false, -1, e);
    }
    free(only.bytes);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static int add_all(growing *g, ae_err *e)
{
    const ae_tokenizer_words *x = g->x;
    int status = 0;
    for (int64_t i = 0; i < x->n_special && status == 0; i++) {
        const char *word = x->special[i];
        size_t bytes = strlen(word);
        int32_t id = ae_tokenizer_id(g->t, word, bytes);
        if (bytes == 0) {
            status = ae_err_set(e, AE_E_VALUE, "a new special token is empty");
        } else if (id >= 0 && g->t->flags[id] & AE_FLAG_ADDED) {
            g->growth.known++;
        } else {
            status = add_whole(g, word, bytes, true, id, e);
        }
    }
    for (int64_t i = 0; i < x->n_words && status == 0; i++) {
        status = add_word(g, x->words[i], strlen(x->words[i]), e);
    }
    return status == 0 && g->vocab ? put_back(g, e) : status;
}

/* The old tokenizer's JSON with the new lists in it. */
static ae_tokenizer *rebuilt(growing *g, ae_json *json, ae_err *e)
{
    int failed = 0;
    ae_json *model = g->vocab ? ae_component_json(&g->t->model, e) : NULL;
    if (g->vocab) {
        failed |= !model || ae_json_set(model, "vocab", ae_vocab_json(g->vocab, e)) != 0;
        failed |= ae_json_set(json, "model", model);
    }
    failed |= ae_json_set(json, "added_tokens", g->added);
    g->added = NULL;
    if (failed) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the tokenizer");
        return NULL;
    }
    return ae_tokenizer_from_json(json, e);
}

ae_tokenizer *ae_tokenizer_extend(const ae_tokenizer *t, const ae_tokenizer_words *words, ae_tokenizer_growth *growth,
                                  ae_err *e)
{
    growing g = {.t = t, .x = words, .next = t->size, .new_whole = ae_vocab_new(), .scratch = {.no_offsets = true}};
    ae_json *json = ae_tokenizer_json(t, e);
    const ae_json *added = ae_json_get(json, "added_tokens");
    g.added = added ? ae_json_copy(added) : NULL;
    g.longest_word = ae_json_int(ae_json_get(json, "model"), "max_input_chars_per_word", INT64_MAX, NULL);
    int status = json && g.added && g.new_whole ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for the tokenizer");
    if (status == 0) {
        status = takes_words(t) ? copy_vocab(&g, e) : check_free(&g, e);
    }
    ae_tokenizer *result = status == 0 && add_all(&g, e) == 0 ? rebuilt(&g, json, e) : NULL;
    if (growth) {
        *growth = g.growth;
    }
    ae_encoding_free(&g.scratch);
    ae_vocab_free(g.vocab);
    ae_vocab_free(g.new_whole);
    ae_json_free(g.added);
    ae_json_free(json);
    return result;
}
