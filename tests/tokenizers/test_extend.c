/* New words: a word becomes one token with the first free id, old tokens keep theirs, and what the rules of a family
 * would cut is found whole; which old tokens a new one goes back to; what bad input gets. */
#include "tokenizers/extend.h"
#include "tokenizers/tokenizer_samples.h"

static const char *const bert_tokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "[unused2]",
                                          "fox",   "##es",  "the",   "co",    "##vid",  "un",        "##able"};
enum { PAD, UNK, CLS, SEP, MASK, UNUSED1, UNUSED2, FOX, ES, THE, CO, VID, UN, ABLE, BERT_TOKENS };

static ae_tokenizer *bert(void)
{
    return of_kind("bert", bert_tokens, BERT_TOKENS);
}

static ae_tokenizer *extended(const ae_tokenizer *t, const ae_tokenizer_words *words, ae_tokenizer_growth *growth)
{
    ae_err e = {0};
    ae_tokenizer *now = ae_tokenizer_extend(t, words, growth, &e);
    if (!now) {
        fail_msg("%s", e.message);
    }
    return now;
}

static void assert_tokens(const ae_tokenizer *t, const char *text, const char *want)
{
    ae_encoding x = {0};
    encode_text(t, text, NULL, &x);
    assert_spelled(t, &x, want);
    ae_encoding_free(&x);
}

static int32_t id_of(const ae_tokenizer *t, const char *token)
{
    return ae_tokenizer_id(t, token, strlen(token));
}

/* ---- new words ------------------------------------------------------------------------------------------------------ */

static void word_pieces_take_words(void **state)
{
    (void)state;
    static const char *const words[] = {"Covid", "fox", "covid", "##ing", "co-ed", "new york", "the", "co-ed"};
    static const char *const special[] = {"[E1]", "[CLS]", "fox"};
    ae_tokenizer_words w = {.words = words, .n_words = 8, .special = special, .n_special = 3};
    ae_tokenizer_growth g;
    ae_tokenizer *t = bert(), *now = extended(t, &w, &g);
    assert_int_equal(ae_tokenizer_size(now), BERT_TOKENS + 5);
    assert_int_equal(g.vocabulary, 2);
    assert_int_equal(g.whole, 2);
    assert_int_equal(g.special, 2);
    assert_int_equal(g.known, 5);
    assert_int_equal(g.replaced, 0);
    for (int32_t id = 0; id < BERT_TOKENS; id++) {
        assert_string_equal(ae_tokenizer_token(now, id, NULL), bert_tokens[id]);
    }
    assert_int_equal(id_of(now, "[E1]"), BERT_TOKENS);
    assert_int_equal(id_of(now, "covid"), BERT_TOKENS + 1);
    assert_true(ae_tokenizer_is_special(now, FOX) && !ae_tokenizer_is_special(now, BERT_TOKENS + 1));
    assert_tokens(now, "the COVID coviding CO-ED New York[E1]", "the covid covid ##ing co-ed new york [E1]");
    assert_tokens(t, "covid", "co ##vid");
    assert_string_equal(ae_tokenizer_kind(now), "bert");
    ae_tokenizer_free(now);
    ae_tokenizer_free(t);
}

static void old_tokens_make_way(void **state)
{
    (void)state;
    static const char *const words[] = {"crow", "unfox", "crows"};
    static const int32_t ids[] = {UNUSED1, UNUSED2};
    ae_tokenizer_words w = {.words = words, .n_words = 3, .free_ids = ids, .n_free = 2};
    ae_tokenizer_growth g;
    ae_tokenizer *t = bert(), *now = extended(t, &w, &g);
    assert_int_equal(g.replaced, 2);
    assert_int_equal(id_of(now, "crow"), UNUSED1);
    assert_int_equal(id_of(now, "unfox"), UNUSED2);
    assert_int_equal(id_of(now, "crows"), BERT_TOKENS);
    assert_int_equal(id_of(now, "[unused1]"), -1);
    ae_tokenizer_free(now);
    w.n_words = 1;
    now = extended(t, &w, &g);
    assert_int_equal(g.replaced, 1);
    assert_int_equal(id_of(now, "[unused2]"), UNUSED2);
    assert_int_equal(ae_tokenizer_size(now), BERT_TOKENS);
    ae_tokenizer_free(now);
    ae_tokenizer_free(t);
}

