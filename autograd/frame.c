/* Frames: C's answer to local variables. */
#include "autograd/tape.h"

#include <stdlib.h>

ae_frame ae_frame_open_at(ae_graph *g, const char *file, int line)
{
    ae_frame none = {g, -1, 0};
    if (g->depth + 1 == g->frame_capacity) {
        int capacity = g->frame_capacity * 2;
        frame_record *frames = realloc(g->frames, (size_t)capacity * sizeof *frames);
        if (!frames) {
            ae_fail(g, AE_E_MEMORY, "frame: no memory for %d nested frames", capacity);
            return none;
        }
        g->frames = frames;
        g->frame_capacity = capacity;
    }
    g->depth++;
    g->frames[g->depth] =
        (frame_record){.serial = ++g->serial, .first = g->live_count, .file = file, .line = line, .span = -1};
    if (g->profile) {
        g->frames[g->depth].span = ae_span_frame(g, file, line);
    }
    return (ae_frame){g, g->depth, g->serial};
}

static bool is_open(ae_frame f)
{
    ae_graph *g = f.graph;
    if (f.depth > 0 && f.depth <= g->depth && g->frames[f.depth].serial == f.serial) {
        return true;
    }
    if (f.depth >= 0) {
        ae_fail(g, AE_E_STATE, "frame: used after it was closed (closing an outer frame closes the inner ones)");
    }
    return false;
}

void ae_frame_keep(ae_frame f, ae_tensor *t)
{
    if (is_open(f) && t && t->graph == f.graph && t->depth >= f.depth) {
        t->depth = f.depth - 1;
    }
}

/* Gives back what lives in f and in the frames inside it. */
static void release(ae_frame f)
{
    ae_graph *g = f.graph;
    const frame_record *record = &g->frames[f.depth];
    int kept = record->first;
    for (int i = record->first; i < g->live_count; i++) {
        ae_tensor *t = g->live[i];
        if (t->depth < f.depth) {
            g->live[kept++] = t;
            continue;
        }
        ae_storage_drop(t->storage);
        t->storage = NULL;
        t->data = NULL;
        t->died_file = record->file;
        t->died_line = record->line;
    }
    g->live_count = kept;
}

void ae_frame_close(ae_frame f)
{
    if (is_open(f)) {
        release(f);
        if (f.graph->profile) {
            ae_close_spans(f.graph, f.depth);
        }
        f.graph->depth = f.depth - 1;
    }
}

ae_tensor *ae_frame_carry(ae_frame f, ae_tensor *x)
{
    ae_graph *g = f.graph;
    if (is_open(f) && x) {
        bool inside = x->graph == g && x->depth >= f.depth;
        ae_frame_keep(f, x);
        release(f);
        if (g->profile) {
            ae_close_spans(g, f.depth + 1);
        }
        x->depth = inside ? f.depth : x->depth;
        g->depth = f.depth;
    }
    return ae_ok(g) ? x : ae_bad(g);
}

ae_tensor *ae_frame_return(ae_frame f, ae_tensor *x)
{
    ae_frame_keep(f, x);
    ae_frame_close(f);
    return ae_ok(f.graph) ? x : ae_bad(f.graph);
}
