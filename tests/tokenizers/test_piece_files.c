/* SentencePiece's files: the ids and texts of its library, with every option and with broken UTF-8 (expected.json);
 * what is read is what was written; files that are none, or that its library refuses, are refused by a message; each
 * family has the ids and frames of its reference. */
#include "tokenizer_samples.h"
#include "tokenizers/piece_kinds.h"
#include "tokenizers/tokenizer_internal.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- the library's own results -------------------------------------------------------------------------------------- */

#define FOLDER AE_TEST_DIR "/tokenizers/sentencepiece/"

static size_t from_hex(const char *hex, char *bytes)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (char)strtol(pair, NULL, 16);
    }
    bytes[n] = '\0';
    return n;
}

static int64_t read_ids(const ae_json *list, int32_t *ids)
{
    int64_t n = 0, value = 0;
    for (const ae_json *m = ae_json_first(list); m; m = ae_json_next(m)) {
        assert_int_equal(ae_json_value_int(m, &value, NULL), 0);
        ids[n++] = (int32_t)value;
    }
    return n;
}

static const char *string_at(const ae_json *row, int i)
{
    const char *text = NULL;
    assert_int_equal(ae_json_value_string(ae_json_at(row, i), &text, NULL), 0);
    return text;
}

static void decodes_to(const ae_tokenizer *t, const int32_t *ids, int64_t n, const char *hex)
{
    char want[4096];
    size_t wanted = from_hex(hex, want), got = 0;
    char *text = ae_tokenizer_decode(t, ids, n, false, &got, NULL);
    assert_non_null(text);
    assert_int_equal(got, wanted);
    assert_memory_equal(text, want, wanted);
    free(text);
}

static void check_text(const ae_tokenizer *t, const char *name, const ae_json *row, ae_encoding *x)
{
    char text[2048];
    int32_t ids[1024];
    ae_err e = {0};
    size_t bytes = from_hex(string_at(row, 0), text);
    int64_t n = read_ids(ae_json_at(row, 1), ids);
    if (ae_tokenizer_encode(t, text, bytes, NULL, x, &e) != 0 || x->count != n ||
        (n > 0 && memcmp(ids, x->ids, (size_t)n * sizeof *ids) != 0)) {
        fail_msg("%s: the ids of the text %s (%s)", name, string_at(row, 0), e.message);
    }
    for (int64_t i = 0; i < n; i++) { /* ranges lie in the text, one behind the other */
        assert_true(x->starts[i] <= x->ends[i] && x->ends[i] <= (int64_t)bytes);
        assert_true(i == 0 || x->starts[i] >= x->starts[i - 1]);
    }
    decodes_to(t, ids, n, string_at(row, 2));
}

static ae_tokenizer *open_own(const char *name)
{
    char path[512];
    ae_err e = {0};
    snprintf(path, sizeof path, FOLDER "%s.model", name);
    ae_tokenizer *t = ae_tokenizer_open(path, NULL, &e);
    if (!t) {
        fail_msg("%s", e.message);
    }
    assert_string_equal(ae_tokenizer_kind(t), "sentencepiece");
    return t;
}

static ae_tokenizer *through_json(const ae_tokenizer *t)
{
    ae_err e = {0};
    ae_json *j = ae_tokenizer_json(t, &e);
    ae_tokenizer *again = j ? ae_tokenizer_from_json(j, &e) : NULL;
    if (!again) {
        fail_msg("%s", e.message);
    }
    ae_json_free(j);
    assert_true(ae_tokenizer_hash(again) == ae_tokenizer_hash(t));
    assert_string_equal(ae_tokenizer_kind(again), ae_tokenizer_kind(t));
    return again;
}

static ae_tokenizer *from_bytes(const char *data, size_t bytes, const ae_piece_settings *settings, ae_err *e)
{
    ae_piece_file f;
    const ae_piece_kind *kind = ae_piece_kind_settle(settings, e);
    return kind && ae_piece_file_read(data, bytes, &f, e) == 0 ? ae_tokenizer_from_pieces(&f, kind, settings, e) : NULL;
}

static ae_tokenizer *through_file(const ae_tokenizer *t)
{
    ae_err e = {0};
    size_t bytes = 0;
    char *data = ae_tokenizer_piece_file(t, &bytes, &e);
    assert_non_null(data);
    assert_true(ae_is_piece_file(data, bytes));
    ae_tokenizer *again = from_bytes(data, bytes, &(ae_piece_settings){0}, &e);
    if (!again) {
        fail_msg("%s", e.message);
    }
    free(data);
    return again;
}

