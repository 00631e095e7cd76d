/* Files of instances: what is in them, that nothing is lost, that threads change nothing, and what bad input gets. */
#include "datasets/instances.h"

#include "tensor/hdf5_file.h"
#include "tensor/threads.h"
#include "tiny_tokenizer.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "instances_XXXXXX";
static char corpus[64], output[64], other[64];
static ae_tokenizer *tokenizer;
static ae_build_report report;
static ae_err error;

static void put(const char *path, const char *text, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    fclose(f);
}

static void put_text(const char *text)
{
    put(corpus, text, strlen(text));
}

/* `documents` documents of `sentences` sentences of `words` words w(i) each, counted up through the corpus modulo 100.
 */
static void put_counted(int documents, int sentences, int words, bool line_a_document)
{
    FILE *f = fopen(corpus, "w");
    int i = 0;
    for (int d = 0; d < documents; d++) {
        for (int s = 0; s < sentences; s++) {
            for (int w = 0; w < words; w++) {
                fprintf(f, "%sw%d", w ? " " : "", i++ % 100);
            }
            fprintf(f, line_a_document ? ". " : "\n");
        }
        fprintf(f, "\n");
    }
    fclose(f);
}

static int build(const ae_instance_options *o)
{
    const char *paths[] = {corpus};
    error = (ae_err){0};
    return ae_instances_build(paths, 1, tokenizer, o, output, NULL, NULL, &report, &error);
}

static ae_dataset *open_built(const ae_masking *masking, ae_json **about)
{
    ae_dataset *d = ae_instances_open(output, masking, about, NULL, &error);
    if (!d) {
        fail_msg("%s", error.message);
    }
    return d;
}

static ae_dataset *built(const ae_instance_options *o)
{
    if (build(o) != 0) {
        fail_msg("%s", error.message);
    }
    return open_built(NULL, NULL);
}

static void assert_refused(const ae_instance_options *o, ae_code code, const char *part)
{
    unlink(output);
    assert_int_equal(build(o), -1);
    if (error.code != code || !strstr(error.message, part)) {
        fail_msg("%s: %s; wanted %s", ae_code_name(error.code), error.message, part);
    }
    assert_int_equal(access(output, F_OK), -1);
}

static const int32_t *ids_of(const ae_dataset *d, int64_t i, int64_t *n)
{
    const int32_t *ids;
    *n = ae_instances_ids(d, i, &ids);
    return ids;
}

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

/* ---- odd and bad input ------------------------------------------------------------------------------------------- */

static void the_unit_is_told_from_the_text(void **state)
{
    (void)state;
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    put_text("w1 w2.\nw3.\n\nw4 w5.\nw6.\n");
    ae_dataset_free(built(&o));
    assert_int_equal(report.unit, AE_UNIT_SENTENCE);
    assert_string_equal(report.explanation,
                        "a line is a sentence, a blank line ends a document: the first 4 lines with text hold 1.0 "
                        "sentences each, 1 blank lines between them; for instance \"w1 w2.\" and \"w3.\"");
    put_text("w1 w2. W3.\n\nw4 w5. W6! W7?\nw8. W9.\n");
    ae_dataset_free(built(&o));
    assert_int_equal(report.unit, AE_UNIT_DOCUMENT);
    assert_int_equal(report.documents, 3);
    assert_int_equal(report.sentences, 7);
    assert_non_null(strstr(report.explanation, "a line is a document: the first 3 lines with text hold 2.3 sentences"));
    o.unit = AE_UNIT_SENTENCE;
    ae_dataset_free(built(&o));
    assert_int_equal(report.documents, 2);
    assert_string_equal(report.explanation, "");
}

static void wrong_forms_are_named_with_an_example(void **state)
{
    (void)state;
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    put_text("\nw1 w2\nw3 w4\nw5\n");
    assert_refused(&o, AE_E_FORMAT,
                   "/corpus.txt:1: every line holds one sentence, and no blank line parts documents; "
                   "sentence pairs (mlm_nsp) need documents of several sentences: either a sentence a "
                   "line and a blank line between documents (--unit sentence), as in \"A fox saw");
    o.unit = AE_UNIT_DOCUMENT;
    put_text("w1 w2\n\nw3 w4\nw5\n");
    assert_refused(&o, AE_E_FORMAT, "a line is to be a document, and every line holds one sentence");
    o.unit = AE_UNIT_SENTENCE;
    put_text("\n\nw1 w2\nw3 w4\nw5\n\n");
    assert_refused(&o, AE_E_FORMAT, "/corpus.txt:3: this is the beginning of the only document with text");
    put_counted(1, 1000, 20, false);
    o.buffer = 4096;
    assert_refused(&o, AE_E_FORMAT, "/corpus.txt:1: no blank line follows within 10");
    put_text("label\ttext_a\n1\tw1 w2\n");
    o = ae_instance_defaults("mlm");
    assert_refused(&o, AE_E_FORMAT, "/corpus.txt:1: \"label\ttext_a\" is the header of a labelled table, not text");
}

