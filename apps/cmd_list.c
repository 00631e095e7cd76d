#include "apps/bench.h"
#include "apps/command_table.h"
#include "apps/plugin.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "nn/act.h"
#include "tensor/nearest_name.h"
#include "tensor/tensor.h"
#include "tokenizers/tokenizer.h"
#include "zoo/composed.h"

#include <string.h>

/* One entry of a list. `more` is its JSON object, for members beyond name and about; NULL when text is printed. */
typedef struct list_entry {
    const char *name;
    const char *about; /* NULL for nothing to say */
    ae_json *more;
} list_entry;

static bool command_entry(ae_run *run, int i, list_entry *entry)
{
    const ae_command *command = ae_app_command(run->app, i);
    if (!command) {
        return false;
    }
    entry->name = command->name;
    entry->about = command->summary;
    return true;
}

static bool option_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    const ae_option *row = &ae_option_table()[i];
    if (!row->name) {
        return false;
    }
    entry->name = row->name;
    entry->about = row->help;
    if (entry->more && row->preset) {
        ae_json_set_string(entry->more, "default", row->preset);
    }
    return true;
}

static bool dtype_entry(ae_run *run, int i, list_entry *entry)
{
    static const struct {
        const char *name, *about;
        int bytes;
    } rows[] = {
#define DTYPE_ROW(symbol, name, bytes, numpy, safetensors) {name, "NumPy " numpy ", safetensors " safetensors, bytes},
        AE_DTYPES(DTYPE_ROW)
#undef DTYPE_ROW
    };
    (void)run;
    if (i >= AE_DTYPE_COUNT) {
        return false;
    }
    entry->name = rows[i].name;
    entry->about = rows[i].about;
    ae_json_set_int(entry->more, "bytes", rows[i].bytes);
    return true;
}

static bool code_entry(ae_run *run, int i, list_entry *entry)
{
    static const char *const symbols[] = {
#define CODE_ROW(symbol, name) #symbol,
        AE_CODES(CODE_ROW)
#undef CODE_ROW
    };
    (void)run;
    if (i >= AE_CODE_COUNT) {
        return false;
    }
    entry->name = ae_code_name((ae_code)i);
    entry->about = symbols[i];
    ae_json_set_int(entry->more, "exit_status", ae_exit_status((ae_code)i));
    return true;
}

static bool op_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    int count;
    const ae_op *const *ops = ae_op_list(&count);
    if (i >= count) {
        return false;
    }
    entry->name = ops[i]->name;
    entry->about = ops[i]->formula;
    ae_json_set_bool(entry->more, "fused", (ops[i]->flags & AE_OP_FUSED) != 0);
    ae_json_set_bool(entry->more, "view", (ops[i]->flags & AE_OP_VIEW) != 0);
    ae_json_set_bool(entry->more, "random", (ops[i]->flags & AE_OP_RANDOM) != 0);
    ae_json_set_string(entry->more, "no_derivative", ops[i]->no_vjp);
    return true;
}

static bool activation_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    if (i >= AE_ACT_COUNT) {
        return false;
    }
    entry->name = ae_act_name((ae_act)i);
    entry->about = ae_act_formula((ae_act)i);
    return true;
}

static bool model_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    const ae_zoo_model *model = ae_zoo_at(i);
    if (!model) {
        return false;
    }
    entry->name = model->class_name;
    entry->about = model->paper;
    if (entry->more) {
        ae_json_set_string(entry->more, "family", model->name);
        ae_json_set_bool(entry->more, "packs", model->packs);
    }
    return true;
}

static bool encoder_entry(ae_run *run, int i, list_entry *entry)
{
    const ae_encoder *const *extra = ae_run_encoders(run);
    const ae_encoder *encoder = extra ? ae_encoder_at(extra, i) : NULL;
    if (!encoder) {
        return false;
    }
    const ae_plugin_record *plugin = ae_plugins_source(run->plugins, encoder->name);
    entry->name = encoder->name;
    entry->about = encoder->about;
    if (entry->more) {
        ae_json_set_string(entry->more, "plugin", plugin ? plugin->name : NULL);
    }
    return true;
}

static bool target_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    entry->name = ae_target_name((ae_target)i);
    entry->about = ae_target_about((ae_target)i);
    return entry->name != NULL;
}

static bool recipe_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    const ae_recipe *recipe = ae_recipe_at(i);
    if (!recipe) {
        return false;
    }
    entry->name = recipe->name;
    entry->about = recipe->about;
    if (entry->more) {
        ae_json_set_string(entry->more, "family", recipe->family);
        ae_json_set_string(entry->more, "config", recipe->config);
    }
    return true;
}

static bool optimizer_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    if (i >= ae_optim_count()) {
        return false;
    }
    entry->name = ae_optim_name(i);
    entry->about = ae_optim_formula(i);
    if (entry->more) {
        ae_json_set_string(entry->more, "source", ae_optim_source(i));
    }
    return true;
}

static bool schedule_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    if (i >= ae_schedule_count()) {
        return false;
    }
    entry->name = ae_schedule_name(i);
    entry->about = ae_schedule_formula(i);
    if (entry->more) {
        ae_json_set_string(entry->more, "source", ae_schedule_source(i));
    }
    return true;
}

