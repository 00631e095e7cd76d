#include "tokenizers/kinds.h"

#include "tensor/nearest_name.h"
#include "tensor/utf8_check.h"
#include "tokenizers/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the rows ------------------------------------------------------------------------------------------------------- */

static const char *const bert_special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", NULL};
static const char *const gpt2_special[] = {"<|endoftext|>", NULL};
static const char *const roberta_special[] = {"<s>", "<pad>", "</s>", "<unk>", "<mask>", NULL};
static const char *const gpt1_special[] = {"<unk>", NULL};
static const char *const clip_special[] = {"<|startoftext|>", "<|endoftext|>", NULL};
static const char *const whisper_special[] = {"<|endoftext|>",  "<|startoftranscript|>", "<|translate|>",
                                              "<|transcribe|>", "<|startoflm|>",         "<|startofprev|>",
                                              "<|nospeech|>",   "<|notimestamps|>",      NULL};
static const char *const infersent_special[] = {"<pad>", "<unk>", "<s>", "</s>", NULL};
static const char *const skip_thoughts_special[] = {"<eos>", "UNK", NULL};
static const char *const cove_special[] = {"<blank>", "<unk>", "<s>", "</s>", NULL};
static const char *const no_special[] = {NULL};

#define BERT_FRAME "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",0],\"cls\":[\"[CLS]\",0]}"
#define BYTES                                                                                                          \
    "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,"  \
    "\"use_regex\":true},\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"         \
    "\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"unk_token\":null}"
#define PLACE(kind, id, type) "{\"" kind "\":{\"id\":\"" id "\",\"type_id\":" type "}}"
#define TRANSCRIPT                                                                                                     \
    PLACE("SpecialToken", "<|startoftranscript|>", "0") "," PLACE("SpecialToken", "<|notimestamps|>", "0")
#define END_OF_TEXT PLACE("SpecialToken", "<|endoftext|>", "0")
#define LETTERS                                                                                                        \
    "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[\\\\s\\\\S]\"},\"behavior\":\"Isolated\","        \
    "\"invert\":false},\"decoder\":{\"type\":\"Fuse\"}"

#define WORDS(unknown) "\"decoder\":null,\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"" unknown "\"}"
#define ENGLISH(rules)                                                                                                 \
    "\"normalizer\":{\"type\":\"EnglishWords\",\"rules\":" rules "},\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}"

