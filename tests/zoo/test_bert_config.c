/* Keys of BERT's configuration that the golden cases do not set. */
#include "zoo/bert.h"
#include "zoo/zoo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SMALL                                                                                                          \
    "{\"vocab_size\":40,\"hidden_size\":16,\"num_hidden_layers\":1,\"num_attention_heads\":2,"                         \
    "\"intermediate_size\":32,\"max_position_embeddings\":64,\"initializer_range\":0.06"

/* Whether a model of these configuration keys after SMALL's is built; `positions` gets a copy of its position table. */
static bool build(const char *more, float positions[64 * 16], char message[512])
{
    char text[512];
    ae_err e = {0};
    struct ae_bert bert;
    snprintf(text, sizeof text, "%s%s}", SMALL, more);
    ae_json *config = ae_json_parse(text, strlen(text), &e);
    assert_non_null(config);
    ae_model *m = ae_model_new(1);
    const ae_zoo_model *row = ae_zoo_find("BertForMaskedLM");
    row->build(m, &bert, config, row->kind);
    bool ok = ae_model_ok(m);
    if (ok) {
        memcpy(positions, bert.position.weight->data, 64 * 16 * sizeof(float));
    } else {
        snprintf(message, 512, "%s", ae_model_error(m)->message);
    }
    ae_json_free(config);
    ae_model_free(m);
    return ok;
}

static double root_mean_square(const float *x, int n)
{
    double squares = 0;
    for (int i = 0; i < n; i++) {
        squares += (double)x[i] * (double)x[i];
    }
    return sqrt(squares / n);
}

static void positions_begin_as_waves(void **state)
{
    (void)state;
    static float drawn[64 * 16], waves[64 * 16], named[64 * 16];
    char message[512];
    assert_true(build("", drawn, message));
    assert_true(build(",\"position_initializer\":\"normal\"", named, message));
    assert_true(build(",\"position_initializer\":\"sinusoidal\"", waves, message));
    assert_memory_equal(drawn, named, sizeof drawn);
    assert_true(fabs((double)waves[16] - 0.06 * sqrt(2) * sin(1)) < 1e-7); /* position 1, the first sine and cosine */
    assert_true(fabs((double)waves[17] - 0.06 * sqrt(2) * cos(1)) < 1e-7);
    assert_true(fabs(root_mean_square(waves, 64 * 16) - 0.06) < 1e-6);
    assert_true(root_mean_square(drawn, 64 * 16) < 0.058); /* cut off beyond two deviations */
}

static void unknown_kinds_are_named(void **state)
{
    (void)state;
    static float none[64 * 16];
    char message[512];
    assert_false(build(",\"position_initializer\":\"sine\"", none, message));
    assert_non_null(strstr(message, "position_initializer is \"sine\"; normal and sinusoidal exist"));
    assert_false(build(",\"position_embedding_type\":\"rotary\"", none, message));
    assert_non_null(strstr(message, "position_embedding_type is \"rotary\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_begin_as_waves),
        cmocka_unit_test(unknown_kinds_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
