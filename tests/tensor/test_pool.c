/* The pool of storages: blocks come back, are lent to smaller wants, and go home to the system. */
#include "tensor/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 20, BLOCK = 1 << 20 };

/* What a step does: takes blocks of one size, touches them, gives them back. */
static void step(ae_pool *pool, size_t bytes)
{
    ae_storage *held[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        held[i] = ae_storage_new(pool, bytes);
        assert_non_null(held[i]);
        assert_int_equal((uintptr_t)ae_storage_data(held[i]) % 64, 0);
        memset(ae_storage_data(held[i]), i, bytes);
    }
    for (int i = 0; i < BLOCKS; i++) {
        assert_int_equal(((const unsigned char *)ae_storage_data(held[i]))[bytes - 1], i);
        ae_storage_drop(held[i]);
    }
}

static void equal_steps_ask_the_system_once(void **state)
{
    (void)state;
    ae_pool *pool = ae_pool_new();
    step(pool, BLOCK);
    ae_pool_stats first = ae_pool_get_stats(pool);
    assert_int_equal(first.system_calls, BLOCKS);
    assert_int_equal(first.held, 0);
    assert_int_equal(first.peak, (int64_t)BLOCKS * BLOCK);
    for (int i = 0; i < 50; i++) {
        step(pool, BLOCK);
    }
    ae_pool_stats last = ae_pool_get_stats(pool);
    assert_int_equal(last.system_calls, first.system_calls);
    assert_int_equal(last.reserved, first.reserved);
    ae_pool_free(pool);
}

/* Batches whose lengths change all the time, as those of texts do, hold little more than the longest of them. */
static void changing_lengths_share_blocks(void **state)
{
    (void)state;
    ae_pool *pool = ae_pool_new();
    for (size_t i = 0; i < 400; i++) {
        step(pool, BLOCK / 2 + i * 7919 * 64 % (BLOCK / 2));
    }
    ae_pool_stats stats = ae_pool_get_stats(pool);
    assert_true(stats.reserved <= 2 * (int64_t)BLOCKS * BLOCK);
    ae_pool_free(pool);
}

/* Blocks that wait while none of them fits are not hoarded: beyond a spare of 128 MiB they go back to the system. */
static void what_does_not_fit_is_given_back(void **state)
{
    (void)state;
    enum { MANY = 64 };
    const size_t small = (size_t)8 << 20, large = MANY * small;
    const int64_t spare = (int64_t)128 << 20;
    ae_storage *held[MANY];
    ae_pool *pool = ae_pool_new();
    for (int i = 0; i < MANY; i++) {
        held[i] = ae_storage_new(pool, small);
        assert_non_null(held[i]);
    }
    for (int i = 0; i < MANY; i++) {
        ae_storage_drop(held[i]);
    }
    assert_int_equal(ae_pool_get_stats(pool).reserved, (int64_t)large);
    ae_storage *one = ae_storage_new(pool, large);
    assert_non_null(one);
    assert_int_equal(ae_pool_get_stats(pool).reserved, (int64_t)large + spare);
    ((char *)ae_storage_data(one))[large - 1] = 1;
    ae_storage_drop(one);
    ae_pool_trim(pool);
    assert_int_equal(ae_pool_get_stats(pool).reserved, 0);
    ae_pool_free(pool);
}

/* A large block is not spent on a small want. */
static void small_wants_get_small_blocks(void **state)
{
    (void)state;
    ae_pool *pool = ae_pool_new();
    step(pool, BLOCK);
    int64_t large = ae_pool_get_stats(pool).reserved;
    step(pool, BLOCK / 8);
    assert_int_equal(ae_pool_get_stats(pool).reserved, large + large / 8);
    ae_pool_trim(pool);
    assert_int_equal(ae_pool_get_stats(pool).reserved, 0);
    step(pool, 1);
    ae_pool_free(pool);
}

static ae_memory_row row_of(const ae_pool *pool, ae_memory_kind kind, const char *what)
{
    ae_memory_row none = {0};
    for (int i = 0; i < ae_pool_rows(pool); i++) {
        ae_memory_row row = ae_pool_row(pool, i);
        if (row.kind == kind && strcmp(row.what, what) == 0) {
            return row;
        }
    }
    return none;
}

/* Storages belong to the operation that ran when they were made until they get another label; at the peak the account
 * stands still. */
static void an_account_says_what_the_peak_was_made_of(void **state)
{
    (void)state;
    ae_pool *pool = ae_pool_new();
    assert_string_equal(ae_pool_label(pool, "add"), "");
    assert_false(ae_pool_accounts(pool));
    assert_int_equal(ae_pool_rows(pool), 0);
    assert_int_equal(ae_pool_account(pool), 0);
    assert_int_equal(ae_pool_account(pool), 0); /* is on already */
    assert_true(ae_pool_accounts(pool));
    ae_pool_label(pool, "add");
    ae_storage *a = ae_storage_new(pool, 1000), *b = ae_storage_new(pool, 500);
    assert_string_equal(ae_pool_label(pool, "mul"), "add");
    ae_storage *c = ae_storage_new(pool, 70);
    ae_storage_label(a, AE_MEMORY_SAVED, "mul");
    assert_int_equal(ae_storage_kind(a), AE_MEMORY_SAVED);
    assert_int_equal(ae_storage_kind(b), AE_MEMORY_WORKING);
    ae_storage_drop(b);
    ae_storage *d = ae_storage_new(pool, 20);
    assert_int_equal(row_of(pool, AE_MEMORY_SAVED, "mul").held, 1000);
    assert_int_equal(row_of(pool, AE_MEMORY_WORKING, "add").held, 0);
    assert_int_equal(row_of(pool, AE_MEMORY_WORKING, "mul").held, 90);
    assert_int_equal(row_of(pool, AE_MEMORY_SAVED, "mul").at_peak, 1000); /* labelled while the pool was at its peak */
    assert_int_equal(row_of(pool, AE_MEMORY_WORKING, "add").at_peak, 500);
    assert_int_equal(row_of(pool, AE_MEMORY_WORKING, "mul").at_peak, 70);
    assert_string_equal(ae_pool_row(pool, -1).what, "");
    assert_string_equal(ae_memory_kind_name(AE_MEMORY_GRADIENTS), "gradients");
    assert_string_equal(ae_memory_kind_name((ae_memory_kind)9), "?");
    ae_storage_drop(a);
    ae_storage_drop(c);
    ae_storage_drop(d);
    ae_storage *plain = ae_storage_new(NULL, 8);
    ae_storage_label(plain, AE_MEMORY_SAVED, "mul"); /* of no pool: nothing happens */
    assert_int_equal(ae_storage_kind(plain), AE_MEMORY_WORKING);
    ae_storage_drop(plain);
    ae_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_steps_ask_the_system_once),           cmocka_unit_test(changing_lengths_share_blocks),
        cmocka_unit_test(what_does_not_fit_is_given_back),           cmocka_unit_test(small_wants_get_small_blocks),
        cmocka_unit_test(an_account_says_what_the_peak_was_made_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
