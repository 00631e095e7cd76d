/* ae_tokenizer_open: what a path is, and the files around it. */
#include "tensor/file_map.h"
#include "tensor/model_file.h"
#include "tokenizers/piece_kinds.h"
#include "tokenizers/tokenizer_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PATH_MAX_BYTES = 4096 };

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* folder/name in `path`; false when it does not fit or there is no such file. */
static bool file_in(const char *folder, const char *name, char path[PATH_MAX_BYTES])
{
    int n = snprintf(path, PATH_MAX_BYTES, "%s/%s", folder, name);
    return n > 0 && n < PATH_MAX_BYTES && exists(path);
}

static void folder_of(const char *path, char folder[PATH_MAX_BYTES])
{
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) : 1;
    snprintf(folder, PATH_MAX_BYTES, "%.*s", n > 0 ? n : 1, slash ? path : ".");
}

/* An object with a key; a file of lines called .txt may begin alike. */
static bool is_object(const char *path, const char *text, size_t bytes)
{
    size_t n = strlen(path), i = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    bool brace = false;
    for (; i < bytes && (strchr(" \t\r\n", text[i]) || (text[i] == '{' && !brace)) && text[i]; i++) {
        brace = brace || text[i] == '{';
    }
    return brace && i < bytes && (text[i] == '"' || text[i] == '}') && !(n > 4 && strcmp(path + n - 4, ".txt") == 0);
}

/* A JSON file that may be missing; a broken one is an error. */
static int read_beside(const char *folder, const char *name, ae_json **json, ae_err *e)
{
    char path[PATH_MAX_BYTES];
    *json = NULL;
    if (!file_in(folder, name, path)) {
        return 0;
    }
    *json = ae_json_read_file(path, e);
    return *json ? 0 : -1;
}

/* Lists of merges as Hugging Face, OpenAI's GPT-2 and OpenAI's GPT-1 call them. */
static const char *const merges_names[] = {"merges.txt", "vocab.bpe", "vocab_40000.bpe"};
enum { N_MERGES = sizeof merges_names / sizeof *merges_names };

/* The contents of the merges: where the options say, or beside the vocabulary. *storage stays NULL when there are none.
 */
static int read_merges(const char *folder, const ae_tokenizer_options *options, ae_storage **storage, ae_err *e)
{
    char path[PATH_MAX_BYTES];
    *storage = NULL;
    if (options && options->merges) {
        *storage = ae_map_file(options->merges, e);
        return *storage ? 0 : -1;
    }
    for (int i = 0; i < N_MERGES; i++) {
        if (file_in(folder, merges_names[i], path)) {
            *storage = ae_map_file(path, e);
            return *storage ? 0 : -1;
        }
    }
    return 0;
}

/* Merges lie beside vocab.txt of other kinds by chance; they count for byte-level tokens. */
static bool wants_merges(const ae_tokenizer_options *options, const char *text, size_t bytes, bool json)
{
    bool asked = options && options->merges;
    const ae_kind *kind = options && options->kind ? ae_kind_find(options->kind, NULL) : NULL;
    return asked || (kind ? kind->learning == AE_LEARN_MERGES : json || memmem(text, bytes, "\n\xc4\xa0", 3));
}

static ae_tokenizer *open_vocab(const char *path, ae_storage *s, const ae_json *tree,
                                const ae_tokenizer_options *options, ae_err *e)
{
    char folder[PATH_MAX_BYTES];
    folder_of(path, folder);
    ae_vocab_files files = {.vocab = ae_storage_data(s), .vocab_bytes = ae_storage_bytes(s), .tree = tree};
    ae_storage *merges = NULL;
    ae_json *config = NULL, *special = NULL, *added = NULL;
    ae_tokenizer *t = NULL;
    bool wanted = wants_merges(options, files.vocab, files.vocab_bytes, tree);
    if ((!wanted || read_merges(folder, options, &merges, e) == 0) &&
        read_beside(folder, "tokenizer_config.json", &config, e) == 0 &&
        read_beside(folder, "special_tokens_map.json", &special, e) == 0 &&
        read_beside(folder, "added_tokens.json", &added, e) == 0) {
        files.merges = merges ? ae_storage_data(merges) : NULL;
        files.merges_bytes = merges ? ae_storage_bytes(merges) : 0;
        files.config = config;
        files.special = special;
        files.added = added;
        t = ae_tokenizer_from_files(&files, options, e);
        if (!t) {
            ae_err_prefix(e, "%s", path);
        }
    }
    ae_storage_drop(merges);
    ae_json_free(config);
    ae_json_free(special);
    ae_json_free(added);
    return t;
}

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

static bool is_piece_path(const char *path)
{
    return ends_with(path, ".model") || ends_with(path, ".spm");
}

/* A SentencePiece model, and what lies beside it. */
static ae_tokenizer *open_pieces(const char *path, ae_storage *s, const ae_tokenizer_options *options, ae_err *e)
{
    char folder[PATH_MAX_BYTES];
    folder_of(path, folder);
    ae_json *config = NULL, *special = NULL, *vocab = NULL;
    ae_piece_file file = {0};
    ae_tokenizer *t = NULL;
    if (read_beside(folder, "tokenizer_config.json", &config, e) == 0 &&
        read_beside(folder, "special_tokens_map.json", &special, e) == 0) {
        ae_piece_settings settings = {.config = config, .special = special, .options = options};
        const ae_piece_kind *kind = ae_piece_kind_settle(&settings, e);
        bool ids = kind && kind->layout == AE_LAYOUT_VOCAB;
        if (kind && (!ids || read_beside(folder, "vocab.json", &vocab, e) == 0) &&
            ae_piece_file_read(ae_storage_data(s), ae_storage_bytes(s), &file, e) == 0) {
            settings.vocab = vocab;
            t = ae_tokenizer_from_pieces(&file, kind, &settings, e);
        }
        if (!t) {
            ae_err_prefix(e, "%s", path);
        }
    }
    ae_json_free(config);
    ae_json_free(special);
    ae_json_free(vocab);
    return t;
}

