/* Tokenizers from vocabulary files: vocab.txt, a token a line; vocab.json, {"token": id}; merges.txt, a pair a line. */
#include "tensor/utf8_check.h"
#include "tokenizers/added_files.h"
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <stdio.h>
#include <stdlib.h>

/* Tokens in the order of their ids. */
typedef struct tokens {
    char *bytes;
    const char **text;
    size_t *size;
    int64_t count;
} tokens;

static void tokens_free(tokens *k)
{
    free(k->bytes);
    free(k->text);
    free(k->size);
    *k = (tokens){0};
}

static int tokens_room(tokens *k, size_t bytes, size_t count, ae_err *e)
{
    k->bytes = malloc(bytes + count + 1);
    k->text = calloc(count + 1, sizeof *k->text);
    k->size = calloc(count + 1, sizeof *k->size);
    if (!k->bytes || !k->text || !k->size) {
        tokens_free(k);
        return ae_err_set(e, AE_E_MEMORY, "no memory for %zu tokens", count);
    }
    return 0;
}

/* The next line without its end; false behind the last. A final line end does not begin another line. */
static bool next_line(const char **p, const char *end, const char **line, size_t *length)
{
    if (*p >= end) {
        return false;
    }
    const char *stop = memchr(*p, '\n', (size_t)(end - *p));
    *line = *p;
    *length = (size_t)((stop ? stop : end) - *p);
    *p = stop ? stop + 1 : end;
    *length -= *length > 0 && (*line)[*length - 1] == '\r';
    return true;
}

/* ERNIE's vocabularies have a number behind a tab; it must be the number of the line. */
static size_t without_number(const char *line, size_t length, int64_t number)
{
    char suffix[24];
    size_t n = (size_t)snprintf(suffix, sizeof suffix, "\t%lld", (long long)number);
    return length > n && memcmp(line + length - n, suffix, n) == 0 ? length - n : length;
}

static int read_lines(const char *text, size_t bytes, tokens *k, ae_err *e)
{
    const char *p = text, *end = text + bytes, *line = NULL;
    size_t length = 0, lines = 1;
    for (size_t i = 0; i < bytes; i++) {
        lines += text[i] == '\n';
    }
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        p += 3;
    }
    if (tokens_room(k, bytes, lines, e) != 0) {
        return -1;
    }
    char *out = k->bytes;
    while (next_line(&p, end, &line, &length)) {
        if (!ae_utf8_is_valid(line, length)) {
            ae_err_set(e, AE_E_FORMAT, "line %lld is not valid UTF-8; a vocabulary has one token a line",
                       (long long)k->count + 1);
            tokens_free(k);
            return -1;
        }
        length = without_number(line, length, k->count);
        memcpy(out, line, length);
        out[length] = '\0';
        k->text[k->count] = out;
        k->size[k->count++] = length;
        out += length + 1;
    }
    if (k->count == 0) {
        tokens_free(k);
        return ae_err_set(e, AE_E_FORMAT, "it is empty; a vocabulary has one token a line");
    }
    return 0;
}

/* {"token": id}: every id from 0 on must have its token. */
static int read_object(const ae_json *object, tokens *k, ae_err *e)
{
    ae_vocab *v = ae_vocab_from_json(object, e);
    if (!v) {
        return -1;
    }
    int result = tokens_room(k, v->bytes_used, (size_t)v->size, e);
    char *out = k->bytes;
    for (int32_t id = 0; id < v->size && result == 0; id++) {
        size_t size = 0;
        const char *token = ae_vocab_token(v, id, &size);
        if (!token) {
            result = ae_err_set(e, AE_E_FORMAT, "no token has the id %d, and the largest id is %d", (int)id,
                                (int)v->size - 1);
            break;
        }
        memcpy(out, token, size);
        out[size] = '\0';
        k->text[id] = out;
        k->size[id] = size;
        out += size + 1;
    }
    k->count = v->size;
    if (result == 0 && k->count == 0) {
        result = ae_err_set(e, AE_E_FORMAT, "it has no tokens");
    }
    if (result != 0) {
        tokens_free(k);
    }
    ae_vocab_free(v);
    return result;
}

