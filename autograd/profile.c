/* Recording spans. Every call takes the profile's lock: threads share the rows, and a lock that nobody holds costs less
 * than the clock. */
#include "autograd/profile_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SERIAL_SHIFT = 9 }; /* a span's number: its serial, and below it its place on the stack */

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

ae_profile *ae_profile_new(int64_t events, ae_err *e)
{
    if (events < 0 || events > INT64_MAX / (int64_t)sizeof(span_event)) {
        ae_err_set(e, AE_E_VALUE, "profile: room for %lld events was asked for; 0 or more can be kept",
                   (long long)events);
        return NULL;
    }
    ae_profile *p = calloc(1, sizeof *p);
    span_event *list = calloc((size_t)events + 1, sizeof *list);
    if (!p || !list || pthread_mutex_init(&p->lock, NULL) != 0) {
        free(p);
        free(list);
        ae_err_set(e, AE_E_MEMORY, "profile: no memory for %lld events", (long long)events);
        return NULL;
    }
    p->events = list;
    p->event_capacity = events;
    p->began = now();
    return p;
}

void ae_profile_free(ae_profile *p)
{
    if (p) {
        pthread_mutex_destroy(&p->lock);
        free(p->events);
        free(p);
    }
}

/* ---- finding the thread and the row; the lock is held --------------------------------------------------------------- */

/* The calling thread, known from now on; NULL when there are too many. */
static span_thread *this_thread(ae_profile *p)
{
    pthread_t id = pthread_self();
    for (int i = 0; i < p->thread_count; i++) {
        if (pthread_equal(p->threads[i].id, id)) {
            return &p->threads[i];
        }
    }
    if (p->thread_count == PROFILE_THREADS) {
        return NULL;
    }
    p->threads[p->thread_count].id = id;
    return &p->threads[p->thread_count++];
}

static uint32_t hash(ae_span_kind kind, int thread, const char *name)
{
    uint32_t h = 2166136261u ^ (uint32_t)(kind + 8 * thread);
    for (int i = 0; name[i] && i < PROFILE_NAME - 1; i++) {
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    }
    return h;
}

static int new_row(ae_profile *p, ae_span_kind kind, int thread, const char *name)
{
    bool full = p->row_count >= PROFILE_ROWS - 1;
    int i = full ? PROFILE_ROWS - 1 : p->row_count;
    span_row *row = &p->rows[i];
    if (!full || p->row_count == PROFILE_ROWS - 1) {
        row->kind = full ? AE_SPAN_PHASE : kind;
        row->thread = thread;
        strncpy(row->name, full ? "(others)" : name, PROFILE_NAME - 1);
        p->row_count++;
    }
    return i;
}

static int find_row(ae_profile *p, ae_span_kind kind, int thread, const char *name)
{
    const uint32_t mask = 2 * PROFILE_ROWS - 1;
    uint32_t at = hash(kind, thread, name) & mask;
    for (; p->slots[at]; at = (at + 1) & mask) {
        const span_row *row = &p->rows[p->slots[at] - 1];
        if (row->kind == kind && row->thread == thread && strncmp(row->name, name, PROFILE_NAME - 1) == 0) {
            return p->slots[at] - 1;
        }
    }
    int i = new_row(p, kind, thread, name);
    if (i < PROFILE_ROWS - 1) {
        p->slots[at] = i + 1;
    }
    return i;
}

/* ---- spans ----------------------------------------------------------------------------------------------------------- */

/* A place among the events, taken at the beginning so that they stand in the order of their beginnings. */
static int64_t new_event(ae_profile *p, int row, int64_t start)
{
    if (p->event_count == p->event_capacity) {
        p->dropped++;
        return -1;
    }
    p->events[p->event_count] = (span_event){.start = start, .length = -1, .row = row};
    return p->event_count++;
}

int64_t profile_begin(ae_profile *p, ae_span_kind kind, const char *name, int64_t made)
{
    int64_t span = -1;
    pthread_mutex_lock(&p->lock);
    span_thread *t = this_thread(p);
    if (t && t->depth < PROFILE_DEPTH) {
        open_span *s = &t->open[t->depth];
        *s = (open_span){.row = find_row(p, kind, (int)(t - p->threads), name),
                         .serial = ++p->serial,
                         .start = now(),
                         .made_before = made};
        s->event = new_event(p, s->row, s->start);
        span = s->serial << SERIAL_SHIFT | t->depth++;
    } else {
        p->dropped++;
    }
    pthread_mutex_unlock(&p->lock);
    return span;
}

