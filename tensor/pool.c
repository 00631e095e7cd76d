#include "tensor/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
    ALIGNMENT = 64,
    PAGE = 64 << 10, /* a multiple of every system's */
    HUGE_PAGE = 2 << 20,
    SPARE = 128 << 20, /* bytes waiting that are never too many */
    STEPS = 8,         /* classes between two powers of two: at most 1/8 of a block is wasted */
    CLASSES = 64 * STEPS,
    BORROW_FROM = 64 << 10,
    ROWS = 512 /* of an account; what comes later is counted in the last one */
};

struct ae_storage {
    atomic_int refs;
    void *data;
    size_t bytes;    /* as asked for */
    size_t capacity; /* as got from the system */
    ae_pool *pool;   /* NULL: plain memory or somebody else's */
    int size_class;
    int row; /* of the pool's account */
    void (*release)(void *arg);
    void *arg;
    bool foreign;
    bool marked;
    struct ae_storage *next; /* in the pool's list of waiting blocks */
};

/* The account: rows are found by the address of the operation's name, which is a constant. */
typedef struct account {
    ae_memory_row rows[ROWS];
    int count;
    const char *operation; /* of what is made now */
} account;

struct ae_pool {
    account *account;     /* NULL: none is kept */
    pthread_mutex_t lock; /* storages of parameters' gradients may be dropped by another thread */
    ae_storage *waiting[CLASSES];
    ae_pool_stats stats;
    int64_t storages; /* alive */
    int64_t alive;    /* their blocks' bytes */
    int64_t most;     /* the largest `alive` there ever was */
    bool closed;
};

