/* The ordered dictionary of named tensors: an array in insertion order and an open-addressing index of names. */
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    char *name;
    ae_tensor *tensor;
} entry;

struct ae_tensors {
    entry *entries;
    int count;
    int capacity;
    int *index; /* entry number + 1, 0 when empty; a power of two of places, at most half full */
    unsigned places;
};

static unsigned hash_of(const char *name)
{
    unsigned h = 2166136261u; /* FNV-1a */
    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * 16777619u;
    }
    return h;
}

static unsigned place_of(const ae_tensors *d, const char *name)
{
    unsigned p = hash_of(name) & (d->places - 1);
    while (d->index[p] && strcmp(d->entries[d->index[p] - 1].name, name) != 0) {
        p = (p + 1) & (d->places - 1);
    }
    return p;
}

static int grow(ae_tensors *d)
{
    int capacity = d->capacity ? d->capacity * 2 : 16;
    entry *entries = realloc(d->entries, (size_t)capacity * sizeof *entries);
    if (!entries) {
        return -1;
    }
    d->entries = entries;
    int *index = calloc((size_t)capacity * 2, sizeof *index);
    if (!index) {
        return -1;
    }
    free(d->index);
    d->index = index;
    d->capacity = capacity;
    d->places = (unsigned)capacity * 2;
    for (int i = 0; i < d->count; i++) {
        d->index[place_of(d, d->entries[i].name)] = i + 1;
    }
    return 0;
}

ae_tensors *ae_tensors_new(void)
{
    return calloc(1, sizeof(ae_tensors));
}

void ae_tensors_free(ae_tensors *d)
{
    if (!d) {
        return;
    }
    for (int i = 0; i < d->count; i++) {
        free(d->entries[i].name);
        ae_tensor_free(d->entries[i].tensor);
    }
    free(d->entries);
    free(d->index);
    free(d);
}

int ae_tensors_add(ae_tensors *d, const char *name, ae_tensor *t, ae_err *e)
{
    if (!t) {
        return ae_err_set(e, AE_E_MEMORY, "tensors: no tensor to add under the name %s", name);
    }
    char *copy = NULL;
    if (ae_tensors_get(d, name)) {
        ae_err_set(e, AE_E_UNEXPECTED, "tensors: the name %s is there already", name);
    } else if ((d->count == d->capacity && grow(d) != 0) || !(copy = strdup(name))) {
        ae_err_set(e, AE_E_MEMORY, "tensors: no memory to add %s", name);
    }
    if (!copy) {
        ae_tensor_free(t);
        return -1;
    }
    d->index[place_of(d, name)] = d->count + 1;
    t->name = copy;
    d->entries[d->count++] = (entry){copy, t};
    return 0;
}

int ae_tensors_add_copy(ae_tensors *d, const char *name, const ae_tensor *t, ae_err *e)
{
    ae_tensor *copy = ae_tensor_new(t->dtype, t->ndim, t->shape, e);
    if (!copy || ae_tensor_copy(copy, t, e) != 0) {
        ae_tensor_free(copy);
        return -1;
    }
    return ae_tensors_add(d, name, copy, e);
}

int ae_tensors_count(const ae_tensors *d)
{
    return d->count;
}

const char *ae_tensors_name(const ae_tensors *d, int i)
{
    return i >= 0 && i < d->count ? d->entries[i].name : NULL;
}

ae_tensor *ae_tensors_at(const ae_tensors *d, int i)
{
    return i >= 0 && i < d->count ? d->entries[i].tensor : NULL;
}

ae_tensor *ae_tensors_get(const ae_tensors *d, const char *name)
{
    if (d->count == 0) {
        return NULL;
    }
    int k = d->index[place_of(d, name)];
    return k ? d->entries[k - 1].tensor : NULL;
}
