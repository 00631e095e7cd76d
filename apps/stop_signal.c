#include "apps/stop_signal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tensor/threads.h"

/* oneDNN's products (2.6 to 3.7 at least, measured) use the stack pointer as one more pointer into their operands. A
 * signal that is handled on such a thread has its frame written there, over the heap. So the signals are blocked on
 * every thread that computes, and a thread that only waits takes them. */

static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* A signal handler can reach nothing but a global. */
static atomic_int came;
static struct sigaction before[SIGNALS];
static sigset_t mask_before;
static pthread_t watcher;
static bool watched;

static void on_signal(int number)
{
    if (atomic_exchange(&came, number) && number == SIGINT) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
}

static sigset_t stop_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < SIGNALS; i++) {
        sigaddset(&set, signals[i]);
    }
    return set;
}

static void *watch(void *unused)
{
    sigset_t set = stop_set();
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    for (;;) {
        pause(); /* until it is cancelled */
    }
    return unused;
}

/* Blocks the signals on this thread and on OpenMP's, which may be there already; what is made later inherits it. */
static void block(void)
{
    sigset_t set = stop_set();
    pthread_sigmask(SIG_BLOCK, &set, &mask_before);
#pragma omp parallel num_threads(ae_threads())
    {
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    }
}

void ae_stop_signal_begin(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    atomic_store(&came, 0);
    block();
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], &action, &before[i]);
    }
    watched = pthread_create(&watcher, NULL, watch, NULL) == 0;
}

/* OpenMP's threads keep the signals blocked, which never hurts: the program's first thread takes them again. One that
 * waits by now, unseen by the run, goes to the former handler. */
void ae_stop_signal_end(void)
{
    if (watched) {
        pthread_cancel(watcher);
        pthread_join(watcher, NULL);
    }
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], &before[i], NULL);
    }
    pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
}

int ae_stop_signal(void)
{
    /* One that was sent to this thread alone, as by raise, waits here, as all do should there be no watcher. */
    sigset_t set = stop_set();
    int number = sigtimedwait(&set, NULL, &(struct timespec){0});
    if (number > 0) {
        atomic_store(&came, number);
    }
    return atomic_load(&came);
}
