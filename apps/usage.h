/* What help prints, written from the tables of subcommands and options. Internal to apps/. */
#ifndef AE_APPS_USAGE_H
#define AE_APPS_USAGE_H

#include "apps/app.h"

void ae_print_program_help(FILE *out, const ae_app *app);
void ae_print_command_help(FILE *out, const ae_app *app, const ae_command *command);

/* The commands called "group something"; -1 and nothing printed when there is none. */
int ae_print_group_help(FILE *out, const ae_app *app, const char *group);

/* The whole program as a manual page. */
void ae_print_manual(FILE *out, const ae_app *app);

#endif