/* Whether a span of the row is open below the place. */
static bool is_inside_itself(const span_thread *t, int place)
{
    for (int i = place - 1; i >= 0; i--) {
        if (t->open[i].row == t->open[place].row) {
            return true;
        }
    }
    return false;
}

/* Ends the innermost span. */
static void pop(ae_profile *p, span_thread *t, int64_t time, int64_t made)
{
    open_span *s = &t->open[--t->depth], *outer = t->depth > 0 ? s - 1 : NULL;
    span_row *row = &p->rows[s->row];
    int64_t length = time - s->start, bytes = made < s->made_before ? s->made_inside : made - s->made_before;
    bytes = bytes < s->made_inside ? s->made_inside : bytes;
    row->count++;
    row->self += length - s->inside;
    row->total += is_inside_itself(t, t->depth) ? 0 : length;
    row->made += bytes - s->made_inside;
    row->saved += s->saved;
    if (s->event >= 0) {
        p->events[s->event].length = length;
        p->events[s->event].made = bytes - s->made_inside;
        p->events[s->event].saved = s->saved;
    }
    if (outer) {
        outer->inside += length;
        outer->made_inside += bytes;
    } else {
        t->outermost += length;
    }
}

void profile_end(ae_profile *p, int64_t span, int64_t made)
{
    if (span < 0) {
        return;
    }
    int place = (int)(span & ((1 << SERIAL_SHIFT) - 1));
    pthread_mutex_lock(&p->lock);
    span_thread *t = this_thread(p);
    int64_t time = now();
    if (t && place < t->depth && t->open[place].serial == span >> SERIAL_SHIFT) {
        while (t->depth > place + 1) {
            pop(p, t, time, -1);
        }
        pop(p, t, time, made);
    }
    pthread_mutex_unlock(&p->lock);
}

int64_t ae_profile_begin(ae_profile *p, const char *name)
{
    return p ? profile_begin(p, AE_SPAN_PHASE, name, 0) : -1;
}

void ae_profile_end(ae_profile *p, int64_t span)
{
    if (p) {
        profile_end(p, span, -1);
    }
}

static open_span *innermost(ae_profile *p)
{
    span_thread *t = this_thread(p);
    return t && t->depth > 0 ? &t->open[t->depth - 1] : NULL;
}

void profile_saved(ae_profile *p, int64_t bytes)
{
    pthread_mutex_lock(&p->lock);
    open_span *s = innermost(p);
    if (s) {
        s->saved += bytes;
    }
    pthread_mutex_unlock(&p->lock);
}

bool profile_in_operation(ae_profile *p)
{
    pthread_mutex_lock(&p->lock);
    const open_span *s = innermost(p);
    bool inside = s && p->rows[s->row].kind <= AE_SPAN_INNER;
    pthread_mutex_unlock(&p->lock);
    return inside;
}

void ae_profile_name_thread(ae_profile *p, const char *name)
{
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    span_thread *t = this_thread(p);
    if (t) {
        strncpy(t->name, name, PROFILE_NAME - 1);
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

const char *ae_span_kind_name(ae_span_kind kind)
{
    static const char *const names[] = {"forward", "backward", "in backward", "frame", "phase"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

int ae_profile_count(const ae_profile *p)
{
    return p->row_count;
}

ae_profile_row ae_profile_at(const ae_profile *p, int i)
{
    if (i < 0 || i >= p->row_count) {
        return (ae_profile_row){.name = ""};
    }
    const span_row *r = &p->rows[i];
    return (ae_profile_row){.name = r->name,
                            .kind = r->kind,
                            .thread = r->thread,
                            .count = r->count,
                            .total = (double)r->total * 1e-9,
                            .self = (double)r->self * 1e-9,
                            .made = r->made,
                            .saved = r->saved};
}

double ae_profile_seconds(const ae_profile *p, int thread)
{
    return thread >= 0 && thread < p->thread_count ? (double)p->threads[thread].outermost * 1e-9 : 0;
}

int64_t ae_profile_events(const ae_profile *p)
{
    return p->event_count;
}

int64_t ae_profile_dropped(const ae_profile *p)
{
    return p->dropped;
}
