#include "apps/app.h"
#include "apps/command_table.h"
#include "tensor/kernels.h"
#include "tensor/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* ---- a program with commands of its own -------------------------------------------------------------------------- */

static int run_add(ae_run *run)
{
    double sum = ae_options_real(run->options, "to-add");
    for (int i = 0; i < ae_options_arguments(run->options); i++) {
        sum += strtod(ae_options_argument(run->options, i), NULL);
    }
    if (!run->json) {
        fprintf(run->out, "%g\n", sum);
        return AE_EXIT_DONE;
    }
    ae_json *object = ae_json_new_object();
    ae_json_set_double(object, "sum", sum);
    return ae_run_print_json(run, object);
}

static int run_fail(ae_run *run)
{
    const char *code = ae_options_argument(run->options, 0);
    if (strcmp(code, "no") == 0) {
        return AE_EXIT_NO;
    }
    run->error_file = "corpus.txt";
    run->error_line = 7;
    for (int i = 0; i < AE_CODE_COUNT; i++) {
        if (strcmp(code, ae_code_name((ae_code)i)) == 0) {
            ae_err_set(&run->error, (ae_code)i, "this failed");
        }
    }
    return -1;
}

static int run_broken(ae_run *run)
{
    return ae_run_print_json(run, NULL);
}

static const ae_option add_own[] = {
    {.name = "to-add", .kind = AE_OPTION_REAL, .value = "X", .preset = "0", .help = "a number more"}, {.name = NULL}};
static const char *const add_options[] = {"to-add", "json", "threads", NULL};
static const char *const json_option[] = {"json", NULL};

static const ae_command add = {.name = "calculate add",
                               .summary = "add numbers",
                               .usage = "NUMBER...",
                               .details = "Numbers are added.\n\nIn the order in which they stand on the command line, "
                                          "each of them to the sum of those before.",
                               .options = add_options,
                               .own = add_own,
                               .arguments_min = 1,
                               .arguments_max = -1,
                               .run = run_add};
static const ae_command twice = {
    .name = "calculate twice", .summary = "twice a number", .usage = "NUMBER", .arguments_max = 1, .run = run_add};
static const ae_command failing = {.name = "fail",
                                   .summary = "fail",
                                   .usage = "CODE",
                                   .options = json_option,
                                   .arguments_min = 1,
                                   .arguments_max = 1,
                                   .run = run_fail};
static const ae_command broken = {.name = "broken", .summary = "no memory", .options = json_option, .run = run_broken};
static const ae_command list = {.name = "list", .summary = "another list", .run = run_broken};
static const ae_command *const commands[] = {&add, &twice, &failing, &broken, &list, NULL};
static const ae_app program = {.name = "mine", .commands = commands};

/* ---- running it -------------------------------------------------------------------------------------------------- */

enum { OUTPUT_MAX = 1 << 18, WORDS_MAX = 12 };

static char out_text[OUTPUT_MAX], log_text[OUTPUT_MAX];

