/* A file of instances as a dataset: the file is mapped, and a batch is put together from it. */
#include "datasets/instances_build.h"

#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, IGNORED = -100 };

typedef enum objective { MLM_NSP, MLM, LM } objective;

static const char *const objective_names[] = {"mlm_nsp", "mlm", "lm"};

typedef struct instances {
    ae_dataset dataset;
    char *path;
    objective objective;
    ae_tokenizer *tokenizer;
    int32_t pad, vocab;
    bool dynamic, undo; /* undo: the file has static masks, and others are wanted */
    ae_masking masking;
    ae_tensor *tensors[8]; /* what the next ones point into */
    const int32_t *ids, *split, *mask_positions, *mask_ids;
    const int64_t *offsets, *mask_offsets;
    const uint8_t *label, *inside;
} instances;

static const instances *of(const ae_dataset *d)
{
    return (const instances *)(const void *)d;
}

/* ---- reading the file -------------------------------------------------------------------------------------------- */

static void free_instances(ae_dataset *d)
{
    instances *s = (instances *)(void *)d;
    for (size_t i = 0; i < sizeof s->tensors / sizeof *s->tensors; i++) {
        ae_tensor_free(s->tensors[i]);
    }
    ae_tokenizer_free(s->tokenizer);
    free(s->path);
    free(s);
}

static ae_json *read_json(ae_h5 *f, const char *path, const char *name, ae_err *e)
{
    if (!ae_h5_has(f, name)) {
        ae_err_set(e, AE_E_FORMAT,
                   "%s: holds no instances (there is no \"%s\" in it); `aesop data build` makes such files", path,
                   name);
        return NULL;
    }
    char *text = ae_h5_read_text(f, name, e);
    ae_json *j = text ? ae_json_parse(text, strlen(text), e) : NULL;
    free(text);
    return j;
}

static int read_masking(instances *s, const ae_json *options, ae_err *e)
{
    static const char *const units[] = {"tokens", "whole-words", "spans"};
    const ae_json *m = ae_json_object(options, "masking", e);
    ae_masking *to = &s->masking;
    *to = ae_masking_defaults();
    to->rate = ae_json_double(m, "rate", to->rate, e);
    to->most = ae_json_int(m, "most", to->most, e);
    to->as_mask = ae_json_double(m, "as_mask", to->as_mask, e);
    to->as_random = ae_json_double(m, "as_random", to->as_random, e);
    to->span_p = ae_json_double(m, "span_p", to->span_p, e);
    to->span_most = ae_json_int(m, "span_most", to->span_most, e);
    const char *unit = ae_json_string(m, "unit", units[0], e);
    for (int i = 0; unit && i < 3; i++) {
        if (strcmp(unit, units[i]) == 0) {
            to->unit = (ae_mask_unit)i;
        }
    }
    return e->code == AE_OK ? ae_masking_check(to, e) : -1;
}

static int read_about(instances *s, const ae_json *about, ae_err *e)
{
    int64_t format = ae_json_need_int(about, "format", e);
    const char *name = ae_json_need_string(about, "objective", e);
    const ae_json *options = ae_json_need_object(about, "options", e);
    if (e->code != AE_OK) {
        return -1;
    }
    if (format > FORMAT) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "format %lld of instances is newer than this program, which reads up to %d",
                          (long long)format, FORMAT);
    }
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, objective_names[i]) == 0) {
            s->objective = (objective)i;
            s->dataset.objective = objective_names[i];
        }
    }
    if (!s->dataset.objective) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "instances of the objective \"%.60s\" are not known here", name);
    }
    s->dynamic = ae_json_bool(options, "dynamic", true, e);
    return read_masking(s, options, e);
}

/* A tensor of one axis with `count` elements (-1: any number). */
static const void *read_row(instances *s, ae_h5 *f, int slot, const char *name, ae_dtype dtype, int64_t count,
                            ae_err *e)
{
    ae_tensor *t = ae_h5_read_tensor(f, name, e);
    s->tensors[slot] = t;
    if (!t) {
        return NULL;
    }
    if (t->ndim != 1 || t->dtype != dtype || (count >= 0 && t->shape[0] != count)) {
        char shape[AE_SHAPE_TEXT_MAX];
        ae_err_set(e, AE_E_FORMAT, "\"%s\" is %s %s; expected %s with one axis of %lld", name, ae_dtype_name(t->dtype),
                   ae_shape_text(t->ndim, t->shape, shape), ae_dtype_name(dtype), (long long)count);
        return NULL;
    }
    return t->data;
}

