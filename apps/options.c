#include "apps/options.h"

#include "tensor/nearest_name.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

typedef struct ae_option_value {
    const ae_option *row;
    ae_origin origin;
    int count; /* texts; above 1 only for options that may be given several times */
    char **texts;
    bool flag;
    int64_t integer;
    double real;
} ae_option_value;

struct ae_options {
    int count;
    ae_option_value *values;
    int argument_count;
    char **arguments;
};

const char *ae_origin_name(ae_origin origin)
{
    static const char *const names[] = {"none", "preset", "model file", "recipe", "configuration file", "command line"};
    return (unsigned)origin < sizeof names / sizeof *names ? names[origin] : "?";
}

static const ae_option *row_in(const ae_option *table, const char *name)
{
    for (; table && table->name; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static ae_option_value *find(const ae_options *o, const char *name)
{
    for (int i = 0; i < o->count; i++) {
        if (strcmp(o->values[i].row->name, name) == 0) {
            return &o->values[i];
        }
    }
    return NULL;
}

static void drop_texts(ae_option_value *v)
{
    for (int i = 0; i < v->count; i++) {
        free(v->texts[i]);
    }
    free(v->texts);
    v->texts = NULL;
    v->count = 0;
}

/* Appends a copy of text to a list of strings; -1 without memory. */
static int append(char ***list, int *count, const char *text, ae_err *e)
{
    char **longer = realloc(*list, ((size_t)*count + 1) * sizeof *longer);
    char *copy = strdup(text);
    if (longer) {
        *list = longer;
    }
    if (!longer || !copy) {
        free(copy);
        return ae_err_set(e, AE_E_MEMORY, "no memory for the command line");
    }
    longer[(*count)++] = copy;
    return 0;
}

/* Gives o one more option, with its preset. */
static int add_row(ae_options *o, const char *name, const ae_option *own, ae_err *e)
{
    const ae_option *row = row_in(own, name);
    row = row ? row : row_in(ae_option_table(), name);
    if (!row) {
        return ae_err_set(e, AE_E_MISSING, "the option --%s is in no table", name);
    }
    o->values[o->count++] = (ae_option_value){.row = row, .real = NAN};
    return row->preset ? ae_options_set(o, row->name, row->preset, AE_ORIGIN_PRESET, e) : 0;
}

ae_options *ae_options_new(const char *const *names, const ae_option *own, ae_err *e)
{
    size_t count = 0;
    while (names && names[count]) {
        count++;
    }
    ae_options *o = calloc(1, sizeof *o);
    ae_option_value *values = calloc(count + 1, sizeof *values); /* one for help */
    if (!o || !values) {
        free(o);
        free(values);
        ae_err_set(e, AE_E_MEMORY, "no memory for the options");
        return NULL;
    }
    o->values = values;
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        status = add_row(o, names[i], own, e);
    }
    if (status || (!find(o, "help") && add_row(o, "help", own, e))) {
        ae_options_free(o);
        return NULL;
    }
    return o;
}

void ae_options_free(ae_options *o)
{
    if (!o) {
        return;
    }
    for (int i = 0; i < o->count; i++) {
        drop_texts(&o->values[i]);
    }
    for (int i = 0; i < o->argument_count; i++) {
        free(o->arguments[i]);
    }
    free(o->arguments);
    free(o->values);
    free(o);
}

/* ---- checking a value -------------------------------------------------------------------------------------------- */

/* Whether text is one of the words of "a|b|c". */
static bool is_choice(const char *words, const char *text)
{
    size_t length = strlen(text);
    for (const char *word = words; *word;) {
        size_t end = strcspn(word, "|");
        if (end == length && strncmp(word, text, length) == 0) {
            return true;
        }
        word += end + (word[end] == '|');
    }
    return false;
}

static int check_range(const ae_option *row, double number, const char *text, ae_err *e)
{
    if (row->low < row->high && (number < row->low || number > row->high)) {
        return ae_err_set(e, AE_E_VALUE, "--%s must lie from %.16g to %.16g; got %s", row->name, row->low, row->high,
                          text);
    }
    return 0;
}

static int read_int(ae_option_value *v, const char *text, ae_err *e)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0') {
        return ae_err_set(e, AE_E_VALUE, "--%s wants an integer; got \"%s\"", v->row->name, text);
    }
    if (errno == ERANGE) {
        return ae_err_set(e, AE_E_VALUE, "--%s: %s does not fit 64 bits", v->row->name, text);
    }
    if (check_range(v->row, (double)number, text, e)) {
        return -1;
    }
    v->integer = number;
    v->real = (double)number;
    return 0;
}

