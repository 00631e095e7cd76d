/* A plugin of another interface: nothing but the first three members can be relied on. */
#include "apps/plugin.h"

AE_PLUGIN_EXPORT const ae_plugin_record ae_plugin = {.abi = AE_PLUGIN_ABI + 41, .size = 24, .version = "9.8.7"};
