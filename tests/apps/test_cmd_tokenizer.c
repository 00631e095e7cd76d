/* `aesop tokenizer ...` as a user meets it: training from files, streaming both ways, looking up, converting, and what
 * bad input gets. */
#include "apps/program.h"
#include "tokenizers/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FABLES AE_TEST_DIR "/../datasets/fables/fables-1.tsv"
#define GPT2_CASE AE_TEST_DIR "/golden/tok_gpt2"
#define BERT_CASE AE_TEST_DIR "/golden/tok_bert_uncased"

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static void assert_same_file(const char *a, const char *b)
{
    char *x = read_text(a), *y = read_text(b);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void assert_log(int status, int wanted, const char *message)
{
    if (status != wanted || !strstr(log_text, message)) {
        fail_msg("status %d; log: %s", status, log_text);
    }
}

/* ---- train ------------------------------------------------------------------------------------------------------ */

static void trains_each_kind_into_a_folder(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *size, *folder, *vocabulary;
    } rows[] = {{"bert", "2000", "tok_bert", "tok_bert/vocab.txt"},
                {"gpt2", "1000", "tok_gpt2", "tok_gpt2/vocab.json"},
                {"char", "800", "tok_char", "tok_char/vocab.txt"},
                {"space", "2000", "tok_space", "tok_space/vocab.txt"}};
    for (size_t i = 0; i < 4; i++) {
        int status = aesop(12, "tokenizer", "train", "--kind", rows[i].kind, "--vocab-size", rows[i].size, "--corpus",
                           FABLES, "-o", rows[i].folder, "--force", "--json");
        if (status) {
            fail_msg("%s: %s", rows[i].kind, log_text);
        }
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\"size\":%s", rows[i].size);
        assert_non_null(strstr(out_text, wanted));
        assert_non_null(strstr(out_text, "tokenizer.json"));
        assert_int_equal(access(rows[i].vocabulary, R_OK), 0);
        assert_int_equal(aesop(3, "tokenizer", "inspect", rows[i].folder), 0);
        snprintf(wanted, sizeof wanted, "size           %s tokens", rows[i].size);
        assert_non_null(strstr(out_text, wanted));
    }
    assert_int_equal(access("tok_gpt2/merges.txt", R_OK), 0);
    char *merges = read_text("tok_gpt2/merges.txt");
    assert_int_equal(strncmp(merges, "#version: 0.2\n", 14), 0);
    free(merges);
}

/* Each algorithm, and the options of SentencePiece's kinds: what is written is opened again and gives texts back. */
static void trains_sentencepieces_kinds(void **state)
{
    (void)state;
    static const char text[] = "The fox, 42  \xe7\x8b\x90\xe7\x8b\xb8!";
    static const struct {
        const char *options[6], *output, *decoded;
    } rows[] = {
        {{"--kind=sentencepiece", "--vocab-size=1500", "--threads=1"},
         "pieces.model",
         "The fox, 42 \xe7\x8b\x90\xe7\x8b\xb8!"},
        {{"--kind=sentencepiece", "--algorithm=bpe", "--vocab-size=1500", "--split-digits"},
         "pieces.model",
         "The fox, 42 \xe7\x8b\x90\xe7\x8b\xb8!"},
        {{"--kind=sentencepiece", "--algorithm=char", "--vocab-size=1300", "--normalization=nfkc_cf"},
         "pieces.model",
         "the fox, 42 \xe7\x8b\x90\xe7\x8b\xb8!"},
        {{"--kind=llama", "--vocab-size=1500", "--sample-lines=300", "--character-coverage=0.9"},
         "pieces_folder",
         text},
        {{"--kind=t5", "--vocab-size=1500", "--user-symbol=fox,", "--keep-blanks=false"},
         "pieces.json",
         "The fox, 42 \xe7\x8b\x90\xe7\x8b\xb8!"},
    };
    write_text("mixed.txt", text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const *o = rows[i].options;
        int status = aesop(11, "tokenizer", "train", "--corpus", FABLES, "-o", rows[i].output, "--force", o[0], o[1],
                           o[2], o[3] ? o[3] : "--progress=none");
        if (status) {
            fail_msg("%s %s: %s", o[0], o[1], log_text);
        }
        assert_int_equal(aesop(5, "tokenizer", "encode", "--tokenizer", rows[i].output, "mixed.txt"), 0);
        write_text("mixed_ids.txt", out_text);
        assert_int_equal(aesop(5, "tokenizer", "decode", "--tokenizer", rows[i].output, "mixed_ids.txt"), 0);
        assert_int_equal(strncmp(out_text, rows[i].decoded, strlen(rows[i].decoded)), 0);
    }
    assert_log(
        aesop(8, "tokenizer", "train", "--kind=bert", "--algorithm=bpe", "--vocab-size=600", FABLES, "-o", "x.model"),
        2, "algorithm does not apply to \"bert\"; it is for SentencePiece's kinds");
    assert_log(aesop(7, "tokenizer", "train", "--kind=sentencepiece", "--vocab-size=10", FABLES, "-o", "x.model"), 2,
               "pieces, vocab_size is 10; raise it or lower character_coverage");
    assert_log(aesop(9, "tokenizer", "train", "--kind=t5", "--algorithm=word", "--normalization=nfk",
                     "--vocab-size=600", FABLES, "-o", "x.model"),
               2, "there is no normalization \"nfk\"; did you mean \"nfkc\"?");
    assert_int_equal(access("x.model", F_OK), -1);
}