/* Offsets begin at 0, rise by `least` or more, and end at `last`. */
static int check_offsets(const char *name, const int64_t *offsets, int64_t count, int64_t least, int64_t last,
                         ae_err *e)
{
    int64_t wrong = offsets[0] != 0 ? 0 : -1;
    for (int64_t i = 0; i < count && wrong < 0; i++) {
        wrong = offsets[i + 1] < offsets[i] || offsets[i + 1] - offsets[i] < least ? i + 1 : -1;
    }
    wrong = wrong < 0 && offsets[count] != last ? count : wrong;
    return wrong < 0 ? 0
                     : ae_err_set(e, AE_E_FORMAT, "\"%s\" is damaged at place %lld: %lld", name, (long long)wrong,
                                  (long long)offsets[wrong]);
}

static int read_masks(instances *s, ae_h5 *f, ae_err *e)
{
    s->mask_offsets = read_row(s, f, 4, "mask_offsets", AE_I64, s->dataset.count + 1, e);
    s->mask_positions = s->mask_offsets ? read_row(s, f, 5, "mask_positions", AE_I32, -1, e) : NULL;
    if (e->code != AE_OK) {
        return -1;
    }
    int64_t masks = s->tensors[5]->shape[0];
    s->mask_ids = read_row(s, f, 6, "mask_ids", AE_I32, masks, e);
    return e->code == AE_OK ? check_offsets("mask_offsets", s->mask_offsets, s->dataset.count, 0, masks, e) : -1;
}

static int read_rows(instances *s, ae_h5 *f, ae_err *e)
{
    s->ids = read_row(s, f, 0, "ids", AE_I32, -1, e);
    s->offsets = s->ids ? read_row(s, f, 1, "offsets", AE_I64, -1, e) : NULL;
    if (!s->offsets) {
        return -1;
    }
    s->dataset.count = s->tensors[1]->shape[0] - 1;
    if (s->dataset.count < 1) {
        return ae_err_set(e, AE_E_FORMAT, "there are no instances in it");
    }
    int64_t least = s->objective == LM ? 2 : 1;
    if (check_offsets("offsets", s->offsets, s->dataset.count, least, s->tensors[0]->shape[0], e) != 0) {
        return -1;
    }
    if (s->objective == MLM_NSP) {
        s->split = read_row(s, f, 2, "split", AE_I32, s->dataset.count, e);
        s->label = s->split ? read_row(s, f, 3, "label", AE_U8, s->dataset.count, e) : NULL;
        if (!s->label) {
            return -1;
        }
    }
    if (ae_h5_has(f, "inside")) {
        s->inside = read_row(s, f, 7, "inside", AE_U8, s->tensors[0]->shape[0], e);
        if (!s->inside) {
            return -1;
        }
    }
    return s->dynamic ? 0 : read_masks(s, f, e);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static int64_t length_of(const ae_dataset *d, int64_t i)
{
    const instances *s = of(d);
    return s->offsets[i + 1] - s->offsets[i] - (s->objective == LM);
}

int64_t ae_instances_ids(const ae_dataset *d, int64_t i, const int32_t **ids)
{
    const instances *s = of(d);
    *ids = s->ids + s->offsets[i];
    return s->offsets[i + 1] - s->offsets[i];
}

/* The tensors of a batch; NULL where the objective has none. */
typedef struct batch {
    int64_t n, t;
    int64_t *input_ids, *attention_mask, *token_type_ids, *labels, *next_ids, *next_sentence_label;
    ae_tensors *all;
} batch;

static int64_t *add_tensor(batch *b, const char *name, int ndim, int64_t value, ae_err *e)
{
    const int64_t shape[2] = {b->n, b->t};
    ae_tensor *t = ae_tensor_new(AE_I64, ndim, shape, e);
    int64_t *data = t ? t->data : NULL;
    if (!t || ae_tensors_add(b->all, name, t, e) != 0) {
        return NULL;
    }
    for (int64_t i = 0; value != 0 && i < ae_numel(t); i++) {
        data[i] = value;
    }
    return data;
}

static int new_batch(const instances *s, batch *b, ae_err *e)
{
    b->all = ae_tensors_new();
    if (!b->all) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a batch");
    }
    b->input_ids = add_tensor(b, "input_ids", 2, s->pad, e);
    b->attention_mask = b->input_ids ? add_tensor(b, "attention_mask", 2, 0, e) : NULL;
    if (b->attention_mask && s->objective == LM) {
        b->next_ids = add_tensor(b, "next_ids", 2, IGNORED, e);
    } else if (b->attention_mask) {
        b->token_type_ids = add_tensor(b, "token_type_ids", 2, 0, e);
        b->labels = b->token_type_ids ? add_tensor(b, "labels", 2, IGNORED, e) : NULL;
    }
    if (b->labels && s->objective == MLM_NSP) {
        b->next_sentence_label = add_tensor(b, "next_sentence_label", 1, 0, e);
    }
    bool whole =
        s->objective == LM ? b->next_ids != NULL : b->labels && (s->objective == MLM || b->next_sentence_label);
    return whole ? 0 : -1;
}