/* A word of more characters than WordPiece looks up is found whole. */
static void long_words_are_found_whole(void **state)
{
    (void)state;
    char word[200] = "";
    memset(word, 'x', 120);
    const char *const words[] = {word};
    ae_tokenizer_words w = {.words = words, .n_words = 1};
    ae_tokenizer_growth g;
    ae_tokenizer *t = bert(), *now = extended(t, &w, &g);
    assert_int_equal(g.whole, 1);
    assert_tokens(now, word, word);
    ae_tokenizer_free(now);
    ae_tokenizer_free(t);
}

static void pairs_keep_their_merges(void **state)
{
    (void)state;
    static const char *const words[] = {"Zarathustra", "the"};
    ae_tokenizer_words w = {.words = words, .n_words = 2};
    ae_tokenizer_growth g;
    ae_tokenizer *t = open_golden("tok_gpt2", NULL), *now = extended(t, &w, &g);
    int32_t size = ae_tokenizer_size(t);
    assert_int_equal(g.whole + g.known, 2);
    assert_int_equal(id_of(now, "Zarathustra"), size);
    ae_encoding x = {0}, y = {0};
    encode_text(t, "So spoke ", NULL, &x);
    encode_text(now, "So spoke Zarathustras", NULL, &y);
    assert_memory_equal(x.ids, y.ids, (size_t)x.count * sizeof *x.ids);
    assert_int_equal(y.ids[x.count], size);
    char *text = ae_tokenizer_decode(now, y.ids, y.count, false, NULL, NULL);
    assert_string_equal(text, "So spoke Zarathustras");
    free(text);
    ae_encoding_free(&x);
    ae_encoding_free(&y);
    w.single_word = true;
    ae_tokenizer *single = extended(t, &w, NULL);
    assert_true(ae_tokenizer_hash(single) != ae_tokenizer_hash(now));
    encode_text(single, "Zarathustras", NULL, &x);
    assert_true(x.count > 1 && x.ids[0] != size);
    ae_encoding_free(&x);
    ae_tokenizer_free(single);
    ae_tokenizer_free(now);
    ae_tokenizer_free(t);
}

/* Among SentencePiece's pieces a word is found wherever it stands, not behind blanks alone. */
static void pieces_find_words_everywhere(void **state)
{
    (void)state;
    static const char *const names[] = {"tok_albert", "tok_t5", "tok_spm_bpe", "tok_spm_unigram_bytefallback"};
    static const char *const words[] = {"Zarathustra"};
    ae_tokenizer_words w = {.words = words, .n_words = 1};
    for (int i = 0; i < 4; i++) {
        ae_tokenizer *t = open_golden(names[i], NULL), *now = extended(t, &w, NULL);
        ae_encoding x = {0};
        encode_text(now, "the Zarathustra (Zarathustra)", NULL, &x);
        int found = 0;
        for (int64_t k = 0; k < x.count; k++) {
            found += x.ids[k] == ae_tokenizer_size(t);
        }
        assert_int_equal(found, 2);
        ae_encoding_free(&x);
        ae_tokenizer_free(now);
        ae_tokenizer_free(t);
    }
}

static void bad_words(void **state)
{
    (void)state;
    static const struct {
        const char *word, *special;
        int32_t ids[2];
        const char *message;
    } rows[] = {{"", NULL, {UNUSED1, UNUSED2}, "a new word is empty"},
                {"x", "", {UNUSED1, UNUSED2}, "a new special token is empty"},
                {"x", NULL, {UNUSED1, 99}, "the id 99 cannot make way for a new word: it has no token"},
                {"x", NULL, {CLS, UNUSED1}, "the id 2 cannot make way for a new word: it is a special or an added"},
                {"x", NULL, {UNUSED1, UNUSED1}, "the id 5 cannot make way for a new word: it stands there twice"}};
    ae_tokenizer *t = bert();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ae_err e = {0};
        ae_tokenizer_words w = {.words = &rows[i].word,
                                .n_words = 1,
                                .special = &rows[i].special,
                                .n_special = rows[i].special != NULL,
                                .free_ids = rows[i].ids,
                                .n_free = 2};
        assert_null(ae_tokenizer_extend(t, &w, NULL, &e));
        assert_message(&e, rows[i].message);
    }
    ae_tokenizer_free(t);
    ae_err e = {0};
    t = open_golden("tok_gpt2", NULL);
    ae_tokenizer_words w = {.free_ids = rows[0].ids, .n_free = 1};
    assert_null(ae_tokenizer_extend(t, &w, NULL, &e));
    assert_message(&e,
                   "the id 5 cannot make way for a new word: it belongs to a model whose tokens cannot be replaced");
    ae_tokenizer_free(t);
}

