/* Recomputation: a segment saves only its inputs and runs again in backward. */
#include "autograd/tape.h"

#include <string.h>

typedef struct counters {
    uint64_t draws, seed, step;
    uint32_t round, rank;
    ae_dtype precision;
} counters;

static counters counters_get(const ae_graph *g)
{
    return (counters){g->draws, g->seed, g->random_step, g->round, g->rank, g->precision};
}

static void counters_set(ae_graph *g, const counters *k)
{
    g->draws = k->draws;
    g->precision = k->precision;
    ae_graph_random(g, k->seed, k->step, k->round, k->rank);
}

typedef struct segment {
    ae_segment_fn fn;
    void *self;
    counters before;
    int n; /* inputs; the call has more of them: the leaves that the first run met, which are complete after it */
} segment;

struct reached {
    ae_tensor **list;
    int count, capacity;
};

void ae_reach(ae_graph *g, ae_tensor *t)
{
    struct reached *r = g->reached;
    for (int i = 0; i < r->count; i++) {
        if (r->list[i]->slot == t->slot) {
            return;
        }
    }
    if (t->slot->node) {
        return;
    }
    if (r->count == r->capacity) {
        int capacity = r->capacity ? 2 * r->capacity : 32;
        ae_tensor **list = ae_arena(g, (size_t)capacity * sizeof *list);
        if (!list) {
            return;
        }
        for (int i = 0; i < r->count; i++) {
            list[i] = r->list[i];
        }
        r->list = list;
        r->capacity = capacity;
    }
    r->list[r->count++] = t;
}

/* The leaves that the run inside asks for: all of them in backward; in ae_grad the outer targets and the inputs. */
static ae_tensor **targets(ae_graph *g, const ae_call *c, ae_tensor **in, int *n)
{
    const backward_request *outer = ae_running_request(g);
    if (!outer || !outer->xs) {
        return NULL;
    }
    const segment *s = c->attr;
    ae_tensor **xs = ae_arena(g, (size_t)(outer->n_xs + s->n) * sizeof *xs);
    for (*n = 0; xs && *n < outer->n_xs; ++*n) {
        xs[*n] = outer->xs[*n];
    }
    for (int i = 0; xs && i < s->n; i++) {
        if (c->in[i] && c->need[i]) {
            xs[(*n)++] = in[i];
        }
    }
    return xs;
}

/* The gradient that the run inside left in the slot of a segment's input. */
static ae_tensor *take_gradient(ae_graph *g, ae_tensor *x)
{
    ae_tensor *t = x->slot->grad;
    if (!t) {
        return NULL;
    }
    ae_tensor *result = ae_view(g, t, t->ndim, t->shape, t->strides, 0);
    ae_alias_drop(t);
    x->slot->grad = NULL;
    return result;
}

/* Runs the segment once more with a tape of its own at the end of the tape, and differentiates that part. */
static void checkpoint_vjp(ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    ae_graph *g = c->graph;
    const segment *s = c->attr;
    counters now = counters_get(g);
    counters_set(g, &s->before);
    int floor = g->tape_count, n_xs = 0;
    bool was = ae_set_recording(g, true);
    ae_tensor **in = ae_arena(g, (size_t)s->n * sizeof *in);
    for (int i = 0; in && i < s->n; i++) {
        in[i] = c->in[i] ? ae_detach(g, c->in[i]) : NULL;
        if (c->in[i] && c->need[i]) {
            ae_requires_grad(g, in[i]);
        }
        if (ae_ok(g) && c->in[i] && c->need[i]) {
            in[i]->slot->leaf = NULL; /* its gradient stays in the slot */
        }
    }
    ae_tensor *y = in ? s->fn(g, s->self, in, s->n) : ae_bad(g);
    ae_tensor **xs = ae_ok(g) && ae_check_usable(g, y, "checkpoint") == 0 ? targets(g, c, in, &n_xs) : NULL;
    backward_request r = {.outputs = &y, .grads = gout, .n = 1, .floor = floor, .xs = xs, .n_xs = n_xs};
    if (ae_ok(g) && y->slot && ae_run_backward(g, &r) == 0) {
        for (int i = 0; i < s->n; i++) {
            gin[i] = c->in[i] && c->need[i] ? take_gradient(g, in[i]) : NULL;
        }
    }
    ae_tape_truncate(g, floor);
    ae_set_recording(g, was);
    counters_set(g, &now);
}

