/* The recurrent ops against numbers that NumPy computed row by row, their corners, and what bad input gets. */
#include "autograd/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { B = 3, T = 4, I = 2, H = 2, P = 1 };

static ae_graph *g;

/* scale sin(1.3 i + seed), as in the program that made the numbers. */
static ae_tensor *wave(ae_dtype dtype, double seed, double scale, int ndim, const int64_t *shape)
{
    ae_tensor *t = ae_empty(g, dtype, ndim, shape);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, scale * sin(1.3 * (double)i + seed));
    }
    return t;
}

#define SHAPE(...)                                                                                                     \
    (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                                  \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

typedef struct layer_case {
    const char *name;
    int gates;
    bool packed, proj;
    ae_recurrent_options options;
    int n;
    double want[64];
} layer_case;

static const layer_case cases[] = {
    {"rnn tanh", 1, false, false, {0}, 30, {0.959352233,  -0.0699712027, 0.0903850015, 0.952136938,  0.891943184,
                                            -0.169970941, 0.693866709,   0.891654279,  -0.709050866, 0.938932768,
                                            0.959688461,  -0.381880831,  -0.396764768, 0.971618739,  0.930776693,
                                            -0.422913039, 0.654153714,   0.709379251,  0.679018699,  0.472673486,
                                            0.945044335,  0.443569766,   0.226732449,  0.879697731,  0.693866709,
                                            0.891654279,  0.930776693,   -0.422913039, 0.226732449,  0.879697731}},
    {"rnn relu",
     1,
     true,
     false,
     {.reverse = true, .relu = true},
     30,
     {2.9169558,
      0,
      0.340460465,
      1.76712039,
      1.25179259,
      0.121275107,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      1.81066134,
      0.393937335,
      0.579191574,
      1.38575277,
      2.1207566,
      0,
      0,
      1.04858275,
      2.9169558,
      0,
      -0.0408619004,
      -0.684271082,
      1.81066134,
      0.393937335}},
    {"lstm", 4, false, false, {.reverse = true}, 36, {-0.361344537,  0.335058586,   -0.327540177,  0.134935603,
                                                      -0.284745188,  0.276587868,   -0.27326939,   0.3845608,
                                                      -0.196194425,  -0.0742140994, -0.336747329,  0.274047491,
                                                      -0.0760541364, -0.0349517638, -0.120411124,  0.0326820601,
                                                      -0.373692372,  0.180337755,   -0.202986494,  0.0102877036,
                                                      -0.347818647,  0.283580612,   -0.0373557693, 0.0074566669,
                                                      -0.361344537,  0.335058586,   -0.196194425,  -0.0742140994,
                                                      -0.373692372,  0.180337755,   -0.86159643,   0.566796255,
                                                      -0.252596773,  -0.144506407,  -0.556137023,  0.515264183}},
    {"lstm packed",
     4,
     true,
     false,
     {0},
     36,
     {-0.18880996,
      0.427743184,
      -0.381445519,
      0.211650381,
      -0.216959593,
      0.185007377,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      -0.382853276,
      0.310667169,
      -0.177362431,
      0.0201327811,
      -0.375614459,
      0.287206621,
      -0.251329505,
      -0.0598899251,
      -0.216959593,
      0.185007377,
      -0.0408619004,
      -0.684271082,
      -0.251329505,
      -0.0598899251,
      -0.347875997,
      0.292120912,
      -0.110421986,
      -0.695583703,
      -0.31546425,
      -0.137586144}},
    {"lstm proj",
     4,
     true,
     true,
     {.reverse = true, .cell_clip = 0.35, .proj_clip = 0.06},
     21,
     {0.0488780759,
      -0.0338577555,
      0.06,
      0,
      0,
      0,
      0,
      0,
      -0.06,
      -0.0516908657,
      0.01578021,
      -0.06,
      0.0488780759,
      0.662410061,
      -0.06,
      -0.35,
      0.35,
      -0.110421986,
      -0.695583703,
      -0.35,
      0.35}},
    {"gru",
     3,
     true,
     false,
     {.reverse = true},
     30,
     {-0.445691804,
      0.792619407,
      -0.276241439,
      0.567388901,
      0.100190568,
      0.623305079,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      -0.524677996,
      0.287094992,
      -0.265957868,
      -0.127690322,
      -0.51486239,
      0.449338844,
      -0.0658644314,
      -0.115774984,
      -0.445691804,
      0.792619407,
      -0.0408619004,
      -0.684271082,
      -0.524677996,
      0.287094992}},
    {"gru before",
     3,
     true,
     false,
     {.reset_before = true},
     30,
     {-0.135882377,
      0.836396328,
      -0.378752058,
      0.669351296,
      -0.304449909,
      0.522929879,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      -0.578370109,
      0.678245995,
      -0.36329791,
      0.061416933,
      -0.608497854,
      0.584615684,
      -0.318693941,
      -0.0579476306,
      -0.304449909,
      0.522929879,
      -0.0408619004,
      -0.684271082,
      -0.318693941,
      -0.0579476306}},
};

static ae_tensor *lengths_of(ae_dtype dtype)
{
    static const int64_t values[B] = {3, 0, 4};
    ae_tensor *t = ae_empty(g, dtype, SHAPE(B));
    for (int i = 0; i < B; i++) {
        ae_set_i64(t, i, values[i]);
    }
    return t;
}

typedef struct layer_inputs {
    ae_tensor *x, *w_ih, *w_hh, *b_ih, *b_hh, *w_hr, *h0, *c0, *lengths;
} layer_inputs;

static layer_inputs inputs_of(const layer_case *k, ae_dtype dtype)
{
    int64_t width = k->proj ? P : H, wide = k->gates * H;
    return (layer_inputs){
        .x = wave(dtype, 0.1, 1, SHAPE(B, T, I)),
        .w_ih = wave(dtype, 0.2, 0.8, SHAPE(wide, I)),
        .w_hh = wave(dtype, 0.3, 0.9, SHAPE(wide, width)),
        .b_ih = wave(dtype, 0.4, 0.5, SHAPE(wide)),
        .b_hh = wave(dtype, 0.5, 0.5, SHAPE(wide)),
        .h0 = wave(dtype, 0.6, 0.7, SHAPE(B, width)),
        .c0 = wave(dtype, 0.7, 0.7, SHAPE(B, H)),
        .w_hr = k->proj ? wave(dtype, 0.8, 1, SHAPE(P, H)) : NULL,
        .lengths = k->packed ? lengths_of(AE_I32) : NULL,
    };
}

static int run(const layer_case *k, const layer_inputs *in, ae_tensor *out[3])
{
    const ae_recurrent_options *o = &k->options;
    if (k->gates == 4) {
        return ae_f_lstm(g, in->x, in->w_ih, in->w_hh, in->b_ih, in->b_hh, in->w_hr, in->h0, in->c0, in->lengths, o,
                         out);
    }
    out[2] = NULL;
    return (k->gates == 3 ? ae_f_gru : ae_f_rnn)(g, in->x, in->w_ih, in->w_hh, in->b_ih, in->b_hh, in->h0, in->lengths,
                                                 o, out);
}

static void expect_values(const layer_case *k, ae_tensor *const *out, double tolerance, const char *what)
{
    double got[64];
    int64_t n = 0;
    if (!ae_ok(g)) {
        fail_msg("%s: %s", k->name, ae_graph_error(g)->message);
    }
    for (int i = 0; i < 3 && out[i]; i++) {
        ae_read(out[i], AE_F64, got + n, ae_numel(out[i]));
        n += ae_numel(out[i]);
    }
    assert_int_equal(n, k->n);
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs(got[i] - k->want[i]) <= tolerance)) {
            fail_msg("%s in %s: element %lld is %.9g, not %.9g", k->name, what, (long long)i, got[i], k->want[i]);
        }
    }
}