static const ae_kind kinds[] = {
    {.name = "bert",
     .about = "BERT: blanks, punctuation and Chinese characters part words, WordPiece cuts them",
     .learning = AE_LEARN_PIECES,
     .prefix = "##",
     .special = bert_special,
     .components = "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
                   "\"strip_accents\":null,\"lowercase\":true,\"original\":true},"
                   "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}," BERT_FRAME ","
                   "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":false},"
                   "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
                   "\"max_input_chars_per_word\":100}}"},
    {.name = "gpt1",
     .about = "GPT-1: BERT's words in small letters, BPE joins their characters, </w> ends each word",
     .learning = AE_LEARN_MERGES,
     .suffix = "</w>",
     .special = gpt1_special,
     .components = "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
                   "\"strip_accents\":null,\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
                   "\"post_processor\":null,\"decoder\":{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"},"
                   "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"end_of_word_suffix\":\"</w>\"}}"},
    {.name = "gpt2",
     .about = "GPT-2: byte-level BPE, which knows every text and gives it back",
     .learning = AE_LEARN_MERGES,
     .bytes = true,
     .special = gpt2_special,
     .components = "{\"post_processor\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":false,"
                   "\"use_regex\":true}," BYTES "}"},
    {.name = "roberta",
     .about = "RoBERTa and BART: byte-level BPE between <s> and </s>",
     .learning = AE_LEARN_MERGES,
     .bytes = true,
     .special = roberta_special,
     .components = "{\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",0],\"cls\":[\"<s>\",0],"
                   "\"trim_offsets\":true,\"add_prefix_space\":false}," BYTES "}"},
    {.name = "clip",
     .about = "CLIP: small letters, words between blanks, byte-level BPE, </w> ends each word",
     .learning = AE_LEARN_MERGES,
     .bytes = true,
     .suffix = "</w>",
     .special = clip_special,
     .components =
         "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Replace\","
         "\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"},{\"type\":\"Lowercase\"}]},"
         "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{"
         "\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"},"
         "\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
         "\"trim_offsets\":true,\"use_regex\":true}]},\"post_processor\":{\"type\":\"RobertaProcessing\","
         "\"sep\":[\"<|endoftext|>\",0],\"cls\":[\"<|startoftext|>\",0],\"trim_offsets\":false,"
         "\"add_prefix_space\":false},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteLevel\","
         "\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},{\"type\":\"Replace\","
         "\"pattern\":{\"String\":\"</w>\"},\"content\":\" \"},{\"type\":\"Strip\",\"content\":\" \","
         "\"start\":0,\"stop\":1}]},\"model\":{\"type\":\"BPE\",\"unk_token\":\"<|endoftext|>\","
         "\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":\"</w>\"}}"},
    {.name = "whisper",
     .about = "Whisper: GPT-2's byte-level BPE between the tokens of a transcript",
     .learning = AE_LEARN_MERGES,
     .bytes = true,
     .special = whisper_special,
     .components = "{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" TRANSCRIPT
                   "," PLACE("Sequence", "A", "0") "," END_OF_TEXT "],\"pair\":[" TRANSCRIPT "," PLACE(
                       "Sequence", "A",
                       "0") "," PLACE("Sequence", "B",
                                      "1") "," END_OF_TEXT
                                           "],\"special_tokens\":{\"<|startoftranscript|>\":{},\"<|notimestamps|>\":{},"
                                           "\"<|endoftext|>\":{}}}," BYTES "}"},
    {.name = "char",
     .about = "UER-py's characters: every character of the stripped text is a token",
     .learning = AE_LEARN_WORDS,
     .special = bert_special,
     .components = "{\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}," LETTERS
                   "," BERT_FRAME ",\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"[UNK]\"}}"},
    {.name = "space",
     .about = "words between blanks",
     .learning = AE_LEARN_WORDS,
     .special = bert_special,
     .components =
         "{\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"}," BERT_FRAME "," WORDS("[UNK]") "}"},
    {.name = "uer-space",
     .about = "UER-py's words between spaces: two spaces have an unknown word between, tabs are letters",
     .learning = AE_LEARN_WORDS,
     .special = bert_special,
     .components = "{\"normalizer\":{\"type\":\"UerSpace\",\"unknown\":\"[UNK]\"},\"pre_tokenizer\":{\"type\":"
                   "\"CharDelimiterSplit\",\"delimiter\":\" \"}," BERT_FRAME "," WORDS("[UNK]") "}"},
    {.name = "simple",
     .about = "English words: letters and digits with ' . , inside, every other mark a word of its own",
     .learning = AE_LEARN_WORDS,
     .special = bert_special,
     .components = "{\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
                   "{\"type\":\"WhitespaceSplit\"},{\"type\":\"Split\",\"pattern\":{\"Regex\":"
                   "\"[\\\\p{L}\\\\p{M}\\\\p{N}]+(?:(?:(?<=\\\\p{N})[.,](?=\\\\p{N})|['\xe2\x80\x99](?=\\\\p{L}))"
                   "[\\\\p{L}\\\\p{M}\\\\p{N}]+)*|[^\\\\s\\\\p{L}\\\\p{M}\\\\p{N}]\"},\"behavior\":\"Isolated\","
                   "\"invert\":false}]}," BERT_FRAME "," WORDS("[UNK]") "}"},
    {.name = "treebank",
     .about = "InferSent: words by the Penn Treebank's script, a sentence a line, between <s> and </s>",
     .learning = AE_LEARN_WORDS,
     .special = infersent_special,
     .components = "{" ENGLISH("\"treebank\"") ",\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"</s>\",0],"
                                               "\"cls\":[\"<s>\",0]}," WORDS("<unk>") "}"},
    {.name = "nltk",
     .about = "skip-thoughts: words by NLTK's word_tokenize of one sentence",
     .learning = AE_LEARN_WORDS,
     .special = skip_thoughts_special,
     .components = "{" ENGLISH("\"nltk\"") ",\"post_processor\":null," WORDS("UNK") "}"},
    {.name = "moses",
     .about = "CoVe: words by Moses's tokenizer for English, not escaped, in small letters",
     .learning = AE_LEARN_WORDS,
     .special = cove_special,
     .components = "{" ENGLISH("\"moses\",\"lowercase\":true") ",\"post_processor\":null," WORDS("<unk>") "}"},
    {.name = "plain",
     .about = "every character is a token, blanks and line ends too: the text comes back as it was",
     .learning = AE_LEARN_WORDS,
     .special = no_special,
     .components = "{\"normalizer\":null,\"post_processor\":null," LETTERS
                   ",\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"<unk>\"}}"},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

