/* The batches of a plan over a made-up dataset whose batches tell which examples and which key made them. */
#include "datasets/dataset.h"
#include "datasets/permutation.h"
#include "datasets/read_ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a dataset of which only the numbers are real ---- */

typedef struct made_up {
    ae_dataset d;
    int64_t fails_at; /* a batch that holds this example fails; -1: none does */
    bool freed;
} made_up;

static int64_t length_of(const ae_dataset *d, int64_t i)
{
    (void)d;
    return 1 + i * 7919 % 61;
}

static ae_tensors *collate(const ae_dataset *d, const int64_t *examples, int64_t n, const ae_collate *how, ae_err *e)
{
    const made_up *m = (const made_up *)d;
    ae_tensors *batch = ae_tensors_new();
    ae_tensor *ids = ae_tensor_new(AE_I64, 1, &n, e);
    ae_tensor *keys = ae_tensor_new(AE_I64, 1, &n, e);
    for (int64_t i = 0; i < n; i++) {
        if (examples[i] == m->fails_at) {
            ae_tensor_free(ids);
            ae_tensor_free(keys);
            ae_tensors_free(batch);
            ae_err_set(e, AE_E_FORMAT, "example %lld cannot be read", (long long)examples[i]);
            return NULL;
        }
        ae_random_key key = ae_random_subkey(&how->key, (uint64_t)i);
        ae_set_i64(ids, i, examples[i]);
        ae_set_i64(keys, i, ae_random_word(&key, 0));
    }
    ae_tensors_add(batch, "input_ids", ids, e);
    ae_tensors_add(batch, "keys", keys, e);
    int64_t one = 1;
    ae_tensor *multiple = ae_tensor_new(AE_I64, 1, &one, e);
    ae_set_i64(multiple, 0, how->multiple);
    ae_tensors_add(batch, "multiple", multiple, e);
    return batch;
}

static void set_freed(ae_dataset *d)
{
    ((made_up *)d)->freed = true;
}

static made_up made_up_of(int64_t count)
{
    return (made_up){{count, "classes", length_of, collate, set_freed}, -1, false};
}

static ae_batches *open_plan(const made_up *m, const ae_batch_plan *plan)
{
    ae_err e = {0};
    ae_batches *b = ae_batches_new(&m->d, plan, &e);
    if (!b) {
        fail_msg("%s", e.message);
    }
    return b;
}

static void assert_same_batch(const ae_tensors *a, const ae_tensors *b)
{
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(ae_tensors_count(a), ae_tensors_count(b));
    for (int i = 0; i < ae_tensors_count(a); i++) {
        const ae_tensor *x = ae_tensors_at(a, i);
        const ae_tensor *y = ae_tensors_get(b, ae_tensors_name(a, i));
        assert_non_null(y);
        assert_true(ae_same_shape(x, y));
        assert_memory_equal(x->data, y->data, (size_t)ae_numel(x) * 8);
    }
}

/* ---- permutations ---- */

static void test_permutation_is_one(void **state)
{
    (void)state;
    static char seen[5000];
    for (int64_t n = 1; n <= 4097; n += n < 300 ? 1 : 633) {
        ae_random_key key = ae_random_key_make(3, (uint64_t)n, 0, 0, 0);
        ae_permutation p = ae_permutation_of(&key, n);
        memset(seen, 0, sizeof seen);
        for (int64_t i = 0; i < n; i++) {
            int64_t at = ae_permutation_at(&p, i);
            assert_in_range(at, 0, n - 1);
            assert_int_equal(seen[at]++, 0);
        }
    }
}

/* What an older program drew must be drawn again when its run is resumed. The numbers come from a second program in
 * Python. */
static void test_permutation_never_changes(void **state)
{
    (void)state;
    static const int64_t expected[] = {8, 6, 5, 1, 3, 2, 0, 7, 9, 4};
    ae_random_key key = ae_random_key_make(1, 2, 3, 4, 5);
    ae_permutation p = ae_permutation_of(&key, 10);
    for (int64_t i = 0; i < 10; i++) {
        assert_int_equal(ae_permutation_at(&p, i), expected[i]);
    }
    p = ae_permutation_of(&key, 1000000000000);
    assert_int_equal(ae_permutation_at(&p, 0), 164844937856);
    assert_int_equal(ae_permutation_at(&p, 999999999999), 145363181345);
    p = ae_permutation_of(&key, INT64_MAX);
    assert_int_equal(ae_permutation_at(&p, INT64_MAX - 1), 5786821269331002762);
}

