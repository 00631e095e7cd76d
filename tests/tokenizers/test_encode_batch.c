/* Batches hold the tokens of each text as it is encoded alone, whatever the number of threads; padding stands right or
 * left, up to the longest, a length, a multiple; the first bad text is named. */
#include "tokenizer_samples.h"
#include "tokenizers/tokenizer_internal.h"

enum { TEXTS = 300 };

static char spelled[TEXTS][200];
static ae_text texts[TEXTS];

/* Texts of 0 to 11 words; every fifth has a second one. */
static void make_texts(void)
{
    static const char *const words[] = {"The",   "fox,",  "crow", "caf\xc3\xa9", "\xe4\xb8\xad\xe6\x96\x87",
                                        "x\xff", "1850's"};
    for (int i = 0; i < TEXTS; i++) {
        size_t n = 0;
        for (int k = 0; k < i % 12; k++) {
            n += (size_t)snprintf(spelled[i] + n, sizeof spelled[i] - n, "%s ", words[(i + k * k) % 7]);
        }
        texts[i] = (ae_text){.a = spelled[i], .a_bytes = n};
        if (i % 5 == 0 && i > 0) {
            texts[i].b = spelled[i - 1];
            texts[i].b_bytes = texts[i - 1].a_bytes;
        }
    }
}

static void check_row(const ae_tokenizer *t, const ae_encoding_batch *b, int i, const ae_batch_options *o)
{
    ae_encoding x = {0};
    ae_err e = {0};
    const ae_text *s = &texts[i];
    int status = s->b ? ae_tokenizer_encode_pair(t, s->a, s->a_bytes, s->b, s->b_bytes, &o->encode, &x, &e)
                      : ae_tokenizer_encode(t, s->a, s->a_bytes, &o->encode, &x, &e);
    assert_int_equal(status, 0);
    assert_int_equal(b->lengths[i], x.count);
    assert_int_equal(b->dropped[i], x.dropped);
    int64_t row = b->offsets[i], width = b->offsets[i + 1] - row;
    int64_t first = row + (o->side == AE_SIDE_LEFT ? width - x.count : 0);
    for (int64_t k = row; k < row + width; k++) {
        int64_t from = k - first;
        bool token = from >= 0 && from < x.count;
        assert_int_equal(b->mask[k], token);
        assert_int_equal(b->ids[k], token ? x.ids[from] : ae_tokenizer_role(t, AE_TOKEN_PAD));
        assert_int_equal(b->type_ids[k], token ? x.type_ids[from] : 0);
        assert_int_equal(b->sequence[k], token ? x.sequence[from] : 255);
        if (!o->no_offsets) {
            assert_int_equal(b->starts[k], token ? x.starts[from] : 0);
            assert_int_equal(b->ends[k], token ? x.ends[from] : 0);
            assert_int_equal(b->words[k], token ? x.words[from] : -1);
        }
    }
    ae_encoding_free(&x);
}

static void check_batch(const ae_tokenizer *t, ae_encoding_batch *b, const ae_batch_options *o, int64_t width)
{
    ae_err e = {0};
    if (ae_tokenizer_encode_batch(t, texts, TEXTS, o, b, &e) != 0) {
        fail_msg("%s", e.message);
    }
    assert_int_equal(b->count, TEXTS);
    assert_int_equal(b->longest, width);
    for (int i = 0; i < TEXTS; i++) {
        if (o->padding != AE_PAD_NONE) {
            assert_int_equal(b->offsets[i + 1] - b->offsets[i], width);
        }
        check_row(t, b, i, o);
    }
}

static void test_rows(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_bert_uncased", NULL);
    ae_encoding_batch b = {0};
    make_texts();
    ae_batch_options o = {.no_offsets = true, .threads = 1};
    assert_int_equal(ae_tokenizer_encode_batch(t, texts, TEXTS, &o, &b, NULL), 0);
    int64_t longest = b.longest, plain = longest;
    for (int threads = 1; threads <= 3; threads++) {
        check_batch(t, &b, &(ae_batch_options){.threads = threads}, plain);
        o = (ae_batch_options){.encode = {.special = true}, .padding = AE_PAD_LONGEST, .threads = threads};
        assert_int_equal(ae_tokenizer_encode_batch(t, texts, TEXTS, &o, &b, NULL), 0);
        longest = b.longest;
        check_batch(t, &b, &o, longest);
        o.side = AE_SIDE_LEFT;
        o.multiple = 16;
        check_batch(t, &b, &o, (longest + 15) / 16 * 16);
        o.padding = AE_PAD_LENGTH;
        o.length = 500;
        o.no_offsets = true;
        check_batch(t, &b, &o, 512);
        o.length = 3;
        o.multiple = 0;
        check_batch(t, &b, &o, longest);
        o.encode.max_length = 8;
        o.length = 8;
        o.side = AE_SIDE_RIGHT;
        check_batch(t, &b, &o, 8);
    }
    ae_encoding_batch_free(&b);
    ae_tokenizer_free(t);
}

