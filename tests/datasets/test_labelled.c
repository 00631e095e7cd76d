/* Labelled tables as datasets, with BERT's tokenizer over ten words. */
#include "datasets/labelled.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "labelled_XXXXXX";
static char path[128];
static ae_tokenizer *tokenizer;

enum { PAD, UNK, CLS, SEP, MASK, A, B, C, D, E };

static const char *put(const char *name, const char *text)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return path;
}

static int open_tokenizer(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    ae_err e = {0};
    const ae_tokenizer_options o = {.kind = "bert"}; /* words of one letter would pass for characters */
    tokenizer = ae_tokenizer_open(put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\n"), &o, &e);
    unlink(path);
    if (!tokenizer) {
        print_error("%s\n", e.message);
    }
    return tokenizer ? 0 : -1;
}

static int close_tokenizer(void **state)
{
    (void)state;
    ae_tokenizer_free(tokenizer);
    return rmdir(folder);
}

/* The dataset of a table's text; NULL and e on failure. */
static ae_dataset *make(const char *text, const ae_labelled_options *o, ae_labelled_report *report, ae_err *e)
{
    const ae_table_options how = {.unlabelled = strcmp(o->objective, "none") == 0};
    ae_table *t = ae_table_open(put("t.tsv", text), &how, e);
    unlink(path);
    if (!t) {
        fail_msg("%s", e->message);
    }
    ae_labels *labels = strcmp(o->objective, "classes") == 0 ? ae_labels_of(t, e) : NULL;
    ae_dataset *d = ae_labelled_new(t, tokenizer, labels, o, report, e);
    ae_labels_free(labels); /* all of these may go before the dataset */
    ae_table_free(t);
    return d;
}

static ae_dataset *made(const char *text, const ae_labelled_options *o, ae_labelled_report *report)
{
    ae_err e = {0};
    ae_dataset *d = make(text, o, report, &e);
    if (!d) {
        fail_msg("%s", e.message);
    }
    return d;
}

static void assert_i64(const ae_tensors *batch, const char *name, int64_t rows, int64_t columns, const int64_t *values)
{
    const ae_tensor *t = ae_tensors_get(batch, name);
    if (!t) {
        fail_msg("the batch has no %s", name);
    }
    assert_int_equal(t->dtype, AE_I64);
    assert_int_equal(t->ndim, columns ? 2 : 1);
    assert_int_equal(t->shape[0], rows);
    if (columns) {
        assert_int_equal(t->shape[1], columns);
    }
    assert_memory_equal(t->data, values, (size_t)(rows * (columns ? columns : 1)) * sizeof *values);
}

static ae_tensors *batch_of(const ae_dataset *d, const int64_t *examples, int64_t n, int64_t multiple)
{
    ae_err e = {0};
    const ae_collate how = {.multiple = multiple};
    ae_tensors *batch = d->collate(d, examples, n, &how, &e);
    assert_non_null(batch);
    assert_int_equal(e.code, AE_OK);
    return batch;
}

static void test_single_texts(void **state)
{
    (void)state;
    const ae_labelled_options o = {.objective = "classes", .seq = 6};
    ae_labelled_report report;
    ae_dataset *d = made("label\ttext_a\npos\ta b\nneg\tc d e a b c d\npos\t\nneg\tx a\n", &o, &report);
    assert_int_equal(d->count, 4);
    assert_string_equal(d->objective, "classes");
    assert_int_equal(report.cut, 1);
    assert_int_equal(report.unknown, 1);
    assert_int_equal(report.tokens, 4 + 6 + 2 + 4);
    static const int64_t lengths[] = {4, 6, 2, 4};
    for (int64_t i = 0; i < 4; i++) {
        assert_int_equal(d->length(d, i), lengths[i]);
    }
    static const int64_t order[] = {2, 0, 3};
    ae_tensors *batch = batch_of(d, order, 3, 1);
    assert_int_equal(ae_tensors_count(batch), 4);
    assert_i64(batch, "input_ids", 3, 4, (const int64_t[]){CLS, SEP, PAD, PAD, CLS, A, B, SEP, CLS, UNK, A, SEP});
    assert_i64(batch, "attention_mask", 3, 4, (const int64_t[]){1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1});
    assert_i64(batch, "token_type_ids", 3, 4, (const int64_t[12]){0});
    assert_i64(batch, "labels", 3, 0, (const int64_t[]){1, 1, 0});
    ae_tensors_free(batch);
    static const int64_t cut[] = {1};
    batch = batch_of(d, cut, 1, 4); /* not beyond seq */
    assert_i64(batch, "input_ids", 1, 6, (const int64_t[]){CLS, C, D, E, A, SEP});
    ae_tensors_free(batch);
    static const int64_t shortest[] = {2};
    batch = batch_of(d, shortest, 1, 4);
    assert_i64(batch, "input_ids", 1, 4, (const int64_t[]){CLS, SEP, PAD, PAD});
    ae_tensors_free(batch);
    ae_dataset_free(d);
}

static void test_pairs_joined(void **state)
{
    (void)state;
    const ae_labelled_options o = {.objective = "regression", .seq = 7};
    ae_labelled_report report;
    ae_dataset *d = made("score\tsentence1\tsentence2\n2.5\ta\tb c\n-1e-1\ta b c d e\tb\n", &o, &report);
    assert_string_equal(d->objective, "regression");
    assert_int_equal(report.cut, 1); /* three of five words are left of the longer text */
    static const int64_t order[] = {0, 1};
    ae_tensors *batch = batch_of(d, order, 2, 0);
    assert_i64(batch, "input_ids", 2, 7, (const int64_t[]){CLS, A, SEP, B, C, SEP, PAD, CLS, A, B, C, SEP, B, SEP});
    assert_i64(batch, "token_type_ids", 2, 7, (const int64_t[]){0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1});
    assert_i64(batch, "attention_mask", 2, 7, (const int64_t[]){1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1});
    const ae_tensor *labels = ae_tensors_get(batch, "labels");
    assert_int_equal(labels->dtype, AE_F32);
    assert_true(labels->ndim == 1 && labels->shape[0] == 2);
    assert_true(((const float *)labels->data)[0] == 2.5f && ((const float *)labels->data)[1] == -0.1f);
    ae_tensors_free(batch);
    ae_dataset_free(d);
}

static void test_pairs_apart(void **state)
{
    (void)state;
    const ae_labelled_options o = {.objective = "classes", .seq = 3, .layout = AE_LAYOUT_APART, .no_special = true};
    ae_labelled_report report;
    ae_dataset *d = made("label\ttext_a\ttext_b\n7\ta\tb c d e\n3\t\td\n", &o, &report);
    assert_int_equal(report.cut, 1);
    assert_int_equal(d->length(d, 0), 3);
    assert_int_equal(d->length(d, 1), 1);
    static const int64_t order[] = {0, 1};
    ae_tensors *batch = batch_of(d, order, 2, 1);
    assert_int_equal(ae_tensors_count(batch), 5);
    assert_i64(batch, "s1_ids", 2, 1, (const int64_t[]){A, PAD}); /* a pad token stands for no token */
    assert_i64(batch, "s1_lengths", 2, 0, (const int64_t[]){1, 1});
    assert_i64(batch, "s2_ids", 2, 3, (const int64_t[]){B, C, D, D, PAD, PAD});
    assert_i64(batch, "s2_lengths", 2, 0, (const int64_t[]){3, 1});
    assert_i64(batch, "labels", 2, 0, (const int64_t[]){1, 0});
    ae_tensors_free(batch);
    ae_dataset_free(d);
}

static void test_without_labels(void **state)
{
    (void)state;
    ae_labelled_options o = {.objective = "none", .layout = AE_LAYOUT_APART};
    ae_dataset *d = made("a b c d e a b c\n\n", &o, NULL);
    static const int64_t order[] = {1, 0};
    ae_tensors *batch = batch_of(d, order, 2, 8);
    assert_int_equal(ae_tensors_count(batch), 2);
    assert_null(ae_tensors_get(batch, "labels"));
    assert_i64(batch, "s1_lengths", 2, 0, (const int64_t[]){2, 10}); /* no limit without seq */
    assert_int_equal(ae_dim(ae_tensors_get(batch, "s1_ids"), 1), 16);
    ae_tensors_free(batch);
    ae_dataset_free(d);
    o.layout = AE_LAYOUT_JOINED;
    o.no_special = true;
    d = made("e\n", &o, NULL);
    static const int64_t first[] = {0};
    batch = batch_of(d, first, 1, 1);
    assert_i64(batch, "input_ids", 1, 1, (const int64_t[]){E});
    assert_int_equal(ae_tensors_count(batch), 3);
    ae_tensors_free(batch);
    ae_dataset_free(d);
}

/* Through a plan with reading ahead, as training goes: every example with its own label. */
static void test_batches(void **state)
{
    (void)state;
    char text[4000] = "label\ttext_a\n";
    static const char *const words[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 50; i++) {
        char line[64] = "";
        for (int k = 0; k <= i % 7; k++) {
            strcat(strcat(line, words[i % 5]), " ");
        }
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d\t%s\n", i % 5, line);
    }
    const ae_labelled_options o = {.objective = "classes", .seq = 16};
    ae_dataset *d = made(text, &o, NULL);
    const ae_batch_plan plan = {.batch = 8, .seed = 3, .shuffle = true, .window = 2, .ahead = 2};
    ae_batches *b = ae_batches_new(d, &plan, NULL);
    assert_non_null(b);
    for (int64_t number = 0; number < 20; number++) {
        ae_tensors *batch = ae_batches_get(b, number, NULL);
        assert_non_null(batch);
        for (int64_t i = 0; i < 8; i++) {
            int64_t width = ae_dim(ae_tensors_get(batch, "input_ids"), 1);
            assert_int_equal(ae_get_i64(ae_tensors_get(batch, "input_ids"), i * width + 1),
                             A + ae_get_i64(ae_tensors_get(batch, "labels"), i));
        }
        ae_tensors_free(batch);
    }
    ae_batches_free(b);
    ae_dataset_free(d);
}

static void refuse(const char *text, const ae_labelled_options *o, const char *message)
{
    ae_err e = {0};
    ae_dataset *d = make(text, o, NULL, &e);
    assert_null(d);
    const char *tail = strstr(e.message, "t.tsv");
    tail = tail ? tail : e.message;
    if (strncmp(tail, message, strlen(message)) != 0) {
        fail_msg("\"%s\" instead of \"%s\"", e.message, message);
    }
}

static void test_refused(void **state)
{
    (void)state;
    ae_labelled_options o = {.objective = "regression"};
    refuse("label\ttext_a\n1\ta\nhigh\tb\n", &o,
           "t.tsv:3: the label \"high\" is no number; regression needs scores such as 3.5");
    refuse("label\ttext_a\n1 2\ta\n", &o, "t.tsv:2: the label \"1 2\" is no number");
    refuse("label\ttext_a\nnan\ta\n", &o, "t.tsv:2: the label \"nan\" is no number");
    refuse("label\ttext_a\n0x10\ta\n", &o, "t.tsv:2: the label \"0x10\" is no number");
    refuse("label\ttext_a\n1e99\ta\n", &o, "t.tsv:2: the label \"1e99\" is no number");
    o.objective = "classes";
    o.seq = 1;
    refuse("label\ttext_a\n1\ta\n0\tb\n", &o, "t.tsv:2: ");
    o.seq = -1;
    refuse("label\ttext_a\n1\ta\n0\tb\n", &o, "seq is -1; it must be 0 (no limit) or more");
    o = (ae_labelled_options){.objective = "mlm"};
    refuse("label\ttext_a\n1\ta\n", &o, "a table serves the objectives classes, regression and none, not mlm");
}

/* What evaluation meets: labels that training did not, and tables without any. */
static void test_refused_labels(void **state)
{
    (void)state;
    ae_err e = {0};
    static char *names[] = {"neg", "pos"};
    const ae_labels labels = {2, names};
    const ae_labelled_options o = {.objective = "classes"};
    ae_table *t = ae_table_open(put("t.tsv", "label\ttext_a\npos\ta\n\nneutral\tb\n"), NULL, &e);
    unlink(path);
    assert_non_null(t);
    assert_null(ae_labelled_new(t, tokenizer, &labels, &o, NULL, &e));
    assert_non_null(strstr(e.message, "t.tsv:4: the label \"neutral\" is none of the 2 classes: neg, pos"));
    ae_err_clear(&e);
    assert_null(ae_labelled_new(t, tokenizer, NULL, &o, NULL, &e));
    assert_non_null(strstr(e.message, "t.tsv: classes need names and numbers (ae_labels_of)"));
    ae_table_free(t);
    const ae_table_options how = {.unlabelled = true};
    t = ae_table_open(put("t.tsv", "a\n"), &how, &e);
    unlink(path);
    ae_err_clear(&e);
    assert_null(ae_labelled_new(t, tokenizer, &labels, &o, NULL, &e));
    assert_non_null(strstr(e.message, "t.tsv: the table was read without labels, and classes needs them"));
    ae_table_free(t);
}

/* A program's own locale does not change what a score is. */
static void test_scores_know_no_locale(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "fr_FR.utf8"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof commas / sizeof *commas && !found; i++) {
        found = setlocale(LC_NUMERIC, commas[i]);
    }
    const ae_labelled_options o = {.objective = "regression"};
    ae_dataset *d = made("label\ttext_a\n1.5\ta\n", &o, NULL);
    setlocale(LC_NUMERIC, "C");
    static const int64_t first[] = {0};
    ae_tensors *batch = batch_of(d, first, 1, 1);
    assert_true(ae_get_f64(ae_tensors_get(batch, "labels"), 0) == 1.5);
    ae_tensors_free(batch);
    ae_dataset_free(d);
    if (!found) {
        skip();
    }
}

