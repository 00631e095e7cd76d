#include "apps/wait_policy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Turns of a loop around the processor's pause, some 50 nanoseconds each: half a millisecond. An idle machine computes
 * as fast with it as with the library's own 300,000; with 3,000 a twentieth is lost, with none a tenth. */
static const char *const spin_count = "10000";

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return true;
        }
    }
    return argc < 2;
}

void ae_wait_policy_set(int argc, char **argv)
{
    bool set = getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT");
    if (!set && !asks_for_help(argc, argv) && setenv("GOMP_SPINCOUNT", spin_count, 1) == 0) {
        execv("/proc/self/exe", argv);
    }
}
