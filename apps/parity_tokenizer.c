#include "apps/parity_tokenizer.h"

#include "apps/token_surface.h"
#include "tokenizers/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, SHORT = 9 };

/* The classes of reference tokenizers, and what they are here. */
static const struct tokenizer_class {
    const char *name, *kind;
    bool types;         /* whether the reference gives token_type_ids */
    const char *suffix; /* the reference spells unknown tokens out, this behind the last of a word; NULL: it does not */
    bool runs;          /* and an unknown one may stand for several characters */
} classes[] = {
    {"BertTokenizer", "bert", true, NULL, false},
    {"GPT2Tokenizer", "gpt2", false, NULL, false},
    {"OpenAIGPTTokenizer", "gpt1", false, "</w>", false},
    {"AlbertTokenizer", "albert", true, NULL, true},
    {"T5Tokenizer", "t5", false, NULL, true},
    {"XLNetTokenizer", "xlnet", true, NULL, true},
    {"PegasusTokenizer", "pegasus", false, NULL, true},
    {"XLMRobertaTokenizer", "xlm-roberta", false, NULL, true},
    {"sentencepiece.SentencePieceProcessor", "sentencepiece", false, NULL, true},
    {"RobertaTokenizer", "roberta", false, NULL, false},
};

typedef struct case_run {
    const ae_tokenizer *tokenizer;
    const struct tokenizer_class *class;
    int32_t pad; /* the id that stands for nothing */
    bool pads_left;
    ae_encoding x, scratch;
    ae_err *e;
} case_run;

static int file_of(char path[PATH_BYTES], const char *dir, const char *file, ae_err *e)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", dir, file);
    return n > 0 && n < PATH_BYTES ? 0 : ae_err_set(e, AE_E_VALUE, "the path %.100s... is too long", dir);
}

static ae_json *read_json(const char *dir, const char *file, ae_err *e)
{
    char path[PATH_BYTES];
    return file_of(path, dir, file, e) ? NULL : ae_json_read_file(path, e);
}

bool ae_is_tokenizer_case(const char *dir)
{
    char tensors[PATH_BYTES], fields[PATH_BYTES];
    ae_json *meta = read_json(dir, "meta.json", NULL);
    const char *kind = ae_json_string(meta, "kind", NULL, NULL);
    bool answer = meta && !kind && file_of(tensors, dir, "expected.safetensors", NULL) == 0 &&
                  file_of(fields, dir, "expected.json", NULL) == 0 && access(tensors, F_OK) != 0 &&
                  access(fields, F_OK) == 0;
    answer |= kind && strcmp(kind, "tok") == 0;
    ae_json_free(meta);
    return answer;
}

/* ---- computing the fields ---------------------------------------------------------------------------------------- */

static ae_json *ids_json(const case_run *r)
{
    ae_json *list = ae_json_new_array();
    for (int64_t i = 0; i < r->x.count; i++) {
        ae_json_add(list, NULL, ae_json_new_int(r->x.ids[i]));
    }
    return list;
}

static ae_json *spelled_token(case_run *r, const char *text, int64_t i)
{
    if (!r->class->suffix) {
        size_t bytes;
        const char *token = ae_tokenizer_token(r->tokenizer, r->x.ids[i], &bytes);
        return token ? ae_json_new_bytes(token, bytes) : ae_json_new_null();
    }
    ae_bytes out = {0};
    int status = ae_token_surface(r->tokenizer, text, &r->x, i, r->class->suffix, &r->scratch, &out, r->e);
    ae_json *token = status == 0 ? ae_json_new_bytes(out.data ? out.data : "", out.length) : NULL;
    ae_bytes_free(&out);
    return token;
}

