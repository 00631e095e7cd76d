/* Internal to autograd/: how the engine adds spans, and what a profile holds. */
#ifndef AE_AUTOGRAD_PROFILE_INTERNAL_H
#define AE_AUTOGRAD_PROFILE_INTERNAL_H

#include "autograd/profile.h"

#include <pthread.h>

enum { PROFILE_ROWS = 1024, PROFILE_THREADS = 16, PROFILE_DEPTH = 256, PROFILE_NAME = 64 };

typedef struct span_row {
    ae_span_kind kind;
    int thread;
    char name[PROFILE_NAME];
    int64_t count, total, self; /* times in ns */
    int64_t made, saved;
} span_row;

typedef struct open_span {
    int row;
    int64_t serial, event; /* event: its place among the events, -1: none */
    int64_t start, inside; /* inside: time of the spans within */
    int64_t made_before, made_inside, saved;
} open_span;

typedef struct span_event {
    int64_t start, length; /* ns; a length below 0: not ended */
    int64_t made, saved;
    int row;
} span_event;

typedef struct span_thread {
    pthread_t id;
    char name[PROFILE_NAME];
    int64_t outermost; /* ns in spans that lie in no other */
    int depth;
    open_span open[PROFILE_DEPTH];
} span_thread;

struct ae_profile {
    pthread_mutex_t lock;
    int64_t began, serial;
    int row_count, thread_count;
    span_row rows[PROFILE_ROWS]; /* the last one takes what finds no room */
    int slots[2 * PROFILE_ROWS]; /* a hash table of row numbers + 1 */
    span_thread threads[PROFILE_THREADS];
    span_event *events;
    int64_t event_count, event_capacity, dropped;
};

/* Like ae_profile_begin and _end for spans that are part of a graph's work; p is not NULL. `made`: all bytes that the
 * graph's pool has given out so far. */
int64_t profile_begin(ae_profile *p, ae_span_kind kind, const char *name, int64_t made);
void profile_end(ae_profile *p, int64_t span, int64_t made);

/* Adds to the innermost open span of this thread. */
void profile_saved(ae_profile *p, int64_t bytes);

/* Whether the innermost open span of this thread is an operation, forward or backward. */
bool profile_in_operation(ae_profile *p);

/* The rows, sorted by thread and then by self time, largest first: PROFILE_ROWS places. */
int profile_sorted(const ae_profile *p, ae_profile_row *rows);

/* The name of a thread in reports. */
const char *profile_thread_name(const ae_profile *p, int thread, char room[PROFILE_NAME]);

#endif
