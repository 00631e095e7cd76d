#include "apps/command_table.h"
#include "apps/evaluation.h"
#include "apps/instance_settings.h"
#include "apps/language_evaluation.h"
#include "apps/metrics.h"
#include "apps/run_files.h"
#include "apps/table_settings.h"
#include "datasets/labelled.h"
#include "tensor/hdf5_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 32, MOST_PATHS = 256 };

typedef struct evaluation {
    ae_run *run;
    const ae_use *use;
    int64_t batch;
    ae_results results;
    ae_json *whole; /* --json */
    int64_t examples;
} evaluation;

/* ---- labelled tables -------------------------------------------------------------------------------------------------- */

static int class_results(evaluation *v, const ae_evaluation *x, const ae_labels *labels)
{
    int64_t *predicted = malloc((size_t)(x->examples + 1) * sizeof *predicted);
    if (!predicted) {
        return ae_err_set(&v->run->error, AE_E_MEMORY, "no memory for %lld answers", (long long)x->examples);
    }
    ae_evaluation_classes(x, predicted);
    ae_confusion *c = ae_confusion_of(x->classes, x->gold, predicted, x->examples, &v->run->error);
    free(predicted);
    if (!c) {
        return -1;
    }
    ae_classification s = ae_classify(c);
    ae_results_add(&v->results, "accuracy", s.accuracy, false);
    ae_results_add(&v->results, "majority", s.majority, false);
    ae_results_add(&v->results, "macro_f1", s.macro_f1, false);
    ae_results_add(&v->results, "micro_f1", s.micro_f1, false);
    ae_results_add(&v->results, "matthews", s.matthews, false);
    ae_results_print(v->run, &v->results);
    int status = 0;
    if (v->run->json) {
        ae_json_set(v->whole, "confusion", ae_confusion_json(c, labels));
    } else {
        fprintf(v->run->out, "\n");
        status = ae_confusion_print(v->run->out, c, labels);
    }
    ae_confusion_free(c);
    return status == 0 ? 0 : ae_err_set(&v->run->error, AE_E_IO, "the output could not be written");
}

static int score_results(evaluation *v, const ae_evaluation *x)
{
    ae_regression s;
    double *predicted = malloc((size_t)(x->examples + 1) * sizeof *predicted);
    for (int64_t i = 0; predicted && i < x->examples; i++) {
        predicted[i] = (double)x->logits[i * x->classes];
    }
    int status = predicted ? ae_regress(x->gold_scores, predicted, x->examples, &s, &v->run->error)
                           : ae_err_set(&v->run->error, AE_E_MEMORY, "no memory for the answers");
    free(predicted);
    if (status == 0) {
        ae_results_add(&v->results, "pearson", s.pearson, false);
        ae_results_add(&v->results, "spearman", s.spearman, false);
        ae_results_add(&v->results, "mse", s.mse, true);
        ae_results_add(&v->results, "mae", s.mae, true);
        ae_results_print(v->run, &v->results);
    }
    return status;
}

static int run_table(evaluation *v, const ae_table *table, const ae_labels *labels)
{
    bool scores = strcmp(v->use->objective, "regression") == 0;
    ae_labelled_options options = {.objective = v->use->objective,
                                   .seq = v->use->seq,
                                   .layout = ae_bundle_apart(&v->use->bundle) ? AE_LAYOUT_APART : AE_LAYOUT_JOINED};
    ae_labelled_report report = {0};
    ae_evaluation x = {0};
    ae_dataset *d = ae_labelled_new(table, v->use->bundle.tokenizer, labels, &options, &report, &v->run->error);
    int status = d ? ae_evaluate(&v->use->bundle, v->use->graph, d, v->batch, &x, &v->run->error) : -1;
    if (status == 0 && report.cut > 0 && !ae_options_flag(v->run->options, "quiet")) {
        fprintf(v->run->log, "%lld of %lld examples had more than %lld tokens and were cut (--seq)\n",
                (long long)report.cut, (long long)table->count, (long long)v->use->seq);
    }
    if (status == 0) {
        ae_results_add(&v->results, "loss", x.loss, true);
        v->examples = x.examples;
        status = scores ? score_results(v, &x) : class_results(v, &x, labels);
    }
    ae_evaluation_free(&x);
    ae_dataset_free(d);
    return status;
}

/* A model of pairs cannot answer on single texts, nor the other way round. */
static int check_texts(evaluation *v, const ae_table *table)
{
    int64_t texts = ae_use_texts(v->use);
    if (texts == 0 || (texts == 2) == table->pairs) {
        return 0;
    }
    return ae_err_set(&v->run->error, AE_E_VALUE, "%s holds %s; the model reads %s (--columns names the columns)",
                      table->path, table->pairs ? "pairs" : "single texts", texts == 2 ? "pairs" : "single texts");
}

