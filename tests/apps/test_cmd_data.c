/* `aesop data build` and `aesop data inspect`. */
#include "apps/program.h"
#include "apps/stop_signal.h"
#include "datasets/tiny_tokenizer.h"
#include "tensor/hdf5_file.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VOCABULARY "data_vocab.txt"
#define CORPUS "data_corpus.txt"
#define TABLE "data_table.tsv"
#define OUTPUT "data_out.h5"

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void assert_said(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
    }
}

#define BUILD "data", "build", "--tokenizer", VOCABULARY, "-o", OUTPUT

static void builds_and_shows_pairs(void **state)
{
    (void)state;
    unlink(OUTPUT);
    put(CORPUS, "w1 w2\nab w4 w9\n\nw5 w6\nw7 w8\n");
    if (aesop(10, BUILD, "--corpus", CORPUS, "--objective", "mlm_nsp") != 0) {
        fail_msg("%s", log_text);
    }
    assert_said(out_text, "instances   2 (");
    assert_said(out_text, "tokens      10, 0 unknown");
    assert_said(out_text, "documents   2, of 4 sentences");
    assert_said(log_text, "--unit auto: a line is a sentence, a blank line ends a document");
    assert_int_equal(aesop(3, "data", "inspect", OUTPUT), 0);
    assert_said(out_text, "objective   mlm_nsp, at most 128 tokens\ninstances   2\n");
    assert_said(out_text, "masks       drawn for every batch, 0.15 of the tokens");
    assert_said(out_text, "a line is a sentence\nsource      " CORPUS ", 28 bytes, hash ");
    assert_said(out_text, "tokens, the second segment");
    assert_said(out_text, "\n  to predict: ");
    assert_said(out_text, "[CLS]");
}

