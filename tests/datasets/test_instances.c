/* Instances: what is in them, that nothing is lost, and that threads change nothing. */
#include "instances_fixture.h"

/* ---- lm ---------------------------------------------------------------------------------------------------------- */

static void lm_predicts_every_token_once(void **state)
{
    (void)state;
    ae_instance_options o = ae_instance_defaults("lm");
    o.seq = 16;
    put_counted(9, 3, 7, true);
    ae_dataset *d = built(&o);
    assert_int_equal(report.documents, 9);
    assert_int_equal(report.tokens, 9 * 3 * 8);
    int64_t all = 9 * (3 * 8 + 2), at = 0;
    assert_int_equal(d->count, (all - 1 + 15) / 16);
    int32_t last = -1;
    for (int64_t i = 0; i < d->count; i++) {
        int64_t n;
        const int32_t *ids = ids_of(d, i, &n);
        assert_true(n == 17 || i == d->count - 1);
        assert_int_equal(d->length(d, i), n - 1);
        assert_true(i == 0 || ids[0] == last);
        for (int64_t k = i == 0 ? 0 : 1; k < n; k++, at++) {
            int64_t in = at % 26, word = at / 26 * 21 + (in - 1) / 8 * 7 + (in - 1) % 8;
            int32_t wanted = in == 0             ? TINY_CLS
                             : in == 25          ? TINY_SEP
                             : (in - 1) % 8 == 7 ? TINY_STOP
                                                 : TINY_W0 + (int32_t)(word % 100);
            assert_int_equal(ids[k], wanted);
        }
        last = ids[n - 1];
    }
    assert_int_equal(at, all);
    ae_dataset_free(d);
}

static void lm_without_special_tokens_and_with_line_ends(void **state)
{
    (void)state;
    ae_instance_options o = ae_instance_defaults("lm");
    o.seq = 4;
    o.no_special = true;
    put_text("w1 w2\n\nw3\nw4 w5 w6 w7");
    for (int k = 0; k < 2; k++) { /* BERT's tokenizer drops line ends, so both give the words alone */
        int64_t n;
        o.line_ends = k;
        ae_dataset *d = built(&o);
        assert_int_equal(report.documents, k ? 1 : 2);
        assert_int_equal(report.tokens, 7);
        assert_int_equal(d->count, 2);
        const int32_t *ids = ids_of(d, 0, &n);
        assert_int_equal(n, 5);
        assert_int_equal(ids[4], TINY_W0 + 5);
        ids = ids_of(d, 1, &n);
        assert_int_equal(n, 3);
        assert_int_equal(ids[0], TINY_W0 + 5);
        assert_int_equal(ids[2], TINY_W0 + 7);
        ae_dataset_free(d);
    }
}

static void lm_batches_are_shifted_and_padded(void **state)
{
    (void)state;
    ae_instance_options o = ae_instance_defaults("lm");
    o.seq = 4;
    o.no_special = true;
    put_text("w1 w2 w3 w4 w5 w6 w7\n");
    ae_dataset *d = built(&o);
    const int64_t examples[] = {1, 0};
    const ae_collate how = {.multiple = 8};
    ae_tensors *b = d->collate(d, examples, 2, &how, &error);
    static const int64_t input[2][8] = {{5, 6}, {1, 2, 3, 4}}, next[2][8] = {{6, 7}, {2, 3, 4, 5}};
    assert_int_equal(ae_tensors_count(b), 3);
    for (int i = 0; i < 16; i++) {
        int64_t word = input[i / 8][i % 8];
        assert_int_equal(ae_get_i64(ae_tensors_get(b, "input_ids"), i), word ? TINY_W0 + word : TINY_PAD);
        assert_int_equal(ae_get_i64(ae_tensors_get(b, "attention_mask"), i), word != 0);
        assert_int_equal(ae_get_i64(ae_tensors_get(b, "next_ids"), i), word ? TINY_W0 + next[i / 8][i % 8] : -100);
    }
    ae_tensors_free(b);
    const int64_t outside[] = {2};
    assert_null(d->collate(d, outside, 1, &how, &error));
    assert_non_null(strstr(error.message, "instance 2 is outside 0..1"));
    ae_dataset_free(d);
}

