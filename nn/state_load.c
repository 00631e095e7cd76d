#include "nn/state.h"
#include "tensor/pool.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIXES = 32 };

/* How names of the model become names of the file beyond the rename table. */
typedef struct mode {
    enum { AS_IS, ADDED, REMOVED } kind;
    char prefix[64];
} mode;

/* One copy: a piece of a tensor of the file into a piece of a parameter. */
typedef struct job {
    int parameter;
    const ae_tensor *from;
    ae_rename row;
} job;

typedef struct loader {
    ae_model *m;
    const ae_tensors *from;
    const ae_load_options *options;
    ae_load_report *report;
    mode mode;
    job *jobs;
    int count, capacity;
    bool *used; /* by tensor of the file */
    ae_err *e;
} loader;

/* ---- lists of names ------------------------------------------------------------------------------------------------ */

static int add_name(ae_name_list *list, const char *name, ae_err *e)
{
    char **names = realloc(list->names, (size_t)(list->count + 1) * sizeof *names);
    char *copy = strdup(name);
    if (names) {
        list->names = names;
    }
    if (!names || !copy) {
        free(copy);
        return ae_err_set(e, AE_E_MEMORY, "load: no memory");
    }
    names[list->count++] = copy;
    return 0;
}

static void free_names(ae_name_list *list)
{
    for (int i = 0; i < list->count; i++) {
        free(list->names[i]);
    }
    free(list->names);
    *list = (ae_name_list){0};
}

void ae_load_report_free(ae_load_report *report)
{
    free_names(&report->missing);
    free_names(&report->unexpected);
    free_names(&report->mismatched);
}

/* ---- finding ------------------------------------------------------------------------------------------------------- */

/* The names of before PyTorch: LayerNorm.gamma for LayerNorm.weight, beta for bias. */
static ae_tensor *find_old(const ae_tensors *from, const char *name)
{
    char other[AE_NAME_MAX];
    if (ae_rename_apply(name, "*.weight", "*.gamma", other) || ae_rename_apply(name, "*.bias", "*.beta", other)) {
        return ae_tensors_get(from, other);
    }
    return NULL;
}

static ae_tensor *find_exact(const ae_tensors *from, const char *name)
{
    ae_tensor *t = ae_tensors_get(from, name);
    return t ? t : find_old(from, name);
}

static ae_tensor *find(const ae_tensors *from, const mode *how, const char *name)
{
    char other[AE_NAME_MAX];
    size_t n = strlen(how->prefix);
    if (how->kind == REMOVED && strncmp(name, how->prefix, n) == 0) {
        return find_exact(from, name + n);
    }
    if (how->kind == ADDED && strlen(name) + n < sizeof other) {
        memcpy(other, how->prefix, n);
        memcpy(other + n, name, strlen(name) + 1);
        ae_tensor *t = find_exact(from, other);
        if (t) {
            return t;
        }
    }
    return find_exact(from, name);
}

/* Whether every piece of one name of a parameter is there. */
static bool is_there(const loader *l, const mode *how, const char *name)
{
    ae_rename row;
    char file[AE_NAME_MAX];
    int k = 0;
    while (ae_rename_visit(&l->options->renames, name, k, &row, file)) {
        if (!find(l->from, how, file)) {
            return false;
        }
        k++;
    }
    return k > 0;
}

/* Name k of a parameter: the canonical one, then its aliases; NULL behind the last. */
static const char *name_of(const ae_model *m, int parameter, int k)
{
    return k == 0 ? ae_model_at(m, parameter).name : ae_model_alias(m, parameter, k - 1);
}

static const char *found_name(const loader *l, const mode *how, int parameter)
{
    const char *name;
    for (int k = 0; (name = name_of(l->m, parameter, k)) != NULL; k++) {
        if (is_there(l, how, name)) {
            return name;
        }
    }
    return NULL;
}

static int count_found(const loader *l, const mode *how)
{
    int n = 0;
    for (int i = 0; i < ae_model_count(l->m); i++) {
        n += found_name(l, how, i) != NULL;
    }
    return n;
}

/* ---- the base prefix ----------------------------------------------------------------------------------------------- */

static void add_prefix(mode *modes, int *n, int kind, const char *name)
{
    const char *dot = strchr(name, '.');
    size_t length = dot ? (size_t)(dot - name) + 1 : 0;
    if (length < 2 || length >= sizeof modes->prefix || *n == PREFIXES) {
        return;
    }
    for (int i = 0; i < *n; i++) {
        if ((int)modes[i].kind == kind && strncmp(modes[i].prefix, name, length) == 0 && !modes[i].prefix[length]) {
            return;
        }
    }
    mode *new_mode = &modes[(*n)++];
    memset(new_mode, 0, sizeof *new_mode);
    memcpy(new_mode->prefix, name, length);
    new_mode->kind = kind == ADDED ? ADDED : REMOVED;
}

