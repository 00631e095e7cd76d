/* Plugins: shared objects that bring encoders into the program.
 *
 * A plugin is compiled by itself against the installed headers and linked with -laesop, and exports one object:
 *
 *     static const ae_encoder *const encoders[] = {&mine, NULL};
 *     AE_PLUGIN_EXPORT const ae_plugin_record ae_plugin = {
 *         AE_PLUGIN_ABI_FIELDS, .name = "mine", .about = "a mixer", .encoders = encoders};
 *
 *     cc -shared -fPIC mine.c $(pkg-config --cflags --libs aesop) -o mine.so
 *     aesop pretrain --plugin ./mine.so --encoder mine ...
 *
 * Files are named by --plugin, and by AESOP_PLUGIN_PATH: files and folders separated by colons; of a folder every .so
 * is loaded. A plugin runs with the rights of the program: load only what you trust. */
#ifndef AE_APPS_PLUGIN_H
#define AE_APPS_PLUGIN_H

#include "zoo/encoder.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rises with every change of what plugins and program share. */
#define AE_PLUGIN_ABI 1

/* What a plugin exports as `ae_plugin`. The first three members stay what they are in every later version. */
typedef struct ae_plugin_record {
    uint32_t abi;
    uint32_t size;       /* of this struct */
    const char *version; /* of the library whose headers it was compiled with */
    uint32_t encoder_size, tokens_size, tensor_size;
    const char *name; /* as model files name it */
    const char *about;
    const ae_encoder *const *encoders; /* NULL at the end */
} ae_plugin_record;

#define AE_PLUGIN_ABI_FIELDS                                                                                           \
    .abi = AE_PLUGIN_ABI, .size = sizeof(ae_plugin_record), .version = AE_VERSION, .encoder_size = sizeof(ae_encoder), \
    .tokens_size = sizeof(ae_tokens), .tensor_size = sizeof(ae_tensor)

#define AE_PLUGIN_EXPORT __attribute__((visibility("default")))

typedef struct ae_plugins ae_plugins;

/* An empty set, which also knows the program's own encoders (NULL at the end; may be NULL). NULL without memory. */
AE_API ae_plugins *ae_plugins_new(const ae_encoder *const *own);
AE_API void ae_plugins_free(ae_plugins *p); /* unloads them: no model may be using them; NULL is allowed */

/* Loads a file; one that is loaded already changes nothing. Returns 0, or -1 and e: it cannot be loaded, is no plugin,
 * was made for another interface (both numbers are named), or brings an encoder that another one brings too. */
AE_API int ae_plugins_load(ae_plugins *p, const char *path, ae_err *e);

/* Loads what a list in the form of AESOP_PLUGIN_PATH names; NULL and empty parts name nothing. Returns 0 or -1. */
AE_API int ae_plugins_load_path(ae_plugins *p, const char *list, ae_err *e);

/* All encoders, the program's own first, NULL at the end; valid until the next load. */
AE_API const ae_encoder *const *ae_plugins_encoders(const ae_plugins *p);

/* The plugin that brought the encoder of a name; NULL when none did. */
AE_API const ae_plugin_record *ae_plugins_source(const ae_plugins *p, const char *encoder);

#ifdef __cplusplus
}
#endif
#endif
