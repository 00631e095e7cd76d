/* Text that grows token by token: characters stay whole, blanks come where they belong, stops are never shown. */
#include "apps/text_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ae_tokenizer *gpt2, *bert;

static int open_tokenizers(void **state)
{
    (void)state;
    ae_err e = {0};
    FILE *f = fopen("stream_words.txt", "wb");
    fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nfox\n##es\n.\nran\n", f);
    fclose(f);
    gpt2 = ae_tokenizer_open(AE_TEST_DIR "/golden/tok_gpt2", NULL, &e);
    bert = ae_tokenizer_open("stream_words.txt", NULL, &e);
    if (e.code) {
        fail_msg("%s", e.message);
    }
    return 0;
}

static int close_tokenizers(void **state)
{
    (void)state;
    ae_tokenizer_free(gpt2);
    ae_tokenizer_free(bert);
    return 0;
}

/* Streams the tokens of a text behind those of `given`; `pieces` receives what came after each token, parted by '|'.
 * Returns how the stream ended. */
static int stream(const ae_tokenizer *t, const char *given, const char *text, const char *const *stops, int n_stops,
                  char *pieces, char *whole)
{
    ae_err e = {0};
    ae_encoding a = {0}, b = {0};
    size_t bytes;
    int status = 0;
    assert_int_equal(ae_tokenizer_encode(t, given, strlen(given), NULL, &a, &e), 0);
    assert_int_equal(ae_tokenizer_encode(t, text, strlen(text), NULL, &b, &e), 0);
    ae_text_stream *s = ae_text_stream_new(t, a.ids, a.count, stops, n_stops, &e);
    *pieces = '\0';
    for (int64_t i = 0; i < b.count && status == 0; i++) {
        status = ae_text_stream_add(s, b.ids[i], &e);
        const char *new = ae_text_stream_take(s, &bytes);
        sprintf(pieces + strlen(pieces), "%.*s|", (int)bytes, new);
    }
    assert_int_equal(ae_text_stream_stopped(s), status == 1);
    if (status == 1) {
        assert_int_equal(ae_text_stream_add(s, 0, &e), 1); /* nothing more is taken */
    }
    assert_int_equal(ae_text_stream_end(s, &e), 0);
    const char *rest = ae_text_stream_take(s, &bytes);
    sprintf(pieces + strlen(pieces), "%.*s", (int)bytes, rest);
    strcpy(whole, ae_text_stream_text(s));
    ae_text_stream_free(s);
    ae_encoding_free(&a);
    ae_encoding_free(&b);
    return status;
}

static void characters_stay_whole(void **state)
{
    (void)state;
    char pieces[512], whole[256];
    static const char text[] =
        "a \xf0\x9f\xa6\x8a \xe7\x8b\x90\xe7\x8b\xb8!"; /* a fox's face, and its name in Chinese */
    assert_int_equal(stream(gpt2, "x", text, NULL, 0, pieces, whole), 0);
    assert_string_equal(whole, text);
    int count = 0;
    for (char *piece = strtok(pieces, "|"); piece; piece = strtok(NULL, "|"), count++) {
        assert_true((*piece & 0xc0) != 0x80); /* no piece begins inside a character */
        size_t n = strlen(piece);
        unsigned char last = (unsigned char)piece[n - 1];
        assert_true(last < 0xc0); /* nor ends behind its first byte */
    }
    assert_true(count >= 4);
}

static void what_stays_incomplete_is_replaced(void **state)
{
    (void)state;
    ae_err e = {0};
    size_t bytes;
    ae_encoding x = {0};
    static const char fox[] = "\xf0\x9f\xa6\x8a";
    ae_tokenizer_encode(gpt2, fox, 4, NULL, &x, &e);
    assert_true(x.count > 1);
    ae_text_stream *s = ae_text_stream_new(gpt2, NULL, 0, NULL, 0, &e);
    assert_int_equal(ae_text_stream_add(s, x.ids[0], &e), 0);
    ae_text_stream_take(s, &bytes);
    assert_int_equal(bytes, 0);
    assert_int_equal(ae_text_stream_end(s, &e), 0);
    ae_text_stream_take(s, &bytes);
    assert_true(bytes >= 3);
    assert_memory_equal(ae_text_stream_text(s), "\xef\xbf\xbd", 3);
    ae_text_stream_free(s);
    ae_encoding_free(&x);
}

static void blanks_between_words(void **state)
{
    (void)state;
    char pieces[256], whole[256];
    assert_int_equal(stream(bert, "the", "foxes ran .", NULL, 0, pieces, whole), 0);
    assert_true(strncmp(pieces, " fox|es| ran|", 13) == 0);
    assert_int_equal(stream(bert, "", "foxes ran", NULL, 0, pieces, whole), 0);
    assert_string_equal(pieces, "fox|es| ran|");
    assert_string_equal(whole, "foxes ran");
}

static void stops_are_never_shown(void **state)
{
    (void)state;
    char pieces[256], whole[256];
    const char *const stops[] = {"es ran the", "xyz"};
    assert_int_equal(stream(bert, "", "the foxes ran the fox", stops, 2, pieces, whole), 1);
    assert_string_equal(whole, "the fox");
    assert_string_equal(pieces, "th|e fo|x|||"); /* what may begin a stop waits */
    assert_int_equal(stream(bert, "", "the foxes ran fox", stops, 2, pieces, whole), 0);
    assert_string_equal(pieces, "th|e fo|x||es ran fo|x");
    assert_int_equal(stream(bert, "", "the foxes ran", stops, 2, pieces, whole), 0);
    assert_string_equal(pieces, "th|e fo|x||es ran"); /* at the end nothing waits */
    assert_string_equal(whole, "the foxes ran");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_stay_whole),
        cmocka_unit_test(what_stays_incomplete_is_replaced),
        cmocka_unit_test(blanks_between_words),
        cmocka_unit_test(stops_are_never_shown),
    };
    return cmocka_run_group_tests(tests, open_tokenizers, close_tokenizers);
}
