#include "apps/app.h"

#include "apps/command_table.h"
#include "apps/plugin.h"
#include "apps/profiling.h"
#include "apps/usage.h"
#include "tensor/threads.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

const char *ae_app_name(const ae_app *app)
{
    return app && app->name ? app->name : "aesop";
}

int ae_exit_status(ae_code code)
{
    switch (code) {
    case AE_OK:
        return AE_EXIT_DONE;
    case AE_E_NONFINITE:
        return AE_EXIT_NONFINITE;
    case AE_E_MEMORY:
    case AE_E_IO:
        return AE_EXIT_SYSTEM;
    default:
        return AE_EXIT_INPUT;
    }
}

int ae_run_print_json(ae_run *run, ae_json *result)
{
    ae_json *framed = result;
    if (result && ae_json_type_of(result) == AE_JSON_OBJECT && ae_json_is_null(ae_json_get(result, "schema"))) {
        framed = ae_json_new_object();
        ae_json_set_int(framed, "schema", 1);
        ae_json_merge(framed, result, &run->error);
        ae_json_free(result);
    }
    char *text = framed && run->error.code == AE_OK ? ae_json_text(framed, false, &run->error) : NULL;
    ae_json_free(framed);
    if (!text) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for the result");
    }
    fprintf(run->out, "%s\n", text);
    free(text);
    return 0;
}

/* ---- encoders from outside ---------------------------------------------------------------------------------------- */

const ae_encoder *const *ae_run_encoders(ae_run *run)
{
    if (run->plugins) {
        return ae_plugins_encoders(run->plugins);
    }
    ae_plugins *p = ae_plugins_new(run->app ? run->app->encoders : NULL);
    if (!p) {
        ae_err_set(&run->error, AE_E_MEMORY, "no memory for plugins");
        return NULL;
    }
    int status = ae_plugins_load_path(p, getenv("AESOP_PLUGIN_PATH"), &run->error);
    int count = run->options && ae_options_has(run->options, "plugin") ? ae_options_count(run->options, "plugin") : 0;
    for (int i = 0; i < count && status == 0; i++) {
        status = ae_plugins_load(p, ae_options_nth(run->options, "plugin", i), &run->error);
    }
    if (status != 0) {
        ae_plugins_free(p);
        return NULL;
    }
    run->plugins = p;
    return ae_plugins_encoders(p);
}

/* ---- errors --------------------------------------------------------------------------------------------------------- */

void ae_run_locate_error(ae_run *run, const char *path)
{
    size_t n = strlen(path);
    if (strncmp(run->error.message, path, n) == 0 && run->error.message[n] == ':') {
        run->error_file = path;
        run->error_line = atoll(run->error.message + n + 1); /* 0 where no number follows */
    }
}

/* Prints run->error to the log, and to `out` too when JSON was asked for; returns the exit status. */
static int report_error(ae_run *run)
{
    int status = ae_exit_status(run->error.code);
    fflush(run->out);
    fprintf(run->log, "%s%s%s: %s\n", ae_app_name(run->app), run->command ? " " : "",
            run->command ? run->command->name : "", run->error.message);
    if (run->json) {
        ae_json *error = ae_json_new_object(), *whole = ae_json_new_object();
        ae_json_set_string(error, "code", ae_code_name(run->error.code));
        ae_json_set_string(error, "message", run->error.message);
        ae_json_set(error, "file", ae_json_new_string(run->error_file));
        ae_json_set(error, "line", run->error_line > 0 ? ae_json_new_int(run->error_line) : ae_json_new_null());
        ae_json_set(whole, "error", error);
        ae_err_clear(&run->error);
        ae_run_print_json(run, whole);
    }
    return status;
}

/* ---- running it -------------------------------------------------------------------------------------------------- */

static bool takes(const ae_command *command, const char *option)
{
    for (const char *const *name = command->options; name && *name; name++) {
        if (strcmp(*name, option) == 0) {
            return true;
        }
    }
    return false;
}

