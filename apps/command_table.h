/* The list of subcommands: a row here and a file apps/cmd_<name>.c that defines `const ae_command ae_cmd_<name>` make
 * one. Help shows them in this order. */
#ifndef AE_APPS_COMMAND_TABLE_H
#define AE_APPS_COMMAND_TABLE_H

#include "apps/app.h"

#define AE_COMMANDS(ROW)                                                                                               \
    ROW(pretrain)                                                                                                      \
    ROW(finetune)                                                                                                      \
    ROW(predict)                                                                                                       \
    ROW(eval)                                                                                                          \
    ROW(generate)                                                                                                      \
    ROW(fill)                                                                                                          \
    ROW(embed)                                                                                                         \
    ROW(data_build)                                                                                                    \
    ROW(data_inspect)                                                                                                  \
    ROW(list)                                                                                                          \
    ROW(inspect)                                                                                                       \
    ROW(convert)                                                                                                       \
    ROW(average)                                                                                                       \
    ROW(tokenizer_train)                                                                                               \
    ROW(tokenizer_encode)                                                                                              \
    ROW(tokenizer_decode)                                                                                              \
    ROW(tokenizer_segment)                                                                                             \
    ROW(tokenizer_characters)                                                                                          \
    ROW(tokenizer_inspect)                                                                                             \
    ROW(tokenizer_convert)                                                                                             \
    ROW(tokenizer_extend)                                                                                              \
    ROW(tokenizer_diff)                                                                                                \
    ROW(parity)                                                                                                        \
    ROW(bench_train)                                                                                                   \
    ROW(bench_infer)                                                                                                   \
    ROW(bench_generate)                                                                                                \
    ROW(bench_encode)                                                                                                  \
    ROW(bench_packing)                                                                                                 \
    ROW(bench_ops)                                                                                                     \
    ROW(bench_matmul)                                                                                                  \
    ROW(bench_data)                                                                                                    \
    ROW(bench_tokenizer)                                                                                               \
    ROW(version)                                                                                                       \
    ROW(completion)                                                                                                    \
    ROW(help)

#define AE_COMMAND_DECLARE(name) extern const ae_command ae_cmd_##name;
AE_COMMANDS(AE_COMMAND_DECLARE)
#undef AE_COMMAND_DECLARE

/* The longest command whose words stand at argv[0], argv[1]; *words says how many they are. NULL when there is none. */
const ae_command *ae_find_command(const ae_app *app, int argc, char *const *argv, int *words);

/* Whether the command is called "group something". */
bool ae_command_is_in_group(const ae_command *command, const char *group);

/* Fills e for a word that is no command: names the second words it may have, or the nearest command. Returns -1. */
int ae_unknown_command(const ae_app *app, const char *word, ae_err *e);

#endif
