#include "apps/usage.h"

#include "apps/command_table.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, NAME_WIDTH = 26 };

/* Prints text from column `column` on, broken at blanks so that it stays within WIDTH, each further line indented. */
static void print_wrapped(FILE *out, const char *text, int column, int indent)
{
    int at = column;
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (at > indent && at + 1 + (int)word > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, word, out);
        at += (int)word;
        text += word;
        if (strncmp(text, "\n\n", 2) == 0) {
            fprintf(out, "\n\n%*s", indent, "");
            at = indent;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

/* "  name     text", the text in a column of its own. */
static void print_entry(FILE *out, const char *name, const char *text)
{
    int length = (int)strlen(name) + 2;
    fprintf(out, "  %s", name);
    if (length >= NAME_WIDTH) {
        fputc('\n', out);
        length = 0;
    }
    fprintf(out, "%*s", NAME_WIDTH - length, "");
    print_wrapped(out, text, NAME_WIDTH, NAME_WIDTH);
}

/* An option's value as it stands behind the name. */
static const char *value_of(const ae_option *row, char *text, size_t size)
{
    bool flag = row->kind == AE_OPTION_FLAG, may = row->kind == AE_OPTION_REPORT;
    snprintf(text, size, "%s%s%s", flag ? "" : may ? "[=" : " ", flag ? "" : row->value, may ? "]" : "");
    return text;
}

static void print_option(FILE *out, const ae_option *row)
{
    char name[160], text[512];
    char letter[8] = "";
    if (row->letter) {
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    }
    char value[80];
    snprintf(name, sizeof name, "%s--%s%s", letter, row->name, value_of(row, value, sizeof value));
    snprintf(text, sizeof text, "%s%s%s%s%s", row->help, row->many ? "; may be repeated" : "",
             row->preset ? " (default " : "", row->preset ? row->preset : "", row->preset ? ")" : "");
    print_entry(out, name, text);
}

void ae_print_program_help(FILE *out, const ae_app *app)
{
    const char *name = ae_app_name(app);
    fprintf(out, "%s %s: tensors with gradients, and a zoo of language models\n\n", name, ae_version());
    fprintf(out, "usage: %s COMMAND [OPTIONS] [ARGUMENTS]\n", name);
    fprintf(out, "       %s COMMAND --help\n\ncommands:\n", name);
    const ae_command *command;
    for (int i = 0; (command = ae_app_command(app, i)) != NULL; i++) {
        print_entry(out, command->name, command->summary);
    }
    fprintf(out, "\nexit status: 0 done; 1 it ran, and the answer is no; 2 usage or input;\n"
                 "3 a value that is not finite; 4 disk or memory\n");
}

void ae_print_command_help(FILE *out, const ae_app *app, const ae_command *command)
{
    fprintf(out, "usage: %s %s [OPTIONS]%s%s\n\n", ae_app_name(app), command->name, command->usage ? " " : "",
            command->usage ? command->usage : "");
    print_wrapped(out, command->summary, 0, 0);
    if (command->details) {
        fputc('\n', out);
        print_wrapped(out, command->details, 0, 0);
    }
    fprintf(out, "\noptions:\n");
    ae_options *options = ae_options_new(command->options, command->own, NULL);
    for (int i = 0; options && i < ae_options_rows(options); i++) {
        print_option(out, ae_options_row(options, i));
    }
    ae_options_free(options);
}

int ae_print_group_help(FILE *out, const ae_app *app, const char *group)
{
    int found = 0;
    const ae_command *command;
    for (int i = 0; (command = ae_app_command(app, i)) != NULL; i++) {
        if (ae_command_is_in_group(command, group)) {
            if (found++ == 0) {
                fprintf(out, "usage: %s %s COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:\n", ae_app_name(app), group);
            }
            print_entry(out, command->name, command->summary);
        }
    }
    return found ? 0 : -1;
}

/* ---- the manual page --------------------------------------------------------------------------------------------- */

/* Prints text for troff: hyphens are minus signs, backslashes are escaped, no line begins with a control character. */
static void print_roff(FILE *out, const char *text)
{
    bool line_starts = true;
    for (; *text; text++) {
        if (strncmp(text, "\n\n", 2) == 0) {
            fputs("\n.PP\n", out);
            text++;
            line_starts = true;
            continue;
        }
        if (line_starts && (*text == '.' || *text == '\'')) {
            fputs("\\&", out);
        }
        if (*text == '-') {
            fputs("\\-", out);
        } else if (*text == '\\') {
            fputs("\\e", out);
        } else {
            fputc(*text, out);
        }
        line_starts = *text == '\n';
    }
    fputc('\n', out);
}

static void print_roff_option(FILE *out, const ae_option *row)
{
    fputs(".TP\n.B ", out);
    if (row->letter) {
        fprintf(out, "\\-%c\\fR, \\fB", row->letter);
    }
    fputs("\\-\\-", out);
    char name[160], value[80];
    snprintf(name, sizeof name, "%s%s", row->name, value_of(row, value, sizeof value));
    print_roff(out, name);
    print_roff(out, row->help);
    if (row->preset) {
        fputs("Default: ", out);
        print_roff(out, row->preset);
    }
}

static void print_roff_command(FILE *out, const ae_app *app, const ae_command *command)
{
    fputs(".SS ", out);
    print_roff(out, command->name);
    fprintf(out, ".B %s\n", ae_app_name(app));
    print_roff(out, command->name);
    fputs("[OPTIONS]\n", out);
    if (command->usage) {
        print_roff(out, command->usage);
    }
    fputs(".PP\n", out);
    print_roff(out, command->summary);
    if (command->details) {
        fputs(".PP\n", out);
        print_roff(out, command->details);
    }
    ae_options *options = ae_options_new(command->options, command->own, NULL);
    for (int i = 0; options && i < ae_options_rows(options); i++) {
        print_roff_option(out, ae_options_row(options, i));
    }
    ae_options_free(options);
}

void ae_print_manual(FILE *out, const ae_app *app)
{
    const char *name = ae_app_name(app);
    fprintf(out, ".TH %s 1 \"\" \"%s %s\" \"User Commands\"\n", name, name, ae_version());
    fprintf(out, ".SH NAME\n%s \\- tensors with gradients, and a zoo of language models\n", name);
    fprintf(out, ".SH SYNOPSIS\n.B %s\nCOMMAND [OPTIONS] [ARGUMENTS]\n.SH COMMANDS\n", name);
    const ae_command *command;
    for (int i = 0; (command = ae_app_command(app, i)) != NULL; i++) {
        print_roff_command(out, app, command);
    }
    fputs(".SH EXIT STATUS\n"
          ".TP\n.B 0\ndone\n.TP\n.B 1\nit ran, and the answer is no\n.TP\n.B 2\nusage or input\n"
          ".TP\n.B 3\ntraining met a value that is not finite\n.TP\n.B 4\ndisk or memory\n",
          out);
}
