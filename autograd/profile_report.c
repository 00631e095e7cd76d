/* What a profile saw: a table, JSON, and the events for a browser's tracing page. */
#include "autograd/profile_internal.h"
#include "tensor/atomic_file.h"
#include "tensor/byte_buffer.h"

#include <stdlib.h>
#include <string.h>

enum { FLUSH_BYTES = 1 << 16, BYTES_TEXT = 24 };

const char *profile_thread_name(const ae_profile *p, int thread, char room[PROFILE_NAME])
{
    if (p->threads[thread].name[0]) {
        return p->threads[thread].name;
    }
    snprintf(room, PROFILE_NAME, thread == 0 ? "main" : "thread %d", thread);
    return room;
}

static int dearest_first(const void *a, const void *b)
{
    const ae_profile_row *x = a, *y = b;
    if (x->thread != y->thread) {
        return x->thread < y->thread ? -1 : 1;
    }
    if (x->self > y->self || x->self < y->self) {
        return x->self > y->self ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

int profile_sorted(const ae_profile *p, ae_profile_row *rows)
{
    int n = p->row_count;
    for (int i = 0; i < n; i++) {
        rows[i] = ae_profile_at(p, i);
    }
    qsort(rows, (size_t)n, sizeof *rows, dearest_first);
    return n;
}

/* The part of its thread's time that a row took itself. */
static double share(const ae_profile *p, const ae_profile_row *row)
{
    double all = ae_profile_seconds(p, row->thread);
    return all > 0 ? row->self / all : 0;
}

/* ---- the table ------------------------------------------------------------------------------------------------------- */

static const char *bytes_text(int64_t bytes, char text[BYTES_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1000 && unit < 4; unit++) {
        value /= 1024;
    }
    snprintf(text, BYTES_TEXT, "%.*f %s", unit > 0, value, units[unit]);
    return bytes == 0 ? "-" : text;
}

static void print_head(const ae_profile *p, FILE *out, int thread)
{
    char room[PROFILE_NAME];
    fprintf(out, "%s%s: %.3f s\n", thread == 0 ? "profile of " : "on the thread ", profile_thread_name(p, thread, room),
            ae_profile_seconds(p, thread));
    fprintf(out, "%-32s %-11s %9s %10s %10s %7s %11s %11s\n", "what", "pass", "count", "total ms", "self ms", "share",
            "made", "saved");
}

int ae_profile_print(const ae_profile *p, FILE *out)
{
    ae_profile_row *rows = calloc(PROFILE_ROWS, sizeof *rows);
    if (!rows) {
        return -1;
    }
    int n = profile_sorted(p, rows), thread = -1;
    for (int i = 0; i < n; i++) {
        const ae_profile_row *r = &rows[i];
        char made[BYTES_TEXT], saved[BYTES_TEXT];
        if (r->thread != thread) {
            thread = r->thread;
            print_head(p, out, thread);
        }
        fprintf(out, "%-32s %-11s %9lld %10.3f %10.3f %5.1f %% %11s %11s\n", r->name, ae_span_kind_name(r->kind),
                (long long)r->count, 1e3 * r->total, 1e3 * r->self, 100 * share(p, r), bytes_text(r->made, made),
                bytes_text(r->saved, saved));
    }
    free(rows);
    return ferror(out) ? -1 : 0;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------ */

static ae_json *row_json(const ae_profile *p, const ae_profile_row *r)
{
    char room[PROFILE_NAME];
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "name", r->name);
    ae_json_set_string(o, "pass", ae_span_kind_name(r->kind));
    ae_json_set_string(o, "thread", profile_thread_name(p, r->thread, room));
    ae_json_set_int(o, "count", r->count);
    ae_json_set_double(o, "total_s", r->total);
    ae_json_set_double(o, "self_s", r->self);
    ae_json_set_double(o, "share", share(p, r));
    ae_json_set_int(o, "made_bytes", r->made);
    ae_json_set_int(o, "saved_bytes", r->saved);
    return o;
}

ae_json *ae_profile_json(const ae_profile *p)
{
    ae_profile_row *sorted = calloc(PROFILE_ROWS, sizeof *sorted);
    ae_json *o = ae_json_new_object(), *rows = ae_json_new_array();
    if (!sorted || !o || !rows) {
        free(sorted);
        ae_json_free(o);
        ae_json_free(rows);
        return NULL;
    }
    int n = profile_sorted(p, sorted);
    for (int i = 0; i < n; i++) {
        ae_json_add(rows, NULL, row_json(p, &sorted[i]));
    }
    ae_json_set_double(o, "seconds", ae_profile_seconds(p, 0));
    ae_json_set_int(o, "events", p->event_count);
    ae_json_set_int(o, "dropped", p->dropped);
    ae_json_set(o, "rows", rows);
    free(sorted);
    return o;
}

/* ---- the trace ------------------------------------------------------------------------------------------------------- */

/* The text of a name as JSON, quotes included; NULL without memory. */
static char *quoted(const char *name, ae_err *e)
{
    ae_json *j = ae_json_new_string(name);
    char *text = j ? ae_json_text(j, false, e) : NULL;
    ae_json_free(j);
    if (!text) {
        ae_err_set(e, AE_E_MEMORY, "profile: no memory for the trace");
    }
    return text;
}

/* The names of all rows as JSON. */
static char **row_names(const ae_profile *p, ae_err *e)
{
    char **names = calloc(PROFILE_ROWS, sizeof *names);
    if (!names) {
        ae_err_set(e, AE_E_MEMORY, "profile: no memory for the trace");
    }
    for (int i = 0; names && i < p->row_count && !e->code; i++) {
        names[i] = quoted(p->rows[i].name, e);
    }
    return names;
}

static void add_head(const ae_profile *p, ae_bytes *b, ae_err *e)
{
    ae_bytes_printf(b,
                    "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"aesop\":\"%s\",\"dropped\":%lld},\"traceEvents\":[",
                    ae_version(), (long long)p->dropped);
    for (int i = 0; i < p->thread_count && !e->code; i++) {
        char room[PROFILE_NAME], *name = quoted(profile_thread_name(p, i, room), e);
        ae_bytes_printf(b, "%s{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\",\"args\":{\"name\":%s}}",
                        i ? ",\n" : "", i + 1, name ? name : "\"\"");
        free(name);
    }
}

/* In digits alone: a locale of the host program may have another decimal point. */
static void add_microseconds(ae_bytes *b, int64_t ns)
{
    ae_bytes_printf(b, "%lld.%03d", (long long)(ns / 1000), (int)(ns % 1000));
}

static void add_event(const ae_profile *p, ae_bytes *b, const span_event *v, const char *name)
{
    const span_row *row = &p->rows[v->row];
    ae_bytes_printf(b, ",\n{\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"name\":%s,\"cat\":\"%s\",\"ts\":", row->thread + 1,
                    name, ae_span_kind_name(row->kind));
    add_microseconds(b, v->start - p->began);
    ae_bytes_add_text(b, ",\"dur\":");
    add_microseconds(b, v->length);
    if (v->made || v->saved) {
        ae_bytes_printf(b, ",\"args\":{\"made\":%lld,\"saved\":%lld}", (long long)v->made, (long long)v->saved);
    }
    ae_bytes_u8(b, '}');
}

static int flush(ae_atomic_file *f, ae_bytes *b, ae_err *e)
{
    if (b->failed) {
        return ae_err_set(e, AE_E_MEMORY, "profile: no memory for the trace");
    }
    int status = ae_atomic_write(f, b->data, b->length, e);
    b->length = 0;
    return status;
}

static int write_events(const ae_profile *p, ae_atomic_file *f, char *const *names, ae_err *e)
{
    ae_bytes b = {0};
    add_head(p, &b, e);
    int status = e->code ? -1 : 0;
    for (int64_t i = 0; i < p->event_count && status == 0; i++) {
        if (p->events[i].length >= 0) {
            add_event(p, &b, &p->events[i], names[p->events[i].row]);
        }
        status = b.length > FLUSH_BYTES ? flush(f, &b, e) : 0;
    }
    ae_bytes_add_text(&b, "]}\n");
    status = status == 0 ? flush(f, &b, e) : status;
    ae_bytes_free(&b);
    return status;
}

int ae_profile_write_trace(const ae_profile *p, const char *path, ae_err *e)
{
    ae_err own = {0};
    char **names = row_names(p, &own);
    ae_atomic_file *f = own.code ? NULL : ae_atomic_open(path, &own);
    int status = f ? write_events(p, f, names, &own) : -1;
    if (status == 0) {
        status = ae_atomic_commit(f, &own);
    } else {
        ae_atomic_abort(f);
    }
    for (int i = 0; names && i < PROFILE_ROWS; i++) {
        free(names[i]);
    }
    free(names);
    return status == 0 ? 0 : ae_err_set(e, own.code, "%s", own.message);
}