static void check_model(const char *name, const ae_json *cases)
{
    ae_tokenizer *first = open_own(name);
    ae_tokenizer *all[] = {first, through_json(first), through_file(first)};
    int32_t ids[64];
    for (int k = 0; k < 3; k++) {
        ae_encoding x = {0};
        int rows = 0;
        for (const ae_json *m = ae_json_first(ae_json_get(cases, "texts")); m; m = ae_json_next(m), rows++) {
            check_text(all[k], name, m, &x);
        }
        assert_int_equal(rows, 50);
        for (const ae_json *m = ae_json_first(ae_json_get(cases, "ids")); m; m = ae_json_next(m)) {
            decodes_to(all[k], ids, read_ids(ae_json_at(m, 0), ids), string_at(m, 1));
        }
        ae_encoding_free(&x);
        ae_tokenizer_free(all[k]);
    }
}

static void test_library(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_json *j = ae_json_read_file(FOLDER "expected.json", &e);
    assert_non_null(j);
    int models = 0;
    for (const ae_json *m = ae_json_first(ae_json_get(j, "models")); m; m = ae_json_next(m), models++) {
        check_model(ae_json_key(m), m);
    }
    assert_int_equal(models, 7);
    ae_json_free(j);
}

/* Control pieces are special, and have roles; the unknown piece has its own. */
static void test_roles(void **state)
{
    (void)state;
    ae_tokenizer *t = open_own("symbols");
    const char *names[] = {"<pad>", "<unk>", "<s>", "</s>"};
    for (int role = 0; role < 4; role++) {
        int32_t id = ae_tokenizer_role(t, (ae_token_role)role);
        assert_string_equal(ae_tokenizer_token(t, id, NULL), names[role]);
        assert_int_equal(ae_tokenizer_is_special(t, id), role != AE_TOKEN_UNKNOWN);
    }
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_MASK), -1);
    assert_true(ae_tokenizer_is_special(t, ae_tokenizer_id(t, "<c>", 3)));
    assert_false(ae_tokenizer_is_special(t, ae_tokenizer_id(t, "<sep>", 5)));
    ae_tokenizer_free(t);
}

/* ---- files that are none --------------------------------------------------------------------------------------------- */

/* A piece as the format has it; score and type are left out when they are 0. */
static void add_piece(ae_bytes *out, const char *piece, size_t bytes, unsigned type)
{
    ae_bytes_u8(out, 0x0a);
    ae_bytes_u8(out, (unsigned)(2 + bytes + 5 + (type ? 2 : 0)));
    ae_bytes_u8(out, 0x0a);
    ae_bytes_u8(out, (unsigned)bytes);
    ae_bytes_add(out, piece, bytes);
    ae_bytes_u8(out, 0x15);
    ae_bytes_u32(out, 0xbf800000);
    if (type) {
        ae_bytes_u8(out, 0x18);
        ae_bytes_u8(out, type);
    }
}

static void refuses_pieces(ae_bytes *data, const char *message)
{
    ae_err e = {0};
    ae_tokenizer *t = from_bytes(data->data ? data->data : "", data->length, &(ae_piece_settings){0}, &e);
    assert_null(t);
    if (!strstr(e.message, message)) {
        fail_msg("\"%s\" lacks \"%s\"", e.message, message);
    }
    ae_bytes_free(data);
}

static ae_bytes with_unknown(void)
{
    ae_bytes b = {0};
    add_piece(&b, "<unk>", 5, AE_PIECE_UNKNOWN);
    return b;
}

