/* The models "Unigram" and "SentencePiece" give the ids of Hugging Face's and SentencePiece's libraries (unigram.json,
 * pieces.json), ties, rounding, unknown characters, bytes, user-defined and unused pieces included; they are written as
 * they were read, number words, and refuse what is no model. */
#include "tokenizer_samples.h"
#include "tokenizers/pieces.h"
#include "tokenizers/tokenizer_internal.h"

#include <math.h>

static ae_json *read_models(const char *name)
{
    char path[512];
    ae_err e = {0};
    snprintf(path, sizeof path, "%s/tokenizers/%s", AE_TEST_DIR, name);
    ae_json *j = ae_json_read_file(path, &e);
    if (!j) {
        fail_msg("%s", e.message);
    }
    return j;
}

/* A tokenizer that is a model alone. */
static ae_tokenizer *bare(const ae_json *model, ae_err *e)
{
    ae_json *j = ae_json_new_object();
    ae_json_set_string(j, "version", "1.0");
    ae_json_set(j, "added_tokens", ae_json_new_array());
    ae_json_set(j, "model", ae_json_copy(model));
    ae_tokenizer *t = ae_tokenizer_from_json(j, e);
    ae_json_free(j);
    return t;
}

static ae_tokenizer *bare_text(const char *model, ae_err *e)
{
    ae_json *j = ae_json_parse(model, strlen(model), e);
    assert_non_null(j);
    ae_tokenizer *t = bare(j, e);
    ae_json_free(j);
    return t;
}

static int64_t number_at(const ae_json *array, int i)
{
    int64_t value = -1;
    assert_int_equal(ae_json_value_int(ae_json_at(array, i), &value, NULL), 0);
    return value;
}

static void check_case(const ae_tokenizer *t, const char *about, const ae_json *row, ae_encoding *x)
{
    size_t bytes = 0;
    ae_err e = {0};
    const ae_json *ids = ae_json_at(row, 1), *ranges = ae_json_at(row, 2);
    char *text = ae_json_value_bytes(ae_json_at(row, 0), &bytes, NULL);
    int status = ae_tokenizer_encode(t, text, bytes, NULL, x, &e);
    if (ae_json_is_null(ids)) {
        assert_int_equal(status, -1);
        assert_non_null(strstr(e.message, "is not in the vocabulary, and it has no unknown token"));
        free(text);
        return;
    }
    if (status != 0 || x->count != ae_json_count(ids)) {
        fail_msg("%s: \"%s\": %d tokens, not %d; %s", about, text, (int)x->count, ae_json_count(ids), e.message);
    }
    for (int i = 0; i < x->count; i++) {
        if (x->ids[i] != number_at(ids, i)) {
            fail_msg("%s: \"%s\": token %d is %d and not %d", about, text, i, (int)x->ids[i], (int)number_at(ids, i));
        }
        if (ranges) {
            assert_int_equal(x->starts[i], number_at(ae_json_at(ranges, i), 0));
            assert_int_equal(x->ends[i], number_at(ae_json_at(ranges, i), 1));
        }
        assert_true(x->starts[i] < x->ends[i] && x->ends[i] <= (int64_t)bytes);
    }
    free(text);
}

/* Twice, so that what caches hold counts too, and of a tokenizer that was written and read again. */
static void check_models(const char *name, int least)
{
    ae_json *j = read_models(name);
    ae_encoding x = {0};
    int count = 0;
    for (const ae_json *m = ae_json_first(ae_json_get(j, "models")); m; m = ae_json_next(m)) {
        ae_err e = {0};
        const char *about = ae_json_string(m, "about", "", &e);
        ae_tokenizer *t = bare(ae_json_get(m, "model"), &e);
        if (!t) {
            fail_msg("%s: %s", about, e.message);
        }
        ae_json *written = ae_tokenizer_json(t, &e);
        ae_tokenizer *again = ae_tokenizer_from_json(written, &e);
        assert_int_equal(ae_tokenizer_hash(t), ae_tokenizer_hash(again));
        for (int round = 0; round < 2; round++) {
            for (const ae_json *row = ae_json_first(ae_json_get(m, "cases")); row; row = ae_json_next(row), count++) {
                check_case(round ? again : t, about, row, &x);
            }
        }
        ae_json_free(written);
        ae_tokenizer_free(again);
        ae_tokenizer_free(t);
    }
    assert_true(count >= least);
    ae_encoding_free(&x);
    ae_json_free(j);
}

