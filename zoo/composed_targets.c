/* The targets: what is put on the states and trained. With h (B,T,H) the encoder's states:
 *
 *     mlm       softmax(W_2 N(act(W_1 h_t)))             at the tokens that are to be found again
 *     sp        softmax(W_2 tanh(W_1 h_0))               of two texts
 *     lm        softmax(W h_t)                           the token behind t
 *     bilm      the same on each half of h_t             the token behind t, the token before t: the mean of both
 *                                                        losses; on batches under UER-py's names their sum, as there
 *     cls       W_2 tanh(W_1 pool(h))                    a class of each text
 *     siamese   W [u; v; |u - v|; u v], u = pool(h)      a class of two texts encoded apart */
#include "zoo/composed_internal.h"

#include <string.h>

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

/* A projection to the vocabulary, its weight the word table where that is tied. */
static void to_words_init(ae_model *m, const struct ae_composed *c, struct ae_linear *l, const char *name,
                          int64_t width, bool tied, bool bias, ae_init init, ae_err *e)
{
    if (!tied) {
        ae_linear_init(m, l, name, width, c->vocab_size, init, bias);
        return;
    }
    if (!c->word.weight || width != c->emb_size) {
        ae_err_set(e, AE_E_VALUE, "tie_weights: %s has %lld inputs; the word table%s %lld", name, (long long)width,
                   c->word.weight ? " is as wide as emb_size," : " is missing; its width would be",
                   (long long)c->emb_size);
        return;
    }
    ae_scope s = ae_scope_open(m, "%s", name);
    l->weight = c->word.weight;
    ae_tie(m, "weight", l->weight);
    if (bias) {
        l->bias = ae_param(m, "bias", 1, &c->vocab_size, ae_init_zeros());
    }
    ae_scope_close(s);
}

static void words_init(ae_model *m, struct ae_composed *c, const ae_json *config, ae_init init, ae_err *e)
{
    bool tied = ae_json_bool(config, "tie_weights", false, e);
    bool bias = ae_json_bool(config, "has_lmtarget_bias", false, e);
    bool factorized = ae_json_bool(config, "factorized_embedding_parameterization", false, e);
    int64_t inner = factorized ? c->emb_size : c->width;
    if (c->has[AE_TARGET_mlm]) {
        ae_scope s = ae_scope_open(m, "mlm");
        ae_linear_init(m, &c->mlm.linear_1, "linear_1", c->width, inner, init, true);
        ae_layer_norm_init_uer(m, &c->mlm.layer_norm, "layer_norm", inner);
        to_words_init(m, c, &c->mlm.linear_2, "linear_2", inner, tied, true, init, e);
        ae_scope_close(s);
    }
    if (c->has[AE_TARGET_lm]) {
        /* UER-py ties one projection, the masked one where there are both. */
        bool own = !tied || c->has[AE_TARGET_mlm];
        ae_scope s = ae_scope_open(m, "lm");
        to_words_init(m, c, &c->lm, "output_layer", c->width, !own, bias, init, e);
        ae_scope_close(s);
    }
    if (c->has[AE_TARGET_bilm]) {
        ae_linear_init(m, &c->bilm, "bilm.output_layer", c->width / 2, c->vocab_size, init, bias);
    }
}

void ae_composed_targets_init(ae_model *m, struct ae_composed *c, const ae_json *config, ae_err *e)
{
    ae_init init = ae_init_normal(ae_json_double(config, "initializer_range", 0.02, e));
    ae_scope s = ae_scope_open(m, "target");
    words_init(m, c, config, init, e);
    if (c->has[AE_TARGET_sp]) {
        ae_linear_init(m, &c->sp.linear_1, "sp.linear_1", c->width, c->width, init, true);
        ae_linear_init(m, &c->sp.linear_2, "sp.linear_2", c->width, 2, init, true);
    }
    if (c->has[AE_TARGET_cls]) {
        ae_linear_init(m, &c->cls.linear_1, "cls.linear_1", c->width, c->width, init, true);
        ae_linear_init(m, &c->cls.linear_2, "cls.linear_2", c->width, c->num_labels, init, true);
    }
    ae_scope_close(s);
    if (c->has[AE_TARGET_siamese]) {
        ae_linear_init(m, &c->siamese, "classifier", 4 * c->width, c->num_labels, init, true);
    }
}

/* ---- outputs ------------------------------------------------------------------------------------------------------- */

static void put(ae_io *io, const ae_tensor *t, const char *format, const char *name)
{
    char text[64];
    snprintf(text, sizeof text, format, name);
    ae_io_put(io, text, t);
}

