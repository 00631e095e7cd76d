#include "apps/stop_signal.h"

#include <signal.h>
#include <string.h>

static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* A signal handler can reach nothing but a global. */
static volatile sig_atomic_t came;
static struct sigaction before[SIGNALS];

static void on_signal(int number)
{
    if (number == SIGINT && came) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    came = number;
}

void ae_stop_signal_begin(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    came = 0;
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], &action, &before[i]);
    }
}

void ae_stop_signal_end(void)
{
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], &before[i], NULL);
    }
}

int ae_stop_signal(void)
{
    return came;
}
