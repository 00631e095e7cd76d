/* The only file that includes cJSON. A scan of our own checks what cJSON lets pass; numbers whose digits a double or
 * cJSON's printing could change keep their text in `valuestring`. `valueint`, which cJSON deprecates, serves containers
 * as the mark of a missed member and, while a text is parsed, members as the number of their key. */
#include <cjson/cJSON.h>

#include "tensor/json_internal.h"

#include "tensor/atomic_file.h"
#include "tensor/byte_buffer.h"
#include "tensor/file_map.h"
#include "tensor/json_check.h"
#include "tensor/nearest_name.h"
#include "tensor/utf8_check.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BROKEN = -1 };

/* The largest integer below which every integer is a double. */
#define EXACT_LIMIT 9007199254740992.0

static cJSON *node(const ae_json *j)
{
    return (cJSON *)(uintptr_t)j;
}

static ae_json *handle(const cJSON *c)
{
    return (ae_json *)(uintptr_t)c;
}

static int kind(const ae_json *j)
{
    return j ? node(j)->type & 0xff : cJSON_NULL;
}

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

typedef struct finish {
    ae_json_scan *scan;
    size_t next_digits; /* the next entry of scan->digits */
    int numbers;        /* counted in document order */
    int keys;
} finish;

static unsigned key_hash(const char *key)
{
    unsigned h = 2166136261u; /* FNV-1a */
    for (; *key; key++) {
        h = (h ^ (unsigned char)*key) * 16777619u;
    }
    return h;
}

/* The first member whose key stood before in the same object, or NULL; *failed tells want of memory. */
static cJSON *find_duplicate(const cJSON *object, bool *failed)
{
    size_t count = 0, places = 1;
    for (cJSON *m = object->child; m; m = m->next) {
        count++;
    }
    while (places < 2 * count) {
        places *= 2;
    }
    cJSON **table = calloc(places, sizeof *table);
    if (!table) {
        *failed = true;
        return NULL;
    }
    cJSON *duplicate = NULL;
    for (cJSON *m = object->child; m && !duplicate; m = m->next) {
        size_t p = key_hash(m->string) & (places - 1);
        while (table[p] && strcmp(table[p]->string, m->string) != 0) {
            p = (p + 1) & (places - 1);
        }
        duplicate = table[p] ? m : NULL;
        table[p] = m;
    }
    free(table);
    return duplicate;
}

static int check_duplicates(finish *f, cJSON *object)
{
    bool failed = false;
    cJSON *duplicate = find_duplicate(object, &failed);
    if (failed) {
        return ae_err_set(f->scan->e, AE_E_MEMORY, "no memory to check an object's keys");
    }
    if (duplicate) {
        size_t offset = ae_json_key_offset(f->scan->text, f->scan->length, duplicate->valueint);
        return ae_json_err_at(f->scan->e, f->scan->text, offset, AE_E_FORMAT, "the key \"%.200s\" stands twice",
                              duplicate->string);
    }
    return 0;
}

static int finish_number(finish *f, cJSON *number)
{
    const ae_json_scan *s = f->scan;
    number->valueint = 0;
    if (f->next_digits < s->digits_count && s->digits[f->next_digits].number == f->numbers) {
        ae_json_digits d = s->digits[f->next_digits++];
        if (isinf(number->valuedouble)) {
            return ae_json_err_at(s->e, s->text, d.offset, AE_E_FORMAT,
                                  "the number %.*s is beyond the range of a double", (int)d.length, s->text + d.offset);
        }
        number->valuestring = strndup(s->text + d.offset, d.length);
        if (!number->valuestring) {
            return ae_err_set(s->e, AE_E_MEMORY, "no memory for a number");
        }
    }
    f->numbers++;
    return 0;
}