static int eval_table(evaluation *v, const char *path)
{
    ae_table_options options;
    ae_table_settings(v->run, &options);
    v->run->error_file = path;
    ae_labels *labels = strcmp(v->use->objective, "classes") == 0 ? ae_use_labels(v->run, v->use) : NULL;
    ae_table *table = v->run->error.code ? NULL : ae_table_open(path, &options, &v->run->error);
    int status = table && check_texts(v, table) == 0 ? run_table(v, table, labels) : -1;
    if (table && table->left_out > 0 && !ae_options_flag(v->run->options, "quiet")) {
        fprintf(v->run->log, "%s: %lld rows left out\n", path, (long long)table->left_out);
    }
    ae_table_free(table);
    ae_labels_free(labels);
    v->run->error_file = status == 0 ? NULL : path;
    return status;
}

/* ---- language models -------------------------------------------------------------------------------------------------- */

/* Instances were made with a tokenizer and for an objective; both must be the model's. */
static int check_instances(evaluation *v, const ae_dataset *d, const ae_tokenizer *t, const char *path)
{
    bool lm = strcmp(v->use->objective, "lm") == 0;
    if (t && ae_tokenizer_hash(t) != ae_tokenizer_hash(v->use->bundle.tokenizer)) {
        return ae_err_set(&v->run->error, AE_E_VALUE, "%s was built with another tokenizer than the model's", path);
    }
    if ((strcmp(d->objective, "lm") == 0) != lm) {
        return ae_err_set(&v->run->error, AE_E_VALUE, "%s holds instances for %s, the model learned %s", path,
                          d->objective, v->use->objective);
    }
    int64_t positions = ae_bundle_positions(&v->use->bundle), longest = 0;
    for (int64_t i = 0; i < d->count && !lm; i++) {
        longest = d->length(d, i) > longest ? d->length(d, i) : longest;
    }
    return positions == 0 || longest <= positions
               ? 0
               : ae_err_set(&v->run->error, AE_E_VALUE, "%s has instances of %lld tokens, the model %lld positions",
                            path, (long long)longest, (long long)positions);
}

static int eval_instances(evaluation *v, const char *path, ae_text_size size)
{
    ae_json *about = NULL;
    ae_tokenizer *t = NULL;
    int64_t stride = ae_options_int(v->run->options, "stride"), tokens = 0;
    bool lm = strcmp(v->use->objective, "lm") == 0;
    ae_dataset *d = ae_instances_open(path, NULL, &about, &t, &v->run->error);
    int status = d ? check_instances(v, d, t, path) : -1;
    if (size.bytes == 0) {
        size.bytes = ae_json_int(ae_json_get(about, "counts"), "bytes", 0, NULL);
    }
    if (status == 0) {
        status = lm ? ae_evaluate_text(v->run, v->use, d, stride > 0 ? stride : v->use->seq, v->batch, &size,
                                       &v->results, &tokens)
                    : ae_evaluate_masked(v->run, v->use, d, v->batch, &v->results, &tokens);
    }
    if (status == 0) {
        ae_results_print(v->run, &v->results);
        v->examples = d->count;
        ae_json_set_int(v->whole, "tokens", tokens);
    }
    ae_dataset_free(d);
    ae_json_free(about);
    ae_tokenizer_free(t);
    return status;
}

/* Text becomes instances in a temporary file, cut and joined as for training. */
static int eval_text(evaluation *v, const char *const *paths, int n)
{
    char path[AE_RUN_TEMPORARY];
    ae_build_report report = {0};
    ae_text_size size = {0};
    if (ae_run_temporary("eval", path, &v->run->error) != 0) {
        return -1;
    }
    ae_run *run = v->run;
    int status = strcmp(paths[0], "-") == 0 ? 0 : ae_text_size_of(run, paths, n, &size);
    status = status == 0 ? ae_instance_build(run, paths, n, v->use->bundle.tokenizer, v->use->objective, path, &report)
                         : status;
    status = status == 0 ? eval_instances(v, path, size) : status;
    unlink(path);
    return status;
}

