#include "nn/state.h"

#include <string.h>

/* The name in the file once prefixes are put on and taken off. */
static int final_name(const ae_save_options *o, const char *name, char out[AE_NAME_MAX], ae_err *e)
{
    size_t cut = o->remove_prefix ? strlen(o->remove_prefix) : 0;
    if (cut > 0 && strncmp(name, o->remove_prefix, cut) == 0) {
        name += cut;
    }
    const char *front = o->add_prefix ? o->add_prefix : "";
    if (strlen(front) + strlen(name) >= AE_NAME_MAX) {
        return ae_err_set(e, AE_E_VALUE, "save: the name %s%s is too long", front, name);
    }
    snprintf(out, AE_NAME_MAX, "%s%s", front, name);
    return 0;
}

/* A new tensor of zeros of the file for a row that holds a piece of it; the piece's extent tells the whole. */
static ae_tensor *whole_for(const ae_rename *row, const ae_tensor *piece, ae_dtype dtype, ae_err *e)
{
    ae_tensor shape = *piece;
    int axis = row->axis < 0 ? row->axis + piece->ndim : row->axis;
    if (row->file_piece.of > 0) {
        if (axis < 0 || axis >= piece->ndim || piece->shape[axis] % row->file_piece.count != 0) {
            ae_err_set(e, AE_E_SHAPE, "axis %d cannot be cut as the rename table says", row->axis);
            return NULL;
        }
        shape.shape[axis] = piece->shape[axis] / row->file_piece.count * row->file_piece.of;
    }
    if (row->transpose && piece->ndim >= 2) {
        int64_t last = shape.shape[shape.ndim - 1];
        shape.shape[shape.ndim - 1] = shape.shape[shape.ndim - 2];
        shape.shape[shape.ndim - 2] = last;
    }
    return ae_tensor_new(dtype, shape.ndim, shape.shape, e);
}

/* Puts one piece where the file wants it; the tensor of the file is made by its first piece. */
static int put(const ae_rename *row, const ae_tensor *t, const char *name, ae_dtype dtype, ae_tensors *out, ae_err *e)
{
    ae_tensor from;
    ae_tensor to;
    if (ae_piece_view(t, false, row->axis, row->model_piece, &from, e) != 0) {
        return -1;
    }
    ae_tensor *whole = ae_tensors_get(out, name);
    if (whole && row->file_piece.of == 0) {
        return ae_err_set(e, AE_E_UNEXPECTED, "two tensors would be written under this name");
    }
    if (!whole) {
        whole = whole_for(row, &from, dtype, e);
        if (!whole || ae_tensors_add(out, name, whole, e) != 0) {
            return -1;
        }
    }
    if (ae_piece_view(whole, row->transpose, row->axis, row->file_piece, &to, e) != 0) {
        return -1;
    }
    return ae_tensor_copy(&to, &from, e);
}

static int save_under(const ae_save_options *o, const char *name, bool is_alias, const ae_tensor *t, ae_tensors *out,
                      ae_err *e)
{
    ae_rename row;
    char file[AE_NAME_MAX];
    char full[AE_NAME_MAX];
    ae_dtype dtype = ae_dtype_is_float(t->dtype) ? o->dtype : t->dtype;
    for (int k = 0; ae_rename_visit(&o->renames, name, k, &row, file); k++) {
        bool whole = !row.transpose && row.file_piece.of == 0 && row.model_piece.of == 0;
        if (final_name(o, file, full, e) != 0) {
            return -1;
        }
        if (is_alias && row.file_piece.of == 0 && ae_tensors_get(out, full)) {
            continue; /* both names of the parameter are one there */
        }
        int status;
        if (o->share && whole && dtype == t->dtype) {
            ae_tensor *shared = ae_tensor_share(t, e);
            status = shared ? ae_tensors_add(out, full, shared, e) : -1;
        } else {
            status = put(&row, t, full, dtype, out, e);
        }
        if (status != 0) {
            ae_err_prefix(e, "save: %s as %s", name, full);
            return -1;
        }
    }
    return 0;
}

/* Gradients of parameters that have none are zeros, so that every name is there. */
static int save_gradient(const ae_save_options *o, const char *name, bool is_alias, ae_tensor *p, ae_tensors *out,
                         ae_err *e)
{
    const ae_tensor *grad = ae_param_grad(p, e);
    if (grad || p->grad_rows) {
        return grad ? save_under(o, name, is_alias, grad, out, e) : -1;
    }
    ae_tensor *zeros = ae_tensor_new(AE_F32, p->ndim, p->shape, e);
    int status = zeros ? save_under(o, name, is_alias, zeros, out, e) : -1;
    ae_tensor_free(zeros);
    return status;
}

int ae_model_save(const ae_model *m, const ae_save_options *options, ae_tensors *out, ae_err *e)
{
    static const ae_save_options plain = {0};
    const ae_save_options *o = options ? options : &plain;
    if (!ae_model_ok(m)) {
        return ae_err_set(e, ae_model_error(m)->code, "%s", ae_model_error(m)->message);
    }
    if (!ae_dtype_is_float(o->dtype)) {
        return ae_err_set(e, AE_E_DTYPE, "save: parameters cannot be written as %s", ae_dtype_name(o->dtype));
    }
    for (int i = 0; i < ae_model_count(m); i++) {
        ae_param_info p = ae_model_at(m, i);
        const char *name = p.name;
        for (int k = 0; name && (k == 0 || o->aliases); name = ae_model_alias(m, i, k++)) {
            if (o->gradients && p.is_buffer) {
                continue;
            }
            int status = o->gradients ? save_gradient(o, name, k > 0, p.tensor, out, e)
                                      : save_under(o, name, k > 0, p.tensor, out, e);
            if (status != 0) {
                return -1;
            }
        }
    }
    return 0;
}