static void json_holds_the_same(void **state)
{
    (void)state;
    put(CORPUS, "w1 w2 w3 w4\n\xef\xbf\xbd\nw5 zzz\n");
    assert_int_equal(aesop(13, BUILD, CORPUS, "--objective", "mlm", "--seq", "8", "--force", "--json"), 0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
    assert_int_equal(ae_json_int(j, "schema", 0, NULL), 1);
    assert_string_equal(ae_json_string(j, "objective", "", NULL), "mlm");
    assert_int_equal(ae_json_int(j, "lines", 0, NULL), 3);
    assert_int_equal(ae_json_int(j, "documents", 0, NULL), 2);
    assert_int_equal(ae_json_int(j, "empty_documents", 0, NULL), 1); /* U+FFFD is nothing to BERT */
    assert_int_equal(ae_json_int(j, "tokens", 0, NULL), 6);
    assert_int_equal(ae_json_int(j, "unknown_tokens", 0, NULL), 1);
    assert_string_equal(ae_json_string(j, "unit", "", NULL), "line");
    ae_json_free(j);
    assert_int_equal(aesop(6, "data", "inspect", OUTPUT, "--json", "--examples", "1"), 0);
    j = ae_json_parse(out_text, strlen(out_text), NULL);
    assert_string_equal(ae_json_string(j, "kind", "", NULL), "instances");
    assert_int_equal(ae_json_int(ae_json_get(j, "counts"), "tokens", 0, NULL), 6);
    assert_int_equal(ae_json_int(ae_json_get(j, "lengths"), "longest", 0, NULL), 6);
    assert_int_equal(ae_json_count(ae_json_get(j, "examples")), 1);
    const ae_json *example = ae_json_at(ae_json_get(j, "examples"), 0);
    assert_int_equal(ae_json_int(example, "length", 0, NULL), 6);
    assert_int_equal(ae_json_count(ae_json_get(example, "targets")), 1);
    ae_json_free(j);
}

static void language_models_keep_line_ends(void **state)
{
    (void)state;
    put(CORPUS, "w1\n\nw2 w3\n");
    assert_int_equal(aesop(13, BUILD, CORPUS, "--objective", "lm", "--line-ends", "--no-special", "--force", "--quiet"),
                     0);
    assert_string_equal(log_text, "");
    assert_int_equal(aesop(3, "data", "inspect", OUTPUT), 0);
    assert_said(out_text, "\n0: 2 tokens\n  w1 w2\n"); /* of three: the last is predicted alone */
}

/* w1 and w2 are one word here, which the tokenizer alone could not know. */
static void words_come_from_dictionaries(void **state)
{
    (void)state;
    put(CORPUS, "a w1.w2 w3\n");
    put(TABLE, "w1.w2 5\n");
    assert_int_equal(
        aesop(14, BUILD, CORPUS, "--objective", "mlm", "--force", "--whole-word", "--dictionary", TABLE, "--quiet"), 0);
    assert_int_equal(aesop(3, "data", "inspect", OUTPUT), 0);
    assert_said(out_text, "masks       drawn for every batch, 0.15 of the whole-words, words by a dictionary\n");
    ae_h5 *f = ae_h5_open(OUTPUT, NULL);
    ae_tensor *inside = ae_h5_read_tensor(f, "inside", NULL);
    static const uint8_t want[] = {0, 0, 0, 1, 1, 0, 0};
    assert_int_equal(inside->shape[0], sizeof want);
    assert_memory_equal(inside->data, want, sizeof want);
    ae_tensor_free(inside);
    ae_h5_close(f);
    assert_int_equal(aesop(12, BUILD, CORPUS, "--objective", "mlm", "--force", "--dictionary", TABLE), 2);
    assert_said(log_text, "--dictionary says what words are, but no words are masked; give --whole-word or --span too");
    put(TABLE, "the Fox AND\n");
    assert_int_equal(aesop(13, BUILD, CORPUS, "--objective", "mlm", "--force", "--span", "--dictionary", TABLE), 2);
    assert_said(log_text, TABLE ": line 1: \"the Fox AND\" is no line of a dictionary");
    unlink(TABLE);
}

static void what_is_missing_is_asked_for(void **state)
{
    (void)state;
    put(CORPUS, "w1 w2 w3 w4\n");
    assert_int_equal(aesop(7, BUILD, "--force"), 2);
    assert_said(log_text, "give --objective mlm_nsp, mlm or lm");
    assert_int_equal(aesop(9, BUILD, "--objective", "lm", "--force"), 2);
    assert_said(log_text, "give --corpus FILE");
    assert_int_equal(aesop(7, "data", "build", "--objective", "lm", "-o", OUTPUT, CORPUS), 2);
    assert_said(log_text, "give --tokenizer PATH");
    assert_int_equal(aesop(5, "data", "build", "--objective", "lm", CORPUS), 2);
    assert_said(log_text, "give --output FILE");
    assert_int_equal(aesop(9, BUILD, "--objective", "lm", CORPUS), 2);
    assert_said(log_text, OUTPUT ": exists; --force overwrites it");
    assert_int_equal(aesop(11, BUILD, "--objective", "lm", "--force", "--dynamic", "--static"), 2);
    assert_int_equal(aesop(12, BUILD, "--objective", "lm", "--force", "--dynamic", "--static", CORPUS), 2);
    assert_said(log_text, "--dynamic and --static exclude each other");
    assert_int_equal(aesop(10, BUILD, "--objective", "lm", "--force", "no_such_file"), 2);
    assert_said(log_text, "no_such_file: cannot be opened");
    assert_int_equal(
        aesop(9, "data", "build", "--tokenizer", "no_such_file", "-o", OUTPUT, CORPUS, "--objective", "lm"), 2);
    assert_int_equal(aesop(3, "data", "inspect", "no_such_file"), 2);
    assert_said(log_text, "no_such_file");
}

static void errors_tell_file_and_line(void **state)
{
    (void)state;
    put(CORPUS, "w1 w2\nw3 \xff\n");
    unlink(OUTPUT);
    assert_int_equal(aesop(10, BUILD, CORPUS, "--objective", "mlm", "--json"), 2);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
    const ae_json *error = ae_json_get(j, "error");
    assert_string_equal(ae_json_string(error, "code", "", NULL), "format");
    assert_string_equal(ae_json_string(error, "file", "", NULL), CORPUS);
    assert_int_equal(ae_json_int(error, "line", 0, NULL), 2);
    ae_json_free(j);
    assert_int_equal(access(OUTPUT, F_OK), -1);
    assert_int_equal(aesop(11, BUILD, CORPUS, "--objective", "mlm", "--encoding-errors", "replace"), 0);
    assert_said(log_text, "1 invalid places repaired");
    put(CORPUS, "1\tw1 w2\n0\tw3 w4\n");
    assert_int_equal(aesop(10, BUILD, CORPUS, "--objective", "mlm", "--force"), 0);
    assert_said(log_text, "2 lines begin with a short field and a tab: if they come from a labelled table, its labels");
    put(CORPUS, "w1 w2\nw3 w4\n");
    assert_int_equal(aesop(10, BUILD, CORPUS, "--objective", "mlm_nsp", "--force"), 2);
    assert_said(log_text, CORPUS ":1: every line holds one sentence, and no blank line parts documents");
    assert_int_equal(aesop(12, BUILD, CORPUS, "--objective", "lm", "--force", "--exclude", CORPUS), 2);
    assert_said(log_text, "2 lines, 2 of them taken out by --exclude");
    assert_int_equal(
        aesop(9, "data", "build", "--tokenizer", VOCABULARY, "-o", "/proc/nowhere.h5", CORPUS, "--objective", "lm"), 4);
}

static void a_signal_stops_it(void **state)
{
    (void)state;
    FILE *f = fopen(CORPUS, "w");
    for (int i = 0; i < 1000; i++) {
        fprintf(f, "w1 w2 w3\n");
    }
    fclose(f);
    unlink(OUTPUT);
    int ends[2], before = dup(STDIN_FILENO), writer;
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    writer = fork();
    if (writer == 0) { /* text that ends only after the signal came */
        close(ends[0]);
        usleep(200000);
        kill(getppid(), SIGTERM);
        usleep(50000);
        _exit(write(ends[1], "w1 w2\n", 6) == 6 ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(aesop(9, BUILD, "-", "--objective", "mlm"), 128 + SIGTERM);
    assert_said(log_text, "stopped by a signal; nothing was written");
    assert_int_equal(access(OUTPUT, F_OK), -1);
    dup2(before, STDIN_FILENO);
    close(before);
    close(ends[0]);
}

static void tables_are_shown(void **state)
{
    (void)state;
    put(TABLE, "label\ttext_a\n1\tw1 w2\n0\tw3\n1\tw4\n");
    assert_int_equal(aesop(5, "data", "inspect", TABLE, "--examples", "2"), 0);
    assert_said(out_text, "rows        3 of single texts, 0 left out");
    assert_said(out_text, "labels      2\n");
    assert_said(out_text, "  1                            2  66.7 %");
    assert_said(out_text, "\nline 2: 1\n  w1 w2\n\nline 3: 0\n  w3\n");
    assert_int_equal(aesop(4, "data", "inspect", TABLE, "--json"), 0);
    ae_json *j = ae_json_parse(out_text, strlen(out_text), NULL);
    assert_string_equal(ae_json_string(j, "kind", "", NULL), "table");
    assert_int_equal(ae_json_int(j, "distinct_labels", 0, NULL), 2);
    assert_int_equal(ae_json_int(ae_json_get(j, "labels"), "1", 0, NULL), 2);
    assert_string_equal(ae_json_string(ae_json_at(ae_json_get(j, "examples"), 1), "text_a", "", NULL), "w3");
    ae_json_free(j);
    put(TABLE, "text_a\ttext_b\nw1\tw2\n");
    assert_int_equal(aesop(3, "data", "inspect", TABLE), 0);
    assert_said(out_text, "rows        1 of pairs");
    assert_said(out_text, "line 2: no label\n  w1\n  w2\n");
    put(TABLE, "label\ttext_a\n1\tw1\n1\n");
    assert_int_equal(aesop(4, "data", "inspect", TABLE, "--json"), 2);
    j = ae_json_parse(out_text, strlen(out_text), NULL);
    assert_int_equal(ae_json_int(ae_json_get(j, "error"), "line", 0, NULL), 3);
    ae_json_free(j);
}

static void other_hdf5_files_are_no_instances(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_h5 *f = ae_h5_create(OUTPUT, &e);
    assert_int_equal(ae_h5_write_text(f, "note", "x", &e), 0);
    assert_int_equal(ae_h5_commit(f, &e), 0);
    assert_int_equal(aesop(3, "data", "inspect", OUTPUT), 2);
    assert_said(log_text, OUTPUT ": holds no instances");
}

/* What we write, another reader of HDF5 must read alike. */
static void h5py_reads_them(void **state)
{
    (void)state;
    if (system("python3 -c 'import h5py' 2>/dev/null") != 0) {
        skip();
    }
    put(CORPUS, "w1 w2\nab w4\n\nw5 w6\nw7 w8\n");
    assert_int_equal(aesop(12, BUILD, "--corpus", CORPUS, "--objective", "mlm_nsp", "--static", "--force"), 0);
    assert_int_equal(system("python3 -c '\n"
                            "import h5py, json\n"
                            "f = h5py.File(\"" OUTPUT "\", \"r\")\n"
                            "about = json.loads(f[\"about\"][()])\n"
                            "n = about[\"counts\"][\"instances\"]\n"
                            "ids, offsets, positions = f[\"ids\"][()], f[\"offsets\"][()], f[\"mask_positions\"][()]\n"
                            "assert ids.dtype == \"int32\" and offsets.dtype == \"int64\"\n"
                            "assert len(offsets) == n + 1 and offsets[0] == 0 and offsets[-1] == len(ids)\n"
                            "assert all(ids[offsets[:-1]] == 2) and all(ids[offsets[1:] - 1] == 3)\n"
                            "assert len(f[\"split\"]) == n and len(f[\"label\"]) == n\n"
                            "assert f[\"mask_offsets\"][-1] == len(positions) == len(f[\"mask_ids\"])\n"
                            "'"),
                     0);
}

static int set_up(void **state)
{
    (void)state;
    ae_tokenizer *t = tiny_tokenizer(VOCABULARY);
    ae_tokenizer_free(t);
    return t ? 0 : -1;
}

static int tear_down(void **state)
{
    unlink(VOCABULARY);
    unlink(CORPUS);
    unlink(TABLE);
    unlink(OUTPUT);
    return free_texts(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_and_shows_pairs),
        cmocka_unit_test(json_holds_the_same),
        cmocka_unit_test(language_models_keep_line_ends),
        cmocka_unit_test(words_come_from_dictionaries),
        cmocka_unit_test(what_is_missing_is_asked_for),
        cmocka_unit_test(errors_tell_file_and_line),
        cmocka_unit_test(a_signal_stops_it),
        cmocka_unit_test(tables_are_shown),
        cmocka_unit_test(other_hdf5_files_are_no_instances),
        cmocka_unit_test(h5py_reads_them),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
