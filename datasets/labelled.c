#include "datasets/labelled.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 2 };

/* The ids of one text (or joined pair) of every example, one after another. */
typedef struct sequences {
    int32_t *ids;
    uint8_t *types;
    int64_t *offsets; /* count + 1 of them; NULL: there is no such text */
    int64_t capacity;
} sequences;

typedef struct labelled {
    ae_dataset d; /* first: what the caller holds */
    ae_layout layout;
    int64_t seq;
    int32_t pad;
    sequences texts[TEXTS]; /* joined: the first alone */
    int64_t *classes;       /* or */
    float *scores;          /* or neither */
} labelled;

/* ---- making -------------------------------------------------------------------------------------------------------- */

typedef struct making {
    labelled *l;
    const ae_tokenizer *t;
    ae_encode_options how;
    ae_encoding encoding;
    int32_t unknown;
    ae_labelled_report report;
} making;

static void free_labelled(ae_dataset *d)
{
    labelled *l = (labelled *)d;
    for (int k = 0; k < TEXTS; k++) {
        free(l->texts[k].ids);
        free(l->texts[k].types);
        free(l->texts[k].offsets);
    }
    free(l->classes);
    free(l->scores);
    free(l);
}

static int reserve(sequences *s, int64_t wanted, ae_err *e)
{
    if (wanted <= s->capacity) {
        return 0;
    }
    int64_t capacity = wanted > s->capacity * 2 ? wanted + 1024 : s->capacity * 2;
    int32_t *ids = realloc(s->ids, (size_t)capacity * sizeof *ids);
    s->ids = ids ? ids : s->ids;
    uint8_t *types = realloc(s->types, (size_t)capacity);
    s->types = types ? types : s->types;
    if (!ids || !types) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %lld tokens", (long long)capacity);
    }
    s->capacity = capacity;
    return 0;
}

/* Puts what was encoded at the place of example i, and returns the tokens that truncation took, or -1. */
static int64_t put(making *m, sequences *s, int64_t i, ae_err *e)
{
    const ae_encoding *x = &m->encoding;
    int64_t from = s->offsets[i], n = x->count > 0 ? x->count : 1;
    if (reserve(s, from + n, e) != 0) {
        return -1;
    }
    s->ids[from] = m->l->pad; /* nothing at all cannot be attended to: one pad token stands for it */
    s->types[from] = 0;
    for (int64_t k = 0; k < x->count; k++) {
        s->ids[from + k] = x->ids[k];
        s->types[from + k] = x->type_ids[k];
        m->report.unknown += x->ids[k] == m->unknown;
    }
    s->offsets[i + 1] = from + n;
    m->report.tokens += n;
    return x->dropped;
}

static int encode_row(making *m, const ae_table_row *row, int64_t i, ae_err *e)
{
    const char *texts[TEXTS] = {row->text_a, row->text_b};
    labelled *l = m->l;
    int64_t cut = 0;
    if (l->layout == AE_LAYOUT_JOINED && row->text_b) {
        if (ae_tokenizer_encode_pair(m->t, texts[0], strlen(texts[0]), texts[1], strlen(texts[1]), &m->how,
                                     &m->encoding, e) != 0) {
            return -1;
        }
        cut = put(m, &l->texts[0], i, e);
    }
    for (int k = 0; k < TEXTS && (l->layout == AE_LAYOUT_APART || !row->text_b); k++) {
        if (!texts[k]) {
            break;
        }
        if (ae_tokenizer_encode(m->t, texts[k], strlen(texts[k]), &m->how, &m->encoding, e) != 0) {
            return -1;
        }
        int64_t taken = put(m, &l->texts[k], i, e);
        cut = taken < 0 ? -1 : cut + taken;
        if (cut < 0) {
            break;
        }
    }
    m->report.cut += cut > 0;
    return cut < 0 ? -1 : 0;
}

static int unseen(const ae_labels *labels, const char *label, ae_err *e)
{
    char list[600] = "";
    size_t n = 0;
    int64_t i = 0;
    for (; i < labels->count && n + strlen(labels->names[i]) + 3 < sizeof list; i++) {
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", labels->names[i]);
    }
    return ae_err_set(e, AE_E_VALUE, "the label \"%.100s\" is none of the %lld classes: %s%s", label,
                      (long long)labels->count, list, i < labels->count ? ", ..." : "");
}

/* As the C locale writes numbers, whatever the program's locale is. */
static int parse_score(locale_t c, const char *label, float *score, ae_err *e)
{
    char *end = NULL;
    double value = strtod_l(label, &end, c);
    if (end == label || *end || label[strspn(label, "0123456789+-.eE")] || !isfinite((float)value)) {
        return ae_err_set(e, AE_E_VALUE, "the label \"%.100s\" is no number; regression needs scores such as 3.5",
                          label);
    }
    *score = (float)value;
    return 0;
}

