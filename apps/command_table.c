#include "apps/command_table.h"

#include "tensor/nearest_name.h"

#include <stdlib.h>
#include <string.h>

static const ae_command *const table[] = {
#define AE_COMMAND_POINTER(name) &ae_cmd_##name,
    AE_COMMANDS(AE_COMMAND_POINTER)
#undef AE_COMMAND_POINTER
};

enum { TABLE_COUNT = sizeof table / sizeof *table };

static int added_count(const ae_app *app)
{
    int count = 0;
    while (app && app->commands && app->commands[count]) {
        count++;
    }
    return count;
}

static bool is_replaced(const ae_app *app, const ae_command *command)
{
    for (int i = 0; i < added_count(app); i++) {
        if (strcmp(app->commands[i]->name, command->name) == 0) {
            return true;
        }
    }
    return false;
}

const ae_command *ae_app_command(const ae_app *app, int i)
{
    int added = added_count(app);
    if (i >= 0 && i < added) {
        return app->commands[i];
    }
    int left = i - added;
    for (int k = 0; k < TABLE_COUNT && left >= 0; k++) {
        if (!is_replaced(app, table[k]) && left-- == 0) {
            return table[k];
        }
    }
    return NULL;
}

int ae_app_command_count(const ae_app *app)
{
    int count = 0;
    while (ae_app_command(app, count)) {
        count++;
    }
    return count;
}

/* ---- finding one by what the user wrote -------------------------------------------------------------------------- */

/* How many of the words are the name of this command; 0 when they are not. */
static int words_of(const ae_command *command, int argc, char *const *argv)
{
    const char *space = strchr(command->name, ' ');
    size_t first = space ? (size_t)(space - command->name) : strlen(command->name);
    if (argc < 1 || strncmp(argv[0], command->name, first) != 0 || argv[0][first] != '\0') {
        return 0;
    }
    if (!space) {
        return 1;
    }
    return argc >= 2 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

const ae_command *ae_find_command(const ae_app *app, int argc, char *const *argv, int *words)
{
    const ae_command *found = NULL, *command;
    *words = 0;
    for (int i = 0; (command = ae_app_command(app, i)) != NULL; i++) {
        int n = words_of(command, argc, argv);
        if (n > *words) {
            *words = n;
            found = command;
        }
    }
    return found;
}

bool ae_command_is_in_group(const ae_command *command, const char *group)
{
    size_t length = strlen(group);
    return strncmp(command->name, group, length) == 0 && command->name[length] == ' ';
}

int ae_unknown_command(const ae_app *app, const char *word, ae_err *e)
{
    char actions[256] = "";
    size_t used = 0;
    const ae_command *command;
    for (int i = 0; (command = ae_app_command(app, i)) != NULL; i++) {
        if (ae_command_is_in_group(command, word) && used < sizeof actions) {
            int n = snprintf(actions + used, sizeof actions - used, "%s%s", used ? ", " : "",
                             command->name + strlen(word) + 1);
            used += n > 0 ? (size_t)n : 0;
        }
    }
    if (used) {
        return ae_err_set(e, AE_E_MISSING, "%s needs a second word: one of %s", word, actions);
    }
    int count = ae_app_command_count(app);
    const char **names = calloc((size_t)count + 1, sizeof *names);
    if (!names) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the command line");
    }
    for (int i = 0; i < count; i++) {
        names[i] = ae_app_command(app, i)->name;
    }
    const char *nearest = ae_nearest_name(word, names, count);
    free(names);
    return nearest ? ae_err_set(e, AE_E_UNEXPECTED, "unknown command \"%s\"; did you mean %s?", word, nearest)
                   : ae_err_set(e, AE_E_UNEXPECTED, "unknown command \"%s\"; `%s help` lists the commands", word,
                                ae_app_name(app));
}
