/* Every normalizer, pre-tokenizer and decoder against what Hugging Face's library gives (components.json), and back
 * to JSON; what broken and unknown components are answered. */
#include "tokenizers/component.h"
#include "tokenizers/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static ae_json *cases;

static int read_cases(void **state)
{
    (void)state;
    ae_err e = {0};
    cases = ae_json_read_file(AE_TEST_DIR "/tokenizers/components.json", &e);
    return cases ? 0 : -1;
}

static int free_cases(void **state)
{
    (void)state;
    ae_json_free(cases);
    return 0;
}

static char *bytes_of(const ae_json *j, size_t *length)
{
    char *p = ae_json_value_bytes(j, length, NULL);
    assert_non_null(p);
    return p;
}

/* The component, read, written and read again: what is written is what was read. */
static ae_component again(const ae_json *json, ae_component_reader *read)
{
    ae_component c = {0}, d = {0};
    ae_err e = {0};
    if (read(json, &c, &e) != 0) {
        fail_msg("%s", e.message);
    }
    ae_json *written = ae_component_json(&c, &e);
    char *one = ae_json_text(json, false, &e), *two = ae_json_text(written, false, &e);
    assert_string_equal(one, two);
    assert_int_equal(read(written, &d, &e), 0);
    free(one);
    free(two);
    ae_json_free(written);
    ae_component_free(&c);
    return d;
}

static void say(const ae_json *component, const char *got, size_t length, const char *want)
{
    char *text = ae_json_text(component, false, NULL);
    fail_msg("%s gave \"%.*s\" and not \"%s\"", text, (int)length, got, want);
}

static void check_alignment(const ae_work *w, size_t length)
{
    for (size_t i = 0; i < w->text.length; i++) {
        assert_true(w->text.from[i] <= w->text.to[i] && w->text.to[i] <= length);
        assert_true(i == 0 || w->text.from[i - 1] <= w->text.to[i]);
    }
}

static void test_normalizers(void **state)
{
    (void)state;
    ae_work w = {0};
    int count = 0;
    for (const ae_json *row = ae_json_first(ae_json_get(cases, "normalizers")); row; row = ae_json_next(row)) {
        const ae_json *component = ae_json_get(row, "component");
        ae_component c = again(component, ae_normalizer_from_json);
        for (const ae_json *m = ae_json_first(ae_json_get(row, "cases")); m; m = ae_json_next(m), count++) {
            size_t length = 0, want_length = 0;
            char *text = bytes_of(ae_json_at(m, 0), &length), *want = bytes_of(ae_json_at(m, 1), &want_length);
            ae_work_begin(&w, text, length);
            assert_int_equal(((const ae_normalizer_row *)c.row)->apply(c.self, &w), 0);
            if (w.text.length != want_length || (want_length && memcmp(w.text.bytes, want, want_length) != 0)) {
                say(component, w.text.bytes, w.text.length, want);
            }
            check_alignment(&w, length);
            free(text);
            free(want);
        }
        ae_component_free(&c);
    }
    assert_true(count > 300);
    ae_work_free(&w);
}

static void check_pieces(const ae_json *component, const ae_json *want, const ae_work *w)
{
    size_t i = 0;
    for (const ae_json *m = ae_json_first(want); m; m = ae_json_next(m), i++) {
        size_t length = 0;
        int64_t start = 0, end = 0;
        char *text = bytes_of(ae_json_at(m, 0), &length);
        ae_json_value_int(ae_json_at(m, 1), &start, NULL);
        ae_json_value_int(ae_json_at(m, 2), &end, NULL);
        assert_true(i < w->pieces.count);
        ae_piece p = w->pieces.at[i];
        if (p.end - p.start != length || memcmp(w->text.bytes + p.start, text, length) != 0) {
            say(component, w->text.bytes + p.start, p.end - p.start, text);
        }
        /* A space that was put in front stands for nothing here; there, for the first character. */
        bool put = w->text.from[p.start] == w->text.to[p.end - 1] && strcmp(text, "\xc4\xa0") == 0;
        if (w->text.from[p.start] != start || (w->text.to[p.end - 1] != end && !put)) {
            char range[64];
            int n = snprintf(range, sizeof range, "%d-%d", (int)w->text.from[p.start], (int)w->text.to[p.end - 1]);
            say(component, range, (size_t)n, text);
        }
        free(text);
    }
    if (i != w->pieces.count) {
        say(component, "more pieces", 11, "fewer");
    }
}

