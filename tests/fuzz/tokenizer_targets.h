/* Tokenizers from bytes that may be anything, and texts that may be anything through tokenizers that are known, as in
 * targets.h; and small good files to begin from. */
#ifndef AE_TESTS_FUZZ_TOKENIZER_TARGETS_H
#define AE_TESTS_FUZZ_TOKENIZER_TARGETS_H

#include "fuzz/targets.h"
#include "tokenizers/extend.h"
#include "tokenizers/segmenter.h"
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unihan.h"

#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_WORDS "{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"a\":1,\"the\":2},\"unk_token\":\"?\"}"
#define FUZZ_ADDED                                                                                                     \
    "[{\"id\":9,\"content\":\"<m>\",\"lstrip\":true,\"rstrip\":true,\"special\":true},{\"id\":10,\"content\":\"aB\","  \
    "\"single_word\":true,\"normalized\":true}]"
#define FUZZ_ENGLISH(rules)                                                                                            \
    "{\"normalizer\":{\"type\":\"EnglishWords\",\"rules\":" rules                                                      \
    "},\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"model\":" FUZZ_WORDS "}"
#define FUZZ_SENTENCEPIECE(algorithm, comma)                                                                           \
    "{\"model\":{\"type\":\"SentencePiece\",\"algorithm\":\"" algorithm "\",\"byte_fallback\":false,"                  \
    "\"comma_rule\":" comma                                                                                            \
    ",\"pieces\":[[\"<unk>\",0,2],[\"<s>\",0,3],[\"</s>\",0,3],[\"\\u2581\",-2],[\"\\u2581a\","                        \
    "-1.5],[\"a\",-2.5],[\"b\",-3],[\"ab\",-2.25],[\"\\u2581th\",-2.75],[\"e\",-3.5],[\"\\u4e2d\",-4],[\"<m>\",0,4],"  \
    "[\"old\",-5,5],[\"3,\",-1],[\",\",-4],[\"3\",-5]]}}"

