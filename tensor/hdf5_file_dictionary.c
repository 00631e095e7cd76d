/* Whole dictionaries in HDF5 files: walking groups, and every tensor below one. */
#include "tensor/hdf5_file_handle.h"

#include <stdio.h>
#include <string.h>

enum {
    DEEPEST = 64,          /* groups below groups */
    MOST_OBJECTS = 4000000 /* in one walk: hard links can make a small file endless */
};

/* ---- walking ----------------------------------------------------------------------------------------------------- */

typedef struct walk {
    ae_h5 *f;
    char joint;
    int depth;
    int objects;
    char path[AE_H5_LONGEST_NAME]; /* of the group being walked, in the file; "" for the root */
    size_t skip;                   /* how much of the path stands before the names */
    ae_tensors *tensors;
    ae_json *members; /* instead of tensors: only the group itself */
    ae_err *e;
    bool failed;
} walk;

static int walk_group(walk *w);

static bool holds_text(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    bool text = type >= 0 && H5Tget_class(type) == H5T_STRING;
    ae_h5_drop(type);
    return text;
}

static int add_found(walk *w)
{
    ae_tensor *t = ae_h5_load_tensor(w->f, w->path, w->e);
    if (!t) {
        return -1;
    }
    char name[AE_H5_LONGEST_NAME];
    snprintf(name, sizeof name, "%s", w->path + w->skip);
    for (char *c = name; *c; c++) {
        *c = *c == '/' ? w->joint : *c;
    }
    return ae_tensors_add(w->tensors, name, t, w->e);
}

static int visit(walk *w, hid_t object, const char *name)
{
    H5I_type_t kind = H5Iget_type(object);
    if (w->members) {
        const char *what = kind == H5I_GROUP     ? "group"
                           : kind != H5I_DATASET ? "other"
                           : holds_text(object)  ? "text"
                                                 : "tensor";
        return ae_json_add(w->members, name, ae_json_new_string(what));
    }
    if (kind == H5I_GROUP) {
        return walk_group(w);
    }
    return kind == H5I_DATASET && !holds_text(object) ? add_found(w) : 0;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *arg)
{
    walk *w = arg;
    size_t before = strlen(w->path), more = strlen(name);
    if (info->type != H5L_TYPE_HARD) {
        return 0;
    }
    if (before + more + 2 > sizeof w->path || ++w->objects > MOST_OBJECTS) {
        w->failed = true;
        ae_err_set(w->e, AE_E_FORMAT, "%s: names too long or too many below %.200s", w->f->path, w->path);
        return -1;
    }
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0) {
        w->failed = true;
        return ae_h5_fail(w->f, AE_E_IO, w->e, "%.200s/%.200s cannot be opened", w->path, name);
    }
    snprintf(w->path + before, sizeof w->path - before, "%s%s", before ? "/" : "", name);
    int result = visit(w, object, name);
    w->path[before] = '\0';
    w->failed = w->failed || result != 0;
    ae_h5_drop(object);
    return result;
}

/* Walks the group at w->path in the order of creation where the file keeps it, else by name. */
static int walk_group(walk *w)
{
    if (++w->depth > DEEPEST) {
        return ae_err_set(w->e, AE_E_FORMAT, "%s: groups nested deeper than %d", w->f->path, DEEPEST);
    }
    hid_t group = H5Gopen2(w->f->file, w->path[0] ? w->path : "/", H5P_DEFAULT);
    hid_t p = group >= 0 ? H5Gget_create_plist(group) : -1;
    unsigned order = 0;
    if (p >= 0) {
        H5Pget_link_creation_order(p, &order);
    }
    H5_index_t index = order & H5P_CRT_ORDER_INDEXED ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
    herr_t result = group >= 0 ? H5Literate(group, index, H5_ITER_INC, NULL, visit_link, w) : -1;
    if (result < 0 && !w->failed) {
        ae_h5_fail(w->f, AE_E_IO, w->e, "the group %.200s cannot be read", w->path[0] ? w->path : "/");
    }
    ae_h5_drop(p);
    ae_h5_drop(group);
    w->depth--;
    return result < 0 ? -1 : 0;
}

