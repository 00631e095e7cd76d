/* The life of a graph: arena, errors, begin, what enters and what is read out. */
#include "autograd/tape.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 18, ARENA_ALIGNMENT = 16 };

static const uint64_t bad_element[2]; /* one zero of any dtype */

ae_graph *ae_graph_new(void)
{
    ae_graph *g = calloc(1, sizeof *g);
    if (!g) {
        return NULL;
    }
    g->pool = ae_pool_new();
    g->frame_capacity = 64;
    g->frames = calloc((size_t)g->frame_capacity, sizeof *g->frames);
    g->bad.storage = ae_storage_wrap((void *)bad_element, sizeof bad_element, NULL, NULL);
    if (!g->pool || !g->frames || !g->bad.storage) {
        ae_graph_free(g);
        return NULL;
    }
    g->precision = AE_F32;
    ae_tensor_attach(&g->bad, g->bad.storage, 0);
    for (int i = 0; i < AE_MAX_DIMS; i++) {
        g->bad.shape[i] = 1;
    }
    g->bad.name = "bad tensor";
    g->bad.graph = g;
    ae_graph_begin(g, AE_EVAL);
    return g;
}

static void release_live(ae_graph *g)
{
    for (int i = 0; i < g->live_count; i++) {
        ae_storage_drop(g->live[i]->storage);
        g->live[i]->storage = NULL;
        g->live[i]->data = NULL;
    }
    g->live_count = 0;
}

void ae_graph_free(ae_graph *g)
{
    if (!g) {
        return;
    }
    ae_tape_truncate(g, 0);
    release_live(g);
    while (g->chunks) {
        arena_chunk *next = g->chunks->next;
        free(g->chunks);
        g->chunks = next;
    }
    ae_storage_drop(g->bad.storage);
    free(g->live);
    free(g->frames);
    free(g->tape);
    ae_pool_free(g->pool);
    free(g);
}

void ae_graph_begin(ae_graph *g, unsigned flags)
{
    if (g->profile) {
        ae_close_spans(g, 1);
    }
    ae_tape_truncate(g, 0);
    release_live(g);
    for (arena_chunk *c = g->chunks; c; c = c->next) {
        c->used = 0;
    }
    g->chunk = g->chunks;
    ae_err_clear(&g->error);
    g->flags = flags;
    g->recording = (flags & AE_GRAD) != 0;
    g->depth = 0;
    g->frames[0] = (frame_record){.serial = ++g->serial, .first = 0, .file = "ae_graph_begin", .line = 0, .span = -1};
    g->draws = 0;
    g->weight_bytes = 0;
    g->hooks = NULL;
    if (g->precision == AE_I8 && g->recording) {
        ae_fail(g, AE_E_UNSUPPORTED, "graph_begin: int8 has no gradients; set the precision f32 or bf16 for them");
    }
}

unsigned ae_graph_flags(const ae_graph *g)
{
    return g->flags;
}

void ae_graph_random(ae_graph *g, uint64_t seed, uint64_t step, uint32_t round, uint32_t rank)
{
    g->seed = seed;
    g->random_step = step;
    g->round = round;
    g->rank = rank;
}

void ae_graph_precision(ae_graph *g, ae_dtype dtype)
{
    if (dtype != AE_F32 && dtype != AE_BF16 && dtype != AE_I8) {
        ae_fail(g, AE_E_DTYPE, "graph_precision: %s; a graph computes in f32, bf16 or i8", ae_dtype_name(dtype));
        return;
    }
    g->precision = dtype;
}

ae_dtype ae_graph_get_precision(const ae_graph *g)
{
    return g->precision;
}

void ae_graph_sparse_gradients(ae_graph *g, bool on)
{
    g->sparse = on;
}

int64_t ae_graph_weight_bytes(const ae_graph *g)
{
    return g->weight_bytes;
}

ae_pool *ae_graph_pool(const ae_graph *g)
{
    return g->pool;
}

int ae_graph_tape_length(const ae_graph *g)
{
    return g->tape_count;
}

bool ae_ok(const ae_graph *g)
{
    return g->error.code == AE_OK;
}

const ae_err *ae_graph_error(const ae_graph *g)
{
    return &g->error;
}