static void empty_corpora_are_refused(void **state)
{
    static const char *const objectives[] = {"mlm_nsp", "mlm", "lm"};
    (void)state;
    for (int k = 0; k < 3; k++) {
        ae_instance_options o = ae_instance_defaults(objectives[k]);
        put_text("");
        assert_refused(&o, AE_E_VALUE, "/corpus.txt: the corpus holds no text: 0 lines");
        put_text("\n \n\t\n\xe3\x80\x80\n");
        assert_refused(&o, AE_E_VALUE, "/corpus.txt: the corpus holds no text: 4 lines");
    }
    ae_instance_options o = ae_instance_defaults("lm");
    o.no_special = true;
    put_text("w1\n");
    assert_refused(&o, AE_E_VALUE, "/corpus.txt: 1 tokens are too few for an instance");
}

static void bad_bytes_are_named_or_repaired(void **state)
{
    (void)state;
    ae_instance_options o = ae_instance_defaults("mlm");
    put_text("w1 w2\nw3 \xff w4\n");
    assert_refused(&o, AE_E_FORMAT, "/corpus.txt:2: byte 4 of the line is 0xff");
    o.lines.errors = AE_TEXT_ERRORS_SKIP;
    ae_dataset_free(built(&o));
    assert_int_equal(report.repaired, 1);
    assert_int_equal(report.tokens, 4);
    o = ae_instance_defaults("mlm");
    put(corpus, "w1 \0 w2\nw3\n", 11);
    ae_dataset_free(built(&o));
    assert_int_equal(report.tokens, 3);
    assert_int_equal(report.unknown_tokens, 0);
    assert_int_equal(report.tabbed, 0);
    put_text("1\tw1 w2\nw3 w4 w5 w6 w7\tw8\n0123456789012345\tw1\n\tw1\n01234567890123456\tw1\n");
    ae_dataset_free(built(&o));
    assert_int_equal(report.tabbed, 3); /* neither a blank field nor one of 17 bytes */
}

static void a_line_of_ten_megabytes_passes(void **state)
{
    enum { WORDS = 10 << 20 };
    (void)state;
    char *text = malloc(WORDS + 16);
    for (size_t i = 0; i < WORDS; i++) {
        text[i] = i % 4 == 3 ? ' ' : "w12"[i % 4];
    }
    memcpy(text + WORDS, "\nw1 w2. W3.\n", 13);
    put(corpus, text, WORDS + 12);
    ae_instance_options o = ae_instance_defaults("mlm");
    o.seq = 512;
    o.buffer = 1 << 20;
    ae_dataset *d = built(&o);
    assert_int_equal(report.tokens, WORDS / 4 + 5);
    assert_int_equal(report.documents, 2);
    ae_dataset_free(d);
    o = ae_instance_defaults("mlm_nsp");
    o.unit = AE_UNIT_DOCUMENT;
    ae_dataset_free(built(&o));
    free(text);
}

static void excluded_lines_are_left_out(void **state)
{
    (void)state;
    static const char table[] = "label\ttext_a\n1\tw5 W6\n0\t\"w7, w8\"\nw9 w10\n";
    char list[64];
    snprintf(list, sizeof list, "%s/list.jsonl", folder);
    put(other, table, sizeof table - 1);
    put(list, "{\"label\": 1, \"text\": \"w11\\tw12\"}\n", 34);
    put_text("w1 w2\nw5  w6 \nw7, w8\nw3 w4\n w9 w10\nw11 w12\nw5 w6 w7\n");
    ae_instance_options o = ae_instance_defaults("mlm");
    const char *exclude[] = {other, list};
    o.exclude = exclude;
    o.n_exclude = 2;
    ae_dataset_free(built(&o));
    assert_int_equal(report.excluded, 4);
    assert_int_equal(report.documents, 3);
    exclude[1] = "no_such_file";
    assert_refused(&o, AE_E_MISSING, "no_such_file: cannot be opened");
    exclude[1] = list;
    put_text("w5 w6\n");
    assert_refused(&o, AE_E_VALUE, "1 lines, 1 of them taken out by --exclude");
    unlink(list);
}

