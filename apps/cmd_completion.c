#include "apps/command_table.h"

#include <string.h>

/* The options of a command, for one that exists in the tables (the tests see to that). */
static ae_options *options_of(const ae_command *command)
{
    return ae_options_new(command->options, command->own, NULL);
}

/* Prints text within single quotes of a POSIX shell. */
static void print_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*text, out);
        }
    }
    fputc('\'', out);
}

/* Prints the words of "a|b|c" with blanks between. */
static void print_words(FILE *out, const char *choices)
{
    for (; *choices; choices++) {
        fputc(*choices == '|' ? ' ' : *choices, out);
    }
}

static void print_first_words(FILE *out, const ae_app *app)
{
    const ae_command *command;
    const char *last = "";
    for (int i = 0; (command = ae_app_command(app, i)) != NULL; i++) {
        size_t length = strcspn(command->name, " ");
        if (strncmp(last, command->name, length) != 0 || last[length] != ' ') {
            fprintf(out, "%s%.*s", i ? " " : "", (int)length, command->name);
        }
        last = command->name;
    }
}

/* ---- bash -------------------------------------------------------------------------------------------------------- */

static void print_bash(FILE *out, const ae_app *app)
{
    const char *name = ae_app_name(app);
    fprintf(out,
            "_%s()\n{\n"
            "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
            "    local command=${COMP_WORDS[1]-} options= seconds= words=\n"
            "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
            "        COMPREPLY=($(compgen -W '",
            name);
    print_first_words(out, app);
    fputs(" --help --version' -- \"$word\"))\n        return\n    fi\n    case $command in\n", out);
    const ae_command *command;
    for (int i = 0; (command = ae_app_command(app, i)) != NULL; i++) {
        const char *second = strchr(command->name, ' ');
        if (second) {
            fprintf(out, "    %.*s) seconds=\"$seconds%s\" ;;&\n", (int)(second - command->name), command->name,
                    second);
        }
        fprintf(out, "    %.*s) options=\"$options", (int)strcspn(command->name, " "), command->name);
        ae_options *options = options_of(command);
        for (int k = 0; options && k < ae_options_rows(options); k++) {
            fprintf(out, " --%s", ae_options_row(options, k)->name);
        }
        ae_options_free(options);
        fputs("\" ;;&\n", out);
    }
    fputs("    esac\n    case $before in\n", out);
    for (const ae_option *row = ae_option_table(); row->name; row++) {
        if (row->kind == AE_OPTION_CHOICE) {
            fprintf(out, "    --%s) words='", row->name);
            print_words(out, row->value);
            fputs("' ;;\n", out);
        }
    }
    fprintf(out,
            "    esac\n"
            "    if [ -n \"$words\" ]; then\n"
            "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
            "    elif [ -n \"$seconds\" ] && [ \"$COMP_CWORD\" -eq 2 ]; then\n"
            "        COMPREPLY=($(compgen -W \"$seconds\" -- \"$word\"))\n"
            "    elif [ \"${word#-}\" != \"$word\" ]; then\n"
            "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
            "    else\n"
            "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
            "    fi\n}\ncomplete -o filenames -F _%s %s\n",
            name, name);
}

/* ---- fish -------------------------------------------------------------------------------------------------------- */

static void print_fish_option(FILE *out, const char *program, const ae_command *command, const ae_option *row)
{
    int length = (int)strcspn(command->name, " ");
    fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %.*s' -l %s", program, length, command->name,
            row->name);
    if (row->letter) {
        fprintf(out, " -s %c", row->letter);
    }
    if (row->kind == AE_OPTION_CHOICE) {
        fputs(" -x -a '", out);
        print_words(out, row->value);
        fputc('\'', out);
    } else if (row->kind != AE_OPTION_FLAG && row->kind != AE_OPTION_REPORT) {
        fputs(" -r", out);
    }
    fputs(" -d ", out);
    print_quoted(out, row->help);
    fputc('\n', out);
}

static void print_fish(FILE *out, const ae_app *app)
{
    const char *name = ae_app_name(app);
    const ae_command *command;
    for (int i = 0; (command = ae_app_command(app, i)) != NULL; i++) {
        const char *second = strchr(command->name, ' ');
        int length = (int)strcspn(command->name, " ");
        fprintf(out, "complete -c %s -f -n __fish_use_subcommand -a %.*s", name, length, command->name);
        if (!second) {
            fputs(" -d ", out);
            print_quoted(out, command->summary);
        } else {
            fprintf(out, "\ncomplete -c %s -f -n '__fish_seen_subcommand_from %.*s' -a%s -d ", name, length,
                    command->name, second);
            print_quoted(out, command->summary);
        }
        fputc('\n', out);
        ae_options *options = options_of(command);
        for (int k = 0; options && k < ae_options_rows(options); k++) {
            print_fish_option(out, name, command, ae_options_row(options, k));
        }
        ae_options_free(options);
    }
}

/* ---- zsh --------------------------------------------------------------------------------------------------------- */

/* zsh runs bash's completion through its own bashcompinit. */
static void print_zsh(FILE *out, const ae_app *app)
{
    fprintf(out, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", ae_app_name(app));
    print_bash(out, app);
}

static int run_completion(ae_run *run)
{
    static const struct {
        const char *shell;
        void (*print)(FILE *out, const ae_app *app);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    const char *shell = ae_options_argument(run->options, 0);
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shell, shells[i].shell) == 0) {
            shells[i].print(run->out, run->app);
            return AE_EXIT_DONE;
        }
    }
    return ae_err_set(&run->error, AE_E_VALUE, "the shell is one of bash, zsh, fish; got \"%s\"", shell);
}

const ae_command ae_cmd_completion = {
    .name = "completion",
    .summary = "print completion of this program's commands and options for a shell",
    .usage = "bash|zsh|fish",
    .details = "bash: `source <(aesop completion bash)` in ~/.bashrc. zsh: the same in ~/.zshrc, after compinit. fish: "
               "`aesop completion fish >~/.config/fish/completions/aesop.fish`.",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_completion,
};
