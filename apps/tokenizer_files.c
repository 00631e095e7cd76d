#include "apps/tokenizer_files.h"

#include "apps/tokenizer_run.h"
#include "tensor/atomic_file.h"
#include "tensor/byte_buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the contents ------------------------------------------------------------------------------------------------ */

/* Appends a JSON value's text, on one line or pretty. */
static int add_json(const ae_json *json, bool pretty, ae_bytes *out, ae_err *e)
{
    char *text = ae_json_text(json, pretty, e);
    if (!text) {
        return -1;
    }
    ae_bytes_add_text(out, text);
    free(text);
    return 0;
}

/* vocab.txt: one token a line, so that no token may hold a line end and no id may lack one. */
static int check_lines(const ae_tokenizer *t, ae_err *e)
{
    for (int32_t id = 0; id < ae_tokenizer_size(t); id++) {
        size_t bytes;
        const char *token = ae_tokenizer_token(t, id, &bytes);
        if (!token) {
            return ae_err_set(e, AE_E_UNSUPPORTED,
                              "id %d has no token, and a vocab.txt cannot leave a line out; write a "
                              "tokenizer.json (--output NAME.json)",
                              (int)id);
        }
        if (memchr(token, '\n', bytes) || memchr(token, '\r', bytes)) {
            return ae_err_set(e, AE_E_UNSUPPORTED,
                              "token %d holds a line end, which a vocab.txt cannot; write a "
                              "tokenizer.json (--output NAME.json)",
                              (int)id);
        }
    }
    return 0;
}

static void token_lines(const ae_tokenizer *t, ae_bytes *out)
{
    for (int32_t id = 0; id < ae_tokenizer_size(t); id++) {
        size_t bytes;
        const char *token = ae_tokenizer_token(t, id, &bytes);
        ae_bytes_add(out, token, bytes);
        ae_bytes_add(out, "\n", 1);
    }
}

/* A merge as tokenizer.json has it: "a b" or ["a", "b"]. */
static int merge_line(const ae_json *merge, ae_bytes *out, ae_err *e)
{
    const ae_json *first = ae_json_first(merge), *second = first ? ae_json_next(first) : NULL;
    const char *a = NULL, *b = NULL;
    if (ae_json_type_of(merge) == AE_JSON_STRING) {
        if (ae_json_value_string(merge, &a, e)) {
            return -1;
        }
        ae_bytes_printf(out, "%s\n", a);
        return 0;
    }
    if (!second || ae_json_value_string(first, &a, e) || ae_json_value_string(second, &b, e)) {
        return ae_err_set(e, AE_E_FORMAT, "a merge is not a pair of tokens");
    }
    if (strpbrk(a, " \n") || strpbrk(b, " \n")) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "a merge has a blank in its tokens, which a merges.txt cannot hold; write "
                          "a tokenizer.json (--output NAME.json)");
    }
    ae_bytes_printf(out, "%s %s\n", a, b);
    return 0;
}

static int merge_lines(const ae_json *merges, ae_bytes *out, ae_err *e)
{
    ae_bytes_add_text(out, "#version: 0.2\n");
    for (const ae_json *merge = ae_json_first(merges); merge; merge = ae_json_next(merge)) {
        if (merge_line(merge, out, e)) {
            return -1;
        }
    }
    return 0;
}

/* The classes of Hugging Face's transformers for kinds without a BertNormalizer. */
static const struct {
    const char *kind, *name;
    bool text; /* a text begins and ends with bos_token and eos_token, and there are no cls_token and sep_token */
} classes[] = {{"gpt1", "OpenAIGPTTokenizer", true},
               {"gpt2", "GPT2Tokenizer", true},
               {"roberta", "RobertaTokenizer", false},
               {"clip", "CLIPTokenizer", true},
               {"whisper", "WhisperTokenizer", true}};

/* Names the class; whether it is one of those whose texts begin and end. */
static bool name_class(const ae_tokenizer *t, const ae_json *normalizer, ae_json *object)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(ae_tokenizer_kind(t), classes[i].kind) == 0) {
            ae_json_set_string(object, "tokenizer_class", classes[i].name);
            return classes[i].text;
        }
    }
    if (strcmp(ae_json_string(normalizer, "type", "", NULL), "BertNormalizer") == 0) {
        const ae_json *accents = ae_json_get(normalizer, "strip_accents");
        ae_json_set_string(object, "tokenizer_class", "BertTokenizer");
        ae_json_set_bool(object, "do_lower_case", ae_json_bool(normalizer, "lowercase", true, NULL));
        ae_json_set_bool(object, "tokenize_chinese_chars",
                         ae_json_bool(normalizer, "handle_chinese_chars", true, NULL));
        ae_json_set(object, "strip_accents", accents ? ae_json_copy(accents) : ae_json_new_null());
    }
    return false;
}

