/* The public ways into backward: backward, grad, jvp, leaves, hooks. */
#include "autograd/ops.h"
#include "autograd/tape.h"

ae_tensor *ae_requires_grad(ae_graph *g, ae_tensor *t)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    if (ae_check_usable(g, t, "requires_grad") != 0) {
        return ae_bad(g);
    }
    if (!ae_dtype_is_float(t->dtype)) {
        return ae_fail(g, AE_E_GRADIENT, "requires_grad: a tensor of %s has no gradient", ae_dtype_name(t->dtype));
    }
    if (t->slot) {
        return t->slot->node
                   ? ae_fail(g, AE_E_GRADIENT,
                             "requires_grad: the tensor was made by %s; use ae_retain_grad, or ae_detach first", t->op)
                   : t;
    }
    if (t->graph != g) {
        return ae_fail(
            g, AE_E_GRADIENT,
            "requires_grad: %s is not of this graph (a host tensor, a buffer or a frozen parameter); pass it "
            "through ae_input",
            t->name ? t->name : "the tensor");
    }
    ae_slot *slot = ae_arena(g, sizeof *slot);
    if (!slot) {
        return ae_bad(g);
    }
    ae_slot_init(slot, t, false);
    t->slot = slot;
    return t;
}

ae_tensor *ae_retain_grad(ae_graph *g, ae_tensor *t)
{
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    if (ae_check_graph(g, t, "retain_grad") != 0) {
        return ae_bad(g);
    }
    if (!t->slot) {
        return ae_fail(g, AE_E_GRADIENT, "retain_grad: the tensor has no history, so no gradient will reach it");
    }
    if (t->slot->node) {
        t->slot->leaf = t;
    }
    return t;
}

int ae_hook(ae_graph *g, ae_tensor *t, ae_hook_fn fn, void *user)
{
    if (!ae_ok(g) || ae_check_graph(g, t, "hook") != 0) {
        return -1;
    }
    if (!t->slot) {
        ae_fail(g, AE_E_GRADIENT, "hook: the tensor has no history, so no gradient will reach it");
        return -1;
    }
    hook *h = ae_arena(g, sizeof *h);
    if (!h) {
        return -1;
    }
    *h = (hook){t->slot, fn, user, NULL};
    hook **end = &g->hooks;
    while (*end) {
        end = &(*end)->next;
    }
    *end = h;
    return 0;
}

void ae_on_param_final(ae_graph *g, ae_param_final_fn fn, void *user)
{
    g->param_final = fn;
    g->param_final_user = user;
}

/* A hook or a segment runs in the middle of a backward, and that one owns slots and tape. */
static int check_idle(ae_graph *g, const char *who)
{
    if (g->backward) {
        ae_fail(g, AE_E_STATE,
                "%s: a backward of this graph is running; hooks and recomputed segments cannot start one", who);
    }
    return g->backward ? -1 : 0;
}

int ae_backward_from(ae_graph *g, ae_tensor *const *outputs, ae_tensor *const *grads, int n, unsigned flags)
{
    if (check_idle(g, "backward") != 0) {
        return -1;
    }
    if (flags & AE_CREATE_GRAPH) {
        ae_fail(g, AE_E_GRADIENT, "backward: AE_CREATE_GRAPH belongs to ae_grad");
    }
    backward_request r = {.outputs = outputs, .grads = grads, .n = n, .flags = flags};
    return ae_run_backward(g, &r);
}

int ae_backward(ae_graph *g, ae_tensor *loss, unsigned flags)
{
    return ae_backward_from(g, &loss, NULL, 1, flags);
}

static int check_targets(ae_graph *g, ae_tensor *const *xs, int n, unsigned flags)
{
    if ((flags & AE_CREATE_GRAPH) && !(g->flags & AE_HIGHER_ORDER)) {
        ae_fail(g, AE_E_GRADIENT,
                "grad: AE_CREATE_GRAPH needs ae_graph_begin(g, ... | AE_HIGHER_ORDER) before the forward");
    }
    for (int i = 0; i < n && ae_ok(g); i++) {
        if (ae_check_graph(g, xs[i], "grad") == 0 && !xs[i]->slot) {
            ae_fail(g, AE_E_GRADIENT, "grad: input %d has no history; call ae_requires_grad on it before it is used",
                    i);
        }
    }
    return ae_ok(g) ? 0 : -1;
}

/* The gradient in x's slot as a tensor of the caller's frame. */
static ae_tensor *collect(ae_graph *g, const ae_tensor *x)
{
    ae_slot *slot = x->slot;
    if (!slot->grad) {
        return ae_zeros(g, x->dtype, x->ndim, x->shape);
    }
    ae_tensor *t = ae_view(g, slot->grad, slot->grad->ndim, slot->grad->shape, slot->grad->strides, 0);
    if (ae_ok(g)) {
        t->slot = slot->grad->slot;
        t->op = slot->grad->op;
    }
    return t;
}

int ae_grad(ae_graph *g, ae_tensor *y, ae_tensor *grad_y, ae_tensor *const *xs, int n, ae_tensor **grads,
            unsigned flags)
{
    for (int i = 0; i < n; i++) {
        grads[i] = ae_bad(g);
    }
    if (check_idle(g, "grad") != 0 || !ae_ok(g) || check_targets(g, xs, n, flags) != 0) {
        return -1;
    }
    unsigned effective = flags & AE_CREATE_GRAPH ? flags | AE_RETAIN : flags; /* the new tape stands on the old one */
    backward_request r = {
        .outputs = &y, .grads = grad_y ? &grad_y : NULL, .n = 1, .xs = xs, .n_xs = n, .flags = effective};
    int status = ae_run_backward(g, &r);
    for (int i = 0; i < n && status == 0; i++) {
        grads[i] = collect(g, xs[i]);
    }
    for (int i = 0; i < n; i++) {
        ae_alias_drop(xs[i]->slot->grad);
        xs[i]->slot->grad = NULL;
    }
    return status == 0 && ae_ok(g) ? 0 : -1;
}

ae_tensor *ae_jvp(ae_graph *g, ae_tensor *y, ae_tensor *x, ae_tensor *v)
{
    if (!ae_ok(g) || ae_check_usable(g, y, "jvp") != 0 || ae_check_usable(g, v, "jvp") != 0) {
        return ae_bad(g);
    }
    /* u -> J^T u is linear in u, so its gradient along v is J v, whatever u is. */
    ae_tensor *u = ae_requires_grad(g, ae_zeros(g, y->dtype, y->ndim, y->shape));
    ae_tensor *back = NULL, *result = NULL;
    if (ae_grad(g, y, u, &x, 1, &back, AE_CREATE_GRAPH) != 0) {
        return ae_bad(g);
    }
    if (!back->slot) {
        return ae_zeros(g, y->dtype, y->ndim, y->shape);
    }
    if (ae_grad(g, back, v, &u, 1, &result, AE_RETAIN | AE_CREATE_GRAPH) != 0) {
        return ae_bad(g);
    }
    return result;
}