static void training_does_not_depend_on_threads(void **state)
{
    (void)state;
    assert_int_equal(aesop(12, "tokenizer", "train", "--kind=gpt2", "--vocab-size=700", "--corpus", FABLES,
                           "--threads=1", "-o", "one.json", "--force", "-q", "--progress=none"),
                     0);
    assert_string_equal(log_text, "");
    assert_int_equal(aesop(9, "tokenizer", "train", "--kind=gpt2", "--vocab-size=700", FABLES, "--threads=3", "-o",
                           "three.json", "--force"),
                     0);
    assert_non_null(strstr(log_text, "three.json: 700 tokens from "));
    assert_same_file("one.json", "three.json");
}

static void training_says_what_is_missing(void **state)
{
    (void)state;
    write_text("empty.txt", "");
    write_text("latin.txt", "caf\xe9\n");
    assert_log(aesop(3, "tokenizer", "train", "--kind=bert"), 2, "where to? give --output");
    assert_log(aesop(4, "tokenizer", "train", "-o", "x.json"), 2, "which kind of tokenizer? give --kind");
    assert_log(aesop(6, "tokenizer", "train", "--kind=brt", "--vocab-size=9", "-o", "x.json"), 2, "bert");
    assert_log(aesop(5, "tokenizer", "train", "--kind=bert", "-o", "x.json"), 2, "how many tokens? give --vocab-size");
    assert_log(aesop(6, "tokenizer", "train", "--kind=bert", "--vocab-size=90", "-o", "x.json"), 2,
               "which text? give --corpus FILE");
    assert_log(aesop(7, "tokenizer", "train", "--kind=space", "--corpus", "none.txt", "-o", "x.json"), 2,
               "none.txt: cannot be opened");
    assert_log(aesop(7, "tokenizer", "train", "--kind=space", "--corpus", "empty.txt", "-o", "x.json"), 2,
               "the corpus holds no line of text");
    assert_log(aesop(7, "tokenizer", "train", "--kind=space", "--corpus", "latin.txt", "-o", "x.json"), 2, "latin.txt");
    assert_int_equal(access("x.json", F_OK), -1);
    assert_int_equal(aesop(9, "tokenizer", "train", "--kind=space", "--corpus", "latin.txt", "--encoding=latin1", "-o",
                           "latin.json", "--force"),
                     0);
    assert_log(aesop(8, "tokenizer", "train", "--kind=space", "--corpus", "latin.txt", "--encoding=latin1", "-o",
                     "latin.json"),
               2, "latin.json: exists; --force overwrites it");
}

static void the_kinds_are_listed(void **state)
{
    (void)state;
    assert_int_equal(aesop(2, "list", "tokenizers"), 0);
    for (int i = 0; i < ae_tokenizer_kind_count(); i++) {
        assert_non_null(strstr(out_text, ae_tokenizer_kind_name(i)));
        assert_non_null(strstr(out_text, ae_tokenizer_kind_about(i)));
    }
}

