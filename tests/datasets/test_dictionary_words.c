/* Whole words of Chinese text, told by a dictionary: which tokens go on with a word, that masks take words whole or not
 * at all, with masks stored and drawn, in pieces and pairs; and what the dictionary changes of a file's identity. */
#include "instances_fixture.h"

static const char text[] = "狐狸静静地走进森林，坐在大石头上。ab\n\n"
                           "从前，小镇上有个陶匠。\n他做了一个歪嘴的陶罐。\n\n"
                           "第二天早晨，农夫在田里走来走去。\n他没有看见猫头鹰。\n";

static ae_segmenter *words, *with_user;

static ae_tokenizer *character_tokenizer(const char *path)
{
    ae_err e = {0};
    FILE *f = fopen(path, "w");
    fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n##鹰\n", f); /* 鹰 is no token of its own */
    static const char known[] =
        "狐狸静地走进森林，坐在大石头上。从前小镇有个陶匠他做了一歪嘴的罐第二天早晨农夫田里来去没看见猫";
    for (const char *p = known; *p; p += 3) {
        fprintf(f, "%.3s\n", p);
    }
    fclose(f);
    const ae_tokenizer_options options = {.kind = "bert"};
    return ae_tokenizer_open(path, &options, &e);
}

static int begin(void **state)
{
    static const char *const paths[] = {AE_TEST_DIR "/tokenizers/chinese_words/words.txt",
                                        AE_TEST_DIR "/tokenizers/chinese_words/user.txt"};
    if (set_up(state) != 0) {
        return -1;
    }
    ae_tokenizer_free(tokenizer);
    tokenizer = character_tokenizer(other);
    words = ae_segmenter_open(paths, 1, &error);
    with_user = ae_segmenter_open(paths, 2, &error);
    put_text(text);
    return tokenizer && words && with_user ? 0 : -1;
}

static int end(void **state)
{
    ae_segmenter_free(words);
    ae_segmenter_free(with_user);
    return tear_down(state);
}

static ae_instance_options options_of(const char *objective)
{
    ae_instance_options o = ae_instance_defaults(objective);
    o.words = words;
    o.masking.unit = AE_MASK_WHOLE_WORDS;
    o.unit = AE_UNIT_SENTENCE;
    o.seq = 64;
    return o;
}

/* An instance with a bar before every token that begins a word. */
static void assert_words(const ae_dataset *d, const ae_tensor *inside, int64_t i, int64_t first, const char *want)
{
    char got[1024] = "";
    int64_t n;
    const int32_t *ids = ids_of(d, i, &n);
    for (int64_t k = 0; k < n; k++) {
        bool joins = ((const uint8_t *)inside->data)[first + k] != 0;
        size_t used = strlen(got);
        snprintf(got + used, sizeof got - used, "%s%s", joins ? "" : "|", ae_tokenizer_token(tokenizer, ids[k], NULL));
    }
    assert_string_equal(got, want);
}

static void tokens_know_their_words(void **state)
{
    (void)state;
    const ae_instance_options o = options_of("mlm");
    ae_dataset *d = built(&o);
    ae_h5 *f = ae_h5_open(output, &error);
    ae_tensor *inside = ae_h5_read_tensor(f, "inside", &error);
    assert_int_equal(inside->dtype, AE_U8);
    assert_int_equal(d->count, 3);
    assert_words(d, inside, 0, 0, "|[CLS]|狐狸|静静地|走进|森林|，|坐在|大石头|上|。|a##b|[SEP]");
    assert_words(d, inside, 1, d->length(d, 0),
                 "|[CLS]|从前|，|小镇|上|有|个|陶匠|。|他|做|了|一个|歪|嘴|的|陶罐|。|[SEP]");
    assert_words(d, inside, 2, d->length(d, 0) + d->length(d, 1),
                 "|[CLS]|第二天|早晨|，|农夫|在|田里|走来走去|。|他|没有|看见|猫头[UNK]|。|[SEP]");
    ae_tensor_free(inside);
    ae_h5_close(f);
    ae_dataset_free(d);
}

/* Every word of the masked batch is predicted whole or left whole, and words of several tokens do occur. [UNK] is
 * never predicted and parts words. */
