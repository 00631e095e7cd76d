#include "apps/bench.h"
#include "apps/precision.h"
#include "autograd/profile.h"
#include "zoo/composed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { CHOICES = 2 };

/* ---- made-up data ----------------------------------------------------------------------------------------------------- */

static ae_tensor *random_ids(uint64_t draw, int ndim, const int64_t *shape, int64_t below, ae_err *e)
{
    ae_random_key key = ae_random_key_make(1, 0, 0, 0, draw);
    ae_tensor *t = ae_tensor_new(AE_I64, ndim, shape, e);
    if (t) {
        ae_random_int_i64(&key, 0, 0, below, t->data, ae_numel(t));
    }
    return t;
}

/* Labels of a share of the real positions: 0.15 as in BERT's pretraining, or 1. mask NULL: all are real. */
static ae_tensor *word_labels(const int64_t *shape, const ae_tensor *mask, double share, int64_t vocab, ae_err *e)
{
    ae_tensor *labels = random_ids(2, 2, shape, vocab, e);
    ae_random_key key = ae_random_key_make(1, 0, 0, 0, 3);
    for (int64_t i = 0; labels && i < ae_numel(labels); i++) {
        if ((mask && ae_get_i64(mask, i) == 0) || ae_random_unit(&key, (uint64_t)i) >= share) {
            ae_set_i64(labels, i, -100);
        }
    }
    return labels;
}

/* What the targets of a composed model learn. */
static void composed_labels(ae_bench_model *b, const int64_t *shape, const ae_tensor *mask, int64_t vocab, ae_err *e)
{
    const char *objective = ae_composed_objective(b->config, NULL);
    if (objective && strcmp(objective, "classes") == 0) {
        ae_tensors_add(b->inputs, "labels", random_ids(5, 1, shape, 2, e), e);
        return;
    }
    ae_tensors_add(b->inputs, "labels", word_labels(shape, mask, 0.15, vocab, e), e);
    ae_tensors_add(b->inputs, "next_ids", random_ids(1, 2, shape, vocab, e), e);
    ae_tensors_add(b->inputs, "next_sentence_label", random_ids(4, 1, shape, 2, e), e);
}

static int64_t vocabulary(const ae_bench_model *b, ae_err *e)
{
    return ae_json_int(b->config, "vocab_size", 50257, e);
}

/* What a head learns of its sequences: a class or a score each, a class a token, a span, or a choice. */
static void task_labels(ae_bench_model *b, const int64_t *shape, ae_err *e)
{
    ae_problem problem;
    int64_t n;
    ae_problem_read(b->config, &problem, &n, e);
    if (strcmp(b->row->objective, "tags") == 0) {
        ae_tensors_add(b->inputs, "labels", random_ids(5, 2, shape, n, e), e);
    } else if (strcmp(b->row->objective, "spans") == 0) {
        ae_tensors_add(b->inputs, "start_positions", random_ids(5, 1, shape, shape[1], e), e);
        ae_tensors_add(b->inputs, "end_positions", random_ids(6, 1, shape, shape[1], e), e);
    } else if (strcmp(b->row->objective, "choices") == 0) {
        ae_tensors_add(b->inputs, "labels", random_ids(5, 1, shape, CHOICES, e), e);
    } else if (problem == AE_ONE_LABEL) {
        ae_tensors_add(b->inputs, "labels", random_ids(5, 1, shape, n, e), e);
    } else {
        int64_t scores[2] = {shape[0], n};
        ae_tensors_add(b->inputs, "labels", ae_tensor_new(AE_F32, problem == AE_MANY_LABELS ? 2 : 1, scores, e), e);
    }
}