static ae_vocab *index_of(const tokens *k, ae_err *e)
{
    ae_vocab *v = ae_vocab_new();
    for (int64_t i = 0; v && i < k->count; i++) {
        if (ae_vocab_add(v, k->text[i], k->size[i], i, e) != 0) {
            ae_vocab_free(v);
            return NULL;
        }
    }
    if (!v) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the vocabulary");
    }
    return v;
}

/* ---- merges ---------------------------------------------------------------------------------------------------------- */

static int read_merge(const ae_vocab *v, const char *line, size_t length, int32_t pair[2], ae_err *e)
{
    const char *space = memchr(line, ' ', length);
    if (!space || memchr(space + 1, ' ', length - (size_t)(space + 1 - line))) {
        return ae_err_set(e, AE_E_FORMAT, "\"%.*s\" is not two tokens with a space between",
                          (int)(length < 60 ? length : 60), line);
    }
    const char *parts[2] = {line, space + 1};
    size_t sizes[2] = {(size_t)(space - line), length - (size_t)(space + 1 - line)};
    for (int i = 0; i < 2; i++) {
        pair[i] = ae_vocab_find(v, parts[i], sizes[i]);
        if (pair[i] < 0) {
            return ae_err_set(e, AE_E_MISSING, "the token \"%.*s\" is not in the vocabulary",
                              (int)(sizes[i] < 60 ? sizes[i] : 60), parts[i]);
        }
    }
    return 0;
}

static int read_merges(const char *text, size_t bytes, const ae_vocab *v, ae_merges *merges, ae_err *e)
{
    const char *p = text, *end = text + bytes, *line = NULL;
    size_t length = 0, lines = 1;
    for (size_t i = 0; i < bytes; i++) {
        lines += text[i] == '\n';
    }
    merges->pairs = malloc(lines * sizeof *merges->pairs);
    if (!merges->pairs) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %zu merges", lines);
    }
    for (long long number = 1; next_line(&p, end, &line, &length); number++) {
        bool title = number == 1 && length >= 8 && memcmp(line, "#version", 8) == 0;
        if (title || length == 0) {
            continue;
        }
        if (read_merge(v, line, length, merges->pairs[merges->count], e) != 0) {
            ae_err_prefix(e, "merges: line %lld", number);
            return -1;
        }
        merges->count++;
    }
    return 0;
}

/* ---- what kind it is --------------------------------------------------------------------------------------------------- */

static bool is_bracketed(const char *text, size_t n)
{
    return n > 1 && ((text[0] == '[' && text[n - 1] == ']') || (text[0] == '<' && text[n - 1] == '>'));
}

static bool has(const ae_vocab *v, const char *token)
{
    return ae_vocab_find(v, token, strlen(token)) >= 0;
}

/* Whether there is a token of more than a letter that ends in GPT-1's mark of a word's end. */
static bool ends_words(const tokens *k)
{
    for (int64_t i = 0; i < k->count; i++) {
        if (k->size[i] > 4 && memcmp(k->text[i] + k->size[i] - 4, "</w>", 4) == 0) {
            return true;
        }
    }
    return false;
}

/* Told from the tokens: pieces with ##, merges, single characters, or else words. */
static const char *guess_kind(const tokens *k, const ae_vocab *v, const ae_vocab_files *f)
{
    if (f->merges && has(v, "<|startoftext|>")) {
        return "clip";
    }
    if (f->merges && ends_words(k)) {
        return "gpt1";
    }
    if (f->merges && (has(v, "<|startoftranscript|>") || ae_json_get(f->added, "<|startoftranscript|>"))) {
        return "whisper";
    }
    if (f->merges) {
        return has(v, "<s>") && has(v, "</s>") ? "roberta" : "gpt2";
    }
    bool letters = true;
    for (int64_t i = 0; i < k->count; i++) {
        if (k->size[i] > 2 && memcmp(k->text[i], "##", 2) == 0) {
            return "bert";
        }
        letters = letters && (is_bracketed(k->text[i], k->size[i]) || ae_utf8_count(k->text[i], k->size[i]) <= 1);
    }
    return letters ? has(v, "[UNK]") ? "char" : "plain" : "space";
}

