/* Backward: the tape from its end to its beginning, each call's vjp once.
 *
 * A gradient lives in its value's slot while it is summed. The first contribution is taken over, not copied; a later
 * one is added in place only when the slot is the sole holder of the storage, because a vjp may hand the same tensor to
 * several inputs (add does) or hand on a view (reshape does). */
#include "autograd/elementwise.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- sums ---------------------------------------------------------------------------------------------------------- */

static void add_in_place(ae_tensor *sum, ae_tensor *x)
{
    ae_elementwise_run(ae_op_add.kernel, (ae_tensor *[]){sum, x}, 2, sum, NULL);
}

static bool can_add_in_place(const ae_tensor *sum, const ae_tensor *x)
{
    return sum->dtype == x->dtype && ae_storage_is_sole(sum->storage) && ae_is_contiguous(sum);
}

int ae_accumulate(ae_graph *g, ae_tensor **sum, ae_tensor *grad, bool create_graph)
{
    if (!*sum) {
        *sum = ae_alias(g, grad, true);
        return *sum ? 0 : -1;
    }
    if (!create_graph && can_add_in_place(*sum, grad)) {
        add_in_place(*sum, grad);
        return 0;
    }
    ae_tensor *total = ae_add(g, *sum, grad);
    if (!ae_ok(g)) {
        return -1;
    }
    ae_alias_drop(*sum);
    *sum = ae_alias(g, total, true);
    return *sum ? 0 : -1;
}

/* Sums a gradient over the axes along which its input was broadcast, and gives it the input's dtype. */
static ae_tensor *fit(ae_graph *g, const ae_tensor *input, ae_tensor *grad)
{
    if (!ae_same_shape(grad, input)) {
        grad = ae_sum_to(g, grad, input->ndim, input->shape);
    }
    return grad->dtype == input->dtype ? grad : ae_cast(g, grad, input->dtype);
}

/* ---- leaves -------------------------------------------------------------------------------------------------------- */

/* A gradient that outlives the step needs a struct outside the arena and a dense storage of its own. */
static ae_tensor *lasting(ae_graph *g, const ae_tensor *grad, ae_err *e)
{
    size_t bytes = (size_t)ae_numel(grad) * ae_dtype_size(grad->dtype);
    if (ae_is_contiguous(grad) && ae_storage_is_sole(grad->storage) && ae_storage_bytes(grad->storage) == bytes) {
        return ae_tensor_share(grad, e);
    }
    ae_tensor *copy = ae_gradient_new(g->pool, grad->dtype, grad);
    if (!copy) {
        ae_err_set(e, AE_E_MEMORY, "backward: no memory for a gradient");
        return NULL;
    }
    ae_copy_values(copy, grad);
    return copy;
}

/* The parameter's or leaf's gradient of this and earlier rounds goes. */
static void void_leaf(ae_slot *slot)
{
    if (slot->parameter) {
        ae_gradient_drop(slot->leaf);
    } else if (slot->leaf) {
        slot->leaf->grad = NULL;
    }
}

/* Rows meet what earlier rounds left: nothing, a whole gradient, or rows. */
static int deliver_rows(ae_graph *g, ae_slot *slot)
{
    ae_tensor *p = slot->leaf;
    if (p->grad) {
        ae_row_gradient_add_to(slot->rows, p->grad->data);
        return 0;
    }
    if (!p->grad_rows) {
        p->grad_rows = slot->rows;
        slot->rows = NULL;
        return 0;
    }
    ae_row_gradient *sum = ae_row_gradient_sum(g->pool, p->grad_rows, slot->rows);
    if (!sum) {
        return ae_err_set(&g->error, AE_E_MEMORY, "backward: no memory for a gradient");
    }
    ae_row_gradient_free(p->grad_rows);
    p->grad_rows = sum;
    return ae_row_gradient_pays(sum->count, p->shape[0]) ? 0 : ae_row_gradient_spread(p, g->pool, &g->error);
}

static int deliver_to_parameter(ae_graph *g, ae_slot *slot)
{
    ae_tensor *p = slot->leaf;
    if (slot->rows) {
        return deliver_rows(g, slot);
    }
    if (ae_row_gradient_spread(p, g->pool, &g->error) != 0) {
        return -1;
    }
    if (p->grad) {
        add_in_place(p->grad, slot->grad);
    } else {
        p->grad = lasting(g, slot->grad, &g->error);
    }
    if (p->grad) {
        ae_storage_label(p->grad->storage, AE_MEMORY_GRADIENTS, "");
    }
    return ae_ok(g) ? 0 : -1;
}