static void test_pre_tokenizers(void **state)
{
    (void)state;
    ae_work w = {0};
    int count = 0;
    for (const ae_json *row = ae_json_first(ae_json_get(cases, "pre_tokenizers")); row; row = ae_json_next(row)) {
        const ae_json *component = ae_json_get(row, "component");
        ae_component c = again(component, ae_pre_tokenizer_from_json);
        for (const ae_json *m = ae_json_first(ae_json_get(row, "cases")); m; m = ae_json_next(m), count++) {
            size_t length = 0;
            char *text = bytes_of(ae_json_at(m, 0), &length);
            ae_work_begin(&w, text, length);
            w.begins = w.text_start = true;
            ae_work_piece(&w, 0, length, -1);
            ae_work_swap_pieces(&w);
            assert_int_equal(((const ae_pre_tokenizer_row *)c.row)->apply(c.self, &w), 0);
            check_pieces(component, ae_json_at(m, 1), &w);
            check_alignment(&w, length);
            free(text);
        }
        ae_component_free(&c);
    }
    assert_true(count > 700);
    ae_work_free(&w);
}

static void decode(const ae_component *c, const ae_json *tokens, ae_strings *out)
{
    ae_strings in = {0};
    for (const ae_json *m = ae_json_first(tokens); m; m = ae_json_next(m)) {
        size_t length = 0;
        char *token = bytes_of(m, &length);
        ae_strings_add(&in, token, length);
        free(token);
    }
    ((const ae_decoder_row *)c->row)->apply(c->self, &in, out);
    ae_strings_free(&in);
}

static void test_decoders(void **state)
{
    (void)state;
    int count = 0;
    for (const ae_json *row = ae_json_first(ae_json_get(cases, "decoders")); row; row = ae_json_next(row)) {
        const ae_json *component = ae_json_get(row, "component");
        if (ae_json_is_null(component)) {
            continue; /* no decoder: test_tokenizer.c */
        }
        ae_component c = again(component, ae_decoder_from_json);
        for (const ae_json *m = ae_json_first(ae_json_get(row, "cases")); m; m = ae_json_next(m), count++) {
            ae_strings out = {0};
            size_t want_length = 0;
            char *want = bytes_of(ae_json_at(m, 1), &want_length);
            decode(&c, ae_json_at(m, 0), &out);
            assert_false(out.failed);
            if (out.used != want_length || (want_length && memcmp(out.bytes, want, want_length) != 0)) {
                say(component, out.bytes, out.used, want);
            }
            free(want);
            ae_strings_free(&out);
        }
        ae_component_free(&c);
    }
    assert_true(count > 130);
}

/* ---- broken ones ---------------------------------------------------------------------------------------------------- */

static void refuses(ae_component_reader *read, const char *text, const char *message)
{
    ae_err e = {0};
    ae_json *j = ae_json_parse(text, strlen(text), &e);
    assert_non_null(j);
    ae_component c = {0};
    assert_int_equal(read(j, &c, &e), -1);
    assert_null(c.row);
    if (!strstr(e.message, message)) {
        fail_msg("\"%s\" lacks \"%s\"", e.message, message);
    }
    ae_json_free(j);
}