static void own_special_tokens(void **state)
{
    (void)state;
    write_text("abc.txt", "b a b\n");
    assert_int_equal(aesop(9, "tokenizer", "train", "--kind=space", "--special-token=<pad>", "--special-token=[UNK]",
                           "--corpus=abc.txt", "-o", "own.txt", "--force"),
                     0);
    char *lines = read_text("own.txt");
    assert_string_equal(lines, "<pad>\n[UNK]\nb\na\n");
    free(lines);
}

/* ---- encode and decode ------------------------------------------------------------------------------------------ */

static void encodes_a_line_a_record(void **state)
{
    (void)state;
    write_text("lines.txt", "The fox\n\nthe fox ran.\n");
    assert_int_equal(aesop(5, "tokenizer", "encode", "--tokenizer", BERT_CASE, "lines.txt"), 0);
    assert_string_equal(out_text, "416 140 27 150 159\n\n416 140 27 150 159 39 136 149 10\n");
    assert_int_equal(aesop(6, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--to=tokens", "lines.txt"), 0);
    assert_string_equal(out_text, "th ##e f ##o ##x\n\nth ##e f ##o ##x r ##a ##n .\n");
    assert_int_equal(
        aesop(7, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--to=offsets", "--special", "lines.txt"), 0);
    assert_int_equal(strncmp(out_text, "0-0 0-2 2-3 4-5 5-6 6-7 0-0\n\n", 29), 0);
    assert_int_equal(aesop(7, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--special", "--seq=4", "lines.txt"), 0);
    assert_string_equal(out_text, "2 416 140 3\n\n2 416 140 3\n");
    assert_int_equal(aesop(6, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--json", "lines.txt"), 0);
    assert_non_null(strstr(
        out_text, "{\"schema\":1,\"ids\":[416,140,27,150,159],\"tokens\":[\"th\",\"##e\",\"f\",\"##o\","
                  "\"##x\"],\"type_ids\":[0,0,0,0,0],\"offsets\":[[0,2],[2,3],[4,5],[5,6],[6,7]],\"words\":[0,0,1,"
                  "1,1]}\n"
                  "{\"schema\":1,\"ids\":[],"));
}

static void encodes_pairs(void **state)
{
    (void)state;
    write_text("pairs.txt", "the fox\tthe\n");
    write_text("single.txt", "the fox\tthe\nthe fox\n");
    assert_int_equal(aesop(7, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--pair", "--special", "pairs.txt"), 0);
    assert_string_equal(out_text, "2 416 140 27 150 159 3 416 140 3\n");
    assert_log(aesop(6, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--pair", "single.txt"), 2,
               "single.txt: line 2: with --pair a line is two texts with a TAB between; this one has none");
}

static void encodes_json(void **state)
{
    (void)state;
    write_text("texts.json", "[\"the fox\", \"\", \"the\\nfox\\u0000\"]");
    write_text("object.json", "{\"a\": 1}");
    write_text("mixed.json", "[\"the\", 7]");
    assert_int_equal(aesop(5, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=texts.json"), 0);
    assert_string_equal(out_text, "[[416,140,27,150,159],[],[416,140,27,150,159]]\n");
    assert_int_equal(aesop(6, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=texts.json", "--special"),
                     0);
    assert_int_equal(strncmp(out_text, "[[2,416,140,27,150,159,3],[2,3],", 32), 0);
    assert_log(aesop(5, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=object.json"), 2,
               "object.json: an array of texts is wanted; it is an object");
    assert_log(aesop(5, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=mixed.json"), 2,
               "mixed.json: text 1");
    assert_log(aesop(6, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=texts.json", "lines.txt"), 2,
               "--from-json takes the place of files");
}

static void encodes_json_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *option, *want;
    } rows[] = {{"--to=tokens", "[[\"th\",\"##e\",\"f\",\"##o\",\"##x\"],[\"f\"]]\n"},
                {"--to=offsets", "[[[0,2],[2,3],[4,5],[5,6],[6,7]],[[0,1]]]\n"},
                {"--to=words", "[[0,0,1,1,1],[0]]\n"},
                {"--to=types", "[[0,0,0,0,0],[0]]\n"},
                {"--pad", "[[416,140,27,150,159],[27,0,0,0,0]]\n"},
                {"--seq=2", "[[416,140],[27]]\n"}};
    write_text("texts.json", "[\"the fox\", \"f\"]");
    write_text("pairs.json", "[[\"the fox\", \"fox\"], [\"f\", \"the\"]]");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(
            aesop(6, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=texts.json", rows[i].option), 0);
        assert_string_equal(out_text, rows[i].want);
    }
    assert_int_equal(aesop(9, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=pairs.json", "--pair",
                           "--special", "--seq=9", "--truncate=second"),
                     0);
    assert_string_equal(out_text, "[[2,416,140,27,150,159,3,27,3],[2,27,3,416,140,3]]\n");
    assert_log(aesop(6, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=texts.json", "--pair"), 2,
               "texts.json: text 0: with --pair an array of two texts is wanted; it is a string");
    assert_log(aesop(7, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--from-json=texts.json", "--seq=2",
                     "--truncate=fail"),
               2, "texts.json: text 0: ");
}

static void pads_lines(void **state)
{
    (void)state;
    write_text("lines.txt", "f\n\nthe fox\n");
    assert_int_equal(aesop(7, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--pad", "--seq=3", "lines.txt"), 0);
    assert_string_equal(out_text, "27 0 0\n\n416 140 27\n");
    assert_log(aesop(6, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--pad", "lines.txt"), 2,
               "to how many tokens? --pad of lines wants --seq N");
}

static void encoding_says_what_is_missing(void **state)
{
    (void)state;
    assert_log(aesop(2, "tokenizer", "encode"), 2, "which tokenizer? give --tokenizer PATH");
    assert_log(aesop(4, "tokenizer", "encode", "--tokenizer", "nowhere"), 2, "nowhere: ");
    assert_log(aesop(5, "tokenizer", "encode", "--tokenizer", BERT_CASE, "--to=parts"), 2,
               "--to parts: one of ids, tokens, offsets, words, types is wanted");
    assert_log(aesop(5, "tokenizer", "encode", "--tokenizer", BERT_CASE, "nowhere.txt"), 2, "nowhere.txt: ");
}

static void decodes(void **state)
{
    (void)state;
    write_text("ids.txt", "323 32 315 320 107\n\n[323, 198]\n");
    assert_int_equal(aesop(5, "tokenizer", "decode", "--tokenizer", GPT2_CASE, "ids.txt"), 0);
    assert_int_equal(strncmp(out_text, "The quick\n\nThe", 14), 0);
    write_text("words.txt", "1 2\n3 four\n");
    assert_log(aesop(5, "tokenizer", "decode", "--tokenizer", GPT2_CASE, "words.txt"), 2,
               "words.txt: line 2: \"four\" is no id; ids are numbers with blanks between");
    write_text("large.txt", "497\n");
    assert_log(aesop(5, "tokenizer", "decode", "--tokenizer", GPT2_CASE, "large.txt"), 2, "large.txt: line 1: ");
    write_text("huge.txt", "99999999999999999999\n");
    assert_log(aesop(5, "tokenizer", "decode", "--tokenizer", GPT2_CASE, "huge.txt"), 2, "is no id");
    write_text("special.txt", "2 416 140 3\n");
    assert_int_equal(aesop(6, "tokenizer", "decode", "--tokenizer", BERT_CASE, "--skip-special", "special.txt"), 0);
    assert_string_equal(out_text, "the\n");
}

/* Byte-level tokens of any text decode to that text. */
static void round_trip_through_ids(void **state)
{
    (void)state;
    assert_int_equal(aesop(9, "tokenizer", "train", "--kind=gpt2", "--vocab-size=1000", "--corpus", FABLES, "-o",
                           "trip.json", "--force"),
                     0);
    assert_int_equal(aesop(5, "tokenizer", "encode", "--tokenizer", "trip.json", FABLES), 0);
    write_text("trip_ids.txt", out_text);
    assert_int_equal(aesop(5, "tokenizer", "decode", "--tokenizer", "trip.json", "trip_ids.txt"), 0);
    write_text("trip_text.txt", out_text);
    assert_same_file("trip_text.txt", FABLES);
}

/* ---- inspect and convert ---------------------------------------------------------------------------------------- */

static void inspects(void **state)
{
    (void)state;
    assert_int_equal(aesop(3, "tokenizer", "inspect", BERT_CASE), 0);
    assert_non_null(strstr(out_text, "kind           bert\n"));
    assert_non_null(strstr(out_text, "normalizer     BertNormalizer\n"));
    assert_non_null(strstr(out_text, "model          WordPiece\n"));
    assert_non_null(strstr(out_text, "       0  [PAD]  special  pad\n"));
    assert_int_equal(aesop(6, "tokenizer", "inspect", BERT_CASE, "416", "##e", "[MASK]"), 0);
    assert_string_equal(out_text,
                        "     416  th\n     140  ##e  goes on with a word\n       4  [MASK]  special  mask\n");
    assert_int_equal(aesop(5, "tokenizer", "inspect", BERT_CASE, "th", "zebra"), 1);
    assert_non_null(strstr(out_text, "-  zebra: no token and no id\n"));
    assert_int_equal(aesop(5, "tokenizer", "inspect", BERT_CASE, "[SEP]", "--json"), 0);
    assert_string_equal(out_text, "{\"schema\":1,\"tokens\":[{\"id\":3,\"token\":\"[SEP]\",\"special\":true,"
                                  "\"continues\":false,\"roles\":[\"sep\"]}]}\n");
    assert_int_equal(aesop(4, "tokenizer", "inspect", GPT2_CASE, "--json"), 0);
    assert_non_null(strstr(out_text, "\"kind\":\"gpt2\",\"size\":497,\"merges\":240,"));
}

static void converts_there_and_back(void **state)
{
    (void)state;
    assert_int_equal(aesop(6, "tokenizer", "convert", GPT2_CASE, "-o", "gpt2_whole.json", "--force"), 0);
    assert_int_equal(aesop(6, "tokenizer", "convert", "gpt2_whole.json", "-o", "gpt2_folder", "--force"), 0);
    assert_same_file("gpt2_folder/tokenizer.json", "gpt2_whole.json");
    unlink("gpt2_folder/tokenizer.json");
    assert_int_equal(aesop(6, "tokenizer", "convert", "gpt2_folder", "-o", "gpt2_again.json", "--force"), 0);
    assert_same_file("gpt2_again.json", "gpt2_whole.json");
    assert_int_equal(aesop(6, "tokenizer", "convert", BERT_CASE, "-o", "bert_list.txt", "--force"), 0);
    assert_same_file("bert_list.txt", BERT_CASE "/vocab.txt");
    assert_int_equal(aesop(7, "tokenizer", "convert", BERT_CASE, "--lower-case=false", "-o", "bert_cased", "--force"),
                     0);
    unlink("bert_cased/tokenizer.json");
    assert_int_equal(aesop(4, "tokenizer", "inspect", "bert_cased", "--json"), 0);
    assert_non_null(strstr(out_text, "\"lowercase\":false"));
}

/* Added tokens behind the vocabulary, with their flags and ids, and the class of transformers that reads them. */
static void converts_added_tokens(void **state)
{
    (void)state;
    write_text(
        "added.json",
        "{\"added_tokens\":[{\"id\":2,\"content\":\"<|endoftext|>\",\"special\":true},{\"id\":3,\"content\":"
        "\"<|startoftranscript|>\",\"special\":true},{\"id\":9,\"content\":\"<|notimestamps|>\",\"special\":true},"
        "{\"id\":5,\"content\":\"word\",\"single_word\":true,\"rstrip\":true}],\"pre_tokenizer\":{\"type\":"
        "\"ByteLevel\",\"add_prefix_space\":false},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":"
        "[{\"SpecialToken\":{\"id\":\"<|startoftranscript|>\",\"type_id\":0}},{\"SpecialToken\":{\"id\":"
        "\"<|notimestamps|>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":"
        "\"<|endoftext|>\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":"
        "{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":{\"<|startoftranscript|>\":{\"id\":\"\",\"ids\":[3],"
        "\"tokens\":[]},\"<|notimestamps|>\":{\"id\":\"\",\"ids\":[9],\"tokens\":[]},\"<|endoftext|>\":{\"id\":\"\","
        "\"ids\":[2],\"tokens\":[]}}},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":"
        "{\"a\":0,\"b\":1},\"merges\":[]}}");
    write_text("added.txt", "ab word  b<|endoftext|>");
    assert_int_equal(aesop(6, "tokenizer", "convert", "added.json", "-o", "added_folder", "--force"), 0);
    unlink("added_folder/tokenizer.json");
    assert_int_equal(aesop(6, "tokenizer", "encode", "--tokenizer", "added_folder", "--special", "added.txt"), 0);
    assert_string_equal(out_text, "3 9 0 1 5 1 2 2\n");
    char *config = read_text("added_folder/tokenizer_config.json");
    assert_non_null(strstr(config, "\"tokenizer_class\": \"WhisperTokenizer\""));
    assert_non_null(strstr(config, "\"eos_token\": \"<|endoftext|>\""));
    assert_null(strstr(config, "sep_token"));
    free(config);
    assert_int_equal(aesop(11, "tokenizer", "train", "--kind=clip", "--vocab-size=700", "--corpus", FABLES, "-o",
                           "tok_clip", "--force", "-q", "--progress=none"),
                     0);
    assert_int_equal(aesop(6, "tokenizer", "encode", "--tokenizer", "tok_clip", "added.txt", "--special"), 0);
    char *whole = strdup(out_text);
    unlink("tok_clip/tokenizer.json");
    assert_int_equal(aesop(6, "tokenizer", "encode", "--tokenizer", "tok_clip", "added.txt", "--special"), 0);
    assert_string_equal(out_text, whole);
    free(whole);
}

/* Line ends are tokens of the kind "plain": no line of a vocab.txt can hold them, a tokenizer.json does. */
static void line_ends_as_tokens(void **state)
{
    (void)state;
    write_text("ab.txt", "ab\nb\n");
    assert_int_equal(
        aesop(8, "tokenizer", "train", "--kind=plain", "--corpus=ab.txt", "-o", "plain_folder", "--force", "-q"), 0);
    assert_int_equal(access("plain_folder/vocab.txt", F_OK), -1);
    assert_int_equal(aesop(5, "tokenizer", "inspect", "plain_folder/tokenizer.json", "\n", "a"), 0);
    assert_string_equal(out_text, "       0  \n\n       2  a\n");
    assert_log(aesop(5, "tokenizer", "convert", "plain_folder", "-o", "plain.txt"), 2,
               "token 0 holds a line end, which a vocab.txt cannot; write a tokenizer.json");
}

static void converting_says_what_is_wrong(void **state)
{
    (void)state;
    write_text("there.json", "{}");
    assert_log(aesop(3, "tokenizer", "convert", BERT_CASE), 2, "where to? give --output");
    assert_log(aesop(5, "tokenizer", "convert", BERT_CASE, "-o", "there.json"), 2, "there.json: exists");
    assert_log(aesop(6, "tokenizer", "convert", GPT2_CASE, "-o", "x.txt", "--force"), 2,
               "x.txt: a list of tokens cannot hold the merges of this tokenizer");
    assert_log(aesop(6, "tokenizer", "convert", BERT_CASE, "-o", "no/such/folder", "--force"), 4,
               "no/such/folder: the folder cannot be made");
    write_text("holes.json", "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":"
                             "{\"type\":\"WhitespaceSplit\"},\"post_processor\":null,\"decoder\":null,\"model\":"
                             "{\"type\":\"WordLevel\",\"vocab\":{\"[UNK]\":0,\"b\":2},\"unk_token\":\"[UNK]\"}}");
    assert_log(aesop(6, "tokenizer", "convert", "holes.json", "-o", "holes.txt", "--force"), 2,
               "id 1 has no token, and a vocab.txt cannot leave a line out; write a tokenizer.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains_each_kind_into_a_folder),
        cmocka_unit_test(trains_sentencepieces_kinds),
        cmocka_unit_test(training_does_not_depend_on_threads),
        cmocka_unit_test(training_says_what_is_missing),
        cmocka_unit_test(the_kinds_are_listed),
        cmocka_unit_test(own_special_tokens),
        cmocka_unit_test(encodes_a_line_a_record),
        cmocka_unit_test(encodes_pairs),
        cmocka_unit_test(encodes_json),
        cmocka_unit_test(encodes_json_in_every_form),
        cmocka_unit_test(pads_lines),
        cmocka_unit_test(encoding_says_what_is_missing),
        cmocka_unit_test(decodes),
        cmocka_unit_test(round_trip_through_ids),
        cmocka_unit_test(inspects),
        cmocka_unit_test(converts_there_and_back),
        cmocka_unit_test(converts_added_tokens),
        cmocka_unit_test(line_ends_as_tokens),
        cmocka_unit_test(converting_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, free_texts);
}