static int check_arguments(ae_run *run)
{
    const ae_command *command = run->command;
    int given = ae_options_arguments(run->options);
    if (given < command->arguments_min) {
        return ae_err_set(&run->error, AE_E_VALUE, "an argument is missing; usage: %s %s [OPTIONS] %s",
                          ae_app_name(run->app), command->name, command->usage);
    }
    if (command->arguments_max >= 0 && given > command->arguments_max) {
        return ae_err_set(&run->error, AE_E_UNEXPECTED, "unexpected argument \"%s\"",
                          ae_options_argument(run->options, command->arguments_max));
    }
    return 0;
}

static int run_command(ae_run *run, ae_options *options, int argc, char *const *argv)
{
    if (ae_options_parse(options, argc, argv, &run->error)) {
        return -1;
    }
    if (ae_options_flag(options, "help")) {
        ae_print_command_help(run->out, run->app, run->command);
        return AE_EXIT_DONE;
    }
    if (check_arguments(run)) {
        return -1;
    }
    if (takes(run->command, "threads") && ae_options_origin(options, "threads") != AE_ORIGIN_NONE &&
        ae_set_threads((int)ae_options_int(options, "threads"), &run->error)) {
        return -1;
    }
    return ae_profiling_begin(run) == 0 ? ae_profiling_end(run, run->command->run(run)) : -1;
}

/* Whether --json stands on the command line; asked before it is parsed, for the errors of parsing. */
static bool wants_json(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

static int start(ae_run *run, int argc, char *const *argv)
{
    static char *const help[] = {"help"}, *const version[] = {"version"};
    if (argc < 1) {
        ae_print_program_help(run->log, run->app);
        return AE_EXIT_INPUT;
    }
    char *const *first = argv;
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        first = help;
    } else if (strcmp(argv[0], "--version") == 0) {
        first = version;
    }
    int words;
    run->command = ae_find_command(run->app, first == argv ? argc : 1, first, &words);
    if (!run->command && argv[0][0] == '-') {
        return ae_err_set(&run->error, AE_E_UNEXPECTED, "the command comes first, then its options; got %s", argv[0]);
    }
    if (!run->command && argc >= 2 && strcmp(argv[1], "--help") == 0) {
        return ae_print_group_help(run->out, run->app, argv[0]) ? ae_unknown_command(run->app, argv[0], &run->error)
                                                                : AE_EXIT_DONE;
    }
    if (!run->command) {
        return ae_unknown_command(run->app, argv[0], &run->error);
    }
    ae_options *options = ae_options_new(run->command->options, run->command->own, &run->error);
    run->options = options;
    int status = options ? run_command(run, options, argc - words, argv + words) : -1;
    ae_plugins_free(run->plugins);
    run->plugins = NULL;
    return status;
}

int ae_app_run(const ae_app *app, int argc, char *const *argv, FILE *out, FILE *log)
{
    /* Numbers are read and written as in C, whatever the host program chose. */
    locale_t c_numbers = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    locale_t before = c_numbers ? uselocale(c_numbers) : (locale_t)0;

    ae_run run = {.app = app, .out = out, .log = log, .json = wants_json(argc, argv)};
    int status = start(&run, argc > 0 ? argc - 1 : 0, argv + 1);
    if (status < 0) {
        status = report_error(&run);
    }
    ae_options_free(run.options); /* the error's file may be one of its values */
    if ((fflush(out) || ferror(out)) && status <= AE_EXIT_NO) {
        fprintf(log, "%s: the output could not be written: is the disk full?\n", ae_app_name(app));
        status = AE_EXIT_SYSTEM;
    }

    if (c_numbers) {
        uselocale(before);
        freelocale(c_numbers);
    }
    return status;
}

int ae_app_main(const ae_app *app, int argc, char **argv)
{
    return ae_app_run(app, argc, argv, stdout, stderr);
}
