/* Many texts at once: threads take them in chunks, each into lists of its own, and the lists become rows. */
#include "tensor/threads.h"
#include "tokenizers/tokenizer_internal.h"

#include <omp.h>
#include <stdlib.h>

enum { CHUNK = 16, SMALL = 1 << 13 }; /* less text than SMALL bytes is not worth waking threads */

/* The tokens of the texts that one thread took. */
typedef struct lists {
    ae_encoding one;
    int32_t *ids, *words;
    uint8_t *type_ids, *sequence;
    int64_t *starts, *ends;
    int64_t count, room;
    bool offsets;
} lists;

/* Where the tokens of a text are until they stand in their row. */
typedef struct place {
    int64_t at;
    int thread;
} place;

typedef struct batch_scratch {
    lists *threads;
    int n_threads;
    place *places;
    int64_t places_room;
} batch_scratch;

static void free_lists(lists *l)
{
    ae_encoding_free(&l->one);
    free(l->ids);
    free(l->words);
    free(l->type_ids);
    free(l->sequence);
    free(l->starts);
    free(l->ends);
}

void ae_encoding_batch_free(ae_encoding_batch *x)
{
    if (!x) {
        return;
    }
    batch_scratch *s = x->scratch;
    for (int i = 0; s && i < s->n_threads; i++) {
        free_lists(&s->threads[i]);
    }
    if (s) {
        free(s->threads);
        free(s->places);
        free(s);
    }
    void *arrays[] = {x->offsets,  x->lengths,  x->dropped, x->ids,  x->mask,
                      x->type_ids, x->sequence, x->starts,  x->ends, x->words};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        free(arrays[i]);
    }
    *x = (ae_encoding_batch){0};
}

static bool resize(void **memory, size_t element, int64_t count)
{
    void *p = realloc(*memory, element * (size_t)count);
    *memory = p ? p : *memory;
    return p;
}

/* ---- padding -------------------------------------------------------------------------------------------------------- */

typedef struct padding {
    int32_t id;
    uint8_t type;
    bool left;
} padding;

/* As the section "padding" of the file says, laid under the options. */
static int read_padding(const ae_tokenizer *t, const ae_batch_options *o, padding *p, ae_err *e)
{
    ae_err local = {0};
    const ae_json *section = ae_json_type_of(t->padding) == AE_JSON_OBJECT ? t->padding : NULL;
    const char *direction = section ? ae_json_string(section, "direction", "Right", &local) : "Right";
    int64_t id = section ? ae_json_int(section, "pad_id", t->roles[AE_TOKEN_PAD], &local) : t->roles[AE_TOKEN_PAD];
    int64_t type = section ? ae_json_int(section, "pad_type_id", 0, &local) : 0;
    if (!local.code && (type < 0 || type > 255)) {
        ae_err_set(&local, AE_E_VALUE, "\"pad_type_id\" is %lld; it must be 0 to 255", (long long)type);
    }
    if (!local.code && o->padding != AE_PAD_NONE && (id < 0 || id >= t->size)) {
        ae_err_set(&local, AE_E_MISSING, "the tokenizer has no token to pad with; add \"[PAD]\" or \"<pad>\"");
    }
    if (local.code) {
        return ae_err_set(e, local.code, "padding: %s", local.message);
    }
    bool left = direction && strcmp(direction, "Left") == 0;
    *p = (padding){(int32_t)id, (uint8_t)type, o->side == AE_SIDE_OF_FILE ? left : o->side == AE_SIDE_LEFT};
    return 0;
}

static int check_options(const ae_batch_options *o, int64_t count, ae_err *e)
{
    if (count < 0 || o->length < 0 || o->multiple < 0 || o->threads < 0) {
        return ae_err_set(e, AE_E_VALUE,
                          "%lld texts, rows of %lld tokens, a multiple of %lld, %d threads; none may be "
                          "negative",
                          (long long)count, (long long)o->length, (long long)o->multiple, o->threads);
    }
    return 0;
}

/* ---- threads -------------------------------------------------------------------------------------------------------- */

