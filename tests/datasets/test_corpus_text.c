/* The small parts that read a corpus: sentences cut out of text, what a line is, lines that a test set holds. */
#include "datasets/corpus_unit.h"
#include "datasets/exclusion.h"
#include "datasets/sentence_cut.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The sentences of a text, "|" behind each. */
static const char *cut(const char *text)
{
    static char out[1024];
    size_t at = 0, from, length, used = 0;
    out[0] = '\0';
    while (ae_next_sentence(text, strlen(text), &at, &from, &length)) {
        used += (size_t)snprintf(out + used, sizeof out - used, "%.*s|", (int)length, text + from);
    }
    return out;
}

static void sentences_end_at_their_marks(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {" \t\xe3\x80\x80", ""},
        {"One. Two! Three? Four", "One.|Two!|Three?|Four|"},
        {"  One.  Two.  ", "One.|Two.|"},
        {"Well... No?! Yes.", "Well...|No?!|Yes.|"},
        {"\"Go.\" He went. (It rained.) She stayed.", "\"Go.\"|He went.|(It rained.)|She stayed.|"},
        {"\"Stop!\" he cried. Then it was 3.14 p.m. on a.b.com.",
         "\"Stop!\" he cried.|Then it was 3.14 p.m. on a.b.com.|"},
        {"Mr. Fox met J. R. Crow, e.g. here. Am I? It was I. They left.",
         "Mr. Fox met J. R. Crow, e.g. here.|Am I?|It was I.|They left.|"},
        {"狐狸看见葡萄。它够不着！为什么？", "狐狸看见葡萄。|它够不着！|为什么？|"},
        {"他说：“走吧。”然后走了。「好。」她说。", "他说：“走吧。”|然后走了。|「好。」|她说。|"},
        {"很好!下次再来?会的.好", "很好!|下次再来?|会的.好|"},
        {"真的吗？！……好吧", "真的吗？！……|好吧|"},
        {"“我……”他说。他……走了", "“我……”|他说。|他……走了|"},
        {"No. He ran to No. 5. See p. 14. On Jan. 5 it was. See p. He",
         "No.|He ran to No. 5.|See p. 14.|On Jan. 5 it was.|See p.|He|"},
        {"1. Foxes. 2. Crows. In 1999. He sat. A.C. Bradley of the U.S. He left. X",
         "1. Foxes.|2. Crows.|In 1999.|He sat.|A.C. Bradley of the U.S.|He left.|X|"},
        {"It was I. 7. J.", "It was I.|7. J.|"},
        {"क ख। ग घ।", "क ख।|ग घ।|"},
        {"wait . Then @.@ go .", "wait .|Then @.@ go .|"},
        {"...", "...|"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(cut(cases[i][0]), cases[i][1]);
    }
    assert_true(ae_is_blank(" \t\xc2\xa0\xe3\x80\x80\r", 8));
    assert_false(ae_is_blank(" \0", 2));
    assert_true(ae_is_blank("", 0));
}

/* Every byte but blanks comes back, in order, for any bytes that are UTF-8. */
static void nothing_is_lost_in_cutting(void **state)
{
    static const char *const parts[] = {"a", "B", ".", "!", "?", " ", "\"", "。", "”", "é", "\xe3\x80\x80", ")", "Mr"};
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 3000; round++) {
        char text[128] = "", plain[128] = "", back[128] = "";
        for (int k = 0; k < 12; k++) {
            seed = seed * 1664525u + 1013904223u;
            const char *part = parts[(seed >> 16) % (sizeof parts / sizeof *parts)];
            strcat(text, part);
            strcat(plain, ae_is_blank(part, strlen(part)) ? "" : part);
        }
        size_t at = 0, from, length;
        while (ae_next_sentence(text, strlen(text), &at, &from, &length)) {
            assert_true(length > 0 && from + length == at);
            for (size_t i = 0, n; i < length; i++) {
                n = ae_blank_length(text + from + i, length - i);
                if (n > 0) {
                    i += n - 1;
                } else {
                    strncat(back, text + from + i, 1);
                }
            }
        }
        assert_string_equal(back, plain);
    }
}

static ae_corpus_look look_at(const char *const *lines)
{
    ae_corpus_look look = {0};
    for (; *lines; lines++) {
        ae_corpus_look_at(&look, *lines, strlen(*lines));
    }
    return look;
}

