/* Plugins: what is refused and with which words, what is loaded, and that model files ask for theirs by name. */
#include "apps/model_bundle.h"
#include "apps/plugin.h"
#include "zoo/composed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PLUGIN(name) AE_PLUGIN_DIR "/" name ".so"

/* ---- one file ------------------------------------------------------------------------------------------------------ */

static void bad_plugins_are_refused_by_what_they_are(void **state)
{
    char tokens[512], old[512];
    snprintf(
        old, sizeof old,
        "plugin " PLUGIN("plugin_old") " was made for plugin interface %d (aesop 9.8.7), this program has %d (aesop "
                                       "%s); compile it against the headers of this one",
        AE_PLUGIN_ABI + 41, AE_PLUGIN_ABI, AE_VERSION);
    snprintf(tokens, sizeof tokens,
             "plugin " PLUGIN("plugin_narrow") ": its ae_tokens has %zu bytes (aesop 0.0.9), that of this program %zu "
                                               "(aesop %s); compile it against the headers of this one",
             sizeof(ae_tokens) - 8, sizeof(ae_tokens), AE_VERSION);
    const struct {
        const char *path, *message;
    } cases[] = {
        {PLUGIN("plugin_old"), old},
        {PLUGIN("plugin_narrow"), tokens},
        {PLUGIN("plugin_empty"), "plugin " PLUGIN("plugin_empty") ": its encoder half lacks a name, a line about it, a "
                                                                  "size, build or encode"},
        {PLUGIN("plugin_nameless"), "plugin " PLUGIN("plugin_nameless") ": it has no name"},
        {PLUGIN("plugin_other"),
         "plugin " PLUGIN("plugin_other") ": it exports no ae_plugin (apps/plugin.h says what a "
                                          "plugin is)"},
        {PLUGIN("nowhere"), "plugin " PLUGIN("nowhere") " cannot be loaded: "},
        {"nowhere.so", "plugin nowhere.so cannot be loaded: ./nowhere.so: "},
        {AE_TEST_DIR "/CMakeLists.txt", "plugin " AE_TEST_DIR "/CMakeLists.txt cannot be loaded: "},
    };
    (void)state;
    ae_plugins *p = ae_plugins_new(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_err e = {0};
        assert_int_equal(ae_plugins_load(p, cases[i].path, &e), -1);
        if (strncmp(e.message, cases[i].message, strlen(cases[i].message)) != 0) {
            fail_msg("%s", e.message);
        }
        assert_null(ae_plugins_encoders(p)[0]);
    }
    ae_plugins_free(p);
    ae_plugins_free(NULL);
}

static void a_good_one_brings_its_encoders(void **state)
{
    ae_err e = {0};
    (void)state;
    ae_plugins *p = ae_plugins_new(NULL);
    assert_int_equal(ae_plugins_load(p, PLUGIN("plugin_twin"), &e), 0);
    assert_int_equal(ae_plugins_load(p, PLUGIN("plugin_twin"), &e), 0); /* once more changes nothing */
    assert_string_equal(ae_plugins_encoders(p)[0]->name, "convmixer");
    assert_null(ae_plugins_encoders(p)[1]);
    assert_string_equal(ae_plugins_source(p, "convmixer")->name, "twin");
    assert_null(ae_plugins_source(p, "lstm"));
    assert_int_equal(ae_plugins_load(p, PLUGIN("convmixer_plugin"), &e), -1);
    assert_string_equal(e.message, "plugin " PLUGIN("convmixer_plugin") ": the encoder convmixer comes from the plugin "
                                                                        "twin too");
    const ae_encoder *const own[] = {ae_plugins_encoders(p)[0], NULL};
    ae_plugins *second = ae_plugins_new(own);
    ae_err_clear(&e);
    assert_int_equal(ae_plugins_load(second, PLUGIN("convmixer_plugin"), &e), -1);
    assert_string_equal(e.message,
                        "plugin " PLUGIN("convmixer_plugin") ": the encoder convmixer comes from the program too");
    ae_plugins_free(second);
    ae_plugins_free(p);
}

/* ---- AESOP_PLUGIN_PATH --------------------------------------------------------------------------------------------- */

static void the_path_names_files_and_folders(void **state)
{
    ae_err e = {0};
    (void)state;
    ae_plugins *p = ae_plugins_new(NULL);
    assert_int_equal(ae_plugins_load_path(p, NULL, &e), 0);
    assert_int_equal(ae_plugins_load_path(p, "::" PLUGIN("plugin_twin") ":", &e), 0);
    assert_non_null(ae_plugins_encoders(p)[0]);
    assert_int_equal(ae_plugins_load_path(p, "/no/such/place", &e), -1);
    assert_string_equal(e.message, "AESOP_PLUGIN_PATH: /no/such/place: No such file or directory");
    ae_plugins_free(p);

    char folder[] = "/tmp/aesop_plugins_XXXXXX", link[64];
    assert_non_null(mkdtemp(folder));
    snprintf(link, sizeof link, "%s/b.so", folder);
    assert_int_equal(symlink(PLUGIN("plugin_twin"), link), 0);
    p = ae_plugins_new(NULL);
    ae_err_clear(&e);
    assert_int_equal(ae_plugins_load_path(p, folder, &e), 0);
    assert_string_equal(ae_plugins_encoders(p)[0]->name, "convmixer");
    ae_plugins_free(p);
    unlink(link);
    rmdir(folder);
}