/* A vocabulary with capital letters is for text that keeps them. */
static bool has_capitals(const tokens *k)
{
    for (int64_t i = 0; i < k->count; i++) {
        for (size_t b = 0; b < k->size[i] && !is_bracketed(k->text[i], k->size[i]); b++) {
            if (k->text[i][b] >= 'A' && k->text[i][b] <= 'Z') {
                return true;
            }
        }
    }
    return false;
}

static int tristate(const ae_json *config, const char *key, int given)
{
    const ae_json *value = ae_json_get(config, key);
    if (given || ae_json_type_of(value) != AE_JSON_BOOL) {
        return given;
    }
    return ae_json_bool(config, key, false, NULL) ? 1 : -1;
}

/* Options by rank: the caller's, tokenizer_config.json's, the vocabulary's. */
static ae_tokenizer_options settle(const ae_vocab_files *f, const ae_tokenizer_options *given, const tokens *k,
                                   const ae_kind *kind)
{
    ae_tokenizer_options o = given ? *given : (ae_tokenizer_options){0};
    o.lower_case = tristate(f->config, "do_lower_case", o.lower_case);
    o.strip_accents = tristate(f->config, "strip_accents", o.strip_accents);
    o.split_chinese = tristate(f->config, "tokenize_chinese_chars", o.split_chinese);
    if (!o.lower_case && kind->learning == AE_LEARN_PIECES) {
        o.lower_case = has_capitals(k) ? -1 : 1;
    }
    return o;
}

/* ---- together ------------------------------------------------------------------------------------------------------------ */

/* The caller's word counts first, then what tokenizer_config.json says, then what the tokens look like. */
static const ae_kind *settle_kind(const ae_vocab_files *f, const ae_tokenizer_options *options, const tokens *k,
                                  const ae_vocab *v, ae_err *e)
{
    const char *name = options && options->kind ? options->kind : ae_kind_of_config(f->config);
    const ae_kind *kind = ae_kind_find(name ? name : guess_kind(k, v, f), e);
    if (kind && kind->learning == AE_LEARN_MERGES && !f->merges) {
        ae_err_set(e, AE_E_MISSING, "the kind \"%s\" needs merges.txt beside the vocabulary, or its path", kind->name);
        return NULL;
    }
    return kind;
}

static ae_tokenizer *from_tokens(const ae_vocab_files *f, const ae_tokenizer_options *options, const tokens *k,
                                 const ae_vocab *v, ae_err *e)
{
    static const char *const none[] = {NULL};
    const ae_kind *kind = settle_kind(f, options, k, v, e);
    ae_merges merges = {0};
    ae_added_specs added = {0};
    ae_tokenizer *t = NULL;
    if (kind && ae_added_gather(&added, f->config, f->special, f->added, kind, v, e) == 0 &&
        (kind->learning != AE_LEARN_MERGES || read_merges(f->merges, f->merges_bytes, v, &merges, e) == 0)) {
        ae_tokenizer_options settled = settle(f, options, k, kind);
        ae_kind_parts parts = {.kind = kind,
                               .options = &settled,
                               .tokens = k->text,
                               .token_bytes = k->size,
                               .n_tokens = k->count,
                               .merges = (const int32_t(*)[2])merges.pairs,
                               .n_merges = merges.count,
                               .special = none,
                               .added = added.list,
                               .n_added = added.count};
        t = ae_tokenizer_from_parts(&parts, e);
    }
    free(added.list);
    free(merges.pairs);
    return t;
}

ae_tokenizer *ae_tokenizer_from_files(const ae_vocab_files *f, const ae_tokenizer_options *options, ae_err *e)
{
    tokens k = {0};
    int result = f->tree ? read_object(f->tree, &k, e) : read_lines(f->vocab, f->vocab_bytes, &k, e);
    ae_vocab *v = result == 0 ? index_of(&k, e) : NULL;
    ae_tokenizer *t = v ? from_tokens(f, options, &k, v, e) : NULL;
    ae_vocab_free(v);
    tokens_free(&k);
    return t;
}