static int read_real(ae_option_value *v, const char *text, ae_err *e)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number)) {
        return ae_err_set(e, AE_E_VALUE, "--%s wants a finite number; got \"%s\"", v->row->name, text);
    }
    if (check_range(v->row, number, text, e)) {
        return -1;
    }
    v->real = number;
    return 0;
}

/* Whether text ends as the option's paths do. */
static bool has_ending(const ae_option *row, const char *text)
{
    const char *ending = strrchr(row->value, '.');
    size_t n = strlen(text), k = strlen(ending);
    return n > k && strcmp(text + n - k, ending) == 0;
}

/* "" says that the flag stood alone. */
static int check_ending(const ae_option *row, const char *text, ae_err *e)
{
    return !text[0] || has_ending(row, text)
               ? 0
               : ae_err_set(e, AE_E_VALUE, "--%s wants a file that ends in %s; got \"%s\"", row->name,
                            strrchr(row->value, '.'), text);
}

static int read_value(ae_option_value *v, const char *text, ae_err *e)
{
    switch (v->row->kind) {
    case AE_OPTION_FLAG:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
            return ae_err_set(e, AE_E_VALUE, "--%s is true or false; got \"%s\"", v->row->name, text);
        }
        v->flag = text[0] == 't';
        return 0;
    case AE_OPTION_REPORT:
        return check_ending(v->row, text, e);
    case AE_OPTION_INT:
        return read_int(v, text, e);
    case AE_OPTION_REAL:
        return read_real(v, text, e);
    case AE_OPTION_CHOICE:
        return is_choice(v->row->value, text)
                   ? 0
                   : ae_err_set(e, AE_E_VALUE, "--%s is one of %s; got \"%s\"", v->row->name, v->row->value, text);
    case AE_OPTION_TEXT:
    case AE_OPTION_FILE:
        break;
    }
    return text[0] ? 0 : ae_err_set(e, AE_E_VALUE, "--%s is empty; it wants %s", v->row->name, v->row->value);
}

static int set_value(ae_option_value *v, const char *text, ae_origin origin, ae_err *e)
{
    if (origin < v->origin) {
        return 0;
    }
    if (read_value(v, text, e)) {
        return -1;
    }
    if (!v->row->many || origin != v->origin) {
        drop_texts(v);
    }
    v->origin = origin;
    return append(&v->texts, &v->count, text, e);
}

/* ---- finding an option by what the user wrote -------------------------------------------------------------------- */

/* Says that --name is unknown, and what it may have been meant for. */
static int unknown(const ae_options *o, const char *name, ae_err *e)
{
    if (row_in(ae_option_table(), name)) {
        return ae_err_set(e, AE_E_UNEXPECTED, "--%s is an option of other commands, not of this one; see --help", name);
    }
    const char **names = calloc((size_t)o->count + 1, sizeof *names);
    if (!names) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the command line");
    }
    for (int i = 0; i < o->count; i++) {
        names[i] = o->values[i].row->name;
    }
    const char *nearest = ae_nearest_name(name, names, o->count);
    free(names);
    return nearest ? ae_err_set(e, AE_E_UNEXPECTED, "unknown option --%s; did you mean --%s?", name, nearest)
                   : ae_err_set(e, AE_E_UNEXPECTED, "unknown option --%s; --help lists the options", name);
}

/* The option called by the first `length` bytes of name, "_" being "-"; NULL and e filled when there is none. */
static ae_option_value *lookup(const ae_options *o, const char *name, size_t length, ae_err *e)
{
    char plain[NAME_MAX_BYTES];
    size_t n = length < sizeof plain - 1 ? length : sizeof plain - 1;
    for (size_t i = 0; i < n; i++) {
        plain[i] = name[i] == '_' ? '-' : name[i];
    }
    plain[n] = '\0';
    ae_option_value *v = find(o, plain);
    if (!v) {
        unknown(o, plain, e);
    }
    return v;
}

static ae_option_value *lookup_letter(const ae_options *o, const char *word, ae_err *e)
{
    for (int i = 0; i < o->count && word[2] == '\0'; i++) {
        if (o->values[i].row->letter == word[1]) {
            return &o->values[i];
        }
    }
    ae_err_set(e, AE_E_UNEXPECTED, "unknown option %s; options have two dashes, --help lists them", word);
    return NULL;
}