static int64_t check_masks(const ae_dataset *d, const ae_tensor *inside, const ae_tensors *batch)
{
    const ae_tensor *labels = ae_tensors_get(batch, "labels");
    int64_t first = 0, wide = labels->shape[1], long_words = 0;
    for (int64_t i = 0; i < d->count; i++) {
        int64_t n;
        const int32_t *ids = ids_of(d, i, &n);
        for (int64_t k = 1; k < n; k++) {
            int32_t last = ids[k - 1];
            bool apart = ids[k] == TINY_UNK || last == TINY_UNK || last == TINY_CLS || last == TINY_SEP;
            bool now = ae_get_i64(labels, i * wide + k) >= 0, before = ae_get_i64(labels, i * wide + k - 1) >= 0;
            if (((const uint8_t *)inside->data)[first + k] && !apart) {
                assert_int_equal(now, before);
                long_words += now;
            }
        }
        first += n;
    }
    return long_words;
}

static void words_are_masked_whole(const ae_instance_options *o)
{
    ae_dataset *d = built(o);
    ae_h5 *f = ae_h5_open(output, &error);
    ae_tensor *inside = ae_h5_read_tensor(f, "inside", &error);
    int64_t examples[64], long_words = 0;
    assert_true(d->count <= 64);
    for (int64_t i = 0; i < d->count; i++) {
        examples[i] = i;
    }
    for (uint64_t step = 0; step < 50; step++) {
        ae_collate how = {.key = ae_random_key_make(7, step, 0, 0, 0)};
        ae_tensors *batch = d->collate(d, examples, d->count, &how, &error);
        assert_non_null(batch);
        long_words += check_masks(d, inside, batch);
        ae_tensors_free(batch);
    }
    assert_true(long_words > 50);
    ae_tensor_free(inside);
    ae_h5_close(f);
    ae_dataset_free(d);
}

static void masks_take_words(void **state)
{
    (void)state;
    ae_instance_options o = options_of("mlm");
    words_are_masked_whole(&o);
}

static void stored_masks_take_words(void **state)
{
    (void)state;
    ae_instance_options o = options_of("mlm");
    o.dynamic = false;
    o.duplicates = 20;
    words_are_masked_whole(&o);
}

static void pairs_take_words(void **state)
{
    (void)state;
    ae_instance_options o = options_of("mlm_nsp");
    o.seq = 24; /* segments are cut, in words too */
    o.duplicates = 10;
    words_are_masked_whole(&o);
    o.full_sentences = true;
    o.objective = "mlm";
    o.duplicates = 1;
    words_are_masked_whole(&o);
}

static void the_dictionary_is_part_of_the_file(void **state)
{
    (void)state;
    const char *const paths[] = {corpus};
    ae_instance_options o = options_of("mlm");
    assert_int_equal(build(&o), 0);
    assert_int_equal(ae_instances_match(output, paths, 1, tokenizer, &o, &error), 1);
    o.words = with_user;
    assert_int_equal(ae_instances_match(output, paths, 1, tokenizer, &o, &error), 0);
    o.words = NULL;
    assert_int_equal(ae_instances_match(output, paths, 1, tokenizer, &o, &error), 0);
    o = options_of("lm");
    assert_refused(&o, AE_E_VALUE, "lm: nothing is masked, so a dictionary of words has no use");
}

/* A file whose "inside" does not fit its ids. */
static void damage_is_told(void **state)
{
    (void)state;
    ae_instance_options o = options_of("mlm");
    assert_int_equal(build(&o), 0);
    ae_h5 *from = ae_h5_open(output, &error), *to = ae_h5_create(other, &error);
    static const char *const texts[] = {"about", "tokenizer"}, *const tensors[] = {"ids", "offsets"};
    for (int i = 0; i < 2; i++) {
        char *copy = ae_h5_read_text(from, texts[i], &error);
        ae_tensor *t = ae_h5_read_tensor(from, tensors[i], &error);
        assert_int_equal(ae_h5_write_text(to, texts[i], copy, &error), 0);
        assert_int_equal(ae_h5_append(to, tensors[i], t, &error), 0);
        ae_tensor_free(t);
        free(copy);
    }
    ae_tensor *few = ae_tensor_new(AE_U8, 1, (int64_t[]){5}, &error);
    assert_int_equal(ae_h5_append(to, "inside", few, &error), 0);
    ae_tensor_free(few);
    ae_h5_close(from);
    assert_int_equal(ae_h5_commit(to, &error), 0);
    assert_null(ae_instances_open(other, NULL, NULL, NULL, &error));
    if (!strstr(error.message, "\"inside\" is u8 [5]; expected u8 with one axis of ")) {
        fail_msg("%s", error.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_know_their_words),
        cmocka_unit_test(masks_take_words),
        cmocka_unit_test(stored_masks_take_words),
        cmocka_unit_test(pairs_take_words),
        cmocka_unit_test(the_dictionary_is_part_of_the_file),
        cmocka_unit_test(damage_is_told),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
