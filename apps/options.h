/* Options of the program: one table for all subcommands, and reading a command line by it.
 *
 * An option has one name and one meaning wherever it is taken; a subcommand lists the names it takes. Values are
 * checked when they are set, so that what is read later is valid. Help, man page and completion are written from the
 * same table. */
#ifndef AE_APPS_OPTIONS_H
#define AE_APPS_OPTIONS_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_option_kind {
    AE_OPTION_FLAG,   /* takes no value; "--name=false" takes it back */
    AE_OPTION_TEXT,   /* any text */
    AE_OPTION_FILE,   /* a path; completion offers files */
    AE_OPTION_INT,    /* an integer in decimal digits */
    AE_OPTION_REAL,   /* a finite number */
    AE_OPTION_CHOICE, /* one of the words in `value` */
    AE_OPTION_REPORT  /* a flag that may bring a path, "--name=FILE"; the next word is taken for it when that ends as
                         `value` does ("FILE.json": in .json) */
} ae_option_kind;

/* A row of the table. */
typedef struct ae_option {
    const char *name; /* "batch" for --batch */
    char letter;      /* 'o' for -o; 0 for none */
    ae_option_kind kind;
    bool many;          /* may be given several times, each adding a value */
    const char *value;  /* what help calls the value ("N", "FILE"); for a choice its words: "auto|f32|bf16" */
    const char *preset; /* the value when none is given; NULL for none */
    double low, high;   /* the range of a number, both ends allowed; low = high for any */
    const char *help;   /* one line without a full stop */
} ae_option;

/* The program's options; ends with a row whose name is NULL. */
AE_API const ae_option *ae_option_table(void);

/* Who set a value. A later one of this list replaces an earlier one, never the other way round. */
typedef enum ae_origin {
    AE_ORIGIN_NONE,   /* nobody: there is no value */
    AE_ORIGIN_PRESET, /* the table */
    AE_ORIGIN_MODEL,  /* what the model file says of its training */
    AE_ORIGIN_RECIPE, /* the recipe of the model */
    AE_ORIGIN_CONFIG, /* --config FILE */
    AE_ORIGIN_COMMAND /* the command line */
} ae_origin;

AE_API const char *ae_origin_name(ae_origin origin); /* "preset", "command line", ...; "?" outside the list */

/* The values of one run. */
typedef struct ae_options ae_options;

/* Values for the options called `names` (NULL at the end), looked up in `own` (may be NULL; ends like the table) and
 * then in the table; --help is always added. An unknown name is AE_E_MISSING. The rows are borrowed. NULL on
 * failure. */
AE_API ae_options *ae_options_new(const char *const *names, const ae_option *own, ae_err *e);
AE_API void ae_options_free(ae_options *o); /* NULL is allowed */

/* Reads a command line (argv[0] is its first word, not the program). Options and arguments may be mixed; "--" ends the
 * options; "-" is an argument; "_" in an option's name is taken for "-". Everything is copied. Fails on an
 * unknown option (AE_E_UNEXPECTED, the nearest one named) and on a bad or missing value (AE_E_VALUE). */
AE_API int ae_options_parse(ae_options *o, int argc, char *const *argv, ae_err *e);

/* Sets an option from text, for recipes and configuration files; a value from a stronger origin stays. `text` is
 * copied. Fails like ae_options_parse. */
AE_API int ae_options_set(ae_options *o, const char *name, const char *text, ae_origin origin, ae_err *e);

/* Whether the run has the option at all. */
AE_API bool ae_options_has(const ae_options *o, const char *name);

/* Values by name. The name must be one that ae_options_new was given. */
AE_API bool ae_options_flag(const ae_options *o, const char *name);
AE_API int64_t ae_options_int(const ae_options *o, const char *name);                       /* 0 without a value */
AE_API int64_t ae_options_int_or(const ae_options *o, const char *name, int64_t otherwise); /* for 0 and below */
AE_API double ae_options_real(const ae_options *o, const char *name);                       /* NaN without a value */
AE_API const char *ae_options_text(const ae_options *o, const char *name); /* NULL without a value; borrowed */
AE_API int ae_options_choice(const ae_options *o, const char *name);       /* which of a choice's words, from 0 */
AE_API ae_origin ae_options_origin(const ae_options *o, const char *name);

/* An option that may be given several times: how many values, and the i-th (NULL outside; borrowed). */
AE_API int ae_options_count(const ae_options *o, const char *name);
AE_API const char *ae_options_nth(const ae_options *o, const char *name, int i);

/* What stood on the command line besides options. */
AE_API int ae_options_arguments(const ae_options *o);
AE_API const char *ae_options_argument(const ae_options *o, int i); /* NULL outside; borrowed */

/* The rows in the order of `names`; NULL outside. */
AE_API int ae_options_rows(const ae_options *o);
AE_API const ae_option *ae_options_row(const ae_options *o, int i);

#ifdef __cplusplus
}
#endif
#endif