/* The file's ids are looked at when they are used: to look at all of them would read the whole file. */
static int check_ids(const instances *s, int64_t example, const int32_t *ids, int64_t n, ae_err *e)
{
    for (int64_t k = 0; k < n; k++) {
        if (ids[k] < 0 || ids[k] >= s->vocab) {
            return ae_err_set(e, AE_E_FORMAT,
                              "%s: is damaged: instance %lld has the token %d, the vocabulary ends at %d", s->path,
                              (long long)example, (int)ids[k], (int)s->vocab - 1);
        }
    }
    return 0;
}

/* Static masks: where something is to be predicted, or, to draw anew, the original ids put back. */
static int apply_masks(const instances *s, int64_t example, int32_t *ids, int64_t *labels, int64_t n, ae_err *e)
{
    int64_t from = s->mask_offsets[example], count = s->mask_offsets[example + 1] - from;
    if (check_ids(s, example, s->mask_ids + from, count, e) != 0) {
        return -1;
    }
    for (int64_t k = from; k < from + count; k++) {
        int64_t p = s->mask_positions[k];
        if (p < 0 || p >= n) {
            return ae_err_set(e, AE_E_FORMAT, "%s: is damaged: instance %lld has a mask at %lld of %lld tokens",
                              s->path, (long long)example, (long long)p, (long long)n);
        }
        if (s->undo) {
            ids[p] = s->mask_ids[k];
        } else {
            labels[p] = s->mask_ids[k];
        }
    }
    return 0;
}

/* Where a window over running text begins within piece `example`: anywhere, if the next piece goes on with the text
 * (its first token is the last of this one), else at the start. */
static int64_t window_start(const instances *s, int64_t example, int64_t n, const ae_random_key *key)
{
    bool follows = example + 1 < s->dataset.count && length_of(&s->dataset, example + 1) == n &&
                   s->ids[s->offsets[example + 1]] == s->ids[s->offsets[example + 1] - 1];
    return follows ? ae_random_int(key, 0, 0, n) : 0;
}

/* Piece `example` from its token `start` on, into the next piece, whose first token was this one's last. */
static void fill_lm(const instances *s, batch *b, int64_t row, int64_t example, int64_t start, int64_t n)
{
    const int32_t *ids = s->ids + s->offsets[example] + start;
    for (int64_t k = 0; k < n; k++) {
        int64_t beyond = start + k >= n, next_beyond = start + k + 1 > n;
        b->input_ids[row * b->t + k] = ids[k + beyond];
        b->attention_mask[row * b->t + k] = 1;
        b->next_ids[row * b->t + k] = ids[k + 1 + next_beyond];
    }
}

static int fill_masked(const instances *s, batch *b, int64_t row, int64_t example, int32_t *ids, int64_t n,
                       const ae_random_key *key, ae_err *e)
{
    int64_t *labels = b->labels + row * b->t, split = s->split ? s->split[example] : n;
    if (s->mask_offsets && apply_masks(s, example, ids, labels, n, e) != 0) {
        return -1;
    }
    if (s->dynamic) {
        const uint8_t *inside = s->inside ? s->inside + s->offsets[example] : NULL;
        ae_mask_tokens(&s->masking, s->tokenizer, key, inside, ids, labels, n);
    }
    for (int64_t k = 0; k < n; k++) {
        b->input_ids[row * b->t + k] = ids[k];
        b->attention_mask[row * b->t + k] = 1;
        b->token_type_ids[row * b->t + k] = k >= split;
    }
    if (b->next_sentence_label) {
        b->next_sentence_label[row] = s->label[example] != 0;
    }
    return 0;
}

