/* A plugin that was compiled when ae_tokens was smaller. */
#include "apps/plugin.h"

static const ae_encoder *const none[] = {NULL};

AE_PLUGIN_EXPORT const ae_plugin_record ae_plugin = {.abi = AE_PLUGIN_ABI,
                                                     .size = sizeof(ae_plugin_record),
                                                     .version = "0.0.9",
                                                     .encoder_size = sizeof(ae_encoder),
                                                     .tokens_size = sizeof(ae_tokens) - 8,
                                                     .tensor_size = sizeof(ae_tensor),
                                                     .name = "narrow",
                                                     .encoders = none};
