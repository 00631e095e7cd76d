/* The JSON door: strict reading, typed look-up with errors that name the key, and writing that loses no digit.
 *
 * Strict means RFC 8259 and a little more: duplicate keys, invalid UTF-8, numbers beyond a double, nesting deeper than
 * 512 and text after the value are errors with line and column. A number keeps the digits it was written with, so
 * 12345678901234567890 is written back as it came. A zero byte in a string, "\u0000", is kept too: ae_json_value_bytes
 * gives it; in a key it shows as the bytes C0 80, which UTF-8 does not use otherwise.
 *
 * A tree is owned by whoever made its root; everything found in it is borrowed and lives as long as the root. */
#ifndef AE_TENSOR_JSON_H
#define AE_TENSOR_JSON_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_json ae_json;

typedef enum ae_json_type {
    AE_JSON_NULL,
    AE_JSON_BOOL,
    AE_JSON_NUMBER,
    AE_JSON_STRING,
    AE_JSON_ARRAY,
    AE_JSON_OBJECT
} ae_json_type;

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Parses `length` bytes (no final NUL is needed; a byte-order mark is skipped). NULL and e filled on any defect. */
AE_API ae_json *ae_json_parse(const char *text, size_t length, ae_err *e);

/* Reads and parses a whole file; messages begin with its path. */
AE_API ae_json *ae_json_read_file(const char *path, ae_err *e);

/* Frees a whole tree (roots only); NULL is allowed. */
AE_API void ae_json_free(ae_json *j);

/* A deep copy owned by the caller; NULL when there is no memory. */
AE_API ae_json *ae_json_copy(const ae_json *j);

/* ---- looking around ---------------------------------------------------------------------------------------------- */

AE_API ae_json_type ae_json_type_of(const ae_json *j);     /* NULL counts as AE_JSON_NULL */
AE_API const char *ae_json_type_name(ae_json_type type);   /* "an object", "a number", ... as messages want it */
AE_API bool ae_json_is_null(const ae_json *j);             /* also true for NULL: "not there" */
AE_API int ae_json_count(const ae_json *j);                /* members of an array or object, else 0; walks a list */
AE_API const ae_json *ae_json_at(const ae_json *j, int i); /* member i or NULL; walks a list */

/* The member of an object by its exact key, or NULL; walks a list, so iterate over large objects instead. */
AE_API const ae_json *ae_json_get(const ae_json *object, const char *key);

/* The iterator over arrays and objects, a constant time a step:
 *     for (const ae_json *m = ae_json_first(j); m; m = ae_json_next(m)) ... ae_json_key(m) ... */
AE_API const ae_json *ae_json_first(const ae_json *j);     /* NULL when empty or no container */
AE_API const ae_json *ae_json_next(const ae_json *member); /* NULL after the last */
AE_API const char *ae_json_key(const ae_json *member);     /* NULL in an array */

/* ---- values by key: absent and null mean the default; another type fills e and gives the default ------------------- */

/* Accepts integers within int64 and floats without fraction ("3.0", "1e4") up to 2^53. */
AE_API int64_t ae_json_int(const ae_json *object, const char *key, int64_t otherwise, ae_err *e);
AE_API double ae_json_double(const ae_json *object, const char *key, double otherwise, ae_err *e);
AE_API bool ae_json_bool(const ae_json *object, const char *key, bool otherwise, ae_err *e);
AE_API const char *ae_json_string(const ae_json *object, const char *key, const char *otherwise, ae_err *e);

/* The array or object under key; NULL without an error when absent or null. */
AE_API const ae_json *ae_json_array(const ae_json *object, const char *key, ae_err *e);
AE_API const ae_json *ae_json_object(const ae_json *object, const char *key, ae_err *e);