static void values_agree_with_numpy(void **state)
{
    static const struct {
        ae_dtype dtype, precision;
        double tolerance;
        const char *what;
    } paths[] = {{AE_F64, AE_F32, 1e-8, "f64"},
                 {AE_F32, AE_F32, 1e-6, "f32"},
                 {AE_F32, AE_BF16, 0.02, "f32 rounded to bf16"},
                 {AE_BF16, AE_F32, 0.03, "bf16"}};
    ae_tensor *out[3];
    (void)state;
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            ae_graph_begin(g, AE_EVAL);
            ae_graph_precision(g, paths[p].precision);
            layer_inputs in = inputs_of(&cases[i], paths[p].dtype);
            run(&cases[i], &in, out);
            assert_int_equal(out[0]->dtype, paths[p].dtype);
            expect_values(&cases[i], out, paths[p].tolerance, paths[p].what);
        }
    }
    ae_graph_precision(g, AE_F32);
}

/* The gradients of sum(w out[which]) for all float inputs, one after the other. */
static int gradients(const layer_case *k, ae_dtype dtype, int which, unsigned flags, double *got)
{
    ae_graph_begin(g, AE_TRAIN);
    layer_inputs in = inputs_of(k, dtype);
    ae_tensor *leaves[] = {in.x, in.w_ih, in.w_hh, in.b_ih, in.b_hh, in.h0, in.c0, in.w_hr};
    ae_tensor *out[3];
    for (int i = 0; i < 8; i++) {
        if (leaves[i]) {
            ae_requires_grad(g, leaves[i]);
        }
    }
    run(k, &in, out);
    ae_tensor *y = out[which], *w = wave(dtype, 2, 1, y->ndim, y->shape);
    ae_tensor *loss = ae_sum(g, ae_mul(g, y, w), 0, NULL, false);
    if ((flags & AE_RETAIN) && ae_backward(g, loss, AE_RETAIN) != 0) {
        fail_msg("%s: %s", k->name, ae_graph_error(g)->message);
    }
    if (ae_backward(g, loss, 0) != 0) {
        fail_msg("%s: %s", k->name, ae_graph_error(g)->message);
    }
    int n = 0;
    for (int i = 0; i < 8; i++) {
        if (leaves[i] && leaves[i]->grad) {
            ae_read(leaves[i]->grad, AE_F64, got + n, ae_numel(leaves[i]));
            n += (int)ae_numel(leaves[i]);
        }
    }
    return n;
}

