/* A program outside the tree that is all of `aesop` with one subcommand more. */
#include "aesop.h"

static int run_double(ae_run *run)
{
    ae_json *object = ae_json_new_object();
    ae_json_set_double(object, "doubled", 2 * ae_options_real(run->options, "number"));
    return ae_run_print_json(run, object);
}

static const ae_option own[] = {{"number", 'n', AE_OPTION_REAL, false, "X", "1", 0, 0, "a number"}, {0}};
static const char *const options[] = {"number", NULL};

int main(int argc, char **argv)
{
    static const ae_command doubling = {
        .name = "double", .summary = "double a number", .options = options, .own = own, .run = run_double};
    static const ae_command *const commands[] = {&doubling, NULL};
    const ae_app app = {.name = "outside", .commands = commands};
    return ae_app_main(&app, argc, argv);
}