/* Every order of four and every (place, value) of fifty comes equally often over keys: chi-square below the 99.9 %
 * point (49.7 of 23 degrees of freedom; 2612 of 2401). */
static void test_permutation_is_fair(void **state)
{
    (void)state;
    enum { ORDERS = 24000, LARGE = 5000 };
    static int orders[256], places[50][50];
    for (uint64_t k = 0; k < ORDERS; k++) {
        ae_random_key key = ae_random_key_make(9, k, 0, 0, 0);
        ae_permutation p = ae_permutation_of(&key, 4);
        int code = 0;
        for (int i = 0; i < 4; i++) {
            code = code * 4 + (int)ae_permutation_at(&p, i);
        }
        orders[code]++;
        p = ae_permutation_of(&key, 50);
        for (int i = 0; i < 50 && k < LARGE; i++) {
            places[i][ae_permutation_at(&p, i)]++;
        }
    }
    double sum = 0;
    int kinds = 0;
    for (int i = 0; i < 256; i++) {
        kinds += orders[i] > 0;
        sum += orders[i] ? (orders[i] - 1000.0) * (orders[i] - 1000.0) / 1000.0 : 0;
    }
    assert_int_equal(kinds, 24);
    assert_true(sum < 49.7);
    sum = 0;
    for (int i = 0; i < 2500; i++) {
        sum += (places[i / 50][i % 50] - 100.0) * (places[i / 50][i % 50] - 100.0) / 100.0;
    }
    assert_true(sum > 2200 && sum < 2612);
}

/* ---- which examples ---- */

static void test_epochs(void **state)
{
    (void)state;
    made_up m = made_up_of(1003);
    const ae_batch_plan plan = {.batch = 10, .seed = 5, .shuffle = true, .window = 8};
    ae_batches *b = open_plan(&m, &plan);
    assert_int_equal(ae_batches_per_epoch(b), 100);
    int64_t examples[10], first[2][10];
    int seen[1003] = {0};
    for (int64_t number = 0; number < 500; number++) {
        assert_int_equal(ae_batches_examples(b, number, examples), 10);
        for (int i = 0; i < 10; i++) {
            seen[examples[i]]++;
        }
        if (number % 100 == 0 && number < 200) {
            memcpy(first[number / 100], examples, sizeof examples);
        }
        if (number % 100 == 99) { /* after each epoch: three examples are one behind */
            int64_t epoch = number / 100 + 1, behind = 0;
            for (int i = 0; i < 1003; i++) {
                assert_true(seen[i] <= epoch);
                behind += epoch - seen[i];
            }
            assert_int_equal(behind, 3 * epoch);
        }
    }
    assert_memory_not_equal(first[0], first[1], sizeof first[0]);
    assert_int_equal(ae_batches_examples(b, 100, examples), 10); /* asked for backwards: the same */
    assert_memory_equal(examples, first[1], sizeof examples);
    assert_int_equal(ae_batches_examples(b, 0, examples), 10);
    assert_memory_equal(examples, first[0], sizeof examples);
    ae_batches_free(b);
    ae_batch_plan other = plan;
    other.seed = 6;
    b = open_plan(&m, &other);
    ae_batches_examples(b, 0, examples);
    assert_memory_not_equal(examples, first[0], sizeof examples);
    ae_batches_free(b);
}

static int64_t longest(const int64_t *examples, int64_t n)
{
    int64_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        most = length_of(NULL, examples[i]) > most ? length_of(NULL, examples[i]) : most;
    }
    return most;
}

/* Padded tokens of an epoch; and the examples of each window are those of the window without sorting. */
static int64_t padded(int64_t window, uint64_t *turned)
{
    made_up m = made_up_of(4096);
    const ae_batch_plan plan = {.batch = 16, .seed = 2, .shuffle = true, .window = window};
    ae_batches *b = open_plan(&m, &plan);
    int64_t examples[16], sum = 0, last = 0;
    *turned = 0;
    for (int64_t number = 0; number < ae_batches_per_epoch(b); number++) {
        ae_batches_examples(b, number, examples);
        int64_t most = longest(examples, 16);
        *turned += most < last;
        last = most;
        sum += most * 16;
    }
    ae_batches_free(b);
    return sum;
}

