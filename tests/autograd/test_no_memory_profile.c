/* A profiled step, its table, its JSON and its trace while allocations fail, each in turn, alone or with all that
 * follow: an error of memory or the same result, and nothing left behind. */
#include "memory_scenarios.h"

#include "autograd/ops.h"
#include "autograd/profile.h"

#include <stdio.h>
#include <unistd.h>

#define TRACE "no_memory_profile.json"

static int report(const ae_profile *p, uint64_t *result, ae_err *e)
{
    FILE *out = fopen("/dev/null", "w");
    int printed = out ? ae_profile_print(p, out) : -1;
    if (out) {
        fclose(out);
    }
    ae_json *o = printed == 0 ? ae_profile_json(p) : NULL;
    char *text = o ? ae_json_text(o, false, e) : NULL;
    ae_json_free(o);
    free(text);
    if (!text) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the report");
    }
    *result = (uint64_t)ae_profile_count(p) * 100 + (uint64_t)ae_profile_events(p);
    return ae_profile_write_trace(p, TRACE, e);
}

static int profiled_step(const void *self, uint64_t *result, ae_err *e)
{
    (void)self;
    ae_graph *g = ae_graph_new();
    ae_profile *p = g ? ae_profile_new(50, e) : NULL;
    int status = p ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for a profile");
    if (status == 0) {
        ae_graph_profile(g, p);
        ae_graph_begin(g, AE_TRAIN);
        ae_frame f = ae_frame_open(g);
        ae_tensor *x = ae_requires_grad(g, ae_full(g, AE_F32, 1, (int64_t[]){8}, 0.5));
        ae_tensor *y = ae_frame_return(f, ae_sum(g, ae_mul(g, ae_tanh(g, x), x), 0, NULL, false));
        status =
            ae_backward(g, y, 0) == 0 ? 0 : ae_err_set(e, ae_graph_error(g)->code, "%s", ae_graph_error(g)->message);
    }
    status = status == 0 ? report(p, result, e) : status;
    ae_graph_free(g);
    ae_profile_free(p);
    unlink(TRACE);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    memory_every_failure("a profiled step", profiled_step, NULL, 400, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