/* The same where unknown tokens stand for runs of normalised text. */
static ae_json *spelled_runs(case_run *r, const char *text, size_t bytes)
{
    ae_strings spelled = {0};
    int32_t unknown = ae_tokenizer_role(r->tokenizer, AE_TOKEN_UNKNOWN);
    int status = ae_tokenizer_spell(r->tokenizer, text, bytes, &r->scratch, &spelled, r->e);
    ae_json *list = status == 0 ? ae_json_new_array() : NULL;
    for (int64_t i = 0; list && i < r->x.count; i++) {
        size_t length = 0;
        const char *token = ae_tokenizer_token(r->tokenizer, r->x.ids[i], &length);
        if (r->x.ids[i] == unknown) {
            token = spelled.bytes + spelled.at[i].offset;
            length = spelled.at[i].length;
        }
        ae_json_add(list, NULL, ae_json_new_bytes(token, length));
    }
    ae_strings_free(&spelled);
    return list;
}

static ae_json *tokens_json(case_run *r, const char *text, size_t bytes)
{
    if (r->class->runs) {
        return spelled_runs(r, text, bytes);
    }
    ae_json *list = ae_json_new_array();
    for (int64_t i = 0; i < r->x.count; i++) {
        ae_json_add(list, NULL, spelled_token(r, text, i));
    }
    return list;
}

static ae_json *types_json(const case_run *r)
{
    if (!r->class->types) {
        return ae_json_new_null();
    }
    ae_json *list = ae_json_new_array();
    for (int64_t i = 0; i < r->x.count; i++) {
        ae_json_add(list, NULL, ae_json_new_int(r->x.type_ids[i]));
    }
    return list;
}

static int row_fields(case_run *r, const char *text, size_t bytes, ae_json *row)
{
    static const ae_encode_options special = {.special = true};
    if (ae_tokenizer_encode(r->tokenizer, text, bytes, NULL, &r->x, r->e)) {
        return -1;
    }
    ae_json_set(row, "tokens", tokens_json(r, text, bytes));
    ae_json_set(row, "ids", ids_json(r));
    size_t length;
    char *decoded = ae_tokenizer_decode(r->tokenizer, r->x.ids, r->x.count, false, &length, r->e);
    if (!decoded) {
        return -1;
    }
    ae_json_set(row, "decoded", ae_json_new_bytes(decoded, length));
    free(decoded);
    if (ae_tokenizer_encode(r->tokenizer, text, bytes, &special, &r->x, r->e)) {
        return -1;
    }
    ae_json_set(row, "input_ids", ids_json(r));
    return 0;
}

/* A list of `n` values with `padding` on its left or right up to SHORT; n values come from the encoding. */
static ae_json *padded(const case_run *r, int which, int64_t padding)
{
    ae_json *list = ae_json_new_array();
    int64_t n = r->x.count, pads = n < SHORT ? SHORT - n : 0;
    for (int64_t i = 0; i < n + pads; i++) {
        int64_t k = r->pads_left ? i - pads : i;
        bool real = k >= 0 && k < n;
        int64_t value = !real ? padding : which == 0 ? r->x.ids[k] : which == 1 ? 1 : r->x.type_ids[k];
        ae_json_add(list, NULL, ae_json_new_int(value));
    }
    return list;
}

static ae_json *short_fields(const case_run *r)
{
    ae_json *fields = ae_json_new_object();
    ae_json_set(fields, "input_ids", padded(r, 0, r->pad));
    ae_json_set(fields, "attention_mask", padded(r, 1, 0));
    ae_json_set(fields, "token_type_ids", r->class->types ? padded(r, 2, 0) : ae_json_new_null());
    return fields;
}

static int pair_fields(case_run *r, const ae_json *wanted, ae_json *row)
{
    static const ae_encode_options whole = {.special = true};
    static const ae_encode_options cut = {.special = true, .max_length = SHORT, .truncation = AE_TRUNCATE_LONGEST};
    const char *a = ae_json_need_string(wanted, "a", r->e), *b = ae_json_need_string(wanted, "b", r->e);
    if (!a || !b || ae_tokenizer_encode_pair(r->tokenizer, a, strlen(a), b, strlen(b), &whole, &r->x, r->e)) {
        return -1;
    }
    ae_json_set(row, "input_ids", ids_json(r));
    ae_json_set(row, "token_type_ids", types_json(r));
    if (ae_tokenizer_encode_pair(r->tokenizer, a, strlen(a), b, strlen(b), &cut, &r->x, r->e)) {
        return -1;
    }
    ae_json_set(row, "max9", short_fields(r));
    return 0;
}

