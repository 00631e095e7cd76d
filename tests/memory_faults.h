/* Allocations that fail on demand, for programs linked with -Wl,--wrap of each function below: the library's own calls
 * and the test's pass through here, those of other libraries do not. Include it in one file of a program. */
#ifndef AE_TESTS_MEMORY_FAULTS_H
#define AE_TESTS_MEMORY_FAULTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct memory_faults {
    atomic_long calls; /* made so far */
    atomic_long at;    /* the number of the call that fails, from 0; below 0: none */
    atomic_bool rest;  /* all later calls fail too */
    atomic_bool hit;   /* a call failed */
    long live;         /* blocks given out and not taken back; copies of strings do not count: cJSON takes some over */
} memory_faults;

static memory_faults faults = {.at = -1};

static inline bool memory_fails(void)
{
    long call = atomic_fetch_add(&faults.calls, 1), at = atomic_load(&faults.at);
    bool fails = at >= 0 && (call == at || (atomic_load(&faults.rest) && call > at));
    if (fails) {
        atomic_store(&faults.hit, true);
    }
    return fails;
}

/* ---- blocks that are out ------------------------------------------------------------------------------------------- */

enum { MEMORY_SLOTS = 1 << 16 };

static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static void *memory_blocks[MEMORY_SLOTS];
static char memory_gone; /* its address stands where a block was */

/* The slot of a block, or with NULL for `p` one where `from` may go. */
static inline void **memory_slot(void *p, void *from)
{
    uintptr_t at = ((uintptr_t)from >> 4) * 2654435761u;
    for (int i = 0; i < MEMORY_SLOTS; i++) {
        void **slot = &memory_blocks[(at + (uintptr_t)i) % MEMORY_SLOTS];
        if (*slot == p || (!p && *slot == &memory_gone)) {
            return slot;
        }
        if (!*slot) {
            return NULL;
        }
    }
    return NULL;
}

static inline void *given(void *p)
{
    pthread_mutex_lock(&memory_lock);
    void **slot = p ? memory_slot(NULL, p) : NULL;
    if (slot) {
        *slot = p;
        faults.live++;
    }
    pthread_mutex_unlock(&memory_lock);
    return p;
}

static inline void taken_back(void *p)
{
    pthread_mutex_lock(&memory_lock);
    void **slot = p ? memory_slot(p, p) : NULL;
    if (slot) {
        *slot = &memory_gone;
        faults.live--;
    }
    pthread_mutex_unlock(&memory_lock);
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
void __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
    return memory_fails() ? NULL : given(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return memory_fails() ? NULL : given(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (memory_fails()) {
        return NULL;
    }
    taken_back(p);
    return given(__real_realloc(p, n));
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    return memory_fails() ? NULL : given(__real_aligned_alloc(alignment, n));
}

char *__wrap_strndup(const char *text, size_t n)
{
    size_t length = strnlen(text, n);
    char *copy = memory_fails() ? NULL : __real_malloc(length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, strlen(text));
}

void __wrap_free(void *p)
{
    taken_back(p);
    __real_free(p);
}

#endif
