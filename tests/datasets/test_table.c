/* Tables, each case a file's text and what must come out of it: "label|text_a|text_b@line", a row a line. */
#include "sample_file.h"

#include "datasets/table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "table_XXXXXX";
static char path[128];

static const char *put(const char *name, const char *text, size_t bytes)
{
    snprintf(path, sizeof path, "%s", write_file_in(folder, name, text, bytes));
    return path;
}

static ae_table *open_text(const char *name, const char *text, const ae_table_options *o, ae_err *e)
{
    put(name, text, strlen(text));
    ae_table *t = ae_table_open(path, o, e);
    unlink(path);
    return t;
}

static void rows_of(const ae_table *t, char *to, size_t bytes)
{
    size_t n = 0;
    to[0] = '\0';
    for (int64_t i = 0; i < t->count && n < bytes; i++) {
        const ae_table_row *r = &t->rows[i];
        assert_true(!r->label == !t->labelled && !r->text_b == !t->pairs && r->text_a);
        n += (size_t)snprintf(to + n, bytes - n, "%s%s%s%s%s@%lld\n", r->label ? r->label : "", r->label ? "|" : "",
                              r->text_a, r->text_b ? "|" : "", r->text_b ? r->text_b : "", (long long)r->line);
    }
}

typedef struct good {
    const char *name, *text;
    ae_table_options o;
    const char *read_as, *rows;
    int64_t left_out;
} good;

static void check(const good *c)
{
    ae_err e = {0};
    ae_table *t = open_text(c->name, c->text, &c->o, &e);
    if (!t) {
        fail_msg("%s: %s", c->text, e.message);
    }
    char rows[1024];
    rows_of(t, rows, sizeof rows);
    assert_string_equal(t->read_as, c->read_as);
    assert_string_equal(rows, c->rows);
    assert_int_equal(t->left_out, c->left_out);
    assert_string_equal(t->path, path);
    ae_table_free(t);
}

static void check_all(const good *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check(&cases[i]);
    }
}
#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof *(cases))

/* ---- what is read ---- */

static void test_tsv(void **state)
{
    (void)state;
    static const good cases[] = {
        {"a.tsv",
         "label\ttext_a\n1\tgood \"film\n0\tbad\"\n",
         {0},
         "uer (tsv), with a header, label=label, text_a=text_a",
         "1|good \"film@2\n0|bad\"@3\n",
         0},
        {"a.tsv",
         "\xef\xbb\xbftext_b\tlabel\ttext_a\r\nb\t 1 \ta\r\n\r\n\r\nd\t0\tc",
         {0},
         "uer (tsv), with a header, label=label, text_a=text_a, text_b=text_b",
         "1|a|b@2\n0|c|d@5\n",
         0},
        {"a.tsv", "x\tgood\ny\tbad\n", {0}, "tsv, no header, label=1, text_a=2", "x|good@1\ny|bad@2\n", 0},
        {"a.txt", "x\ta\tb\n", {0}, "tsv, no header, label=1, text_a=2, text_b=3", "x|a|b@1\n", 0},
        {"a.tsv",
         "Premise\tHypothesis\tLabel\na\tb\t1\n",
         {0},
         "tsv, with a header, label=Label, text_a=Premise, text_b=Hypothesis",
         "1|a|b@2\n",
         0},
        {"a.tsv", "label\ttext_a\n1\t\n", {0}, "uer (tsv), with a header, label=label, text_a=text_a", "1|@2\n", 0},
        {"a.tsv",
         "stars\treview\n5\tgood\n",
         {.columns = "label=stars,text_a=review"},
         "tsv, with a header, label=stars, text_a=review",
         "5|good@2\n",
         0},
        {"a.tsv",
         "5\tx\tgood\n",
         {.columns = "text_a=3,label=1"},
         "tsv, no header, label=1, text_a=3",
         "5|good@1\n",
         0},
        {"a.tsv",
         "stars\treview\n5\tgood\n",
         {.columns = "label=1,text_a=2", .header = AE_HEADER_YES},
         "tsv, with a header, label=stars, text_a=review",
         "5|good@2\n",
         0},
        {"a.tsv",
         "label\ttext_a\n",
         {.header = AE_HEADER_NO},
         "tsv, no header, label=1, text_a=2",
         "label|text_a@1\n",
         0},
        {"a.tsv",
         "1\tgood\n",
         {.format = "uer", .header = AE_HEADER_NO},
         "uer (tsv), no header, label=1, text_a=2",
         "1|good@1\n",
         0},
    };
    CHECK_ALL(cases);
}