static void test_unigram(void **state)
{
    (void)state;
    check_models("unigram.json", 300);
}

static void test_sentencepiece(void **state)
{
    (void)state;
    check_models("pieces.json", 500);
}

#define MODEL(algorithm, rest)                                                                                         \
    "{\"type\":\"SentencePiece\",\"algorithm\":\"" algorithm "\",\"pieces\":[[\"<unk>\",0,2]," rest "]}"

/* A word begins at each ▁, whatever stands in front of it. */
static void test_words(void **state)
{
    (void)state;
    static const char *const models[] = {MODEL("unigram", "[\"\\u2581\",-2],[\"a\",-1],[\"\\u2581a\",-2]"),
                                         MODEL("bpe", "[\"\\u2581\",-2],[\"a\",-1],[\"\\u2581a\",-2]"),
                                         MODEL("char", "[\"\\u2581\",-2],[\"a\",-1]")};
    static const char text[] = "\xe2\x96\x81"
                               "aa\xe2\x96\x81\xe2\x96\x81"
                               "a?";
    static const int32_t want[3][7] = {{0, 0, 1, 2, 2}, {0, 0, 1, 2, 2}, {0, 0, 0, 1, 2, 2, 2}};
    for (int i = 0; i < 3; i++) {
        ae_err e = {0};
        ae_encoding x = {0};
        ae_tokenizer *t = bare_text(models[i], &e);
        assert_non_null(t);
        assert_int_equal(ae_tokenizer_encode(t, text, strlen(text), NULL, &x, &e), 0);
        assert_int_equal(x.count, i < 2 ? 5 : 7);
        assert_memory_equal(x.words, want[i], (size_t)x.count * sizeof(int32_t));
        assert_false(ae_tokenizer_continues(t, 1));
        assert_true(ae_tokenizer_continues(t, 2));
        ae_encoding_free(&x);
        ae_tokenizer_free(t);
    }
}

static void refused(const char *model, const char *message)
{
    ae_err e = {0};
    assert_null(bare_text(model, &e));
    assert_string_equal(e.message, message);
}

#define UNIGRAM(rest) "{\"type\":\"Unigram\"," rest "}"

static void test_refused_unigram(void **state)
{
    (void)state;
    refused(UNIGRAM("\"unk_id\":0"), "model Unigram: the key \"vocab\" is needed and is missing");
    refused(UNIGRAM("\"vocab\":[[\"a\",0]],\"unk_id\":1"),
            "model Unigram: \"unk_id\" is 1; the vocabulary has 1 tokens");
    refused(UNIGRAM("\"vocab\":[[\"a\",0]],\"unk_id\":-1"),
            "model Unigram: \"unk_id\" is -1; the vocabulary has 1 tokens");
    refused(UNIGRAM("\"vocab\":[[\"a\",0],[\"b\"]]"), "model Unigram: token 1: it must be [token, score]");
    refused(UNIGRAM("\"vocab\":[[\"a\",\"b\"]]"),
            "model Unigram: token 0: the value is the string \"b\"; a number is needed");
    refused(UNIGRAM("\"vocab\":[[1,2]]"), "model Unigram: token 0: the value is 1; a string is needed");
    refused(UNIGRAM("\"vocab\":[],\"byte_fallback\":1"),
            "model Unigram: \"byte_fallback\" is 1; true or false is needed");
}

