/* Metrics as text and as JSON. */
#include "apps/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_COLUMNS = 12, LONGEST_NAME = 24 };

/* ---- text ---- */

static uint32_t code_point(const char *s, int *bytes)
{
    unsigned char c = (unsigned char)*s;
    *bytes = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t u = *bytes == 1 ? c : c & (0xffu >> (*bytes + 1));
    for (int i = 1; i < *bytes; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80) {
            *bytes = i;
            return 0xfffd;
        }
        u = u << 6 | ((unsigned char)s[i] & 0x3f);
    }
    return u;
}

/* Chinese, Japanese and Korean characters and pictures take two columns of a terminal (Unicode's East Asian Width). */
static int columns_of(uint32_t u)
{
    bool wide = (u >= 0x1100 && u <= 0x115f) || (u >= 0x2e80 && u <= 0xa4cf) || (u >= 0xac00 && u <= 0xd7a3) ||
                (u >= 0xf900 && u <= 0xfaff) || (u >= 0xfe30 && u <= 0xfe6f) || (u >= 0xff00 && u <= 0xff60) ||
                (u >= 0xffe0 && u <= 0xffe6) || (u >= 0x1f300 && u <= 0x1faff) || (u >= 0x20000 && u <= 0x3fffd);
    return wide ? 2 : 1;
}

/* The name of class k, cut when it is long, and the columns it takes. */
static int name_of(const ae_labels *labels, int64_t k, char name[4 * LONGEST_NAME + 1])
{
    char number[24];
    snprintf(number, sizeof number, "%" PRId64, k);
    const char *whole = labels && k < labels->count ? labels->names[k] : number;
    int width = 0, bytes;
    size_t n = 0;
    for (; whole[n]; n += (size_t)bytes) {
        uint32_t u = code_point(whole + n, &bytes);
        if (width + columns_of(u) > LONGEST_NAME) {
            break;
        }
        bool control = u < 32 || u == 127;
        memcpy(name + n, control ? " " : whole + n, (size_t)bytes);
        width += columns_of(u);
    }
    name[n] = '\0';
    return width;
}

/* At the left or the right of `width` columns. */
static void print_name(FILE *out, const ae_labels *labels, int64_t k, int width, bool right)
{
    char name[4 * LONGEST_NAME + 1];
    int blanks = width - name_of(labels, k, name);
    blanks = blanks > 0 ? blanks : 0;
    fprintf(out, "%*s%s%*s", right ? blanks : 0, "", name, right ? 0 : blanks, "");
}

static int widest(const ae_labels *labels, int64_t classes, int at_least)
{
    char name[4 * LONGEST_NAME + 1];
    for (int64_t k = 0; k < classes; k++) {
        int width = name_of(labels, k, name);
        at_least = width > at_least ? width : at_least;
    }
    return at_least;
}

static void print_part(FILE *out, double x)
{
    if (isnan(x)) {
        fprintf(out, "%11s", "-");
    } else {
        fprintf(out, "%11.4f", x);
    }
}

static void print_classes(FILE *out, const ae_confusion *c, const ae_labels *labels, bool numbered)
{
    int first = widest(labels, c->classes, 5);
    fprintf(out, "%s%-*s%11s%11s%11s%11s%11s\n", numbered ? "  no  " : "", first, "class", "examples", "predicted",
            "precision", "recall", "F1");
    for (int64_t k = 0; k < c->classes; k++) {
        ae_class_score s = ae_confusion_class(c, k);
        if (numbered) {
            fprintf(out, "%4" PRId64 "  ", k);
        }
        print_name(out, labels, k, first, false);
        fprintf(out, "%11" PRId64 "%11" PRId64, s.gold, s.predicted);
        print_part(out, s.precision);
        print_part(out, s.recall);
        print_part(out, s.f1);
        fputc('\n', out);
    }
}

static int column_width(const ae_confusion *c, const ae_labels *names, int64_t k)
{
    char name[4 * LONGEST_NAME + 1];
    int width = name_of(names, k, name);
    for (int64_t g = 0; g < c->classes; g++) {
        int digits = snprintf(NULL, 0, "%" PRId64, c->counts[g * c->classes + k]);
        width = digits > width ? digits : width;
    }
    return width + 2;
}