static void test_unlabelled(void **state)
{
    (void)state;
    static const good cases[] = {
        {"a.txt",
         "\none\n\ntext\n\n",
         {.unlabelled = true},
         "tsv, no header, text_a=1",
         "@1\none@2\n@3\ntext@4\n@5\n",
         0},
        {"a.tsv", "text_a\n\none\n", {.unlabelled = true}, "uer (tsv), with a header, text_a=text_a", "@2\none@3\n", 0},
        {"a.txt", "text\n", {.unlabelled = true}, "tsv, no header, text_a=1", "text@1\n", 0},
        {"a.tsv",
         "label\ttext_a\n\nx\tone\n",
         {.unlabelled = true},
         "uer (tsv), with a header, text_a=text_a",
         "one@3\n",
         0},
        {"a.tsv",
         "index\tsentence\n0\tone\n",
         {.unlabelled = true},
         "tsv, with a header, text_a=sentence",
         "one@2\n",
         0},
        {"a.tsv",
         "index\tsentence\n0\tone\n",
         {.format = "glue-cola", .unlabelled = true},
         "glue-cola (tsv), with a header, text_a=sentence",
         "one@2\n",
         0},
        {"a.tsv",
         "one\ttwo\n",
         {.columns = "text_a=1,text_b=2", .unlabelled = true},
         "tsv, no header, text_a=1, text_b=2",
         "one|two@1\n",
         0},
        {"a.json",
         "{\"sentence1\":\"a\",\"sentence2\":\"b\",\"label\":\"-\"}",
         {.unlabelled = true},
         "snli (jsonl), text_a=sentence1, text_b=sentence2",
         "a|b@1\n",
         0},
    };
    CHECK_ALL(cases);
}

static void test_csv(void **state)
{
    (void)state;
    static const good cases[] = {
        {"a.csv",
         "label,text\n1,\"a, \"\"b\"\"\"\n2,plain\n",
         {0},
         "csv, with a header, label=label, text_a=text",
         "1|a, \"b\"@2\n2|plain@3\n",
         0},
        {"a.csv",
         "label,text\r\n1,\"line one\r\n\r\nline \"\"two\"\"\"\r\n\"2\",\"\"\r\n",
         {0},
         "csv, with a header, label=label, text_a=text",
         "1|line one\n\nline \"two\"@2\n2|@5\n",
         0},
        {"a.CSV", "1,,b\n\n2,a,\n", {0}, "csv, no header, label=1, text_a=2, text_b=3", "1||b@1\n2|a|@3\n", 0},
        {"a.csv",
         "\"la\nbel\",text_a\n1,x\n",
         {.columns = "label=1,text_a=2"},
         "csv, with a header, label=la\nbel, text_a=text_a",
         "1|x@3\n",
         0},
        {"a.data", "1,a\n", {.format = "csv"}, "csv, no header, label=1, text_a=2", "1|a@1\n", 0},
        {"a.csv",
         "id,grade,body\n7,1,\"\"\"\"\n",
         {.columns = "label=grade,text_a=body"},
         "csv, with a header, label=grade, text_a=body",
         "1|\"@2\n",
         0},
    };
    CHECK_ALL(cases);
}

