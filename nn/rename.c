#include "nn/rename.h"

#include <string.h>

enum { STARS = 8 };

typedef struct capture {
    const char *text;
    size_t length;
} capture;

/* Matches name against pattern; capture k is what the k-th star stands for. The shortest text is tried first. */
static bool match(const char *name, const char *pattern, capture *captures, int k)
{
    while (*pattern && *pattern != '*') {
        if (*name++ != *pattern++) {
            return false;
        }
    }
    if (!*pattern) {
        return !*name;
    }
    for (size_t n = 0; k < STARS; n++) {
        captures[k] = (capture){name, n};
        if (match(name + n, pattern + 1, captures, k + 1)) {
            return true;
        }
        if (!name[n]) {
            return false;
        }
    }
    return false;
}

bool ae_rename_apply(const char *name, const char *from, const char *to, char out[AE_NAME_MAX])
{
    capture captures[STARS] = {{0}};
    size_t used = 0;
    int k = 0;
    if (!match(name, from, captures, 0)) {
        return false;
    }
    for (; *to; to++) {
        bool star = *to == '*' && k < STARS;
        const char *text = star ? captures[k].text : to;
        size_t n = star ? captures[k].length : 1;
        k += star;
        if (used + n >= AE_NAME_MAX) {
            return false;
        }
        if (n > 0) {
            memcpy(out + used, text, n);
        }
        used += n;
    }
    out[used] = '\0';
    return true;
}

bool ae_rename_visit(const ae_rename_table *table, const char *name, int k, ae_rename *row, char file[AE_NAME_MAX])
{
    const char *pattern = NULL;
    int seen = 0;
    for (int i = 0; table && i < table->count; i++) {
        const ae_rename *r = &table->rows[i];
        if (pattern ? strcmp(pattern, r->model) != 0 : !ae_rename_apply(name, r->model, r->file, file)) {
            continue;
        }
        pattern = r->model;
        if (seen++ == k) {
            *row = *r;
            return ae_rename_apply(name, r->model, r->file, file);
        }
    }
    if (pattern || k > 0 || strlen(name) >= AE_NAME_MAX) {
        return false;
    }
    *row = (ae_rename){.file = name, .model = name};
    memcpy(file, name, strlen(name) + 1);
    return true;
}

int ae_piece_view(const ae_tensor *t, bool transpose, int axis, ae_piece piece, ae_tensor *view, ae_err *e)
{
    char text[AE_SHAPE_TEXT_MAX];
    *view = *t;
    if (transpose && t->ndim < 2) {
        return ae_err_set(e, AE_E_SHAPE, "a tensor of shape %s has no transpose",
                          ae_shape_text(t->ndim, t->shape, text));
    }
    if (transpose) {
        int a = t->ndim - 2;
        view->shape[a] = t->shape[a + 1];
        view->shape[a + 1] = t->shape[a];
        view->strides[a] = t->strides[a + 1];
        view->strides[a + 1] = t->strides[a];
    }
    if (piece.of == 0) {
        return 0;
    }
    int at = axis < 0 ? axis + t->ndim : axis;
    if (at < 0 || at >= t->ndim || view->shape[at] % piece.of != 0) {
        return ae_err_set(e, AE_E_SHAPE, "a tensor of shape %s cannot be cut into %d parts along axis %d",
                          ae_shape_text(view->ndim, view->shape, text), piece.of, axis);
    }
    int64_t part = view->shape[at] / piece.of;
    view->shape[at] = part * piece.count;
    view->data = (char *)view->data + part * piece.first * view->strides[at] * (int64_t)ae_dtype_size(t->dtype);
    return 0;
}