/* Prepares a walk of a group by its name; NULL and "/" are the file. */
static int begin_walk(walk *w, const char *group)
{
    while (group && group[0] == '/') {
        group++;
    }
    size_t n = group ? strlen(group) : 0;
    if (n > 0) {
        hid_t object = ae_h5_open_object(w->f, group, w->e);
        bool is_group = object >= 0 && H5Iget_type(object) == H5I_GROUP;
        ae_h5_drop(object);
        if (object >= 0 && !is_group) {
            ae_err_set(w->e, AE_E_FORMAT, "%s: %.200s is no group", w->f->path, group);
        }
        if (!is_group) {
            return -1;
        }
        memcpy(w->path, group, n + 1);
        w->skip = n + 1;
    }
    return walk_group(w);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static ae_tensors *read_tensors(ae_h5 *f, const char *group, char joint, ae_err *e)
{
    walk w = {.f = f, .joint = joint, .e = e, .tensors = ae_tensors_new()};
    if (!w.tensors) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for its tensors", f->path);
        return NULL;
    }
    if (begin_walk(&w, group) != 0) {
        ae_tensors_free(w.tensors);
        return NULL;
    }
    return w.tensors;
}

ae_tensors *ae_h5_read_tensors(ae_h5 *f, const char *group, char joint, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    ae_tensors *tensors = read_tensors(f, group, joint, e);
    ae_h5_leave(g);
    return tensors;
}

ae_tensors *ae_hdf5_read(const char *path, const char *group, char joint, ae_err *e)
{
    ae_h5 *f = ae_h5_open(path, e);
    ae_tensors *tensors = f ? ae_h5_read_tensors(f, group, joint, e) : NULL;
    ae_h5_close(f);
    return tensors;
}

ae_json *ae_h5_members(ae_h5 *f, const char *group, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    walk w = {.f = f, .e = e, .members = ae_json_new_object()};
    if (!w.members) {
        ae_err_set(e, AE_E_MEMORY, "%s: no memory for its members", f->path);
    } else if (begin_walk(&w, group) != 0) {
        ae_json_free(w.members);
        w.members = NULL;
    }
    ae_h5_leave(g);
    return w.members;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int write_tensors(ae_h5 *f, const char *group, const ae_tensors *tensors, bool dots_are_groups, ae_err *e)
{
    char name[AE_H5_LONGEST_NAME];
    for (int i = 0; i < ae_tensors_count(tensors); i++) {
        int n =
            snprintf(name, sizeof name, "%s%s%s", group ? group : "", group ? "/" : "", ae_tensors_name(tensors, i));
        if (n < 0 || n >= (int)sizeof name) {
            f->failed = true;
            return ae_err_set(e, AE_E_VALUE, "%s: the name of tensor %d is too long", f->path, i);
        }
        for (char *c = name; dots_are_groups && *c; c++) {
            *c = *c == '.' ? '/' : *c;
        }
        if (ae_h5_store_tensor(f, name, ae_tensors_at(tensors, i), e) != 0) {
            return -1;
        }
    }
    return 0;
}

int ae_h5_write_tensors(ae_h5 *f, const char *group, const ae_tensors *tensors, ae_err *e)
{
    ae_h5_guard g = ae_h5_enter();
    int result = write_tensors(f, group, tensors, false, e);
    ae_h5_leave(g);
    return result;
}

int ae_hdf5_write(const char *path, const ae_tensors *tensors, bool dots_are_groups, ae_err *e)
{
    ae_h5 *f = ae_h5_create(path, e);
    if (!f) {
        return -1;
    }
    ae_h5_guard g = ae_h5_enter();
    int result = write_tensors(f, NULL, tensors, dots_are_groups, e);
    ae_h5_leave(g);
    if (result != 0) {
        ae_h5_close(f);
        return -1;
    }
    return ae_h5_commit(f, e);
}