static void test_jsonl(void **state)
{
    (void)state;
    static const good cases[] = {
        {"a.jsonl",
         "{\"label\": 1, \"text_a\": \"a\\n\\\"b\\\"\"}\n\n{\"x\": [1, {}], \"text_a\": true, \"label\": -2.50}\n",
         {0},
         "jsonl, label=label, text_a=text_a",
         "1|a\n\"b\"@1\n-2.50|true@3\n",
         0},
        {"a",
         "{\"gold_label\":\"x\",\"sentence1\":\"a\",\"sentence2\":\"b\",\"p\":null}\n"
         "{\"sentence2\":\"d\",\"gold_label\":\"-\",\"sentence1\":\"c\"}\n"
         "{\"sentence2\":\"f\",\"sentence1\":\"e\",\"gold_label\":\"y\"}\n",
         {0},
         "snli (jsonl), label=gold_label, text_a=sentence1, text_b=sentence2",
         "x|a|b@1\ny|e|f@3\n",
         1},
        {"a.jsonl",
         "{\"1\":\"a\",\"t\":\"b\"}",
         {.columns = "label=1,text_a=t"},
         "jsonl, label=1, text_a=t",
         "a|b@1\n",
         0},
    };
    CHECK_ALL(cases);
}

static void test_presets(void **state)
{
    (void)state;
    static const good cases[] = {
        {"train.tsv",
         "gj04\t1\t\tIt rains.\ngj04\t0\t*\tRains it.\n",
         {0},
         "glue-cola (tsv), no header, label=2, text_a=4",
         "1|It rains.@1\n0|Rains it.@2\n",
         0},
        {"m.tsv",
         "\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\the said \"a\tb\n",
         {0},
         "mrpc (tsv), with a header, label=Quality, text_a=#1 String, text_b=#2 String",
         "1|he said \"a|b@2\n",
         0},
        {"SICK.txt",
         "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n1\ta\tb\t4.5\tNEUTRAL\n",
         {0},
         "sick (tsv), with a header, label=entailment_judgment, text_a=sentence_A, text_b=sentence_B",
         "NEUTRAL|a|b@2\n",
         0},
        {"SICK.txt",
         "pair_ID\tsentence_A\tsentence_B\tentailment_label\trelatedness_score\n1\ta\tb\tNEUTRAL\t4.5\n",
         {.columns = "label=relatedness_score"},
         "sick (tsv), with a header, label=relatedness_score, text_a=sentence_A, text_b=sentence_B",
         "4.5|a|b@2\n",
         0},
        {"SICK.txt",
         "sentence_A\tsentence_B\trelatedness_score\na\tb\t4.5\n",
         {.format = "sick-r"},
         "sick-r (tsv), with a header, label=relatedness_score, text_a=sentence_A, text_b=sentence_B",
         "4.5|a|b@2\n",
         0},
        {"dev.txt",
         "gold_label\tparse\tsentence1\tsentence2\n-\t(\ta\tb\nneutral\t(\tc\td\n",
         {0},
         "snli (tsv), with a header, label=gold_label, text_a=sentence1, text_b=sentence2",
         "neutral|c|d@3\n",
         1},
        {"2015.tsv",
         "\ta\tb\n4.50\tc\td\n\te\tf\n",
         {0},
         "sts (tsv), no header, label=1, text_a=2, text_b=3",
         "4.50|c|d@2\n",
         2},
        {"mr.all",
         "0 simplistic , silly \n12 \n1 a\tb\n",
         {0},
         "sent-conv (text), label=1, text_a=2",
         "0|simplistic , silly @1\n12|@2\n1|a\tb@3\n",
         0},
        {"mr.txt", "pos fine\n", {.format = "sent-conv"}, "sent-conv (text), label=1, text_a=2", "pos|fine@1\n", 0},
    };
    CHECK_ALL(cases);
}

