/* Signals that ask a run to end: they are noticed, the former handlers come back, and products are not disturbed. */
#include "apps/stop_signal.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tensor/gemm.h"
#include "tensor/threads.h"

enum { M = 256, N = 1024, K = 512, PRODUCTS = 100 };

static volatile sig_atomic_t former_came;

static void former(int number)
{
    former_came = number;
}

/* What came within two seconds. */
static int wait_for(int number)
{
    for (int i = 0; i < 2000 && ae_stop_signal() != number; i++) {
        usleep(1000);
    }
    return ae_stop_signal();
}

static void signals_are_noticed(void **state)
{
    (void)state;
    const int all[] = {SIGINT, SIGTERM, SIGUSR1};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ae_stop_signal_begin();
        assert_int_equal(ae_stop_signal(), 0);
        assert_int_equal(kill(getpid(), all[i]), 0);
        assert_int_equal(wait_for(all[i]), all[i]);
        ae_stop_signal_end();
        ae_stop_signal_begin();
        assert_int_equal(ae_stop_signal(), 0);
        assert_int_equal(raise(all[i]), 0); /* to this thread alone */
        assert_int_equal(ae_stop_signal(), all[i]);
        ae_stop_signal_end();
    }
}

static void former_handlers_return(void **state)
{
    (void)state;
    signal(SIGTERM, former);
    ae_stop_signal_begin();
    kill(getpid(), SIGTERM);
    assert_int_equal(wait_for(SIGTERM), SIGTERM);
    ae_stop_signal_end();
    assert_int_equal(former_came, 0);
    raise(SIGTERM);
    assert_int_equal(former_came, SIGTERM);
    former_came = 0;
    ae_stop_signal_begin();
    raise(SIGTERM); /* nobody looks before the end */
    ae_stop_signal_end();
    assert_int_equal(former_came, SIGTERM);
    signal(SIGTERM, SIG_DFL);
}

static void second_interrupt_ends(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        ae_stop_signal_begin();
        kill(getpid(), SIGINT);
        wait_for(SIGINT);
        kill(getpid(), SIGINT);
        sleep(20); /* a run that does not look at its flag */
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
}

static void *send_signals(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        kill(getpid(), SIGUSR1);
        usleep(100);
    }
    return NULL;
}

static float *numbers(int64_t n)
{
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)(i % 13) - 6;
    }
    return x;
}

/* Each product has fresh memory, so that what is written around a block is found by malloc if not by a sanitizer. */
static void multiply(const float *wanted, float *result)
{
    float *a = numbers((int64_t)M * K), *b = numbers((int64_t)K * N);
    ae_gemm p = ae_gemm_dense(AE_F32, M, N, K, a, b, result);
    p.a_row = 1; /* A and B transposed, as the gradient of a weight has one of them */
    p.a_col = M;
    p.b_row = 1;
    p.b_col = K;
    assert_int_equal(ae_gemm_run(&p, NULL), 0);
    if (wanted) {
        assert_memory_equal(result, wanted, M * N * sizeof *result);
    }
    free(a);
    free(b);
}

static void products_are_not_disturbed(void **state)
{
    (void)state;
    float *wanted = numbers((int64_t)M * N), *result = numbers((int64_t)M * N);
    for (int threads = 1; threads <= 2; threads++) {
        atomic_bool stop = false;
        pthread_t sender;
        assert_int_equal(ae_set_threads(threads, NULL), 0);
        multiply(NULL, wanted);
        ae_stop_signal_begin();
        assert_int_equal(pthread_create(&sender, NULL, send_signals, &stop), 0);
        for (int i = 0; i < PRODUCTS; i++) {
            multiply(wanted, result);
        }
        assert_int_equal(wait_for(SIGUSR1), SIGUSR1);
        atomic_store(&stop, true);
        pthread_join(sender, NULL);
        ae_stop_signal_end();
    }
    free(wanted);
    free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_interrupt_ends), /* first: a fork cannot use OpenMP's threads made before it */
        cmocka_unit_test(signals_are_noticed),
        cmocka_unit_test(former_handlers_return),
        cmocka_unit_test(products_are_not_disturbed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
