/* Many texts at once: threads take them in chunks, each into lists of its own, and the lists become rows. A thread
 * takes its own share of the texts first and then helps the others, and it fills the rows of the texts that it took: so
 * most of what it touches is still in its core's cache, from one batch to the next too. */
#include "tensor/threads.h"
#include "tokenizers/tokenizer_internal.h"

#include <omp.h>
#include <stdatomic.h>
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
    _Atomic int64_t next; /* of this thread's share, the first text that nobody has taken, */
    int64_t end;          /* and the share's end */
    int64_t failed;       /* the first text that could not be encoded, -1: none; and why */
    ae_err error;
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
            memset(&s->threads[s->n_threads], 0, sizeof *s->threads);
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

static void share_out(batch_scratch *s, int threads, int64_t count, bool offsets)
{
    for (int i = 0; i < threads; i++) {
        lists *l = &s->threads[i];
        l->count = 0;
        l->offsets = offsets;
        l->failed = -1;
        l->end = count * (i + 1) / threads;
        atomic_init(&l->next, count * i / threads);
    }
}

/* Text i, unless one before it has failed already. */
static void take_text(const ae_tokenizer *t, const ae_text *texts, int64_t i, const ae_encode_options *o, int me,
                      ae_encoding_batch *out)
{
    batch_scratch *s = out->scratch;
    lists *l = &s->threads[me];
    int64_t before = l->count;
    if (l->failed < 0 || i < l->failed) {
        ae_err error = {0};
        if (encode_one(t, &texts[i], o, l, &error) != 0) {
            l->failed = i;
            l->error = error;
        }
    }
    out->lengths[i] = l->count - before;
    out->dropped[i] = l->one.dropped;
    s->places[i] = (place){before, me};
}

/* What thread `me` does: its own share, then what is left of the others'. */
static void take_texts(const ae_tokenizer *t, const ae_text *texts, const ae_encode_options *o, int threads, int me,
                       ae_encoding_batch *out)
{
    batch_scratch *s = out->scratch;
    for (int k = 0; k < threads; k++) {
        lists *share = &s->threads[(me + k) % threads];
        for (int64_t i; (i = atomic_fetch_add(&share->next, CHUNK)) < share->end;) {
            for (int64_t end = i + CHUNK < share->end ? i + CHUNK : share->end; i < end; i++) {
                take_text(t, texts, i, o, me, out);
            }
        }
    }
}

static int first_failure(const batch_scratch *s, int threads, ae_err *e)
{
    const lists *first = NULL;
    for (int i = 0; i < threads; i++) {
        const lists *l = &s->threads[i];
        if (l->failed >= 0 && (!first || l->failed < first->failed)) {
            first = l;
        }
    }
    return first ? ae_err_set(e, first->error.code, "text %lld: %s", (long long)first->failed, first->error.message)
                 : 0;
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

/* Rows for what the threads have in their lists. */
static int make_rows(ae_encoding_batch *out, const ae_batch_options *o, int threads, int64_t count, ae_err *e)
{
    if (first_failure(out->scratch, threads, e) != 0) {
        return -1;
    }
    out->count = count;
    lay_out(out, o);
    if (make_row_room(out, !o->no_offsets, e) != 0) {
        out->count = 0;
        return -1;
    }
    return 0;
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
    batch_scratch *s = out->scratch;
    share_out(s, threads, count, !o->no_offsets);
    int status = 0;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int me = omp_get_thread_num();
        take_texts(t, texts, &o->encode, threads, me, out);
#pragma omp barrier
#pragma omp single
        status = make_rows(out, o, threads, count, e);
        for (int64_t i = 0; i < count && status == 0; i++) {
            if (s->places[i].thread == me) {
                fill_row(out, i, p, !o->no_offsets);
            }
        }
    }
    return status;
}