static void test_other_encodings(void **state)
{
    (void)state;
    ae_err e = {0};
    const ae_table_options o = {.lines = {AE_TEXT_LATIN1, AE_TEXT_ERRORS_FAIL}};
    ae_table *t = open_text("mr.all", "1 cr\xe8me\n", &o, &e);
    assert_non_null(t);
    assert_string_equal(t->rows[0].text_a, "cr\xc3\xa8me");
    ae_table_free(t);
    const ae_table_options skip = {.lines = {AE_TEXT_UTF8, AE_TEXT_ERRORS_SKIP}};
    t = open_text("mr.all", "1 cr\xe8me\n", &skip, &e);
    assert_non_null(t);
    assert_string_equal(t->rows[0].text_a, "crme");
    assert_int_equal(t->repaired, 1);
    ae_table_free(t);
    assert_null(open_text("mr.all", "1 cr\xe8me\n", NULL, &e));
    assert_non_null(strstr(e.message, "mr.all:1: byte 5 of the line is 0xe8"));
    ae_table_free(NULL);
}

/* More than a block of strings and more rows than the first array holds. */
static void test_large(void **state)
{
    (void)state;
    enum { ROWS = 5000, LONG = 1000000 };
    char *text = malloc(LONG + ROWS * 80 + 100), *at = text;
    at += sprintf(at, "label\ttext_a\nlong\t");
    memset(at, 'x', LONG);
    at += LONG;
    for (int i = 0; i < ROWS; i++) {
        at += sprintf(at, "\n%d\tthis is the text of row number %d of the table, and no other", i % 7, i);
    }
    ae_err e = {0};
    ae_table *t = open_text("a.tsv", text, NULL, &e);
    assert_non_null(t);
    assert_int_equal(t->count, ROWS + 1);
    assert_int_equal(strlen(t->rows[0].text_a), LONG);
    for (int i = 0; i < ROWS; i++) {
        char want[80];
        snprintf(want, sizeof want, "this is the text of row number %d of the table, and no other", i);
        assert_string_equal(t->rows[i + 1].text_a, want);
        assert_int_equal(t->rows[i + 1].label[0], '0' + i % 7);
        assert_int_equal(t->rows[i + 1].line, i + 3);
    }
    ae_table_free(t);
    free(text);
}

/* ---- what is refused ---- */

typedef struct bad {
    const char *name, *text;
    ae_table_options o;
    const char *message; /* behind "FOLDER/NAME" */
} bad;

static void refuse_all(const bad *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ae_err e = {0};
        ae_table *t = open_text(cases[i].name, cases[i].text, &cases[i].o, &e);
        if (t) {
            fail_msg("taken: %s as %s", cases[i].text, t->read_as);
        }
        char want[AE_ERR_MESSAGE_MAX];
        snprintf(want, sizeof want, "%s%s", path, cases[i].message);
        assert_string_equal(e.message, want);
    }
}
#define REFUSE_ALL(cases) refuse_all(cases, sizeof(cases) / sizeof *(cases))