static void test_refused(void **state)
{
    (void)state;
    ae_bytes b = {0};
    refuses_pieces(&b, "it has 0 pieces; 1 to 16777215 are possible");
    ae_bytes_add(&b, "\x0a\x50short", 7);
    refuses_pieces(&b, "not a SentencePiece model, or cut short");
    add_piece(&b, "a", 1, 0);
    refuses_pieces(&b, "there is no unknown piece");
    b = with_unknown();
    add_piece(&b, "", 0, 0);
    refuses_pieces(&b, "piece 1 is empty");
    b = with_unknown();
    add_piece(&b, "\xff", 1, 0);
    refuses_pieces(&b, "piece 1 is not valid UTF-8");
    b = with_unknown();
    add_piece(&b, "a", 1, 9);
    refuses_pieces(&b, "piece 1 (\"a\") is of the type 9; types go from 1 to 6");
    b = with_unknown();
    add_piece(&b, "<unk>", 5, 0);
    refuses_pieces(&b, "the pieces 0 and 1 are the same (\"<unk>\")");
    b = with_unknown();
    add_piece(&b, "<0x4g>", 6, AE_PIECE_BYTE);
    refuses_pieces(&b, "piece 1 (\"<0x4g>\") is of the type for bytes and is no <0x00> to <0xFF>");
    b = with_unknown();
    add_piece(&b, "<0x41>", 6, AE_PIECE_BYTE);
    refuses_pieces(&b, "byte fallback is off, and 1 bytes have pieces");
    b = with_unknown();
    ae_bytes_add(&b, "\x12\x02\x18\x07", 4); /* the trainer's model_type */
    refuses_pieces(&b, "its model is of the type 7; 1 (unigram), 2 (BPE), 3 (word), 4 (char) are known");
    b = with_unknown();
    ae_bytes_add(&b, "\x12\x03\x98\x02\x01", 5); /* byte_fallback */
    refuses_pieces(&b, "byte fallback is on, and 0 bytes have pieces");
    b = with_unknown();
    ae_bytes_add(&b, "\x1a\x08\x12\x06\x04\0\0\0\0\0", 10); /* precompiled_charsmap */
    refuses_pieces(&b, "\"precompiled_charsmap\": the map of characters is broken: a trie of 4 bytes in 6");
    b = with_unknown();
    ae_bytes_add(&b, "\x1a\x03\x0a\x01\xff", 5); /* the rules' name */
    refuses_pieces(&b, "the name of the rules is not valid UTF-8");
}

static void test_is_file(void **state)
{
    (void)state;
    ae_bytes b = with_unknown();
    assert_true(ae_is_piece_file(b.data, b.length));
    assert_false(ae_is_piece_file(b.data, 3));
    assert_false(ae_is_piece_file(b.data, 0));
    assert_false(ae_is_piece_file("\n\n\n\n\n\n\n\n\n\n\n\n\n\n", 14));
    assert_false(ae_is_piece_file("[PAD]\n[UNK]\n", 12));
    ae_bytes_free(&b);
    for (int i = 0; i < 256; i++) {
        char piece[8];
        snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)i);
        assert_int_equal(ae_piece_byte(piece, 6), i);
    }
    assert_int_equal(ae_piece_byte("<0x4a>", 6), -1);
    assert_int_equal(ae_piece_byte("<0x41", 5), -1);
}

/* ---- families ---------------------------------------------------------------------------------------------------------- */

static const char *const small[] = {"<unk>",
                                    "<s>",
                                    "</s>",
                                    "\xe2\x96\x81",
                                    "a",
                                    "b",
                                    "\xe2\x96\x81"
                                    "ab"};
static const char *const small_t5[] = {"<pad>",
                                       "</s>",
                                       "<unk>",
                                       "\xe2\x96\x81",
                                       "a",
                                       "b",
                                       "\xe2\x96\x81"
                                       "ab"};

/* A model of 7 pieces in memory. */
static ae_bytes small_model(const char *const pieces[7])
{
    ae_bytes b = {0};
    for (int i = 0; i < 7; i++) {
        bool unknown = strcmp(pieces[i], "<unk>") == 0;
        add_piece(&b, pieces[i], strlen(pieces[i]),
                  unknown               ? AE_PIECE_UNKNOWN
                  : pieces[i][0] == '<' ? AE_PIECE_CONTROL
                                        : AE_PIECE_NORMAL);
    }
    return b;
}

static ae_tokenizer *family(const char *kind, const char *const pieces[7], const char *config, const char *vocab)
{
    ae_err e = {0};
    ae_bytes b = small_model(pieces);
    ae_tokenizer_options o = {.kind = kind};
    ae_piece_settings s = {.options = &o,
                           .config = config ? ae_json_parse(config, strlen(config), &e) : NULL,
                           .vocab = vocab ? ae_json_parse(vocab, strlen(vocab), &e) : NULL};
    ae_tokenizer *t = from_bytes(b.data, b.length, &s, &e);
    if (!t) {
        fail_msg("%s", e.message);
    }
    ae_json_free((ae_json *)(uintptr_t)s.config);
    ae_json_free((ae_json *)(uintptr_t)s.vocab);
    ae_bytes_free(&b);
    return t;
}

