#include "apps/bench.h"
#include "apps/command_table.h"

enum { REPEATS = 15, WORD_REPEATS = 5, WORDS = 30522, PREDICTED = 8 };

/* Operands of one measurement: x, y (rows,width), w (width,width) or (4 width,width), ids and vectors; for those of a
 * vocabulary every eighth row, (predicted,width), the words' table (words,width) and a word for each row. */
typedef struct operands {
    int64_t batch, seq, rows, width, heads, words, predicted;
    ae_tensor *x, *y, *square, *tall, *vector, *ids;
    ae_tensor *states, *table, *word_ids;
} operands;

/* One row an operation: how it is called on the operands, and what it reads, writes and computes. */
typedef struct op_bench {
    const char *name;
    ae_tensor *(*run)(ae_graph *g, const operands *o);
    double (*flop)(const operands *o); /* NULL: memory-bound; bytes are counted */
    int passes;                        /* times that rows * width values are read or written, forward */
    bool vocabulary;                   /* works on states, table and word_ids, the others on the rest */
} op_bench;

static ae_tensor *run_linear(ae_graph *g, const operands *o)
{
    return ae_f_linear(g, o->x, o->square, o->vector);
}

static ae_tensor *run_linear_tall(ae_graph *g, const operands *o)
{
    return ae_f_linear(g, o->x, o->tall, NULL);
}

static ae_tensor *run_attention(ae_graph *g, const operands *o)
{
    int64_t shape[3] = {o->batch, o->seq, o->width};
    ae_tensor *x = ae_reshape(g, o->x, 3, shape), *y = ae_reshape(g, o->y, 3, shape);
    ae_attention_options options = {.heads = (int)o->heads};
    return ae_f_attention(g, x, y, x, NULL, &options);
}

static ae_tensor *run_layer_norm(ae_graph *g, const operands *o)
{
    return ae_f_layer_norm(g, o->x, o->vector, o->vector, 1e-5);
}

static ae_tensor *run_softmax(ae_graph *g, const operands *o)
{
    return ae_softmax(g, o->x, -1);
}

static ae_tensor *run_gelu(ae_graph *g, const operands *o)
{
    return ae_gelu(g, o->x);
}

static ae_tensor *run_tanh(ae_graph *g, const operands *o)
{
    return ae_tanh(g, o->x);
}

static ae_tensor *run_add(ae_graph *g, const operands *o)
{
    return ae_add(g, o->x, o->y);
}

static ae_tensor *run_mul(ae_graph *g, const operands *o)
{
    return ae_mul(g, o->x, o->y);
}

static ae_tensor *run_dropout(ae_graph *g, const operands *o)
{
    return ae_dropout(g, o->x, 0.1);
}

static ae_tensor *run_sum(ae_graph *g, const operands *o)
{
    return ae_sum(g, o->x, 1, (int[]){0}, false);
}

static ae_tensor *run_embedding(ae_graph *g, const operands *o)
{
    return ae_f_embedding(g, o->tall, o->ids, -1);
}

static ae_tensor *run_cross_entropy(ae_graph *g, const operands *o)
{
    return ae_cross_entropy(g, o->x, o->ids, NULL);
}

static ae_tensor *run_words_whole(ae_graph *g, const operands *o)
{
    return ae_cross_entropy(g, ae_f_linear(g, o->states, o->table, NULL), o->word_ids, NULL);
}

static ae_tensor *run_words_by_blocks(ae_graph *g, const operands *o)
{
    return ae_linear_cross_entropy(g, o->states, o->table, NULL, o->word_ids, NULL);
}

static double linear_flop(const operands *o)
{
    return 2.0 * (double)o->rows * (double)o->width * (double)o->width;
}

static double tall_flop(const operands *o)
{
    return 4 * linear_flop(o);
}

static double attention_flop(const operands *o)
{
    return 4.0 * (double)o->batch * (double)o->seq * (double)o->seq * (double)o->width;
}

static double words_flop(const operands *o)
{
    return 2.0 * (double)o->predicted * (double)o->width * (double)o->words;
}

/* Its forward takes both gradients too. */
static double words_by_blocks_flop(const operands *o)
{
    return 3 * words_flop(o);
}

static const op_bench benches[] = {
    {"linear (H,H)", run_linear, linear_flop, 0, false},
    {"linear (4H,H)", run_linear_tall, tall_flop, 0, false},
    {"attention", run_attention, attention_flop, 0, false},
    {"layer_norm", run_layer_norm, NULL, 2, false},
    {"softmax", run_softmax, NULL, 2, false},
    {"gelu", run_gelu, NULL, 2, false},
    {"tanh", run_tanh, NULL, 2, false},
    {"add", run_add, NULL, 3, false},
    {"mul", run_mul, NULL, 3, false},
    {"dropout", run_dropout, NULL, 2, false},
    {"sum over rows", run_sum, NULL, 1, false},
    {"embedding", run_embedding, NULL, 2, false},
    {"cross_entropy", run_cross_entropy, NULL, 1, false},
    {"linear, cross_entropy", run_words_whole, words_flop, 0, true},
    {"linear_cross_entropy", run_words_by_blocks, words_by_blocks_flop, 0, true},
};

enum { BENCHES = sizeof benches / sizeof benches[0] };

