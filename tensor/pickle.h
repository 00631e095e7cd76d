/* Python's pickles as inert values: nothing is imported, called or constructed; calls and instances stay descriptions
 * of themselves. Protocols 0 to 5 as far as PyTorch and Python's own pickler write them for numbers, texts, containers,
 * globals, calls and instances (pickletools.py of CPython names the opcodes). Internal to the PyTorch reader. */
#ifndef AE_TENSOR_PICKLE_H
#define AE_TENSOR_PICKLE_H

#include "tensor/error.h"

typedef enum ae_pickle_kind {
    AE_PICKLE_NONE,
    AE_PICKLE_BOOL,
    AE_PICKLE_INT,  /* within 64 bits */
    AE_PICKLE_LONG, /* beyond: text holds the little-endian bytes */
    AE_PICKLE_FLOAT,
    AE_PICKLE_TEXT, /* str and bytes */
    AE_PICKLE_LIST, /* also sets */
    AE_PICKLE_TUPLE,
    AE_PICKLE_DICT,       /* items: key, value, key, value, ... */
    AE_PICKLE_GLOBAL,     /* module.name, not looked up */
    AE_PICKLE_CALL,       /* callable(*args), not called; items and state as for an instance */
    AE_PICKLE_INSTANCE,   /* an object of the class `callable`, not constructed */
    AE_PICKLE_PERSISTENT, /* something outside the pickle, named by args */
    AE_PICKLE_MARK        /* never seen from outside */
} ae_pickle_kind;

typedef struct ae_pickle_value {
    ae_pickle_kind kind;
    bool on_path; /* for walks: whether the walk is inside this value */
    int64_t integer;
    double real;
    const char *text; /* of texts, and a global's module: bytes of the input, without a final NUL */
    size_t length;
    const char *name; /* a global's name, likewise */
    size_t name_length;
    struct ae_pickle_value *
        *items; /* of containers; of an instance, what was appended or set on it as on a dictionary */
    size_t count;
    size_t capacity;
    struct ae_pickle_value *callable;
    struct ae_pickle_value *args;  /* a tuple, or what names a persistent value */
    struct ae_pickle_value *state; /* what the instance was built with; NULL for nothing */
    struct ae_pickle_value *next_persistent;
} ae_pickle_value;

typedef struct ae_pickle ae_pickle;

/* Reads one pickle from the start of the bytes, which must outlive it; *used receives its length. NULL and e filled on
 * damage, on opcodes outside the subset, and without memory. */
ae_pickle *ae_pickle_parse(const void *data, size_t bytes, size_t *used, ae_err *e);
void ae_pickle_free(ae_pickle *p); /* NULL is allowed */

/* The value that the pickle makes; lives as long as the pickle. */
ae_pickle_value *ae_pickle_root(const ae_pickle *p);

/* All persistent values, chained by next_persistent; NULL when there are none. */
ae_pickle_value *ae_pickle_first_persistent(const ae_pickle *p);

/* Whether a value is the global module.name (v may be NULL). */
bool ae_pickle_is_global(const ae_pickle_value *v, const char *module, const char *name);

/* Whether a text equals a C string. */
bool ae_pickle_text_is(const ae_pickle_value *v, const char *text);

/* Writes "module.name" of a global, cut to the room, for messages; returns text. */
const char *ae_pickle_global_text(const ae_pickle_value *v, char *text, size_t room);

#endif
