/* Which examples make a batch, and the batches themselves. Epoch e is a permutation drawn from (seed, e); its places
 * are cut into windows, the examples of a window are sorted by length and cut into batches, and the batches of a window
 * come in an order drawn again. So a batch is found from its number alone, by looking at one window. */
#include "datasets/dataset.h"
#include "datasets/permutation.h"
#include "datasets/read_ahead.h"

#include <pthread.h>
#include <stdlib.h>

/* Keys of this file differ from those of a step's other draws, whose numbers count from 0. */
enum { DRAW_ORDER = 1, DRAW_COLLATE = 2 };
#define DRAWS_OF_DATA ((uint64_t)1 << 63)

enum { WINDOW = 64, MOST_AHEAD = 1024 };

typedef struct place {
    int64_t example;
    int64_t length;
    int64_t at; /* within the window as drawn: ties keep this order */
} place;

/* The window that was looked at last, so that its batches do not sort it again and again. */
typedef struct window_cache {
    pthread_mutex_t lock;
    int64_t epoch, window; /* -1: none */
    place *places;         /* window * batch of them */
} window_cache;

struct ae_batches {
    const ae_dataset *d;
    ae_batch_plan plan; /* window and ranks are at least 1, batch at most the dataset's count */
    int64_t per_epoch;
    window_cache *cache;  /* NULL when examples keep their order */
    ae_read_ahead *ahead; /* NULL when batches are made as they are asked for */
};

void ae_dataset_free(ae_dataset *d)
{
    if (d) {
        d->free(d);
    }
}

static int check_plan(const ae_dataset *d, const ae_batch_plan *p, ae_err *e)
{
    if (d->count < 1) {
        return ae_err_set(e, AE_E_VALUE, "batches: the dataset is empty; at least one example is needed");
    }
    if (p->batch < 1) {
        return ae_err_set(e, AE_E_VALUE, "batches: batch is %lld; it must be at least 1", (long long)p->batch);
    }
    if (p->window < 0 || p->multiple < 0) {
        return ae_err_set(e, AE_E_VALUE, "batches: window is %lld and multiple %lld; neither may be negative",
                          (long long)p->window, (long long)p->multiple);
    }
    if (p->ahead < 0 || p->ahead > MOST_AHEAD) {
        return ae_err_set(e, AE_E_VALUE, "batches: ahead is %d; it must lie in 0..%d", p->ahead, MOST_AHEAD);
    }
    int ranks = p->ranks ? p->ranks : 1;
    if (ranks < 1 || p->rank < 0 || p->rank >= ranks) {
        return ae_err_set(e, AE_E_VALUE, "batches: rank %d of %d; ranks count from 0 and stay below their number",
                          p->rank, p->ranks);
    }
    return 0;
}

