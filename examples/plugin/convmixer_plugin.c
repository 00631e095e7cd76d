/* The encoder of convmixer.h as a plugin of the installed program:
 *
 *     cc -shared -fPIC convmixer_plugin.c $(pkg-config --cflags --libs aesop) -o convmixer.so
 *     aesop pretrain --plugin ./convmixer.so --encoder convmixer ...
 *
 * Model files that are made with it keep its name, so that `aesop predict` can ask for it. */
#include "../convmixer.h"

AE_PLUGIN_EXPORT const ae_plugin_record ae_plugin = {
    AE_PLUGIN_ABI_FIELDS, .name = "convmixer", .about = "the encoder of the examples", .encoders = convmixer_list};