/* What the seeds of tokenizer.json are, and what texts are sent through. */
static const char *const fuzz_tokenizers[] = {
    "{\"added_tokens\":" FUZZ_ADDED ",\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
    "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true},\"pre_tokenizer\":{\"type\":"
    "\"BertPreTokenizer\"},\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"<m>\",9],\"cls\":[\"a\",1]},"
    "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},\"model\":{\"type\":\"WordPiece\","
    "\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":9,\"vocab\":{"
    "\"[UNK]\":0,\"a\":1,\"th\":2,\"##e\":3,\"##\\u00e4\":4,\"\\u4e2d\":5,\",\":6}}}",
    "{\"normalizer\":{\"type\":\"BertNormalizer\",\"lowercase\":true,\"original\":true},\"pre_tokenizer\":{\"type\":"
    "\"BertPreTokenizer\"},\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"##a\":2}}}",
    "{\"added_tokens\":" FUZZ_ADDED ",\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
    "\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":{\"type\":\"ByteLevel\",\"trim_offsets\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"\\u0120\":2,\"ab\":"
    "3,"
    "\"\\u0120a\":4,\"\\u00e4\":5,\"?\":6},\"merges\":[\"a b\",[\"\\u0120\",\"a\"]],\"unk_token\":\"?\","
    "\"fuse_unk\":true,\"byte_fallback\":true}}",
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"},{\"type\":"
    "\"Lowercase\"},{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\"x\"},\"content\":\"yy\"},{"
    "\"type\":"
    "\"Strip\",\"strip_left\":true,\"strip_right\":true},{\"type\":\"Prepend\",\"prepend\":\"_\"}]},\"pre_tokenizer\":{"
    "\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":"
    "\"Punctuation\","
    "\"behavior\":\"MergedWithNext\"},{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\s+\"},\"behavior\":"
    "\"MergedWithPrevious\",\"invert\":true}]},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{"
    "\"type\":\"Strip\",\"content\":\"a\",\"start\":1,\"stop\":1},{\"type\":\"Replace\",\"pattern\":{\"String\":\"?\"},"
    "\"content\":\"\"}]},\"model\":" FUZZ_WORDS "}",
    "{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{"
    "\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},{"
    "\"SpecialToken\":{"
    "\"id\":\"x\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"special_tokens\":{\"x\":{\"id\":\"x\","
    "\"ids\":"
    "[1,2],\"tokens\":[\"a\",\"the\"]}}},\"model\":" FUZZ_WORDS "}",
    "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"decoder\":{\"type\":"
    "\"BPEDecoder\",\"suffix\":\"</w>\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a</w>\":1,\"aa\":2,\"aa</"
    "w>\":3,"
    "\"e\":4,\"e</w>\":5},\"merges\":[\"a a\",\"a a</w>\"],\"end_of_word_suffix\":\"</w>\"}}",
    "{\"normalizer\":{\"type\":\"Nmt\"},\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"},\"decoder\":{\"type\":\"C"
    "TC\",\"pad_token\":\"a\",\"word_delimiter_token\":\"|\",\"cleanup\":true},\"model\":{\"type\":\"Unigram\",\""
    "unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1],[\"b\",-1.5],[\"ab\",-2],[\"\\u4e2d\",-3],[\"\\u2581\",-2],["
    "\"the\",-4],[\"<0xE4>\",-9]],\"byte_fallback\":true}}",
    "{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"[xX]+(?=y)|\\\\d\"},\"content\":\"zz\"},\"pre"
    "_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{L}"
    "+|(?<!\\\\w)'s|\\\\s(?!\\\\S)|(\\\\d){1,3}\"},\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"FixedLen"
    "gth\",\"length\":2}]},\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"a\":1,\"th\":2},\"unk_token\":"
    "\"?\"}}",
    FUZZ_SENTENCEPIECE("unigram", "true"),
    FUZZ_SENTENCEPIECE("bpe", "false"),
    FUZZ_SENTENCEPIECE("word", "false"),
    FUZZ_SENTENCEPIECE("char", "false"),
    FUZZ_ENGLISH("\"treebank\",\"lowercase\":true"),
    FUZZ_ENGLISH("\"nltk\""),
    "{\"normalizer\":{\"type\":\"UerSpace\",\"unknown\":\"?\"},\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\","
    "\"delimiter\":\" \"},\"model\":" FUZZ_WORDS "}",
    FUZZ_ENGLISH("\"moses\",\"aggressive\":true,\"escape\":true"),
    "{\"added_tokens\":" FUZZ_ADDED
    ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":"
    "\"first\",\"split\":true},\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":"
    "\"always\","
    "\"split\":true},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"\\u2581\",-1],["
    "\"\\u2581a\",-2],"
    "[\"a\",-2.5],[\"B\",-3]],\"byte_fallback\":false}}",
};
enum { FUZZ_TOKENIZERS = sizeof fuzz_tokenizers / sizeof *fuzz_tokenizers };

static const char fuzz_vocabulary[] = "[UNK]\n[CLS]\na\n##b\nth\n##e\n\xe4\xb8\xad\n";
static const char fuzz_pairs[] = "<s>\n</s>\na\nb\n\xc4\xa0\nab\n\xc4\xa0"
                                 "a\n%#version: 0.2\na b\n\xc4\xa0 a\n"; /* % parts vocabulary and merges */
static const char fuzz_folder[] =
    "[PAD]\n[UNK]\na\n%%{\"tokenizer_class\":\"BertTokenizer\",\"do_lower_case\":false,\"unk_token\":{\"content\":"
    "\"[UNK]\"}}%{\"mask_token\":\"a\",\"additional_special_tokens\":[\"<x>\"]}";
static const char fuzz_chinese[] = "\xe4\xb8\xad\xe6\x96\x87 12 n\n\xe4\xb8\xad 3\n\xe6\x96\x87\xe5\xad\x97\n"
                                   "C++ 9 eng\n%\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97 C++ 3.5\r\n";
