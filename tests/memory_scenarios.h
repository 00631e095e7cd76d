/* Runs something while allocations fail, each in turn, alone or with all that follow: it must give an error of memory
 * or the same result, and leave nothing behind. */
#ifndef AE_TESTS_MEMORY_SCENARIOS_H
#define AE_TESTS_MEMORY_SCENARIOS_H

#include "memory_faults.h"
#include "tensor/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What is run: a number that tells the result, which is not 0, in *result; 0, or -1 and e. */
typedef int memory_scenario(const void *self, uint64_t *result, ae_err *e);

/* Whether allocation number `call` was reached and failed. */
static inline bool memory_failure_at(const char *name, memory_scenario *run, const void *self, long call, bool rest,
                                     uint64_t want)
{
    ae_err e = {0};
    uint64_t result = 0;
    long live = faults.live;
    atomic_store(&faults.calls, 0);
    atomic_store(&faults.rest, rest);
    atomic_store(&faults.hit, false);
    atomic_store(&faults.at, call);
    int status = run(self, &result, &e);
    bool hit = atomic_load(&faults.hit);
    atomic_store(&faults.at, -1);
    if (status == 0 ? result != want : e.code != AE_E_MEMORY) {
        fail_msg("%s, allocation %ld%s: status %d, %s", name, call, rest ? " and all later ones" : "", status,
                 e.message);
    }
    if (faults.live != live) {
        fail_msg("%s, allocation %ld%s: %ld blocks are left (%s)", name, call, rest ? " and all later ones" : "",
                 faults.live - live, e.message);
    }
    return hit;
}

/* Every allocation, or about `most` of them, beginning with number `first` of a stride. */
static inline void memory_every_failure(const char *name, memory_scenario *run, const void *self, long most, long first)
{
    uint64_t want = 0, again = 0;
    ae_err e = {0};
    if (run(self, &want, &e) != 0) {
        fail_msg("%s: %s", name, e.message);
    }
    assert_true(want != 0);
    atomic_store(&faults.calls, 0);
    assert_int_equal(run(self, &again, &e), 0);
    assert_true(again == want);
    long calls = atomic_load(&faults.calls), stride = calls / most + 1;
    assert_true(calls > 2);
    for (int rest = 0; rest < 2; rest++) {
        long hits = 0;
        for (long n = first % stride; n < calls; n += stride) {
            hits += memory_failure_at(name, run, self, n, rest != 0, want);
        }
        assert_true(hits >= calls / stride - 2);
    }
}

#endif