int ae_tokenizer_kind_count(void)
{
    return KINDS;
}

const char *ae_tokenizer_kind_name(int i)
{
    return i >= 0 && i < KINDS ? kinds[i].name : NULL;
}

const char *ae_tokenizer_kind_about(int i)
{
    return i >= 0 && i < KINDS ? kinds[i].about : NULL;
}

/* Names the kind that comes nearest, SentencePiece's too: the asker need not know which list a kind is in. */
static void refuse_kind(const char *name, ae_err *e)
{
    enum { MOST = 64 };
    const char *names[MOST];
    char list[768] = "";
    int n = 0;
    for (int i = 0; i < KINDS; i++) {
        names[n++] = kinds[i].name;
    }
    for (int i = 0; ae_tokenizer_piece_kind_name(i) && n < MOST; i++) {
        names[n++] = ae_tokenizer_piece_kind_name(i);
        if (strcmp(names[n - 1], name) == 0) {
            ae_err_set(e, AE_E_VALUE, "the kind \"%s\" is made from a SentencePiece model, not from a list of tokens",
                       name);
            return;
        }
    }
    for (int i = 0; i < n; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    const char *nearest = ae_nearest_name(name, names, n);
    ae_err_set(e, AE_E_VALUE, "there is no tokenizer kind \"%.60s\"%s%s%s; kinds: %s", name,
               nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "", list);
}

const ae_kind *ae_kind_find(const char *name, ae_err *e)
{
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    refuse_kind(name, e);
    return NULL;
}

/* Byte-level BPE by its frame. */
static const char *byte_kind(const ae_tokenizer *t)
{
    bool transcript = t->post.row == &ae_post_template.row &&
                      ae_tokenizer_id(t, "<|startoftranscript|>", strlen("<|startoftranscript|>")) >= 0;
    return t->post.row == &ae_post_roberta.row ? "roberta" : transcript ? "whisper" : "gpt2";
}

/* The rules of a normalizer EnglishWords, alone or at the end of several; NULL when there is none. */
static const char *english_rules(const ae_component *normalizer)
{
    if (normalizer->row == &ae_normalizer_english_words.row) {
        return ae_english_rules(normalizer->self);
    }
    const ae_sequence *s = normalizer->row == &ae_normalizer_sequence.row ? normalizer->self : NULL;
    return s && s->count > 0 ? english_rules(&s->items[s->count - 1]) : NULL;
}

/* By what tells the kinds apart: the model, the pre-tokenizer, the frame. */
const ae_kind *ae_kind_of(const ae_tokenizer *t)
{
    const ae_row *model = t->model.row, *pre = t->pre_tokenizer.row;
    const char *name = NULL;
    if (model == &ae_model_word_piece.row && pre == &ae_pre_tokenizer_bert.row) {
        name = "bert";
    } else if (model == &ae_model_bpe.row && pre == &ae_pre_tokenizer_bert.row) {
        name = "gpt1";
    } else if (model == &ae_model_bpe.row && pre == &ae_pre_tokenizer_byte_level.row) {
        name = byte_kind(t);
    } else if (model == &ae_model_bpe.row && strcmp(ae_bpe_suffix(t->model.self), "</w>") == 0 &&
               t->post.row == &ae_post_roberta.row) {
        name = "clip";
    } else if (model == &ae_model_word_level.row && pre == &ae_pre_tokenizer_whitespace_split.row) {
        const char *rules = english_rules(&t->normalizer);
        name = rules ? rules : "space";
    } else if (model == &ae_model_word_level.row && pre == &ae_pre_tokenizer_char_delimiter.row) {
        name = "uer-space";
    } else if (model == &ae_model_word_level.row && pre == &ae_pre_tokenizer_sequence.row) {
        name = "simple";
    } else if (model == &ae_model_word_level.row && t->decoder.row == &ae_decoder_fuse.row) {
        name = t->post.row || t->normalizer.row ? "char" : "plain";
    }
    return name ? ae_kind_find(name, NULL) : NULL;
}

/* ---- options ---------------------------------------------------------------------------------------------------------- */

static int edit_bert(const ae_tokenizer_options *o, ae_json *normalizer)
{
    int result = 0;
    if (o->lower_case) {
        result |= ae_json_set_bool(normalizer, "lowercase", o->lower_case > 0);
    }
    if (o->strip_accents) {
        result |= ae_json_set_bool(normalizer, "strip_accents", o->strip_accents > 0);
    }
    if (o->split_chinese) {
        result |= ae_json_set_bool(normalizer, "handle_chinese_chars", o->split_chinese > 0);
    }
    return result;
}

/* Letters become small after the rules, which tell words by capitals; accents go before them. */
static int edit_english(const ae_tokenizer_options *o, ae_json *normalizer)
{
    return o->lower_case ? ae_json_set_bool(normalizer, "lowercase", o->lower_case > 0) : 0;
}

/* Where there is no BertNormalizer to ask, its steps come first. */
static int edit_other(const ae_tokenizer_options *o, ae_json *tokenizer)
{
    if (o->lower_case <= 0 && o->strip_accents <= 0) {
        return 0;
    }
    const ae_json *now = ae_json_get(tokenizer, "normalizer");
    ae_json *list = ae_json_new_array();
    if (o->strip_accents > 0) {
        ae_json_add(list, NULL, ae_component_typed("NFD"));
        ae_json_add(list, NULL, ae_component_typed("StripAccents"));
    }
    if (o->lower_case > 0) {
        ae_json_add(list, NULL, ae_component_typed("Lowercase"));
    }
    if (!ae_json_is_null(now)) {
        ae_json_add(list, NULL, ae_json_copy(now));
    }
    ae_json *sequence = ae_component_typed("Sequence");
    ae_json_set(sequence, "normalizers", list);
    return ae_json_set(tokenizer, "normalizer", sequence);
}

int ae_options_apply(const ae_tokenizer_options *o, ae_json *tokenizer, ae_err *e)
{
    if (!o) {
        return 0;
    }
    int result = 0;
    const ae_json *normalizer = ae_json_get(tokenizer, "normalizer"), *model = ae_json_get(tokenizer, "model");
    if (ae_component_is(normalizer, "BertNormalizer")) {
        ae_json *copy = ae_json_copy(normalizer);
        result = copy ? edit_bert(o, copy) | ae_json_set(tokenizer, "normalizer", copy) : -1;
    } else if (ae_component_is(normalizer, "EnglishWords")) {
        ae_json *copy = ae_json_copy(normalizer);
        const ae_tokenizer_options accents = {.strip_accents = o->strip_accents};
        result = copy ? edit_english(o, copy) | ae_json_set(tokenizer, "normalizer", copy) : -1;
        result |= edit_other(&accents, tokenizer);
    } else {
        result = edit_other(o, tokenizer);
    }
    if (o->max_word_size < 0) {
        return ae_err_set(e, AE_E_VALUE, "max_word_size is %lld; it must not be negative", (long long)o->max_word_size);
    }
    if (result == 0 && o->max_word_size > 0 && ae_component_is(model, "WordPiece")) {
        ae_json *copy = ae_json_copy(model);
        ae_json_set_int(copy, "max_input_chars_per_word", o->max_word_size);
        result = ae_json_set(tokenizer, "model", copy);
    }
    return result == 0 ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory");
}

/* ---- from lists --------------------------------------------------------------------------------------------------------- */

static ae_vocab *make_vocab(const ae_kind_parts *p, ae_err *e)
{
    ae_vocab *v = ae_vocab_new();
    if (!v) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the vocabulary");
        return NULL;
    }
    for (int64_t i = 0; i < p->n_tokens; i++) {
        size_t bytes = p->token_bytes ? p->token_bytes[i] : strlen(p->tokens[i]);
        if (!ae_utf8_is_valid(p->tokens[i], bytes)) {
            ae_err_set(e, AE_E_FORMAT, "token %lld is not valid UTF-8", (long long)i);
        }
        if (!ae_utf8_is_valid(p->tokens[i], bytes) || ae_vocab_add(v, p->tokens[i], bytes, i, e) != 0) {
            ae_vocab_free(v);
            return NULL;
        }
    }
    return v;
}