/* Each output alone: the others' gradients are then absent, not zeros. Twice over one tape: nothing saved is used up.
 */
static void every_output_may_go_unused(void **state)
{
    double want[256], got[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int which = 0; which < (cases[i].gates == 4 ? 3 : 2); which++) {
            int n = gradients(&cases[i], AE_F64, which, 0, want);
            assert_int_equal(gradients(&cases[i], AE_F32, which, AE_RETAIN, got), n);
            for (int k = 0; k < n; k++) {
                if (!(fabs(got[k] - 2 * want[k]) <= 1e-5)) {
                    fail_msg("%s output %d: gradient %d is %.9g, not %.9g", cases[i].name, which, k, got[k],
                             2 * want[k]);
                }
            }
        }
    }
}

enum { WIDE_B = 5, WIDE_T = 6, WIDE_I = 24, WIDE_H = 40, WIDE_P = 28, WIDE_MAX = 1 << 15 };

typedef struct wide_layer {
    const char *name;
    int gates;
    bool project;
    ae_recurrent_options options;
} wide_layer;

static const wide_layer wide_layers[] = {
    {"rnn", 1, false, {.reverse = true}},
    {"gru", 3, false, {.reverse = true}},
    {"gru, reset before", 3, false, {.reverse = true, .reset_before = true}},
    {"lstm", 4, false, {.reverse = true}},
    {"lstm with projection", 4, true, {.cell_clip = 0.7, .proj_clip = 0.6}},
};

/* Runs a layer forward on rows of 0 to 6 steps; the leaves are x, w_ih, w_hh, b_ih, and w_hr or NULL. */
static void wide_forward(const wide_layer *k, ae_dtype dtype, ae_tensor *leaf[5], ae_tensor *out[3])
{
    const int64_t wide = k->gates * WIDE_H, width = k->project ? WIDE_P : WIDE_H;
    ae_tensor *lengths = ae_from_data(g, AE_I64, 1, (int64_t[]){WIDE_B}, (int64_t[]){6, 2, 5, 0, 6});
    leaf[0] = wave(dtype, 0, 1, SHAPE(WIDE_B, WIDE_T, WIDE_I));
    leaf[1] = wave(dtype, 1, 0.3, SHAPE(wide, WIDE_I));
    leaf[2] = wave(dtype, 2, 0.2, SHAPE(wide, width));
    leaf[3] = wave(dtype, 3, 0.5, SHAPE(wide));
    leaf[4] = k->project ? wave(dtype, 4, 0.4, SHAPE(WIDE_P, WIDE_H)) : NULL;
    for (int i = 0; i < 5 && leaf[i]; i++) {
        ae_requires_grad(g, leaf[i]);
    }
    if (k->gates == 4) {
        ae_f_lstm(g, leaf[0], leaf[1], leaf[2], leaf[3], NULL, leaf[4], NULL, NULL, lengths, &k->options, out);
    } else {
        (k->gates == 3 ? ae_f_gru : ae_f_rnn)(g, leaf[0], leaf[1], leaf[2], leaf[3], NULL, NULL, lengths, &k->options,
                                              out);
        out[2] = NULL;
    }
}

