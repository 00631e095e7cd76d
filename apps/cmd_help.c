#include "apps/command_table.h"
#include "apps/usage.h"

static int run_help(ae_run *run)
{
    if (ae_options_flag(run->options, "man")) {
        ae_print_manual(run->out, run->app);
        return AE_EXIT_DONE;
    }
    int count = ae_options_arguments(run->options);
    if (count == 0) {
        ae_print_program_help(run->out, run->app);
        return AE_EXIT_DONE;
    }
    char *words[2] = {(char *)ae_options_argument(run->options, 0), (char *)ae_options_argument(run->options, 1)};
    int used;
    const ae_command *command = ae_find_command(run->app, count, words, &used);
    if (command && used == count) {
        ae_print_command_help(run->out, run->app, command);
        return AE_EXIT_DONE;
    }
    if (count == 1 && ae_print_group_help(run->out, run->app, words[0]) == 0) {
        return AE_EXIT_DONE;
    }
    return ae_unknown_command(run->app, words[command ? 1 : 0], &run->error);
}

static const char *const options[] = {"man", NULL};

const ae_command ae_cmd_help = {
    .name = "help",
    .summary = "print help on a command, or the manual page of all",
    .usage = "[COMMAND]",
    .details = "`help --man` prints the manual page; `aesop help --man | man -l -` shows it.",
    .options = options,
    .arguments_max = 2,
    .run = run_help,
};