/* The class of a size: its power of two and the next three bits, rounded up. */
static int size_class(size_t bytes, size_t *capacity)
{
    size_t size = bytes < ALIGNMENT ? ALIGNMENT : bytes;
    int power = 63 - __builtin_clzll((unsigned long long)size);
    size_t step = ((size_t)1 << power) / STEPS;
    size_t k = (size - ((size_t)1 << power) + step - 1) / step;
    *capacity = ((size_t)1 << power) + k * step;
    *capacity = (*capacity + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return power * STEPS + (int)k;
}

static size_t mapped_size(size_t capacity)
{
    return (capacity + PAGE - 1) / PAGE * PAGE;
}

/* Large blocks are mapped for themselves, so that freeing one gives its pages back, and begin at a large page: those
 * save a third of a matmul's misses. Only whole large pages are asked for: a tail that fills one in part would occupy
 * all of it, for weights of 768 x 768 1.75 MiB each. A refusal does no harm. */
static void *map_block(size_t capacity)
{
    size_t size = mapped_size(capacity), room = size + HUGE_PAGE;
    char *p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    size_t head = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (head > 0) {
        munmap(p, head);
    }
    munmap(p + head + size, room - head - size);
#ifdef MADV_HUGEPAGE
    madvise(p + head, capacity / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
    return p + head;
}

static void *system_block(size_t capacity)
{
    return capacity >= HUGE_PAGE ? map_block(capacity) : aligned_alloc(ALIGNMENT, capacity);
}

static void release_block(void *data, size_t capacity)
{
    if (capacity >= HUGE_PAGE) {
        munmap(data, mapped_size(capacity));
    } else {
        free(data);
    }
}

ae_pool *ae_pool_new(void)
{
    ae_pool *pool = calloc(1, sizeof *pool);
    if (pool && pthread_mutex_init(&pool->lock, NULL) != 0) {
        free(pool);
        return NULL;
    }
    return pool;
}

/* Gives waiting blocks back, large ones first, until no more than `most` bytes are reserved. */
static void release_waiting(ae_pool *pool, int64_t most)
{
    for (int i = CLASSES - 1; i >= 0 && pool->stats.reserved > most; i--) {
        while (pool->waiting[i] && pool->stats.reserved > most) {
            ae_storage *s = pool->waiting[i];
            pool->waiting[i] = s->next;
            pool->stats.reserved -= (int64_t)s->capacity;
            UNPOISON(s->data, s->capacity);
            release_block(s->data, s->capacity);
            free(s);
        }
    }
}

static void destroy(ae_pool *pool)
{
    release_waiting(pool, 0);
    pthread_mutex_destroy(&pool->lock);
    free(pool->account);
    free(pool);
}

void ae_pool_free(ae_pool *pool)
{
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->closed = true;
    bool last = pool->storages == 0;
    if (!last) {
        release_waiting(pool, 0);
    }
    pthread_mutex_unlock(&pool->lock);
    if (last) {
        destroy(pool);
    }
}

ae_pool_stats ae_pool_get_stats(const ae_pool *pool)
{
    ae_pool *p = (ae_pool *)pool;
    pthread_mutex_lock(&p->lock);
    ae_pool_stats stats = p->stats;
    pthread_mutex_unlock(&p->lock);
    return stats;
}

void ae_pool_reset_peak(ae_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stats.peak = pool->stats.held;
    pthread_mutex_unlock(&pool->lock);
}

void ae_pool_trim(ae_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    release_waiting(pool, 0);
    pthread_mutex_unlock(&pool->lock);
}

static ae_storage *fresh_storage(size_t capacity)
{
    ae_storage *s = calloc(1, sizeof *s);
    if (!s) {
        return NULL;
    }
    s->data = system_block(capacity);
    if (!s->data) {
        free(s);
        return NULL;
    }
    s->capacity = capacity;
    return s;
}

/* ---- the account --------------------------------------------------------------------------------------------------- */

int ae_pool_account(ae_pool *pool)
{
    account *a = pool->account ? NULL : calloc(1, sizeof *a);
    if (a) {
        a->operation = "";
        pool->account = a;
    }
    return pool->account ? 0 : -1;
}

bool ae_pool_accounts(const ae_pool *pool)
{
    return pool->account != NULL;
}

int ae_pool_rows(const ae_pool *pool)
{
    return pool->account ? pool->account->count : 0;
}

ae_memory_row ae_pool_row(const ae_pool *pool, int i)
{
    return i >= 0 && i < ae_pool_rows(pool) ? pool->account->rows[i] : (ae_memory_row){.what = ""};
}

const char *ae_memory_kind_name(ae_memory_kind kind)
{
    static const char *const names[] = {"working", "saved", "gradients"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

const char *ae_pool_label(ae_pool *pool, const char *operation)
{
    const char *last = pool->account ? pool->account->operation : "";
    if (pool->account) {
        pool->account->operation = operation;
    }
    return last;
}

static int row_of(account *a, ae_memory_kind kind, const char *operation)
{
    for (int i = 0; i < a->count; i++) {
        if (a->rows[i].kind == kind && a->rows[i].what == operation) {
            return i;
        }
    }
    if (a->count < ROWS) {
        a->rows[a->count++] = (ae_memory_row){.kind = kind, .what = operation};
    }
    return a->count - 1;
}

/* Every row as it is now becomes the account of the peak. */
static void note_peak(account *a)
{
    for (int i = 0; i < a->count; i++) {
        a->rows[i].at_peak = a->rows[i].held;
    }
}

static void enter(ae_pool *pool, ae_storage *s, ae_memory_kind kind, const char *operation)
{
    if (pool->account) {
        s->row = row_of(pool->account, kind, operation);
        pool->account->rows[s->row].held += (int64_t)s->bytes;
        if (pool->stats.held == pool->stats.peak) {
            note_peak(pool->account);
        }
    }
}

static void leave(ae_pool *pool, const ae_storage *s)
{
    if (pool->account) {
        pool->account->rows[s->row].held -= (int64_t)s->bytes;
    }
}

void ae_storage_label(ae_storage *s, ae_memory_kind kind, const char *operation)
{
    ae_pool *pool = s->pool;
    if (pool && pool->account) {
        pthread_mutex_lock(&pool->lock);
        leave(pool, s);
        enter(pool, s, kind, operation);
        pthread_mutex_unlock(&pool->lock);
    }
}

ae_memory_kind ae_storage_kind(const ae_storage *s)
{
    return s->pool ? ae_pool_row(s->pool, s->row).kind : AE_MEMORY_WORKING;
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

/* A waiting block of the class, or for large ones of a class up to twice as large: batches of changing lengths would
 * otherwise leave a set of blocks in every class. */
static ae_storage *waiting_block(ae_pool *pool, int class, size_t capacity)
{
    int last = capacity >= BORROW_FROM ? class + STEPS : class;
    for (int c = class; c <= last && c < CLASSES; c++) {
        ae_storage *s = pool->waiting[c];
        if (s) {
            pool->waiting[c] = s->next;
            UNPOISON(s->data, s->capacity);
            return s;
        }
    }
    return NULL;
}

static ae_storage *take_block(ae_pool *pool, int class, size_t capacity)
{
    ae_storage *s = waiting_block(pool, class, capacity);
    if (s) {
        return s;
    }
    /* Blocks that wait while none fits: what they hold beyond a sixteenth of the most that was ever alive goes. */
    int64_t spare = pool->most / 16 > SPARE ? pool->most / 16 : SPARE;
    release_waiting(pool, pool->most + spare - (int64_t)capacity);
    s = fresh_storage(capacity);
    if (!s && pool->stats.reserved > pool->stats.held) {
        release_waiting(pool, 0);
        s = fresh_storage(capacity);
    }
    if (s) {
        s->pool = pool;
        s->size_class = class;
        pool->stats.reserved += (int64_t)capacity;
        pool->stats.system_calls++;
    }
    return s;
}

ae_storage *ae_storage_new(ae_pool *pool, size_t bytes)
{
    if (bytes > PTRDIFF_MAX / 2) {
        return NULL;
    }
    size_t capacity;
    int class = size_class(bytes, &capacity);
    ae_storage *s;
    if (pool) {
        pthread_mutex_lock(&pool->lock);
        s = take_block(pool, class, capacity);
        if (s) {
            s->bytes = bytes;
            pool->storages++;
            pool->alive += (int64_t)s->capacity;
            pool->most = pool->alive > pool->most ? pool->alive : pool->most;
            pool->stats.held += (int64_t)bytes;
            pool->stats.made += (int64_t)bytes;
            if (pool->stats.held > pool->stats.peak) {
                pool->stats.peak = pool->stats.held;
            }
            enter(pool, s, AE_MEMORY_WORKING, pool->account ? pool->account->operation : "");
        }
        pthread_mutex_unlock(&pool->lock);
    } else {
        s = fresh_storage(capacity);
    }
    if (s) {
        s->bytes = bytes;
        s->marked = false;
        s->next = NULL;
        atomic_init(&s->refs, 1);
    }
    return s;
}

ae_storage *ae_storage_wrap(void *data, size_t bytes, void (*release)(void *arg), void *arg)
{
    ae_storage *s = calloc(1, sizeof *s);
    if (!s) {
        return NULL;
    }
    s->data = data;
    s->bytes = bytes;
    s->release = release;
    s->arg = arg;
    s->foreign = true;
    atomic_init(&s->refs, 1);
    return s;
}

void ae_storage_hold(ae_storage *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

static void give_back(ae_pool *pool, ae_storage *s)
{
    pthread_mutex_lock(&pool->lock);
    leave(pool, s);
    pool->stats.held -= (int64_t)s->bytes;
    pool->storages--;
    pool->alive -= (int64_t)s->capacity;
    s->next = pool->waiting[s->size_class];
    pool->waiting[s->size_class] = s;
#ifndef NDEBUG
    memset(s->data, 0xff, s->bytes < 4096 ? s->bytes : 4096); /* every f32 a NaN: a stale read shows */
#endif
    POISON(s->data, s->capacity);
    bool last = pool->closed && pool->storages == 0;
    pthread_mutex_unlock(&pool->lock);
    if (last) {
        destroy(pool);
    }
}

void ae_storage_drop(ae_storage *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (s->pool) {
        give_back(s->pool, s);
        return;
    }
    if (s->foreign) {
        if (s->release) {
            s->release(s->arg);
        }
    } else {
        release_block(s->data, s->capacity);
    }
    free(s);
}

bool ae_storage_is_sole(const ae_storage *s)
{
    return !s->foreign && atomic_load_explicit(&s->refs, memory_order_acquire) == 1;
}

void *ae_storage_data(const ae_storage *s)
{
    return s->data;
}

size_t ae_storage_bytes(const ae_storage *s)
{
    return s->bytes;
}

ae_pool *ae_storage_pool(const ae_storage *s)
{
    return s->pool;
}

bool ae_storage_mark(ae_storage *s)
{
    bool first = !s->marked;
    s->marked = true;
    return first;
}

void ae_tensor_attach(ae_tensor *t, ae_storage *s, size_t offset)
{
    t->storage = s;
    t->data = (char *)s->data + offset;
}
