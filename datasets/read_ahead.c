#include "datasets/read_ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

typedef struct slot {
    ae_tensors *made; /* NULL: making it failed with err */
    ae_err err;
} slot;

/* All below `lock` is guarded by it. The slots are a ring: [first, first + count) hold the numbers
 * [number, number + count), and the thread is at number + count unless the ring is full. */
struct ae_read_ahead {
    ae_make_fn make;
    const void *self;
    int depth;
    bool started; /* used by the asking thread alone */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    slot *slots;
    int first, count;
    int64_t number;
    uint64_t turn; /* raised when another number is asked for: what is being made meanwhile belongs to the past */
    bool stop;
};

ae_read_ahead *ae_read_ahead_new(ae_make_fn make, const void *self, int depth, ae_err *e)
{
    ae_read_ahead *r = calloc(1, sizeof *r);
    slot *slots = calloc((size_t)depth, sizeof *slots);
    if (!r || !slots) {
        free(r);
        free(slots);
        ae_err_set(e, AE_E_MEMORY, "read ahead: no memory for %d places", depth);
        return NULL;
    }
    r->make = make;
    r->self = self;
    r->depth = depth;
    r->slots = slots;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    return r;
}

static void *run(void *arg)
{
    ae_read_ahead *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        if (r->count == r->depth) {
            pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        int64_t number = r->number + r->count;
        uint64_t turn = r->turn;
        pthread_mutex_unlock(&r->lock);
        slot s = {0};
        s.made = r->make(r->self, number, &s.err);
        pthread_mutex_lock(&r->lock);
        if (turn != r->turn) {
            ae_tensors_free(s.made);
            continue;
        }
        r->slots[(r->first + r->count++) % r->depth] = s;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Signals are for the threads of the program: the new one takes none. */
static int start(ae_read_ahead *r)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&r->thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

static void empty(ae_read_ahead *r)
{
    for (; r->count > 0; r->count--) {
        ae_tensors_free(r->slots[r->first].made);
        r->first = (r->first + 1) % r->depth;
    }
}

static void seek(ae_read_ahead *r, int64_t number)
{
    if (r->number != number) {
        empty(r);
        r->number = number;
        r->turn++;
        pthread_cond_broadcast(&r->changed);
    }
}

ae_tensors *ae_read_ahead_get(ae_read_ahead *r, int64_t number, ae_err *e)
{
    if (!r->started) {
        r->number = number;
        if (start(r) != 0) { /* the system gives no thread: the same thing, made here */
            return r->make(r->self, number, e);
        }
        r->started = true;
    }
    pthread_mutex_lock(&r->lock);
    seek(r, number);
    while (r->count == 0) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    slot s = r->slots[r->first];
    r->first = (r->first + 1) % r->depth;
    r->count--;
    r->number++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (!s.made) {
        ae_err_set(e, s.err.code, "%s", s.err.message);
    }
    return s.made;
}

void ae_read_ahead_free(ae_read_ahead *r)
{
    if (!r) {
        return;
    }
    if (r->started) {
        pthread_mutex_lock(&r->lock);
        r->stop = true;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
    }
    empty(r);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r->slots);
    free(r);
}