/* ---- in the program ------------------------------------------------------------------------------------------------ */

/* Runs a command line; what it prints, and its log, in text. */
static int program(const ae_app *app, int argc, const char *const *words, char text[8192])
{
    char *argv[8] = {"aesop"};
    for (int i = 0; i < argc; i++) {
        argv[i + 1] = (char *)(uintptr_t)words[i];
    }
    memset(text, 0, 8192);
    FILE *out = fmemopen(text, 8192, "w");
    int status = ae_app_run(app, argc + 1, argv, out, out);
    fclose(out);
    return status;
}

static void encoders_are_listed(void **state)
{
    char text[8192];
    ae_err e = {0};
    const char *plain[] = {"list", "encoders"}, *given[] = {"list", "encoders", "--plugin", PLUGIN("plugin_twin")};
    (void)state;
    assert_int_equal(program(NULL, 2, plain, text), 0);
    assert_null(strstr(text, "convmixer"));
    assert_int_equal(program(NULL, 4, given, text), 0);
    assert_int_equal(strncmp(text, "convmixer ", 10), 0);
    setenv("AESOP_PLUGIN_PATH", PLUGIN("plugin_twin"), 1);
    assert_int_equal(program(NULL, 4, given, text), 0);
    const char *json[] = {"list", "encoders", "--json"};
    assert_int_equal(program(NULL, 3, json, text), 0);
    assert_non_null(strstr(text, "\"name\":\"convmixer\",\"about\":\"the words as they are\",\"plugin\":\"twin\""));
    setenv("AESOP_PLUGIN_PATH", PLUGIN("plugin_old"), 1);
    assert_int_equal(program(NULL, 2, plain, text), AE_EXIT_INPUT);
    assert_non_null(strstr(text, "was made for plugin interface"));
    unsetenv("AESOP_PLUGIN_PATH");

    ae_plugins *p = ae_plugins_new(NULL);
    assert_int_equal(ae_plugins_load(p, PLUGIN("plugin_twin"), &e), 0);
    const ae_app app = {.encoders = ae_plugins_encoders(p)};
    assert_int_equal(program(&app, 2, plain, text), 0);
    assert_int_equal(strncmp(text, "convmixer ", 10), 0);
    ae_plugins_free(p);
}

/* ---- model files --------------------------------------------------------------------------------------------------- */

static const char config[] = "{\"vocab_size\":9,\"hidden_size\":4,\"encoder\":\"convmixer\",\"target\":[\"cls\"]}";

static void begin(ae_run *run, const char *plugin)
{
    static const char *const names[] = {"plugin", "quiet", "tokenizer", NULL};
    *run = (ae_run){.log = stderr, .out = stdout};
    run->options = ae_options_new(names, NULL, &run->error);
    assert_non_null(run->options);
    if (plugin) {
        assert_int_equal(ae_options_set(run->options, "plugin", plugin, AE_ORIGIN_COMMAND, &run->error), 0);
    }
}

static void end(ae_run *run, ae_bundle *d)
{
    ae_bundle_free(d);
    ae_plugins_free(run->plugins);
    ae_options_free(run->options);
}

static void model_files_ask_for_their_plugin(void **state)
{
    char path[] = "/tmp/aesop_plugin_XXXXXX";
    ae_run run;
    ae_bundle d = {0};
    (void)state;
    close(mkstemp(path));

    begin(&run, PLUGIN("plugin_twin"));
    d.config = ae_json_parse(config, sizeof config - 1, &run.error);
    assert_int_equal(ae_bundle_build(&run, &d, ae_zoo_find("Composed"), 1, false), 0);
    assert_string_equal(d.plugin, "twin");
    assert_int_equal(ae_bundle_save(&d, path, NULL, NULL, &run.error), 0);
    end(&run, &d);

    begin(&run, NULL);
    assert_int_equal(ae_bundle_open(&run, &d, path), -1);
    assert_string_equal(
        run.error.message,
        "this model needs the encoder convmixer of the plugin twin: give the file with --plugin, or its "
        "folder with AESOP_PLUGIN_PATH");
    end(&run, &d);

    begin(&run, PLUGIN("plugin_twin"));
    assert_int_equal(ae_bundle_open(&run, &d, path), 0);
    assert_string_equal(d.plugin, "twin");
    end(&run, &d);

    begin(&run, PLUGIN("plugin_old")); /* a plugin that cannot be loaded says so, whatever it is for */
    assert_int_equal(ae_bundle_open(&run, &d, path), -1);
    assert_non_null(strstr(run.error.message, "was made for plugin interface"));
    end(&run, &d);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_plugins_are_refused_by_what_they_are), cmocka_unit_test(a_good_one_brings_its_encoders),
        cmocka_unit_test(the_path_names_files_and_folders),         cmocka_unit_test(encoders_are_listed),
        cmocka_unit_test(model_files_ask_for_their_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
