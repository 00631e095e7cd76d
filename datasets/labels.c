/* The classes of a task. */
#include "datasets/table.h"

#include <stdlib.h>
#include <string.h>

/* "0", "-12", "7", but neither "07", "+7" nor "1.0": names that could not be told apart as numbers are strings. */
static bool is_integer(const char *name)
{
    const char *digits = name + (*name == '-');
    size_t n = strlen(digits);
    return n > 0 && n <= 18 && strspn(digits, "0123456789") == n && (*digits != '0' || strcmp(name, "0") == 0);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_value(const void *a, const void *b)
{
    long long x = strtoll(*(char *const *)a, NULL, 10), y = strtoll(*(char *const *)b, NULL, 10);
    return x < y ? -1 : x > y;
}

static int64_t without_repeats(char **sorted, int64_t n)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        if (kept == 0 || strcmp(sorted[kept - 1], sorted[i]) != 0) {
            sorted[kept++] = sorted[i];
        }
    }
    return kept;
}

/* Labels with copies of the names. */
static ae_labels *copies(char *const *names, int64_t n, ae_err *e)
{
    ae_labels *l = calloc(1, sizeof *l);
    char **own = calloc((size_t)n + 1, sizeof *own);
    if (!l || !own) {
        free(l);
        free(own);
        ae_err_set(e, AE_E_MEMORY, "labels: no memory for %lld names", (long long)n);
        return NULL;
    }
    l->names = own;
    for (; l->count < n; l->count++) {
        if (!(own[l->count] = strdup(names[l->count]))) {
            ae_err_set(e, AE_E_MEMORY, "labels: no memory for %lld names", (long long)n);
            ae_labels_free(l);
            return NULL;
        }
    }
    return l;
}

ae_labels *ae_labels_of(const ae_table *t, ae_err *e)
{
    if (!t->labelled || t->count == 0) {
        ae_err_set(e, AE_E_MISSING, "%s: the table was read without labels, so there are no classes", t->path);
        return NULL;
    }
    char **names = malloc((size_t)t->count * sizeof *names);
    if (!names) {
        ae_err_set(e, AE_E_MEMORY, "labels: no memory for those of %lld rows", (long long)t->count);
        return NULL;
    }
    for (int64_t i = 0; i < t->count; i++) {
        names[i] = (char *)t->rows[i].label; /* copied below */
    }
    qsort(names, (size_t)t->count, sizeof *names, by_bytes);
    int64_t n = without_repeats(names, t->count);
    bool integers = true;
    for (int64_t i = 0; i < n; i++) {
        integers = integers && is_integer(names[i]);
    }
    if (integers) {
        qsort(names, (size_t)n, sizeof *names, by_value);
    }
    ae_labels *l = copies(names, n, e);
    free(names);
    return l;
}

void ae_labels_free(ae_labels *l)
{
    if (!l) {
        return;
    }
    for (int64_t i = 0; i < l->count; i++) {
        free(l->names[i]);
    }
    free(l->names);
    free(l);
}

ae_json *ae_labels_json(const ae_labels *l)
{
    ae_json *array = ae_json_new_array();
    for (int64_t i = 0; array && i < l->count; i++) {
        ae_json_add(array, NULL, ae_json_new_string(l->names[i]));
    }
    return array;
}

ae_labels *ae_labels_from_json(const ae_json *j, ae_err *e)
{
    int n = ae_json_count(j);
    if (ae_json_type_of(j) != AE_JSON_ARRAY || n == 0) {
        ae_err_set(e, AE_E_FORMAT, "labels: an array of at least one string is needed, not %s",
                   n == 0 && ae_json_type_of(j) == AE_JSON_ARRAY ? "an empty one"
                                                                 : ae_json_type_name(ae_json_type_of(j)));
        return NULL;
    }
    const char **names = calloc((size_t)n, sizeof *names);
    if (!names) {
        ae_err_set(e, AE_E_MEMORY, "labels: no memory for %d names", n);
        return NULL;
    }
    ae_labels *l = NULL;
    int i = 0, bad = 0;
    for (const ae_json *m = ae_json_first(j); m && !bad; m = ae_json_next(m)) {
        bad = ae_json_value_string(m, &names[i++], e);
    }
    if (bad) {
        ae_err_prefix(e, "labels: number %d", i - 1);
    } else {
        l = copies((char *const *)names, n, e);
    }
    /* Sorted, equal names are neighbours. */
    qsort(names, (size_t)(bad ? 0 : n), sizeof *names, by_bytes);
    for (i = 1; l && i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            ae_err_set(e, AE_E_FORMAT, "labels: the name \"%s\" stands twice", names[i]);
            ae_labels_free(l);
            l = NULL;
        }
    }
    free(names);
    return l;
}

int64_t ae_labels_find(const ae_labels *l, const char *name)
{
    for (int64_t i = 0; i < l->count; i++) {
        if (strcmp(l->names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}