static const ae_op checkpoint_op = {
    .name = "checkpoint",
    .formula = "fn(inputs), recomputed in backward",
    .min_in = 0,
    .max_in = -1,
    .n_out = 1,
    .flags = AE_OP_VIEW,
    .needs = {0xffffu, 0xffffu, 0xffffu, 0xffffu, 0xffffu, 0xffffu, 0xffffu, 0xffffu},
    .vjp = checkpoint_vjp,
};

/* Runs fn with the tape off, and notes the leaves that it meets on the way. */
static ae_tensor *first_run(ae_graph *g, const segment *s, ae_tensor *const *in, struct reached *reached)
{
    for (int i = 0; i < s->n; i++) {
        if (in[i] && ae_check_usable(g, in[i], "checkpoint") != 0) {
            return ae_bad(g);
        }
    }
    struct reached *outer = g->reached;
    g->reached = reached;
    ae_set_recording(g, false);
    ae_tensor *y = s->fn(g, s->self, in, s->n);
    ae_set_recording(g, true);
    g->reached = outer;
    if (ae_ok(g)) {
        ae_check_usable(g, y, "checkpoint");
    }
    return y;
}

/* Puts the segment onto the tape, with the leaves behind its inputs; all of them are needed to run it again. */
static int record_segment(ae_graph *g, const segment *s, ae_tensor *const *in, const struct reached *reached,
                          ae_tensor *y)
{
    int n = s->n + reached->count;
    ae_call c = {.graph = g, .op = &checkpoint_op, .n_in = n, .n_out = 1, .attr_size = sizeof *s, .recording = true};
    c.attr = (void *)(uintptr_t)s;
    c.in = ae_arena(g, (size_t)n * sizeof *c.in);
    c.need = ae_arena(g, (size_t)n * sizeof *c.need);
    c.out[0] = y;
    if (!c.in || !c.need) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        c.in[i] = i < s->n ? in[i] : reached->list[i - s->n];
        c.need[i] = true;
    }
    return ae_record(&c);
}

ae_tensor *ae_checkpoint(ae_graph *g, ae_segment_fn fn, void *self, ae_tensor *const *in, int n)
{
    segment s = {fn, self, counters_get(g), n};
    struct reached reached = {0};
    if (!g->recording || !ae_ok(g)) {
        return ae_ok(g) ? fn(g, self, in, n) : ae_bad(g);
    }
    if (g->flags & AE_HIGHER_ORDER) {
        return ae_fail(g, AE_E_GRADIENT,
                       "checkpoint: a recomputed segment has no second derivative; leave out "
                       "AE_HIGHER_ORDER or the checkpoint");
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *y = first_run(g, &s, in, &reached);
    /* A view of the result, so that an input handed through keeps its own history. */
    y = ae_ok(g) ? ae_view(g, y, y->ndim, y->shape, y->strides, 0) : ae_bad(g);
    if (ae_ok(g)) {
        y->op = checkpoint_op.name;
        record_segment(g, &s, in, &reached, y);
    }
    return ae_frame_return(f, y);
}

void ae_graph_recompute(ae_graph *g, bool on)
{
    g->recompute = on;
}

bool ae_graph_recomputes(const ae_graph *g)
{
    return g->recompute;
}

ae_tensor *ae_segment(ae_graph *g, ae_segment_fn fn, const void *self, size_t size, ae_tensor *const *in, int n)
{
    bool again = g->recompute && g->recording && ae_ok(g);
    void *copy = ae_arena(g, size);
    if (!copy) {
        return ae_bad(g);
    }
    memcpy(copy, self, size);
    return again ? ae_checkpoint(g, fn, copy, in, n) : fn(g, copy, in, n);
}