static void test_windows_even_out_lengths(void **state)
{
    (void)state;
    uint64_t turned;
    int64_t off = padded(1, &turned), some = padded(8, &turned), usual = padded(0, &turned), tokens = 0;
    for (int64_t i = 0; i < 4096; i++) {
        tokens += length_of(NULL, i);
    }
    assert_true(off > tokens * 17 / 10);
    assert_true(some < off && usual < some);
    assert_true(usual < tokens * 105 / 100);
    assert_in_range(turned, 80, 176); /* batches come in no order of length: of 255 neighbours about half turn */
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_a_window_keeps_its_examples(void **state)
{
    (void)state;
    made_up m = made_up_of(530); /* windows of 8 batches of 8, and one of 2 */
    ae_batch_plan plan = {.batch = 8, .seed = 11, .shuffle = true, .window = 8};
    ae_batches *sorted = open_plan(&m, &plan);
    plan.window = 1;
    ae_batches *plain = open_plan(&m, &plan);
    int64_t per_epoch = ae_batches_per_epoch(plain);
    assert_int_equal(per_epoch, 66);
    for (int64_t first = 0; first < per_epoch; first += 8) {
        int64_t a[64], b[64], n = per_epoch - first < 8 ? per_epoch - first : 8;
        for (int64_t k = 0; k < n; k++) {
            ae_batches_examples(sorted, first + k, a + 8 * k);
            ae_batches_examples(plain, first + k, b + 8 * k);
        }
        assert_memory_not_equal(a, b, sizeof *a * 8 * (size_t)n);
        qsort(a, 8 * (size_t)n, sizeof *a, compare_ids);
        qsort(b, 8 * (size_t)n, sizeof *b, compare_ids);
        assert_memory_equal(a, b, sizeof *a * 8 * (size_t)n);
    }
    ae_batches_free(sorted);
    ae_batches_free(plain);
}

static void test_examples_in_their_order(void **state)
{
    (void)state;
    made_up m = made_up_of(25);
    const ae_batch_plan plan = {.batch = 10, .seed = 5, .window = 4};
    ae_batches *b = open_plan(&m, &plan);
    assert_int_equal(ae_batches_per_epoch(b), 3);
    int64_t examples[10];
    for (int64_t number = 0; number < 6; number++) {
        int64_t n = ae_batches_examples(b, number, examples);
        assert_int_equal(n, number % 3 == 2 ? 5 : 10);
        for (int64_t i = 0; i < n; i++) {
            assert_int_equal(examples[i], number % 3 * 10 + i);
        }
    }
    ae_batches_free(b);
}

static void test_few_examples(void **state)
{
    (void)state;
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        made_up m = made_up_of(3);
        const ae_batch_plan plan = {.batch = INT64_MAX, .seed = 5, .shuffle = shuffle};
        ae_batches *b = open_plan(&m, &plan);
        assert_int_equal(ae_batches_per_epoch(b), 1);
        int64_t examples[3];
        for (int64_t number = 0; number < 5; number++) {
            assert_int_equal(ae_batches_examples(b, number, examples), 3);
            assert_int_equal(examples[0] + examples[1] + examples[2], 3);
            assert_int_equal(examples[0] * examples[1] * examples[2], 0);
        }
        ae_batches_free(b);
    }
}

static void test_ranks_share_an_epoch(void **state)
{
    (void)state;
    made_up m = made_up_of(210);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        ae_batch_plan plan = {.batch = 10, .seed = 5, .shuffle = shuffle, .window = 4};
        ae_batches *alone = open_plan(&m, &plan);
        for (plan.ranks = 1; plan.ranks <= 3; plan.ranks++) {
            for (plan.rank = 0; plan.rank < plan.ranks; plan.rank++) {
                ae_batches *b = open_plan(&m, &plan);
                assert_int_equal(ae_batches_per_epoch(b), 21);
                for (int64_t number = 0; number < 30; number++) {
                    ae_tensors *mine = ae_batches_get(b, number, NULL);
                    ae_tensors *its = ae_batches_get(alone, number * plan.ranks + plan.rank, NULL);
                    assert_same_batch(mine, its);
                    ae_tensors_free(mine);
                    ae_tensors_free(its);
                }
                ae_batches_free(b);
            }
        }
        ae_batches_free(alone);
    }
}

