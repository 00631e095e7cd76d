/* Training a tokenizer while allocations fail, each in turn, alone or with all that follow: an error of memory or the
 * same tokenizer, and nothing left behind. */
#include "memory_scenarios.h"
#include "tensor/threads.h"
#include "tokenizers/tokenizer_trainer.h"

#include <string.h>

/* The trained tokenizer's hash in *hash; 0, or -1 and e. */
static int train(const void *kind, uint64_t *hash, ae_err *e)
{
    static const char *const texts[] = {"The fox and the crow, the crow and the fox.", "the fox", "a fable of the fox"};
    static const size_t bytes[] = {43, 7, 18};
    bool pieces = strcmp(kind, "sentencepiece") == 0;
    ae_tokenizer_training training = {.kind = kind, .vocab_size = 280, .normalization = pieces ? "identity" : NULL};
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

static void every_failure(void **state)
{
    (void)state;
    assert_int_equal(ae_set_threads(1, NULL), 0);
    for (int i = 0; i <= ae_tokenizer_kind_count(); i++) {
        const char *kind = i < ae_tokenizer_kind_count() ? ae_tokenizer_kind_name(i) : "sentencepiece";
        memory_every_failure(kind, train, kind, 700, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