static ae_tokenizer *from_json_with(ae_json *json, const ae_tokenizer_options *options, ae_err *e)
{
    if (options && options->kind) {
        ae_err_set(e, AE_E_UNSUPPORTED, "a tokenizer.json says itself what kind it is; leave the kind (\"%s\") out",
                   options->kind);
        return NULL;
    }
    return ae_options_apply(options, json, e) == 0 ? ae_tokenizer_from_json(json, e) : NULL;
}

static ae_tokenizer *open_json(const char *path, ae_storage *s, const ae_tokenizer_options *options, ae_err *e)
{
    ae_json *json = ae_json_parse(ae_storage_data(s), ae_storage_bytes(s), e);
    if (!json) {
        ae_err_prefix(e, "%s", path);
        return NULL;
    }
    ae_tokenizer *t = NULL;
    if (ae_json_type_of(ae_json_get(json, "model")) == AE_JSON_OBJECT) {
        t = from_json_with(json, options, e);
        if (!t) {
            ae_err_prefix(e, "%s", path);
        }
    } else {
        t = open_vocab(path, s, json, options, e);
    }
    ae_json_free(json);
    return t;
}

static ae_tokenizer *open_model(const char *path, const ae_tokenizer_options *options, ae_err *e)
{
    ae_h5 *f = ae_h5_open(path, e);
    if (!f) {
        return NULL;
    }
    ae_tokenizer *t = NULL;
    if (!ae_h5_has(f, "tokenizer")) {
        ae_err_set(e, AE_E_MISSING, "%s: there is no tokenizer in this model file", path);
    } else {
        ae_json *json = ae_h5_read_json(f, "tokenizer", e);
        t = json ? from_json_with(json, options, e) : NULL;
        if (json && !t) {
            ae_err_prefix(e, "%s: tokenizer", path);
        }
        ae_json_free(json);
    }
    ae_h5_close(f);
    return t;
}

static ae_tokenizer *open_file(const char *path, const ae_tokenizer_options *options, ae_err *e)
{
    ae_storage *s = ae_map_file(path, e);
    if (!s) {
        return NULL;
    }
    const char *text = ae_storage_data(s);
    size_t bytes = ae_storage_bytes(s);
    ae_tokenizer *t = NULL;
    if (bytes >= 8 && memcmp(text, "\x89HDF\r\n\x1a\n", 8) == 0) {
        t = open_model(path, options, e);
    } else if (is_piece_path(path) || (ae_is_piece_file(text, bytes) && !ends_with(path, ".txt"))) {
        t = open_pieces(path, s, options, e);
    } else if (is_object(path, text, bytes)) {
        t = open_json(path, s, options, e);
    } else {
        t = open_vocab(path, s, NULL, options, e);
    }
    ae_storage_drop(s);
    return t;
}

/* The one file in a folder whose name is that of a SentencePiece model. */
static bool only_pieces_in(const char *folder, char path[PATH_MAX_BYTES])
{
    DIR *d = opendir(folder);
    char name[256] = "";
    int count = 0;
    for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d)) {
        if (entry->d_name[0] != '.' && is_piece_path(entry->d_name)) {
            snprintf(name, sizeof name, "%s", entry->d_name);
            count++;
        }
    }
    if (d) {
        closedir(d);
    }
    return count == 1 && file_in(folder, name, path);
}

/* The file of a folder to open: what is asked for when a kind is, else the most telling one. */
static bool find_in(const char *folder, const ae_tokenizer_options *options, char path[PATH_MAX_BYTES])
{
    static const char *const pieces[] = {"spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
                                         "source.spm",   "sentencepiece.model",     "spm.model"};
    static const char *const words[] = {"vocab.json", "vocab.txt", "encoder.json", "encoder_bpe_40000.json"};
    const char *kind = options ? options->kind : NULL;
    bool from_pieces = !kind || ae_piece_kind_find(kind), from_words = !kind || !from_pieces;
    if (!kind && file_in(folder, "tokenizer.json", path)) {
        return true;
    }
    for (size_t i = 0; from_pieces && i < sizeof pieces / sizeof *pieces; i++) {
        if (file_in(folder, pieces[i], path)) {
            return true;
        }
    }
    for (size_t i = 0; from_words && i < sizeof words / sizeof *words; i++) {
        if (file_in(folder, words[i], path)) {
            return true;
        }
    }
    return from_pieces && only_pieces_in(folder, path);
}

ae_tokenizer *ae_tokenizer_open(const char *path, const ae_tokenizer_options *options, ae_err *e)
{
    if (!is_folder(path)) {
        return open_file(path, options, e);
    }
    char file[PATH_MAX_BYTES];
    if (find_in(path, options, file)) {
        return open_file(file, options, e);
    }
    ae_err_set(e, AE_E_MISSING,
               "%s: there is no tokenizer.json, vocab.json, vocab.txt or SentencePiece model in this folder", path);
    return NULL;
}