/* Added tokens under their ids, as "added_tokens_decoder" has them. */
static ae_json *added_by_id(const ae_json *list)
{
    ae_json *object = ae_json_new_object();
    for (const ae_json *m = ae_json_first(list); m; m = ae_json_next(m)) {
        char id[24];
        snprintf(id, sizeof id, "%lld", (long long)ae_json_int(m, "id", 0, NULL));
        ae_json *added = ae_json_copy(m);
        ae_json_remove(added, "id");
        ae_json_add(object, id, added);
    }
    return object;
}

/* tokenizer_config.json: what Hugging Face's tokenizers must be told besides the vocabulary. */
static int configuration(const ae_tokenizer *t, const ae_json *json, ae_bytes *out, ae_err *e)
{
    static const char *const roles[AE_TOKEN_ROLES] = {"pad_token", "unk_token", "cls_token", "sep_token", "mask_token"};
    static const char *const text_roles[AE_TOKEN_ROLES] = {"pad_token", "unk_token", "bos_token", "eos_token",
                                                           "mask_token"};
    ae_json *object = ae_json_new_object();
    bool text = name_class(t, ae_json_get(json, "normalizer"), object);
    ae_json_set(object, "added_tokens_decoder", added_by_id(ae_json_get(json, "added_tokens")));
    for (int role = 0; role < AE_TOKEN_ROLES; role++) {
        int32_t id = ae_tokenizer_role(t, (ae_token_role)role);
        if (id >= 0) {
            ae_json_set_string(object, (text ? text_roles : roles)[role], ae_tokenizer_token(t, id, NULL));
        }
    }
    int status = add_json(object, true, out, e);
    ae_json_free(object);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

typedef struct planned {
    ae_tokenizer_files *files;
    ae_bytes content[AE_TOKENIZER_FILES_MAX];
} planned;

/* Adds a file to the plan: folder/name, or folder itself when name is NULL. NULL and e when the path is too long. */
static ae_bytes *plan(planned *p, const char *folder, const char *name, ae_err *e)
{
    int i = p->files->n;
    int n = snprintf(p->files->path[i], AE_TOKENIZER_PATH, "%s%s%s", folder, name ? "/" : "", name ? name : "");
    if (n < 0 || n >= AE_TOKENIZER_PATH) {
        ae_err_set(e, AE_E_VALUE, "the path %.100s... is too long", folder);
        return NULL;
    }
    p->files->n++;
    return &p->content[i];
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* Whether a tokenizer was made from a SentencePiece model. */
static bool is_from_pieces(const ae_tokenizer *t)
{
    for (int i = 0; i < ae_tokenizer_piece_kind_count(); i++) {
        if (strcmp(ae_tokenizer_kind(t), ae_tokenizer_piece_kind_name(i)) == 0) {
            return true;
        }
    }
    return false;
}

/* The model file of SentencePiece's library. */
static int plan_pieces(planned *p, const ae_tokenizer *t, const char *folder, const char *name, ae_err *e)
{
    size_t bytes = 0;
    char *data = ae_tokenizer_piece_file(t, &bytes, e);
    ae_bytes *file = data ? plan(p, folder, name, e) : NULL;
    if (file) {
        ae_bytes_add(file, data, bytes);
    }
    free(data);
    return file ? 0 : -1;
}

static int plan_vocabulary(planned *p, const ae_tokenizer *t, const ae_json *json, const char *folder, ae_err *e)
{
    const ae_json *model = ae_json_get(json, "model");
    const ae_json *vocab = ae_json_get(model, "vocab"), *merges = ae_json_get(model, "merges");
    if (is_from_pieces(t)) {
        return plan_pieces(p, t, folder, "spiece.model", e);
    }
    if (!merges && check_lines(t, NULL)) {
        return 0; /* tokenizer.json, beside it, holds what a list cannot */
    }
    if (!merges) {
        ae_bytes *vocabulary = plan(p, folder, "vocab.txt", e);
        if (vocabulary) {
            token_lines(t, vocabulary);
        }
        return vocabulary ? 0 : -1;
    }
    ae_bytes *vocabulary = plan(p, folder, "vocab.json", e), *pairs = plan(p, folder, "merges.txt", e);
    return vocabulary && pairs && add_json(vocab, false, vocabulary, e) == 0 ? merge_lines(merges, pairs, e) : -1;
}

/* Whether a list of tokens says all there is to say: no merges or scores, no words that are found whole. */
static int check_list(const ae_json *json, const char *output, ae_err *e)
{
    const ae_json *model = ae_json_get(json, "model");
    const char *what = ae_json_get(model, "merges") ? "merges" : NULL;
    if (!what && ae_json_type_of(ae_json_get(model, "vocab")) != AE_JSON_OBJECT) {
        what = "scores";
    }
    for (const ae_json *m = ae_json_first(ae_json_get(json, "added_tokens")); m && !what; m = ae_json_next(m)) {
        what = ae_json_bool(m, "special", true, NULL) ? NULL : "words that are found whole";
    }
    return what ? ae_err_set(e, AE_E_UNSUPPORTED,
                             "%s: a list of tokens cannot hold the %s of this tokenizer; give a folder or NAME.json",
                             output, what)
                : 0;
}

static int plan_files(planned *p, const ae_tokenizer *t, const ae_json *json, const char *output, ae_err *e)
{
    if (ends_with(output, ".txt")) {
        ae_bytes *vocabulary = check_list(json, output, e) || check_lines(t, e) ? NULL : plan(p, output, NULL, e);
        if (vocabulary) {
            token_lines(t, vocabulary);
        }
        return vocabulary ? 0 : -1;
    }
    if (ends_with(output, ".model")) {
        return plan_pieces(p, t, output, NULL, e);
    }
    bool alone = ends_with(output, ".json");
    ae_bytes *whole = plan(p, output, alone ? NULL : "tokenizer.json", e);
    if (!whole || add_json(json, true, whole, e)) {
        return -1;
    }
    if (alone) {
        return 0;
    }
    ae_bytes *config = plan(p, output, "tokenizer_config.json", e);
    return config && configuration(t, json, config, e) == 0 ? plan_vocabulary(p, t, json, output, e) : -1;
}

static int write_files(ae_run *run, const planned *p, const char *output)
{
    bool folder = p->files->n > 1;
    for (int i = 0; i < p->files->n; i++) {
        if (p->content[i].failed) {
            return ae_err_set(&run->error, AE_E_MEMORY, "no memory for %s", p->files->path[i]);
        }
        if (ae_run_refuse_existing(run, p->files->path[i])) {
            return -1;
        }
    }
    if (folder && mkdir(output, 0777) && errno != EEXIST) {
        return ae_err_set(&run->error, AE_E_IO, "%s: the folder cannot be made: %s", output, strerror(errno));
    }
    for (int i = 0; i < p->files->n; i++) {
        if (ae_atomic_save(p->files->path[i], p->content[i].data, p->content[i].length, &run->error)) {
            return -1;
        }
    }
    return 0;
}

int ae_run_write_tokenizer(ae_run *run, const ae_tokenizer *t, const char *output, ae_tokenizer_files *files)
{
    planned p = {.files = files};
    files->n = 0;
    ae_json *json = ends_with(output, ".model") ? ae_json_new_null() : ae_tokenizer_exchange_json(t, &run->error);
    int status = json && plan_files(&p, t, json, output, &run->error) == 0 ? write_files(run, &p, output) : -1;
    for (int i = 0; i < AE_TOKENIZER_FILES_MAX; i++) {
        ae_bytes_free(&p.content[i]);
    }
    ae_json_free(json);
    return status;
}

ae_json *ae_tokenizer_files_json(const ae_tokenizer *t, const ae_tokenizer_files *files)
{
    ae_json *object = ae_json_new_object(), *list = ae_json_new_array();
    for (int i = 0; i < files->n; i++) {
        ae_json_add(list, NULL, ae_json_new_string(files->path[i]));
    }
    ae_json_set_string(object, "kind", ae_tokenizer_kind(t));
    ae_json_set_int(object, "size", ae_tokenizer_size(t));
    ae_json_set(object, "files", list);
    return object;
}