/* The same, but absent or null is an error (AE_E_MISSING); they give 0, NaN, false or NULL then. */
AE_API int64_t ae_json_need_int(const ae_json *object, const char *key, ae_err *e);
AE_API double ae_json_need_double(const ae_json *object, const char *key, ae_err *e);
AE_API bool ae_json_need_bool(const ae_json *object, const char *key, ae_err *e);
AE_API const char *ae_json_need_string(const ae_json *object, const char *key, ae_err *e);
AE_API const ae_json *ae_json_need_array(const ae_json *object, const char *key, ae_err *e);
AE_API const ae_json *ae_json_need_object(const ae_json *object, const char *key, ae_err *e);

/* ---- values of a member itself (array items, iteration): 0, or -1 with e filled and *value untouched ---------------- */

AE_API int ae_json_value_int(const ae_json *j, int64_t *value, ae_err *e);
AE_API int ae_json_value_double(const ae_json *j, double *value, ae_err *e);
AE_API int ae_json_value_bool(const ae_json *j, bool *value, ae_err *e);
AE_API int ae_json_value_string(const ae_json *j, const char **value, ae_err *e); /* borrowed; no zero byte inside */

/* A string that may hold zero bytes as malloc'ed bytes, owned by the caller, with a NUL behind them; else NULL. */
AE_API char *ae_json_value_bytes(const ae_json *j, size_t *length, ae_err *e);

/* Fails (AE_E_UNEXPECTED) on the first key of the object that is not among the known ones, and names the known key with
 * the smallest edit distance when one is near. */
AE_API int ae_json_check_keys(const ae_json *object, const char *const *known, int count, ae_err *e);

/* ---- building: values are taken over by the container they are added to -------------------------------------------- */

AE_API ae_json *ae_json_new_object(void); /* all of these: NULL when there is no memory */
AE_API ae_json *ae_json_new_array(void);
AE_API ae_json *ae_json_new_null(void);
AE_API ae_json *ae_json_new_bool(bool value);
AE_API ae_json *ae_json_new_int(int64_t value);
AE_API ae_json *ae_json_new_double(double value); /* shortest digits that read back equal; NaN and infinity give null */
AE_API ae_json *ae_json_new_string(const char *value);               /* NULL gives null; invalid UTF-8 becomes U+FFFD */
AE_API ae_json *ae_json_new_bytes(const char *bytes, size_t length); /* the same of a text with zero bytes */

/* Sets key in an object, replacing a member of that name where it stands, and takes value over; value NULL ("no
 * memory") marks the object as broken, which ae_json_text reports, so that a chain of calls needs one check; a value
 * that is broken itself does so too. Returns 0 or -1. */
AE_API int ae_json_set(ae_json *object, const char *key, ae_json *value);

/* Appends to an array (key NULL) or to an object a key that the caller knows to be new: a constant time a call. */
AE_API int ae_json_add(ae_json *container, const char *key, ae_json *value);

/* Shorthands for ae_json_set with a new value. */
AE_API int ae_json_set_null(ae_json *object, const char *key);
AE_API int ae_json_set_bool(ae_json *object, const char *key, bool value);
AE_API int ae_json_set_int(ae_json *object, const char *key, int64_t value);
AE_API int ae_json_set_double(ae_json *object, const char *key, double value);
AE_API int ae_json_set_string(ae_json *object, const char *key, const char *value);

/* Removes a member if it is there. */
AE_API void ae_json_remove(ae_json *object, const char *key);

/* Lays `from` over `into`, both objects: objects under the same key are merged, anything else (null too) replaces.
 * Keys new to `into` are appended in their order. Returns 0, or -1 without memory or when one is no object. */
AE_API int ae_json_merge(ae_json *into, const ae_json *from, ae_err *e);

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* The text as a malloc'ed string, owned by the caller: one line, or indented by two spaces with a final newline when
 * `pretty`. Independent of the locale; invalid UTF-8 in keys becomes U+FFFD. NULL without memory or when broken. */
AE_API char *ae_json_text(const ae_json *j, bool pretty, ae_err *e);

/* Writes the pretty text to a file, which afterwards is the old or the new one, never a part. */
AE_API int ae_json_write_file(const ae_json *j, const char *path, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
