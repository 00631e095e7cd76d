#include "nn/model.h"
#include "autograd/packs.h"
#include "autograd/tape.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 512 };

/* A parameter: the tensor first, so that its address is the entry's. */
typedef struct entry {
    ae_tensor tensor;
    ae_slot slot;
    char *name;
    char **aliases;
    int n_aliases;
    bool is_buffer;
    bool waiting; /* for its first values: see ae_model_defer_init */
    ae_init init;
    ae_packs packs; /* and the version of the values */
} entry;

typedef struct named {
    const char *name;
    entry *entry;
} named;

typedef struct block {
    struct block *next;
    max_align_t data[];
} block;

struct ae_model {
    block *blocks; /* of ae_model_alloc */
    ae_err error;
    uint64_t seed;
    bool defers;
    char prefix[NAME_MAX_LENGTH];
    entry **entries;
    int count, capacity;
    named *names; /* all names and aliases, open addressing */
    int n_names;
    unsigned places;
    entry bad;
};

static const uint64_t bad_element[2];

ae_model *ae_model_new(uint64_t seed)
{
    ae_model *m = calloc(1, sizeof *m);
    if (!m) {
        return NULL;
    }
    m->seed = seed;
    m->bad.tensor.fault = &m->error;
    m->bad.tensor.data = (void *)bad_element;
    m->bad.tensor.name = "bad parameter";
    for (int i = 0; i < AE_MAX_DIMS; i++) {
        m->bad.tensor.shape[i] = 1;
    }
    return m;
}

static void entry_free(entry *p)
{
    if (!p) {
        return;
    }
    ae_packs_destroy(&p->packs);
    ae_gradient_drop(&p->tensor);
    ae_storage_drop(p->tensor.storage);
    for (int i = 0; i < p->n_aliases; i++) {
        free(p->aliases[i]);
    }
    free(p->aliases);
    free(p->name);
    free(p);
}

void ae_model_free(ae_model *m)
{
    if (!m) {
        return;
    }
    for (int i = 0; i < m->count; i++) {
        entry_free(m->entries[i]);
    }
    while (m->blocks) {
        block *next = m->blocks->next;
        free(m->blocks);
        m->blocks = next;
    }
    free(m->entries);
    free(m->names);
    free(m);
}

void *ae_model_alloc(ae_model *m, size_t bytes)
{
    if (!ae_model_ok(m)) {
        return NULL;
    }
    block *b = bytes < PTRDIFF_MAX / 2 ? calloc(1, sizeof *b + bytes) : NULL;
    if (!b) {
        ae_model_fail(m, AE_E_MEMORY, "model: no memory for %zu bytes", bytes);
        return NULL;
    }
    b->next = m->blocks;
    m->blocks = b;
    return b->data;
}

bool ae_model_ok(const ae_model *m)
{
    return m->error.code == AE_OK;
}

const ae_err *ae_model_error(const ae_model *m)
{
    return &m->error;
}