static void test_refused_columns(void **state)
{
    (void)state;
    static const bad cases[] = {
        {"a.tsv",
         "lable\ttext_a\n1\tx\n",
         {0},
         ":1: no column is known as label: say which one (columns, as in label=NAME), or that there are no "
         "labels; "
         "the header has lable, text_a"},
        {"a.tsv",
         "lable\ttext_a\n1\tx\n",
         {.format = "uer"},
         ":1: there is no column label for label; the header has lable, text_a"},
        {"a.tsv",
         "label\tbody\n1\tx\n",
         {.columns = "label=label"},
         ":1: no column is known as text_a: say which one (columns, as in text_a=NAME); the header has label, "
         "body"},
        {"a.tsv",
         "a\tb\n1\tx\n",
         {.columns = "label=a,text_a=c"},
         ":1: there is no column c for text_a; the header has a, b"},
        {"a.tsv",
         "1\tx\n",
         {.columns = "label=1,text_a=3"},
         ":1: there is no column 3 for text_a; the first row has 2 fields and no header"},
        {"a.tsv",
         "1\tx\n",
         {.columns = "label=0,text_a=2"},
         ":1: there is no column 0 for label; the first row has 2 fields and no header"},
        {"a.tsv",
         "q\tw\te\tr\n",
         {0},
         ":1: no column is known as label: say which one (columns, as in label=2), or that there are no labels; "
         "the first row has 4 fields and no header"},
        {"a.tsv",
         "q\tw\n",
         {.unlabelled = true},
         ":1: no column is known as text_a: say which one (columns, as in text_a=2); the first row has 2 fields "
         "and "
         "no header"},
        {"a.txt",
         "only a text\n",
         {0},
         ":1: no column is known as label: say which one (columns, as in label=2), or that there are no labels; "
         "the first row has 1 field and no header"},
        {"a.tsv",
         "1\tx\n",
         {.format = "glue-cola"},
         ":1: there is no column 4 for text_a; the first row has 2 fields and no header"},
        {"a.tsv",
         "a\tb\n",
         {.columns = "label=a,text_a=b", .header = AE_HEADER_NO},
         ":1: columns are asked for by name, and the table is said to have no header; use numbers"},
        {"a.tsv",
         "a\tb\n",
         {.columns = "lable=1,text_a=2"},
         ":1: columns: lable is none of label, text_a, text_b; columns are written as label=2,text_a=4 or by "
         "names "
         "as in label=gold,text_a=premise"},
        {"a.tsv",
         "a\tb\n",
         {.columns = "label=1,label=2"},
         ":1: columns: label is given twice; columns are written as label=2,text_a=4 or by names as in "
         "label=gold,text_a=premise"},
        {"a.tsv",
         "a\tb\n",
         {.columns = "label=1,text_a"},
         ":1: columns: text_a is given without a column; columns are written as label=2,text_a=4 or by names as "
         "in "
         "label=gold,text_a=premise"},
        {"a.jsonl",
         "{\"label\":1,\"body\":\"x\"}",
         {0},
         ":1: no column is known as text_a: say which one (columns, as in text_a=NAME); the first object has "
         "label, "
         "body"},
        {"a.json",
         "{}",
         {.unlabelled = true},
         ":1: no column is known as text_a: say which one (columns, as in text_a=NAME); the first object has nothing"},
        {"a.json",
         "{\"sentence1\":\"a\",\"sentence2\":\"b\"}",
         {0},
         ":1: no column is known as label: say which one (columns, as in label=NAME), or that there are no "
         "labels; "
         "the first object has sentence1, sentence2"},
        {"a.tsv",
         "a\tb\n",
         {.format = "glue-coal"},
         ": there is no format glue-coal (is glue-cola meant?); the formats are tsv, csv, jsonl, uer, mrpc, sick, "
         "sick-r, "
         "snli, glue-cola, sts, sent-conv"},
        {"a.tsv",
         "a\tb\n",
         {.format = "excel 97"},
         ": there is no format excel 97; the formats are tsv, csv, jsonl, uer, mrpc, sick, sick-r, snli, glue-cola, "
         "sts, "
         "sent-conv"},
    };
    REFUSE_ALL(cases);
}

