#include "apps/profiling.h"

#include <stdlib.h>
#include <unistd.h>

/* Events of 40 bytes; a trace of so many is some 30 MB, which a browser still opens. */
enum { MOST_EVENTS = 1 << 18 };

/* The file of the trace; NULL when the table alone is wanted. */
static const char *trace_path(const ae_run *run)
{
    const char *text = ae_options_text(run->options, "profile");
    return text && text[0] ? text : NULL;
}

int ae_profiling_begin(ae_run *run)
{
    if (!ae_options_has(run->options, "profile") || ae_options_origin(run->options, "profile") == AE_ORIGIN_NONE) {
        return 0;
    }
    const char *path = trace_path(run);
    bool force = ae_options_has(run->options, "force") && ae_options_flag(run->options, "force");
    if (path && !force && access(path, F_OK) == 0) {
        return ae_err_set(&run->error, AE_E_UNEXPECTED, "--profile: %s exists; name another file", path);
    }
    run->profile = ae_profile_new(path ? MOST_EVENTS : 0, &run->error);
    if (!run->profile) {
        return -1;
    }
    run->profile_span = ae_profile_begin(run->profile, run->command->name);
    return 0;
}

static int print(ae_run *run)
{
    if (!run->json) {
        return ae_profile_print(run->profile, run->log);
    }
    ae_json *o = ae_json_new_object();
    ae_json_set_int(o, "schema", 1);
    ae_json_set(o, "profile", ae_profile_json(run->profile));
    char *text = o ? ae_json_text(o, false, &run->error) : NULL;
    int status = text ? fprintf(run->log, "%s\n", text) : -1;
    ae_json_free(o);
    free(text);
    return status < 0 ? -1 : 0;
}

static int report(ae_run *run)
{
    const char *path = trace_path(run);
    if (print(run) != 0) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for the profile");
    }
    if (!path) {
        return 0;
    }
    if (ae_profile_write_trace(run->profile, path, &run->error) != 0) {
        return -1;
    }
    if (!run->json) {
        fprintf(run->log, "%s: %lld events", path, (long long)ae_profile_events(run->profile));
        if (ae_profile_dropped(run->profile) > 0) {
            fprintf(run->log, "; %lld later ones found no room and stand in the table only",
                    (long long)ae_profile_dropped(run->profile));
        }
        fprintf(run->log, "; chrome://tracing and ui.perfetto.dev show it\n");
    }
    return 0;
}

int ae_profiling_end(ae_run *run, int status)
{
    if (!run->profile) {
        return status;
    }
    ae_profile_end(run->profile, run->profile_span);
    if (status >= 0 && report(run) != 0) {
        status = -1;
    }
    ae_profile_free(run->profile);
    run->profile = NULL;
    return status;
}

/* ---- the making of batches ------------------------------------------------------------------------------------------- */

typedef struct profiled {
    ae_dataset base;
    const ae_dataset *inner;
    ae_profile *profile;
} profiled;

static int64_t length(const ae_dataset *d, int64_t i)
{
    const ae_dataset *inner = ((const profiled *)d)->inner;
    return inner->length(inner, i);
}

static ae_tensors *collate(const ae_dataset *d, const int64_t *examples, int64_t n, const ae_collate *how, ae_err *e)
{
    const profiled *x = (const profiled *)d;
    ae_profile_name_thread(x->profile, "read ahead");
    int64_t span = ae_profile_begin(x->profile, "make a batch");
    ae_tensors *batch = x->inner->collate(x->inner, examples, n, how, e);
    ae_profile_end(x->profile, span);
    return batch;
}

static void free_profiled(ae_dataset *d)
{
    free(d);
}

ae_dataset *ae_profiled_dataset(const ae_dataset *d, ae_profile *p, ae_err *e)
{
    profiled *x = malloc(sizeof *x);
    if (!x) {
        ae_err_set(e, AE_E_MEMORY, "no memory for the profile");
        return NULL;
    }
    *x = (profiled){.base = *d, .inner = d, .profile = p};
    x->base.length = length;
    x->base.collate = collate;
    x->base.free = free_profiled;
    return &x->base;
}
