/* The program as a library: `int main(int argc, char **argv) { return ae_app_main(&app, argc, argv); }`.
 *
 * A subcommand is one file, apps/cmd_<name>.c, that defines an ae_command, and one line in apps/command_table.h. What a
 * program of your own adds goes into an ae_app value; there is no registry. */
#ifndef AE_APPS_APP_H
#define AE_APPS_APP_H

#include "apps/options.h"
#include "tensor/json.h"
#include "zoo/encoder.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the program ends. */
enum {
    AE_EXIT_DONE = 0,
    AE_EXIT_NO = 1,        /* it ran, and the answer is no: parity, doctor, eval --require */
    AE_EXIT_INPUT = 2,     /* usage or input */
    AE_EXIT_NONFINITE = 3, /* training met a value that is not finite */
    AE_EXIT_SYSTEM = 4     /* disk or memory */
};

typedef struct ae_app ae_app;
typedef struct ae_run ae_run;

/* A subcommand. */
typedef struct ae_command {
    const char *name;           /* "parity"; "bench train" for a command of two words */
    const char *summary;        /* one line without a full stop */
    const char *usage;          /* its arguments as help shows them ("CASE_DIR..."); NULL for none */
    const char *details;        /* what help says below the usage, paragraphs parted by "\n\n"; NULL for none */
    const char *const *options; /* names of options, NULL at the end; --help is always taken */
    const ae_option *own;       /* options that are in no table, for commands of other programs; NULL for none */
    int arguments_min;
    int arguments_max; /* -1: any number */

    /* Runs it. Returns an exit status; or -1 with run->error filled, which is then printed (with --json as JSON too)
     * and gives the exit status: 3 for AE_E_NONFINITE, 4 for AE_E_MEMORY and AE_E_IO, else 2. */
    int (*run)(ae_run *run);
} ae_command;

/* One run of a subcommand. Results go to `out`, everything else to `log`. */
struct ae_run {
    const ae_app *app;
    const ae_command *command;
    ae_options *options;
    FILE *out;
    FILE *log;
    bool json; /* --json was given: only JSON goes to `out` */
    ae_err error;
    const char *error_file; /* the input file that the error is about, and its line; NULL and 0 for none; borrowed */
    int64_t error_line;
    struct ae_plugins *plugins; /* NULL until ae_run_encoders loaded them (apps/plugin.h) */
    struct ae_profile *profile; /* NULL without --profile (apps/profiling.h) */
    int64_t profile_span;       /* all of the command in it */
};

/* What a program adds to Aesop. All zero bytes add nothing. */
struct ae_app {
    const char *name;                      /* how the program calls itself; NULL for "aesop" */
    const ae_command *const *commands;     /* further subcommands, NULL at the end; one with a known name replaces it */
    const struct ae_training_hooks *hooks; /* what the training loop calls (apps/trainer.h); NULL for none */
    const ae_encoder *const *encoders;     /* further encoders for composed models, NULL at the end */
};

/* The whole program: reads the command line, runs the subcommand, prints errors to stderr and returns the exit status.
 * `app` may be NULL. */
AE_API int ae_app_main(const ae_app *app, int argc, char **argv);

/* The same with streams of the caller's instead of stdout and stderr. */
AE_API int ae_app_run(const ae_app *app, int argc, char *const *argv, FILE *out, FILE *log);

AE_API const char *ae_app_name(const ae_app *app);

/* The subcommands of a program: those of `app` and the table's, without replaced ones. NULL outside 0..count-1. */
AE_API int ae_app_command_count(const ae_app *app);
AE_API const ae_command *ae_app_command(const ae_app *app, int i);

/* The encoders that a run has besides those of zoo/encoders.h: the program's own and those of plugins, which the first
 * call loads (AESOP_PLUGIN_PATH, then --plugin where the command takes it). NULL at the end, valid until the run ends.
 * NULL and run->error when a plugin cannot be loaded. */
AE_API const ae_encoder *const *ae_run_encoders(ae_run *run);

/* Prints a result as one line of JSON to run->out, with "schema":1 as the first member if it is an object; takes it
 * over. NULL ("no memory" somewhere in building it) and a broken tree are errors. Returns 0, or -1 and run->error. */
AE_API int ae_run_print_json(ae_run *run, ae_json *result);

/* Says in error_file and error_line what an error is about when its message begins with the path (and ":LINE:"); leaves
 * them alone otherwise. The path is borrowed and must last as long as the options. */
AE_API void ae_run_locate_error(ae_run *run, const char *path);

/* The exit status that an error gives. */
AE_API int ae_exit_status(ae_code code);

#ifdef __cplusplus
}
#endif
#endif