static const char fuzz_readings[] = "# x\nU+4E00\tkMandarin\ty\xc4\xab\nU+4E01\tkMandarin\td\xc4\xabng zh\xc4\x93ng\n%"
                                    "U+4E00\tkRSUnicode\t1.0\nU+4E01\tkRSUnicode\t1.1 9'.3\n";
static const char fuzz_words[] = "The \xc3\x84 1\xcc\x81 \xe4\xb8\xad, aB<m> \xf0\x9f\x98\x80 ''s \xff\xe4\xb8\n";

/* What must hold for the tokens of any text. */
static inline void fuzz_encoding(const ae_tokenizer *t, const ae_encoding *x, size_t bytes)
{
    int32_t word[2] = {0, 0};
    for (int64_t i = 0; i < x->count; i++) {
        fuzz_require(ae_tokenizer_token(t, x->ids[i], NULL) != NULL, "every id has a token");
        fuzz_require(x->starts[i] >= 0 && x->starts[i] <= x->ends[i], "ranges do not run backwards");
        fuzz_require((size_t)x->ends[i] <= bytes, "ranges lie in the text");
        if (x->sequence[i] != 255) {
            fuzz_require(x->words[i] >= word[x->sequence[i]], "words are counted upwards in each text");
            word[x->sequence[i]] = x->words[i];
        }
    }
    ae_err e = {0};
    char *text = ae_tokenizer_decode(t, x->ids, x->count, bytes % 2, NULL, &e);
    fuzz_require(text != NULL, "what was encoded can be decoded");
    free(text);
}

/* Encodes a text part by part and as a whole, alone and as a pair with itself. */
static inline void fuzz_text(ae_tokenizer *t, const char *text, size_t bytes)
{
    ae_encoding fast = {0}, slow = {0};
    ae_err e = {0}, none = {0};
    int result = ae_tokenizer_encode(t, text, bytes, NULL, &fast, &e);
    fuzz_check_error(result != 0, &e);
    ae_cutting cutting = t->cutting;
    t->cutting.cut = AE_CUT_NONE;
    fuzz_require(ae_tokenizer_encode(t, text, bytes, NULL, &slow, &none) == result, "both paths fail, or none");
    t->cutting = cutting;
    if (result == 0) {
        size_t n = (size_t)slow.count;
        fuzz_require(fast.count == slow.count, "both paths give as many tokens");
        fuzz_require(n == 0 || memcmp(fast.ids, slow.ids, n * sizeof *slow.ids) == 0, "both paths give the same ids");
        fuzz_require(n == 0 || memcmp(fast.ends, slow.ends, n * sizeof *slow.ends) == 0, "and the same ranges");
        fuzz_encoding(t, &fast, bytes);
        ae_encode_options o = {.special = true, .max_length = 40 + (int64_t)(bytes % 7), .keep_added = bytes % 3 == 0};
        if (ae_tokenizer_encode_pair(t, text, bytes, text, bytes / 2, &o, &slow, &none) == 0) {
            fuzz_require(slow.count <= o.max_length, "the limit holds");
            fuzz_encoding(t, &slow, bytes);
        }
    }
    ae_encoding_free(&fast);
    ae_encoding_free(&slow);
}

/* A tokenizer that was accepted is written and read again as the same one. */
static inline void fuzz_made(ae_tokenizer *t, const ae_err *e)
{
    fuzz_check_error(!t, e);
    if (!t) {
        return;
    }
    fuzz_text(t, fuzz_words, sizeof fuzz_words - 1);
    ae_err none = {0};
    ae_json *written = ae_tokenizer_json(t, &none);
    fuzz_require(written != NULL, "a tokenizer can be written");
    ae_tokenizer *again = ae_tokenizer_from_json(written, &none);
    fuzz_require(again != NULL, none.message);
    fuzz_require(ae_tokenizer_hash(t) == ae_tokenizer_hash(again), "and read as the same");
    ae_tokenizer_free(again);
    ae_json_free(written);
    ae_tokenizer_free(t);
}