int ae_model_fail(ae_model *m, ae_code code, const char *format, ...)
{
    char message[AE_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return ae_err_set(&m->error, code, "%s", message);
}

/* ---- scopes -------------------------------------------------------------------------------------------------------- */

ae_scope ae_scope_open(ae_model *m, const char *format, ...)
{
    ae_scope s = {m, strlen(m->prefix)};
    va_list args;
    va_start(args, format);
    int n = vsnprintf(m->prefix + s.length, NAME_MAX_LENGTH - s.length, format, args);
    va_end(args);
    if (n < 0 || s.length + (size_t)n + 2 > NAME_MAX_LENGTH) {
        m->prefix[s.length] = '\0';
        ae_model_fail(m, AE_E_VALUE, "scope: the name under %s is longer than %d bytes", m->prefix, NAME_MAX_LENGTH);
    } else if (n > 0) {
        m->prefix[s.length + (size_t)n] = '.';
        m->prefix[s.length + (size_t)n + 1] = '\0';
    }
    return s;
}

void ae_scope_close(ae_scope s)
{
    s.model->prefix[s.length] = '\0';
}

const char *ae_scope_prefix(const ae_model *m)
{
    return m->prefix;
}

/* ---- the index of names -------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *name; name++) {
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    }
    return h;
}

static unsigned place_of(const ae_model *m, const char *name)
{
    unsigned p = (unsigned)hash_of(name) & (m->places - 1);
    while (m->names[p].name && strcmp(m->names[p].name, name) != 0) {
        p = (p + 1) & (m->places - 1);
    }
    return p;
}

static int index_name(ae_model *m, const char *name, entry *e)
{
    if ((unsigned)m->n_names * 2 >= m->places) {
        named *old = m->names;
        unsigned places = m->places;
        m->places = places ? places * 2 : 256;
        m->names = calloc(m->places, sizeof *m->names);
        if (!m->names) {
            m->names = old;
            m->places = places;
            return ae_model_fail(m, AE_E_MEMORY, "model: no memory for the name %s", name);
        }
        for (unsigned i = 0; i < places; i++) {
            if (old[i].name) {
                m->names[place_of(m, old[i].name)] = old[i];
            }
        }
        free(old);
    }
    unsigned p = place_of(m, name);
    if (m->names[p].name) {
        return ae_model_fail(m, AE_E_UNEXPECTED, "model: two parameters are named %s", name);
    }
    m->names[p] = (named){name, e};
    m->n_names++;
    return 0;
}

static entry *find(const ae_model *m, const char *name)
{
    return m->places ? m->names[place_of(m, name)].entry : NULL;
}

ae_tensor *ae_model_get(const ae_model *m, const char *name)
{
    entry *e = find(m, name);
    return e ? &e->tensor : NULL;
}

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

static char *full_name(ae_model *m, const char *name)
{
    size_t size = strlen(m->prefix) + strlen(name) + 1;
    char *full = malloc(size);
    if (full) {
        snprintf(full, size, "%s%s", m->prefix, name);
    }
    return full;
}

static int push(ae_model *m, entry *e)
{
    if (m->count == m->capacity) {
        int capacity = m->capacity ? m->capacity * 2 : 64;
        entry **entries = realloc(m->entries, (size_t)capacity * sizeof(entry *));
        if (!entries) {
            return -1;
        }
        m->entries = entries;
        m->capacity = capacity;
    }
    m->entries[m->count++] = e;
    return 0;
}

static entry *add_entry(ae_model *m, const char *name, ae_dtype dtype, int ndim, const int64_t *shape)
{
    char text[AE_SHAPE_TEXT_MAX];
    if (!ae_model_ok(m)) {
        return NULL;
    }
    int64_t n = ae_shape_numel(ndim, shape);
    if (n < 0 || n > PTRDIFF_MAX / 16) {
        ae_model_fail(m, AE_E_SHAPE, "model: %s%s cannot have the shape %s", m->prefix, name,
                      ae_shape_text(ndim, shape, text));
        return NULL;
    }
    entry *e = calloc(1, sizeof *e);
    ae_storage *s = ae_storage_new(NULL, (size_t)n * ae_dtype_size(dtype));
    char *full = full_name(m, name);
    bool locked = e && ae_packs_init(&e->packs) == 0;
    if (!locked || !s || !full || push(m, e) != 0) {
        if (locked) {
            ae_packs_destroy(&e->packs);
        }
        free(e);
        free(full);
        ae_storage_drop(s);
        ae_model_fail(m, AE_E_MEMORY, "model: no memory for %s%s %s", m->prefix, name,
                      ae_shape_text(ndim, shape, text));
        return NULL;
    }
    e->name = full;
    e->tensor.dtype = dtype;
    e->tensor.ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        e->tensor.shape[i] = shape[i];
    }
    ae_shape_strides(ndim, shape, e->tensor.strides);
    e->tensor.name = full;
    e->tensor.fault = &m->error;
    ae_tensor_attach(&e->tensor, s, 0);
    ae_slot_init(&e->slot, &e->tensor, true);
    index_name(m, full, e);
    return e;
}

static void fill_entry(const ae_model *m, entry *e)
{
    ae_random_key key = ae_random_key_make(m->seed, hash_of(e->name), 0, 0, 0);
    e->init.fill(&e->tensor, e->init.a, e->init.b, &key);
    if (e->init.zero_row > 0 && e->init.zero_row <= ae_dim(&e->tensor, 0)) {
        float *row = (float *)e->tensor.data + (e->init.zero_row - 1) * e->tensor.strides[0];
        memset(row, 0, (size_t)e->tensor.strides[0] * sizeof *row);
    }
    e->waiting = false;
}

ae_tensor *ae_param(ae_model *m, const char *name, int ndim, const int64_t *shape, ae_init init)
{
    entry *e = add_entry(m, name, AE_F32, ndim, shape);
    if (!e) {
        return &m->bad.tensor;
    }
    e->init = init;
    e->waiting = true;
    if (!m->defers) {
        fill_entry(m, e);
    }
    e->tensor.slot = &e->slot;
    e->tensor.packs = &e->packs;
    return &e->tensor;
}

void ae_model_defer_init(ae_model *m)
{
    m->defers = true;
}

int ae_model_fill(ae_model *m)
{
    int filled = 0;
    for (int i = 0; i < m->count; i++) {
        if (m->entries[i]->waiting) {
            fill_entry(m, m->entries[i]);
            m->entries[i]->packs.version++;
            filled++;
        }
    }
    m->defers = false;
    return filled;
}

void ae_model_mark_filled(ae_model *m, int i)
{
    if (i >= 0 && i < m->count) {
        m->entries[i]->waiting = false;
    }
}

ae_tensor *ae_buffer(ae_model *m, const char *name, ae_dtype dtype, int ndim, const int64_t *shape)
{
    entry *e = add_entry(m, name, dtype, ndim, shape);
    if (!e) {
        return &m->bad.tensor;
    }
    memset(e->tensor.data, 0, (size_t)ae_numel(&e->tensor) * ae_dtype_size(dtype));
    e->is_buffer = true;
    return &e->tensor;
}

void ae_tie(ae_model *m, const char *name, ae_tensor *parameter)
{
    entry *e = ae_model_ok(m) && parameter->name ? find(m, parameter->name) : NULL;
    if (!ae_model_ok(m)) {
        return;
    }
    if (!e || &e->tensor != parameter) {
        ae_model_fail(m, AE_E_VALUE, "tie: %s%s must be tied to a parameter of the same model", m->prefix, name);
        return;
    }
    char *full = full_name(m, name);
    char **aliases = realloc(e->aliases, (size_t)(e->n_aliases + 1) * sizeof(char *));
    if (aliases) {
        e->aliases = aliases;
    }
    if (!full || !aliases) {
        free(full);
        ae_model_fail(m, AE_E_MEMORY, "tie: no memory for the name %s%s", m->prefix, name);
        return;
    }
    e->aliases[e->n_aliases++] = full;
    index_name(m, full, e);
}

int ae_model_count(const ae_model *m)
{
    return m->count;
}

ae_param_info ae_model_at(const ae_model *m, int i)
{
    if (i < 0 || i >= m->count) {
        return (ae_param_info){0};
    }
    entry *e = m->entries[i];
    return (ae_param_info){e->name, &e->tensor, e->tensor.slot != NULL, e->is_buffer, e->n_aliases};
}

const char *ae_model_alias(const ae_model *m, int i, int alias)
{
    if (i < 0 || i >= m->count || alias < 0 || alias >= m->entries[i]->n_aliases) {
        return NULL;
    }
    return m->entries[i]->aliases[alias];
}

int64_t ae_model_numel(const ae_model *m)
{
    int64_t n = 0;
    for (int i = 0; i < m->count; i++) {
        n += m->entries[i]->is_buffer ? 0 : ae_numel(&m->entries[i]->tensor);
    }
    return n;
}

/* ---- freezing, gradients, versions --------------------------------------------------------------------------------- */

static bool glob(const char *name, const char *pattern, const char *end)
{
    for (; pattern < end; pattern++, name++) {
        if (*pattern == '*') {
            for (pattern++;; name++) {
                if (glob(name, pattern, end)) {
                    return true;
                }
                if (!*name) {
                    return false;
                }
            }
        }
        if (!*name || (*pattern != '?' && *pattern != *name)) {
            return false;
        }
    }
    return *name == '\0';
}

bool ae_name_matches(const char *name, const char *patterns)
{
    while (*patterns) {
        size_t n = strcspn(patterns, " ");
        if (n > 0 && glob(name, patterns, patterns + n)) {
            return true;
        }
        patterns += n + (patterns[n] == ' ');
    }
    return false;
}

int ae_model_freeze(ae_model *m, const char *patterns, bool frozen)
{
    int matched = 0;
    for (int i = 0; i < m->count; i++) {
        entry *e = m->entries[i];
        if (!e->is_buffer && ae_name_matches(e->name, patterns)) {
            e->tensor.slot = frozen ? NULL : &e->slot;
            matched++;
        }
    }
    return matched;
}

void ae_model_zero_grad(ae_model *m)
{
    for (int i = 0; i < m->count; i++) {
        ae_gradient_drop(&m->entries[i]->tensor);
    }
}

ae_tensor *ae_param_grad(ae_tensor *parameter, ae_err *e)
{
    return ae_row_gradient_spread(parameter, NULL, e) == 0 ? parameter->grad : NULL;
}

static entry *entry_of(const ae_tensor *parameter)
{
    return (entry *)(uintptr_t)parameter;
}

void ae_param_touch(ae_tensor *parameter)
{
    entry_of(parameter)->packs.version++;
}

uint64_t ae_param_version(const ae_tensor *parameter)
{
    return entry_of(parameter)->packs.version;
}

/* ---- copies -------------------------------------------------------------------------------------------------------- */

int64_t ae_model_pack_bytes(const ae_model *m)
{
    size_t bytes = 0;
    for (int i = 0; i < m->count; i++) {
        bytes += ae_packs_bytes(&m->entries[i]->packs);
    }
    return (int64_t)bytes;
}

void ae_model_drop_packs(ae_model *m)
{
    for (int i = 0; i < m->count; i++) {
        ae_packs_clear(&m->entries[i]->packs);
    }
}