static void test_refused(void **state)
{
    (void)state;
    refuses(ae_normalizer_from_json, "{\"type\":\"BertNormaliser\"}",
            "normalizer: the type \"BertNormaliser\" is not known; did you mean \"BertNormalizer\"?");
    refuses(ae_normalizer_from_json, "{\"type\":\"Precompile\"}",
            "normalizer: the type \"Precompile\" is not known; did you mean \"Precompiled\"?");
    refuses(ae_normalizer_from_json, "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}",
            "normalizer Precompiled: \"precompiled_charsmap\": 3 letters are not base64: a multiple of 4 is needed");
    refuses(ae_normalizer_from_json, "[1]", "normalizer: an object with a \"type\" is needed, not an array");
    refuses(ae_normalizer_from_json, "{}", "normalizer: ");
    refuses(ae_normalizer_from_json, "{\"type\":\"BertNormalizer\",\"lowercase\":3}", "normalizer BertNormalizer: ");
    refuses(ae_normalizer_from_json, "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},null]}",
            "normalizer Sequence: member 1 of \"normalizers\" is null");
    refuses(ae_normalizer_from_json, "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFX\"}]}",
            "normalizer Sequence: normalizer: the type \"NFX\" is not known");
    refuses(
        ae_normalizer_from_json, "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(a|b*\"},\"content\":\"x\"}",
        "normalizer Replace: the regular expression (a|b* is not understood: end pattern with unmatched parenthesis");
    refuses(ae_normalizer_from_json, "{\"type\":\"Replace\",\"pattern\":3,\"content\":\"x\"}",
            "\"pattern\" must be {\"String\": \"...\"} or {\"Regex\": \"...\"}");
    refuses(ae_normalizer_from_json, "{\"type\":\"Replace\",\"pattern\":\"x\"}", "normalizer Replace: ");
    refuses(ae_normalizer_from_json, "{\"type\":\"Prepend\"}", "normalizer Prepend: ");
    refuses(ae_normalizer_from_json, "{\"type\":\"Strip\",\"strip_left\":\"x\"}", "normalizer Strip: ");
    refuses(ae_pre_tokenizer_from_json, "{\"type\":\"Punctuation\",\"behavior\":\"Gone\"}",
            "pre_tokenizer Punctuation: \"behavior\" is \"Gone\"; it may be Removed, Isolated, ");
    refuses(ae_pre_tokenizer_from_json, "{\"type\":\"ByteLevel\",\"use_regex\":[]}", "pre_tokenizer ByteLevel: ");
    refuses(ae_pre_tokenizer_from_json, "{\"type\":\"Digits\",\"individual_digits\":\"x\"}", "pre_tokenizer Digits: ");
    refuses(ae_pre_tokenizer_from_json, "{\"type\":\"Split\",\"invert\":1}", "pre_tokenizer Split: ");
    refuses(ae_pre_tokenizer_from_json,
            "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{Nope}\"},\"behavior\":\"Isolated\",\"invert\":false}",
            "pre_tokenizer Split: the regular expression \\p{Nope} is not understood: invalid character property name");
    refuses(ae_pre_tokenizer_from_json, "{\"type\":\"FixedLength\",\"length\":0}",
            "pre_tokenizer FixedLength: \"length\" is 0; a piece has at least 1 character");
    refuses(ae_pre_tokenizer_from_json, "{\"type\":\"CharDelimiterSplit\"}", "pre_tokenizer CharDelimiterSplit: ");
    refuses(ae_model_from_json, "null", "model: an object is needed, not null");
    refuses(ae_model_from_json, "{\"type\":\"WordPiece\"}", "model WordPiece: ");
    refuses(ae_model_from_json, "{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}",
            "model WordPiece: the unknown token \"[UNK]\" is not in the vocabulary");
    refuses(ae_model_from_json, "{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":0}}",
            "model WordPiece: vocab: the tokens \"a\" and \"b\" both have the id 0");
    refuses(ae_model_from_json, "{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}",
            "vocab: the token \"a\" has the id -1; ids lie between 0 and 16777215");
    refuses(ae_model_from_json, "{\"type\":\"WordPiece\",\"vocab\":{\"a\":\"b\"}}", "vocab: the id of \"a\": ");
    refuses(ae_model_from_json, "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":1},\"max_input_chars_per_word\":-1}",
            "model WordPiece: \"max_input_chars_per_word\" is -1");
    refuses(ae_model_from_json, "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]}",
            "model BPE: merge 1 joins \"a\" and \"b\" to a token that is not in the vocabulary");
    refuses(ae_model_from_json, "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a c\"]}",
            "model BPE: merge 1: the token \"c\" is not in the vocabulary");
    refuses(ae_model_from_json, "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}",
            "model BPE: merge 1: \"a\" is not two tokens with a space between");
    refuses(ae_model_from_json, "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b c\"]}", "is not two tokens");
    refuses(ae_model_from_json, "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",3]]}",
            "model BPE: merge 1: ");
    refuses(ae_model_from_json, "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}",
            "model BPE: \"dropout\" is not 0");
    refuses(ae_model_from_json, "{\"type\":\"BPE\",\"vocab\":{\"a\":0}}", "model BPE: ");
    refuses(ae_model_from_json, "{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":3}", "model WordLevel: ");
    refuses(ae_post_from_json, "{\"type\":\"BertProcessing\",\"sep\":[\"x\"],\"cls\":[\"y\",1]}",
            "post_processor BertProcessing: \"sep\" must be a token and its id");
    refuses(ae_post_from_json, "{\"type\":\"BertProcessing\",\"sep\":[\"x\",-3],\"cls\":[\"y\",1]}",
            "post_processor BertProcessing: \"sep\" has the id -3");
    refuses(ae_post_from_json, "{\"type\":\"TemplateProcessing\",\"single\":[],\"pair\":[]}",
            "post_processor TemplateProcessing: single: it must hold the sequence A");
    refuses(ae_post_from_json,
            "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}}],"
            "\"pair\":[]}",
            "single: \"special_tokens\" has no ids for \"[CLS]\"");
    refuses(ae_post_from_json,
            "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}],\"pair\":[]}",
            "single: the sequence \"B\": each of A stands once in a template");
    refuses(ae_post_from_json,
            "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":256}}],\"pair\":[]}",
            "single: \"type_id\" must lie between 0 and 255");
    refuses(ae_post_from_json, "{\"type\":\"TemplateProcessing\",\"single\":[3],\"pair\":[]}",
            "single: a place must be {\"SpecialToken\": ...} or {\"Sequence\": ...}");
    refuses(ae_decoder_from_json, "{\"type\":\"Strip\",\"content\":\"ab\",\"start\":1,\"stop\":0}",
            "decoder Strip: \"content\" must be one character");
    refuses(ae_decoder_from_json, "{\"type\":\"CTC\",\"pad_token\":3}", "decoder CTC: ");
    refuses(ae_decoder_from_json, "{\"type\":\"Replace\",\"content\":\"ab\"}", "decoder Replace: ");
    refuses(ae_decoder_from_json, "{\"type\":\"WordPiece\",\"prefix\":3}", "decoder WordPiece: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalizers),
        cmocka_unit_test(test_pre_tokenizers),
        cmocka_unit_test(test_decoders),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, read_cases, free_cases);
}