/* RoBERTa's mask takes the blank before it; CLIP's beginning is found in whatever case. */
ae_added_spec ae_added_default(const char *content)
{
    return (ae_added_spec){.content = content,
                           .id = -1,
                           .lstrip = strcmp(content, "<mask>") == 0,
                           .normalized = strcmp(content, "<|startoftext|>") == 0,
                           .special = true};
}

static int add_spec(ae_json *list, ae_added_spec spec, const ae_vocab *v, int64_t *next)
{
    int32_t known = ae_vocab_find(v, spec.content, strlen(spec.content));
    int64_t id = known >= 0 ? known : spec.id >= 0 ? spec.id : (*next)++;
    ae_json *m = ae_json_new_object();
    int failed = ae_json_set_int(m, "id", id);
    failed |= ae_json_set_string(m, "content", spec.content);
    failed |= ae_json_set_bool(m, "single_word", spec.single_word);
    failed |= ae_json_set_bool(m, "lstrip", spec.lstrip);
    failed |= ae_json_set_bool(m, "rstrip", spec.rstrip);
    failed |= ae_json_set_bool(m, "normalized", spec.normalized);
    failed |= ae_json_set_bool(m, "special", spec.special);
    return failed | ae_json_add(list, NULL, m);
}

/* [{"id": 0, "content": "[PAD]", ...}, ...] of the special and added tokens; those that neither have an id nor are in
 * the vocabulary come behind all others. */