/* Runs a command line given as words parted by blanks; out_text and log_text receive what it prints. */
static int run(const ae_app *app, const char *line)
{
    char copy[512], *words[WORDS_MAX + 1] = {"program"};
    snprintf(copy, sizeof copy, "%s", line);
    int count = 1;
    for (char *word = strtok(copy, " "); word && count < WORDS_MAX; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    memset(out_text, 0, sizeof out_text);
    memset(log_text, 0, sizeof log_text);
    FILE *out = fmemopen(out_text, sizeof out_text - 1, "w"), *log = fmemopen(log_text, sizeof log_text - 1, "w");
    int status = ae_app_run(app, count, words, out, log);
    fclose(out);
    fclose(log);
    return status;
}

static void test_own_command(void **state)
{
    (void)state;
    assert_int_equal(run(&program, "calculate add 1 2 --to_add=0.5"), AE_EXIT_DONE);
    assert_string_equal(out_text, "3.5\n");
    assert_string_equal(log_text, "");
    assert_int_equal(run(&program, "calculate add 1 --json --threads 1"), AE_EXIT_DONE);
    assert_string_equal(out_text, "{\"schema\":1,\"sum\":1.0}\n");
    assert_int_equal(run(&program, "calculate add 1 --threads 0"), AE_EXIT_INPUT);
    assert_string_equal(log_text, "mine calculate add: --threads must lie from 1 to 4096; got 0\n");
}

static void test_bad_command_lines(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"calculate", "mine: calculate needs a second word: one of add, twice\n"},
        {"calculate sub", "mine: calculate needs a second word: one of add, twice\n"},
        {"calculate add",
         "mine calculate add: an argument is missing; usage: mine calculate add [OPTIONS] NUMBER...\n"},
        {"calculate twice 1 2", "mine calculate twice: unexpected argument \"2\"\n"},
        {"calculate add --json=1 3", "mine calculate add: --json is true or false; got \"1\"\n"},
        {"versoin", "mine: unknown command \"versoin\"; did you mean version?\n"},
        {"quite-another", "mine: unknown command \"quite-another\"; `mine help` lists the commands\n"},
        {"quite-another --help", "mine: unknown command \"quite-another\"; `mine help` lists the commands\n"},
        {"--json list", "mine: the command comes first, then its options; got --json\n"},
        {"help versoin", "mine help: unknown command \"versoin\"; did you mean version?\n"},
        {"completion tcsh", "mine completion: the shell is one of bash, zsh, fish; got \"tcsh\"\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(run(&program, cases[i][0]), AE_EXIT_INPUT);
        if (cases[i][0][0] != '-') {
            assert_string_equal(out_text, "");
        }
        assert_string_equal(log_text, cases[i][1]);
    }
    assert_int_equal(run(&program, ""), AE_EXIT_INPUT);
    assert_string_equal(out_text, "");
    assert_non_null(strstr(log_text, "usage: mine COMMAND"));
}

static void test_errors(void **state)
{
    (void)state;
    assert_int_equal(run(&program, "fail no"), AE_EXIT_NO);
    assert_string_equal(log_text, "");
    assert_int_equal(run(&program, "fail format"), AE_EXIT_INPUT);
    assert_string_equal(out_text, "");
    assert_string_equal(log_text, "mine fail: this failed\n");
    assert_int_equal(run(&program, "fail format --json"), AE_EXIT_INPUT);
    assert_string_equal(out_text, "{\"schema\":1,\"error\":{\"code\":\"format\",\"message\":\"this failed\","
                                  "\"file\":\"corpus.txt\",\"line\":7}}\n");
    assert_int_equal(run(&program, "fail non_finite"), AE_EXIT_NONFINITE);
    assert_int_equal(run(&program, "fail io"), AE_EXIT_SYSTEM);
    assert_int_equal(run(&program, "fail memory"), AE_EXIT_SYSTEM);
    assert_int_equal(run(&program, "broken"), AE_EXIT_SYSTEM);
    assert_string_equal(log_text, "mine broken: no memory for the result\n");
    /* The command line is wrong, so --json was not read yet; the error is JSON all the same. */
    assert_int_equal(run(&program, "fail --jsn --json"), AE_EXIT_INPUT);
    assert_string_equal(out_text,
                        "{\"schema\":1,\"error\":{\"code\":\"unexpected\",\"message\":\"unknown option --jsn; "
                        "did you mean --json?\",\"file\":null,\"line\":null}}\n");
    assert_int_equal(ae_exit_status(AE_OK), AE_EXIT_DONE);
}

static void test_full_disk(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full) {
        skip();
    }
    char *words[] = {"mine", "help"};
    memset(log_text, 0, sizeof log_text);
    FILE *log = fmemopen(log_text, sizeof log_text - 1, "w");
    assert_int_equal(ae_app_run(&program, 2, words, full, log), AE_EXIT_SYSTEM);
    fclose(log);
    fclose(full);
    assert_string_equal(log_text, "mine: the output could not be written: is the disk full?\n");
}

/* A locale with another decimal point changes neither what is read nor what is written. */
static void test_locale(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "fr_FR.utf8"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof commas / sizeof *commas && !found; i++) {
        found = setlocale(LC_ALL, commas[i]);
    }
    assert_int_equal(run(&program, "calculate add 1.25"), AE_EXIT_DONE);
    assert_string_equal(out_text, "1.25\n");
    setlocale(LC_ALL, "C");
    if (!found) {
        skip();
    }
}

