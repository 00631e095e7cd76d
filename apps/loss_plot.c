#include "apps/loss_plot.h"

#include "tensor/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct point {
    double step, loss;
    bool valid; /* a validation loss */
} point;

typedef struct points {
    point *at;
    int count, room;
} points;

static int add(points *p, point x, ae_err *e)
{
    if (p->count == p->room) {
        int room = p->room ? 2 * p->room : 256;
        point *more = realloc(p->at, (size_t)room * sizeof *more);
        if (!more) {
            return ae_err_set(e, AE_E_MEMORY, "no memory for the course of the loss");
        }
        p->at = more;
        p->room = room;
    }
    p->at[p->count++] = x;
    return 0;
}

static int read_line(points *p, const char *line, size_t n, ae_err *e)
{
    ae_err bad = {0};
    ae_json *j = ae_json_parse(line, n, &bad);
    const char *kind = j ? ae_json_string(j, "kind", "", &bad) : "";
    point x = {j ? ae_json_double(j, "step", (double)NAN, &bad) : (double)NAN,
               j ? ae_json_double(j, "loss", (double)NAN, &bad) : (double)NAN, strcmp(kind, "evaluation") == 0};
    ae_json_free(j);
    return !bad.code && isfinite(x.step) && isfinite(x.loss) ? add(p, x, e) : 0;
}

static int read_points(points *p, const char *path, ae_err *e)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int status = 0;
    if (!f) {
        return ae_err_set(e, AE_E_IO, "%s: %s", path, strerror(errno));
    }
    while (status == 0 && (n = getline(&line, &room, f)) > 0) {
        status = read_line(p, line, (size_t)n, e);
    }
    free(line);
    fclose(f);
    return status;
}

/* Fills cells[height][width]: a column's training loss is the mean of its points. */
static void fill(const points *p, char *cells, int width, int height, double last, double low, double high)
{
    double *sum = calloc((size_t)width, sizeof *sum);
    int *n = calloc((size_t)width, sizeof *n);
    memset(cells, ' ', (size_t)(width * height));
    for (int i = 0; sum && n && i < p->count; i++) {
        int column = (int)((double)(width - 1) * p->at[i].step / last);
        if (!p->at[i].valid) {
            sum[column] += p->at[i].loss;
            n[column]++;
        }
    }
    for (int c = 0; sum && n && c < width; c++) {
        if (n[c] > 0) {
            int row = (int)lround((high - sum[c] / n[c]) / (high - low) * (height - 1));
            cells[row * width + c] = '*';
        }
    }
    for (int i = 0; i < p->count; i++) {
        if (p->at[i].valid) {
            int column = (int)((double)(width - 1) * p->at[i].step / last);
            cells[(int)lround((high - p->at[i].loss) / (high - low) * (height - 1)) * width + column] = 'o';
        }
    }
    free(sum);
    free(n);
}

static int draw(FILE *out, const points *p, int width, int height, ae_err *e)
{
    double last = 0, low = p->at[0].loss, high = low;
    for (int i = 0; i < p->count; i++) {
        last = fmax(last, p->at[i].step);
        low = fmin(low, p->at[i].loss);
        high = fmax(high, p->at[i].loss);
    }
    char *cells = malloc((size_t)(width * height));
    if (!cells) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a drawing");
    }
    high = high > low ? high : low + 1;
    fill(p, cells, width, height, fmax(last, 1), low, high);
    for (int r = 0; r < height; r++) {
        double level = high - (high - low) * r / (height - 1);
        fprintf(out, "%8.3f |%.*s\n", level, width, cells + r * width);
    }
    fprintf(out, "    loss +");
    for (int c = 0; c < width; c++) {
        fputc('-', out);
    }
    fprintf(out, "\n%*s%-*d%*.0f steps  (* training, o validation)\n", 10, "", width / 2, 0, width - width / 2, last);
    free(cells);
    return 0;
}

int ae_loss_plot(FILE *out, const char *log_path, int width, int height, ae_err *e)
{
    points p = {0};
    int status = read_points(&p, log_path, e);
    if (status == 0 && p.count > 1 && width > 1 && height > 1) {
        status = draw(out, &p, width, height, e);
    }
    free(p.at);
    return status;
}