static ae_json *special_list(const ae_kind_parts *p, const ae_vocab *v)
{
    ae_json *list = ae_json_new_array();
    int64_t next = v->size;
    int count = p->n_special, failed = !list;
    for (int i = 0; i < p->n_added; i++) {
        next = p->added[i].id >= next ? p->added[i].id + 1 : next;
    }
    if (!p->special) {
        for (count = 0; p->kind->special[count]; count++) {
        }
    }
    for (int i = 0; i < count; i++) {
        const char *content = p->special ? p->special[i] : p->kind->special[i];
        if (p->special || ae_vocab_find(v, content, strlen(content)) >= 0) {
            failed |= add_spec(list, ae_added_default(content), v, &next);
        }
    }
    for (int i = 0; i < p->n_added; i++) {
        failed |= add_spec(list, p->added[i], v, &next);
    }
    if (failed) {
        ae_json_free(list);
        return NULL;
    }
    return list;
}

static int64_t special_id(const ae_vocab *v, const ae_json *added, const char *content)
{
    for (const ae_json *m = ae_json_first(added); m; m = ae_json_next(m)) {
        if (strcmp(ae_json_string(m, "content", "", NULL), content) == 0) {
            return ae_json_int(m, "id", -1, NULL);
        }
    }
    return ae_vocab_find(v, content, strlen(content));
}

/* "sep": ["[SEP]", 0] gets the id of its token. */
static int fill_pair(ae_json *post, const char *key, const ae_vocab *v, const ae_json *added)
{
    const char *content = NULL;
    ae_json_value_string(ae_json_first(ae_json_get(post, key)), &content, NULL);
    ae_json *pair = ae_json_new_array();
    int failed = ae_json_add(pair, NULL, ae_json_new_string(content));
    failed |= ae_json_add(pair, NULL, ae_json_new_int(special_id(v, added, content)));
    return failed | ae_json_set(post, key, pair);
}

/* {"</s>": {}} becomes {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}. */
static ae_json *fill_tokens(const ae_json *tokens, const ae_vocab *v, const ae_json *added)
{
    ae_json *filled = ae_json_new_object();
    for (const ae_json *m = ae_json_first(tokens); m; m = ae_json_next(m)) {
        ae_json *entry = ae_json_new_object(), *ids = ae_json_new_array(), *texts = ae_json_new_array();
        int failed = ae_json_add(ids, NULL, ae_json_new_int(special_id(v, added, ae_json_key(m))));
        failed |= ae_json_add(texts, NULL, ae_json_new_string(ae_json_key(m)));
        failed |= ae_json_set_string(entry, "id", ae_json_key(m));
        failed |= ae_json_set(entry, "ids", ids);
        failed |= ae_json_set(entry, "tokens", texts);
        if (ae_json_set(filled, ae_json_key(m), entry) != 0 || failed) {
            ae_json_free(filled);
            return NULL;
        }
    }
    return filled;
}

/* Whether all tokens of a frame have ids. */
static bool has_frame(const ae_json *post, const ae_vocab *v, const ae_json *added)
{
    static const char *const keys[] = {"sep", "cls"};
    for (int i = 0; i < 2; i++) {
        const char *content = NULL;
        const ae_json *pair = ae_json_get(post, keys[i]);
        if (pair &&
            (ae_json_value_string(ae_json_first(pair), &content, NULL) != 0 || special_id(v, added, content) < 0)) {
            return false;
        }
    }
    for (const ae_json *m = ae_json_first(ae_json_get(post, "special_tokens")); m; m = ae_json_next(m)) {
        if (special_id(v, added, ae_json_key(m)) < 0) {
            return false;
        }
    }
    return true;
}

