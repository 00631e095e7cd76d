/* What a graph adds to its profile: its operations and frames, and the bytes that go with them. */
#include "autograd/profile_internal.h"
#include "autograd/tape.h"

#include <string.h>

static int64_t bytes_made(const ae_graph *g)
{
    return ae_pool_get_stats(g->pool).made;
}

void ae_graph_profile(ae_graph *g, ae_profile *p)
{
    if (g->profile) {
        ae_close_spans(g, 1);
    }
    for (int i = 0; i <= g->depth; i++) {
        g->frames[i].span = -1;
    }
    g->profile = p;
}

ae_profile *ae_graph_get_profile(const ae_graph *g)
{
    return g->profile;
}

int64_t ae_span_begin(ae_graph *g, const char *name, bool backward)
{
    ae_span_kind kind = backward ? AE_SPAN_BACKWARD : g->backward ? AE_SPAN_INNER : AE_SPAN_FORWARD;
    return profile_begin(g->profile, kind, name, bytes_made(g));
}

void ae_span_end(ae_graph *g, int64_t span)
{
    profile_end(g->profile, span, bytes_made(g));
}

int64_t ae_span_phase(ae_graph *g, const char *name)
{
    return profile_begin(g->profile, AE_SPAN_PHASE, name, bytes_made(g));
}

/* Frames of operations and of backward are their own affair. */
int64_t ae_span_frame(ae_graph *g, const char *file, int line)
{
    char name[PROFILE_NAME];
    const char *slash = strrchr(file, '/');
    if (g->backward || profile_in_operation(g->profile)) {
        return -1;
    }
    snprintf(name, sizeof name, "%s:%d", slash ? slash + 1 : file, line);
    return profile_begin(g->profile, AE_SPAN_FRAME, name, bytes_made(g));
}

void ae_close_spans(ae_graph *g, int depth)
{
    for (int i = depth; i <= g->depth; i++) {
        profile_end(g->profile, g->frames[i].span, bytes_made(g));
        g->frames[i].span = -1;
    }
}

static int64_t newly_saved(const ae_graph *g, ae_tensor *const *tensors, int n)
{
    int64_t bytes = 0;
    for (int i = 0; i < n; i++) {
        ae_storage *s = tensors[i] ? tensors[i]->storage : NULL;
        if (s && ae_storage_pool(s) == g->pool && ae_storage_mark(s)) {
            bytes += (int64_t)ae_storage_bytes(s);
        }
    }
    return bytes;
}

void ae_span_saved(ae_graph *g, const ae_call *c)
{
    profile_saved(g->profile, newly_saved(g, c->in, c->n_in) + newly_saved(g, c->out, c->n_out) +
                                  newly_saved(g, c->extra, AE_MAX_EXTRA));
}