/* The frame of a text and a pair, as ids: "0 7 2". */
static void framed(ae_tokenizer *t, const char *single, const char *pair)
{
    ae_encoding x = {0};
    ae_err e = {0};
    const ae_encode_options options = {.special = true};
    for (int k = 0; k < 2; k++) {
        char got[256] = "";
        int status = k == 0 ? ae_tokenizer_encode(t, "ab", 2, &options, &x, &e)
                            : ae_tokenizer_encode_pair(t, "ab", 2, "b", 1, &options, &x, &e);
        assert_int_equal(status, 0);
        for (int64_t i = 0; i < x.count; i++) {
            snprintf(got + strlen(got), sizeof got - strlen(got), i ? " %d" : "%d", (int)x.ids[i]);
        }
        assert_string_equal(got, k == 0 ? single : pair);
    }
    ae_encoding_free(&x);
    ae_tokenizer *again = through_json(t);
    ae_tokenizer_free(again);
    ae_tokenizer_free(t);
}

static void test_families(void **state)
{
    (void)state;
    ae_tokenizer *t = family("xlm-roberta", small, NULL, NULL);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_MASK), 8);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_UNKNOWN), 3);
    framed(t, "0 7 2", "0 7 2 2 4 6 2");
    framed(family("mbart", small, NULL, NULL), "7 2 11", "7 4 6 2 11");
    framed(family("mbart", small, "{\"src_lang\":\"ro_RO\"}", NULL), "7 2 27", "7 4 6 2 27");
    framed(family("mbart50", small, NULL, NULL), "11 7 2", "11 7 4 6 2");
    t = family("camembert", small, NULL, NULL);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_MASK), 11);
    framed(t, "5 10 6", "5 10 6 6 7 9 6");
    t = family("pegasus", small_t5, NULL, NULL);
    assert_int_equal(ae_tokenizer_role(t, AE_TOKEN_UNKNOWN), 105);
    assert_int_equal(ae_tokenizer_id(t, "<unk_2>", 7), 4);
    assert_int_equal(ae_tokenizer_id(t, "<unk_102>", 9), 104);
    framed(t, "109 1", "109 106 108 1");
    framed(family("pegasus", small_t5, "{\"offset\":3}", NULL), "9 1", "9 6 8 1");
    t = family("t5", small_t5, "{\"extra_ids\":2}", NULL);
    assert_int_equal(ae_tokenizer_size(t), 9);
    assert_int_equal(ae_tokenizer_id(t, "<extra_id_0>", 12), 8);
    assert_int_equal(ae_tokenizer_id(t, "<extra_id_1>", 12), 7);
    framed(t, "6 1", "6 1 3 5 1");
    framed(family("t5", small_t5, NULL, NULL), "6 1", "6 1 3 5 1");
    framed(family("llama", small, NULL, NULL), "1 6", "1 6 1 3 5");
    framed(family("llama", small, "{\"add_bos_token\":false,\"add_eos_token\":true}", NULL), "6 2", "6 2 3 5 2");
    framed(family("marian", small, NULL,
                  "{\"</s>\":0,\"<unk>\":1,\"\xe2\x96\x81"
                  "ab\":2,\"b\":3,\"\xe2\x96\x81\":4,\"z\":5,\"<pad>\":6}"),
           "2 0", "2 4 3 0");
    framed(family("bigbird", small, NULL, NULL), "9 6 7", "9 6 7 3 5 7");
    framed(family(NULL, small_t5, "{\"tokenizer_class\":\"T5TokenizerFast\",\"extra_ids\":0}", NULL), "6 1",
           "6 1 3 5 1");
    framed(family(NULL, small, "{\"tokenizer_class\":\"GrueffeloTokenizer\"}", NULL), "6", "6 3 5");
    t = family("xlnet", small, NULL, NULL);
    assert_int_equal(ae_tokenizer_id(t, "<mask>", 6), 10);
    framed(t, "6 7 9", "6 7 3 5 7 9");
    framed(family("albert", small_t5, NULL, NULL), "7 6 8", "7 6 8 3 5 8");
}