/* How many rows have their largest logit at the target. */
static void put_correct(const struct ae_composed *c, ae_io *io, const char *name, ae_tensor *logits, ae_tensor *targets)
{
    ae_graph *g = io->graph;
    if (io->loss_only || !ae_ok(g)) {
        return;
    }
    ae_frame f = ae_frame_open(g);
    bool was = ae_set_recording(g, false);
    ae_tensor *found = ae_eq(g, ae_argmax(g, logits, -1, false), ae_cast(g, targets, AE_I64));
    ae_tensor *count = ae_sum(g, ae_cast(g, found, AE_F32), 0, NULL, false);
    put(io, count, c->targets > 1 ? "correct_%s" : "correct", name);
    ae_set_recording(g, was);
    ae_frame_close(f);
}

/* UER-py's target of one name: "tgt", or "tgt_<name>" of several. */
static ae_tensor *uer_target(const struct ae_composed *c, ae_io *io, const char *name)
{
    char text[64];
    snprintf(text, sizeof text, c->targets > 1 ? "tgt_%s" : "tgt", name);
    return ae_io_optional(io, text);
}

/* labels (B,T) where keep, of the same shape, is above `over`; -100 elsewhere. */
static ae_tensor *where_above(ae_graph *g, const ae_tensor *labels, const ae_tensor *keep, int64_t over)
{
    char a[AE_SHAPE_TEXT_MAX], b[AE_SHAPE_TEXT_MAX];
    if (!ae_ok(g)) {
        return ae_bad(g);
    }
    if (labels->ndim != 2 || keep->ndim != 2 || ae_numel(labels) != ae_numel(keep)) {
        return ae_fail(g, AE_E_SHAPE, "composed: the targets are %s, the batch is %s",
                       ae_shape_text(labels->ndim, labels->shape, a), ae_shape_text(keep->ndim, keep->shape, b));
    }
    ae_tensor *y = ae_full(g, AE_I64, 2, labels->shape, -100);
    for (int64_t i = 0; i < ae_numel(labels) && ae_ok(g); i++) {
        if (ae_get_i64(keep, i) > over) {
            ae_set_i64(y, i, ae_get_i64(labels, i));
        }
    }
    return y;
}

/* ---- words --------------------------------------------------------------------------------------------------------- */

typedef enum word_target { MLM, LM, BILM } word_target;

static const struct ae_linear *projection(const struct ae_composed *c, word_target target)
{
    return target == MLM ? &c->mlm.linear_2 : target == LM ? &c->lm : &c->bilm;
}

/* What is projected to words. */
static ae_tensor *projected(ae_graph *g, const struct ae_composed *c, word_target target, ae_tensor *states)
{
    if (target != MLM) {
        return states;
    }
    return ae_layer_norm(g, &c->mlm.layer_norm, ae_linear_act(g, &c->mlm.linear_1, c->act, states));
}

static ae_tensor *word_logits(ae_graph *g, const struct ae_composed *c, word_target target, ae_tensor *states)
{
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, ae_linear(g, projection(c, target), projected(g, c, target, states)));
}

/* Logits of all positions, which no loss is computed from: without recording them. */
static void put_all(ae_io *io, const char *name, const struct ae_composed *c, word_target target, ae_tensor *states)
{
    if (io->loss_only) {
        return;
    }
    ae_frame f = ae_frame_open(io->graph);
    bool was = ae_set_recording(io->graph, false);
    ae_io_put(io, name, word_logits(io->graph, c, target, states));
    ae_set_recording(io->graph, was);
    ae_frame_close(f);
}

/* The loss at the rows whose label is not -100; only these are projected. */
static ae_tensor *word_loss(const struct ae_composed *c, ae_io *io, const char *name, const char *rows_name,
                            word_target target, ae_tensor *states, ae_tensor *labels, double smoothing)
{
    ae_graph *g = io->graph;
    ae_frame f = ae_frame_open(g);
    double v = (double)c->vocab_size;
    /* UER-py spreads the mass over all words but the target, cross_entropy over all. */
    ae_cross_entropy_options o = {.ignore_index = -100, .label_smoothing = v > 1 ? smoothing * v / (v - 1) : 0};
    ae_tensor *targets, *rows = ae_labelled_rows(g, states, labels, -100, &targets);
    if (io->loss_only) {
        const struct ae_linear *p = projection(c, target);
        ae_tensor *x = projected(g, c, target, rows);
        return ae_frame_return(f, ae_linear_cross_entropy(g, x, p->weight, p->bias, targets, &o));
    }
    ae_tensor *logits = word_logits(g, c, target, rows);
    ae_io_put(io, rows_name, logits);
    if (name) {
        put_correct(c, io, name, logits, targets);
    }
    return ae_frame_return(f, ae_cross_entropy(g, logits, targets, &o));
}