/* Every first component of a name of the file could have been added, every one of the model be missing there. The first
 * that finds most wins, and "as it is" wins a draw. */
static void choose_mode(loader *l)
{
    mode modes[PREFIXES];
    int n = 0;
    int best = count_found(l, &l->mode);
    for (int i = 0; i < ae_model_count(l->m) && best < ae_model_count(l->m); i++) {
        add_prefix(modes, &n, REMOVED, ae_model_at(l->m, i).name);
    }
    for (int i = 0; i < ae_tensors_count(l->from) && best < ae_model_count(l->m); i++) {
        add_prefix(modes, &n, ADDED, ae_tensors_name(l->from, i));
    }
    for (int i = 0; i < n; i++) {
        int found = count_found(l, &modes[i]);
        if (found > best) {
            best = found;
            l->mode = modes[i];
        }
    }
    memcpy(l->report->prefix, l->mode.prefix, sizeof l->report->prefix);
    l->report->prefix_added = l->mode.kind == ADDED;
}

/* ---- planning ------------------------------------------------------------------------------------------------------ */

static void mark_used(loader *l, const ae_tensor *t)
{
    for (int i = 0; i < ae_tensors_count(l->from); i++) {
        if (ae_tensors_at(l->from, i) == t) {
            l->used[i] = true;
        }
    }
}

static int add_job(loader *l, int parameter, const ae_tensor *from, const ae_rename *row)
{
    if (l->count == l->capacity) {
        int capacity = l->capacity * 2 + 64;
        job *jobs = realloc(l->jobs, (size_t)capacity * sizeof *jobs);
        if (!jobs) {
            return ae_err_set(l->e, AE_E_MEMORY, "load: no memory");
        }
        l->jobs = jobs;
        l->capacity = capacity;
    }
    l->jobs[l->count++] = (job){parameter, from, *row};
    return 0;
}

/* 1 when the two sides of a job fit, 0 with a line in the report when they do not, -1 without memory. */
static int fits(loader *l, const job *j)
{
    char a[AE_SHAPE_TEXT_MAX];
    char b[AE_SHAPE_TEXT_MAX];
    char text[AE_ERR_MESSAGE_MAX];
    ae_err e = {0};
    ae_tensor from;
    ae_tensor to;
    const ae_param_info p = ae_model_at(l->m, j->parameter);
    if (ae_piece_view(j->from, j->row.transpose, j->row.axis, j->row.file_piece, &from, &e) != 0 ||
        ae_piece_view(p.tensor, false, j->row.axis, j->row.model_piece, &to, &e) != 0) {
        snprintf(text, sizeof text, "%s: %s", p.name, e.message);
    } else if (ae_dtype_is_float(from.dtype) != ae_dtype_is_float(to.dtype)) {
        snprintf(text, sizeof text, "%s: %s in the file, %s in the model", p.name, ae_dtype_name(from.dtype),
                 ae_dtype_name(to.dtype));
    } else if (!ae_same_shape(&from, &to)) {
        snprintf(text, sizeof text, "%s: %s in the file, %s in the model", p.name,
                 ae_shape_text(from.ndim, from.shape, a), ae_shape_text(to.ndim, to.shape, b));
    } else {
        return 1;
    }
    return add_name(&l->report->mismatched, text, l->e);
}

static int plan_one(loader *l, int parameter)
{
    const char *name = found_name(l, &l->mode, parameter);
    const char *canonical = ae_model_at(l->m, parameter).name;
    ae_rename row;
    char file[AE_NAME_MAX];
    if (!name) {
        bool may = l->options->optional && ae_name_matches(canonical, l->options->optional);
        return may ? 0 : add_name(&l->report->missing, canonical, l->e);
    }
    int first = l->count;
    int good = 1;
    for (int k = 0; ae_rename_visit(&l->options->renames, name, k, &row, file) && good > 0; k++) {
        if (add_job(l, parameter, find(l->from, &l->mode, file), &row) != 0) {
            return -1;
        }
        good = fits(l, &l->jobs[l->count - 1]);
    }
    if (good < 1) {
        l->count = first;
    }
    l->report->loaded += good == 1;
    for (int n = 0; (name = name_of(l->m, parameter, n)) != NULL; n++) {
        for (int k = 0; ae_rename_visit(&l->options->renames, name, k, &row, file); k++) {
            mark_used(l, find(l->from, &l->mode, file));
        }
    }
    return good < 0 ? -1 : 0;
}