static void test_refused_rows(void **state)
{
    (void)state;
    static const bad cases[] = {
        {"a.tsv", "", {0}, ": the table has no rows"},
        {"a.tsv", "\n\n\n", {0}, ": the table has no rows"},
        {"a.tsv", "label\ttext_a\n\n", {0}, ": the table has no rows below its header"},
        {"a.json",
         "{\"label\":\"-\",\"sentence1\":\"a\",\"sentence2\":\"b\"}\n",
         {0},
         ": the table has no labelled rows: all 1 were left out (read as snli (jsonl), label=label, text_a=sentence1, "
         "text_b=sentence2)"},
        {"a.tsv", "label\ttext_a\n1\tx\n\n1\n", {0}, ":4: 1 field, and the header has 2"},
        {"a.tsv", "label\ttext_a\n1\tx\ty\n", {0}, ":2: 3 fields, and the header has 2; is there a tab inside a text?"},
        {"a.csv",
         "1,x\n1,x,y\n",
         {0},
         ":2: 3 fields, and the first row has 2; a text with a comma in it must stand in quotes"},
        {"a.csv",
         "1,\"a\nb\"\n2,\"c\nd\",3\n",
         {0},
         ":3: 3 fields, and the first row has 2; a text with a comma in it must stand in quotes"},
        {"a.tsv", "label\ttext_a\n \tx\n", {0}, ":2: the label is empty"},
        {"a.csv",
         "1,x\n1,a \"good\" film\n",
         {0},
         ":2: a quote inside a field that does not begin with one; put the field in quotes and double those "
         "inside, "
         "as in \"the \"\"best\"\" film\""},
        {"a.csv",
         "1,x\n1,\"a \"good\" film\"\n",
         {0},
         ":2: text behind a closing quote; the quotes inside a field must be doubled, as in \"the \"\"best\"\" "
         "film\""},
        {"a.csv",
         "1,\"x\ny\" z\n",
         {0},
         ":2: text behind a closing quote; the quotes inside a field must be doubled, as in \"the \"\"best\"\" "
         "film\""},
        {"a.csv", "1,x\n\"1\",\"a\n\nb\n", {0}, ": the quote opened in line 2 is never closed"},
        {"a.csv", "1,x\n\"1\n\",\"a\n\nb\n", {0}, ": the quote opened in line 3 is never closed"},
        {"mr.all",
         "1 x\nnothing\n",
         {0},
         ":2: a line is a label, a space and the text, for instance \"1 a fine film\""},
        {"mr.all", "1 x\n y\n", {0}, ":2: a line is a label, a space and the text, for instance \"1 a fine film\""},
        {"a.jsonl", "{\"label\":1,\"text\":\"x\"}\n{\"label\":1}\n", {0}, ":2: this object has no \"text\""},
        {"a.jsonl",
         "{\"label\":1,\"text\":\"x\"}\n{\"label\":null,\"text\":\"x\"}\n",
         {0},
         ":2: this object has no \"label\""},
        {"a.jsonl",
         "{\"label\":1,\"text\":\"x\"}\n\n{\"label\":1,\"text\":[\"x\"]}\n",
         {0},
         ":3: \"text\" is an array or an object; a string or a number is needed"},
        {"a.jsonl",
         "{\"label\":1,\"text\":\"x\"}\n{\"label\":1,\"text\":}\n",
         {0},
         ":2: column 19: a value is needed here; a line is one JSON object, as in {\"label\": 1, \"text_a\": "
         "\"a "
         "fine film\"}"},
        {"a.json",
         "[\n{\"label\":1,\"text\":\"x\"}\n]\n",
         {0},
         ":1: column 2: the text ends where a value is needed; a line is one JSON object, as in {\"label\": 1, "
         "\"text_a\": \"a fine film\"}"},
        {"a.jsonl",
         "[1]\n",
         {0},
         ":1: an array; a line is one JSON object, as in {\"label\": 1, \"text_a\": \"a fine film\"}"},
        {"a.jsonl",
         "{\"label\":1,\"text\":\"a\\u0000b\"}\n",
         {0},
         ":1: a string with a zero byte; a line is one JSON object, as in {\"label\": 1, \"text_a\": \"a fine film\"}"},
    };
    REFUSE_ALL(cases);
}

static void test_refused_files(void **state)
{
    (void)state;
    ae_err e = {0};
    assert_null(ae_table_open("no/such/file.tsv", NULL, &e));
    assert_int_equal(e.code, AE_E_MISSING);
    assert_non_null(strstr(e.message, "no/such/file.tsv"));
    ae_err_clear(&e);
    static const char zero[] = "label\ttext_a\n1\ta\0b\n";
    assert_null(ae_table_open(put("z.tsv", zero, sizeof zero - 1), NULL, &e));
    assert_non_null(strstr(e.message, "z.tsv:2: a zero byte; is this a text file, and in UTF-8?"));
    unlink(path);
}