/* `names` NULL: rows and columns are headed by numbers. */
static int print_matrix(FILE *out, const ae_confusion *c, const ae_labels *names)
{
    int *width = malloc((size_t)c->classes * sizeof *width);
    if (!width) {
        return -1;
    }
    static const char corner[] = "gold \\ predicted";
    int first = widest(names, c->classes, (int)sizeof corner - 1);
    fprintf(out, "%-*s", first, corner);
    for (int64_t k = 0; k < c->classes; k++) {
        width[k] = column_width(c, names, k);
        print_name(out, names, k, width[k], true);
    }
    fputc('\n', out);
    for (int64_t g = 0; g < c->classes; g++) {
        print_name(out, names, g, first, false);
        for (int64_t k = 0; k < c->classes; k++) {
            fprintf(out, "%*" PRId64, width[k], c->counts[g * c->classes + k]);
        }
        fputc('\n', out);
    }
    free(width);
    return 0;
}

int ae_confusion_print(FILE *out, const ae_confusion *c, const ae_labels *labels)
{
    bool numbered = c->classes > NAMED_COLUMNS;
    print_classes(out, c, labels, numbered);
    fputc('\n', out);
    return print_matrix(out, c, numbered ? NULL : labels) != 0 || ferror(out) ? -1 : 0;
}

/* ---- JSON ---- */

static ae_json *label_json(const ae_labels *labels, int64_t k)
{
    return labels && k < labels->count ? ae_json_new_string(labels->names[k]) : ae_json_new_int(k);
}

static ae_json *class_json(const ae_confusion *c, const ae_labels *labels, int64_t k)
{
    ae_class_score s = ae_confusion_class(c, k);
    ae_json *o = ae_json_new_object();
    ae_json_set(o, "label", label_json(labels, k));
    ae_json_set_int(o, "gold", s.gold);
    ae_json_set_int(o, "predicted", s.predicted);
    ae_json_set_double(o, "precision", s.precision);
    ae_json_set_double(o, "recall", s.recall);
    ae_json_set_double(o, "f1", s.f1);
    return o;
}

ae_json *ae_confusion_json(const ae_confusion *c, const ae_labels *labels)
{
    ae_json *o = ae_json_new_object(), *names = ae_json_new_array(), *rows = ae_json_new_array();
    ae_json *classes = ae_json_new_array();
    for (int64_t g = 0; g < c->classes; g++) {
        ae_json *row = ae_json_new_array();
        for (int64_t k = 0; k < c->classes; k++) {
            ae_json_add(row, NULL, ae_json_new_int(c->counts[g * c->classes + k]));
        }
        ae_json_add(names, NULL, label_json(labels, g));
        ae_json_add(rows, NULL, row);
        ae_json_add(classes, NULL, class_json(c, labels, g));
    }
    ae_json_set(o, "labels", names);
    ae_json_set(o, "gold_by_predicted", rows);
    ae_json_set(o, "classes", classes);
    return o;
}

int ae_classification_json(ae_json *object, const ae_classification *x)
{
    int status = ae_json_set_double(object, "accuracy", x->accuracy);
    status |= ae_json_set_double(object, "macro_precision", x->macro_precision);
    status |= ae_json_set_double(object, "macro_recall", x->macro_recall);
    status |= ae_json_set_double(object, "macro_f1", x->macro_f1);
    status |= ae_json_set_double(object, "micro_precision", x->micro_precision);
    status |= ae_json_set_double(object, "micro_recall", x->micro_recall);
    status |= ae_json_set_double(object, "micro_f1", x->micro_f1);
    status |= ae_json_set_double(object, "matthews", x->matthews);
    status |= ae_json_set_double(object, "majority", x->majority);
    return status;
}

int ae_regression_json(ae_json *object, const ae_regression *x)
{
    int status = ae_json_set_double(object, "pearson", x->pearson);
    status |= ae_json_set_double(object, "spearman", x->spearman);
    status |= ae_json_set_double(object, "mse", x->mse);
    status |= ae_json_set_double(object, "mae", x->mae);
    return status;
}

int ae_spread_json(ae_json *object, const ae_spread *x)
{
    int status = ae_json_set_int(object, "n", x->n);
    status |= ae_json_set_double(object, "mean", x->mean);
    status |= ae_json_set_double(object, "standard_deviation", x->deviation);
    return status;
}
