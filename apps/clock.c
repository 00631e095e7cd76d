#include "apps/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double ae_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void ae_duration(double seconds, char text[32])
{
    if (!(seconds >= 0) || seconds > 3.6e8) {
        snprintf(text, 32, "?");
    } else if (seconds < 60) {
        snprintf(text, 32, "%.1fs", seconds);
    } else if (seconds < 3600) {
        snprintf(text, 32, "%dm%02ds", (int)seconds / 60, (int)seconds % 60);
    } else {
        snprintf(text, 32, "%dh%02dm", (int)(seconds / 3600), (int)(seconds / 60) % 60);
    }
}

double ae_parse_duration(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    double unit = strcmp(end, "h") == 0 ? 3600 : strcmp(end, "m") == 0 ? 60 : strcmp(end, "s") == 0 || !*end ? 1 : NAN;
    return end > text && value > 0 ? value * unit : (double)NAN;
}