int ae_options_set(ae_options *o, const char *name, const char *text, ae_origin origin, ae_err *e)
{
    ae_option_value *v = lookup(o, name, strlen(name), e);
    return v ? set_value(v, text, origin, e) : -1;
}

/* Reads the option at argv[*i] and its value, and moves *i to the last word that it took. */
static int parse_option(ae_options *o, int *i, int argc, char *const *argv, ae_err *e)
{
    const char *word = argv[*i];
    bool is_long = word[1] == '-';
    const char *value = is_long ? strchr(word, '=') : NULL;
    size_t length = value ? (size_t)(value - word) - 2 : strlen(word) - (is_long ? 2 : 0);
    ae_option_value *v = is_long ? lookup(o, word + 2, length, e) : lookup_letter(o, word, e);
    if (!v) {
        return -1;
    }
    if (value) {
        return set_value(v, value + 1, AE_ORIGIN_COMMAND, e);
    }
    if (v->row->kind == AE_OPTION_FLAG) {
        return set_value(v, "true", AE_ORIGIN_COMMAND, e);
    }
    if (v->row->kind == AE_OPTION_REPORT) {
        bool next = *i + 1 < argc && has_ending(v->row, argv[*i + 1]);
        return set_value(v, next ? argv[++*i] : "", AE_ORIGIN_COMMAND, e);
    }
    if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0) {
        return ae_err_set(e, AE_E_VALUE, "--%s wants a value: --%s %s", v->row->name, v->row->name, v->row->value);
    }
    return set_value(v, argv[++*i], AE_ORIGIN_COMMAND, e);
}

int ae_options_parse(ae_options *o, int argc, char *const *argv, ae_err *e)
{
    bool options_end = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        int status;
        if (options_end || word[0] != '-' || word[1] == '\0') {
            status = append(&o->arguments, &o->argument_count, word, e);
        } else if (strcmp(word, "--") == 0) {
            options_end = true;
            status = 0;
        } else {
            status = parse_option(o, &i, argc, argv, e);
        }
        if (status) {
            return -1;
        }
    }
    return 0;
}

/* ---- reading values ---------------------------------------------------------------------------------------------- */

static const ae_option_value *value_of(const ae_options *o, const char *name)
{
    static const ae_option no_row = {.name = ""};
    static const ae_option_value none = {.row = &no_row, .real = NAN};
    const ae_option_value *v = find(o, name);
    assert(v && "a subcommand reads an option that it does not list");
    return v ? v : &none;
}

bool ae_options_flag(const ae_options *o, const char *name)
{
    return value_of(o, name)->flag;
}

bool ae_options_has(const ae_options *o, const char *name)
{
    return find(o, name) != NULL;
}

int64_t ae_options_int(const ae_options *o, const char *name)
{
    return value_of(o, name)->integer;
}

int64_t ae_options_int_or(const ae_options *o, const char *name, int64_t otherwise)
{
    const int64_t n = ae_options_int(o, name);
    return n > 0 ? n : otherwise;
}

double ae_options_real(const ae_options *o, const char *name)
{
    return value_of(o, name)->real;
}

const char *ae_options_text(const ae_options *o, const char *name)
{
    const ae_option_value *v = value_of(o, name);
    return v->count > 0 ? v->texts[v->count - 1] : NULL;
}

int ae_options_choice(const ae_options *o, const char *name)
{
    const ae_option_value *v = value_of(o, name);
    const char *text = ae_options_text(o, name), *words = v->row->value;
    size_t length = text ? strlen(text) : 0;
    for (int i = 0; text && words; i++) {
        size_t n = strcspn(words, "|");
        if (n == length && memcmp(words, text, n) == 0) {
            return i;
        }
        words = words[n] ? words + n + 1 : NULL;
    }
    return 0;
}

ae_origin ae_options_origin(const ae_options *o, const char *name)
{
    return value_of(o, name)->origin;
}

int ae_options_count(const ae_options *o, const char *name)
{
    return value_of(o, name)->count;
}

const char *ae_options_nth(const ae_options *o, const char *name, int i)
{
    const ae_option_value *v = value_of(o, name);
    return i >= 0 && i < v->count ? v->texts[i] : NULL;
}

int ae_options_arguments(const ae_options *o)
{
    return o->argument_count;
}

const char *ae_options_argument(const ae_options *o, int i)
{
    return i >= 0 && i < o->argument_count ? o->arguments[i] : NULL;
}

int ae_options_rows(const ae_options *o)
{
    return o->count;
}

const ae_option *ae_options_row(const ae_options *o, int i)
{
    return i >= 0 && i < o->count ? o->values[i].row : NULL;
}