static int plan(loader *l)
{
    choose_mode(l);
    for (int i = 0; i < ae_model_count(l->m); i++) {
        if (plan_one(l, i) != 0) {
            return -1;
        }
    }
    for (int i = 0; i < ae_tensors_count(l->from); i++) {
        const char *name = ae_tensors_name(l->from, i);
        bool ignored = l->options->ignore && ae_name_matches(name, l->options->ignore);
        if (!l->used[i] && !ignored && add_name(&l->report->unexpected, name, l->e) != 0) {
            return -1;
        }
    }
    return 0;
}

/* "12 missing (a, b, c, ...)" appended to text. */
static void tell(char *text, size_t size, const ae_name_list *list, const char *what)
{
    size_t used = strlen(text);
    if (list->count == 0) {
        return;
    }
    used += (size_t)snprintf(text + used, size - used, "%s%d %s (", used ? "; " : "", list->count, what);
    for (int i = 0; i < list->count && i < 3 && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", list->names[i]);
    }
    if (used < size) {
        snprintf(text + used, size - used, "%s)", list->count > 3 ? ", ..." : "");
    }
}

static int judge(loader *l)
{
    char text[AE_ERR_MESSAGE_MAX - 128] = "";
    const ae_load_report *r = l->report;
    if (l->options->lenient || r->missing.count + r->unexpected.count + r->mismatched.count == 0) {
        return 0;
    }
    tell(text, sizeof text, &r->missing, "of the model are missing");
    tell(text, sizeof text, &r->unexpected, "of the file are unexpected");
    tell(text, sizeof text, &r->mismatched, "do not fit");
    ae_code code = r->mismatched.count > 0 ? AE_E_SHAPE : r->missing.count > 0 ? AE_E_MISSING : AE_E_UNEXPECTED;
    return ae_err_set(l->e, code, "load: %s; is it the same model and configuration?", text);
}

/* ---- copying ------------------------------------------------------------------------------------------------------- */

static bool may_adopt(const loader *l, int i, const ae_tensor *p)
{
    const job *j = &l->jobs[i];
    bool whole = !j->row.transpose && j->row.file_piece.of == 0 && j->row.model_piece.of == 0;
    for (int k = 0; k < i; k++) {
        if (l->jobs[k].from == j->from) {
            return false; /* two parameters must not share what training changes */
        }
    }
    return l->options->adopt && whole && j->from->dtype == p->dtype && ae_is_contiguous(j->from) && j->from->storage;
}

static void adopt(ae_tensor *p, const ae_tensor *from)
{
    size_t offset = (size_t)((const char *)from->data - (const char *)ae_storage_data(from->storage));
    ae_storage_hold(from->storage);
    ae_storage_drop(p->storage);
    ae_tensor_attach(p, from->storage, offset);
}

static int run(loader *l)
{
    for (int i = 0; i < l->count; i++) {
        const job *j = &l->jobs[i];
        ae_tensor *p = ae_model_at(l->m, j->parameter).tensor;
        ae_tensor from;
        ae_tensor to;
        if (may_adopt(l, i, p)) {
            adopt(p, j->from);
        } else if (ae_piece_view(j->from, j->row.transpose, j->row.axis, j->row.file_piece, &from, l->e) != 0 ||
                   ae_piece_view(p, false, j->row.axis, j->row.model_piece, &to, l->e) != 0 ||
                   ae_tensor_copy(&to, &from, l->e) != 0) {
            return -1;
        }
        ae_param_touch(p);
        ae_model_mark_filled(l->m, j->parameter);
    }
    return 0;
}

int ae_model_load(ae_model *m, const ae_tensors *from, const ae_load_options *options, ae_load_report *report,
                  ae_err *e)
{
    static const ae_load_options strict = {0};
    ae_load_report own = {0};
    ae_err first = {0};
    loader l = {.m = m, .from = from, .options = options ? options : &strict, .report = &own, .e = &first};
    if (!ae_model_ok(m)) {
        return ae_err_set(e, ae_model_error(m)->code, "%s", ae_model_error(m)->message);
    }
    l.used = calloc((size_t)ae_tensors_count(from) + 1, sizeof *l.used);
    if (!l.used) {
        return ae_err_set(e, AE_E_MEMORY, "load: no memory");
    }
    int status = plan(&l);
    status = status == 0 ? judge(&l) : status;
    status = status == 0 ? run(&l) : status;
    if (status == 0) {
        ae_model_fill(m);
    }
    free(l.jobs);
    free(l.used);
    if (report) {
        *report = own;
    } else {
        ae_load_report_free(&own);
    }
    return status == 0 ? 0 : ae_err_set(e, first.code, "%s", first.message);
}