static int make_scratch(ae_encoding_batch *out, int threads, int64_t count, ae_err *e)
{
    batch_scratch *s = out->scratch = out->scratch ? out->scratch : calloc(1, sizeof *s);
    bool done = s;
    if (s && s->n_threads < threads) {
        done = resize((void **)&s->threads, sizeof *s->threads, threads);
        for (; done && s->n_threads < threads; s->n_threads++) {
            s->threads[s->n_threads] = (lists){0};
        }
    }
    if (done && s->places_room < count) {
        done = resize((void **)&s->places, sizeof *s->places, count);
        s->places_room = done ? count : s->places_room;
    }
    if (done && out->row_capacity < count + 1) {
        done = resize((void **)&out->offsets, sizeof *out->offsets, count + 1) &&
               resize((void **)&out->lengths, sizeof *out->lengths, count + 1) &&
               resize((void **)&out->dropped, sizeof *out->dropped, count + 1);
        out->row_capacity = done ? count + 1 : out->row_capacity;
    }
    return done ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for %lld texts", (long long)count);
}

static int make_list_room(lists *l, int64_t more, ae_err *e)
{
    if (l->count + more <= l->room && (!l->offsets || l->starts)) {
        return 0;
    }
    int64_t room = l->count + more <= l->room ? l->room : 2 * l->room + more + 1024;
    bool done = resize((void **)&l->ids, sizeof *l->ids, room) && resize((void **)&l->type_ids, 1, room) &&
                resize((void **)&l->sequence, 1, room);
    if (done && (l->offsets || l->starts)) {
        done = resize((void **)&l->starts, sizeof *l->starts, room) &&
               resize((void **)&l->ends, sizeof *l->ends, room) && resize((void **)&l->words, sizeof *l->words, room);
    }
    if (!done) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %lld tokens", (long long)(l->count + more));
    }
    l->room = room;
    return 0;
}

static int encode_one(const ae_tokenizer *t, const ae_text *text, const ae_encode_options *o, lists *l, ae_err *e)
{
    ae_encoding *x = &l->one;
    x->no_offsets = !l->offsets;
    int status = text->b ? ae_tokenizer_encode_pair(t, text->a, text->a_bytes, text->b, text->b_bytes, o, x, e)
                         : ae_tokenizer_encode(t, text->a, text->a_bytes, o, x, e);
    if (status != 0 || make_list_room(l, x->count + 1, e) != 0) {
        return -1;
    }
    size_t n = (size_t)x->count;
    memcpy(l->ids + l->count, x->ids, n * sizeof *l->ids);
    memcpy(l->type_ids + l->count, x->type_ids, n);
    memcpy(l->sequence + l->count, x->sequence, n);
    if (l->offsets) {
        memcpy(l->starts + l->count, x->starts, n * sizeof *l->starts);
        memcpy(l->ends + l->count, x->ends, n * sizeof *l->ends);
        memcpy(l->words + l->count, x->words, n * sizeof *l->words);
    }
    l->count += x->count;
    return 0;
}

/* The number of the first text that failed, and its error; -1: none did. */
static int64_t encode_all(const ae_tokenizer *t, const ae_text *texts, int64_t count, const ae_batch_options *o,
                          int threads, ae_encoding_batch *out, ae_err *e)
{
    batch_scratch *s = out->scratch;
    int64_t failed = -1;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int me = omp_get_thread_num();
        lists *l = &s->threads[me];
        ae_err mine = {0};
        int64_t mine_at = -1;
        l->count = 0;
        l->offsets = !o->no_offsets;
#pragma omp for schedule(dynamic, CHUNK) nowait
        for (int64_t i = 0; i < count; i++) {
            if (mine_at < 0 && encode_one(t, &texts[i], &o->encode, l, &mine) != 0) {
                mine_at = i;
            }
            out->lengths[i] = mine_at < 0 ? l->one.count : 0;
            out->dropped[i] = l->one.dropped;
            s->places[i] = (place){l->count - out->lengths[i], me};
        }
#pragma omp critical /* without a name, which would be a symbol of the library */
        if (mine_at >= 0 && (failed < 0 || mine_at < failed)) {
            failed = mine_at;
            *e = mine;
        }
    }
    return failed;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

static int64_t rounded(int64_t n, int64_t multiple)
{
    return multiple > 0 ? (n + multiple - 1) / multiple * multiple : n;
}

static void lay_out(ae_encoding_batch *out, const ae_batch_options *o)
{
    int64_t width = 0;
    for (int64_t i = 0; i < out->count; i++) {
        width = out->lengths[i] > width ? out->lengths[i] : width;
    }
    if (o->padding != AE_PAD_NONE) {
        width = rounded(o->padding == AE_PAD_LENGTH && o->length > width ? o->length : width, o->multiple);
    }
    out->longest = width;
    out->offsets[0] = 0;
    for (int64_t i = 0; i < out->count; i++) {
        out->offsets[i + 1] = out->offsets[i] + (o->padding == AE_PAD_NONE ? out->lengths[i] : width);
    }
}