static void options_outside_their_range_are_refused(void **state)
{
    (void)state;
    put_text("w1 w2\n");
    ae_instance_options o = ae_instance_defaults("mlm_nps");
    assert_refused(&o, AE_E_VALUE, "\"mlm_nps\"; did you mean mlm_nsp; there are mlm_nsp, mlm, lm");
    o = ae_instance_defaults("mlm_nsp");
    o.seq = 4;
    assert_refused(&o, AE_E_VALUE, "mlm_nsp: 4 tokens an instance are outside 5..1048576");
    o = ae_instance_defaults("lm");
    o.duplicates = 2;
    assert_refused(&o, AE_E_VALUE, "lm: 2 duplicates are outside 1..1");
    o = ae_instance_defaults("mlm");
    o.masking.rate = 1.5;
    assert_refused(&o, AE_E_VALUE, "masking rate: 1.5 is outside 0..1");
    o.masking = ae_masking_defaults();
    o.masking.as_random = 0.5;
    assert_refused(&o, AE_E_VALUE, "as_mask 0.8 and as_random 0.5 are more than 1 together");
    o.masking = ae_masking_defaults();
    o.masking.span_most = 0;
    assert_refused(&o, AE_E_VALUE, "span_most 0 is outside its range");
    o = ae_instance_defaults("mlm");
    o.buffer = 10;
    assert_refused(&o, AE_E_VALUE, "a buffer of 10 bytes is too small");
    o = ae_instance_defaults("mlm");
    o.short_seq = -1;
    assert_refused(&o, AE_E_VALUE, "short_seq: -1 is outside 0..1");
}

static int stop_at_once(void *self, int64_t done, int64_t all)
{
    int64_t *seen = self;
    seen[0] = done;
    seen[1] = all;
    return 1;
}

static void progress_can_stop_it(void **state)
{
    (void)state;
    put_text("w1 w2 w3\n");
    ae_instance_options o = ae_instance_defaults("mlm");
    const char *paths[] = {corpus};
    int64_t seen[2];
    unlink(output);
    error = (ae_err){0};
    assert_int_equal(ae_instances_build(paths, 1, tokenizer, &o, output, stop_at_once, seen, NULL, &error), -1);
    assert_int_equal(error.code, AE_E_STATE);
    assert_true(seen[0] == 9 && seen[1] == 9);
    assert_int_equal(access(output, F_OK), -1);
}

/* A disk that is full at any moment: the error says so, and neither a part nor a temporary file stays. */
static void no_room_leaves_nothing(void **state)
{
    (void)state;
    struct rlimit before, less;
    put_counted(200, 10, 30, false);
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 1000; room < 400000; room += 66000) {
        unlink(output);
        less = (struct rlimit){room, before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &less);
        int result = build(&o);
        setrlimit(RLIMIT_FSIZE, &before);
        if (room < 200000) {
            assert_int_equal(result, -1);
            assert_int_equal(error.code, AE_E_IO);
            assert_non_null(strstr(error.message, "File too large"));
        }
        assert_int_equal(access(output, F_OK), result);
    }
    signal(SIGXFSZ, handler);
}

static void several_files_and_pipes(void **state)
{
    (void)state;
    put(other, "w9\n", 3);
    put_text("w1 w2\nw3");
    const char *paths[] = {other, corpus, other};
    ae_instance_options o = ae_instance_defaults("lm");
    error = (ae_err){0};
    assert_int_equal(ae_instances_build(paths, 3, tokenizer, &o, output, NULL, NULL, &report, &error), 0);
    assert_int_equal(report.documents, 4);
    assert_int_equal(report.tokens, 5);
    o.line_ends = true; /* a file is a document */
    assert_int_equal(ae_instances_build(paths, 3, tokenizer, &o, output, NULL, NULL, &report, &error), 0);
    assert_int_equal(report.documents, 3);
    assert_int_equal(ae_instances_build(paths, 3, tokenizer, &o, "no_such_folder/x.h5", NULL, NULL, NULL, &error), -1);
    assert_int_equal(error.code, AE_E_IO);
}