static void the_unit_is_told_from_lines(void **state)
{
    static const char *const sentences[] = {"", "A fox.", "", "", "A crow. It sat.", "A jug.", "A hen.", "", NULL};
    static const char *const documents[] = {"A fox. It ran.", "", "A crow. It sat.", NULL};
    static const char *const lines[] = {"A fox.", "A crow.", NULL};
    static const char *const none[] = {"", NULL};
    char text[512];
    (void)state;
    ae_corpus_look look = look_at(sentences);
    assert_int_equal(look.lines, 4);
    assert_int_equal(look.sentences, 5);
    assert_int_equal(look.blank, 1); /* those at the ends part nothing, two after each other part once */
    assert_int_equal(ae_corpus_look_unit(&look), AE_UNIT_SENTENCE);
    look = look_at(documents);
    assert_int_equal(ae_corpus_look_unit(&look), AE_UNIT_DOCUMENT);
    look = look_at(lines);
    assert_int_equal(ae_corpus_look_unit(&look), AE_UNIT_DOCUMENT);
    look = look_at(none);
    ae_corpus_look_explain(&look, text);
    assert_non_null(strstr(text, "the first 0 lines with text hold 0.0 sentences each"));
    char longest[600];
    memset(longest, 'x', sizeof longest);
    memcpy(longest + 81, "狐狸看见葡萄它够不着", 30);
    longest[599] = '\0';
    const char *const wide[] = {longest, longest + 200, NULL};
    look = look_at(wide);
    ae_corpus_look_explain(&look, text);
    assert_non_null(strstr(text, "xx狐狸看...\" and \"xxx")); /* cut between characters */
}

static void lines_and_cells_are_excluded(void **state)
{
    static const char *const in[] = {"the fox", "THE  FOX",   " the\tfox ", "thefox",          "Say \"no\", crow",
                                     "a,b",     "label,text", "x \"y\" z",  "\"quoted\" cell", "quoted",
                                     "deep",    "狐狸",       "3"};
    static const char *const out[] = {"the foxes", "", "  ", "say no, crow", "text", "狐", "a", "key"};
    (void)state;
    FILE *f = fopen("exclude_a.csv", "w");
    fputs("label,text\n1,\"Say \"\"no\"\", crow\"\n2,\"the fox\"\n\n3,\n", f);
    fclose(f);
    f = fopen("exclude_b.txt", "w");
    fputs("a,b\nx \"y\" z\n\"quoted\" cell\tq\n\"quoted\"\tr\n{\"key\": [{\"k\": \"deep\"}, 4, "
          "null]}\n{\"broken\n狐　狸\n",
          f);
    fclose(f);
    const char *paths[] = {"exclude_a.csv", "exclude_b.txt", "no_such_file"};
    ae_err e = {0};
    ae_exclusion *x = ae_exclusion_open(paths, 2, NULL, &e);
    assert_non_null(x);
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        if (!ae_exclusion_has(x, in[i], strlen(in[i]))) {
            fail_msg("%s is not there", in[i]);
        }
    }
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        bool cell = strcmp(out[i], "text") == 0; /* of the header, and so it is there */
        assert_int_equal(ae_exclusion_has(x, out[i], strlen(out[i])), cell);
    }
    ae_exclusion_free(x);
    assert_null(ae_exclusion_open(paths, 3, NULL, &e));
    assert_int_equal(e.code, AE_E_MISSING);
    x = ae_exclusion_open(NULL, 0, NULL, &e);
    assert_int_equal(ae_exclusion_count(x), 0);
    assert_false(ae_exclusion_has(x, "a", 1));
    ae_exclusion_free(x);
    ae_exclusion_free(NULL);
    unlink("exclude_a.csv");
    unlink("exclude_b.txt");
}

/* Enough texts that the table grows several times. */
static void many_texts_are_told_apart(void **state)
{
    enum { TEXTS = 20000 };
    (void)state;
    FILE *f = fopen("exclude_c.txt", "w");
    for (int i = 0; i < TEXTS; i++) {
        fprintf(f, "text %d\n", 2 * i);
    }
    fclose(f);
    const char *path = "exclude_c.txt";
    ae_err e = {0};
    ae_exclusion *x = ae_exclusion_open(&path, 1, NULL, &e);
    assert_int_equal(ae_exclusion_count(x), TEXTS);
    for (int i = 0; i < 2 * TEXTS; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "TEXT %d", i);
        assert_int_equal(ae_exclusion_has(x, text, (size_t)n), i % 2 == 0);
    }
    ae_exclusion_free(x);
    unlink("exclude_c.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_end_at_their_marks), cmocka_unit_test(nothing_is_lost_in_cutting),
        cmocka_unit_test(the_unit_is_told_from_lines),  cmocka_unit_test(lines_and_cells_are_excluded),
        cmocka_unit_test(many_texts_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
