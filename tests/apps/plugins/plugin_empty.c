/* A plugin whose encoder cannot encode. */
#include "apps/plugin.h"

static const ae_encoder half = {.name = "half", .about = "no functions", .size = 8};
static const ae_encoder *const list[] = {&half, NULL};

AE_PLUGIN_EXPORT const ae_plugin_record ae_plugin = {AE_PLUGIN_ABI_FIELDS, .name = "empty", .encoders = list};