/* ---- batches ---- */

static void test_keys_belong_to_numbers(void **state)
{
    (void)state;
    made_up m = made_up_of(1);
    const ae_batch_plan plan = {.batch = 1, .seed = 5, .multiple = 8};
    ae_batches *b = open_plan(&m, &plan);
    ae_tensors *x = ae_batches_get(b, 0, NULL), *y = ae_batches_get(b, 1, NULL), *again = ae_batches_get(b, 0, NULL);
    assert_same_batch(x, again);
    assert_int_equal(ae_get_i64(ae_tensors_get(x, "multiple"), 0), 8);
    assert_true(ae_get_i64(ae_tensors_get(x, "keys"), 0) != ae_get_i64(ae_tensors_get(y, "keys"), 0));
    ae_tensors_free(x);
    ae_tensors_free(y);
    ae_tensors_free(again);
    ae_batches_free(b);
}

/* In turn, back, far ahead, the same again. */
static const int64_t walk[] = {0, 1, 2, 3, 4, 5, 6, 2, 3, 4, 1000, 1001, 1001, 1001, 0, 1, 40, 39, 38, 39, 40};

static void test_ahead_is_the_same(void **state)
{
    (void)state;
    made_up m = made_up_of(333);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        ae_batch_plan plan = {.batch = 8, .seed = 5, .shuffle = shuffle, .window = 5};
        ae_batches *now = open_plan(&m, &plan);
        for (plan.ahead = 1; plan.ahead < 9; plan.ahead += 3) {
            ae_batches *ahead = open_plan(&m, &plan);
            for (size_t i = 0; i < sizeof walk / sizeof *walk; i++) {
                ae_tensors *x = ae_batches_get(now, walk[i], NULL), *y = ae_batches_get(ahead, walk[i], NULL);
                assert_same_batch(x, y);
                ae_tensors_free(x);
                ae_tensors_free(y);
                if (i % 3 == 0) {
                    usleep(300); /* so that the queue is full now, empty then */
                }
            }
            ae_batches_free(ahead);
        }
        ae_batches_free(now);
    }
}

/* An error comes with its batch, not before, and the batches behind it can still be had. */
static void test_errors_are_passed_on(void **state)
{
    (void)state;
    made_up m = made_up_of(60);
    m.fails_at = 33;
    for (int ahead = 0; ahead < 5; ahead++) {
        const ae_batch_plan plan = {.batch = 10, .seed = 5, .ahead = ahead};
        ae_batches *b = open_plan(&m, &plan);
        for (int64_t number = 0; number < 12; number++) {
            ae_err e = {0};
            ae_tensors *x = ae_batches_get(b, number, &e);
            if (number % 6 == 3) {
                assert_null(x);
                assert_int_equal(e.code, AE_E_FORMAT);
                assert_string_equal(e.message, "example 33 cannot be read");
            } else {
                assert_non_null(x);
                assert_int_equal(e.code, AE_OK);
            }
            ae_tensors_free(x);
        }
        ae_batches_free(b);
    }
}

static void test_freed_at_any_moment(void **state)
{
    (void)state;
    made_up m = made_up_of(500);
    for (int gets = 0; gets < 4; gets++) {
        for (int wait = 0; wait < 3; wait++) {
            const ae_batch_plan plan = {.batch = 50, .seed = 5, .shuffle = true, .ahead = 3};
            ae_batches *b = open_plan(&m, &plan);
            for (int i = 0; i < gets; i++) {
                ae_tensors_free(ae_batches_get(b, i, NULL));
            }
            usleep((unsigned)wait * 200);
            ae_batches_free(b);
        }
    }
    ae_batches_free(NULL);
    ae_dataset_free(&m.d);
    assert_true(m.freed);
    ae_dataset_free(NULL);
}

typedef struct asker {
    const ae_batches *b;
    int64_t sum;
} asker;

static void *ask(void *arg)
{
    asker *a = arg;
    int64_t examples[10];
    for (int64_t number = 0; number < 300; number++) {
        int64_t n = ae_batches_examples(a->b, number * 7 % 300, examples);
        for (int64_t i = 0; i < n; i++) {
            a->sum += examples[i] * (number * 7 % 300 + 1);
        }
    }
    return NULL;
}

