/* A plugin without a name. */
#include "apps/plugin.h"

static const ae_encoder *const none[] = {NULL};

AE_PLUGIN_EXPORT const ae_plugin_record ae_plugin = {AE_PLUGIN_ABI_FIELDS, .encoders = none};