/* The words to be found again, (B,T), -100 elsewhere; or NULL. */
static ae_tensor *mlm_labels(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b)
{
    ae_tensor *labels = b->uer ? uer_target(c, io, "mlm") : ae_io_optional(io, "labels");
    return b->uer && labels ? where_above(io->graph, labels, labels, 0) : labels;
}

static ae_tensor *mlm_run(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b, ae_tensor *states)
{
    ae_tensor *labels = mlm_labels(c, io, b);
    if (!b->uer) {
        put_all(io, c->targets > 1 ? "prediction_logits" : "logits", c, MLM, states);
    }
    return labels ? word_loss(c, io, "mlm", "mlm_logits_at_targets", MLM, states, labels, 0) : NULL;
}

static ae_tensor *lm_run(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b, ae_tensor *states)
{
    ae_tensor *next = b->uer ? uer_target(c, io, "lm") : ae_io_optional(io, "next_ids");
    if (!b->uer) {
        put_all(io, "logits", c, LM, states);
    }
    if (!next) {
        return NULL;
    }
    if (b->uer || c->prefix_lm_loss) {
        next = where_above(io->graph, next, b->tokens.segments, c->prefix_lm_loss ? 1 : 0);
    }
    return word_loss(c, io, "lm", "lm_logits_at_targets", LM, states, next, c->label_smoothing);
}

/* The token before each; -100 in front and at padding. */
static ae_tensor *previous_ids(ae_graph *g, const ae_tokens *t)
{
    int64_t n = ae_dim(t->ids, 1);
    ae_tensor *y = ae_full(g, AE_I64, 2, t->ids->shape, -100);
    for (int64_t i = 0; i < ae_numel(t->ids) && ae_ok(g); i++) {
        if (i % n > 0 && ae_get_i64(t->segments, i) != 0) {
            ae_set_i64(y, i, ae_get_i64(t->ids, i - 1));
        }
    }
    return y;
}

static ae_tensor *bilm_run(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b, ae_tensor *states)
{
    static const char *const uer_names[] = {"tgt_forward", "tgt_backward"}, *const losses[] = {"loss_forward",
                                                                                               "loss_backward"};
    static const char *const rows[] = {"bilm_logits_at_targets.0", "bilm_logits_at_targets.1"};
    static const char *const all[] = {"logits", "backward_logits"};
    ae_graph *g = io->graph;
    ae_tensor *sum = NULL;
    for (int i = 0; i < 2; i++) {
        ae_tensor *half = ae_slice(g, states, -1, i * (c->width / 2), (i + 1) * (c->width / 2), 1);
        ae_tensor *labels = b->uer ? ae_io_optional(io, uer_names[i]) : ae_io_optional(io, "next_ids");
        if (!b->uer) {
            put_all(io, all[i], c, BILM, half);
        }
        if (!labels) {
            continue;
        }
        if (b->uer) {
            labels = where_above(g, labels, b->tokens.segments, 0);
        } else if (i == 1) {
            labels = previous_ids(g, &b->tokens);
        }
        ae_tensor *loss = word_loss(c, io, NULL, rows[i], BILM, half, labels, c->label_smoothing);
        ae_io_put(io, losses[i], loss);
        sum = sum ? ae_add(g, sum, loss) : loss;
    }
    /* UER-py adds both directions up; Peters et al. take their mean, which has a perplexity. */
    return sum && !b->uer ? ae_scale(g, sum, 0.5) : sum;
}

/* ---- texts --------------------------------------------------------------------------------------------------------- */

/* One vector a text, (B,H); UER-py's mean weighs each token by the number of its segment. */
static ae_tensor *pool(ae_graph *g, const struct ae_composed *c, const struct ae_composed_batch *b, ae_tensor *states)
{
    if (c->pooling != AE_POOLING_MEAN || !b->weights) {
        return ae_pool_over_time(g, c->pooling, states, b->real);
    }
    ae_frame f = ae_frame_open(g);
    ae_tensor *sum = ae_sum(g, ae_mul(g, states, ae_unsqueeze(g, b->weights, -1)), 1, (int[]){1}, false);
    return ae_frame_return(f, ae_div(g, sum, ae_sum(g, b->weights, 1, (int[]){1}, true)));
}