/* Windows begin at any token and run on into the next piece; the last piece and short ones begin at their start. */
static void lm_windows_begin_anywhere(void **state)
{
    (void)state;
    ae_instance_options o = ae_instance_defaults("lm");
    o.seq = 8;
    o.no_special = true;
    o.line_ends = true;
    put_counted(1, 1, 8 * 12 + 4, false);
    ae_dataset *d = built(&o);
    assert_int_equal(d->count, 13);
    bool begun[8] = {false};
    for (uint64_t k = 0; k < 40; k++) {
        const int64_t examples[] = {2, 11, 12};
        const ae_collate how = {.key = ae_random_key_make(1, k, 0, 0, 0), .windows = true};
        ae_tensors *b = d->collate(d, examples, 3, &how, &error);
        const ae_tensor *input = ae_tensors_get(b, "input_ids"), *next = ae_tensors_get(b, "next_ids");
        for (int64_t i = 0; i < 8; i++) {
            int64_t word = ae_get_i64(input, i) - TINY_W0;
            begun[word % 8] |= i == 0;
            assert_true(i > 0 ? word == ae_get_i64(next, i - 1) - TINY_W0 : word >= 16 && word < 24);
            assert_int_equal(ae_get_i64(next, i) - TINY_W0, word + 1);
        }
        assert_int_equal(ae_get_i64(input, 8) - TINY_W0, 88);  /* the next piece is shorter */
        assert_int_equal(ae_get_i64(input, 16) - TINY_W0, 96); /* there is no next piece */
        ae_tensors_free(b);
    }
    for (int i = 0; i < 8; i++) {
        assert_true(begun[i]);
    }
    ae_dataset_free(d);
}

/* ---- mlm --------------------------------------------------------------------------------------------------------- */

/* The words of all instances in their order, special tokens left out. */
static int64_t words_in_order(const ae_dataset *d, int32_t *words)
{
    int64_t count = 0, n;
    for (int64_t i = 0; i < d->count; i++) {
        const int32_t *ids = ids_of(d, i, &n);
        assert_int_equal(ids[0], TINY_CLS);
        assert_int_equal(ids[n - 1], TINY_SEP);
        for (int64_t k = 0; k < n; k++) {
            if (ids[k] >= TINY_W0) {
                words[count++] = ids[k] - TINY_W0;
            }
        }
    }
    return count;
}

static void mlm_keeps_every_token_whatever_the_buffer(void **state)
{
    (void)state;
    static int32_t words[20000];
    ae_instance_options o = ae_instance_defaults("mlm");
    o.seq = 32;
    for (int k = 0; k < 8; k++) {
        o.full_sentences = k & 1;
        o.buffer = k & 2 ? 4096 : 64 << 20;
        o.unit = k & 4 ? AE_UNIT_SENTENCE : AE_UNIT_DOCUMENT;
        put_counted(50, 10, 23, o.unit == AE_UNIT_DOCUMENT);
        ae_dataset *d = built(&o);
        assert_int_equal(words_in_order(d, words), 50 * 230);
        for (int i = 0; i < 50 * 230; i++) {
            assert_int_equal(words[i], i % 100);
        }
        int64_t tokens = o.unit == AE_UNIT_DOCUMENT ? 240 : 230, separators = o.full_sentences ? 49 : 0;
        assert_int_equal(report.tokens, 50 * tokens);
        assert_int_equal(d->count, o.full_sentences ? (50 * tokens + separators + 29) / 30 : 50 * 8);
        ae_dataset_free(d);
    }
}