static inline void fuzz_tokenizer_json(const uint8_t *data, size_t size)
{
    ae_err e = {0};
    ae_json *j = ae_json_parse((const char *)data, size, &e);
    if (j) {
        fuzz_made(ae_tokenizer_from_json(j, &e), &e);
    }
    ae_json_free(j);
}

/* The next of the parts that a % ends, cut off the front; NULL behind the last. */
static inline const char *fuzz_part(const char **at, const char *end, size_t *bytes)
{
    const char *part = *at, *stop = part && part < end ? memchr(part, '%', (size_t)(end - part)) : NULL;
    if (!part) {
        return NULL;
    }
    *bytes = (size_t)((stop ? stop : end) - part);
    *at = stop ? stop + 1 : NULL;
    return part;
}

/* A vocabulary, merges, tokenizer_config.json, special_tokens_map.json, with a % between; the later ones may be left
 * out. */
static inline void fuzz_vocab(const uint8_t *data, size_t size)
{
    const char *at = size ? (const char *)data : "", *end = at + size;
    size_t n[4] = {0};
    const char *part[4];
    ae_json *tree[4] = {NULL};
    for (int i = 0; i < 4; i++) {
        part[i] = fuzz_part(&at, end, &n[i]);
        tree[i] = part[i] && n[i] > 0 && part[i][0] == '{' ? ae_json_parse(part[i], n[i], NULL) : NULL;
    }
    ae_err e = {0};
    ae_vocab_files files = {.vocab = part[0],
                            .vocab_bytes = n[0],
                            .merges = part[1] && n[1] > 0 ? part[1] : NULL,
                            .merges_bytes = n[1],
                            .tree = tree[0],
                            .config = tree[2],
                            .special = tree[3]};
    fuzz_made(ae_tokenizer_from_files(&files, NULL, &e), &e);
    for (int i = 0; i < 4; i++) {
        ae_json_free(tree[i]);
    }
}

/* ---- tokenizers that are known --------------------------------------------------------------------------------------- */

/* Those of real vocabularies, in the folder of the golden cases. */
static const char *const fuzz_golden[] = {
    "tok_albert", "tok_bert_cased", "tok_bert_uncased", "tok_gpt1",
    "tok_gpt2",   "tok_roberta",    "tok_spm_bpe",      "tok_spm_unigram_bytefallback",
    "tok_t5",     "tok_xlnet"};
enum { FUZZ_KNOWN = FUZZ_TOKENIZERS + sizeof fuzz_golden / sizeof *fuzz_golden };

/* Number i of FUZZ_KNOWN; made once, and stays. */
static inline ae_tokenizer *fuzz_known(int i)
{
    static ae_tokenizer *made[FUZZ_KNOWN];
    ae_err e = {0};
    if (!made[i] && i < FUZZ_TOKENIZERS) {
        ae_json *j = ae_json_parse(fuzz_tokenizers[i], strlen(fuzz_tokenizers[i]), &e);
        made[i] = j ? ae_tokenizer_from_json(j, &e) : NULL;
        ae_json_free(j);
    } else if (!made[i]) {
        char path[512];
        snprintf(path, sizeof path, "%s/golden/%s", AE_TEST_DIR, fuzz_golden[i - FUZZ_TOKENIZERS]);
        made[i] = ae_tokenizer_open(path, NULL, &e);
    }
    fuzz_require(made[i] != NULL, e.message);
    return made[i];
}

/* A text; its first byte says which tokenizer cuts it. */
static inline void fuzz_encode(const uint8_t *data, size_t size)
{
    if (size > 0) {
        fuzz_text(fuzz_known(data[0] % FUZZ_KNOWN), (const char *)data + 1, size - 1);
    }
}