/* The address sanitizer's shadow of every allocation is resident too, so the measure says nothing there. */
#if defined(__SANITIZE_ADDRESS__)
enum { MEASURE = 0 };
#elif defined(__has_feature)
enum { MEASURE = !__has_feature(address_sanitizer) };
#else
enum { MEASURE = 1 };
#endif

static int64_t peak_of_this_process(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss << 10 : -1;
}

/* Six times the text, and hardly more memory, because the buffer was full before already. */
static void memory_does_not_grow_with_the_corpus(void **state)
{
    (void)state;
    static const char *const objectives[] = {"mlm_nsp", "mlm", "lm"};
    ae_instance_options o[3];
    int64_t before = 0, bytes = 0;
    for (int rounds = 1; rounds <= 6; rounds += 5) {
        put_counted(2500 * rounds, 10, 30, false); /* 3 MB of text a round, and 3 MB of ids */
        for (int k = 0; k < 3; k++) {
            o[k] = ae_instance_defaults(objectives[k]);
            o[k].buffer = 256 << 10;
            ae_dataset_free(built(&o[k]));
        }
        assert_true(rounds == 1 || report.bytes > 5 * bytes);
        bytes = report.bytes;
        if (rounds == 1) {
            before = peak_of_this_process();
        }
    }
    if (MEASURE) {
        int64_t grown = peak_of_this_process() - before;
        if (grown > 8 << 20) {
            fail_msg("%lld bytes more at the peak", (long long)grown);
        }
    }
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void a_match_is_the_same_text_and_options(void **state)
{
    (void)state;
    put_counted(5, 5, 5, false);
    put(other, "w99\n", 4);
    const char *paths[] = {corpus}, *standard[] = {"-"}, *exclude[] = {other}, *missing[] = {"no_such_file"};
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    o.exclude = exclude;
    o.n_exclude = 1;
    ae_dataset_free(built(&o));
    assert_int_equal(ae_instances_match(output, paths, 1, tokenizer, &o, &error), 1);
    assert_int_equal(ae_instances_match(output, standard, 1, tokenizer, &o, &error), 0);
    assert_int_equal(ae_instances_match("no_such_file", paths, 1, tokenizer, &o, &error), 0);
    assert_int_equal(ae_instances_match(corpus, paths, 1, tokenizer, &o, &error), 0);
    assert_int_equal(ae_instances_match(output, missing, 1, tokenizer, &o, &error), -1);
    o.seed = 2;
    assert_int_equal(ae_instances_match(output, paths, 1, tokenizer, &o, &error), 0);
    o.seed = 1;
    put(other, "w98\n", 4);
    assert_int_equal(ae_instances_match(output, paths, 1, tokenizer, &o, &error), 0);
    put(other, "w99\n", 4);
    assert_int_equal(ae_instances_match(output, paths, 1, tokenizer, &o, &error), 1);
    put_counted(5, 5, 6, false);
    assert_int_equal(ae_instances_match(output, paths, 1, tokenizer, &o, &error), 0);
}

static void what_the_file_says_of_itself(void **state)
{
    (void)state;
    put_counted(5, 5, 5, false);
    ae_instance_options o = ae_instance_defaults("mlm_nsp");
    o.masking.unit = AE_MASK_SPANS;
    assert_int_equal(build(&o), 0);
    ae_json *about;
    ae_tokenizer *t;
    ae_dataset *d = ae_instances_open(output, NULL, &about, &t, &error);
    assert_string_equal(d->objective, "mlm_nsp");
    assert_int_equal(ae_tokenizer_size(t), TINY_SIZE);
    assert_true(ae_tokenizer_hash(t) == ae_tokenizer_hash(tokenizer));
    assert_string_equal(ae_json_string(about, "objective", "", NULL), "mlm_nsp");
    assert_int_equal(ae_json_int(ae_json_get(about, "counts"), "tokens", 0, NULL), 125);
    assert_int_equal(ae_json_int(ae_json_get(about, "counts"), "instances", 0, NULL), d->count);
    assert_int_equal(ae_json_int(ae_json_at(ae_json_get(about, "sources"), 0), "bytes", 0, NULL),
                     (int64_t)report.bytes + 30);
    assert_string_equal(ae_json_string(ae_json_get(ae_json_get(about, "options"), "masking"), "unit", "", NULL),
                        "spans");
    ae_json_free(about);
    ae_tokenizer_free(t);
    ae_dataset_free(d);
}

static void assert_not_opened(const char *part)
{
    ae_json *about = (ae_json *)1;
    ae_tokenizer *t = (ae_tokenizer *)1;
    ae_err e = {0};
    assert_null(ae_instances_open(output, NULL, &about, &t, &e));
    assert_null(about);
    assert_null(t);
    if (!strstr(e.message, part) || strncmp(e.message, output, strlen(output)) != 0) {
        fail_msg("%s; wanted %s", e.message, part);
    }
}

/* A file of instances written by hand: one instance [CLS] w1 [SEP] of mlm, with other values where given. */
static void put_file(const char *about, int64_t end, int32_t id, bool ids_of_bytes)
{
    ae_err e = {0};
    int32_t ids[] = {TINY_CLS, id, TINY_SEP};
    int64_t offsets[] = {0, end}, three = 3, two = 2;
    ae_h5 *f = ae_h5_create(output, &e);
    ae_json *words = ae_tokenizer_json(tokenizer, &e);
    char *text = ae_json_text(words, false, &e);
    ae_tensor *a = ae_tensor_wrap(ids, ids_of_bytes ? AE_U8 : AE_I32, 1, &three, &e);
    ae_tensor *b = ae_tensor_wrap(offsets, AE_I64, 1, &two, &e);
    assert_int_equal(ae_h5_write_text(f, "about", about, &e), 0);
    assert_int_equal(ae_h5_write_text(f, "tokenizer", text, &e), 0);
    assert_int_equal(ae_h5_write_tensor(f, "ids", a, &e), 0);
    assert_int_equal(ae_h5_write_tensor(f, "offsets", b, &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    ae_tensor_free(a);
    ae_tensor_free(b);
    ae_json_free(words);
    free(text);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const char good[] = "{\"format\": 1, \"objective\": \"mlm\", \"options\": {}}";
    const int64_t example[] = {0};
    const ae_collate how = {0};
    put_file(good, 3, TINY_W0, false);
    ae_dataset *d = open_built(NULL, NULL);
    ae_tensors *b = d->collate(d, example, 1, &how, &error);
    assert_int_equal(ae_get_i64(ae_tensors_get(b, "labels"), 1), TINY_W0);
    ae_tensors_free(b);
    ae_dataset_free(d);
    put_file(good, 4, TINY_W0, false);
    assert_not_opened("\"offsets\" is damaged at place 1: 4");
    put_file(good, -1, TINY_W0, false);
    assert_not_opened("\"offsets\" is damaged at place 1: -1");
    put_file(good, 3, TINY_W0, true);
    assert_not_opened("\"ids\" is u8 [3]; expected i32 with one axis");
    put_file("{\"format\": 2, \"objective\": \"mlm\", \"options\": {}}", 3, TINY_W0, false);
    assert_not_opened("format 2 of instances is newer than this program");
    put_file("{\"format\": 1, \"objective\": \"xlm\", \"options\": {}}", 3, TINY_W0, false);
    assert_not_opened("instances of the objective \"xlm\" are not known here");
    put_file("{\"format\": 1, \"objective\": \"mlm_nsp\", \"options\": {}}", 3, TINY_W0, false);
    assert_not_opened("split");
    put_file("{\"format\": 1, \"objective\": \"mlm\", \"options\": {\"dynamic\": false}}", 3, TINY_W0, false);
    assert_not_opened("mask_offsets");
    put_file("{\"format\": 1, \"objective\": \"mlm\", \"options\": {\"masking\": {\"rate\": 7}}}", 3, TINY_W0, false);
    assert_not_opened("masking rate: 7 is outside 0..1");
    put_file("[", 3, TINY_W0, false);
    assert_not_opened("");
    put(output, "text\n", 5);
    assert_not_opened("");
    put_file(good, 3, TINY_SIZE, false);
    d = open_built(NULL, NULL);
    error = (ae_err){0};
    assert_null(d->collate(d, example, 1, &how, &error));
    assert_non_null(strstr(error.message, "is damaged: instance 0 has the token 108, the vocabulary ends at 107"));
    ae_dataset_free(d);
    unlink(output);
    assert_not_opened("");
    ae_h5 *f = ae_h5_create(output, &error);
    assert_int_equal(ae_h5_commit(f, &error), 0);
    assert_not_opened("holds no instances (there is no \"about\" in it)");
    ae_masking rule = ae_masking_defaults();
    rule.as_mask = 2;
    error = (ae_err){0};
    assert_null(ae_instances_open(output, &rule, NULL, NULL, &error));
    assert_non_null(strstr(error.message, "as_mask: 2 is outside 0..1"));
}

/* [CLS] w1 [SEP] with one stored mask. */
static void put_masked_file(int32_t position, int32_t id, int64_t end)
{
    ae_err e = {0};
    int32_t ids[] = {TINY_CLS, TINY_MASK, TINY_SEP};
    int64_t offsets[] = {0, 3}, mask_offsets[] = {0, end}, shapes[] = {1, 2, 3};
    ae_json *words = ae_tokenizer_json(tokenizer, &e);
    char *text = ae_json_text(words, false, &e);
    const struct {
        const char *name;
        void *data;
        ae_dtype dtype;
        int64_t count;
    } rows[] = {{"ids", ids, AE_I32, 3},
                {"offsets", offsets, AE_I64, 2},
                {"mask_offsets", mask_offsets, AE_I64, 2},
                {"mask_positions", &position, AE_I32, 1},
                {"mask_ids", &id, AE_I32, 1}};
    ae_h5 *f = ae_h5_create(output, &e);
    ae_h5_write_text(f, "about", "{\"format\": 1, \"objective\": \"mlm\", \"options\": {\"dynamic\": false}}", &e);
    ae_h5_write_text(f, "tokenizer", text, &e);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ae_tensor *t = ae_tensor_wrap(rows[i].data, rows[i].dtype, 1, &shapes[rows[i].count - 1], &e);
        assert_int_equal(ae_h5_write_tensor(f, rows[i].name, t, &e), 0);
        ae_tensor_free(t);
    }
    assert_int_equal(ae_h5_commit(f, &e), 0);
    ae_json_free(words);
    free(text);
}

static void damaged_masks_are_refused(void **state)
{
    (void)state;
    const int64_t example[] = {0};
    const ae_collate how = {0};
    static const struct {
        int32_t position, id;
        const char *said;
    } cases[] = {{1, TINY_W0, NULL},
                 {3, TINY_W0, "is damaged: instance 0 has a mask at 3 of 3 tokens"},
                 {-1, TINY_W0, "is damaged: instance 0 has a mask at -1 of 3 tokens"},
                 {1, TINY_SIZE, "is damaged: instance 0 has the token 108"},
                 {1, -5, "is damaged: instance 0 has the token -5"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_masked_file(cases[i].position, cases[i].id, 1);
        ae_dataset *d = open_built(NULL, NULL);
        error = (ae_err){0};
        ae_tensors *b = d->collate(d, example, 1, &how, &error);
        assert_int_equal(b == NULL, cases[i].said != NULL);
        if (cases[i].said) {
            assert_non_null(strstr(error.message, cases[i].said));
        } else {
            assert_int_equal(ae_get_i64(ae_tensors_get(b, "labels"), 1), TINY_W0);
        }
        ae_tensors_free(b);
        ae_dataset_free(d);
    }
    put_masked_file(1, TINY_W0, 2);
    assert_not_opened("\"mask_offsets\" is damaged at place 1: 2");
}

static int set_up(void **state)
{
    (void)state;
    char vocabulary[64];
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(corpus, sizeof corpus, "%s/corpus.txt", folder);
    snprintf(output, sizeof output, "%s/out.h5", folder);
    snprintf(other, sizeof other, "%s/other.tsv", folder);
    snprintf(vocabulary, sizeof vocabulary, "%s/vocab.txt", folder);
    tokenizer = tiny_tokenizer(vocabulary);
    unlink(vocabulary);
    return tokenizer ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ae_tokenizer_free(tokenizer);
    unlink(corpus);
    unlink(output);
    unlink(other);
    return rmdir(folder); /* which fails when a temporary file was left */
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
        cmocka_unit_test(the_unit_is_told_from_the_text),
        cmocka_unit_test(wrong_forms_are_named_with_an_example),
        cmocka_unit_test(empty_corpora_are_refused),
        cmocka_unit_test(bad_bytes_are_named_or_repaired),
        cmocka_unit_test(a_line_of_ten_megabytes_passes),
        cmocka_unit_test(excluded_lines_are_left_out),
        cmocka_unit_test(options_outside_their_range_are_refused),
        cmocka_unit_test(progress_can_stop_it),
        cmocka_unit_test(no_room_leaves_nothing),
        cmocka_unit_test(several_files_and_pipes),
        cmocka_unit_test(memory_does_not_grow_with_the_corpus),
        cmocka_unit_test(a_match_is_the_same_text_and_options),
        cmocka_unit_test(what_the_file_says_of_itself),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(damaged_masks_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
