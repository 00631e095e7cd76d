/* Training a tokenizer while allocations fail, each in turn, alone or with all that follow: an error of memory or the
 * same tokenizer, and nothing left behind. */
#include "memory_faults.h"
#include "tensor/threads.h"
#include "tokenizers/tokenizer_trainer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The trained tokenizer's hash in *hash; 0, or -1 and e. */
static int train(const char *kind, uint64_t *hash, ae_err *e)
{
    static const char *const texts[] = {"The fox and the crow, the crow and the fox.", "the fox", "a fable of the fox"};
    static const size_t bytes[] = {43, 7, 18};
    ae_tokenizer_training training = {.kind = kind, .vocab_size = 280};
    ae_tokenizer_trainer *trainer = ae_tokenizer_trainer_new(&training, e);
    ae_tokenizer *t = NULL;
    if (trainer && ae_tokenizer_trainer_add(trainer, texts, bytes, 3, e) == 0) {
        t = ae_tokenizer_trainer_finish(trainer, NULL, NULL, e);
    }
    *hash = t ? ae_tokenizer_hash(t) : 0;
    int32_t size = t ? ae_tokenizer_size(t) : 0;
    ae_tokenizer_free(t);
    ae_tokenizer_trainer_free(trainer);
    return size > 0 ? 0 : -1;
}

static bool fail_at(const char *kind, long call, bool rest, uint64_t want)
{
    ae_err e = {0};
    uint64_t hash;
    long live = faults.live;
    atomic_store(&faults.calls, 0);
    atomic_store(&faults.rest, rest);
    atomic_store(&faults.hit, false);
    atomic_store(&faults.at, call);
    int status = train(kind, &hash, &e);
    bool hit = atomic_load(&faults.hit);
    atomic_store(&faults.at, -1);
    if (status == 0 ? hash != want : e.code != AE_E_MEMORY) {
        fail_msg("%s, allocation %ld%s: status %d, %s", kind, call, rest ? " and all later ones" : "", status,
                 e.message);
    }
    if (faults.live != live) {
        fail_msg("%s, allocation %ld%s: %ld blocks are left (%s)", kind, call, rest ? " and all later ones" : "",
                 faults.live - live, e.message);
    }
    return hit;
}

static void every_failure(void **state)
{
    (void)state;
    assert_int_equal(ae_set_threads(1, NULL), 0);
    for (int i = 0; i < ae_tokenizer_kind_count(); i++) {
        const char *kind = ae_tokenizer_kind_name(i);
        uint64_t want, again;
        ae_err e = {0};
        if (train(kind, &want, &e)) {
            fail_msg("%s: %s", kind, e.message);
        }
        atomic_store(&faults.calls, 0);
        assert_int_equal(train(kind, &again, &e), 0);
        assert_true(again == want);
        long calls = atomic_load(&faults.calls), stride = calls / 700 + 1;
        assert_true(calls > 50);
        for (int rest = 0; rest < 2; rest++) {
            long hits = 0;
            for (long n = 0; n < calls; n += stride) {
                hits += fail_at(kind, n, rest != 0, want);
            }
            assert_true(hits >= calls / stride - 2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