static int put_label(labelled *l, const ae_labels *labels, locale_t c, const char *label, int64_t i, ae_err *e)
{
    if (l->scores) {
        return parse_score(c, label, &l->scores[i], e);
    }
    if (l->classes) {
        l->classes[i] = ae_labels_find(labels, label);
        return l->classes[i] < 0 ? unseen(labels, label, e) : 0;
    }
    return 0;
}

static int fill(making *m, const ae_table *table, const ae_labels *labels, ae_err *e)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    int result = c ? 0 : ae_err_set(e, AE_E_MEMORY, "%s: no memory for a locale", table->path);
    for (int64_t i = 0; i < table->count && result == 0; i++) {
        const ae_table_row *row = &table->rows[i];
        result = put_label(m->l, labels, c, row->label, i, e) != 0 || encode_row(m, row, i, e) != 0 ? -1 : 0;
        if (result != 0) {
            ae_err_prefix(e, "%s:%lld", table->path, (long long)row->line);
        }
    }
    if (c) {
        freelocale(c);
    }
    return result;
}

static int check(const ae_table *t, const ae_labels *labels, const ae_labelled_options *o, ae_err *e)
{
    bool classes = strcmp(o->objective, "classes") == 0, none = strcmp(o->objective, "none") == 0;
    if (!classes && !none && strcmp(o->objective, "regression") != 0) {
        return ae_err_set(e, AE_E_VALUE, "a table serves the objectives classes, regression and none, not %s",
                          o->objective);
    }
    if (!none && !t->labelled) {
        return ae_err_set(e, AE_E_MISSING, "%s: the table was read without labels, and %s needs them", t->path,
                          o->objective);
    }
    if (classes && !labels) {
        return ae_err_set(e, AE_E_MISSING, "%s: classes need names and numbers (ae_labels_of)", t->path);
    }
    if (o->seq < 0) {
        return ae_err_set(e, AE_E_VALUE, "seq is %lld; it must be 0 (no limit) or more", (long long)o->seq);
    }
    return 0;
}

static labelled *new_labelled(const ae_table *table, const ae_labelled_options *o, ae_err *e)
{
    static const char *const objectives[] = {"classes", "regression", "none"};
    labelled *l = calloc(1, sizeof *l);
    if (!l) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for a dataset", table->path);
        return NULL;
    }
    int kind = 0;
    while (strcmp(objectives[kind], o->objective) != 0) {
        kind++;
    }
    l->d.count = table->count;
    l->d.objective = objectives[kind];
    l->d.free = free_labelled;
    l->layout = o->layout;
    l->seq = o->seq;
    size_t n = (size_t)table->count;
    bool ok = true;
    for (int k = 0; k < (o->layout == AE_LAYOUT_APART && table->pairs ? 2 : 1); k++) {
        l->texts[k].offsets = calloc(n + 1, sizeof *l->texts[k].offsets);
        ok = ok && l->texts[k].offsets;
    }
    if (kind == 0) {
        l->classes = calloc(n, sizeof *l->classes);
    } else if (kind == 1) {
        l->scores = calloc(n, sizeof *l->scores);
    }
    if (!ok || (kind == 0 && !l->classes) || (kind == 1 && !l->scores)) {
        free_labelled(&l->d);
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for %lld examples", table->path, (long long)table->count);
        return NULL;
    }
    return l;
}

static int64_t length(const ae_dataset *d, int64_t i);
static ae_tensors *collate(const ae_dataset *d, const int64_t *examples, int64_t n, const ae_collate *how, ae_err *e);

ae_dataset *ae_labelled_new(const ae_table *table, const ae_tokenizer *t, const ae_labels *labels,
                            const ae_labelled_options *options, ae_labelled_report *report, ae_err *e)
{
    if (check(table, labels, options, e) != 0) {
        return NULL;
    }
    making m = {.t = t,
                .how = {.special = !options->no_special, .max_length = options->seq, .truncation = AE_TRUNCATE_LONGEST},
                .encoding = {.no_offsets = true},
                .unknown = ae_tokenizer_role(t, AE_TOKEN_UNKNOWN)};
    m.l = new_labelled(table, options, e);
    if (!m.l) {
        return NULL;
    }
    int32_t pad = ae_tokenizer_role(t, AE_TOKEN_PAD);
    m.l->pad = pad >= 0 ? pad : 0;
    m.unknown = m.unknown >= 0 ? m.unknown : INT32_MIN; /* -1 is no id either, but let nothing hang on it */
    m.l->d.length = length;
    m.l->d.collate = collate;
    int result = fill(&m, table, labels, e);
    ae_encoding_free(&m.encoding);
    if (result != 0) {
        free_labelled(&m.l->d);
        return NULL;
    }
    if (report) {
        *report = m.report;
    }
    return &m.l->d;
}

/* ---- batches ------------------------------------------------------------------------------------------------------- */