/* Values and gradients of a layer wide enough for packed weights, with products in a precision. Returns their number.
 */
static int64_t run_wide(const wide_layer *k, ae_dtype dtype, ae_dtype precision, double *got)
{
    ae_tensor *leaf[5], *out[3];
    ae_graph_begin(g, AE_TRAIN);
    ae_graph_precision(g, precision);
    wide_forward(k, dtype, leaf, out);
    ae_tensor *loss = ae_sum(g, ae_mul(g, out[0], wave(dtype, 4, 1, 3, out[0]->shape)), 0, NULL, false);
    for (int i = 1; i < 3 && out[i]; i++) {
        loss = ae_add(g, loss, ae_sum(g, ae_mul(g, out[i], wave(dtype, 5, 1, 2, out[i]->shape)), 0, NULL, false));
    }
    assert_int_equal(ae_backward(g, loss, 0), 0);
    ae_graph_precision(g, AE_F32);
    int64_t n = 0;
    for (int i = 0; i < 8; i++) {
        ae_tensor *t = i < 3 ? out[i] : leaf[i - 3] ? leaf[i - 3]->grad : NULL;
        if (t) {
            ae_read(t, AE_F64, got + n, ae_numel(t));
            n += ae_numel(t);
        }
    }
    assert_true(n <= WIDE_MAX);
    return n;
}

static void products_in_bf16_agree(void **state)
{
    static double want[WIDE_MAX], f32[WIDE_MAX], bf16[WIDE_MAX];
    (void)state;
    for (size_t k = 0; k < sizeof wide_layers / sizeof *wide_layers; k++) {
        int64_t n = run_wide(&wide_layers[k], AE_F64, AE_F32, want);
        run_wide(&wide_layers[k], AE_F32, AE_F32, f32);
        run_wide(&wide_layers[k], AE_F32, AE_BF16, bf16);
        double worst_f32 = 0, error = 0, size = 0;
        for (int64_t i = 0; i < n; i++) {
            worst_f32 = fmax(worst_f32, fabs(f32[i] - want[i]));
            error += (bf16[i] - want[i]) * (bf16[i] - want[i]);
            size += want[i] * want[i];
        }
        assert_true(worst_f32 < 2e-4);
        if (!(error <= 4e-4 * size) || error == 0) { /* 2^-7 is 0.8 %, summed over steps: within 2 % */
            fail_msg("%s: bf16 differs by %g", wide_layers[k].name, sqrt(error / size));
        }
    }
}

/* What is held between forward and backward, beside the outputs and leaves, which are f32. */
static int64_t kept_bytes(const wide_layer *k, ae_dtype precision)
{
    ae_tensor *leaf[5], *out[3];
    ae_graph_begin(g, AE_TRAIN);
    ae_graph_precision(g, precision);
    int64_t before = ae_pool_get_stats(ae_graph_pool(g)).held, bytes;
    wide_forward(k, AE_F32, leaf, out);
    bytes = ae_pool_get_stats(ae_graph_pool(g)).held - before;
    ae_graph_precision(g, AE_F32);
    return bytes;
}

static void bf16_keeps_half(void **state)
{
    enum { TOTAL = 6 + 2 + 5 + 6 };
    (void)state;
    for (size_t k = 1; k < sizeof wide_layers / sizeof *wide_layers; k++) {
        const wide_layer *layer = &wide_layers[k];
        int64_t cells = layer->options.reset_before ? 0 : 1; /* the LSTM's cells, the GRU's product of the candidate */
        int64_t saved = TOTAL * (layer->gates + cells) * WIDE_H * (int64_t)sizeof(float);
        assert_int_equal(kept_bytes(layer, AE_F32) - kept_bytes(layer, AE_BF16), saved / 2);
    }
}