/* One document of 20 times the buffer: it goes on in parts, in order, and its end is told once. */
static void long_documents_go_on_in_parts(void **state)
{
    (void)state;
    static int32_t words[20000];
    put_counted(1, 600, 33, false);
    ae_instance_options o = ae_instance_defaults("mlm");
    o.buffer = 4096;
    o.unit = AE_UNIT_SENTENCE;
    ae_dataset *d = built(&o);
    assert_int_equal(report.documents, 1);
    assert_int_equal(report.sentences, 600);
    assert_int_equal(words_in_order(d, words), 600 * 33);
    for (int i = 0; i < 600 * 33; i++) {
        assert_int_equal(words[i], i % 100);
    }
    ae_dataset_free(d);
    o = ae_instance_defaults("lm");
    o.buffer = 4096;
    o.unit = AE_UNIT_SENTENCE;
    d = built(&o);
    int64_t special = 0, n;
    for (int64_t i = 0; i < d->count; i++) {
        const int32_t *ids = ids_of(d, i, &n);
        for (int64_t k = 0; k < n; k++) {
            special += ids[k] < TINY_W0;
        }
    }
    assert_int_equal(special, 2);
    ae_dataset_free(d);
}

static void static_masks_are_stored_and_can_be_drawn_anew(void **state)
{
    (void)state;
    put_counted(30, 4, 20, true);
    ae_instance_options o = ae_instance_defaults("mlm");
    o.seq = 64;
    o.dynamic = false;
    ae_json *about;
    assert_int_equal(build(&o), 0);
    ae_dataset *d = open_built(NULL, &about);
    assert_int_equal(ae_json_int(ae_json_get(about, "options"), "duplicates", 0, NULL), 10);
    assert_int_equal(d->count, 10 * 30 * 2);
    ae_json_free(about);
    int64_t masks = 0, examples[600];
    ae_random_key one = ae_random_key_make(1, 1, 0, 0, 0), two = ae_random_key_make(1, 2, 0, 0, 0);
    for (int i = 0; i < 600; i++) {
        examples[i] = i;
    }
    ae_collate how = {.key = one};
    ae_tensors *a = d->collate(d, examples, 600, &how, &error);
    how.key = two;
    ae_tensors *b = d->collate(d, examples, 600, &how, &error);
    ae_masking rule = ae_masking_defaults();
    ae_dataset *anew = open_built(&rule, NULL);
    ae_tensors *c = anew->collate(anew, examples, 600, &how, &error);
    const int64_t *x = ae_tensors_get(a, "input_ids")->data, *y = ae_tensors_get(b, "input_ids")->data;
    const int64_t *z = ae_tensors_get(c, "input_ids")->data, *labels = ae_tensors_get(a, "labels")->data;
    const int64_t *fresh = ae_tensors_get(c, "labels")->data;
    int64_t all = ae_numel(ae_tensors_get(a, "labels")), differ = 0;
    for (int64_t i = 0; i < all; i++) {
        masks += labels[i] >= 0;
        differ += (fresh[i] >= 0) != (labels[i] >= 0);
        int64_t stored = labels[i] >= 0 ? labels[i] : x[i], again = fresh[i] >= 0 ? fresh[i] : z[i];
        assert_int_equal(x[i], y[i]);
        assert_int_equal(stored, again); /* the same text under both masks */
    }
    assert_int_equal(masks, 10 * 30 * (10 + 4)); /* of 64 and 24 tokens */
    assert_true(differ > masks);
    ae_tensors_free(a);
    ae_tensors_free(b);
    ae_tensors_free(c);
    ae_dataset_free(d);
    ae_dataset_free(anew);
}

/* ---- pairs ------------------------------------------------------------------------------------------------------- */

typedef struct pair {
    int64_t a, b; /* tokens of the segments */
    const int32_t *first, *second;
    bool elsewhere;
} pair;

static pair pair_of(const ae_dataset *d, const ae_tensors *batch, int64_t i)
{
    int64_t n, split = 0, t = ae_dim(ae_tensors_get(batch, "input_ids"), 1);
    const int32_t *ids = ids_of(d, i, &n);
    while (split < n && ae_get_i64(ae_tensors_get(batch, "token_type_ids"), i * t + split) == 0) {
        split++;
    }
    assert_int_equal(ids[0], TINY_CLS);
    assert_int_equal(ids[split - 1], TINY_SEP);
    assert_int_equal(ids[n - 1], TINY_SEP);
    return (pair){split - 2, n - split - 1, ids + 1, ids + split,
                  ae_get_i64(ae_tensors_get(batch, "next_sentence_label"), i) != 0};
}

