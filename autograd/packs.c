#include "autograd/packs.h"

int ae_packs_init(ae_packs *p)
{
    return pthread_mutex_init(&p->lock, NULL) == 0 ? 0 : -1;
}

void ae_packs_clear(ae_packs *p)
{
    for (int i = 0; i < AE_PACK_KINDS; i++) {
        ae_row_weight_free(&p->rows[i]);
    }
}

void ae_packs_destroy(ae_packs *p)
{
    ae_packs_clear(p);
    pthread_mutex_destroy(&p->lock);
}

size_t ae_packs_bytes(ae_packs *p)
{
    size_t bytes = 0;
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < AE_PACK_KINDS; i++) {
        bytes += ae_row_weight_bytes(&p->rows[i]);
    }
    pthread_mutex_unlock(&p->lock);
    return bytes;
}

/* Makes or fills anew copy `kind`; the lock is held. */
static int bring_up_to_date(ae_packs *p, int kind, const ae_tensor *t, ae_dtype dtype, bool in_out, ae_err *e)
{
    ae_row_weight *w = &p->rows[kind];
    const int64_t out = t->shape[in_out ? 1 : 0];
    const int64_t in = t->shape[in_out ? 0 : 1];
    const bool made = w->memory != NULL;
    if (made && p->filled[kind] == p->version) {
        return 0;
    }
    if ((!made && ae_row_weight_new(w, dtype, out, in, e) != 0) ||
        ae_row_weight_fill(w, t->data, t->strides[in_out ? 1 : 0], t->strides[in_out ? 0 : 1], e) != 0) {
        ae_row_weight_free(w);
        return -1;
    }
    p->filled[kind] = p->version;
    return 0;
}

int ae_packs_rows(const ae_tensor *parameter, ae_dtype dtype, bool in_out, bool many, ae_row_weight *w, ae_err *e)
{
    ae_packs *p = parameter->packs;
    const int kind = (dtype == AE_I8 ? 2 : 0) + in_out;
    pthread_mutex_lock(&p->lock);
    int status = bring_up_to_date(p, kind, parameter, dtype, in_out, e);
    if (status == 0 && many) {
        status = ae_row_weight_block(&p->rows[kind], e);
    }
    *w = p->rows[kind];
    pthread_mutex_unlock(&p->lock);
    return status;
}