static int fill_batch(const instances *s, batch *b, const int64_t *examples, const ae_collate *how, ae_err *e)
{
    int32_t *ids = malloc(((size_t)b->t + 1) * sizeof *ids);
    int result = ids ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for a batch");
    for (int64_t i = 0; i < b->n && result == 0; i++) {
        const int32_t *stored;
        int64_t n = length_of(&s->dataset, examples[i]), all = ae_instances_ids(&s->dataset, examples[i], &stored);
        const ae_random_key key = ae_random_subkey(&how->key, (uint64_t)i);
        int64_t start = s->objective == LM && how->windows ? window_start(s, examples[i], n, &key) : 0;
        result = check_ids(s, examples[i], stored, all + start + (start > 0), e);
        if (result == 0 && s->objective == LM) {
            fill_lm(s, b, i, examples[i], start, n);
        } else if (result == 0) {
            memcpy(ids, stored, (size_t)n * sizeof *ids);
            result = fill_masked(s, b, i, examples[i], ids, n, &key, e);
        }
    }
    free(ids);
    return result;
}

static ae_tensors *collate(const ae_dataset *d, const int64_t *examples, int64_t n, const ae_collate *how, ae_err *e)
{
    const instances *s = of(d);
    batch b = {.n = n};
    int64_t multiple = how->multiple > 0 ? how->multiple : 1;
    for (int64_t i = 0; i < n; i++) {
        if (examples[i] < 0 || examples[i] >= d->count) {
            ae_err_set(e, AE_E_VALUE, "%s: instance %lld is outside 0..%lld", s->path, (long long)examples[i],
                       (long long)d->count - 1);
            return NULL;
        }
        int64_t length = length_of(d, examples[i]);
        b.t = length > b.t ? length : b.t;
    }
    b.t = (b.t + multiple - 1) / multiple * multiple;
    if (new_batch(s, &b, e) != 0 || fill_batch(s, &b, examples, how, e) != 0) {
        ae_tensors_free(b.all);
        return NULL;
    }
    return b.all;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int open_file(instances *s, ae_h5 *f, ae_json **about, ae_tokenizer **tokenizer, ae_err *e)
{
    ae_json *words = NULL;
    *about = read_json(f, s->path, "about", e);
    if (!*about || !(words = read_json(f, s->path, "tokenizer", e))) {
        return -1;
    }
    int result = read_about(s, *about, e) == 0 ? read_rows(s, f, e) : -1;
    s->tokenizer = result == 0 ? ae_tokenizer_from_json(words, e) : NULL;
    if (s->tokenizer && tokenizer) {
        *tokenizer = ae_tokenizer_from_json(words, e);
    }
    ae_json_free(words);
    if (!s->tokenizer || (tokenizer && !*tokenizer)) {
        return -1;
    }
    s->vocab = ae_tokenizer_size(s->tokenizer);
    s->pad = ae_tokenizer_role(s->tokenizer, AE_TOKEN_PAD);
    s->pad = s->pad < 0 ? 0 : s->pad;
    return 0;
}

static instances *new_instances(const char *path, ae_err *e)
{
    instances *s = calloc(1, sizeof *s);
    if (!s || !(s->path = strdup(path))) {
        free(s);
        ae_err_set(e, AE_E_MEMORY, "%s: no memory to open it", path);
        return NULL;
    }
    s->dataset.length = length_of;
    s->dataset.collate = collate;
    s->dataset.free = free_instances;
    return s;
}

ae_dataset *ae_instances_open(const char *path, const ae_masking *masking, ae_json **about, ae_tokenizer **tokenizer,
                              ae_err *e)
{
    ae_err own = {0};
    ae_json *said = NULL;
    if (tokenizer) {
        *tokenizer = NULL;
    }
    if (about) {
        *about = NULL;
    }
    if (masking && ae_masking_check(masking, e) != 0) {
        return NULL;
    }
    ae_h5 *f = ae_h5_open(path, &own);
    instances *s = f ? new_instances(path, &own) : NULL;
    int result = s ? open_file(s, f, &said, tokenizer, &own) : -1;
    ae_h5_close(f);
    if (result == 0) {
        s->undo = masking && !s->dynamic;
        s->dynamic = (s->dynamic || masking) && s->objective != LM;
        s->masking = masking ? *masking : s->masking;
        if (about) {
            *about = said;
        } else {
            ae_json_free(said);
        }
        return &s->dataset;
    }
    if (strncmp(own.message, path, strlen(path)) != 0) {
        ae_err_prefix(&own, "%s", path);
    }
    ae_err_set(e, own.code, "%s", own.message);
    ae_json_free(said);
    if (s) {
        free_instances(&s->dataset);
    }
    if (tokenizer) {
        ae_tokenizer_free(*tokenizer);
        *tokenizer = NULL;
    }
    return NULL;
}