static int64_t tokens(const sequences *s, int64_t i)
{
    return s->offsets ? s->offsets[i + 1] - s->offsets[i] : 0;
}

static int64_t length(const ae_dataset *d, int64_t i)
{
    const labelled *l = (const labelled *)d;
    int64_t a = tokens(&l->texts[0], i), b = tokens(&l->texts[1], i);
    return a > b ? a : b;
}

/* The longest of the examples, rounded up, but not beyond seq: a model may have no more positions. */
static int64_t padded(const labelled *l, const sequences *s, const int64_t *examples, int64_t n, int64_t multiple)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < n; i++) {
        longest = tokens(s, examples[i]) > longest ? tokens(s, examples[i]) : longest;
    }
    int64_t width = multiple > 1 ? (longest + multiple - 1) / multiple * multiple : longest;
    return l->seq > 0 && width > l->seq ? l->seq : width;
}

static ae_tensor *add(ae_tensors *batch, const char *name, ae_dtype dtype, int ndim, int64_t n, int64_t width,
                      ae_err *e)
{
    const int64_t shape[] = {n, width};
    ae_tensor *t = ae_tensor_new(dtype, ndim, shape, e);
    return t && ae_tensors_add(batch, name, t, e) == 0 ? t : NULL;
}

static int joined(const labelled *l, ae_tensors *batch, const int64_t *examples, int64_t n, int64_t width, ae_err *e)
{
    const sequences *s = &l->texts[0];
    ae_tensor *ids = add(batch, "input_ids", AE_I64, 2, n, width, e); /* (B,T) */
    ae_tensor *mask = ids ? add(batch, "attention_mask", AE_I64, 2, n, width, e) : NULL;
    ae_tensor *types = mask ? add(batch, "token_type_ids", AE_I64, 2, n, width, e) : NULL;
    if (!types) {
        return -1;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t *id = (int64_t *)ids->data + i * width, from = s->offsets[examples[i]];
        int64_t count = tokens(s, examples[i]);
        for (int64_t k = 0; k < width; k++) {
            id[k] = k < count ? s->ids[from + k] : l->pad;
            ((int64_t *)mask->data)[i * width + k] = k < count;
            ((int64_t *)types->data)[i * width + k] = k < count ? s->types[from + k] : 0;
        }
    }
    return 0;
}

static int apart(const labelled *l, ae_tensors *batch, const int64_t *examples, int64_t n, int64_t multiple, ae_err *e)
{
    static const char *const names[TEXTS][2] = {{"s1_ids", "s1_lengths"}, {"s2_ids", "s2_lengths"}};
    for (int t = 0; t < TEXTS && l->texts[t].offsets; t++) {
        const sequences *s = &l->texts[t];
        int64_t width = padded(l, s, examples, n, multiple);
        ae_tensor *ids = add(batch, names[t][0], AE_I64, 2, n, width, e); /* (B,T) */
        ae_tensor *lengths = ids ? add(batch, names[t][1], AE_I64, 1, n, 0, e) : NULL;
        if (!lengths) {
            return -1;
        }
        for (int64_t i = 0; i < n; i++) {
            int64_t *id = (int64_t *)ids->data + i * width, from = s->offsets[examples[i]];
            int64_t count = tokens(s, examples[i]);
            ((int64_t *)lengths->data)[i] = count;
            for (int64_t k = 0; k < width; k++) {
                id[k] = k < count ? s->ids[from + k] : l->pad;
            }
        }
    }
    return 0;
}

static int put_labels(const labelled *l, ae_tensors *batch, const int64_t *examples, int64_t n, ae_err *e)
{
    if (!l->classes && !l->scores) {
        return 0;
    }
    ae_tensor *labels = add(batch, "labels", l->classes ? AE_I64 : AE_F32, 1, n, 0, e); /* (B) */
    for (int64_t i = 0; labels && i < n; i++) {
        if (l->classes) {
            ((int64_t *)labels->data)[i] = l->classes[examples[i]];
        } else {
            ((float *)labels->data)[i] = l->scores[examples[i]];
        }
    }
    return labels ? 0 : -1;
}

static ae_tensors *collate(const ae_dataset *d, const int64_t *examples, int64_t n, const ae_collate *how, ae_err *e)
{
    const labelled *l = (const labelled *)d;
    ae_tensors *batch = ae_tensors_new();
    int result = batch ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for a batch of %lld examples", (long long)n);
    if (result == 0 && l->layout == AE_LAYOUT_JOINED) {
        result = joined(l, batch, examples, n, padded(l, &l->texts[0], examples, n, how->multiple), e);
    } else if (result == 0) {
        result = apart(l, batch, examples, n, how->multiple, e);
    }
    if (result == 0) {
        result = put_labels(l, batch, examples, n, e);
    }
    if (result != 0) {
        ae_tensors_free(batch);
        return NULL;
    }
    return batch;
}
