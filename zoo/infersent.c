/* InferSent. A sentence of word vectors w_1..w_T becomes one vector, in the default by section 3.2.2:
 *     h_t = [LSTM forward (w_1..w_t); LSTM backward (w_t..w_T)]        u = max over t of h_t
 * and pairs of sentences are classified (section 3.1, figure 1) from [u; v; |u - v|; u v]. */
#include "zoo/infersent.h"

#include <stdlib.h>

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

static bool attends(ae_infersent_encoder e)
{
    return e == AE_INFERSENT_NAACL || e == AE_INFERSENT_MILA || e == AE_INFERSENT_YANG;
}

int64_t ae_infersent_width(const ae_infersent_config *c)
{
    switch (c->encoder_type) {
    case AE_INFERSENT_LSTM:
    case AE_INFERSENT_GRU:
        return c->enc_lstm_dim;
    case AE_INFERSENT_MILA:
    case AE_INFERSENT_CONVNET:
        return 8 * c->enc_lstm_dim;
    default:
        return 2 * c->enc_lstm_dim;
    }
}

static void convnet_init(ae_model *m, struct ae_infersent *s, int64_t in, int64_t width)
{
    const ae_conv1d_options same = {.pad_left = 1, .pad_right = 1};
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "convnet%d.0", i + 1);
        ae_conv1d_init(m, &s->conv[i], name, i ? width : in, width, 3, &same, true);
    }
}

/* The layers that turn a BiLSTM's outputs into attention. */
static void attention_init(ae_model *m, struct ae_infersent *s, int64_t width)
{
    const ae_infersent_config *c = &s->config;
    bool yang = c->encoder_type == AE_INFERSENT_YANG;
    int64_t queries = c->encoder_type != AE_INFERSENT_MILA ? 1 : c->fixed ? 4 : 2;
    if (yang) {
        ae_linear_init_torch(m, &s->proj_query, "proj_query", width, width, true);
        ae_linear_init_torch(m, &s->proj_enc, "proj_enc", width, width, true);
    } else {
        ae_linear_init_torch(m, &s->proj_key, "proj_key", width, width, false);
    }
    ae_linear_init_torch(m, &s->proj_lstm, "proj_lstm", width, width, yang);
    ae_embedding_init(m, &s->query, "query_embedding", queries, width, ae_init_normal(1), -1);
}

void ae_infersent_init(ae_model *m, struct ae_infersent *s, const ae_infersent_config *config)
{
    ae_infersent_encoder kind = config->encoder_type;
    ae_rnn_config rnn = {.input = config->word_emb_dim, .hidden = config->enc_lstm_dim};
    s->config = *config;
    rnn.bidirectional = kind != AE_INFERSENT_LSTM && kind != AE_INFERSENT_GRU;
    if (kind == AE_INFERSENT_CONVNET) {
        convnet_init(m, s, config->word_emb_dim, 2 * config->enc_lstm_dim);
    } else if (kind == AE_INFERSENT_GRU || kind == AE_INFERSENT_BGRU_LAST) {
        ae_gru_init(m, &s->gru, "enc_lstm", &rnn);
    } else {
        ae_lstm_init(m, &s->lstm, "enc_lstm", &rnn);
    }
    if (kind == AE_INFERSENT_BLSTM_PROJ) {
        ae_linear_init_torch(m, &s->proj_enc, "proj_enc", 2 * config->enc_lstm_dim, 2 * config->enc_lstm_dim, false);
    } else if (attends(kind)) {
        attention_init(m, s, 2 * config->enc_lstm_dim);
    }
}

/* ---- section 3.2.1: the last state of LSTM and GRU ----------------------------------------------------------------- */

/* [h_1; h_2] of states (directions,B,D): (B, directions D). */
static ae_tensor *side_by_side(ae_graph *g, ae_tensor *states)
{
    int64_t shape[2] = {ae_dim(states, 1), ae_dim(states, 0) * ae_dim(states, 2)};
    return ae_reshape(g, ae_transpose(g, states, 0, 1), 2, shape);
}

