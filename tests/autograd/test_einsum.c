/* einsum and its relatives against numbers computed by a plain loop over all indices, with the gradient of the first
 * input; every dtype that multiplies; and what a wrong equation gets. */
#include "op_values.h"

typedef struct einsum_case {
    const char *equation;
    const char *inputs[3];
    const char *shape;
    double result[24];
    double gradient[16]; /* of sum(0 y0 + 1 y1 + ...) */
} einsum_case;

/* The elements of an input are (7 i + 3) mod 11 - 5. */
static const einsum_case cases[] = {
    {"ij,jk->ik", {"2,3", "3,2"}, "[2,2]", {13, -25, 10, -27}, {5, -3, 0, 11, -7, 8}},
    {"bij,bjk->bik",
     {"2,2,3", "2,3,2"},
     "[2,2,2]",
     {13, -25, 10, -27, 11, -25, 14, -21},
     {5, -3, 0, 11, -7, 8, -1, -29, -2, -3, -41, -2}},
    {"bij,bkj", {"2,2,3", "2,2,3"}, "[2,2]", {56, 54, 54, 58}, {-3, 4, 0, -13, 22, 2, -5, 2, -2, -23, 12, -8}},
    {"ii", {"3,3"}, "[]", {1}, {0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"ii->i", {"3,3"}, "[3]", {-2, 4, -1}, {0, 0, 0, 0, 1, 0, 0, 0, 2}},
    {"ij->ji", {"2,3"}, "[3,2]", {-2, -3, 5, 4, 1, 0}, {0, 2, 4, 1, 3, 5}},
    {"ij->", {"2,3"}, "[]", {5}, {0, 0, 0, 0, 0, 0}},
    {"i,i->i", {"4", "4"}, "[4]", {4, 25, 1, 9}, {0, 5, 2, -9}},
    {"i,i", {"4", "4"}, "[]", {39}, {0, 0, 0, 0}},
    {"i,j->ji", {"2", "3"}, "[3,2]", {4, -10, -10, 25, -2, 5}, {14, 18}},
    {"bi,bi->b", {"3,2", "3,2"}, "[3]", {29, 10, 16}, {0, 0, 1, -3, 8, 0}},
    {"abc,cd,da->b", {"2,3,2", "2,2", "2,2"}, "[3]", {99, -21, -42}, {0, 0, 9, -5, 18, -10, 0, 0, -25, 14, -50, 28}},
    {"...ij,...jk->...ik",
     {"2,1,2,2", "3,2,2"},
     "[2,3,2,2]",
     {9, -25, -5, 14, -28, 15, 16, -9, 12, 0, -7, 1, -8, 20, 11, -29, 16, 0, -28, 9, -4, -20, 10, 14},
     {-32, -6, -30, -12, -20, -42, -18, -48}},
    {"i...,i...", {"2,3", "2,1"}, "[3]", {-11, 10, -2}, {0, -2, -4, 0, 5, 10}},
    {"iij,jk->ik", {"2,2,3", "3,2"}, "[2,2]", {13, -25, 4, -31}, {5, -3, 0, 0, 0, 0, 0, 0, 0, 11, -7, 8}},
    {"bhtd,bhsd->bhts",
     {"1,2,2,2", "1,2,3,2"},
     "[1,2,2,3]",
     {29, -17, -8, -17, 10, 4, -16, -4, 8, 25, -11, -14},
     {9, -3, 18, 3, -15, -33, -24, -45}},
    {"ij,k->k", {"2,2", "3"}, "[3]", {-2, 5, 1}, {7, 7, 7, 7}},
    {"zA,Ab->bz", {"2,2", "2,3"}, "[3,2]", {-11, 7, 10, -7, -2, 1}, {14, 8, 18, 9}},
    {"...->...", {"2,2"}, "[2,2]", {-2, 5, 1, -3}, {0, 1, 2, 3}},
    {"aij,bij->ab", {"2,2,2", "3,2,2"}, "[2,3]", {39, -21, -15, -21, 41, -18}, {2, -10, 0, -1, 5, -10, -3, -7}},
};

static ae_tensor *scrambled(ae_dtype dtype, const char *shape)
{
    ae_tensor *t = ladder(dtype, shape);
    for (int64_t i = 0; i < ae_numel(t); i++) {
        ae_set_f64(t, i, (double)((i * 7 + 3) % 11 - 5));
    }
    return t;
}

static void equations_give_their_numbers(void **state)
{
    static const ae_dtype dtypes[] = {AE_F32, AE_F64, AE_BF16};
    (void)state;
    for (size_t k = 0; k < 3 * sizeof cases / sizeof *cases; k++) {
        const einsum_case *c = &cases[k / 3];
        ae_tensor *xs[3];
        int n = 0;
        ae_graph_begin(g, AE_TRAIN);
        for (; n < 3 && c->inputs[n]; n++) {
            xs[n] = scrambled(dtypes[k % 3], c->inputs[n]);
        }
        ae_requires_grad(g, xs[0]);
        ae_tensor *y = ae_einsum(g, c->equation, xs, n);
        double tolerance = dtypes[k % 3] == AE_BF16 ? 1.0 / 64 : 1e-6;
        if (!ae_ok(g)) {
            fail_msg("%s: %s", c->equation, ae_graph_error(g)->message);
        }
        expect_near(y, c->shape, ae_numel(y), c->result, tolerance);
        char text[AE_SHAPE_TEXT_MAX];
        ae_shape_text(xs[0]->ndim, xs[0]->shape, text);
        expect_near(ladder_gradient(xs[0], y), text, ae_numel(xs[0]), c->gradient, 4 * tolerance);
    }
}

static void relatives(void **state)
{
    (void)state;
    ae_tensor *x = ladder(AE_F32, "3"), *y = ladder(AE_F32, "2");
    expect(ae_outer(g, x, y), "[3,2]", 6, (double[]){0, 0, 0, 1, 0, 2});
    expect(ae_dot(g, x, x), "[]", 1, (double[]){5});
    expect(ae_outer(g, ladder(AE_I64, "2"), ladder(AE_I64, "3")), "[2,3]", 6, (double[]){0, 0, 0, 0, 1, 2});
    expect(ae_tensordot(g, ladder(AE_F32, "2,2,3"), ladder(AE_F32, "2,3,2"), 2), "[2,2]", 4,
           (double[]){110, 125, 290, 341});
    expect(ae_tensordot(g, ladder(AE_F32, "2"), ladder(AE_F32, "2"), 0), "[2,2]", 4, (double[]){0, 0, 0, 1});
    expect(ae_tensordot(g, ladder(AE_F32, "2"), ladder(AE_F32, "2"), 1), "[]", 1, (double[]){1});
    expect(ae_einsum(g, "ij,jk", (ae_tensor *[]){ladder(AE_F32, "2,0"), ladder(AE_F32, "0,2")}, 2), "[2,2]", 4,
           (double[]){0, 0, 0, 0});
    expect(ae_einsum(g, "i,i->i", (ae_tensor *[]){ladder(AE_I32, "3"), ladder(AE_I32, "3")}, 2), "[3]", 3,
           (double[]){0, 1, 4});
}

static void expect_einsum_error(const char *equation, const char *a, const char *b, ae_code code, const char *message)
{
    ae_tensor *xs[] = {ladder(AE_F32, a), b ? ladder(AE_F32, b) : NULL};
    assert_ptr_equal(ae_einsum(g, equation, xs, b ? 2 : 1), ae_bad(g));
    expect_error(code, message);
}

static void wrong_equations_are_named(void **state)
{
    (void)state;
    expect_einsum_error("ij,jk", "2,2", NULL, AE_E_VALUE, "einsum \"ij,jk\": more inputs than tensors");
    expect_einsum_error("ij", "2,2", "2", AE_E_VALUE, "einsum \"ij\": fewer inputs than tensors");
    expect_einsum_error("ij,jk", "2,3", "2,3", AE_E_SHAPE,
                        "einsum \"ij,jk\": axis j has 3 elements in one place and 2 in another");
    expect_einsum_error("...i,...i", "2,3", "4,3", AE_E_SHAPE,
                        "einsum \"...i,...i\": axis . has 2 elements in one place and 4 in another");
    expect_einsum_error("ijk", "2,3", NULL, AE_E_SHAPE, "einsum \"ijk\": 3 letters for an input [2,3]");
    expect_einsum_error("i", "2,3", NULL, AE_E_SHAPE, "einsum \"i\": 1 letters for an input [2,3]");
    expect_einsum_error("i1", "2,3", NULL, AE_E_VALUE,
                        "einsum \"i1\": an input is letters, at most 8, and one \"...\"");
    expect_einsum_error("......", "2,3", NULL, AE_E_VALUE,
                        "einsum \"......\": an input is letters, at most 8, and one \"...\"");
    expect_einsum_error("ij->ik", "2,3", NULL, AE_E_VALUE,
                        "einsum \"ij->ik\": each letter of the result is once there and in an input");
    expect_einsum_error("ij->ii", "2,3", NULL, AE_E_VALUE,
                        "einsum \"ij->ii\": each letter of the result is once there and in an input");
    expect_einsum_error("ij->i!", "2,3", NULL, AE_E_VALUE, "einsum \"ij->i!\": the result is letters and \"...\"");
    expect_einsum_error("ij-i", "2,3", NULL, AE_E_VALUE, "einsum \"ij-i\": what follows the inputs is \"->\"");
    expect_einsum_error("abcde,fghij", "1,1,1,1,1", "1,1,1,1,1", AE_E_VALUE,
                        "einsum \"abcde,fghij\": the result has more than 8 axes");
    expect_einsum_error("abcdefgh...", "1,1", NULL, AE_E_SHAPE, "einsum \"abcdefgh...\": 8 letters for an input [1,1]");
    ae_einsum(g, "i", NULL, 0);
    expect_error(AE_E_VALUE, "einsum: 0 tensors; it takes an equation and 1 to 16 of them");
    ae_einsum(g, "i,i", (ae_tensor *[]){ladder(AE_F32, "2"), NULL}, 2);
    expect_error(AE_E_FREED, "einsum: input 1 is NULL or was freed");
    ae_outer(g, ladder(AE_F32, "2"), ladder(AE_F32, "2,2"));
    expect_error(AE_E_SHAPE, "outer: [2] and [2,2]; it takes two vectors");
    ae_dot(g, ladder(AE_F32, "2"), ladder(AE_F32, "3"));
    expect_error(AE_E_SHAPE, "dot: [2] and [3]; it takes two vectors of one length");
    ae_tensordot(g, ladder(AE_F32, "2,3"), ladder(AE_F32, "2,3"), 1);
    expect_error(AE_E_SHAPE, "tensordot: the last 1 axes of [2,3] and the first of [2,3] must be equal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equations_give_their_numbers, begin_step),
        cmocka_unit_test_setup(relatives, begin_step),
        cmocka_unit_test_setup(wrong_equations_are_named, begin_step),
    };
    return cmocka_run_group_tests(tests, make_graph, free_graph);
}