static int add_row(case_run *r, const ae_json *wanted, ae_json *rows)
{
    size_t bytes;
    const ae_json *member = ae_json_get(wanted, "text");
    char *text = ae_json_value_bytes(member, &bytes, r->e);
    ae_json *row = ae_json_new_object();
    int status = -1;
    if (text) {
        ae_json_set(row, "text", ae_json_copy(member));
        status = row_fields(r, text, bytes, row);
    }
    free(text);
    ae_json_add(rows, NULL, row);
    return status;
}

static int add_pair(case_run *r, const ae_json *wanted, ae_json *rows)
{
    ae_json *row = ae_json_new_object();
    ae_json_set(row, "a", ae_json_copy(ae_json_get(wanted, "a")));
    ae_json_set(row, "b", ae_json_copy(ae_json_get(wanted, "b")));
    int status = pair_fields(r, wanted, row);
    ae_json_add(rows, NULL, row);
    return status;
}

static int produce(case_run *r, const ae_json *expected, ae_json *produced)
{
    ae_json *rows = ae_json_new_array(), *pairs = ae_json_new_array();
    const ae_json *wanted;
    int status = 0;
    for (wanted = ae_json_first(ae_json_get(expected, "rows")); wanted && !status; wanted = ae_json_next(wanted)) {
        status = add_row(r, wanted, rows);
    }
    for (wanted = ae_json_first(ae_json_get(expected, "pairs")); wanted && !status; wanted = ae_json_next(wanted)) {
        status = add_pair(r, wanted, pairs);
    }
    ae_json_set(produced, "rows", rows);
    ae_json_set(produced, "pairs", pairs);
    return status;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static int keep_difference(ae_tokenizer_parity *p, const char *path, char *got, char *wanted)
{
    p->differences++;
    if (p->kept == AE_DIFFERENCES_KEPT) {
        free(got);
        free(wanted);
        return 0;
    }
    ae_field_difference *grown = realloc(p->first, ((size_t)p->kept + 1) * sizeof *grown);
    if (grown) {
        p->first = grown;
        grown[p->kept++] = (ae_field_difference){.path = strdup(path), .got = got, .wanted = wanted};
    } else {
        free(got);
        free(wanted);
    }
    return grown ? 0 : -1;
}

/* Compares every field of `wanted`, objects member by member; the texts that were given are no fields. */
static int compare(ae_tokenizer_parity *p, const char *path, const ae_json *got, const ae_json *wanted, ae_err *e)
{
    static const char *const given[] = {"text", "a", "b"};
    char inner[256];
    if (ae_json_type_of(wanted) == AE_JSON_OBJECT) {
        for (const ae_json *m = ae_json_first(wanted); m; m = ae_json_next(m)) {
            const char *key = ae_json_key(m);
            bool is_given = strcmp(key, given[0]) == 0 || strcmp(key, given[1]) == 0 || strcmp(key, given[2]) == 0;
            snprintf(inner, sizeof inner, "%s.%s", path, key);
            if (!is_given && compare(p, inner, ae_json_get(got, key), m, e)) {
                return -1;
            }
        }
        return 0;
    }
    p->fields++;
    char *x = got ? ae_json_text(got, false, e) : strdup("nothing"), *y = ae_json_text(wanted, false, e);
    if (!x || !y) {
        free(x);
        free(y);
        return ae_err_set(e, AE_E_MEMORY, "no memory to compare %s", path);
    }
    if (strcmp(x, y) != 0) {
        return keep_difference(p, path, x, y) ? ae_err_set(e, AE_E_MEMORY, "no memory to compare %s", path) : 0;
    }
    free(x);
    free(y);
    return 0;
}

static int compare_all(ae_tokenizer_parity *p, const ae_json *expected, ae_err *e)
{
    static const char *const parts[] = {"rows", "pairs"};
    char path[64];
    for (int part = 0; part < 2; part++) {
        const ae_json *wanted = ae_json_first(ae_json_get(expected, parts[part]));
        const ae_json *got = ae_json_first(ae_json_get(p->produced, parts[part]));
        for (int i = 0; wanted; i++, wanted = ae_json_next(wanted), got = ae_json_next(got)) {
            snprintf(path, sizeof path, "%s[%d]", parts[part], i);
            if (compare(p, path, got, wanted, e)) {
                return -1;
            }
        }
    }
    return p->fields > 0 ? 0 : ae_err_set(e, AE_E_FORMAT, "expected.json has no field to compare");
}

/* ---- a case ------------------------------------------------------------------------------------------------------ */

static const struct tokenizer_class *class_of(const char *dir, const ae_json *meta, ae_err *e)
{
    const char *name = ae_json_need_string(meta, "class", e);
    size_t length = name ? strcspn(name, " ") : 0; /* a remark may follow */
    for (size_t i = 0; name && i < sizeof classes / sizeof *classes; i++) {
        if (strlen(classes[i].name) == length && memcmp(classes[i].name, name, length) == 0) {
            return &classes[i];
        }
    }
    if (name) {
        ae_err_set(e, AE_E_UNSUPPORTED, "%s: tokenizers of the class %s are not known to this version", dir, name);
    }
    return NULL;
}

static ae_tokenizer *open_tokenizer(const char *dir, const struct tokenizer_class *class, const ae_json *meta,
                                    ae_err *e)
{
    ae_tokenizer_options options = {.kind = class->kind};
    const ae_json *lower = ae_json_get(ae_json_get(meta, "options"), "do_lower_case");
    bool lower_case;
    if (lower && ae_json_value_bool(lower, &lower_case, e)) {
        return NULL;
    }
    if (lower) {
        options.lower_case = lower_case ? 1 : -1;
    }
    options.extra_ids = ae_json_int(ae_json_get(meta, "options"), "extra_ids", 0, NULL);
    return ae_tokenizer_open(dir, &options, e);
}

/* The id of the padding: what meta.json says of pad_token, ["[PAD]", 0], else the tokenizer's own. */
static int32_t padding_of(const ae_tokenizer *t, const ae_json *meta)
{
    const ae_json *said = ae_json_at(ae_json_get(ae_json_get(meta, "special_tokens"), "pad_token"), 1);
    int64_t id = ae_tokenizer_role(t, AE_TOKEN_PAD);
    if (said) {
        ae_json_value_int(said, &id, NULL);
    }
    return (int32_t)id;
}

int ae_tokenizer_case_run(const char *dir, ae_tokenizer_parity *p, ae_err *e)
{
    *p = (ae_tokenizer_parity){0};
    ae_json *meta = read_json(dir, "meta.json", e), *expected = meta ? read_json(dir, "expected.json", e) : NULL;
    const struct tokenizer_class *class = expected ? class_of(dir, meta, e) : NULL;
    ae_tokenizer *t = class ? open_tokenizer(dir, class, meta, e) : NULL;
    int status = -1;
    if (t) {
        const char *side = ae_json_string(meta, "padding_side", "right", NULL);
        case_run r = {
            .tokenizer = t, .class = class, .pad = padding_of(t, meta), .pads_left = strcmp(side, "left") == 0, .e = e};
        p->produced = ae_json_new_object();
        status = produce(&r, expected, p->produced) == 0 ? compare_all(p, expected, e) : -1;
        ae_encoding_free(&r.x);
        ae_encoding_free(&r.scratch);
    }
    ae_tokenizer_free(t);
    ae_json_free(expected);
    ae_json_free(meta);
    return status;
}

void ae_tokenizer_parity_free(ae_tokenizer_parity *p)
{
    for (int i = 0; i < p->kept; i++) {
        free(p->first[i].path);
        free(p->first[i].got);
        free(p->first[i].wanted);
    }
    free(p->first);
    ae_json_free(p->produced);
    *p = (ae_tokenizer_parity){0};
}
