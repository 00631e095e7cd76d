#include "apps/progress.h"
#include "apps/clock.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_BYTES = 512, BAR_MOST = 40 };

ae_progress ae_progress_begin(const ae_run *run, const char *what)
{
    ae_progress p = {.log = run->log, .kind = AE_PROGRESS_PLAIN, .what = what, .started = ae_seconds()};
    bool terminal = fileno(run->log) >= 0 && isatty(fileno(run->log));
    const char *kind = ae_options_has(run->options, "progress") ? ae_options_text(run->options, "progress") : "plain";
    if (strcmp(kind, "none") == 0 ||
        (ae_options_has(run->options, "quiet") && ae_options_flag(run->options, "quiet"))) {
        p.kind = AE_PROGRESS_NONE;
    } else if (strcmp(kind, "bar") == 0 || (strcmp(kind, "auto") == 0 && terminal)) {
        p.kind = AE_PROGRESS_BAR;
    }
    p.shown = p.started;
    return p;
}

static int columns(FILE *f)
{
    struct winsize size;
    return fileno(f) >= 0 && ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw_bar(ae_progress *p, double part, const char *tail)
{
    int room = columns(p->log) - (int)strlen(p->what) - (int)strlen(tail) - 10;
    int width = room < 8 ? 8 : room > BAR_MOST ? BAR_MOST : room, filled = (int)(part * width);
    char bar[BAR_MOST + 1];
    for (int i = 0; i < width; i++) {
        bar[i] = i < filled ? '#' : '.';
    }
    bar[width] = 0;
    fprintf(p->log, "\r\033[K%s [%s] %3.0f%% %s", p->what, bar, 100 * part, tail);
    fflush(p->log);
    p->drawn = true;
}

void ae_progress_show(ae_progress *p, double done, double all, double from, const char *note)
{
    double now = ae_seconds(), every = p->kind == AE_PROGRESS_BAR ? 0.1 : 10;
    if (p->kind == AE_PROGRESS_NONE || now - p->shown < every) {
        return;
    }
    p->shown = now;
    char left[32], tail[LINE_BYTES];
    double part = all > 0 ? fmin(done / all, 1) : 0;
    ae_duration(all > 0 && done > from ? (now - p->started) * (all - done) / (done - from) : -1, left);
    snprintf(tail, sizeof tail, "%s%s%s%s", note ? note : "", note && all > 0 ? ", " : "", all > 0 ? "left " : "",
             all > 0 ? left : "");
    if (p->kind == AE_PROGRESS_BAR) {
        draw_bar(p, part, tail);
    } else if (all > 0) {
        fprintf(p->log, "%s: %.1f %%, %s\n", p->what, 100 * part, tail);
    } else {
        fprintf(p->log, "%s: %.0f, %s\n", p->what, done, tail);
    }
}

void ae_progress_clear(ae_progress *p)
{
    if (p->drawn) {
        fprintf(p->log, "\r\033[K");
        fflush(p->log);
        p->drawn = false;
    }
}