static void test_formats_are_listed(void **state)
{
    (void)state;
    int n = ae_table_format_count();
    assert_int_equal(n, 11);
    assert_string_equal(ae_table_format_name(3), "uer");
    for (int i = 0; i < n; i++) {
        assert_true(strlen(ae_table_format_about(i)) > 10);
    }
    assert_null(ae_table_format_name(-1));
    assert_null(ae_table_format_name(n));
    assert_null(ae_table_format_about(n));
}

/* ---- labels ---- */

static ae_labels *labels_of(const char *text)
{
    ae_err e = {0};
    ae_table *t = open_text("l.tsv", text, NULL, &e);
    assert_non_null(t);
    ae_labels *l = ae_labels_of(t, &e);
    assert_non_null(l);
    ae_table_free(t);
    return l;
}

static void assert_labels(const char *text, const char *joined)
{
    ae_labels *l = labels_of(text);
    char names[256] = "";
    for (int64_t i = 0; i < l->count; i++) {
        strcat(strcat(names, i ? " " : ""), l->names[i]);
        assert_int_equal(ae_labels_find(l, l->names[i]), i);
    }
    assert_string_equal(names, joined);
    assert_int_equal(ae_labels_find(l, "unseen"), -1);
    ae_json *j = ae_labels_json(l);
    ae_err e = {0};
    ae_labels *again = ae_labels_from_json(j, &e);
    assert_non_null(again);
    assert_int_equal(again->count, l->count);
    for (int64_t i = 0; i < l->count; i++) {
        assert_string_equal(again->names[i], l->names[i]);
    }
    ae_labels_free(again);
    ae_json_free(j);
    ae_labels_free(l);
}

static void test_labels(void **state)
{
    (void)state;
    assert_labels("1\ta\n0\ta\n1\ta\n2\ta\n", "0 1 2");
    assert_labels("10\ta\n9\ta\n-3\ta\n100\ta\n9\ta\n", "-3 9 10 100");
    assert_labels("10\ta\n9\ta\nx\ta\n", "10 9 x");
    assert_labels("10\ta\n9\ta\n07\ta\n", "07 10 9");
    assert_labels("-0\ta\n9\ta\n10\ta\n", "-0 10 9");
    assert_labels("neutral\ta\n\xe4\xb8\xad\ta\nEntailment\ta\nneutral\tb\n", "Entailment neutral \xe4\xb8\xad");
    ae_labels_free(NULL);
}

static void test_refused_labels(void **state)
{
    (void)state;
    ae_err e = {0};
    const ae_table_options o = {.unlabelled = true};
    ae_table *t = open_text("a.txt", "a\n", &o, &e);
    assert_non_null(t);
    assert_null(ae_labels_of(t, &e));
    assert_non_null(strstr(e.message, "a.txt: the table was read without labels, so there are no classes"));
    ae_table_free(t);
    static const char *const cases[][2] = {
        {"{}", "labels: an array of at least one string is needed, not an object"},
        {"[]", "labels: an array of at least one string is needed, not an empty one"},
        {"[\"a\", 1]", "labels: number 1: "},
        {"[\"a\", \"b\", \"a\"]", "labels: the name \"a\" stands twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_err_clear(&e);
        ae_json *j = ae_json_parse(cases[i][0], strlen(cases[i][0]), &e);
        assert_null(ae_labels_from_json(j, &e));
        if (strncmp(e.message, cases[i][1], strlen(cases[i][1])) != 0) {
            fail_msg("%s", e.message);
        }
        ae_json_free(j);
    }
    ae_err_clear(&e);
    assert_null(ae_labels_from_json(NULL, &e));
    assert_int_equal(e.code, AE_E_FORMAT);
}

int main(void)
{
    if (!mkdtemp(folder)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tsv),
        cmocka_unit_test(test_unlabelled),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_other_encodings),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_refused_columns),
        cmocka_unit_test(test_refused_rows),
        cmocka_unit_test(test_refused_files),
        cmocka_unit_test(test_formats_are_listed),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_refused_labels),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