/* Walks the tree in document order, as the scan did: keeps digits, finds duplicate keys. */
static int finish_tree(finish *f, cJSON *tree)
{
    int type = tree->type & 0xff;
    if (type == cJSON_Number) {
        return finish_number(f, tree);
    }
    if (type != cJSON_Object && type != cJSON_Array) {
        return 0;
    }
    for (cJSON *m = tree->child; m; m = m->next) {
        int key = type == cJSON_Object ? f->keys++ : 0;
        if (finish_tree(f, m) != 0) {
            return -1;
        }
        m->valueint = key;
    }
    int result = type == cJSON_Object ? check_duplicates(f, tree) : 0;
    for (cJSON *m = tree->child; m; m = m->next) {
        m->valueint = 0;
    }
    return result;
}

static pthread_mutex_t parse_lock = PTHREAD_MUTEX_INITIALIZER; /* cJSON notes the last error in a global of its own */

/* cJSON follows the locale's decimal point; this thread gets the C locale for the time of one call. */
static cJSON *parse_in_c_locale(const char *text, size_t length)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t old = c ? uselocale(c) : (locale_t)0;
    cJSON *tree = NULL;
    if (c) {
        pthread_mutex_lock(&parse_lock);
        tree = cJSON_ParseWithLength(text, length);
        pthread_mutex_unlock(&parse_lock);
        uselocale(old);
        freelocale(c);
    }
    return tree;
}

/* cJSON cuts strings at \u0000, so it is given a copy of the text with C0 80 in these places: the bytes that modified
 * UTF-8 uses for zero and that no valid text contains. */
static cJSON *parse_scanned(const ae_json_scan *scan)
{
    if (scan->zeros_count == 0) {
        return parse_in_c_locale(scan->text, scan->length);
    }
    ae_bytes copy = {0};
    size_t at = 0;
    for (size_t i = 0; i < scan->zeros_count; i++) {
        ae_bytes_add(&copy, scan->text + at, scan->zeros[i] - at);
        ae_bytes_add_text(&copy, AE_JSON_ZERO);
        at = scan->zeros[i] + strlen("\\u0000");
    }
    ae_bytes_add(&copy, scan->text + at, scan->length - at);
    cJSON *tree = copy.failed ? NULL : parse_in_c_locale(copy.data, copy.length);
    ae_bytes_free(&copy);
    return tree;
}

ae_json *ae_json_parse(const char *text, size_t length, ae_err *e)
{
    ae_json_scan scan;
    if (ae_json_scan_text(&scan, text, length, e) != 0) {
        return NULL;
    }
    cJSON *tree = parse_scanned(&scan);
    if (!tree) {
        ae_err_set(e, AE_E_MEMORY, "no memory for a JSON text of %zu bytes", length);
    } else {
        finish f = {.scan = &scan};
        if (finish_tree(&f, tree) != 0) {
            cJSON_Delete(tree);
            tree = NULL;
        }
    }
    free(scan.digits);
    free(scan.zeros);
    return handle(tree);
}

ae_json *ae_json_read_file(const char *path, ae_err *e)
{
    ae_storage *s = ae_map_file(path, e);
    if (!s) {
        return NULL;
    }
    ae_json *j = ae_json_parse(ae_storage_data(s), ae_storage_bytes(s), e);
    if (!j) {
        ae_err_prefix(e, "%s", path);
    }
    ae_storage_drop(s);
    return j;
}

void ae_json_free(ae_json *j)
{
    cJSON_Delete(node(j));
}

ae_json *ae_json_copy(const ae_json *j)
{
    return handle(cJSON_Duplicate(node(j), true));
}

/* ---- looking around ---------------------------------------------------------------------------------------------- */

ae_json_type ae_json_type_of(const ae_json *j)
{
    switch (kind(j)) {
    case cJSON_True:
    case cJSON_False:
        return AE_JSON_BOOL;
    case cJSON_Number:
        return AE_JSON_NUMBER;
    case cJSON_String:
        return AE_JSON_STRING;
    case cJSON_Array:
        return AE_JSON_ARRAY;
    case cJSON_Object:
        return AE_JSON_OBJECT;
    default:
        return AE_JSON_NULL;
    }
}