static ae_tensor *normal(ae_graph *g, int64_t rows, int64_t width)
{
    return ae_requires_grad(g, ae_randn(g, AE_F32, 2, (int64_t[]){rows, width}, 0, 1));
}

/* New operands in a new step; their making is not timed. */
static void begin(ae_graph *g, operands *o, const op_bench *b)
{
    ae_graph_begin(g, AE_TRAIN);
    if (b->vocabulary) {
        o->states = normal(g, o->predicted, o->width);
        o->table = ae_requires_grad(g, ae_full(g, AE_F32, 2, (int64_t[]){o->words, o->width}, 0.01));
        o->word_ids = ae_randint(g, 1, &o->predicted, 0, o->words);
        return;
    }
    o->x = normal(g, o->rows, o->width);
    o->y = normal(g, o->rows, o->width);
    o->square = normal(g, o->width, o->width);
    o->tall = normal(g, 4 * o->width, o->width);
    o->vector = ae_requires_grad(g, ae_full(g, AE_F32, 1, &o->width, 0.5));
    o->ids = ae_randint(g, 1, &o->rows, 0, o->width);
}

static void measure(ae_graph *g, operands *o, const op_bench *b, double *forward, double *backward)
{
    double f[REPEATS], r[REPEATS];
    int repeats = b->vocabulary ? WORD_REPEATS : REPEATS;
    for (int i = 0; i < repeats && ae_ok(g); i++) {
        begin(g, o, b);
        double start = ae_seconds();
        ae_tensor *y = b->run(g, o);
        f[i] = ae_seconds() - start;
        ae_tensor *dy = ae_ok(g) ? ae_full(g, AE_F32, y->ndim, y->shape, 1.0) : y;
        start = ae_seconds();
        ae_backward_from(g, &y, &dy, 1, 0);
        r[i] = ae_seconds() - start;
    }
    *forward = ae_median(f, repeats);
    *backward = ae_median(r, repeats);
}

static void print_row(ae_run *run, const op_bench *b, const operands *o, double forward, double backward)
{
    double bytes = 4.0 * b->passes * (double)(o->rows * o->width);
    double rate = (b->flop ? b->flop(o) : bytes) / forward * 1e-9;
    if (!run->json) {
        fprintf(run->out, "%-21s %10.3f %10.3f %10.1f %s\n", b->name, forward * 1e3, backward * 1e3, rate,
                b->flop ? "GFLOP/s" : "GB/s");
        return;
    }
    ae_json *row = ae_json_new_object();
    ae_json_set_string(row, "op", b->name);
    ae_json_set_double(row, "forward_ms", forward * 1e3);
    ae_json_set_double(row, "backward_ms", backward * 1e3);
    ae_json_set_double(row, b->flop ? "forward_gflops" : "forward_gb_per_s", rate);
    ae_run_print_json(run, row);
}

static int run_bench_ops(ae_run *run)
{
    const ae_options *opt = run->options;
    operands o = {.width = 768, .heads = 12};
    o.batch = ae_options_int_or(opt, "batch", 32);
    o.seq = ae_options_int_or(opt, "seq", 128);
    o.rows = o.batch * o.seq;
    o.predicted = (o.rows + PREDICTED - 1) / PREDICTED;
    o.words = ae_options_int_or(opt, "vocab-size", WORDS);
    ae_graph *g = ae_graph_new();
    if (!g) {
        return ae_err_set(&run->error, AE_E_MEMORY, "no memory for a graph");
    }
    if (!run->json) {
        fprintf(run->out, "%-21s %10s %10s %10s\n", "operation", "forward ms", "backw. ms", "forward");
    }
    for (int i = 0; i < BENCHES && ae_ok(g); i++) {
        double forward, backward;
        measure(g, &o, &benches[i], &forward, &backward);
        if (ae_ok(g)) {
            print_row(run, &benches[i], &o, forward, backward);
        }
    }
    int status =
        ae_ok(g) ? AE_EXIT_DONE : ae_err_set(&run->error, ae_graph_error(g)->code, "%s", ae_graph_error(g)->message);
    status = status == AE_EXIT_DONE && ae_bench_recurrent(run, g, o.batch, o.seq, o.width) != 0 ? -1 : status;
    status = status == AE_EXIT_DONE && ae_bench_overhead(run, g) != 0 ? -1 : status;
    ae_graph_free(g);
    return status;
}

static const char *const options[] = {"batch", "seq", "threads", "vocab-size", "json", NULL};

const ae_command ae_cmd_bench_ops = {
    .name = "bench ops",
    .summary = "measure single operations, forward and backward",
    .details =
        "Median times on BERT-base's width: batch x seq rows of 768 numbers, 12 heads. The rate of products counts "
        "their operations, that of the others the bytes that the forward pass must read and write. The loss over a "
        "vocabulary (--vocab-size, 30522 words unless given) is that of every eighth row: with logits that are there "
        "whole, and by blocks, whose forward takes the gradients too. Recurrent layers of 768 cells stand beside "
        "oneDNN's "
        "own LSTM. At the end stands what an operation on 8 x 8 "
        "numbers costs beside its kernel, recorded for backward.",
    .options = options,
    .run = run_bench_ops,
};