static void refuses_family(const char *kind, const char *const pieces[7], const char *config, const char *message)
{
    ae_err e = {0};
    ae_bytes b = small_model(pieces);
    ae_tokenizer_options o = {.kind = kind};
    ae_piece_settings s = {.options = &o, .config = config ? ae_json_parse(config, strlen(config), &e) : NULL};
    assert_null(from_bytes(b.data, b.length, &s, &e));
    if (!strstr(e.message, message)) {
        fail_msg("\"%s\" lacks \"%s\"", e.message, message);
    }
    ae_json_free((ae_json *)(uintptr_t)s.config);
    ae_bytes_free(&b);
}

static void test_families_refused(void **state)
{
    (void)state;
    refuses_family("bert", small, NULL,
                   "\"bert\" is no kind that a SentencePiece model has; kinds: sentencepiece, t5,");
    refuses_family("pegasus", small, NULL, "piece 0 of this family's models is \"<pad>\", not \"<unk>\"");
    refuses_family("xlm-roberta", small_t5, NULL, "piece 0 of this family's models is \"<unk>\", not \"<pad>\"");
    refuses_family("pegasus", small_t5, "{\"offset\":1}", "\"offset\" must lie between 2 and 65536");
    refuses_family("marian", small, NULL, "the kind \"marian\" needs vocab.json beside it");
    refuses_family("t5", small_t5, "{\"extra_ids\":-7}", "-7 extra ids; 0 to 100000 are possible");
    refuses_family("t5", small_t5, "{\"extra_ids\":\"x\"}", "extra_ids");
    assert_int_equal(ae_tokenizer_piece_kind_count(), 12);
    assert_string_equal(ae_tokenizer_piece_kind_name(0), "sentencepiece");
    assert_null(ae_tokenizer_piece_kind_name(12));
    assert_null(ae_tokenizer_piece_kind_about(-1));
    for (int i = 0; i < ae_tokenizer_piece_kind_count(); i++) {
        assert_non_null(ae_piece_kind_find(ae_tokenizer_piece_kind_name(i)));
        assert_true(strlen(ae_tokenizer_piece_kind_about(i)) > 20);
    }
}

/* ---- folders ------------------------------------------------------------------------------------------------------------ */

static void write_in(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
}

static void opens_as(const char *path, const char *kind)
{
    ae_err e = {0};
    ae_tokenizer *t = ae_tokenizer_open(path, NULL, &e);
    if (!t) {
        fail_msg("%s", e.message);
    }
    assert_string_equal(ae_tokenizer_kind(t), kind);
    ae_tokenizer_free(t);
}

static void test_folder(void **state)
{
    (void)state;
    char folder[] = "pieces_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    ae_bytes b = small_model(small);
    write_in(folder, "my.model", b.data, b.length);
    opens_as(folder, "sentencepiece"); /* the only one there */
    write_in(folder, "spiece.model", b.data, b.length);
    write_in(folder, "tokenizer_config.json", "{\"tokenizer_class\":\"XLMRobertaTokenizer\"}", 41);
    opens_as(folder, "xlm-roberta");
    write_in(folder, "vocab.txt", "[PAD]\n[UNK]\n", 12);
    opens_as(folder, "xlm-roberta");
    ae_err e = {0};
    ae_tokenizer *t = ae_tokenizer_open(folder, &(ae_tokenizer_options){.kind = "char"}, &e);
    assert_non_null(t);
    assert_string_equal(ae_tokenizer_kind(t), "char");
    ae_tokenizer_free(t);
    snprintf(path, sizeof path, "%s/spiece.model", folder);
    assert_null(ae_tokenizer_open(path, &(ae_tokenizer_options){.kind = "bert"}, &e));
    assert_non_null(strstr(e.message, "spiece.model: \"bert\" is no kind"));
    ae_err_clear(&e);
    write_in(folder, "spiece.model", "nothing", 7);
    assert_null(ae_tokenizer_open(path, NULL, &e));
    assert_non_null(strstr(e.message, "spiece.model: not a SentencePiece model, or cut short"));
    static const char *const names[] = {"my.model", "spiece.model", "tokenizer_config.json", "vocab.txt"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    ae_bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_library), cmocka_unit_test(test_roles),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_is_file), cmocka_unit_test(test_families), cmocka_unit_test(test_families_refused),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