static ae_tensors *batch_of_all(const ae_dataset *d)
{
    int64_t *examples = malloc((size_t)d->count * sizeof *examples);
    for (int64_t i = 0; i < d->count; i++) {
        examples[i] = i;
    }
    const ae_collate how = {0};
    ae_tensors *b = d->collate(d, examples, d->count, &how, &error);
    assert_non_null(b);
    free(examples);
    return b;
}

/* Sentences so short that nothing is cut off: then the segments that follow each other are the corpus, in order. */
static void pairs_hold_the_corpus_and_other_documents(void **state)
{
    enum { DOCUMENTS = 400, SENTENCES = 8, WORDS = 5, ROOM = 60 };
    (void)state;
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    o.seq = ROOM + 3;
    o.short_seq = 0;
    for (int k = 0; k < 2; k++) {
        o.buffer = k ? 8192 : 64 << 20;
        put_counted(DOCUMENTS, SENTENCES, WORDS, false);
        ae_dataset *d = built(&o);
        ae_tensors *batch = batch_of_all(d);
        assert_int_equal(report.unit, AE_UNIT_SENTENCE);
        assert_int_equal(report.documents, DOCUMENTS);
        assert_int_equal(report.sentences, DOCUMENTS * SENTENCES);
        int64_t next = 0, random = 0, from_same = 0;
        for (int64_t i = 0; i < d->count; i++) {
            pair p = pair_of(d, batch, i);
            int64_t begin = next;
            assert_true(p.a >= WORDS && p.b >= WORDS && p.a + p.b <= ROOM && p.a % WORDS == 0);
            for (int64_t j = 0; j < p.a; j++) {
                assert_int_equal(p.first[j], TINY_W0 + next++ % 100);
            }
            for (int64_t j = 0; j < p.b && !p.elsewhere; j++) {
                assert_int_equal(p.second[j], TINY_W0 + next++ % 100);
            }
            for (int64_t j = 1; j < p.b; j++) { /* text of one document in any case */
                assert_int_equal(p.second[j], TINY_W0 + (p.second[j - 1] - TINY_W0 + 1) % 100);
            }
            /* 40 words a document: documents that stand 5 apart look the same, so this counts by chance too */
            from_same += p.elsewhere && (p.second[0] - TINY_W0) / 20 == begin / 40 * 40 % 100 / 20;
            random += p.elsewhere;
            assert_true(p.elsewhere || (next - 1) / 40 == begin / 40);
        }
        assert_int_equal(next, DOCUMENTS * SENTENCES * WORDS);
        assert_true(random > d->count / 2 && random < d->count * 3 / 4); /* rests that come again are random oftener */
        assert_true(from_same < random / 2);
        ae_tensors_free(batch);
        ae_dataset_free(d);
    }
}

/* With two documents, the other one is known: document 0 has even words, document 1 odd ones. */
static void the_other_document_is_another(void **state)
{
    (void)state;
    FILE *f = fopen(corpus, "w");
    for (int i = 0; i < 400; i++) {
        fprintf(f, "%sw%d w%d\n", i == 200 ? "\n" : "", i / 200 + 2 * (i % 50), i / 200 + 2 * (i % 50));
    }
    fclose(f);
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    o.seq = 21;
    o.duplicates = 5;
    ae_dataset *d = built(&o);
    ae_tensors *batch = batch_of_all(d);
    int64_t random = 0;
    for (int64_t i = 0; i < d->count; i++) {
        pair p = pair_of(d, batch, i);
        assert_true(p.a >= 1 && p.b >= 1 && p.a + p.b <= 18);
        assert_int_equal((p.first[0] ^ p.second[0]) & 1, p.elsewhere);
        random += p.elsewhere;
    }
    assert_true(random > d->count / 3 && random < d->count);
    assert_int_equal(ae_get_i64(ae_tensors_get(batch, "attention_mask"), 0), 1);
    ae_tensors_free(batch);
    ae_dataset_free(d);
}