static void padding_is_never_read(void **state)
{
    ae_tensor *out[3];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int f64 = 0; f64 < 2 && cases[i].packed; f64++) {
            ae_graph_begin(g, AE_TRAIN);
            layer_inputs in = inputs_of(&cases[i], f64 ? AE_F64 : AE_F32);
            ae_set_f64(in.x, (0 * T + 3) * I, (double)NAN);
            ae_set_f64(in.x, (1 * T + 0) * I, (double)NAN);
            ae_requires_grad(g, in.x);
            run(&cases[i], &in, out);
            expect_values(&cases[i], out, 1e-6, "with NaN as padding");
            if (f64) {
                continue; /* the plain twin multiplies padding by zero in backward */
            }
            assert_int_equal(ae_backward(g, ae_sum(g, out[0], 0, NULL, false), 0), 0);
            assert_true(ae_get_f64(in.x->grad, (0 * T + 3) * I) == 0 && ae_get_f64(in.x->grad, (1 * T + 1) * I) == 0);
            assert_true(ae_get_f64(in.x->grad, (0 * T + 2) * I) != 0);
        }
    }
}

static void time_first_input_is_a_view(void **state)
{
    ae_tensor *out[3];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ae_graph_begin(g, AE_EVAL);
        layer_inputs in = inputs_of(&cases[i], AE_F32);
        in.x = ae_transpose(g, ae_contiguous(g, ae_transpose(g, in.x, 0, 1)), 0, 1);
        assert_false(ae_is_contiguous(in.x));
        run(&cases[i], &in, out);
        expect_values(&cases[i], out, 1e-6, "time-first");
    }
}

