/* The tape's own handles on storages, and what it holds. */
#include "autograd/tape.h"

#include <stdlib.h>
#include <string.h>

ae_tensor *ae_alias(ae_graph *g, const ae_tensor *t, bool data)
{
    ae_tensor *a = ae_arena(g, sizeof *a);
    if (!a) {
        return NULL;
    }
    *a = *t;
    a->grad = NULL;
    a->depth = 0;
    if (data && t->data) {
        ae_storage_hold(a->storage);
    } else {
        a->storage = NULL;
        a->data = NULL;
    }
    return a;
}

void ae_alias_drop(ae_tensor *t)
{
    if (t && t->storage) {
        ae_storage_drop(t->storage);
        t->storage = NULL;
        t->data = NULL;
    }
}

void ae_call_release(ae_call *c)
{
    for (int i = 0; i < c->n_in; i++) {
        ae_alias_drop(c->in[i]);
    }
    for (int i = 0; i < c->n_out; i++) {
        ae_alias_drop(c->out[i]);
    }
    for (int i = 0; i < AE_MAX_EXTRA; i++) {
        ae_alias_drop(c->extra[i]);
    }
}

void ae_tape_truncate(ae_graph *g, int count)
{
    while (g->tape_count > count) {
        ae_call_release(g->tape[--g->tape_count]);
    }
}

void ae_slot_init(ae_slot *slot, ae_tensor *leaf, bool parameter)
{
    memset(slot, 0, sizeof *slot);
    slot->leaf = leaf;
    slot->parameter = parameter;
}

static int by_address(const void *a, const void *b)
{
    const ae_storage *x = *(ae_storage *const *)a;
    const ae_storage *y = *(ae_storage *const *)b;
    return (x > y) - (x < y);
}

/* Appends the storages of n tensors that live in the graph's pool. */
static size_t gather(const ae_graph *g, ae_tensor *const *tensors, int n, ae_storage **list, size_t count)
{
    for (int i = 0; i < n; i++) {
        ae_storage *s = tensors[i] ? tensors[i]->storage : NULL;
        if (s && ae_storage_pool(s) == g->pool) {
            list[count++] = s;
        }
    }
    return count;
}

int64_t ae_graph_saved_bytes(const ae_graph *g)
{
    size_t capacity = 0, count = 0;
    for (int i = 0; i < g->tape_count; i++) {
        capacity += (size_t)g->tape[i]->n_in + AE_MAX_OUT + AE_MAX_EXTRA;
    }
    ae_storage **list = malloc((capacity + 1) * sizeof(ae_storage *));
    if (!list) {
        return -1;
    }
    for (int i = 0; i < g->tape_count; i++) {
        const ae_call *c = g->tape[i];
        count = gather(g, c->in, c->n_in, list, count);
        count = gather(g, c->out, c->n_out, list, count);
        count = gather(g, c->extra, AE_MAX_EXTRA, list, count);
    }
    qsort(list, count, sizeof(ae_storage *), by_address);
    int64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || list[i] != list[i - 1]) {
            bytes += (int64_t)ae_storage_bytes(list[i]);
        }
    }
    free(list);
    return bytes;
}

static void dot_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
}

int ae_graph_dot(const ae_graph *g, FILE *out)
{
    char shape[AE_SHAPE_TEXT_MAX];
    fprintf(out, "digraph tape {\n  rankdir=BT;\n  node [shape=box, fontname=\"monospace\"];\n");
    for (int i = 0; i < g->tape_count; i++) {
        const ae_call *c = g->tape[i];
        fprintf(out, "  op%d [label=\"%s\\n%s\"];\n", i, c->op->name,
                ae_shape_text(c->out[0]->ndim, c->out[0]->shape, shape));
        for (int k = 0; k < c->n_in; k++) {
            const ae_tensor *t = c->in[k];
            if (t && t->slot && t->slot->node) {
                fprintf(out, "  op%d -> op%d;\n", t->slot->node->index, i);
            } else if (t) {
                fprintf(out, "  in%d_%d [shape=ellipse, label=\"", i, k);
                dot_text(out, t->name ? t->name : "input");
                fprintf(out, "\\n%s\"];\n  in%d_%d -> op%d;\n", ae_shape_text(t->ndim, t->shape, shape), i, k, i);
            }
        }
    }
    fprintf(out, "}\n");
    return ferror(out) ? -1 : 0;
}