/* Without special tokens and a pad token, id 0 pads, and is all of an empty text. */
static void test_tokenizer_without_special_tokens(void **state)
{
    (void)state;
    ae_tokenizer *usual = tokenizer;
    ae_err e = {0};
    const ae_tokenizer_options plain = {.kind = "space"};
    tokenizer = ae_tokenizer_open(put("vocab.txt", "x\ny\nz\n"), &plain, &e);
    unlink(path);
    if (!tokenizer) {
        fail_msg("%s", e.message);
    }
    const ae_labelled_options o = {.objective = "none"};
    ae_labelled_report report;
    ae_dataset *d = made("y z\n\nz\n", &o, &report);
    static const int64_t all[] = {0, 1, 2};
    ae_tensors *batch = batch_of(d, all, 3, 1);
    assert_i64(batch, "input_ids", 3, 2, (const int64_t[]){1, 2, 0, 0, 2, 0});
    assert_i64(batch, "attention_mask", 3, 2, (const int64_t[]){1, 1, 1, 0, 1, 0});
    assert_int_equal(report.unknown, 0);
    ae_tensors_free(batch);
    ae_dataset_free(d);
    const ae_labelled_options classes = {.objective = "classes"};
    refuse("label\ttext_a\n1\tx\n0\tnew\n", &classes,
           "t.tsv:3: \"new\" is not in the vocabulary, and it has no unknown token");
    ae_tokenizer_free(tokenizer);
    tokenizer = usual;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_texts),
        cmocka_unit_test(test_pairs_joined),
        cmocka_unit_test(test_pairs_apart),
        cmocka_unit_test(test_without_labels),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_labels),
        cmocka_unit_test(test_scores_know_no_locale),
        cmocka_unit_test(test_tokenizer_without_special_tokens),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
