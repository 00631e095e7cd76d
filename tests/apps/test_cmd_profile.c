/* --profile on every command that takes it: the table on standard error, JSON with --json, a trace that parses, the
 * results as they are without it, and what bad file names get. */
#include "apps/tiny_models.h"

static const char corpus[] = "the fox sat on a tree .\nthe old crow said , he ran .\n\nshe ran . the fox ran .\n"
                             "a crow sat on the old tree .\n\nthe foxs sat .\nthe crow said a .\n";

static int make_files(void **state)
{
    (void)state;
    make_model("profile_single.h5", "BertForSequenceClassification", "{" BERT_SIZES ", \"num_labels\": 2}",
               "{\"objective\": \"classes\", \"texts\": 1, \"seq\": 16}", NULL, 3);
    make_model("profile_lm.h5", "GPT2LMHeadModel", "{" GPT2_SIZES "}", "{\"objective\": \"lm\"}", NULL, 3);
    write_text("profile_corpus.txt", corpus);
    write_text("profile_vocab.txt", WORDS);
    write_text("profile_table.tsv", "label\ttext_a\n0\tthe fox\n1\tthe crow\n0\ta tree\n1\the ran\n");
    write_text("profile.json", NULL);
    return 0;
}

static void expect_rows(const char *const *names)
{
    expect_log("profile of main: ");
    for (; *names; names++) {
        expect_log(*names);
    }
}

static void commands_on_models(void **state)
{
    (void)state;
    static const char *const predicted[] = {"\npredict ", "\ntokenize ", "\nwrite records ", " forward ", NULL};
    give_input("the fox\nthe crow\n");
    expect_status(aesop(2, "predict", "profile_single.h5"), 0);
    char *plain = strdup(out_text);
    assert_null(strstr(log_text, "profile of main"));
    give_input("the fox\nthe crow\n");
    expect_status(aesop(3, "predict", "profile_single.h5", "--profile"), 0);
    assert_string_equal(out_text, plain);
    expect_rows(predicted);
    free(plain);
    give_input("the fox\n");
    expect_status(aesop(3, "embed", "--profile", "profile_single.h5"), 0);
    expect_rows((const char *const[]){"\nembed ", " forward ", "bert.c:", NULL});
    expect_status(aesop(5, "eval", "profile_single.h5", "--test", "profile_table.tsv", "--profile"), 0);
    expect_rows((const char *const[]){"\neval ", "\nmake a batch ", " forward ", NULL});
    expect_status(aesop(6, "generate", "profile_lm.h5", "the fox", "--length", "4", "--profile"), 0);
    expect_rows((const char *const[]){"\ngenerate ", " forward ", NULL});
}

static void training_shows_its_parts(void **state)
{
    (void)state;
    static const char *const rows[] = {"\nstep ",
                                       "\nwait for data ",
                                       "\noptimizer ",
                                       "\ngradient norm and clipping ",
                                       "\nsave ",
                                       " in backward ",
                                       "\non the thread read ahead: ",
                                       "\nmake a batch ",
                                       NULL};
    expect_status(aesop(15, "pretrain", "--model", "bert-tiny", "--corpus", "profile_corpus.txt", "--tokenizer",
                        "profile_vocab.txt", "--steps", "3", "--batch", "2", "-o", "profile_run.h5", "--force",
                        "--profile"),
                  0);
    expect_rows(rows);
    expect_status(aesop(14, "finetune", "--init", "profile_run.h5", "--train", "profile_table.tsv", "--valid",
                        "profile_table.tsv", "--steps", "2", "-o", "profile_fine.h5", "--force", "--profile", "-q"),
                  0);
    expect_rows((const char *const[]){"\nfinetune ", "\nevaluation ", "\nstep ", NULL});
}

/* The number of events of a name in the trace. */
static int count_events(const ae_json *trace, const char *name)
{
    int n = 0;
    for (const ae_json *x = ae_json_first(ae_json_get(trace, "traceEvents")); x; x = ae_json_next(x)) {
        n += strcmp(ae_json_string(x, "name", "", NULL), name) == 0;
    }
    return n;
}

static void bench_writes_a_trace(void **state)
{
    (void)state;
    expect_status(aesop(13, "bench", "train", "--model", "bert-tiny", "--batch", "2", "--seq", "16", "--steps", "2",
                        "--profile", "profile.json", "--json"),
                  0);
    ae_json *result = ae_json_parse(out_text, strlen(out_text), NULL);
    assert_true(ae_json_int(result, "steps", 0, NULL) == 2); /* standard output is one object */
    ae_json_free(result);
    ae_json *whole = ae_json_parse(log_text, strlen(log_text), NULL);
    const ae_json *rows = ae_json_get(ae_json_get(whole, "profile"), "rows");
    assert_int_equal(ae_json_int(whole, "schema", 0, NULL), 1);
    int64_t steps = 0;
    for (const ae_json *x = ae_json_first(rows); x; x = ae_json_next(x)) {
        steps += strcmp(ae_json_string(x, "name", "", NULL), "step") == 0 ? ae_json_int(x, "count", 0, NULL) : 0;
    }
    assert_int_equal(steps, 3); /* the first is not timed */
    ae_json_free(whole);
    ae_json *trace = ae_json_read_file("profile.json", NULL);
    assert_int_equal(count_events(trace, "step"), 3);
    assert_int_equal(count_events(trace, "optimizer"), 3);
    assert_int_equal(count_events(trace, "bench train"), 1);
    ae_json_free(trace);
    expect_status(aesop(9, "bench", "infer", "--model", "bert-tiny", "--batch", "1", "--steps", "1", "--profile"), 0);
    expect_rows((const char *const[]){"\nbench infer ", "\nstep ", NULL});
}

static void names_of_files_are_checked(void **state)
{
    (void)state;
    write_text("profile_there.json", "{}");
    give_input("the fox\n");
    expect_status(aesop(3, "predict", "profile_single.h5", "--profile=profile_there.json"), 2);
    expect_log("--profile: profile_there.json exists; name another file");
    expect_status(aesop(4, "predict", "profile_single.h5", "--profile=profile_there.json", "--force"), 0);
    expect_log("profile_there.json: ");
    expect_log(" events; chrome://tracing and ui.perfetto.dev show it\n");
    expect_status(aesop(3, "predict", "profile_single.h5", "--profile=table.txt"), 2);
    expect_log("--profile wants a file that ends in .json; got \"table.txt\"");
    give_input("the fox\n");
    expect_status(aesop(3, "predict", "profile_single.h5", "--profile=no/folder/x.json"), 4);
    expect_log("no/folder");
    expect_status(aesop(3, "predict", "profile_none.h5", "--profile"), 2); /* a run that failed has no profile */
    assert_null(strstr(log_text, "profile of main"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_on_models),
        cmocka_unit_test(training_shows_its_parts),
        cmocka_unit_test(bench_writes_a_trace),
        cmocka_unit_test(names_of_files_are_checked),
    };
    return cmocka_run_group_tests(tests, make_files, free_texts);
}