ae_tensor *ae_fail(ae_graph *g, ae_code code, const char *format, ...)
{
    char message[AE_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    ae_err_set(&g->error, code, "%s", message);
    return &g->bad;
}

ae_tensor *ae_bad(ae_graph *g)
{
    return &g->bad;
}

bool ae_set_recording(ae_graph *g, bool on)
{
    bool was = g->recording;
    g->recording = on;
    return was;
}

void ae_graph_observe(ae_graph *g, ae_tensors *sink)
{
    g->sink = sink;
}

ae_tensors *ae_observer(const ae_graph *g)
{
    return g->sink;
}

bool ae_observing(const ae_graph *g)
{
    return g->sink != NULL;
}

void ae_observe(ae_graph *g, const ae_tensor *t, const char *format, ...)
{
    char name[256];
    if (!g->sink || !ae_ok(g) || !t->data) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (!ae_tensors_get(g->sink, name)) {
        ae_tensors_add_copy(g->sink, name, t, &g->error);
    }
}

uint64_t ae_draw(ae_graph *g)
{
    return g->draws++;
}

ae_random_key ae_draw_key(const ae_graph *g, uint64_t draw)
{
    return ae_random_key_make(g->seed, g->random_step, g->round, g->rank, draw);
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static arena_chunk *chunk_new(ae_graph *g, size_t size)
{
    arena_chunk *c = malloc(sizeof *c + size);
    if (!c) {
        return NULL;
    }
    c->size = size;
    c->used = 0;
    c->next = NULL;
    if (g->chunk) {
        c->next = g->chunk->next;
        g->chunk->next = c;
    } else {
        g->chunks = c;
    }
    return c;
}

void *ae_arena(ae_graph *g, size_t bytes)
{
    bytes = (bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    while (!g->chunk || g->chunk->used + bytes > g->chunk->size) {
        if (g->chunk && g->chunk->next) {
            g->chunk = g->chunk->next;
            continue;
        }
        arena_chunk *c = chunk_new(g, bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES);
        if (!c) {
            ae_fail(g, AE_E_MEMORY, "graph: no memory for %zu bytes of bookkeeping", bytes);
            return NULL;
        }
        g->chunk = c;
    }
    void *p = g->chunk->data + g->chunk->used;
    g->chunk->used += bytes;
    memset(p, 0, bytes);
    return p;
}

ae_tensor *ae_struct_new(ae_graph *g)
{
    if (g->live_count == g->live_capacity) {
        int capacity = g->live_capacity ? g->live_capacity * 2 : 1024;
        ae_tensor **live = realloc(g->live, (size_t)capacity * sizeof *live);
        if (!live) {
            ae_fail(g, AE_E_MEMORY, "graph: no memory for %d tensors", capacity);
            return NULL;
        }
        g->live = live;
        g->live_capacity = capacity;
    }
    ae_tensor *t = ae_arena(g, sizeof *t);
    if (t) {
        t->graph = g;
        t->depth = g->depth;
        g->live[g->live_count++] = t;
    }
    return t;
}

ae_tensor *ae_empty(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape)
{
    char text[AE_SHAPE_TEXT_MAX];
    int64_t n = ae_shape_numel(ndim, shape);
    if (n < 0) {
        return ae_fail(g, AE_E_SHAPE, "tensor: %s is no shape (%d axes at most, no negative extents)",
                       ae_shape_text(ndim, shape, text), AE_MAX_DIMS);
    }
    ae_tensor *t = ae_struct_new(g);
    if (!t) {
        return &g->bad;
    }
    t->dtype = dtype;
    t->ndim = ndim;
    if (ndim > 0) { /* shape may be NULL for a scalar */
        memcpy(t->shape, shape, (size_t)ndim * sizeof *shape);
    }
    ae_shape_strides(ndim, shape, t->strides);
    ae_storage *s = ae_storage_new(g->pool, (size_t)n * ae_dtype_size(dtype));
    if (!s) {
        return ae_fail(g, AE_E_MEMORY, "no memory for a tensor %s of %s", ae_shape_text(ndim, shape, text),
                       ae_dtype_name(dtype));
    }
    ae_tensor_attach(t, s, 0);
    return t;
}

ae_tensor *ae_empty_like(ae_graph *g, const ae_tensor *t)
{
    return ae_empty(g, t->dtype, t->ndim, t->shape);
}

ae_tensor *ae_view(ae_graph *g, const ae_tensor *base, int ndim, const int64_t *shape, const int64_t *strides,
                   int64_t offset)
{
    ae_tensor *t = ae_struct_new(g);
    if (!t) {
        return &g->bad;
    }
    t->dtype = base->dtype;
    t->ndim = ndim;
    memcpy(t->shape, shape, (size_t)ndim * sizeof *shape);
    memcpy(t->strides, strides, (size_t)ndim * sizeof *strides);
    t->data = (char *)base->data + offset * (int64_t)ae_dtype_size(base->dtype);
    t->storage = base->storage;
    ae_storage_hold(t->storage);
    return t;
}

/* ---- into and out of the graph ------------------------------------------------------------------------------------- */

ae_tensor *ae_input(ae_graph *g, const ae_tensor *host)
{
    if (!ae_ok(g)) {
        return &g->bad;
    }
    if (!host || !host->data) {
        return ae_fail(g, AE_E_FREED, "input: the host tensor is NULL or was freed");
    }
    if (host->graph && host == &host->graph->bad) {
        return ae_fail(g, AE_E_STATE, "input: the tensor is the bad tensor of a graph that has failed");
    }
    if (host->fault && host->fault->code != AE_OK) {
        return ae_fail(g, host->fault->code, "%s", host->fault->message);
    }
    ae_tensor *t = ae_view(g, host, host->ndim, host->shape, host->strides, 0);
    return host->name ? ae_name(g, t, host->name) : t; /* the host's own string may go before the graph does */
}

ae_tensor *ae_from_data(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, const void *data)
{
    ae_tensor *t = ae_ok(g) ? ae_empty(g, dtype, ndim, shape) : &g->bad;
    if (t != &g->bad && ae_numel(t) > 0) {
        memcpy(t->data, data, (size_t)ae_numel(t) * ae_dtype_size(dtype));
    }
    return t;
}

ae_tensor *ae_from_borrowed(ae_graph *g, ae_dtype dtype, int ndim, const int64_t *shape, void *data)
{
    if (!ae_ok(g)) {
        return &g->bad;
    }
    ae_tensor *host = ae_tensor_wrap(data, dtype, ndim, shape, &g->error);
    ae_tensor *t = host ? ae_input(g, host) : &g->bad;
    ae_tensor_free(host);
    return t;
}

int ae_check_graph(ae_graph *g, const ae_tensor *t, const char *who)
{
    const char *name = t && t->name ? t->name : "the tensor";
    if (!t) {
        return ae_err_set(&g->error, AE_E_VALUE, "%s: the tensor is NULL", who);
    }
    if (t->fault && t->fault->code != AE_OK) {
        return ae_err_set(&g->error, t->fault->code, "%s", t->fault->message);
    }
    if (t->graph && t->graph != g) {
        return ae_err_set(&g->error, AE_E_STATE, "%s: %s belongs to another graph; pass it through ae_input", who,
                          name);
    }
    return 0;
}

int ae_check_usable(ae_graph *g, const ae_tensor *t, const char *who)
{
    if (ae_check_graph(g, t, who) != 0 || t->data) {
        return ae_ok(g) ? 0 : -1;
    }
    const char *name = t->name ? t->name : "the tensor";
    if (t->died_file) {
        return ae_err_set(&g->error, AE_E_FREED,
                          "%s: %s was freed when the frame opened at %s:%d closed; hand it on with ae_frame_keep", who,
                          name, t->died_file, t->died_line);
    }
    return ae_err_set(&g->error, AE_E_FREED, "%s: %s has no values", who, name);
}

ae_tensor *ae_detach(ae_graph *g, ae_tensor *x)
{
    if (!ae_ok(g) || ae_check_usable(g, x, "detach") != 0) {
        return &g->bad;
    }
    return ae_view(g, x, x->ndim, x->shape, x->strides, 0);
}

ae_tensor *ae_name(ae_graph *g, ae_tensor *t, const char *name)
{
    if (!ae_ok(g) || t == &g->bad) {
        return t;
    }
    if (!t || t->graph != g) {
        return ae_fail(g, AE_E_STATE,
                       "name: \"%s\" was given to %s; parameters keep the name that their model gave them", name,
                       t ? "a tensor that is not of this graph" : "NULL");
    }
    size_t n = strlen(name) + 1;
    char *copy = ae_arena(g, n);
    if (copy) {
        memcpy(copy, name, n);
        t->name = copy;
    }
    return t;
}

static bool readable(const ae_tensor *t)
{
    return t && t->data && !(t->graph && t == &t->graph->bad);
}

double ae_item(const ae_tensor *t)
{
    return readable(t) && ae_numel(t) == 1 ? ae_get_f64(t, 0) : (double)NAN;
}

int64_t ae_item_i64(const ae_tensor *t)
{
    return readable(t) && ae_numel(t) == 1 ? ae_get_i64(t, 0) : 0;
}

int ae_read(const ae_tensor *t, ae_dtype dtype, void *out, int64_t n)
{
    ae_tensor *host = readable(t) && ae_numel(t) == n ? ae_tensor_wrap(out, dtype, t->ndim, t->shape, NULL) : NULL;
    int status = host ? ae_tensor_copy(host, t, NULL) : -1;
    ae_tensor_free(host);
    if (status != 0 && n > 0) {
        memset(out, 0, (size_t)n * ae_dtype_size(dtype));
    }
    return status;
}