/* Puts the ids of the vocabulary into the frame; without its tokens there is no frame. */
static int fill_frame(ae_json *tokenizer, const ae_vocab *v, const ae_json *added)
{
    const ae_json *post = ae_json_get(tokenizer, "post_processor"), *tokens = ae_json_get(post, "special_tokens");
    bool pairs = ae_json_get(post, "sep") != NULL;
    if (!pairs && !tokens) {
        return 0;
    }
    if (!has_frame(post, v, added)) {
        return ae_json_set_null(tokenizer, "post_processor");
    }
    ae_json *copy = ae_json_copy(post);
    int failed = pairs ? fill_pair(copy, "sep", v, added) | fill_pair(copy, "cls", v, added)
                       : ae_json_set(copy, "special_tokens", fill_tokens(tokens, v, added));
    return ae_json_set(tokenizer, "post_processor", copy) || failed ? -1 : 0;
}

static int check_merges(const ae_kind_parts *p, const ae_vocab *v, ae_err *e)
{
    for (int64_t i = 0; i < p->n_merges; i++) {
        int32_t a = p->merges[i][0], b = p->merges[i][1];
        if (!ae_vocab_token(v, a, NULL) || !ae_vocab_token(v, b, NULL)) {
            return ae_err_set(e, AE_E_VALUE, "merge %lld has the ids %d and %d; the vocabulary has %d",
                              (long long)i + 1, (int)a, (int)b, (int)v->size);
        }
    }
    return 0;
}

static ae_tokenizer *assemble(const ae_json *tokenizer, const ae_json *added, ae_vocab *vocab, ae_merges merges,
                              ae_err *e)
{
    ae_component parts[5] = {{0}};
    ae_err local = {0};
    ae_model_make(ae_json_get(tokenizer, "model"), vocab, merges, &parts[2], &local);
    if (!local.code) {
        ae_normalizer_from_json(ae_json_get(tokenizer, "normalizer"), &parts[0], &local);
    }
    if (!local.code) {
        ae_pre_tokenizer_from_json(ae_json_get(tokenizer, "pre_tokenizer"), &parts[1], &local);
    }
    if (!local.code) {
        ae_post_from_json(ae_json_get(tokenizer, "post_processor"), &parts[3], &local);
    }
    if (!local.code) {
        ae_decoder_from_json(ae_json_get(tokenizer, "decoder"), &parts[4], &local);
    }
    if (local.code) {
        for (int i = 0; i < 5; i++) {
            ae_component_free(&parts[i]);
        }
        ae_err_set(e, local.code, "%s", local.message);
        return NULL;
    }
    return ae_tokenizer_build(parts, added, tokenizer, e);
}

ae_tokenizer *ae_tokenizer_from_parts(const ae_kind_parts *p, ae_err *e)
{
    ae_json *tokenizer = ae_json_parse(p->kind->components, strlen(p->kind->components), e), *added = NULL;
    ae_vocab *vocab = tokenizer && ae_options_apply(p->options, tokenizer, e) == 0 ? make_vocab(p, e) : NULL;
    ae_merges merges = {vocab ? malloc(((size_t)p->n_merges + 1) * sizeof *merges.pairs) : NULL, p->n_merges};
    ae_tokenizer *t = NULL;
    if (merges.pairs && check_merges(p, vocab, e) == 0) {
        if (p->n_merges > 0) {
            memcpy(merges.pairs, p->merges, (size_t)p->n_merges * sizeof *merges.pairs);
        }
        added = special_list(p, vocab);
        if (added && fill_frame(tokenizer, vocab, added) == 0) {
            t = assemble(tokenizer, added, vocab, merges, e);
            vocab = NULL;
            merges.pairs = NULL;
        }
    }
    if (!t) {
        ae_err_set(e, AE_E_MEMORY, "no memory for a tokenizer of %lld tokens", (long long)p->n_tokens);
    }
    ae_vocab_free(vocab);
    free(merges.pairs);
    ae_json_free(added);
    ae_json_free(tokenizer);
    return t;
}