static bool tokenizer_entry(ae_run *run, int i, list_entry *entry)
{
    (void)run;
    int k = i - ae_tokenizer_kind_count(); /* behind those that can be trained */
    if (k >= ae_tokenizer_piece_kind_count()) {
        return false;
    }
    entry->name = k < 0 ? ae_tokenizer_kind_name(i) : ae_tokenizer_piece_kind_name(k);
    entry->about = k < 0 ? ae_tokenizer_kind_about(i) : ae_tokenizer_piece_kind_about(k);
    return true;
}

/* The kinds of things that can be listed: a row each, with a function that fills entry i or returns false past the
 * last. */
static const struct list_kind {
    const char *name, *about;
    bool (*entry)(ae_run *run, int i, list_entry *entry);
} kinds[] = {
    {"commands", "the subcommands of this program", command_entry},
    {"models", "the classes of models, each with its paper", model_entry},
    {"encoders", "the encoders of composed models, plugins' first", encoder_entry},
    {"targets", "the targets of composed models", target_entry},
    {"recipes", "models of known sizes with the values that they are trained with", recipe_entry},
    {"optimizers", "the rules of optimizers, each with its formula", optimizer_entry},
    {"schedules", "the schedules of the learning rate", schedule_entry},
    {"tokenizers", "the kinds of tokenizers, from vocabulary files and from SentencePiece models", tokenizer_entry},
    {"options", "every option that some command takes", option_entry},
    {"ops", "the operations on tensors, each with its formula", op_entry},
    {"activations", "the activations that a model's configuration can name", activation_entry},
    {"dtypes", "the element types of tensors", dtype_entry},
    {"errors", "the codes of errors", code_entry},
};

enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

static int entry_count(ae_run *run, const struct list_kind *kind)
{
    list_entry entry = {0};
    int count = 0;
    while (kind->entry(run, count, &entry)) {
        count++;
    }
    return count;
}

static const struct list_kind *find_kind(const char *name, ae_err *e)
{
    const char *names[KIND_COUNT];
    for (int i = 0; i < KIND_COUNT; i++) {
        names[i] = kinds[i].name;
        if (strcmp(name, names[i]) == 0) {
            return &kinds[i];
        }
    }
    const char *nearest = ae_nearest_name(name, names, KIND_COUNT);
    ae_err_set(e, AE_E_MISSING, "there is no list of \"%s\"%s%s%s", name, nearest ? "; did you mean " : "",
               nearest ? nearest : "; `list` alone prints the lists", nearest ? "?" : "");
    return NULL;
}

static void print_kind(ae_run *run, const struct list_kind *kind)
{
    list_entry entry = {0};
    int width = 20;
    for (int i = 0; kind->entry(run, i, &entry); i++) {
        int length = (int)strlen(entry.name);
        width = length > width ? length : width;
    }
    for (int i = 0; kind->entry(run, i, &entry); i++) {
        fprintf(run->out, "%-*s %s\n", width, entry.name, entry.about ? entry.about : "");
    }
}

static int print_kind_json(ae_run *run, const struct list_kind *kind)
{
    ae_json *object = ae_json_new_object(), *entries = ae_json_new_array();
    ae_json_set_string(object, "kind", kind->name);
    for (int i = 0;; i++) {
        list_entry entry = {.more = ae_json_new_object()};
        if (!kind->entry(run, i, &entry)) {
            ae_json_free(entry.more);
            break;
        }
        ae_json *whole = ae_json_new_object();
        ae_json_set_string(whole, "name", entry.name);
        ae_json_set_string(whole, "about", entry.about);
        ae_json_merge(whole, entry.more, &run->error);
        ae_json_free(entry.more);
        ae_json_add(entries, NULL, whole);
    }
    ae_json_set(object, "entries", entries);
    return ae_run_print_json(run, object);
}

static int print_kinds(ae_run *run)
{
    ae_json *object = run->json ? ae_json_new_object() : NULL, *lists = run->json ? ae_json_new_array() : NULL;
    for (int i = 0; i < KIND_COUNT; i++) {
        int count = entry_count(run, &kinds[i]);
        if (!run->json) {
            fprintf(run->out, "%-20s %3d  %s\n", kinds[i].name, count, kinds[i].about);
            continue;
        }
        ae_json *entry = ae_json_new_object();
        ae_json_set_string(entry, "kind", kinds[i].name);
        ae_json_set_int(entry, "count", count);
        ae_json_set_string(entry, "about", kinds[i].about);
        ae_json_add(lists, NULL, entry);
    }
    if (!run->json) {
        return AE_EXIT_DONE;
    }
    ae_json_set(object, "lists", lists);
    return ae_run_print_json(run, object);
}

static int run_list(ae_run *run)
{
    if (ae_options_arguments(run->options) == 0) {
        return ae_run_encoders(run) ? print_kinds(run) : -1; /* a plugin that cannot be loaded */
    }
    const struct list_kind *kind = find_kind(ae_options_argument(run->options, 0), &run->error);
    if (!kind || (kind->entry == encoder_entry && !ae_run_encoders(run))) {
        return -1;
    }
    if (run->json) {
        return print_kind_json(run, kind);
    }
    print_kind(run, kind);
    return AE_EXIT_DONE;
}

static const char *const options[] = {"json", "plugin", NULL};

const ae_command ae_cmd_list = {
    .name = "list",
    .summary = "print what there is of a kind, or the kinds",
    .usage = "[KIND]",
    .options = options,
    .arguments_max = 1,
    .run = run_list,
};