const char *ae_json_type_name(ae_json_type type)
{
    static const char *const names[] = {"null", "a bool", "a number", "a string", "an array", "an object"};
    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "?";
}

bool ae_json_is_null(const ae_json *j)
{
    return ae_json_type_of(j) == AE_JSON_NULL;
}

int ae_json_count(const ae_json *j)
{
    int n = 0;
    for (const ae_json *m = ae_json_first(j); m; m = ae_json_next(m)) {
        n++;
    }
    return n;
}

const ae_json *ae_json_at(const ae_json *j, int i)
{
    const ae_json *m = i >= 0 ? ae_json_first(j) : NULL;
    while (m && i-- > 0) {
        m = ae_json_next(m);
    }
    return m;
}

const ae_json *ae_json_get(const ae_json *object, const char *key)
{
    return kind(object) == cJSON_Object ? handle(cJSON_GetObjectItemCaseSensitive(node(object), key)) : NULL;
}

const ae_json *ae_json_first(const ae_json *j)
{
    return kind(j) == cJSON_Object || kind(j) == cJSON_Array ? handle(node(j)->child) : NULL;
}

const ae_json *ae_json_next(const ae_json *member)
{
    return handle(node(member)->next);
}

const char *ae_json_key(const ae_json *member)
{
    return node(member)->string;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* `"key" is "abc"`, `the value is 0.5`, ...: what a message begins with. */
static const char *describe(const ae_json *j, char text[256])
{
    char room[AE_JSON_NUMBER_TEXT_MAX];
    char name[110] = "the value";
    if (node(j)->string) {
        snprintf(name, sizeof name, "\"%.100s\"", node(j)->string);
    }
    switch (ae_json_type_of(j)) {
    case AE_JSON_NUMBER:
        snprintf(text, 256, "%s is %s", name, ae_json_number_text(j, room));
        break;
    case AE_JSON_STRING:
        snprintf(text, 256, "%s is the string \"%.80s\"", name, node(j)->valuestring);
        break;
    case AE_JSON_BOOL:
        snprintf(text, 256, "%s is %s", name, kind(j) == cJSON_True ? "true" : "false");
        break;
    default:
        snprintf(text, 256, "%s is %s", name, ae_json_type_name(ae_json_type_of(j)));
    }
    return text;
}

static int wrong_type(const ae_json *j, const char *needed, ae_err *e)
{
    char text[256];
    if (!j) {
        return ae_err_set(e, AE_E_MISSING, "%s is needed, and there is no value", needed);
    }
    return ae_err_set(e, AE_E_VALUE, "%s; %s is needed", describe(j, text), needed);
}

int ae_json_value_int(const ae_json *j, int64_t *value, ae_err *e)
{
    if (kind(j) != cJSON_Number) {
        return wrong_type(j, "an integer", e);
    }
    const char *digits = node(j)->valuestring;
    if (digits && !strpbrk(digits, ".eE")) {
        errno = 0;
        long long v = strtoll(digits, NULL, 10);
        if (errno == ERANGE) {
            return wrong_type(j, "an integer of at most 64 bits", e);
        }
        *value = v;
        return 0;
    }
    double v = node(j)->valuedouble;
    if (v != floor(v) || fabs(v) > EXACT_LIMIT) {
        return wrong_type(j, "an integer", e);
    }
    *value = (int64_t)v;
    return 0;
}

int ae_json_value_double(const ae_json *j, double *value, ae_err *e)
{
    if (kind(j) != cJSON_Number) {
        return wrong_type(j, "a number", e);
    }
    *value = node(j)->valuedouble;
    return 0;
}

int ae_json_value_bool(const ae_json *j, bool *value, ae_err *e)
{
    if (kind(j) != cJSON_True && kind(j) != cJSON_False) {
        return wrong_type(j, "true or false", e);
    }
    *value = kind(j) == cJSON_True;
    return 0;
}

int ae_json_value_string(const ae_json *j, const char **value, ae_err *e)
{
    if (kind(j) != cJSON_String) {
        return wrong_type(j, "a string", e);
    }
    if (strstr(node(j)->valuestring, AE_JSON_ZERO)) {
        return wrong_type(j, "a string without zero bytes", e);
    }
    *value = node(j)->valuestring;
    return 0;
}

char *ae_json_value_bytes(const ae_json *j, size_t *length, ae_err *e)
{
    if (kind(j) != cJSON_String) {
        wrong_type(j, "a string", e);
        return NULL;
    }
    char *bytes = strdup(node(j)->valuestring);
    if (!bytes) {
        ae_err_set(e, AE_E_MEMORY, "no memory for a string");
        return NULL;
    }
    size_t n = 0;
    for (const char *c = bytes; *c; c++) {
        bool zero = memcmp(c, AE_JSON_ZERO, 2) == 0; /* a NUL follows at the latest */
        bytes[n++] = zero ? '\0' : *c;
        c += zero;
    }
    bytes[n] = '\0';
    *length = n;
    return bytes;
}

int64_t ae_json_int(const ae_json *object, const char *key, int64_t otherwise, ae_err *e)
{
    const ae_json *j = ae_json_get(object, key);
    if (!ae_json_is_null(j)) {
        ae_json_value_int(j, &otherwise, e);
    }
    return otherwise;
}

double ae_json_double(const ae_json *object, const char *key, double otherwise, ae_err *e)
{
    const ae_json *j = ae_json_get(object, key);
    if (!ae_json_is_null(j)) {
        ae_json_value_double(j, &otherwise, e);
    }
    return otherwise;
}

bool ae_json_bool(const ae_json *object, const char *key, bool otherwise, ae_err *e)
{
    const ae_json *j = ae_json_get(object, key);
    if (!ae_json_is_null(j)) {
        ae_json_value_bool(j, &otherwise, e);
    }
    return otherwise;
}

const char *ae_json_string(const ae_json *object, const char *key, const char *otherwise, ae_err *e)
{
    const ae_json *j = ae_json_get(object, key);
    if (!ae_json_is_null(j)) {
        ae_json_value_string(j, &otherwise, e);
    }
    return otherwise;
}

static const ae_json *typed_member(const ae_json *object, const char *key, ae_json_type type, ae_err *e)
{
    const ae_json *j = ae_json_get(object, key);
    if (ae_json_is_null(j)) {
        return NULL;
    }
    if (ae_json_type_of(j) != type) {
        wrong_type(j, ae_json_type_name(type), e);
        return NULL;
    }
    return j;
}

const ae_json *ae_json_array(const ae_json *object, const char *key, ae_err *e)
{
    return typed_member(object, key, AE_JSON_ARRAY, e);
}

const ae_json *ae_json_object(const ae_json *object, const char *key, ae_err *e)
{
    return typed_member(object, key, AE_JSON_OBJECT, e);
}

/* Fails when the object lacks the key or has null there. */
static bool there(const ae_json *object, const char *key, ae_err *e)
{
    if (kind(object) != cJSON_Object) {
        ae_err_set(e, AE_E_MISSING, "the key \"%.200s\" is needed, in an object; received %s", key,
                   ae_json_type_name(ae_json_type_of(object)));
        return false;
    }
    const ae_json *j = ae_json_get(object, key);
    if (ae_json_is_null(j)) {
        ae_err_set(e, AE_E_MISSING, "the key \"%.200s\" is needed and %s", key, j ? "is null" : "is missing");
        return false;
    }
    return true;
}

int64_t ae_json_need_int(const ae_json *object, const char *key, ae_err *e)
{
    return there(object, key, e) ? ae_json_int(object, key, 0, e) : 0;
}

double ae_json_need_double(const ae_json *object, const char *key, ae_err *e)
{
    return there(object, key, e) ? ae_json_double(object, key, NAN, e) : (double)NAN;
}

bool ae_json_need_bool(const ae_json *object, const char *key, ae_err *e)
{
    return there(object, key, e) && ae_json_bool(object, key, false, e);
}

const char *ae_json_need_string(const ae_json *object, const char *key, ae_err *e)
{
    return there(object, key, e) ? ae_json_string(object, key, NULL, e) : NULL;
}

const ae_json *ae_json_need_array(const ae_json *object, const char *key, ae_err *e)
{
    return there(object, key, e) ? ae_json_array(object, key, e) : NULL;
}

const ae_json *ae_json_need_object(const ae_json *object, const char *key, ae_err *e)
{
    return there(object, key, e) ? ae_json_object(object, key, e) : NULL;
}

int ae_json_check_keys(const ae_json *object, const char *const *known, int count, ae_err *e)
{
    if (kind(object) != cJSON_Object) {
        return wrong_type(object, "an object", e);
    }
    for (const ae_json *m = ae_json_first(object); m; m = ae_json_next(m)) {
        const char *key = ae_json_key(m);
        int i = 0;
        while (i < count && strcmp(key, known[i]) != 0) {
            i++;
        }
        if (i < count) {
            continue;
        }
        const char *nearest = ae_nearest_name(key, known, count);
        if (nearest) {
            return ae_err_set(e, AE_E_UNEXPECTED, "unknown key \"%.200s\"; did you mean \"%.200s\"?", key, nearest);
        }
        return ae_err_set(e, AE_E_UNEXPECTED, "unknown key \"%.200s\"", key);
    }
    return 0;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

ae_json *ae_json_new_object(void)
{
    return handle(cJSON_CreateObject());
}

ae_json *ae_json_new_array(void)
{
    return handle(cJSON_CreateArray());
}

ae_json *ae_json_new_null(void)
{
    return handle(cJSON_CreateNull());
}

ae_json *ae_json_new_bool(bool value)
{
    return handle(cJSON_CreateBool(value));
}

static ae_json *new_number(double value, const char *digits)
{
    cJSON *c = cJSON_CreateNumber(value);
    if (c) {
        c->valueint = 0;
    }
    if (c && digits) {
        c->valuestring = strdup(digits);
        if (!c->valuestring) {
            cJSON_Delete(c);
            return NULL;
        }
    }
    return handle(c);
}

ae_json *ae_json_new_int(int64_t value)
{
    char digits[AE_JSON_NUMBER_TEXT_MAX];
    bool exact = value > -1000000000000000 && value < 1000000000000000;
    snprintf(digits, sizeof digits, "%" PRId64, value);
    return new_number((double)value, exact ? NULL : digits);
}

ae_json *ae_json_new_double(double value)
{
    if (!isfinite(value)) {
        return ae_json_new_null();
    }
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c) {
        return NULL;
    }
    locale_t old = uselocale(c);
    char digits[AE_JSON_NUMBER_TEXT_MAX];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    uselocale(old);
    freelocale(c);
    if (!strpbrk(digits, ".e")) {
        strcat(digits, ".0"); /* so that other programs, too, read a float back */
    }
    return new_number(value, digits);
}

ae_json *ae_json_new_bytes(const char *bytes, size_t length)
{
    ae_bytes text = {0};
    ae_bytes_add(&text, "", 0);
    for (size_t at = 0; at < length;) {
        int n = ae_utf8_length(bytes + at, length - at);
        if (n == 0 || bytes[at] == '\0') {
            ae_bytes_add_text(&text, n == 0 ? "\xef\xbf\xbd" : AE_JSON_ZERO);
            n = 1;
        } else {
            ae_bytes_add(&text, bytes + at, (size_t)n);
        }
        at += (size_t)n;
    }
    cJSON *c = text.failed ? NULL : cJSON_CreateString(text.data);
    ae_bytes_free(&text);
    return handle(c);
}

ae_json *ae_json_new_string(const char *value)
{
    return value ? ae_json_new_bytes(value, strlen(value)) : ae_json_new_null();
}

static int broken(ae_json *container, ae_json *value)
{
    ae_json_free(value);
    if (container) {
        node(container)->valueint = BROKEN;
    }
    return -1;
}

int ae_json_add(ae_json *container, const char *key, ae_json *value)
{
    int wanted = key ? cJSON_Object : cJSON_Array;
    if (!value || kind(container) != wanted) {
        return broken(container, value);
    }
    bool added = key ? cJSON_AddItemToObject(node(container), key, node(value))
                     : cJSON_AddItemToArray(node(container), node(value));
    if (!added) {
        return broken(container, value);
    }
    return ae_json_is_broken(value) ? broken(container, NULL) : 0;
}

int ae_json_set(ae_json *object, const char *key, ae_json *value)
{
    if (!value || kind(object) != cJSON_Object) {
        return broken(object, value);
    }
    if (!ae_json_get(object, key)) {
        return ae_json_add(object, key, value);
    }
    if (!cJSON_ReplaceItemInObjectCaseSensitive(node(object), key, node(value))) {
        return broken(object, value);
    }
    return ae_json_is_broken(value) ? broken(object, NULL) : 0;
}

int ae_json_set_null(ae_json *object, const char *key)
{
    return ae_json_set(object, key, ae_json_new_null());
}

int ae_json_set_bool(ae_json *object, const char *key, bool value)
{
    return ae_json_set(object, key, ae_json_new_bool(value));
}

int ae_json_set_int(ae_json *object, const char *key, int64_t value)
{
    return ae_json_set(object, key, ae_json_new_int(value));
}

int ae_json_set_double(ae_json *object, const char *key, double value)
{
    return ae_json_set(object, key, ae_json_new_double(value));
}

int ae_json_set_string(ae_json *object, const char *key, const char *value)
{
    return ae_json_set(object, key, ae_json_new_string(value));
}

void ae_json_remove(ae_json *object, const char *key)
{
    if (kind(object) == cJSON_Object) {
        cJSON_DeleteItemFromObjectCaseSensitive(node(object), key);
    }
}

int ae_json_merge(ae_json *into, const ae_json *from, ae_err *e)
{
    if (kind(into) != cJSON_Object || kind(from) != cJSON_Object) {
        return ae_err_set(e, AE_E_VALUE, "merging needs two objects; received %s and %s",
                          ae_json_type_name(ae_json_type_of(into)), ae_json_type_name(ae_json_type_of(from)));
    }
    for (const ae_json *m = ae_json_first(from); m; m = ae_json_next(m)) {
        ae_json *old = handle(node(ae_json_get(into, ae_json_key(m))));
        if (kind(old) == cJSON_Object && kind(m) == cJSON_Object) {
            if (ae_json_merge(old, m, e) != 0) {
                return -1;
            }
        } else if (ae_json_set(into, ae_json_key(m), ae_json_copy(m)) != 0) {
            return ae_err_set(e, AE_E_MEMORY, "no memory to merge the key \"%.200s\"", ae_json_key(m));
        }
    }
    return 0;
}

/* ---- for the writer ---------------------------------------------------------------------------------------------- */

const char *ae_json_string_text(const ae_json *j)
{
    return node(j)->valuestring;
}

const char *ae_json_number_text(const ae_json *j, char room[AE_JSON_NUMBER_TEXT_MAX])
{
    if (node(j)->valuestring) {
        return node(j)->valuestring;
    }
    snprintf(room, AE_JSON_NUMBER_TEXT_MAX, "%" PRId64, (int64_t)node(j)->valuedouble);
    return room;
}

bool ae_json_is_broken(const ae_json *j)
{
    return (kind(j) == cJSON_Object || kind(j) == cJSON_Array) && node(j)->valueint == BROKEN;
}

int ae_json_write_file(const ae_json *j, const char *path, ae_err *e)
{
    char *text = ae_json_text(j, true, e);
    if (!text) {
        ae_err_prefix(e, "%s", path);
        return -1;
    }
    int result = ae_atomic_save(path, text, strlen(text), e);
    free(text);
    return result;
}
