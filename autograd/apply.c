/* Applying an op: the checks that hold for all of them, computing, recording. */
#include "autograd/tape.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int ae_call_fail(ae_call *c, ae_code code, const char *format, ...)
{
    char message[AE_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return ae_err_set(&c->graph->error, code, "%s: %s", c->op->name, message);
}

const char *ae_call_describe(const ae_call *c, int i, char text[AE_DESCRIBE_MAX])
{
    char shape[AE_SHAPE_TEXT_MAX];
    const ae_tensor *t = c->in[i];
    if (!t) {
        snprintf(text, AE_DESCRIBE_MAX, "input %d (left out)", i);
    } else if (t->name) {
        snprintf(text, AE_DESCRIBE_MAX, "%.120s %s", t->name, ae_shape_text(t->ndim, t->shape, shape));
    } else {
        snprintf(text, AE_DESCRIBE_MAX, "input %d %s", i, ae_shape_text(t->ndim, t->shape, shape));
    }
    return text;
}

void ae_call_out(ae_call *c, int i, ae_dtype dtype, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_struct_new(c->graph);
    if (!t) {
        return;
    }
    t->dtype = dtype;
    t->ndim = ndim;
    if (ndim > 0) {
        memcpy(t->shape, shape, (size_t)ndim * sizeof *shape);
    }
    ae_shape_strides(ndim, t->shape, t->strides);
    c->out[i] = t;
}

void ae_call_out_like(ae_call *c, int i, const ae_tensor *t)
{
    ae_call_out(c, i, t->dtype, t->ndim, t->shape);
}

ae_tensor *ae_call_extra(ae_call *c, int i, ae_dtype dtype, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_empty(c->graph, dtype, ndim, shape);
    if (t == ae_bad(c->graph)) {
        return NULL;
    }
    c->extra[i] = t;
    return t;
}

void ae_call_keep_extra(ae_call *c, int i, ae_tensor *t)
{
    c->extra[i] = t;
}

/* ---- the checks ---------------------------------------------------------------------------------------------------- */

static int check_input(ae_call *c, int i)
{
    const ae_tensor *t = c->in[i];
    ae_graph *g = c->graph;
    const char *name = t && t->name ? t->name : "the tensor";
    if (!t) {
        if (i < 32 && (c->op->optional & AE_IN(i))) {
            return 0;
        }
        return ae_call_fail(c, AE_E_VALUE, "input %d is NULL", i);
    }
    if (t->fault && t->fault->code != AE_OK) {
        return ae_err_set(&g->error, t->fault->code, "%s", t->fault->message);
    }
    if (t->graph && t->graph != g) {
        return ae_call_fail(c, AE_E_STATE, "%s (input %d) belongs to another graph; pass it through ae_input", name, i);
    }
    if (t->data) {
        return 0;
    }
    if (t->died_file) {
        return ae_call_fail(c, AE_E_FREED,
                            "%s (input %d) was freed when the frame opened at %s:%d closed; hand it on with "
                            "ae_frame_keep",
                            name, i, t->died_file, t->died_line);
    }
    return ae_call_fail(c, AE_E_FREED, "%s (input %d) has no values: it was freed, or the op's needs do not save it",
                        name, i);
}

static int check_call(ae_call *c)
{
    if (!ae_ok(c->graph)) {
        return -1;
    }
    if (c->n_in < c->op->min_in || (c->op->max_in >= 0 && c->n_in > c->op->max_in)) {
        return ae_call_fail(c, AE_E_VALUE, "%d inputs; it takes %d to %d", c->n_in, c->op->min_in, c->op->max_in);
    }
    for (int i = 0; i < c->n_in; i++) {
        if (check_input(c, i) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- computing ----------------------------------------------------------------------------------------------------- */

static bool has_f64(const ae_call *c)
{
    for (int i = 0; i < c->n_in; i++) {
        if (c->in[i] && c->in[i]->dtype == AE_F64) {
            return true;
        }
    }
    return false;
}

static int decompose(ae_call *c)
{
    ae_frame f = ae_frame_open(c->graph);
    for (int i = 0; i < c->n_out; i++) { /* results that forward declined to fill */
        if (c->out[i] && c->out[i]->storage) {
            ae_alias_drop(c->out[i]);
        }
        c->out[i] = NULL;
    }
    int status = c->op->decompose(c);
    for (int i = 0; i < c->n_out && status == 0; i++) {
        if (c->out[i]) {
            ae_frame_keep(f, c->out[i]);
        }
    }
    ae_frame_close(f);
    return status == 0 && ae_ok(c->graph) ? 0 : -1;
}

static int allocate_outputs(ae_call *c)
{
    char text[AE_SHAPE_TEXT_MAX];
    for (int i = 0; i < c->n_out; i++) {
        ae_tensor *t = c->out[i];
        if (!t) {
            return ae_call_fail(c, AE_E_STATE, "its shape rule described no output %d", i);
        }
        int64_t n = ae_shape_numel(t->ndim, t->shape);
        ae_storage *s = n < 0 ? NULL : ae_storage_new(c->graph->pool, (size_t)n * ae_dtype_size(t->dtype));
        if (!s) {
            return ae_call_fail(c, AE_E_MEMORY, "no memory for a result %s of %s",
                                ae_shape_text(t->ndim, t->shape, text), ae_dtype_name(t->dtype));
        }
        ae_tensor_attach(t, s, 0);
    }
    return 0;
}

/* Runs shape rule and forward; the temporaries of forward die with a frame of their own. Returns AE_DECLINE when the
 * decomposition is to be run. */
static int compute(ae_call *c)
{
    if (c->op->shape && c->op->shape(c) != 0) {
        return -1;
    }
    if (!ae_ok(c->graph)) {
        return -1;
    }
    if (c->op->decompose && (has_f64(c) || ((c->graph->flags & AE_HIGHER_ORDER) && c->recording))) {
        return AE_DECLINE;
    }
    if (!(c->op->flags & AE_OP_VIEW) && allocate_outputs(c) != 0) {
        return -1;
    }
    ae_frame f = ae_frame_open(c->graph);
    int status = c->op->forward(c);
    for (int i = 0; i < c->n_out; i++) {
        if (c->out[i]) {
            ae_frame_keep(f, c->out[i]);
        }
    }
    /* Extras leave the frame as the tape's own aliases, or not at all. */
    for (int i = 0; i < AE_MAX_EXTRA; i++) {
        bool save = c->extra[i] && status == 0 && c->recording;
        c->extra[i] = save ? ae_alias(c->graph, c->extra[i], true) : NULL;
    }
    ae_frame_close(f);
    return ae_ok(c->graph) ? status : -1;
}

static int check_finite(ae_call *c)
{
    char shape[AE_SHAPE_TEXT_MAX];
    for (int k = 0; k < c->n_out; k++) {
        const ae_tensor *t = c->out[k];
        int64_t n = t && ae_dtype_is_float(t->dtype) ? ae_numel(t) : 0;
        for (int64_t i = 0; i < n; i++) {
            double v = ae_get_f64(t, i);
            if (!isfinite(v)) {
                char in[AE_DESCRIBE_MAX] = "no inputs";
                if (c->n_in > 0) {
                    ae_call_describe(c, 0, in);
                }
                return ae_call_fail(c, AE_E_NONFINITE, "made %g at element %lld of its output %s, from %s", v,
                                    (long long)i, ae_shape_text(t->ndim, t->shape, shape), in);
            }
        }
    }
    return 0;
}

/* ---- recording ----------------------------------------------------------------------------------------------------- */

static unsigned saved_bits(const ae_call *c)
{
    unsigned bits = 0;
    for (int i = 0; i < c->n_in; i++) {
        if (c->need[i]) {
            bits |= c->op->needs[i < AE_NEEDS ? i : AE_NEEDS - 1];
        }
    }
    return bits;
}

static bool is_saved(unsigned bits, int i, bool output)
{
    return output ? (bits & AE_OUT(i)) != 0 : (bits & AE_IN(i < 16 ? i : 15)) != 0;
}

static int push(ae_graph *g, ae_call *c)
{
    if (g->tape_count == g->tape_capacity) {
        int capacity = g->tape_capacity ? g->tape_capacity * 2 : 1024;
        ae_call **tape = realloc(g->tape, (size_t)capacity * sizeof *tape);
        if (!tape) {
            return ae_call_fail(c, AE_E_MEMORY, "no memory for a tape of %d operations", capacity);
        }
        g->tape = tape;
        g->tape_capacity = capacity;
    }
    c->index = g->tape_count;
    g->tape[g->tape_count++] = c;
    return 0;
}

static void drop_extras(ae_call *c)
{
    for (int i = 0; i < AE_MAX_EXTRA; i++) {
        ae_alias_drop(c->extra[i]);
        c->extra[i] = NULL;
    }
}

/* In the pool's account, what the tape holds belongs to the operation that saved it first. */
static void label_saved(const ae_graph *g, const ae_tensor *alias, const char *operation)
{
    ae_storage *s = alias ? alias->storage : NULL;
    if (s && ae_storage_pool(s) == g->pool && ae_storage_kind(s) == AE_MEMORY_WORKING) {
        ae_storage_label(s, AE_MEMORY_SAVED, operation);
    }
}

static void label_call(const ae_graph *g, const ae_call *node)
{
    for (int i = 0; i < node->n_in; i++) {
        label_saved(g, node->in[i], node->op->name);
    }
    for (int i = 0; i < node->n_out; i++) {
        label_saved(g, node->out[i], node->op->name);
    }
    for (int i = 0; i < AE_MAX_EXTRA; i++) {
        label_saved(g, node->extra[i], node->op->name);
    }
}

/* Fills node, a copy of c on the arena, with aliases of what the vjp needs, and makes the outputs' slots. */
static void save(const ae_call *c, ae_call *node)
{
    ae_graph *g = c->graph;
    unsigned bits = saved_bits(c);
    for (int i = 0; i < c->n_in; i++) {
        node->in[i] = c->in[i] ? ae_alias(g, c->in[i], is_saved(bits, i, false)) : NULL;
    }
    for (int i = 0; i < c->n_out; i++) {
        ae_slot *slot = ae_dtype_is_float(c->out[i]->dtype) ? ae_arena(g, sizeof *slot) : NULL;
        if (slot) {
            slot->node = node;
            slot->out = i;
        }
        c->out[i]->slot = slot;
        node->out[i] = ae_alias(g, c->out[i], is_saved(bits, i, true));
    }
}

/* Copies the call onto the tape; after an error nothing of it stays saved, the extras included. */
int ae_record(ae_call *c)
{
    ae_graph *g = c->graph;
    ae_call *node = ae_arena(g, sizeof *node);
    ae_tensor **in = ae_arena(g, (size_t)c->n_in * sizeof *in);
    bool *need = ae_arena(g, (size_t)c->n_in * sizeof *need);
    void *attr = c->attr_size ? ae_arena(g, c->attr_size) : NULL;
    if (!node || !in || !need || (c->attr_size && !attr)) {
        drop_extras(c);
        return -1;
    }
    *node = *c;
    node->in = in;
    node->need = need;
    node->attr = attr;
    memcpy(need, c->need, (size_t)c->n_in * sizeof *need);
    if (attr) {
        memcpy(attr, c->attr, c->attr_size);
    }
    save(c, node);
    if (!ae_ok(g) || push(g, node) != 0) {
        ae_call_release(node);
        return -1;
    }
    if (g->profile) {
        ae_span_saved(g, node);
    }
    if (ae_pool_accounts(g->pool)) {
        label_call(g, node);
    }
    return 0;
}

static bool find_needs(ae_call *c)
{
    bool any = false;
    for (int i = 0; i < c->n_in; i++) {
        c->need[i] = c->in[i] && c->in[i]->slot;
        any = any || c->need[i];
        if (c->need[i] && c->graph->reached) {
            ae_reach(c->graph, c->in[i]);
        }
    }
    return any;
}

static int run(ae_call *c)
{
    ae_graph *g = c->graph;
    if (check_call(c) != 0) {
        return -1;
    }
    bool any = find_needs(c);
    c->recording = g->recording && any && (c->op->vjp || c->op->decompose);
    if (c->op->flags & AE_OP_RANDOM) {
        c->draw = ae_draw(g);
    }
    const char *outer = ae_pool_label(g->pool, c->op->name);
    int status = compute(c);
    ae_pool_label(g->pool, outer);
    if (status == AE_DECLINE) {
        return decompose(c);
    }
    for (int i = 0; i < c->n_out && status == 0; i++) {
        if (c->out[i]) {
            c->out[i]->op = c->op->name;
        } else {
            status = ae_call_fail(c, AE_E_STATE, "its forward set no output %d", i);
        }
    }
    if (status == 0 && (g->flags & AE_ANOMALY)) {
        status = check_finite(c);
    }
    if (status != 0 && c->recording) {
        drop_extras(c);
    }
    return status == 0 && c->recording ? ae_record(c) : status;
}

static int apply(ae_graph *g, const ae_op *op, ae_tensor *const *in, int n, const void *attr, size_t attr_size,
                 ae_tensor **out)
{
    ae_call c = {.graph = g, .op = op, .n_in = n, .n_out = op->n_out, .attr_size = attr_size};
    bool local[16];
    union {
        uint64_t align[32];
        char bytes[256];
    } copy;
    c.in = (ae_tensor **)in;
    c.need = n <= 16 ? local : ae_arena(g, (size_t)n * sizeof *c.need);
    c.attr = attr_size <= sizeof copy ? copy.bytes : ae_arena(g, attr_size);
    int status = -1;
    if (c.need && c.attr) {
        if (attr_size) {
            memcpy(c.attr, attr, attr_size);
        } else {
            c.attr = NULL;
        }
        status = run(&c);
    }
    for (int i = 0; i < op->n_out; i++) {
        out[i] = status == 0 && c.out[i] ? c.out[i] : ae_bad(g);
    }
    return status == 0 ? 0 : -1;
}

int ae_apply_n(ae_graph *g, const ae_op *op, ae_tensor *const *in, int n, const void *attr, size_t attr_size,
               ae_tensor **out)
{
    op = op == g->replaced ? g->replacement : op;
    if (!g->profile) {
        return apply(g, op, in, n, attr, attr_size, out);
    }
    int64_t span = ae_span_begin(g, op->name, false);
    int status = apply(g, op, in, n, attr, attr_size, out);
    ae_span_end(g, span);
    return status;
}

ae_tensor *ae_apply(ae_graph *g, const ae_op *op, ae_tensor *const *in, int n, const void *attr, size_t attr_size)
{
    ae_tensor *out[AE_MAX_OUT];
    ae_apply_n(g, op, in, n, attr, attr_size, out);
    return out[0];
}