static ae_tensor *sp_run(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b, ae_tensor *states)
{
    ae_graph *g = io->graph;
    ae_tensor *labels = b->uer ? uer_target(c, io, "sp") : ae_io_optional(io, "next_sentence_label");
    ae_tensor *first = ae_squeeze(g, ae_slice(g, states, 1, 0, 1, 1), 1);
    ae_tensor *logits = ae_linear(g, &c->sp.linear_2, ae_tanh(g, ae_linear(g, &c->sp.linear_1, first)));
    ae_io_put(io, b->uer ? "sp_logits" : "seq_relationship_logits", logits);
    if (!labels) {
        return NULL;
    }
    put_correct(c, io, "sp", logits, labels);
    return ae_cross_entropy(g, logits, labels, NULL);
}

static ae_tensor *class_loss(const struct ae_composed *c, ae_io *io, ae_tensor *logits, ae_tensor *labels)
{
    if (c->problem == AE_ONE_LABEL && ae_ok(io->graph) && !ae_dtype_is_float(labels->dtype)) {
        put_correct(c, io, "cls", logits, labels);
    }
    return ae_problem_loss(io->graph, c->problem, logits, labels);
}

static ae_tensor *cls_run(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b, ae_tensor *states)
{
    ae_graph *g = io->graph;
    /* "labels" are words where a masked language model is trained beside it. */
    ae_tensor *labels =
        b->uer ? uer_target(c, io, "cls") : ae_io_optional(io, c->has[AE_TARGET_mlm] ? "class_labels" : "labels");
    ae_tensor *pooled = pool(g, c, b, states);
    ae_tensor *logits = ae_linear(g, &c->cls.linear_2, ae_tanh(g, ae_linear(g, &c->cls.linear_1, pooled)));
    ae_io_put(io, b->uer ? "cls_logits" : "logits", logits);
    return labels ? class_loss(c, io, logits, labels) : NULL;
}

static ae_tensor *siamese_run(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b,
                              ae_tensor *states)
{
    (void)c, (void)io, (void)b, (void)states; /* a single text has states, but no classes */
    return NULL;
}

ae_tensor *ae_composed_siamese_run(const struct ae_composed *c, ae_io *io)
{
    static const char *const names[] = {"u", "v"};
    ae_graph *g = io->graph;
    ae_tensor *vector[2], *labels = ae_io_optional(io, "labels");
    for (int i = 0; i < 2; i++) {
        struct ae_composed_batch b = ae_composed_read_batch(c, io, i + 1);
        if (!ae_ok(g)) {
            return ae_bad(g);
        }
        vector[i] = pool(g, c, &b, ae_composed_encode(g, c, &b.tokens));
        ae_io_put(io, names[i], vector[i]);
    }
    ae_tensor *u = vector[0], *v = vector[1];
    ae_tensor *features[4] = {u, v, ae_abs(g, ae_sub(g, u, v)), ae_mul(g, u, v)};
    ae_tensor *logits = ae_linear(g, &c->siamese, ae_concat(g, features, 4, 1));
    ae_io_put(io, "logits", logits);
    return labels ? class_loss(c, io, logits, labels) : NULL;
}

/* ---- which states they read ----------------------------------------------------------------------------------------- */

bool ae_composed_targets_read(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b,
                              ae_reading *reading)
{
    bool whole_texts = c->has[AE_TARGET_cls] && c->pooling != AE_POOLING_FIRST;
    if (!io->loss_only || !ae_ok(io->graph) || whole_texts || c->has[AE_TARGET_lm] || c->has[AE_TARGET_bilm]) {
        return false;
    }
    *reading = (ae_reading){.first = c->has[AE_TARGET_sp] || c->has[AE_TARGET_cls], .ignore = -100};
    reading->labels = c->has[AE_TARGET_mlm] ? mlm_labels(c, io, b) : NULL;
    return reading->first || reading->labels;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

ae_tensor *ae_composed_targets_run(const struct ae_composed *c, ae_io *io, const struct ae_composed_batch *b,
                                   ae_tensor *states)
{
    static ae_tensor *(*const run[])(const struct ae_composed *, ae_io *, const struct ae_composed_batch *,
                                     ae_tensor *) = {
#define ROW(name, about) name##_run,
        AE_TARGETS(ROW)
#undef ROW
    };
    ae_tensor *sum = NULL;
    for (int i = 0; i < AE_TARGET_COUNT && ae_ok(io->graph); i++) {
        ae_tensor *loss = c->has[i] ? run[i](c, io, b, states) : NULL;
        if (loss && c->targets > 1) {
            put(io, loss, "loss_%s", ae_target_name((ae_target)i));
        }
        sum = sum && loss ? ae_add(io->graph, sum, loss) : loss ? loss : sum;
    }
    return ae_ok(io->graph) ? sum : ae_bad(io->graph);
}
