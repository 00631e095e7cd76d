#include "apps/requirement.h"

#include "tensor/nearest_name.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 64 };

void ae_results_add(ae_results *r, const char *name, double value, bool falls)
{
    if (r->count < AE_RESULTS_MOST) {
        r->all[r->count++] = (ae_result){name, value, falls};
    }
}

static const char *long_name(const char *name)
{
    static const char *const names[][2] = {{"acc", "accuracy"},      {"f1", "macro_f1"},
                                           {"mcc", "matthews"},      {"ppl", "perplexity"},
                                           {"bpb", "bits_per_byte"}, {"bpc", "bits_per_character"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return name;
}

/* Takes "NAME=X" apart. */
static int parse(ae_run *run, const char *text, char name[NAME_BYTES], double *bound)
{
    const char *equals = strchr(text, '=');
    char *end = NULL;
    size_t length = equals ? (size_t)(equals - text) : 0;
    *bound = equals ? strtod(equals + 1, &end) : (double)NAN;
    if (length == 0 || length >= NAME_BYTES || end == equals + 1 || *end || !isfinite(*bound)) {
        return ae_err_set(&run->error, AE_E_VALUE, "--require %s: NAME=X is wanted, as in accuracy=0.88", text);
    }
    memcpy(name, text, length);
    name[length] = '\0';
    for (char *c = name; *c; c++) {
        *c = *c == '-' ? '_' : *c;
    }
    const char *whole = long_name(name);
    if (whole != name) {
        snprintf(name, NAME_BYTES, "%s", whole);
    }
    return 0;
}

int ae_requirements_check(ae_run *run, const char *const *names)
{
    char name[NAME_BYTES];
    double bound;
    int n = 0;
    while (names[n]) {
        n++;
    }
    for (int i = 0; i < ae_options_count(run->options, "require"); i++) {
        if (parse(run, ae_options_nth(run->options, "require", i), name, &bound) != 0) {
            return -1;
        }
        bool known = false;
        for (int k = 0; k < n; k++) {
            known = known || strcmp(names[k], name) == 0;
        }
        if (!known) {
            const char *nearest = ae_nearest_name(name, names, n);
            return ae_err_set(&run->error, AE_E_VALUE, "--require %s: no result here is called so; %s%s%s", name,
                              nearest ? "did you mean " : "there is ", nearest ? nearest : names[0],
                              nearest ? "?" : ", among others");
        }
    }
    return 0;
}

void ae_results_print(ae_run *run, const ae_results *r)
{
    char text[32];
    for (int i = 0; i < r->count && !run->json; i++) {
        snprintf(text, sizeof text, "%.4f", r->all[i].value);
        fprintf(run->out, "%-24s %s\n", r->all[i].name, isnan(r->all[i].value) ? "-" : text);
    }
}

void ae_results_json(const ae_results *r, ae_json *object)
{
    for (int i = 0; i < r->count; i++) {
        ae_json_set_double(object, r->all[i].name, r->all[i].value);
    }
}

static const ae_result *find(const ae_results *r, const char *name)
{
    for (int i = 0; i < r->count; i++) {
        if (strcmp(r->all[i].name, name) == 0) {
            return &r->all[i];
        }
    }
    return NULL;
}

int ae_requirements_verdict(ae_run *run, const ae_results *r)
{
    int status = AE_EXIT_DONE;
    char name[NAME_BYTES];
    double bound;
    for (int i = 0; i < ae_options_count(run->options, "require"); i++) {
        if (parse(run, ae_options_nth(run->options, "require", i), name, &bound) != 0) {
            return -1;
        }
        const ae_result *x = find(r, name);
        bool met = x && (x->falls ? x->value <= bound : x->value >= bound);
        if (!met) {
            fprintf(run->log, "required: %s %s %g; it is %.6g\n", name, x && x->falls ? "at most" : "at least", bound,
                    x ? x->value : (double)NAN);
            status = AE_EXIT_NO;
        }
    }
    return status;
}