/* Long sentences: every pair is full, and tokens go at both ends of the longer segment. */
static void long_pairs_are_cut_at_both_ends(void **state)
{
    (void)state;
    put_counted(60, 6, 50, false);
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    o.seq = 40;
    o.short_seq = 0;
    ae_dataset *d = built(&o);
    ae_tensors *batch = batch_of_all(d);
    int64_t front = 0, back = 0;
    for (int64_t i = 0; i < d->count; i++) {
        pair p = pair_of(d, batch, i);
        assert_int_equal(p.a + p.b, 37);
        assert_true((p.a == 18 && p.b == 19) || (p.a == 19 && p.b == 18));
        front += (p.first[0] - TINY_W0) % 50 != 0;
        back += (p.first[p.a - 1] - TINY_W0) % 50 != 49;
    }
    assert_true(front > d->count * 9 / 10 && back > d->count * 9 / 10);
    ae_tensors_free(batch);
    ae_dataset_free(d);
}

static void some_pairs_are_short(void **state)
{
    (void)state;
    put_counted(2000, 30, 2, false);
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    o.seq = 63;
    o.short_seq = 1;
    ae_dataset *d = built(&o);
    int64_t counts[4] = {0};
    for (int64_t i = 0; i < d->count; i++) {
        counts[(d->length(d, i) - 1) / 16]++;
    }
    for (int k = 0; k < 4; k++) {
        assert_true(counts[k] > d->count / 100);
    }
    assert_true(counts[0] > counts[3]); /* a document of 60 words gives many short ones or one long one */
    ae_dataset_free(d);
}

/* ---- the same for any number of threads -------------------------------------------------------------------------- */

static char *file_bytes(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*bytes);
    assert_int_equal(fread(data, 1, *bytes, f), *bytes);
    fclose(f);
    return data;
}

static void threads_change_nothing(void **state)
{
    static const char *const objectives[] = {"mlm_nsp", "mlm", "lm"};
    (void)state;
    put_counted(700, 9, 31, false);
    for (int k = 0; k < 4; k++) {
        char *data[3];
        size_t bytes[3];
        ae_instance_options o = ae_instance_defaults(objectives[k % 3]);
        o.full_sentences = k == 3;
        o.objective = k == 3 ? "mlm" : o.objective;
        o.dynamic = false;
        o.duplicates = k == 2 ? 1 : 3;
        o.buffer = 100000;
        for (int threads = 1; threads <= 3; threads++) {
            assert_int_equal(ae_set_threads(threads, &error), 0);
            if (build(&o) != 0) {
                fail_msg("%s", error.message);
            }
            data[threads - 1] = file_bytes(output, &bytes[threads - 1]);
        }
        ae_set_threads(0, &error);
        assert_true(bytes[0] == bytes[1] && bytes[0] == bytes[2]);
        assert_memory_equal(data[0], data[1], bytes[0]);
        assert_memory_equal(data[0], data[2], bytes[0]);
        o.seed = 2;
        assert_int_equal(build(&o), 0);
        if (k < 2) {
            free(data[1]);
            data[1] = file_bytes(output, &bytes[1]);
            assert_true(bytes[1] != bytes[0] || memcmp(data[0], data[1], bytes[0]) != 0);
        }
        for (int i = 0; i < 3; i++) {
            free(data[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lm_predicts_every_token_once),
        cmocka_unit_test(lm_without_special_tokens_and_with_line_ends),
        cmocka_unit_test(lm_batches_are_shifted_and_padded),
        cmocka_unit_test(lm_windows_begin_anywhere),
        cmocka_unit_test(mlm_keeps_every_token_whatever_the_buffer),
        cmocka_unit_test(long_documents_go_on_in_parts),
        cmocka_unit_test(static_masks_are_stored_and_can_be_drawn_anew),
        cmocka_unit_test(pairs_hold_the_corpus_and_other_documents),
        cmocka_unit_test(the_other_document_is_another),
        cmocka_unit_test(long_pairs_are_cut_at_both_ends),
        cmocka_unit_test(some_pairs_are_short),
        cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