static bool learns_words(const ae_zoo_model *row)
{
    static const char *const tasks[] = {"classes", "tags", "spans", "choices"};
    for (int i = 0; i < 4; i++) {
        if (row->objective && strcmp(row->objective, tasks[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void token_inputs(ae_bench_model *b, ae_tensor *ids, ae_tensor *mask, bool labels, ae_err *e)
{
    int64_t vocab = vocabulary(b, e);
    const int64_t *shape = ids ? ids->shape : NULL;
    if (shape && labels && strcmp(b->row->name, "composed") == 0) {
        composed_labels(b, shape, mask, vocab, e);
    } else if (shape && labels && !learns_words(b->row)) {
        task_labels(b, shape, e);
    } else if (shape && labels && strcmp(b->row->name, "bert") == 0) {
        ae_tensors_add(b->inputs, "labels", word_labels(shape, mask, 0.15, vocab, e), e);
        ae_tensors_add(b->inputs, "next_sentence_label", random_ids(4, 1, shape, 2, e), e);
    } else if (shape && labels) {
        ae_tensors_add(b->inputs, "labels", word_labels(shape, mask, 1, vocab, e), e);
    }
    ae_tensors_add(b->inputs, "input_ids", ids, e);
    if (mask) {
        ae_tensors_add(b->inputs, "attention_mask", mask, e);
    }
}

static ae_tensor *word_vectors(uint64_t draw, int64_t seq, int64_t batch, int64_t width, ae_err *e)
{
    ae_random_key key = ae_random_key_make(1, 0, 0, 0, draw);
    ae_tensor *t = ae_tensor_new(AE_F32, 3, (int64_t[]){seq, batch, width}, e);
    if (t) {
        ae_random_normal_f32(&key, 0, 0, 0.3f, t->data, ae_numel(t));
    }
    return t;
}

static void pair_inputs(ae_bench_model *b, int64_t batch, int64_t seq, bool labels, ae_err *e)
{
    int64_t width = ae_json_int(b->config, "word_emb_dim", 300, e);
    static const char *const names[] = {"s1", "s2"}, *const lengths[] = {"s1_lengths", "s2_lengths"};
    for (int i = 0; i < 2; i++) {
        ae_tensor *n = ae_tensor_new(AE_I64, 1, &batch, e);
        for (int64_t k = 0; n && k < batch; k++) {
            ae_set_i64(n, k, seq);
        }
        ae_tensors_add(b->inputs, names[i], word_vectors(10 + (uint64_t)i, seq, batch, width, e), e);
        ae_tensors_add(b->inputs, lengths[i], n, e);
    }
    if (labels) {
        ae_tensors_add(b->inputs, "labels", random_ids(5, 1, &batch, 3, e), e);
    }
}

int ae_bench_model_from(ae_bench_model *b, const ae_zoo_model *row, ae_json *config, bool empty, ae_err *e)
{
    *b = (ae_bench_model){.row = row, .config = config};
    b->root = ae_model_new(1);
    b->inputs = ae_tensors_new();
    b->self = calloc(1, row->size);
    if (!b->root || !b->inputs || !b->self) {
        ae_err_set(e, AE_E_MEMORY, "no memory for %s", row->class_name);
    } else {
        if (empty) {
            ae_model_defer_init(b->root);
        }
        row->build(b->root, b->self, config, row->kind);
        if (!ae_model_ok(b->root)) {
            ae_err_set(e, ae_model_error(b->root)->code, "%s", ae_model_error(b->root)->message);
        }
    }
    if (e->code) {
        ae_bench_model_free(b);
        return -1;
    }
    return 0;
}

int ae_bench_model_build(ae_bench_model *b, const ae_recipe *recipe, int64_t vocab, ae_err *e)
{
    memset(b, 0, sizeof *b);
    bool composed = strcmp(recipe->family, "composed") == 0;
    const ae_zoo_model *row = composed ? ae_zoo_find("Composed") : ae_zoo_for(recipe->family, recipe->objective);
    ae_json *config = ae_json_parse(recipe->config, strlen(recipe->config), e);
    if (!row || !config) {
        ae_json_free(config);
        return ae_err_set(e, AE_E_UNSUPPORTED, "no model for the recipe %s", recipe->name);
    }
    if (vocab > 0 || (composed && ae_json_is_null(ae_json_get(config, "vocab_size")))) {
        ae_json_set_int(config, "vocab_size", vocab > 0 ? vocab : AE_BENCH_VOCABULARY);
    }
    return ae_bench_model_from(b, row, config, false, e);
}

int ae_bench_model_feed(ae_bench_model *b, int64_t batch, int64_t seq, bool labels, ae_err *e)
{
    bool choices = b->row->objective && strcmp(b->row->objective, "choices") == 0;
    int64_t shape[3] = {batch, choices ? CHOICES : seq, seq};
    if (strcmp(b->row->name, "infersent") == 0) {
        pair_inputs(b, batch, seq, labels, e);
    } else {
        token_inputs(b, random_ids(1, choices ? 3 : 2, shape, vocabulary(b, e), e), NULL, labels, e);
    }
    return e->code ? -1 : 0;
}

int ae_bench_model_new(ae_bench_model *b, const ae_recipe *recipe, int64_t batch, int64_t seq, bool labels, ae_err *e)
{
    if (ae_bench_model_build(b, recipe, 0, e) != 0) {
        return -1;
    }
    if (ae_bench_model_feed(b, batch, seq, labels, e) != 0) {
        ae_bench_model_free(b);
        return -1;
    }
    return 0;
}

int ae_bench_model_give(ae_bench_model *b, ae_tensor *ids, ae_tensor *mask, bool labels, ae_err *e)
{
    if (strcmp(b->row->name, "infersent") == 0) {
        ae_tensor_free(ids);
        ae_tensor_free(mask);
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s takes word vectors, not tokens", b->row->name);
    }
    ae_tensors_free(b->inputs);
    b->inputs = ae_tensors_new();
    token_inputs(b, ids, mask, labels, e);
    return e->code ? -1 : 0;
}

void ae_bench_model_free(ae_bench_model *b)
{
    ae_model_free(b->root);
    ae_tensors_free(b->inputs);
    ae_json_free(b->config);
    free(b->self);
    memset(b, 0, sizeof *b);
}

/* ---- graphs ----------------------------------------------------------------------------------------------------------- */

ae_graph *ae_bench_graph(ae_run *run, bool training)
{
    ae_dtype precision;
    if (ae_precision_read(run, training, &precision) != 0) {
        return NULL;
    }
    ae_graph *g = ae_graph_new();
    if (!g) {
        ae_err_set(&run->error, AE_E_MEMORY, "no memory for a graph");
        return NULL;
    }
    ae_graph_precision(g, precision);
    ae_graph_profile(g, run->profile);
    return g;
}

/* ---- steps ------------------------------------------------------------------------------------------------------------ */

ae_optimizer *ae_bench_optimizer(const ae_bench_model *b, ae_err *e)
{
    ae_optim_config c = ae_optim_defaults(b->rule ? b->rule : "adamw");
    c.weight_decay = 0.01;
    c.no_decay = AE_NO_DECAY_HF;
    c.clip_norm = b->early ? 0 : 1;
    return ae_optimizer_new(b->root, &c, e);
}

/* Forward, and with an optimizer backward. */
static int one_round(ae_bench_model *b, ae_graph *g, ae_optimizer *optimizer, int64_t step, int64_t round, bool packed,
                     double *loss)
{
    ae_tensors *ignored = ae_tensors_new();
    ae_io io = {g, b->inputs, ignored, packed, true};
    ae_graph_random(g, 1, (uint64_t)step, (uint32_t)round, 0);
    ae_graph_begin(g, optimizer ? AE_TRAIN : AE_EVAL);
    ae_tensor *t = b->row->run(b->self, &io);
    *loss = t ? ae_item(t) : (double)NAN;
    if (optimizer && !t) {
        ae_fail(g, AE_E_UNSUPPORTED, "%s gives no loss to train on", b->row->class_name);
    } else if (optimizer && b->early) {
        ae_optimizer_backward(optimizer, g, t, 1e-4);
    } else if (optimizer) {
        ae_backward(g, t, 0);
    }
    ae_tensors_free(ignored);
    return ae_ok(g) ? 0 : -1;
}

int ae_bench_step(ae_bench_model *b, ae_graph *g, ae_optimizer *optimizer, int64_t step, bool packed, double *loss,
                  ae_err *e)
{
    int status = one_round(b, g, optimizer, step, 0, packed, loss);
    for (int64_t i = 1; i < b->rounds && status == 0; i++) {
        status = one_round(b, g, optimizer, step, i, packed, loss);
    }
    if (status == 0 && optimizer && !b->early) {
        ae_optimizer_step(optimizer, g, 1e-4);
    }
    return ae_ok(g) ? 0 : ae_err_set(e, ae_graph_error(g)->code, "%s", ae_graph_error(g)->message);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------ */

static int64_t bytes_of(const ae_tensor *t)
{
    return ae_numel(t) * (int64_t)ae_dtype_size(t->dtype);
}

int64_t ae_bench_model_bytes(const ae_bench_model *b)
{
    int64_t bytes = 0;
    for (int i = 0; i < ae_model_count(b->root); i++) {
        bytes += bytes_of(ae_model_at(b->root, i).tensor);
    }
    return bytes;
}

int64_t ae_bench_input_bytes(const ae_bench_model *b)
{
    int64_t bytes = 0;
    for (int i = 0; i < ae_tensors_count(b->inputs); i++) {
        bytes += bytes_of(ae_tensors_at(b->inputs, i));
    }
    return bytes;
}

int64_t ae_bench_held_bytes(const ae_bench_model *b, const ae_graph *g, const ae_optimizer *optimizer)
{
    return ae_bench_model_bytes(b) + ae_model_pack_bytes(b->root) + ae_bench_input_bytes(b) +
           (optimizer ? ae_optimizer_bytes(optimizer) : 0) + ae_pool_get_stats(ae_graph_pool(g)).peak;
}

/* ---- measuring -------------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ae_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return n == 0 ? (double)NAN : n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

double ae_peak_rss_gib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / (1024.0 * 1024.0); /* Linux counts KiB */
}