static void test_refused_pieces(void **state)
{
    (void)state;
    refused("{\"type\":\"SentencePiece\",\"pieces\":[]}",
            "model SentencePiece: the key \"algorithm\" is needed and is missing");
    refused(MODEL("bqe", "[\"a\",0]"), "model SentencePiece: \"algorithm\" is \"bqe\"; it must be \"unigram\", "
                                       "\"bpe\", \"word\" or \"char\"");
    refused(MODEL("bpe", "[\"a\",0,7]"), "model SentencePiece: piece 1: its type is 7; types are 1 to 6");
    refused(MODEL("bpe", "[\"a\"]"),
            "model SentencePiece: piece 1: it must be [spelling, score] or [spelling, score, type]");
    refused(MODEL("bpe", "[\"a\",1e40]"), "model SentencePiece: piece 1: its score is 1e+40, beyond single precision");
    refused(MODEL("bpe", "[\"a\",0],[\"a\",1]"), "model SentencePiece: the piece \"a\" stands twice");
    refused(MODEL("bpe", "[\"\",0]"), "model SentencePiece: piece 1 has no spelling");
    refused(MODEL("bpe", "[\"a\",0,2]"), "model SentencePiece: there are two unknown pieces, 0 and 1");
    refused("{\"type\":\"SentencePiece\",\"algorithm\":\"char\",\"pieces\":[[\"a\",0]]}",
            "model SentencePiece: there is no unknown piece (type 2)");
    refused("{\"type\":\"SentencePiece\",\"algorithm\":\"char\",\"byte_fallback\":true,"
            "\"pieces\":[[\"<unk>\",0,2],[\"<0x00>\",0,6]]}",
            "model SentencePiece: with \"byte_fallback\" there must be the piece <0x01>");
}

static void test_made_from_lists(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_piece_list p;
    assert_int_equal(ae_piece_list_room(&p, 2, &e), 0);
    assert_int_equal(ae_vocab_add(p.vocab, "<unk>", 5, 0, &e), 0);
    assert_int_equal(ae_vocab_add(p.vocab, "a", 1, 1, &e), 0);
    p.types[0] = AE_PIECE_UNKNOWN;
    p.types[1] = AE_PIECE_NORMAL;
    p.scores[1] = NAN;
    assert_null(ae_sentencepiece_make(p, (ae_piece_options){.algorithm = AE_PIECES_UNIGRAM}, &e));
    assert_string_equal(e.message, "the score of the piece \"a\" is no number");
    e = (ae_err){0};
    assert_int_equal(ae_piece_list_room(&p, 1, &e), 0);
    assert_int_equal(ae_vocab_add(p.vocab, "<unk>", 5, 0, &e), 0);
    p.types[0] = AE_PIECE_UNKNOWN;
    ae_piece_list other = p;
    assert_null(ae_sentencepiece_make(p, (ae_piece_options){.algorithm = (ae_piece_algorithm)5}, &e));
    assert_string_equal(e.message, "the algorithm is 5; algorithms are 1 to 4");
    assert_int_equal(ae_piece_list_room(&other, 1, &e), 0);
    ae_vocab_add(other.vocab, "?", 1, 0, &e);
    other.types[0] = AE_PIECE_UNKNOWN;
    void *m = ae_sentencepiece_make(other, (ae_piece_options){AE_PIECES_CHAR, false, true}, &e);
    assert_non_null(m);
    assert_ptr_equal(ae_sentencepiece_pieces(m)->vocab, other.vocab);
    assert_int_equal(ae_sentencepiece_options(m).algorithm, AE_PIECES_CHAR);
    assert_true(ae_sentencepiece_options(m).comma_rule);
    ae_model_sentencepiece.row.free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unigram),        cmocka_unit_test(test_sentencepiece),
        cmocka_unit_test(test_words),          cmocka_unit_test(test_refused_unigram),
        cmocka_unit_test(test_refused_pieces), cmocka_unit_test(test_made_from_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