static ae_tensor *last_state(ae_graph *g, const struct ae_infersent *s, ae_tensor *sent, ae_tensor *lengths)
{
    ae_rnn_state final = {0};
    if (s->config.encoder_type == AE_INFERSENT_LSTM) {
        ae_lstm(g, &s->lstm, sent, lengths, NULL, &final);
    } else {
        ae_gru(g, &s->gru, sent, lengths, NULL, &final.h);
    }
    return side_by_side(g, final.h);
}

/* ---- what a row sees ----------------------------------------------------------------------------------------------- */

/* The release unpacks to the longest sentence of the batch: padding that no row needs is never seen. Texts that stand
 * one after the other in a batch are a batch each there, so their rows may see unequally many steps. */

/* The largest of n lengths from the first one on. */
static int64_t longest_of(ae_graph *g, const ae_tensor *lengths, int64_t first, int64_t n)
{
    int64_t longest = 0;
    for (int64_t b = first; ae_ok(g) && b < first + n; b++) {
        int64_t length = ae_get_i64(lengths, b);
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* (rows) how many steps the rows of each of the texts see; NULL when all see the same, which is then all there is. */
static ae_tensor *steps_seen(ae_graph *g, const ae_tensor *lengths, int texts)
{
    int64_t rows = ae_numel(lengths), n = rows / texts, most = longest_of(g, lengths, 0, rows);
    ae_tensor *seen = ae_full(g, AE_I64, 1, &rows, (double)most);
    bool equal = true;
    for (int k = 0; k < texts && ae_ok(g); k++) {
        int64_t longest = longest_of(g, lengths, k * n, n);
        equal = equal && longest == most;
        for (int64_t b = k * n; b < (k + 1) * n; b++) {
            ae_set_i64(seen, b, longest);
        }
    }
    return equal ? NULL : seen;
}

/* (rows,T) where a row sees nothing. */
static ae_tensor *unseen(ae_graph *g, const ae_tensor *seen, int64_t time)
{
    int64_t rows = ae_numel(seen);
    ae_tensor *mask = ae_zeros(g, AE_BOOL, 2, (int64_t[]){rows, time});
    for (int64_t i = 0; i < rows * time && ae_ok(g); i++) {
        ((uint8_t *)mask->data)[i] = i % time >= ae_get_i64(seen, i / time);
    }
    return mask;
}

/* ---- section 3.2.2: BiLSTM with max or mean pooling ---------------------------------------------------------------- */

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* The mean as the release's BLSTMprojEncoder takes it: row b of a text is divided by its b-th largest length. */
static ae_tensor *mean_by_sorted_lengths(ae_graph *g, ae_tensor *h, ae_tensor *lengths, int texts)
{
    int64_t n = ae_dim(lengths, 0) / texts;
    ae_tensor *divisor = ae_contiguous(g, ae_cast(g, lengths, AE_I64));
    divisor = ae_from_data(g, AE_I64, 2, (int64_t[]){ae_dim(lengths, 0), 1}, divisor->data);
    for (int k = 0; k < texts && ae_ok(g); k++) {
        qsort((int64_t *)divisor->data + k * n, (size_t)n, sizeof(int64_t), descending);
    }
    return ae_div(g, ae_sum(g, h, 1, (int[]){1}, false), ae_cast(g, divisor, h->dtype));
}

static ae_tensor *pool(ae_graph *g, const struct ae_infersent *s, ae_tensor *h, ae_tensor *lengths, ae_tensor *seen,
                       int texts)
{
    const ae_infersent_config *c = &s->config;
    bool projected = c->encoder_type == AE_INFERSENT_BLSTM_PROJ;
    if (c->pool_type == AE_POOLING_MEAN) {
        return projected && !c->fixed ? mean_by_sorted_lengths(g, h, lengths, texts) : ae_mean_over_time(g, h, lengths);
    }
    return ae_max_over_time(g, h, !projected && c->version == 2 ? lengths : seen);
}

/* ---- section 3.2.3: inner attention -------------------------------------------------------------------------------- */

/* sum over t of alpha_t v_t, alpha (B,T) = softmax(logits) over the steps seen, v (B,T,W): (B,W). */
static ae_tensor *attend(ae_graph *g, ae_tensor *logits, ae_tensor *v, const ae_tensor *seen)
{
    if (seen && ae_ok(g)) { /* finite, as AE_ANOMALY wants it; e to it is 0 */
        logits = ae_masked_fill(g, logits, unseen(g, seen, ae_dim(logits, 1)), -1e30);
    }
    ae_tensor *alpha = ae_unsqueeze(g, ae_softmax(g, logits, -1), 1);
    return ae_squeeze(g, ae_matmul(g, alpha, v), 1);
}

/* Row i of the table of queries on keys (B,T,W): (B,T). */
static ae_tensor *scores(ae_graph *g, const struct ae_infersent *s, ae_tensor *keys, int64_t i)
{
    ae_tensor *query = ae_squeeze(g, ae_slice(g, s->query.weight, 0, i, i + 1, 1), 0);
    return ae_matmul(g, keys, query);
}

/* Keys without bias are exactly zero at padding: that is how the release finds it. */
static ae_tensor *hide_padding(ae_graph *g, ae_tensor *logits, double value)
{
    return ae_masked_fill(g, logits, ae_eq(g, logits, ae_scalar(g, logits->dtype, 0)), value);
}

/* alpha = softmax(w . tanh(W_k h) / 4): the attention of Yang et al. 2016 with a temperature. */
static ae_tensor *naacl(ae_graph *g, const struct ae_infersent *s, ae_tensor *h, const ae_tensor *seen)
{
    ae_tensor *keys = ae_tanh(g, ae_linear(g, &s->proj_key, h));
    ae_tensor *logits = hide_padding(g, ae_scale(g, scores(g, s, keys, 0), 1.0 / 2), -10000);
    return attend(g, ae_scale(g, logits, 1.0 / 2), ae_linear(g, &s->proj_lstm, h), seen);
}

/* Four views of the sentence, after Lin et al. 2017, arXiv:1703.03130. */
static ae_tensor *mila(ae_graph *g, const struct ae_infersent *s, ae_tensor *h, const ae_tensor *seen)
{
    ae_tensor *keys = ae_tanh(g, ae_linear(g, &s->proj_key, h)), *values = ae_linear(g, &s->proj_lstm, h), *view[4];
    for (int i = 0; i < 4; i++) {
        int64_t query = s->config.fixed ? i : i > 0;
        ae_tensor *logits = ae_scale(g, scores(g, s, keys, query), 1.0 / 3);
        view[i] = attend(g, hide_padding(g, logits, -1000), values, seen);
    }
    return ae_concat(g, view, 4, 1);
}

/* alpha = softmax(w . tanh(W_e h + b_e + W_q max_t h + b_q)); padding is not hidden. */
static ae_tensor *yang(ae_graph *g, const struct ae_infersent *s, ae_tensor *h, ae_tensor *seen)
{
    ae_tensor *summary = ae_linear(g, &s->proj_query, ae_max_over_time(g, h, seen));
    ae_tensor *m = ae_tanh(g, ae_add(g, ae_linear(g, &s->proj_enc, h), ae_unsqueeze(g, summary, 1)));
    return attend(g, scores(g, s, m, 0), ae_linear(g, &s->proj_lstm, h), seen);
}

/* ---- section 3.2.4: hierarchical ConvNet --------------------------------------------------------------------------- */

/* u_i = max over time of the i-th convolution's output, u = [u_1; u_2; u_3; u_4]. */
static ae_tensor *convnet(ae_graph *g, const struct ae_infersent *s, ae_tensor *x)
{
    ae_tensor *u[4];
    for (int i = 0; i < 4; i++) {
        x = ae_relu(g, ae_conv1d_time(g, &s->conv[i], x));
        u[i] = ae_max_over_time(g, x, NULL);
    }
    return ae_concat(g, u, 4, 1);
}

/* ---- the encoder --------------------------------------------------------------------------------------------------- */

/* The last layer of the encoders that read all outputs h (rows,T,2D) of a BiLSTM. */
static ae_tensor *summarize(ae_graph *g, const struct ae_infersent *s, ae_tensor *h, ae_tensor *lengths, int texts)
{
    ae_tensor *seen = steps_seen(g, lengths, texts);
    switch (s->config.encoder_type) {
    case AE_INFERSENT_NAACL:
        return naacl(g, s, h, seen);
    case AE_INFERSENT_MILA:
        return mila(g, s, h, seen);
    case AE_INFERSENT_YANG:
        return yang(g, s, h, seen);
    case AE_INFERSENT_BLSTM_PROJ:
        return pool(g, s, ae_linear(g, &s->proj_enc, h), lengths, seen, texts);
    default:
        return pool(g, s, h, lengths, seen, texts);
    }
}

static ae_tensor *encode(ae_graph *g, const struct ae_infersent *s, ae_tensor *sent, ae_tensor *lengths, int texts)
{
    switch (s->config.encoder_type) {
    case AE_INFERSENT_CONVNET:
        return convnet(g, s, sent);
    case AE_INFERSENT_LSTM:
    case AE_INFERSENT_GRU:
    case AE_INFERSENT_BGRU_LAST:
        return last_state(g, s, sent, lengths);
    default:
        break;
    }
    ae_tensor *x = ae_slice(g, sent, 1, 0, longest_of(g, lengths, 0, ae_numel(lengths)), 1);
    return summarize(g, s, ae_lstm(g, &s->lstm, x, lengths, NULL, NULL), lengths, texts);
}

ae_tensor *ae_infersent_encode(ae_graph *g, const struct ae_infersent *s, ae_tensor *sent, ae_tensor *lengths)
{
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, encode(g, s, sent, lengths, 1));
}

ae_tensor *ae_infersent_encode_pairs(ae_graph *g, const struct ae_infersent *s, ae_tensor *sent, ae_tensor *lengths)
{
    if (ae_ok(g) && ae_dim(sent, 0) % 2 != 0) {
        return ae_fail(g, AE_E_SHAPE, "infersent: %lld rows; texts of pairs are an even number",
                       (long long)ae_dim(sent, 0));
    }
    ae_frame f = ae_frame_open(g);
    return ae_frame_return(f, encode(g, s, sent, lengths, 2));
}

/* ---- section 3.1: the classifier ----------------------------------------------------------------------------------- */

void ae_nli_net_init(ae_model *m, struct ae_nli_net *n, const ae_infersent_config *config)
{
    const ae_infersent_config *c = config;
    const int64_t width[4] = {4 * ae_infersent_width(c), c->fc_dim, c->fc_dim, c->n_classes};
    ae_scope s = ae_scope_open(m, "encoder");
    ae_infersent_init(m, &n->encoder, c);
    ae_scope_close(s);
    s = ae_scope_open(m, "classifier");
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", c->nonlinear_fc ? 3 * i + 1 : i); /* dropout and tanh count in a Sequential */
        ae_linear_init_torch(m, &n->classifier[i], name, width[i], width[i + 1], true);
    }
    ae_scope_close(s);
}

ae_tensor *ae_nli_net_classify(ae_graph *g, const struct ae_nli_net *n, ae_tensor *u, ae_tensor *v)
{
    const ae_infersent_config *c = &n->encoder.config;
    ae_frame f = ae_frame_open(g);
    ae_tensor *features[4] = {u, v, ae_abs(g, ae_sub(g, u, v)), ae_mul(g, u, v)};
    ae_tensor *x = ae_concat(g, features, 4, 1);
    for (int i = 0; i < 3; i++) {
        x = c->nonlinear_fc && i > 0 ? ae_tanh(g, x) : x;
        x = c->nonlinear_fc ? ae_dropout(g, x, c->dpout_fc) : x;
        x = ae_linear(g, &n->classifier[i], x);
    }
    return ae_frame_return(f, x);
}
