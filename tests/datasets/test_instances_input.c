/* Instances from odd and bad input, and what their file says of itself and when it is damaged. */
#include "instances_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