static int deliver_to_leaf(ae_graph *g, ae_slot *slot)
{
    ae_tensor *t = slot->leaf;
    ae_tensor *sum = t->grad;
    if (sum) {
        sum = ae_add(g, sum, slot->grad);
    } else {
        sum = ae_view(g, slot->grad, slot->grad->ndim, slot->grad->shape, slot->grad->strides, 0);
    }
    if (!ae_ok(g)) {
        return -1;
    }
    sum->depth = 0; /* read by the user after every frame has closed */
    t->grad = sum;
    return 0;
}

/* Puts what a hook returned in the place of the gradient that it saw. */
static int replace_grad(ae_graph *g, ae_slot *slot, ae_tensor *other)
{
    if (ae_check_usable(g, other, "hook") != 0) {
        return -1;
    }
    if (!ae_same_shape(other, slot->grad)) {
        ae_fail(g, AE_E_SHAPE, "hook: it returned a gradient of another shape");
        return -1;
    }
    other = other->dtype == slot->grad->dtype ? other : ae_cast(g, other, slot->grad->dtype);
    ae_tensor *alias = ae_ok(g) ? ae_alias(g, other, true) : NULL;
    if (!alias) {
        return -1;
    }
    ae_alias_drop(slot->grad);
    slot->grad = alias;
    return 0;
}