static int make_row_room(ae_encoding_batch *out, bool offsets, ae_err *e)
{
    int64_t all = out->offsets[out->count];
    if (out->ids && all <= out->capacity && (!offsets || out->starts)) {
        return 0;
    }
    int64_t room = all < out->capacity ? out->capacity : all + all / 4 + 64;
    bool done = resize((void **)&out->ids, sizeof *out->ids, room) && resize((void **)&out->mask, 1, room) &&
                resize((void **)&out->type_ids, 1, room) && resize((void **)&out->sequence, 1, room);
    if (done && (offsets || out->starts)) {
        done = resize((void **)&out->starts, sizeof *out->starts, room) &&
               resize((void **)&out->ends, sizeof *out->ends, room) &&
               resize((void **)&out->words, sizeof *out->words, room);
    }
    if (!done) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %lld tokens", (long long)all);
    }
    out->capacity = room;
    return 0;
}

static void pad(ae_encoding_batch *out, int64_t at, int64_t n, padding p, bool offsets)
{
    if (n <= 0) {
        return;
    }
    memset(out->mask + at, 0, (size_t)n);
    memset(out->type_ids + at, p.type, (size_t)n);
    memset(out->sequence + at, 255, (size_t)n);
    for (int64_t i = at; i < at + n; i++) {
        out->ids[i] = p.id;
    }
    for (int64_t i = at; i < at + n && offsets; i++) {
        out->starts[i] = out->ends[i] = 0;
        out->words[i] = -1;
    }
}

static void fill_row(ae_encoding_batch *out, int64_t row, padding p, bool offsets)
{
    const batch_scratch *s = out->scratch;
    const lists *l = &s->threads[s->places[row].thread];
    int64_t from = s->places[row].at, n = out->lengths[row];
    int64_t free_places = out->offsets[row + 1] - out->offsets[row] - n;
    int64_t at = out->offsets[row] + (p.left ? free_places : 0);
    pad(out, p.left ? out->offsets[row] : at + n, free_places, p, offsets);
    if (n == 0) {
        return;
    }
    memcpy(out->ids + at, l->ids + from, (size_t)n * sizeof *out->ids);
    memset(out->mask + at, 1, (size_t)n);
    memcpy(out->type_ids + at, l->type_ids + from, (size_t)n);
    memcpy(out->sequence + at, l->sequence + from, (size_t)n);
    if (offsets) {
        memcpy(out->starts + at, l->starts + from, (size_t)n * sizeof *out->starts);
        memcpy(out->ends + at, l->ends + from, (size_t)n * sizeof *out->ends);
        memcpy(out->words + at, l->words + from, (size_t)n * sizeof *out->words);
    }
}

static int threads_for(const ae_text *texts, int64_t count, const ae_batch_options *o)
{
    size_t bytes = 0;
    for (int64_t i = 0; i < count && bytes < SMALL; i++) {
        bytes += texts[i].a_bytes + (texts[i].b ? texts[i].b_bytes : 0);
    }
    int threads = o->threads > 0 ? o->threads : ae_threads();
    return bytes < SMALL || count <= CHUNK ? 1 : threads;
}

int ae_tokenizer_encode_batch(const ae_tokenizer *t, const ae_text *texts, int64_t count,
                              const ae_batch_options *options, ae_encoding_batch *out, ae_err *e)
{
    static const ae_batch_options none = {0};
    const ae_batch_options *o = options ? options : &none;
    padding p = {0};
    out->count = out->longest = 0;
    if (check_options(o, count, e) != 0 || read_padding(t, o, &p, e) != 0) {
        return -1;
    }
    int threads = threads_for(texts, count, o);
    if (make_scratch(out, threads, count, e) != 0) {
        return -1;
    }
    ae_err failure = {0};
    int64_t failed = encode_all(t, texts, count, o, threads, out, &failure);
    if (failed >= 0) {
        return ae_err_set(e, failure.code, "text %lld: %s", (long long)failed, failure.message);
    }
    out->count = count;
    lay_out(out, o);
    if (make_row_room(out, !o->no_offsets, e) != 0) {
        out->count = 0;
        return -1;
    }
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static)
    for (int64_t i = 0; i < count; i++) {
        fill_row(out, i, p, !o->no_offsets);
    }
    return 0;
}