static void empty_batches_and_times(void **state)
{
    static const int64_t extents[][3] = {{0, 4, 2}, {3, 0, 2}, {3, 4, 0}, {0, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        const int64_t *e = extents[i];
        for (int gates = 1; gates <= 4; gates += gates == 1 ? 2 : 1) {
            const layer_case k = {"empty", gates, false, false, {.reverse = true}, 0, {0}};
            ae_tensor *out[3];
            ae_graph_begin(g, AE_TRAIN);
            layer_inputs in = inputs_of(&k, AE_F32);
            in.x = ae_requires_grad(g, wave(AE_F32, 0, 1, SHAPE(e[0], e[1], e[2])));
            in.w_ih = ae_requires_grad(g, wave(AE_F32, 0, 1, SHAPE(gates * H, e[2])));
            in.h0 = ae_requires_grad(g, wave(AE_F32, 0, 1, SHAPE(e[0], H)));
            in.c0 = wave(AE_F32, 0, 1, SHAPE(e[0], H));
            run(&k, &in, out);
            ae_tensor *loss = ae_sum(g, ae_add(g, ae_sum(g, out[0], 0, NULL, false), ae_sum(g, out[1], 0, NULL, false)),
                                     0, NULL, false);
            assert_int_equal(ae_backward(g, loss, 0), 0);
            assert_int_equal(out[0]->shape[1], e[1]);
            if (e[1] == 0) { /* the state is what it was */
                for (int64_t n = 0; n < e[0] * H; n++) {
                    assert_true(ae_get_f64(out[1], n) == ae_get_f64(in.h0, n) && ae_get_f64(in.h0->grad, n) == 1);
                }
            }
        }
    }
}

static void expect_error(ae_code code, const char *message)
{
    assert_int_equal(ae_graph_error(g)->code, code);
    assert_string_equal(ae_graph_error(g)->message, message);
    ae_graph_begin(g, AE_TRAIN);
}

static void bad_weights_are_named(void **state)
{
    const layer_case k = {"bad", 4, false, false, {0}, 0, {0}};
    ae_tensor *out[3];
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    layer_inputs in = inputs_of(&k, AE_F32);
    in.x = wave(AE_F32, 0, 1, SHAPE(B, T, 5));
    assert_int_equal(run(&k, &in, out), -1);
    assert_ptr_equal(out[2], ae_bad(g));
    expect_error(AE_E_SHAPE,
                 "lstm: the weight of the input must be [4 x hidden,5] for x input 0 [3,4,5]; got input 1 [8,2]");
    in = inputs_of(&k, AE_F32);
    in.x = wave(AE_F32, 0, 1, SHAPE(B, I));
    run(&k, &in, out);
    expect_error(AE_E_SHAPE, "lstm: x must be (batch, time, features); got input 0 [3,2]");
    in = inputs_of(&k, AE_F32);
    in.w_hh = ae_name(g, wave(AE_F32, 0, 1, SHAPE(6, H)), "rnn.weight_hh_l0");
    run(&k, &in, out);
    expect_error(AE_E_SHAPE,
                 "lstm: the weight of the state must have 8 rows, as input 1 [8,2]; got rnn.weight_hh_l0 [6,2]");
    in = inputs_of(&k, AE_F32);
    in.w_hh = wave(AE_F32, 0, 1, SHAPE(8, 1));
    run(&k, &in, out);
    expect_error(AE_E_SHAPE, "lstm: the state has 1 units and the cell 2, so the projection must be given as w_hr "
                             "[state,cell]");
    in = inputs_of(&k, AE_F32);
    in.b_hh = wave(AE_F32, 0, 1, SHAPE(3));
    run(&k, &in, out);
    expect_error(AE_E_SHAPE, "lstm: a bias must be [8], one element a row of the weights; got input 4 [3]");
    in = inputs_of(&k, AE_F32);
    in.w_ih = wave(AE_F64, 0, 1, SHAPE(8, I));
    run(&k, &in, out);
    expect_error(AE_E_DTYPE, "lstm: x is f32 but input 1 [8,2] is f64; all must be of one dtype");
    in = inputs_of(&k, AE_I64);
    run(&k, &in, out);
    expect_error(AE_E_DTYPE, "lstm: x is i64; it must be f32, f64 or bf16");
}

static void bad_states_and_lengths_are_named(void **state)
{
    layer_case k = {"bad", 3, true, false, {0}, 0, {0}};
    ae_tensor *out[3];
    (void)state;
    ae_graph_begin(g, AE_TRAIN);
    layer_inputs in = inputs_of(&k, AE_F32);
    in.w_hh = wave(AE_F32, 0, 1, SHAPE(6, 3));
    run(&k, &in, out);
    expect_error(AE_E_SHAPE, "gru: the weight of the state must be [6,2]; got input 2 [6,3]");
    in = inputs_of(&k, AE_F32);
    in.h0 = wave(AE_F32, 0, 1, SHAPE(B, 3));
    run(&k, &in, out);
    expect_error(AE_E_SHAPE, "gru: h0 must be [3,2]; got input 5 [3,3]");
    in = inputs_of(&k, AE_F32);
    ae_set_i64(in.lengths, 1, 5);
    run(&k, &in, out);
    expect_error(AE_E_VALUE, "gru: length 5 of row 1 is outside of 0..4, the steps of x");
    in = inputs_of(&k, AE_F32);
    ae_set_i64(in.lengths, 2, -1);
    run(&k, &in, out);
    expect_error(AE_E_VALUE, "gru: length -1 of row 2 is outside of 0..4, the steps of x");
    in = inputs_of(&k, AE_F32);
    in.lengths = lengths_of(AE_F32);
    run(&k, &in, out);
    expect_error(AE_E_DTYPE, "gru: lengths are f32; they must be i32 or i64");
    in = inputs_of(&k, AE_F32);
    in.lengths = ae_zeros(g, AE_I64, SHAPE(2));
    run(&k, &in, out);
    expect_error(AE_E_SHAPE, "gru: lengths must be [3], one a row of x; got input 6 [2]");
    k.gates = 1;
    in = inputs_of(&k, AE_F32);
    in.w_hh = wave(AE_F32, 0, 1, SHAPE(2, 1));
    run(&k, &in, out);
    expect_error(AE_E_SHAPE, "rnn: the weight of the state must be [2,2]; got input 2 [2,1]");
    k.gates = 4;
    in = inputs_of(&k, AE_F32);
    in.c0 = wave(AE_F32, 0, 1, SHAPE(2, H));
    run(&k, &in, out);
    expect_error(AE_E_SHAPE, "lstm: c0 must be [3,2]; got input 7 [2,2]");
}

static int setup(void **state)
{
    (void)state;
    g = ae_graph_new();
    return g ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ae_graph_free(g);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_agree_with_numpy),
        cmocka_unit_test(every_output_may_go_unused),
        cmocka_unit_test(products_in_bf16_agree),
        cmocka_unit_test(bf16_keeps_half),
        cmocka_unit_test(padding_is_never_read),
        cmocka_unit_test(time_first_input_is_a_view),
        cmocka_unit_test(empty_batches_and_times),
        cmocka_unit_test(bad_weights_are_named),
        cmocka_unit_test(bad_states_and_lengths_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
