/* A good plugin, with an encoder that the example's plugin has too. */
#include "apps/plugin.h"

static int64_t build(ae_model *m, void *self, const ae_json *config, int64_t width)
{
    (void)m, (void)self, (void)config;
    return width;
}

static ae_tensor *encode(ae_graph *g, const void *self, ae_tensor *x, const ae_tokens *tokens)
{
    (void)g, (void)self, (void)tokens;
    return x;
}

static const ae_encoder convmixer = {
    .name = "convmixer", .about = "the words as they are", .size = 1, .build = build, .encode = encode};
static const ae_encoder *const list[] = {&convmixer, NULL};

AE_PLUGIN_EXPORT const ae_plugin_record ae_plugin = {AE_PLUGIN_ABI_FIELDS, .name = "twin", .about = "for the tests",
                                                     .encoders = list};
