/* Backward: the tape from its end to its beginning, each call's vjp once.
 *
 * A gradient lives in its value's slot while it is summed. The first contribution is taken over, not copied; a later
 * one is added in place only when the slot is the sole holder of the storage, because a vjp may hand the same tensor to
 * several inputs (add does) or hand on a view (reshape does). */
#include "autograd/elementwise.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

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
    if (ae_is_contiguous(grad) && ae_storage_is_sole(grad->storage)) {
        return ae_tensor_share(grad, e);
    }
    ae_tensor *copy = calloc(1, sizeof *copy);
    ae_storage *s = ae_storage_new(g->pool, (size_t)ae_numel(grad) * ae_dtype_size(grad->dtype));
    if (!copy || !s) {
        free(copy);
        ae_storage_drop(s);
        ae_err_set(e, AE_E_MEMORY, "backward: no memory for a gradient");
        return NULL;
    }
    copy->dtype = grad->dtype;
    copy->ndim = grad->ndim;
    memcpy(copy->shape, grad->shape, sizeof grad->shape);
    ae_shape_strides(grad->ndim, grad->shape, copy->strides);
    ae_tensor_attach(copy, s, 0);
    ae_copy_values(copy, grad);
    return copy;
}

static int deliver_to_parameter(ae_graph *g, ae_slot *slot)
{
    ae_tensor *p = slot->leaf;
    if (p->grad) {
        add_in_place(p->grad, slot->grad);
    } else {
        p->grad = lasting(g, slot->grad, &g->error);
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

static int run_hooks(ae_graph *g, ae_slot *slot)
{
    if (slot->hooks && slot->hooks_step != g->step) {
        slot->hooks = NULL;
    }
    for (hook *h = slot->hooks; h; h = h->next) {
        ae_tensor *other = h->fn(g, slot->grad, h->user);
        if (other && ae_ok(g)) {
            if (!ae_same_shape(other, slot->grad)) {
                ae_fail(g, AE_E_SHAPE, "hook: it returned a gradient of another shape");
                return -1;
            }
            ae_tensor *alias = ae_alias(g, other, true);
            ae_alias_drop(slot->grad);
            slot->grad = alias;
        }
    }
    return ae_ok(g) && slot->grad ? 0 : -1;
}

/* ---- one run ------------------------------------------------------------------------------------------------------- */

typedef struct backward_run {
    ae_graph *g;
    const backward_request *request;
    struct backward_run *root; /* the outermost run: recomputed segments run inside another's vjp */
    int top;                   /* calls [floor, top) are run */
    ae_slot *leaves;           /* reached by this run and those inside it; kept in the root */
    bool create_graph;
    bool defer; /* a segment may reach any parameter again: none is complete before the end */
} run;

static bool is_target(const backward_request *r, const ae_slot *slot)
{
    for (int i = 0; i < r->n_xs; i++) {
        if (r->xs[i]->slot == slot) {
            return true;
        }
    }
    return false;
}

/* Marks, from the beginning, the slots through which some wanted leaf is reached. */
static void mark_wanted(run *b)
{
    const backward_request *r = b->request;
    for (int i = r->floor; i < b->top; i++) {
        ae_call *c = b->g->tape[i];
        for (int k = 0; k < c->n_in; k++) {
            if (c->in[k] && c->in[k]->slot) {
                ae_slot *slot = c->in[k]->slot;
                if (!slot->node || slot->node->index < r->floor) {
                    slot->wanted = r->xs ? is_target(r, slot) : slot->node == NULL;
                }
            }
        }
        c->wanted = (c->op->flags & AE_OP_SEGMENT) != 0;
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
        b->defer = b->defer || (c->op->flags & AE_OP_SEGMENT);
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
    if (!slot->grad || (slot->parameter && b->root->defer)) {
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
        ae_alias_drop(slot->grad);
        slot->grad = NULL;
        if (status == 0 && g->param_final) {
            g->param_final(slot->leaf, g->param_final_user);
        }
        return status;
    }
    return 0;
}

static int contribute(run *b, const ae_tensor *input, ae_tensor *grad)
{
    ae_slot *slot = input->slot;
    if (grad) {
        grad = fit(b->g, input, grad);
        if (!ae_ok(b->g) || ae_accumulate(b->g, &slot->grad, grad, b->create_graph) != 0) {
            return -1;
        }
    }
    slot->uses--;
    bool leaf = !slot->node || slot->node->index < b->request->floor;
    return leaf && slot->uses == 0 ? complete(b, slot) : 0;
}

/* Runs one call's vjp and passes its gradients on. */
static int step_back(run *b, ae_call *c)
{
    ae_graph *g = b->g;
    ae_tensor *gout[AE_MAX_OUT] = {NULL};
    bool any = false;
    for (int k = 0; k < c->n_out; k++) {
        ae_slot *slot = c->out[k]->slot;
        if (slot && slot->grad) {
            if (complete(b, slot) != 0) {
                return -1;
            }
            gout[k] = slot->grad;
            any = true;
        }
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor **gin = ae_arena(g, (size_t)c->n_in * sizeof *gin);
    if (any && gin) {
        c->op->vjp(c, gout, gin);
    }
    int status = ae_ok(g) ? 0 : -1;
    for (int k = 0; k < c->n_in && status == 0; k++) {
        if (c->need[k]) {
            status = contribute(b, c->in[k], gin[k]);
        }
    }
    ae_frame_close(f);
    for (int k = 0; k < c->n_out; k++) {
        ae_slot *slot = c->out[k]->slot;
        if (slot && slot->grad && !(b->request->xs && is_target(b->request, slot))) {
            ae_alias_drop(slot->grad);
            slot->grad = NULL;
        }
    }
    if (!(b->request->flags & AE_RETAIN)) {
        ae_call_release(c);
    }
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
                ae_alias_drop(slot->grad);
                slot->grad = NULL;
            }
        }
    }
    for (ae_slot *slot = b->root->leaves; slot; slot = slot->next) {
        ae_alias_drop(slot->grad);
        slot->grad = NULL;
        if (slot->parameter && !b->request->xs) {
            ae_tensor_free(slot->leaf->grad);
            slot->leaf->grad = NULL;
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
    }
    for (ae_slot *slot = b->leaves; slot && b->root == b; slot = slot->next) {
        slot->uses = 0;
        slot->listed = false;
        if (!b->request->xs) {
            ae_alias_drop(slot->grad);
            slot->grad = NULL;
        }
    }
}

/* The deferred parameters, once nothing more can reach them. */
static int complete_deferred(run *b)
{
    if (b->root != b || !b->defer) {
        return 0;
    }
    b->defer = false;
    int status = 0;
    for (ae_slot *slot = b->leaves; slot && status == 0; slot = slot->next) {
        status = slot->parameter ? complete(b, slot) : 0;
    }
    return status;
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
        if (!y->slot || (y->graph && y->graph != b->g)) {
            ae_fail(b->g, AE_E_GRADIENT,
                    "backward: output %d (%s) has no history: it depends on no parameter, or it was made without "
                    "AE_GRAD",
                    i, y->op ? y->op : "an input");
            return -1;
        }
        if (y->slot->node && y->slot->node->index >= b->top) {
            ae_fail(b->g, AE_E_STATE, "backward: the tape was consumed before; give AE_RETAIN to the first backward");
            return -1;
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
        if (b->g->tape[i]->wanted) {
            status = step_back(b, b->g->tape[i]);
        }
    }
    return status == 0 ? complete_deferred(b) : status;
}

/* Differentiates r->outputs over the calls [floor, end of tape). */
int ae_run_backward(ae_graph *g, const backward_request *r)
{
    run b = {.g = g, .request = r, .top = g->tape_count, .create_graph = (r->flags & AE_CREATE_GRAPH) != 0};
    run *outer = g->backward;
    b.root = outer ? outer->root : &b;
    if (check_outputs(&b) != 0) {
        return -1;
    }
    bool was = ae_set_recording(g, b.create_graph);
    g->backward = &b;
    mark_wanted(&b);
    for (int i = 0; i < r->n; i++) {
        reach_leaf(&b, r->outputs[i]->slot);
        r->outputs[i]->slot->uses++;
    }
    count_uses(&b);
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