/* What must hold for a tokenizer that got words. */
static inline void fuzz_extended(const ae_tokenizer *t, ae_tokenizer *now, const ae_tokenizer_growth *g, size_t size)
{
    ae_err e = {0};
    int64_t more = g->vocabulary + g->whole + g->special - g->replaced;
    fuzz_require(ae_tokenizer_size(now) <= ae_tokenizer_size(t) + more, "there are no more tokens than came");
    ae_vocabulary_map m;
    fuzz_require(ae_vocabulary_map_make(t, now, size % 2, &m, &e) == 0, "the new tokens can be told from the old");
    int64_t kept = 0;
    for (int32_t id = 0; id < m.size; id++) {
        fuzz_require(m.begin[id] <= m.begin[id + 1], "ranges do not run backwards");
        fuzz_require((m.begin[id] < m.begin[id + 1]) == (m.origin[id] != AE_TOKEN_NEW), "what is not new is old");
        kept += m.origin[id] == AE_TOKEN_KEPT && m.old[m.begin[id]] == id;
    }
    for (int64_t i = 0; i < m.begin[m.size]; i++) {
        fuzz_require(ae_tokenizer_token(t, m.old[i], NULL) != NULL, "old ids have a token");
    }
    int64_t tokens = 0;
    for (int32_t id = 0; id < ae_tokenizer_size(t); id++) {
        tokens += ae_tokenizer_token(t, id, NULL) != NULL;
    }
    fuzz_require(kept >= tokens - g->replaced, "old tokens keep their ids");
    ae_vocabulary_map_free(&m);
}

/* New words: after the tokenizer's byte, words with NUL bytes between; those that begin with ! are special, numbers
 * behind # ids that make way. */
static inline void fuzz_extend(const uint8_t *data, size_t size)
{
    enum { MOST = 8 };
    const char *words[MOST], *special[MOST];
    int32_t ids[MOST];
    char *text = size > 1 ? calloc(1, size) : NULL;
    if (!text) {
        return;
    }
    ae_tokenizer_words w = {.words = words, .special = special, .free_ids = ids, .single_word = size % 3 == 0};
    ae_tokenizer *t = fuzz_known(data[0] % FUZZ_TOKENIZERS);
    memcpy(text, data + 1, size - 1);
    for (const char *at = text; at < text + size - 1; at += strlen(at) + 1) {
        if (*at == '!' && w.n_special < MOST) {
            special[w.n_special++] = at + 1;
        } else if (*at == '#' && w.n_free < MOST) {
            ids[w.n_free++] = (int32_t)strtol(at + 1, NULL, 10);
        } else if (w.n_words < MOST) {
            words[w.n_words++] = at;
        }
    }
    ae_err e = {0};
    ae_tokenizer_growth g;
    ae_tokenizer *now = ae_tokenizer_extend(t, &w, &g, &e);
    if (now) {
        fuzz_extended(t, now, &g, size);
    }
    fuzz_made(now, &e);
    free(text);
}

/* ---- Chinese words --------------------------------------------------------------------------------------------------- */

