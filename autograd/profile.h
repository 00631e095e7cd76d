/* Where the time goes: spans of time, nested, counted by name, and kept one by one for a picture.
 *
 *     ae_profile *p = ae_profile_new(100000, &err);
 *     ae_graph_profile(g, p);                        // from here on every operation of g is a span
 *     for (...) {
 *         int64_t step = ae_profile_begin(p, "step");
 *         ...
 *         ae_profile_end(p, step);
 *     }
 *     ae_profile_print(p, stderr);                   // by operation, the dearest first
 *     ae_profile_write_trace(p, "trace.json", &err); // for chrome://tracing or ui.perfetto.dev
 *     ae_graph_profile(g, NULL);
 *     ae_profile_free(p);
 *
 * A graph without a profile pays one branch an operation. All memory is taken by ae_profile_new, however long the run:
 * rows count everything, single events stop when their room is full, and the number of those left out is told.
 *
 * Spans may come from several threads, each of which nests its own; a graph's spans come from the thread it is on. */
#ifndef AE_AUTOGRAD_PROFILE_H
#define AE_AUTOGRAD_PROFILE_H

#include "autograd/graph.h"
#include "tensor/json.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_profile ae_profile;

/* What a span is. */
typedef enum ae_span_kind {
    AE_SPAN_FORWARD,  /* an operation: its checks, its computing, its recording */
    AE_SPAN_BACKWARD, /* an operation's vjp, and the passing on of what it made */
    AE_SPAN_INNER,    /* an operation that backward called */
    AE_SPAN_FRAME,    /* a frame outside of operations, by the place where it was opened: "bert.c:88" */
    AE_SPAN_PHASE     /* what ae_profile_begin named; "backward", "optimizer" and its parts */
} ae_span_kind;

AE_API const char *ae_span_kind_name(ae_span_kind kind); /* "forward", ...; "?" outside the list */

/* A profile that keeps at most `events` spans one by one (40 bytes each; 0: none). NULL and e: a negative number, or no
 * memory. */
AE_API ae_profile *ae_profile_new(int64_t events, ae_err *e);

/* No graph may be using it; NULL is allowed. */
AE_API void ae_profile_free(ae_profile *p);

/* The operations and frames of g become spans of p until the next call; NULL ends it. Survives ae_graph_begin. Not to
 * be called from inside an operation. */
AE_API void ae_graph_profile(ae_graph *g, ae_profile *p);
AE_API ae_profile *ae_graph_get_profile(const ae_graph *g); /* NULL when there is none */

/* Begins a span of the calling thread; the name is copied, and cut at 63 bytes. Returns what ae_profile_end wants. With
 * NULL for p nothing happens. */
AE_API int64_t ae_profile_begin(ae_profile *p, const char *name);

/* Ends the span, and first those that were begun inside it and are not ended. A span that has ended is left alone. */
AE_API void ae_profile_end(ae_profile *p, int64_t span);

/* Names the calling thread in the trace ("main" for the first, "thread 1", ... unless named). */
AE_API void ae_profile_name_thread(ae_profile *p, const char *name);

/* ---- what was seen: not while another thread is adding to it ------------------------------------------------------- */

/* All ended spans of one thread, kind and name together. */
typedef struct ae_profile_row {
    const char *name; /* of the profile; "(others)" for what came when the table of 1,023 rows was full */
    ae_span_kind kind;
    int thread; /* 0 is the one that began the first span */
    int64_t count;
    double total;  /* seconds, those of a span inside one of the same row not counted again */
    double self;   /* seconds outside of the spans inside it: all rows of a thread add up to what it spent in spans */
    int64_t made;  /* bytes of tensors that the pool of the graph gave out meanwhile, outside of the spans inside it */
    int64_t saved; /* bytes that it put onto the tape, those that were there already not counted again */
} ae_profile_row;

AE_API int ae_profile_count(const ae_profile *p);                  /* rows */
AE_API ae_profile_row ae_profile_at(const ae_profile *p, int i);   /* in order of appearance; zeros outside */
AE_API double ae_profile_seconds(const ae_profile *p, int thread); /* inside of a thread's outermost spans */
AE_API int64_t ae_profile_events(const ae_profile *p);             /* spans kept one by one */
AE_API int64_t ae_profile_dropped(const ae_profile *p);            /* and those for which there was no room */

/* The rows as a table, largest self time first. Returns 0, or -1 when writing failed or there is no memory. */
AE_API int ae_profile_print(const ae_profile *p, FILE *out);

/* The rows as {"seconds":..,"events":..,"dropped":..,"rows":[{"name":..,"pass":..,"thread":..,"count":..,"total_s":..,
 * "self_s":..,"share":..,"made_bytes":..,"saved_bytes":..}, ...]} in the same order; NULL without memory. */
AE_API ae_json *ae_profile_json(const ae_profile *p);

/* The single spans in the form that browsers' tracing pages read: one object with "traceEvents", times in
 * microseconds. Replaces the file at path. Returns 0, or -1 and e. */
AE_API int ae_profile_write_trace(const ae_profile *p, const char *path, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