/* The cache of windows is shared by the reading thread and by everybody who asks for examples. */
static void test_examples_from_several_threads(void **state)
{
    (void)state;
    made_up m = made_up_of(1000);
    const ae_batch_plan plan = {.batch = 10, .seed = 5, .shuffle = true, .window = 3, .ahead = 2};
    ae_batches *b = open_plan(&m, &plan);
    asker askers[3] = {{b, 0}, {b, 0}, {b, 0}};
    pthread_t threads[2];
    ae_tensors_free(ae_batches_get(b, 0, NULL));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    for (int64_t number = 1; number < 100; number++) {
        ae_tensors_free(ae_batches_get(b, number, NULL));
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    ask(&askers[2]);
    assert_int_equal(askers[0].sum, askers[2].sum);
    assert_int_equal(askers[1].sum, askers[2].sum);
    ae_batches_free(b);
}

/* A signal that the program handles must not interrupt the reading thread. */
static ae_tensors *signals_blocked(const void *self, int64_t number, ae_err *e)
{
    (void)self;
    (void)number;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    if (sigismember(&now, SIGINT) && sigismember(&now, SIGTERM)) {
        return ae_tensors_new();
    }
    ae_err_set(e, AE_E_STATE, "signals are taken");
    return NULL;
}

static void test_the_thread_takes_no_signals(void **state)
{
    (void)state;
    ae_err e = {0};
    ae_read_ahead *r = ae_read_ahead_new(signals_blocked, NULL, 1, &e);
    ae_tensors *d = ae_read_ahead_get(r, 0, &e);
    assert_non_null(d);
    ae_tensors_free(d);
    ae_read_ahead_free(r);
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_false(sigismember(&now, SIGINT));
}

static void test_bad_plans(void **state)
{
    (void)state;
    made_up some = made_up_of(5), none = made_up_of(0);
    static const struct {
        ae_batch_plan plan;
        const char *message;
    } cases[] = {
        {{.batch = 0}, "batches: batch is 0; it must be at least 1"},
        {{.batch = -3}, "batches: batch is -3; it must be at least 1"},
        {{.batch = 2, .window = -1}, "batches: window is -1 and multiple 0; neither may be negative"},
        {{.batch = 2, .multiple = -8}, "batches: window is 0 and multiple -8; neither may be negative"},
        {{.batch = 2, .ahead = -1}, "batches: ahead is -1; it must lie in 0..1024"},
        {{.batch = 2, .ahead = 2000}, "batches: ahead is 2000; it must lie in 0..1024"},
        {{.batch = 2, .rank = 2, .ranks = 2}, "batches: rank 2 of 2; ranks count from 0 and stay below their number"},
        {{.batch = 2, .rank = 1}, "batches: rank 1 of 0; ranks count from 0 and stay below their number"},
        {{.batch = 2, .ranks = -1}, "batches: rank 0 of -1; ranks count from 0 and stay below their number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_err e = {0};
        assert_null(ae_batches_new(&some.d, &cases[i].plan, &e));
        assert_int_equal(e.code, AE_E_VALUE);
        assert_string_equal(e.message, cases[i].message);
    }
    const ae_batch_plan good = {.batch = 2, .ahead = 1};
    ae_err e = {0};
    assert_null(ae_batches_new(&none.d, &good, &e));
    assert_string_equal(e.message, "batches: the dataset is empty; at least one example is needed");
    ae_batches *b = open_plan(&some, &good);
    ae_err_clear(&e);
    assert_null(ae_batches_get(b, -1, &e));
    assert_string_equal(e.message, "batches: there is no batch -1; they count from 0");
    ae_batches_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_permutation_is_one),          cmocka_unit_test(test_permutation_never_changes),
        cmocka_unit_test(test_permutation_is_fair),         cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_windows_even_out_lengths),    cmocka_unit_test(test_a_window_keeps_its_examples),
        cmocka_unit_test(test_examples_in_their_order),     cmocka_unit_test(test_few_examples),
        cmocka_unit_test(test_ranks_share_an_epoch),        cmocka_unit_test(test_keys_belong_to_numbers),
        cmocka_unit_test(test_ahead_is_the_same),           cmocka_unit_test(test_errors_are_passed_on),
        cmocka_unit_test(test_freed_at_any_moment),         cmocka_unit_test(test_examples_from_several_threads),
        cmocka_unit_test(test_the_thread_takes_no_signals), cmocka_unit_test(test_bad_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