static inline ae_segmenter *fuzz_dictionary(const char *text, size_t bytes, ae_err *e)
{
    char path[64];
    const char *paths[] = {path};
    int file = memfd_create("dictionary", 0);
    fuzz_require(file >= 0 && write(file, text, bytes) == (ssize_t)bytes, "there is memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    ae_segmenter *s = ae_segmenter_open(paths, 1, e);
    close(file);
    return s;
}

/* A dictionary, and behind a % a text. */
static inline void fuzz_segmenter(const uint8_t *data, size_t size)
{
    const char *text = size ? memchr(data, '%', size) : NULL;
    size_t dictionary = text ? (size_t)(text - (const char *)data) : size, bytes = text ? size - dictionary - 1 : 0;
    ae_err e = {0};
    ae_segmenter *s = fuzz_dictionary(size ? (const char *)data : "", dictionary, &e);
    fuzz_check_error(!s, &e);
    ae_segments x = {0};
    if (s && ae_segmenter_cut(s, text ? text + 1 : "", bytes, &x, &e) == 0) {
        uint32_t end = 0;
        for (int64_t i = 0; i < x.count; i++) {
            fuzz_require(x.ends[i] > end, "words are not empty");
            end = x.ends[i];
        }
        fuzz_require(end == bytes, "words cover the text");
    }
    ae_segments_free(&x);
    ae_segmenter_free(s);
}

static const char *const fuzz_unihan_names[2] = {"Unihan_Readings.txt", "Unihan_IRGSources.txt"};
static char fuzz_unihan_folder[] = "/tmp/fuzz_unihan_XXXXXX";

static inline void fuzz_unihan_path(int i, char path[128])
{
    snprintf(path, 128, "%s/%s", fuzz_unihan_folder, fuzz_unihan_names[i]);
}

static inline void fuzz_unihan_clear(void)
{
    char path[128];
    for (int i = 0; i < 2; i++) {
        fuzz_unihan_path(i, path);
        unlink(path);
    }
    rmdir(fuzz_unihan_folder);
}

/* What Unihan says, from a folder of two files: readings, and behind a % radicals. */
static inline void fuzz_unihan(const uint8_t *data, size_t size)
{
    static bool made;
    const char *at = size ? (const char *)data : "", *end = at + size;
    if (!made) {
        made = mkdtemp(fuzz_unihan_folder) != NULL && atexit(fuzz_unihan_clear) == 0;
    }
    for (int i = 0; i < 2; i++) {
        char path[128];
        size_t bytes = 0;
        const char *part = fuzz_part(&at, end, &bytes);
        fuzz_unihan_path(i, path);
        FILE *f = fopen(path, "wb");
        fuzz_require(f && fwrite(part ? part : "", 1, bytes, f) == bytes && fclose(f) == 0, "there is a disk");
    }
    ae_err e = {0};
    ae_unihan *u = ae_unihan_open(fuzz_unihan_folder, &e);
    fuzz_check_error(!u, &e);
    for (uint32_t c = 0x4e00; u && c < 0x4e00 + 64; c++) {
        char letters[AE_PINYIN_MAX];
        const char *pinyin = ae_unihan_pinyin(u, c);
        int tone = pinyin ? ae_pinyin_tone(pinyin, letters) : 5;
        fuzz_require(tone >= 1 && tone <= 5, "a reading has a tone");
        fuzz_require(ae_unihan_radical(u, c) >= 0 && ae_unihan_radical(u, c) <= AE_RADICALS, "radicals are numbered");
    }
    ae_unihan_free(u);
}

/* ---- seeds ----------------------------------------------------------------------------------------------------------- */

static inline int write_seed(const char *folder, const char *name, int number, const void *data, size_t bytes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s%d.seed", folder, name, number);
    FILE *f = fopen(path, "wb");
    return f && fwrite(data, 1, bytes, f) == bytes && fclose(f) == 0 ? 0 : -1;
}

/* Writes the seeds of the fuzzers above; 0 or -1. */
static inline int write_tokenizer_seeds(const char *folder)
{
    static const char words[] = "\0covid\0##es\0<m>\0!</s>\0new york\0#4";
    char text[sizeof fuzz_words + 1];
    int result = write_seed(folder, "extend", 0, words, sizeof words - 1);
    result |= write_seed(folder, "vocab", 0, fuzz_vocabulary, sizeof fuzz_vocabulary - 1);
    result |= write_seed(folder, "vocab", 1, fuzz_pairs, sizeof fuzz_pairs - 1);
    result |= write_seed(folder, "vocab", 2, fuzz_folder, sizeof fuzz_folder - 1);
    result |= write_seed(folder, "unihan", 0, fuzz_readings, sizeof fuzz_readings - 1);
    result |= write_seed(folder, "segmenter", 0, fuzz_chinese, sizeof fuzz_chinese - 1);
    for (int i = 0; i < FUZZ_TOKENIZERS; i++) {
        result |= write_seed(folder, "tokenizer", i, fuzz_tokenizers[i], strlen(fuzz_tokenizers[i]));
    }
    for (int i = 0; i < FUZZ_KNOWN; i++) {
        text[0] = (char)i;
        memcpy(text + 1, fuzz_words, sizeof fuzz_words);
        result |= write_seed(folder, "encode", i, text, sizeof fuzz_words);
    }
    return result;
}

#endif