/* The rows in a slot become its gradient. The frame lets the slot be the sole holder of the storage. */
static int spread_slot(ae_graph *g, ae_slot *slot)
{
    if (!slot->rows) {
        return 0;
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *whole = ae_empty_like(g, slot->leaf);
    slot->grad = ae_ok(g) ? ae_alias(g, whole, true) : NULL;
    if (slot->grad) {
        ae_row_gradient_write(slot->rows, slot->grad->data, slot->leaf->shape[0]);
        ae_row_gradient_free(slot->rows);
        slot->rows = NULL;
    }
    ae_frame_close(f);
    return slot->grad ? 0 : -1;
}

static int run_hooks(ae_graph *g, ae_slot *slot)
{
    for (hook *h = g->hooks; h; h = h->next) {
        if (h->slot == slot && spread_slot(g, slot) != 0) {
            return -1;
        }
        ae_tensor *other = h->slot == slot ? h->fn(g, slot->grad, h->user) : NULL;
        if (!ae_ok(g) || (other && replace_grad(g, slot, other) != 0)) {
            return -1;
        }
    }
    return 0;
}

/* ---- one run ------------------------------------------------------------------------------------------------------- */

typedef struct backward_run {
    ae_graph *g;
    const backward_request *request;
    struct backward_run *root; /* the outermost run: recomputed segments run inside another's vjp */
    int top;                   /* calls [floor, top) are run */
    ae_slot *leaves;           /* reached by this run and those inside it; kept in the root */
    bool create_graph;
} run;

static void drop_grad(ae_slot *slot)
{
    ae_alias_drop(slot->grad);
    ae_row_gradient_free(slot->rows);
    slot->grad = NULL;
    slot->rows = NULL;
}

static bool is_target(const backward_request *r, const ae_slot *slot)
{
    for (int i = 0; i < r->n_xs; i++) {
        if (r->xs[i]->slot == slot) {
            return true;
        }
    }
    return false;
}

/* Whether the call that made the slot's value is still on the tape. */
static bool on_tape(const ae_graph *g, const ae_slot *slot)
{
    return slot->node->index < g->tape_count && g->tape[slot->node->index] == slot->node;
}

static int fail_consumed(ae_graph *g)
{
    ae_fail(g, AE_E_STATE, "backward: the tape was consumed before; give AE_RETAIN to the first backward");
    return -1;
}

/* Marks the leaves among a call's inputs, and what was made before the run's own part of the tape. */
static int mark_leaves(const run *b, const ae_call *c)
{
    const backward_request *r = b->request;
    for (int k = 0; k < c->n_in; k++) {
        ae_slot *slot = c->in[k] ? c->in[k]->slot : NULL;
        if (slot && slot->node && !on_tape(b->g, slot)) {
            return fail_consumed(b->g);
        }
        if (slot && (!slot->node || slot->node->index < r->floor)) {
            slot->wanted = r->xs ? is_target(r, slot) : slot->node == NULL;
        }
    }
    return 0;
}

/* Marks, from the beginning, the slots through which some wanted leaf is reached. */
static int mark_wanted(run *b)
{
    const backward_request *r = b->request;
    for (int i = r->floor; i < b->top; i++) {
        ae_call *c = b->g->tape[i];
        if (mark_leaves(b, c) != 0) {
            return -1;
        }
        c->wanted = false;
        for (int k = 0; k < c->n_in; k++) {
            c->need[k] = c->in[k] && c->in[k]->slot && c->in[k]->slot->wanted;
            c->wanted = c->wanted || c->need[k];
        }
        for (int k = 0; k < c->n_out; k++) {
            if (c->out[k]->slot) {
                c->out[k]->slot->wanted = c->wanted || (r->xs && is_target(r, c->out[k]->slot));
            }
        }
    }
    return 0;
}

static void reach_leaf(run *b, ae_slot *slot)
{
    if (!slot->listed && !(slot->node && slot->node->index >= b->request->floor)) {
        slot->listed = true;
        slot->next = b->root->leaves;
        b->root->leaves = slot;
    }
}

/* Counts, from the end, how many contributions each wanted slot will get; calls that no output depends on drop out. */
static void count_uses(run *b)
{
    for (int i = b->top - 1; i >= b->request->floor; i--) {
        ae_call *c = b->g->tape[i];
        bool reached = false;
        for (int k = 0; k < c->n_out; k++) {
            reached = reached || (c->out[k]->slot && c->out[k]->slot->uses > 0);
        }
        c->wanted = c->wanted && reached;
        for (int k = 0; k < c->n_in && c->wanted; k++) {
            if (c->need[k]) {
                reach_leaf(b, c->in[k]->slot);
                c->in[k]->slot->uses++;
            }
        }
    }
}

/* All contributions have arrived: hooks, then the leaf or the user that waits for it. */
static int complete(run *b, ae_slot *slot)
{
    ae_graph *g = b->g;
    if (!slot->grad && !slot->rows) {
        return 0;
    }
    if (run_hooks(g, slot) != 0) {
        return -1;
    }
    if (b->request->xs) {
        return 0; /* ae_grad collects from the slots */
    }
    if (slot->leaf && !slot->parameter) {
        return deliver_to_leaf(g, slot);
    }
    if (slot->parameter) {
        int status = deliver_to_parameter(g, slot);
        drop_grad(slot);
        if (status == 0 && g->param_final) {
            g->param_final(slot->leaf, g->param_final_user);
        }
        return status;
    }
    return 0;
}

ae_tensor *ae_call_sum(const ae_call *c, int i)
{
    const run *b = c->graph->backward;
    if (!b || b->create_graph || !c->need[i] || !c->in[i]->slot || spread_slot(c->graph, c->in[i]->slot) != 0) {
        return NULL;
    }
    ae_tensor *sum = c->in[i]->slot->grad;
    return sum && ae_same_shape(sum, c->in[i]) && can_add_in_place(sum, c->in[i]) ? sum : NULL;
}

bool ae_call_takes_rows(const ae_call *c, int i)
{
    const ae_graph *g = c->graph;
    const run *b = g->backward;
    const ae_tensor *x = c->in[i];
    return g->sparse && b && !b->root->request->xs && !(g->flags & (AE_HIGHER_ORDER | AE_ANOMALY)) && c->need[i] &&
           x->slot->parameter && !x->slot->grad && x->dtype == AE_F32 && x->ndim == 2;
}

static int contribute(run *b, const ae_tensor *input, ae_tensor *grad)
{
    ae_slot *slot = input->slot;
    if (grad && grad != slot->grad) { /* else the vjp has added to it */
        grad = ae_check_usable(b->g, grad, "backward") == 0 ? fit(b->g, input, grad) : NULL;
        if (!ae_ok(b->g) || spread_slot(b->g, slot) != 0 ||
            ae_accumulate(b->g, &slot->grad, grad, b->create_graph) != 0) {
            return -1;
        }
    }
    if (slot->parameter && slot->grad) {
        ae_storage_label(slot->grad->storage, AE_MEMORY_GRADIENTS, "");
    }
    slot->uses--;
    return 0;
}

/* Leaves whose last contribution came from c, once all else has let go of it: a parameter then takes its gradient over
 * without a copy. */
static int complete_leaves(run *b, const ae_call *c)
{
    int status = 0;
    for (int k = 0; k < c->n_in && status == 0; k++) {
        ae_slot *slot = c->need[k] ? c->in[k]->slot : NULL;
        if (slot && !slot->node && slot->uses == 0) {
            slot->uses = -1; /* an input that stands twice is complete once */
            status = complete(b, slot);
        }
    }
    return status;
}

/* Drops the gradients of a call's outputs but for those that ae_grad will collect. */
static void drop_outputs(const run *b, const ae_call *c)
{
    for (int k = 0; k < c->n_out; k++) {
        ae_slot *slot = c->out[k]->slot;
        if (slot && !is_target(b->request, slot)) {
            drop_grad(slot);
        }
    }
}

/* In anomaly mode: a gradient that a vjp made, and that no op has checked, must be finite. */
static void check_gradient(ae_graph *g, int k, const ae_tensor *grad)
{
    char shape[AE_SHAPE_TEXT_MAX];
    int64_t n = (g->flags & AE_ANOMALY) && grad && grad->data ? ae_numel(grad) : 0;
    for (int64_t i = 0; i < n; i++) {
        double v = ae_get_f64(grad, i);
        if (!isfinite(v)) {
            ae_fail(g, AE_E_NONFINITE, "made %g at element %lld of the gradient %s of input %d", v, (long long)i,
                    ae_shape_text(grad->ndim, grad->shape, shape), k);
            return;
        }
    }
}

/* Calls the vjp; an error inside it says of which op this was the backward. */
static int run_vjp(ae_graph *g, ae_call *c, ae_tensor *const *gout, ae_tensor **gin)
{
    c->op->vjp(c, gout, gin);
    for (int k = 0; k < c->n_in && ae_ok(g); k++) {
        check_gradient(g, k, c->need[k] ? gin[k] : NULL);
    }
    if (!ae_ok(g)) {
        ae_err_prefix(&g->error, "backward of %s", c->op->name);
        return -1;
    }
    return 0;
}

/* Hooks and retained gradients of a call's outputs; gout: what its vjp gets. Returns how many there are, or -1. */
static int complete_outputs(run *b, ae_call *c, ae_tensor **gout)
{
    int count = 0;
    for (int k = 0; k < c->n_out; k++) {
        ae_slot *slot = c->out[k]->slot;
        if (slot && slot->grad) {
            if (complete(b, slot) != 0) {
                return -1;
            }
            gout[k] = slot->grad;
            count++;
        }
    }
    return count;
}

/* Runs one call's vjp and passes its gradients on. */
static int differentiate(run *b, ae_call *c, ae_tensor *const *gout)
{
    ae_graph *g = b->g;
    ae_frame f = ae_frame_open(g);
    ae_tensor **gin = ae_arena(g, (size_t)c->n_in * sizeof *gin);
    const char *outer = ae_pool_label(g->pool, c->op->name);
    int status = gin ? run_vjp(g, c, gout, gin) : -1;
    ae_pool_label(g->pool, outer);
    for (int k = 0; k < c->n_in && status == 0; k++) {
        if (c->need[k]) {
            status = contribute(b, c->in[k], gin[k]);
        }
    }
    ae_frame_close(f);
    drop_outputs(b, c);
    if (!(b->request->flags & AE_RETAIN)) {
        ae_call_release(c);
    }
    return status == 0 ? complete_leaves(b, c) : status;
}

static int step_back(run *b, ae_call *c)
{
    ae_tensor *gout[AE_MAX_OUT] = {NULL};
    int count = complete_outputs(b, c, gout);
    if (count <= 0 || !c->wanted) {
        return count < 0 ? -1 : 0;
    }
    if (!b->g->profile) {
        return differentiate(b, c, gout);
    }
    int64_t span = ae_span_begin(b->g, c->op->name, true);
    int status = differentiate(b, c, gout);
    ae_span_end(b->g, span);
    return status;
}

/* After a failure: no half-made gradient stays, in a slot or in a parameter. */
static void void_gradients(run *b)
{
    for (int i = b->request->floor; i < b->top; i++) {
        ae_call *c = b->g->tape[i];
        for (int k = 0; k < c->n_out; k++) {
            ae_slot *slot = c->out[k]->slot;
            if (slot) {
                drop_grad(slot);
                if (slot->leaf && !b->root->request->xs) {
                    void_leaf(slot); /* where ae_retain_grad asked */
                }
            }
        }
    }
    for (ae_slot *slot = b->root->leaves; slot; slot = slot->next) {
        drop_grad(slot);
        if (!b->root->request->xs) {
            void_leaf(slot);
        }
    }
}

/* For a graph that had failed before backward: what the tape leads to is dropped. */
static void void_tape(ae_graph *g)
{
    for (int i = 0; i < g->tape_count; i++) {
        const ae_call *c = g->tape[i];
        for (int k = 0; k < c->n_in; k++) {
            if (c->in[k] && c->in[k]->slot && c->in[k]->slot->leaf) {
                void_leaf(c->in[k]->slot);
            }
        }
    }
}

/* Leaves every slot as the next run expects it: no uses, not listed; drops what was delivered. */
static void clear_slots(run *b)
{
    for (int i = b->request->floor; i < b->top; i++) {
        ae_call *c = b->g->tape[i];
        for (int k = 0; k < c->n_out; k++) {
            if (c->out[k]->slot) {
                c->out[k]->slot->uses = 0;
            }
        }
        drop_outputs(b, c);
    }
    for (ae_slot *slot = b->leaves; slot && b->root == b; slot = slot->next) {
        slot->uses = 0;
        slot->listed = false;
        if (!is_target(b->request, slot)) {
            drop_grad(slot);
        }
    }
}

static ae_tensor *ones_for(ae_graph *g, const ae_tensor *y)
{
    if (ae_numel(y) != 1) {
        char shape[AE_SHAPE_TEXT_MAX];
        return ae_fail(g, AE_E_SHAPE, "backward: the output is %s; without a gradient for it, it must have one element",
                       ae_shape_text(y->ndim, y->shape, shape));
    }
    return ae_full(g, y->dtype, y->ndim, y->shape, 1.0);
}

static int seed(run *b)
{
    const backward_request *r = b->request;
    for (int i = 0; i < r->n; i++) {
        ae_tensor *y = r->outputs[i];
        ae_tensor *grad = r->grads && r->grads[i] ? r->grads[i] : ones_for(b->g, y);
        if (ae_ok(b->g) && !ae_same_shape(grad, y)) {
            ae_fail(b->g, AE_E_SHAPE, "backward: the gradient given for output %d has another shape than the output",
                    i);
        }
        if (!ae_ok(b->g) || ae_accumulate(b->g, &y->slot->grad, fit(b->g, y, grad), b->create_graph) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_outputs(const run *b)
{
    const backward_request *r = b->request;
    for (int i = 0; i < r->n; i++) {
        const ae_tensor *y = r->outputs[i];
        if (!y || (y->fault && y->fault->code != AE_OK) || (y->graph && y->graph != b->g)) {
            return ae_check_usable(b->g, y, "backward");
        }
        if (!y->slot) {
            ae_fail(b->g, AE_E_GRADIENT,
                    "backward: output %d (%s) has no history: it depends on no parameter, or it was made without "
                    "AE_GRAD",
                    i, y->op ? y->op : "an input");
            return -1;
        }
        if (y->slot->node && !on_tape(b->g, y->slot)) {
            return fail_consumed(b->g);
        }
    }
    return ae_ok(b->g) ? 0 : -1;
}

static int run_calls(run *b)
{
    const backward_request *r = b->request;
    int status = seed(b);
    for (int i = 0; i < r->n && status == 0; i++) {
        ae_slot *slot = r->outputs[i]->slot;
        slot->uses--;
        if (!slot->node && slot->uses == 0) {
            status = complete(b, slot); /* the output is itself a leaf */
        }
    }
    for (int i = b->top - 1; i >= r->floor && status == 0; i--) {
        status = step_back(b, b->g->tape[i]);
    }
    return status;
}

/* Differentiates r->outputs over the calls [floor, end of tape). */
int ae_run_backward(ae_graph *g, const backward_request *r)
{
    run b = {.g = g, .request = r, .top = g->tape_count, .create_graph = (r->flags & AE_CREATE_GRAPH) != 0};
    run *outer = g->backward;
    b.root = outer ? outer->root : &b;
    if (!ae_ok(g) || check_outputs(&b) != 0 || mark_wanted(&b) != 0) {
        if (!r->xs) {
            void_tape(g);
        }
        return -1;
    }
    bool was = ae_set_recording(g, b.create_graph);
    g->backward = &b;
    for (int i = 0; i < r->n; i++) {
        reach_leaf(&b, r->outputs[i]->slot);
        r->outputs[i]->slot->uses++;
    }
    count_uses(&b);
    int64_t span = g->profile ? ae_span_phase(g, "backward") : -1;
    ae_frame f = ae_frame_open(g);
    int status = run_calls(&b);
    ae_frame_close(f);
    if (status != 0) {
        void_gradients(&b);
    }
    clear_slots(&b);
    if (!(r->flags & AE_RETAIN)) {
        ae_tape_truncate(g, r->floor);
    }
    g->backward = outer;
    ae_set_recording(g, was);
    if (g->profile) {
        ae_span_end(g, span);
    }
    return status;
}

const backward_request *ae_running_request(const ae_graph *g)
{
    return g->backward ? g->backward->request : NULL;
}

bool ae_running_retains(const ae_graph *g)
{
    return !g->backward || (g->backward->request->flags & AE_RETAIN);
}