static void test_help(void **state)
{
    (void)state;
    assert_int_equal(run(&program, "--help"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, "\n  calculate add           add numbers\n"));
    assert_non_null(strstr(out_text, "\n  version "));
    char program_help[OUTPUT_MAX];
    memcpy(program_help, out_text, sizeof program_help);
    assert_int_equal(run(&program, "help"), AE_EXIT_DONE);
    assert_string_equal(out_text, program_help);
    assert_int_equal(run(&program, "-h"), AE_EXIT_DONE);
    assert_string_equal(out_text, program_help);

    assert_int_equal(run(&program, "calculate add --help"), AE_EXIT_DONE);
    assert_string_equal(out_text,
                        "usage: mine calculate add [OPTIONS] NUMBER...\n\nadd numbers\n\nNumbers are added.\n\n"
                        "In the order in which they stand on the command line, each of them to the sum of\nthose "
                        "before.\n\noptions:\n"
                        "  --to-add X              a number more (default 0)\n"
                        "  --json                  print JSON: one object, or one a line for records\n"
                        "  --threads N             threads that compute (else OMP_NUM_THREADS, else the\n"
                        "                          processors of this process)\n"
                        "  -h, --help              print this help\n");
    char add_help[OUTPUT_MAX];
    memcpy(add_help, out_text, sizeof add_help);
    assert_int_equal(run(&program, "help calculate add"), AE_EXIT_DONE);
    assert_string_equal(out_text, add_help);

    assert_int_equal(run(&program, "calculate --help"), AE_EXIT_DONE);
    assert_string_equal(out_text, "usage: mine calculate COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:\n"
                                  "  calculate add           add numbers\n"
                                  "  calculate twice         twice a number\n");
    assert_int_equal(run(&program, "help calculate"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, "calculate twice"));
}

static void test_manual(void **state)
{
    (void)state;
    assert_int_equal(run(&program, "help --man"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, ".TH mine 1 "));
    assert_non_null(strstr(out_text, ".SS calculate add\n"));
    assert_non_null(strstr(out_text, ".TP\n.B \\-\\-to\\-add X\na number more\n"));
    assert_non_null(strstr(out_text, ".B \\-h\\fR, \\fB\\-\\-help\n"));
}

static void test_completion(void **state)
{
    (void)state;
    assert_int_equal(run(&program, "completion bash"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, "compgen -W 'calculate fail broken list "));
    assert_non_null(strstr(out_text, " version completion help --help --version' -- "));
    assert_non_null(strstr(out_text, "calculate) options=\"$options --to-add --json --threads --help\" ;;&"));
    assert_non_null(strstr(out_text, "calculate) seconds=\"$seconds add\" ;;&"));
    assert_non_null(strstr(out_text, "--precision) words='auto f32 bf16 int8' ;;"));
    assert_int_equal(run(&program, "completion zsh"), AE_EXIT_DONE);
    assert_int_equal(strncmp(out_text, "#compdef mine\n", 14), 0);
    assert_int_equal(run(&program, "completion fish"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, "complete -c mine -n '__fish_seen_subcommand_from calculate' -l to-add -r -d "
                                     "'a number more'\n"));
}

static void test_version(void **state)
{
    (void)state;
    assert_int_equal(run(NULL, "--version"), AE_EXIT_DONE);
    assert_int_equal(strncmp(out_text, "aesop " AE_VERSION " (commit ", strlen("aesop " AE_VERSION " (commit ")), 0);
    assert_int_equal(run(NULL, "--version --json"), AE_EXIT_DONE);
    ae_err e = {0};
    ae_json *object = ae_json_parse(out_text, strlen(out_text), &e);
    assert_non_null(object);
    assert_string_equal(ae_json_need_string(object, "version", &e), AE_VERSION);
    assert_non_null(ae_json_need_string(object, "commit", &e));
    assert_string_equal(ae_json_need_string(object, "instruction_set", &e), ae_kernels_name());
    assert_non_null(strchr(ae_json_need_string(object, "hdf5", &e), '.'));
    assert_non_null(strchr(ae_json_need_string(object, "onednn", &e), '.'));
    assert_int_equal(ae_json_need_int(object, "schema", &e), 1);
    ae_json_free(object);
}