static bool is_hdf5(const char *path)
{
    static const unsigned char magic[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char head[8];
    FILE *f = fopen(path, "rb");
    bool same = f && fread(head, 1, 8, f) == 8 && memcmp(head, magic, 8) == 0;
    if (f) {
        fclose(f);
    }
    return same;
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static const char *const class_names[] = {"accuracy", "majority", "macro_f1", "micro_f1", "matthews", "loss", NULL};
static const char *const score_names[] = {"pearson", "spearman", "mse", "mae", "loss", NULL};
static const char *const text_names[] = {"loss", "perplexity", "bits_per_byte", "bits_per_character", NULL};
static const char *const masked_names[] = {"masked_accuracy", "loss", "perplexity", "next_sentence_accuracy", NULL};

/* What to evaluate on: --test, --data, or --corpus. */
static int eval_data(evaluation *v)
{
    const ae_options *o = v->run->options;
    const char *objective = v->use->objective, *test = ae_options_text(o, "test"), *data = ae_options_text(o, "data");
    const char *corpus[MOST_PATHS];
    int n = ae_options_count(o, "corpus");
    bool labelled = strcmp(objective, "classes") == 0 || strcmp(objective, "regression") == 0;
    if ((test != NULL) + (data != NULL) + (n > 0) != 1 || n > MOST_PATHS) {
        return ae_err_set(&v->run->error, AE_E_MISSING,
                          "what to evaluate on? give one of --test FILE (a labelled table, or text), --data FILE "
                          "(instances), --corpus FILE... (text)");
    }
    const char *const *names = labelled ? strcmp(objective, "classes") == 0 ? class_names : score_names
                               : strcmp(objective, "lm") == 0 ? text_names
                                                              : masked_names;
    if (ae_requirements_check(v->run, names) != 0) {
        return -1;
    }
    if (labelled && !test) {
        return ae_err_set(&v->run->error, AE_E_VALUE, "%s is a %s: --test FILE names a labelled table to test it on",
                          v->use->path, v->use->bundle.row->class_name);
    }
    if (labelled) {
        return eval_table(v, test);
    }
    const char *one = test ? test : data;
    for (int i = 0; i < n; i++) {
        corpus[i] = ae_options_nth(o, "corpus", i);
    }
    return n > 0          ? eval_text(v, corpus, n)
           : is_hdf5(one) ? eval_instances(v, one, (ae_text_size){0})
                          : eval_text(v, &one, 1);
}

static int eval(evaluation *v)
{
    static const char *const wanted[] = {"classes", "regression", "lm", "mlm", "mlm_nsp", NULL};
    v->batch = ae_options_int_or(v->run->options, "batch", BATCH);
    v->whole = ae_json_new_object();
    if (ae_use_need(v->run, v->use, wanted, "head that can be evaluated") != 0 || eval_data(v) != 0) {
        return -1;
    }
    if (v->run->json) {
        ae_json *o = ae_json_new_object();
        ae_json_set_string(o, "model", v->use->path);
        ae_json_set_string(o, "objective", v->use->objective);
        ae_json_set_int(o, "examples", v->examples);
        ae_results_json(&v->results, o);
        ae_json_merge(o, v->whole, &v->run->error);
        if (ae_run_print_json(v->run, o) != 0) {
            return -1;
        }
    }
    return ae_requirements_verdict(v->run, &v->results);
}

static int run_eval(ae_run *run)
{
    ae_use use = {0};
    evaluation v = {.run = run, .use = &use};
    int status = ae_use_open(run, &use) == 0 ? eval(&v) : -1;
    ae_json_free(v.whole);
    ae_use_free(&use);
    return status;
}

static const char *const options[] = {
    AE_INSTANCE_OPTIONS, "batch",    "columns", "data",    "format", "header", "json", "precision",
    "profile",           "progress", "quiet",   "require", "seed",   "stride", "test", "threads",
    "tokenizer",         "plugin",   NULL};

const ae_command ae_cmd_eval = {
    .name = "eval",
    .summary = "measure a model on data with known answers",
    .usage = "MODEL",
    .details =
        "Classifiers and regressions: --test FILE is a labelled table. Accuracy beside the majority class, macro and "
        "micro F1, Matthews' correlation, the confusion matrix; or Pearson's and Spearman's correlation and the "
        "errors. A label that the model does not know is an error.\n\n"
        "Language models: text (--corpus or --test FILE) or instances (--data FILE). Loss in nats a token, perplexity, "
        "and bits per byte and per character of the text as it was given. The running text is cut into windows of "
        "--seq tokens; with --stride N they overlap, so that a token is predicted from more context. What stands "
        "between documents is as in training (--unit, --line-ends, --no-special). Masked models: "
        "the loss over masked tokens, and how many of them are found.\n\n"
        "--require NAME=X, any number of times, makes the exit status 1 when a result is worse than X: accuracy, "
        "macro_f1, micro_f1, matthews, pearson, spearman, masked_accuracy at least, loss, perplexity, bits_per_byte, "
        "bits_per_character at most.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_eval,
};
