/* Tokenizers from bytes that may be anything, and texts that may be anything through tokenizers that are known, as in
 * targets.h; and small good files to begin from. */
#ifndef AE_TESTS_FUZZ_TOKENIZER_TARGETS_H
#define AE_TESTS_FUZZ_TOKENIZER_TARGETS_H

#include "fuzz/targets.h"
#include "tokenizers/tokenizer_internal.h"

#define FUZZ_WORDS "{\"type\":\"WordLevel\",\"vocab\":{\"?\":0,\"a\":1,\"the\":2},\"unk_token\":\"?\"}"
#define FUZZ_ADDED                                                                                                     \
    "[{\"id\":9,\"content\":\"<m>\",\"lstrip\":true,\"rstrip\":true,\"special\":true},{\"id\":10,\"content\":\"aB\","  \
    "\"single_word\":true,\"normalized\":true}]"

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
};
enum { FUZZ_TOKENIZERS = sizeof fuzz_tokenizers / sizeof *fuzz_tokenizers };

static const char fuzz_vocabulary[] = "[UNK]\n[CLS]\na\n##b\nth\n##e\n\xe4\xb8\xad\n";
static const char fuzz_pairs[] = "<s>\n</s>\na\nb\n\xc4\xa0\nab\n\xc4\xa0"
                                 "a\n%#version: 0.2\na b\n\xc4\xa0 a\n"; /* % parts vocabulary and merges */
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

/* A vocabulary, and behind a % merges. */
static inline void fuzz_vocab(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *merges = size ? memchr(text, '%', size) : NULL;
    size_t vocab = merges ? (size_t)(merges - text) : size;
    ae_err e = {0};
    ae_json *tree = size && text[0] == '{' ? ae_json_parse(text, vocab, NULL) : NULL;
    ae_vocab_files files = {.vocab = size ? text : "",
                            .vocab_bytes = vocab,
                            .merges = merges ? merges + 1 : NULL,
                            .merges_bytes = merges ? size - (size_t)(merges + 1 - text) : 0,
                            .tree = tree};
    fuzz_made(ae_tokenizer_from_files(&files, NULL, &e), &e);
    ae_json_free(tree);
}

/* The tokenizers are made once and stay. */
static inline void fuzz_encode(const uint8_t *data, size_t size)
{
    static ae_tokenizer *made[FUZZ_TOKENIZERS];
    for (int i = 0; i < FUZZ_TOKENIZERS; i++) {
        ae_err e = {0};
        if (!made[i]) {
            ae_json *j = ae_json_parse(fuzz_tokenizers[i], strlen(fuzz_tokenizers[i]), &e);
            made[i] = j ? ae_tokenizer_from_json(j, &e) : NULL;
            fuzz_require(made[i] != NULL, e.message);
            ae_json_free(j);
        }
        fuzz_text(made[i], size ? (const char *)data : "", size);
    }
}

/* Writes the seeds of the fuzzers above; 0 or -1. */
static inline int write_tokenizer_seeds(const char *folder)
{
    char path[512];
    int result = 0;
    for (int i = 0; i < FUZZ_TOKENIZERS + 3; i++) {
        const char *rest[] = {fuzz_vocabulary, fuzz_pairs, fuzz_words};
        const char *name = i < FUZZ_TOKENIZERS ? "tokenizer" : i < FUZZ_TOKENIZERS + 2 ? "vocab" : "encode";
        snprintf(path, sizeof path, "%s/%s%d.seed", folder, name, i);
        FILE *f = fopen(path, "wb");
        const char *text = i < FUZZ_TOKENIZERS ? fuzz_tokenizers[i] : rest[i - FUZZ_TOKENIZERS];
        result |= !f || fputs(text, f) < 0 || fclose(f) != 0 ? -1 : 0;
    }
    return result;
}

#endif