static void test_list(void **state)
{
    (void)state;
    assert_int_equal(run(NULL, "list dtypes"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, "bf16                 NumPy <V2, safetensors BF16\n"));
    assert_int_equal(run(NULL, "list dtypes --json"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, "{\"schema\":1,\"kind\":\"dtypes\",\"entries\":[{\"name\":\"f32\",\"about\":"));
    assert_non_null(strstr(out_text, "\"bytes\":4"));
    assert_int_equal(run(NULL, "list ops"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, "\nmatmul "));
    assert_int_equal(run(NULL, "list dtype"), AE_EXIT_INPUT);
    assert_string_equal(log_text, "aesop list: there is no list of \"dtype\"; did you mean dtypes?\n");
    assert_int_equal(run(NULL, "list zzzzzzz"), AE_EXIT_INPUT);
    assert_string_equal(log_text, "aesop list: there is no list of \"zzzzzzz\"; `list` alone prints the lists\n");

    /* Each kind that `list` names can be listed, in both forms, with as many entries as it says. */
    assert_int_equal(run(NULL, "list"), AE_EXIT_DONE);
    assert_non_null(strstr(out_text, "dtypes "));
    assert_int_equal(run(NULL, "list --json"), AE_EXIT_DONE);
    ae_err e = {0};
    ae_json *lists = ae_json_parse(out_text, strlen(out_text), &e);
    const ae_json *kinds = ae_json_need_array(lists, "lists", &e);
    assert_true(ae_json_count(kinds) >= 4);
    for (const ae_json *kind = ae_json_first(kinds); kind; kind = ae_json_next(kind)) {
        char line[128];
        snprintf(line, sizeof line, "list %s --json", ae_json_need_string(kind, "kind", &e));
        assert_int_equal(run(NULL, line), AE_EXIT_DONE);
        ae_json *one = ae_json_parse(out_text, strlen(out_text), &e);
        int entries = ae_json_count(ae_json_need_array(one, "entries", &e));
        assert_int_equal(entries, (int)ae_json_need_int(kind, "count", &e));
        assert_true(entries > 0);
        ae_json_free(one);
    }
    ae_json_free(lists);
    assert_string_equal(e.message, "");
}

/* Every command of the table has what help needs, and every option it names exists; its help can be printed. */
static void test_table(void **state)
{
    (void)state;
    const ae_command *command;
    for (int i = 0; (command = ae_app_command(NULL, i)) != NULL; i++) {
        assert_non_null(command->run);
        assert_non_null(command->summary);
        assert_true(command->arguments_max == 0 || command->usage != NULL);
        ae_err e = {0};
        ae_options *options = ae_options_new(command->options, command->own, &e);
        assert_string_equal(e.message, "");
        ae_options_free(options);
        for (const char *const *a = command->options; a && *a; a++) {
            for (const char *const *b = a + 1; *b; b++) {
                if (strcmp(*a, *b) == 0) {
                    fail_msg("%s lists --%s twice", command->name, *a);
                }
            }
        }
        char line[128];
        snprintf(line, sizeof line, "%s --help", command->name);
        assert_int_equal(run(NULL, line), AE_EXIT_DONE);
        assert_int_equal(strncmp(out_text, "usage: aesop ", 13), 0);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(ae_app_command(NULL, k)->name, command->name);
        }
    }
    assert_true(ae_app_command_count(NULL) >= 4);
    assert_null(ae_app_command(NULL, -1));
    assert_int_equal(ae_app_command_count(&program), ae_app_command_count(NULL) + 4); /* its list replaces list */
    assert_ptr_equal(ae_app_command(&program, 4), &list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_command), cmocka_unit_test(test_bad_command_lines),
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_locale),      cmocka_unit_test(test_help),
        cmocka_unit_test(test_manual),      cmocka_unit_test(test_completion),
        cmocka_unit_test(test_version),     cmocka_unit_test(test_list),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