static window_cache *new_cache(const ae_batch_plan *p)
{
    window_cache *c = calloc(1, sizeof *c);
    place *places = malloc((size_t)(p->window * p->batch) * sizeof *places);
    if (!c || !places) {
        free(c);
        free(places);
        return NULL;
    }
    c->epoch = c->window = -1;
    c->places = places;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static ae_tensors *make(const void *self, int64_t number, ae_err *e);

ae_batches *ae_batches_new(const ae_dataset *d, const ae_batch_plan *plan, ae_err *e)
{
    if (check_plan(d, plan, e) != 0) {
        return NULL;
    }
    ae_batches *b = calloc(1, sizeof *b);
    if (!b) {
        ae_err_set(e, AE_E_MEMORY, "batches: no memory");
        return NULL;
    }
    b->d = d;
    b->plan = *plan;
    ae_batch_plan *p = &b->plan;
    p->ranks = p->ranks ? p->ranks : 1;
    p->batch = p->batch < d->count ? p->batch : d->count;
    b->per_epoch = p->shuffle ? d->count / p->batch : (d->count - 1) / p->batch + 1;
    p->window = p->window ? p->window : WINDOW;
    p->window = p->window < b->per_epoch ? p->window : b->per_epoch;
    if (p->shuffle && !(b->cache = new_cache(p))) {
        ae_err_set(e, AE_E_MEMORY, "batches: no memory for a window of %lld batches of %lld examples; use smaller ones",
                   (long long)p->window, (long long)p->batch);
        ae_batches_free(b);
        return NULL;
    }
    if (p->ahead && !(b->ahead = ae_read_ahead_new(make, b, p->ahead, e))) {
        ae_batches_free(b);
        return NULL;
    }
    return b;
}

void ae_batches_free(ae_batches *b)
{
    if (!b) {
        return;
    }
    ae_read_ahead_free(b->ahead);
    if (b->cache) {
        pthread_mutex_destroy(&b->cache->lock);
        free(b->cache->places);
        free(b->cache);
    }
    free(b);
}

int64_t ae_batches_per_epoch(const ae_batches *b)
{
    return b->per_epoch;
}

static int by_length(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->length != y->length) {
        return x->length < y->length ? -1 : 1;
    }
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Fills the cache with `batches` batches of an epoch's window; its lock is held. */
static void look_at(const ae_batches *b, const ae_random_key *key, int64_t epoch, int64_t window, int64_t batches)
{
    window_cache *c = b->cache;
    if (c->epoch == epoch && c->window == window) {
        return;
    }
    ae_permutation order = ae_permutation_of(key, b->d->count);
    int64_t n = batches * b->plan.batch;
    for (int64_t i = 0; i < n; i++) {
        int64_t example = ae_permutation_at(&order, window * b->plan.window * b->plan.batch + i);
        c->places[i] = (place){example, b->plan.window > 1 ? b->d->length(b->d, example) : 0, i};
    }
    qsort(c->places, (size_t)n, sizeof *c->places, by_length);
    c->epoch = epoch;
    c->window = window;
}

static int64_t drawn(const ae_batches *b, int64_t epoch, int64_t at, int64_t *examples)
{
    const ae_batch_plan *p = &b->plan;
    ae_random_key key = ae_random_key_make(p->seed, (uint64_t)epoch, 0, 0, DRAWS_OF_DATA + DRAW_ORDER);
    int64_t window = at / p->window;
    int64_t left = b->per_epoch - window * p->window;
    int64_t batches = left < p->window ? left : p->window;
    ae_random_key within = ae_random_subkey(&key, (uint64_t)window);
    ae_permutation turns = ae_permutation_of(&within, batches);
    const place *from = b->cache->places + ae_permutation_at(&turns, at % p->window) * p->batch;
    pthread_mutex_lock(&b->cache->lock);
    look_at(b, &key, epoch, window, batches);
    for (int64_t i = 0; i < p->batch; i++) {
        examples[i] = from[i].example;
    }
    pthread_mutex_unlock(&b->cache->lock);
    return p->batch;
}

/* The number among the batches of all ranks. */
static int64_t overall(const ae_batches *b, int64_t number)
{
    return number * b->plan.ranks + b->plan.rank;
}

int64_t ae_batches_examples(const ae_batches *b, int64_t number, int64_t *examples)
{
    int64_t all = overall(b, number);
    if (b->plan.shuffle) {
        return drawn(b, all / b->per_epoch, all % b->per_epoch, examples);
    }
    int64_t first = all % b->per_epoch * b->plan.batch;
    int64_t n = b->d->count - first < b->plan.batch ? b->d->count - first : b->plan.batch;
    for (int64_t i = 0; i < n; i++) {
        examples[i] = first + i;
    }
    return n;
}

static ae_tensors *make(const void *self, int64_t number, ae_err *e)
{
    const ae_batches *b = self;
    int64_t *examples = malloc((size_t)b->plan.batch * sizeof *examples);
    if (!examples) {
        ae_err_set(e, AE_E_MEMORY, "batches: no memory for the numbers of %lld examples", (long long)b->plan.batch);
        return NULL;
    }
    int64_t n = ae_batches_examples(b, number, examples);
    ae_collate how = {
        b->plan.multiple ? b->plan.multiple : 1,
        ae_random_key_make(b->plan.seed, (uint64_t)overall(b, number), 0, 0, DRAWS_OF_DATA + DRAW_COLLATE),
        b->plan.windows};
    ae_tensors *made = b->d->collate(b->d, examples, n, &how, e);
    free(examples);
    return made;
}

ae_tensors *ae_batches_get(ae_batches *b, int64_t number, ae_err *e)
{
    if (number < 0) {
        ae_err_set(e, AE_E_VALUE, "batches: there is no batch %lld; they count from 0", (long long)number);
        return NULL;
    }
    return b->ahead ? ae_read_ahead_get(b->ahead, number, e) : make(b, number, e);
}