/* ---- from one vocabulary to another --------------------------------------------------------------------------------- */

/* What a new token goes back to, as "kept fox", "pieces co ##vid" or "new". */
static void assert_origin(const ae_vocabulary_map *m, const ae_tokenizer *old, int32_t id, const char *want)
{
    static const char *const names[] = {"kept", "pieces", "new"};
    char got[256];
    snprintf(got, sizeof got, "%s", names[m->origin[id]]);
    for (int64_t i = m->begin[id]; i < m->begin[id + 1]; i++) {
        size_t used = strlen(got);
        snprintf(got + used, sizeof got - used, " %s", ae_tokenizer_token(old, m->old[i], NULL));
    }
    assert_string_equal(got, want);
}

static void spelling_role_and_pieces(void **state)
{
    (void)state;
    static const char *const wants[] = {"kept [CLS]", "kept [PAD]",      "kept [SEP]", "kept [UNK]",      "kept [MASK]",
                                        "kept fox",   "pieces co ##vid", "kept ##es",  "pieces un ##able"};
    static const char *const others[] = {"[CLS]", "[PAD]", "[SEP]",  "[UNK]", "[MASK]", "fox",
                                         "covid", "##es",  "unable", "zzz",   "##unes"};
    ae_tokenizer *old = bert(), *now = of_kind("bert", others, 11);
    ae_vocabulary_map m;
    ae_err e = {0};
    assert_int_equal(ae_vocabulary_map_make(old, now, true, &m, &e), 0);
    for (int32_t id = 0; id < 9; id++) {
        assert_origin(&m, old, id, wants[id]);
    }
    assert_origin(&m, old, 9, "new");
    assert_origin(&m, old, 10, "pieces un ##es");
    assert_int_equal(ae_vocabulary_map_find(&m, FOX), 5);
    assert_int_equal(ae_vocabulary_map_find(&m, CO), -1);
    ae_vocabulary_map_free(&m);
    assert_int_equal(ae_vocabulary_map_make(old, now, false, &m, &e), 0);
    assert_origin(&m, old, 6, "new");
    assert_origin(&m, old, 5, "kept fox");
    ae_vocabulary_map_free(&m);
    ae_tokenizer_free(now);
    ae_tokenizer_free(old);
}

static void assert_cut_as(const ae_vocabulary_map *m, const ae_tokenizer *old, int32_t id, const char *text)
{
    ae_encoding x = {0};
    encode_text(old, text, NULL, &x);
    assert_true(x.count > 1);
    assert_int_equal(m->origin[id], AE_TOKEN_PIECES);
    assert_int_equal(m->begin[id + 1] - m->begin[id], x.count);
    assert_memory_equal(m->old + m->begin[id], x.ids, (size_t)x.count * sizeof *x.ids);
    ae_encoding_free(&x);
}

/* The roles of another family; a word is cut with the blank in front of it that byte-level pairs know it with. */
static void another_family(void **state)
{
    (void)state;
    static const char *const tokens[] = {"[CLS]", "zebracorn", "##vidzes", "[SEP]", "\xe4\xb8\xad", "[UNK]"};
    ae_tokenizer *old = open_golden("tok_gpt2", NULL), *now = of_kind("bert", tokens, 6);
    ae_vocabulary_map m;
    ae_err e = {0};
    assert_int_equal(ae_vocabulary_map_make(old, now, true, &m, &e), 0);
    assert_int_equal(m.size, 6);
    assert_int_equal(m.old_size, ae_tokenizer_size(old));
    assert_origin(&m, old, 0, "kept <|endoftext|>");
    assert_cut_as(&m, old, 1, " zebracorn");
    assert_cut_as(&m, old, 2, "vidzes");
    assert_origin(&m, old, 3, "kept <|endoftext|>");
    assert_cut_as(&m, old, 4, "\xe4\xb8\xad");
    ae_vocabulary_map_free(&m);
    ae_tokenizer_free(now);
    ae_tokenizer_free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_pieces_take_words),       cmocka_unit_test(old_tokens_make_way),
        cmocka_unit_test(long_words_are_found_whole),   cmocka_unit_test(pairs_keep_their_merges),
        cmocka_unit_test(pieces_find_words_everywhere), cmocka_unit_test(bad_words),
        cmocka_unit_test(spelling_role_and_pieces),     cmocka_unit_test(another_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