static void test_empty(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_bert_uncased", NULL);
    ae_encoding_batch b = {0};
    ae_text none = {.a = ""};
    assert_int_equal(ae_tokenizer_encode_batch(t, NULL, 0, NULL, &b, NULL), 0);
    assert_int_equal(b.count, 0);
    assert_int_equal(b.longest, 0);
    assert_int_equal(b.offsets[0], 0);
    ae_batch_options o = {.padding = AE_PAD_LENGTH, .length = 4};
    assert_int_equal(ae_tokenizer_encode_batch(t, &none, 1, &o, &b, NULL), 0);
    assert_int_equal(b.offsets[1], 4);
    assert_int_equal(b.lengths[0], 0);
    assert_int_equal(b.mask[0] + b.mask[3], 0);
    ae_encoding_batch_free(&b);
    ae_encoding_batch_free(NULL);
    ae_tokenizer_free(t);
}

#define WORDS(padding)                                                                                                 \
    "{\"padding\":" padding ",\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{\"type\":\"WordLevel\","          \
    "\"vocab\":{\"x\":0,\"The\":1,\"-\":2},\"unk_token\":\"?\"}}"

/* What the file says of padding counts where the options do not. */
static void test_section(void **state)
{
    (void)state;
    ae_tokenizer *t = good_text(WORDS("{\"direction\":\"Left\",\"pad_id\":2,\"pad_type_id\":3,\"pad_token\":\"-\"}"));
    ae_encoding_batch b = {0};
    ae_text two[] = {{.a = "x The x", .a_bytes = 7}, {.a = "The", .a_bytes = 3}};
    ae_batch_options o = {.padding = AE_PAD_LONGEST};
    assert_int_equal(ae_tokenizer_encode_batch(t, two, 2, &o, &b, NULL), 0);
    assert_memory_equal(b.ids, ((int32_t[]){0, 1, 0, 2, 2, 1}), 24);
    assert_memory_equal(b.type_ids, ((uint8_t[]){0, 0, 0, 3, 3, 0}), 6);
    o.side = AE_SIDE_RIGHT;
    assert_int_equal(ae_tokenizer_encode_batch(t, two, 2, &o, &b, NULL), 0);
    assert_memory_equal(b.ids, ((int32_t[]){0, 1, 0, 1, 2, 2}), 24);
    ae_encoding_batch_free(&b);
    ae_tokenizer_free(t);
}

/* XLNet's files pad in front. */
static void test_xlnet(void **state)
{
    (void)state;
    ae_tokenizer *t = open_golden("tok_xlnet", &(ae_tokenizer_options){.kind = "xlnet"});
    ae_encoding_batch b = {0};
    ae_text two[] = {{.a = "fox", .a_bytes = 3}, {.a = "The fox and the crow", .a_bytes = 20}};
    ae_batch_options o = {.encode = {.special = true}, .padding = AE_PAD_LONGEST};
    ae_err e = {0};
    if (ae_tokenizer_encode_batch(t, two, 2, &o, &b, &e) != 0) {
        fail_msg("%s", e.message);
    }
    int64_t width = b.longest, n = b.lengths[0];
    assert_true(n < width);
    assert_int_equal(b.mask[width - n - 1], 0);
    assert_int_equal(b.ids[width - n - 1], ae_tokenizer_role(t, AE_TOKEN_PAD));
    assert_int_equal(b.mask[width - n], 1);
    assert_int_equal(b.ids[width - 1], ae_tokenizer_role(t, AE_TOKEN_CLS));
    ae_encoding_batch_free(&b);
    ae_tokenizer_free(t);
}

static void refused(const char *json, const ae_text *list, int64_t count, ae_batch_options o, const char *message)
{
    ae_tokenizer *t = good_text(json);
    ae_encoding_batch b = {0};
    ae_err e = {0};
    assert_int_equal(ae_tokenizer_encode_batch(t, list, count, &o, &b, &e), -1);
    assert_string_equal(e.message, message);
    assert_int_equal(b.count, 0);
    ae_encoding_batch_free(&b);
    ae_tokenizer_free(t);
}

static void test_refused(void **state)
{
    (void)state;
    ae_text list[TEXTS];
    for (int i = 0; i < TEXTS; i++) {
        const char *text = i == 170 || i == 290 ? "x The crow" : "The x The x The x The x The x The x";
        list[i] = (ae_text){.a = text, .a_bytes = strlen(text)};
    }
    ae_batch_options longest = {.padding = AE_PAD_LONGEST};
    for (int threads = 1; threads <= 3; threads++) {
        refused(WORDS("null"), list, TEXTS, (ae_batch_options){.threads = threads},
                "text 170: \"crow\" is not in the vocabulary, and it has no unknown token");
    }
    refused(WORDS("null"), list, 1, longest,
            "padding: the tokenizer has no token to pad with; add \"[PAD]\" or \"<pad>\"");
    refused(WORDS("{\"pad_id\":9}"), list, 1, longest,
            "padding: the tokenizer has no token to pad with; add \"[PAD]\" or \"<pad>\"");
    refused(WORDS("{\"pad_type_id\":256}"), list, 1, longest, "padding: \"pad_type_id\" is 256; it must be 0 to 255");
    refused(WORDS("null"), list, -1, longest,
            "-1 texts, rows of 0 tokens, a multiple of 0, 0 threads; none may be negative");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_empty),
                                       cmocka_unit_test(test_section), cmocka_unit_test(test_xlnet),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
