#include "apps/plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_PLUGINS = 64, MOST_ENCODERS = 256, PATH_BYTES = 4096 };

struct ae_plugins {
    int count;
    struct loaded {
        void *handle;
        const ae_plugin_record *record;
        char path[PATH_BYTES];
    } list[MOST_PLUGINS];
    int encoder_count;
    const ae_encoder *encoders[MOST_ENCODERS + 1];
};

ae_plugins *ae_plugins_new(const ae_encoder *const *own)
{
    ae_plugins *p = calloc(1, sizeof *p);
    for (; p && own && *own && p->encoder_count < MOST_ENCODERS; own++) {
        p->encoders[p->encoder_count++] = *own;
    }
    return p;
}

void ae_plugins_free(ae_plugins *p)
{
    for (int i = 0; p && i < p->count; i++) {
        dlclose(p->list[i].handle);
    }
    free(p);
}

const ae_encoder *const *ae_plugins_encoders(const ae_plugins *p)
{
    return p->encoders;
}

const ae_plugin_record *ae_plugins_source(const ae_plugins *p, const char *encoder)
{
    for (int i = 0; i < p->count; i++) {
        for (const ae_encoder *const *e = p->list[i].record->encoders; *e; e++) {
            if (strcmp((*e)->name, encoder) == 0) {
                return p->list[i].record;
            }
        }
    }
    return NULL;
}

/* ---- what a file exports ------------------------------------------------------------------------------------------- */

static int check_sizes(const ae_plugin_record *r, const char *path, ae_err *e)
{
    const struct {
        const char *what;
        size_t theirs, ours;
    } sizes[] = {{"ae_plugin_record", r->size, sizeof *r},
                 {"ae_encoder", r->encoder_size, sizeof(ae_encoder)},
                 {"ae_tokens", r->tokens_size, sizeof(ae_tokens)},
                 {"ae_tensor", r->tensor_size, sizeof(ae_tensor)}};
    if (r->abi != AE_PLUGIN_ABI) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "plugin %s was made for plugin interface %u (aesop %s), this program has %u "
                          "(aesop %s); compile it against the headers of this one",
                          path, (unsigned)r->abi, r->version ? r->version : "?", (unsigned)AE_PLUGIN_ABI, AE_VERSION);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].theirs != sizes[i].ours) {
            return ae_err_set(e, AE_E_UNSUPPORTED,
                              "plugin %s: its %s has %zu bytes (aesop %s), that of this program %zu "
                              "(aesop %s); compile it against the headers of this one",
                              path, sizes[i].what, sizes[i].theirs, r->version ? r->version : "?", sizes[i].ours,
                              AE_VERSION);
        }
    }
    return 0;
}

static int check_encoders(const ae_plugins *p, const ae_plugin_record *r, const char *path, ae_err *e)
{
    if (!r->name || !*r->name || !r->encoders) {
        return ae_err_set(e, AE_E_FORMAT, "plugin %s: it has no %s", path, r->encoders ? "name" : "list of encoders");
    }
    for (const ae_encoder *const *own = r->encoders; *own; own++) {
        const ae_encoder *n = *own;
        if (!n->name || !*n->name || !n->about || !n->size || !n->build || !n->encode) {
            return ae_err_set(e, AE_E_FORMAT,
                              "plugin %s: its encoder %s lacks a name, a line about it, a size, build or "
                              "encode",
                              path, n->name && *n->name ? n->name : "without a name");
        }
        for (int i = 0; i < p->encoder_count; i++) {
            if (strcmp(p->encoders[i]->name, n->name) == 0) {
                const ae_plugin_record *other = ae_plugins_source(p, n->name);
                return ae_err_set(e, AE_E_UNEXPECTED, "plugin %s: the encoder %s comes from %s%s too", path, n->name,
                                  other ? "the plugin " : "the program", other ? other->name : "");
            }
        }
    }
    return 0;
}

static int take(ae_plugins *p, void *handle, const ae_plugin_record *r, const char *path, ae_err *e)
{
    if (check_sizes(r, path, e) != 0 || check_encoders(p, r, path, e) != 0) {
        return -1;
    }
    for (const ae_encoder *const *own = r->encoders; *own; own++) {
        if (p->encoder_count == MOST_ENCODERS) {
            return ae_err_set(e, AE_E_VALUE, "plugin %s: more than %d encoders", path, (int)MOST_ENCODERS);
        }
        p->encoders[p->encoder_count++] = *own;
    }
    struct loaded *l = &p->list[p->count++];
    l->handle = handle;
    l->record = r;
    snprintf(l->path, sizeof l->path, "%s", path);
    return 0;
}

int ae_plugins_load(ae_plugins *p, const char *path, ae_err *e)
{
    char here[PATH_BYTES];
    /* A name without a slash is a file of this folder; dlopen would look for it among the system's libraries. */
    int n = snprintf(here, sizeof here, "%s%s", strchr(path, '/') ? "" : "./", path);
    if (n < 0 || n >= PATH_BYTES || p->count == MOST_PLUGINS) {
        return ae_err_set(e, AE_E_VALUE, "plugin %s: %s", path,
                          p->count == MOST_PLUGINS ? "too many plugins" : "the path is too long");
    }
    void *handle = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        return ae_err_set(e, AE_E_MISSING, "plugin %s cannot be loaded: %s", path, dlerror());
    }
    const ae_plugin_record *record = dlsym(handle, "ae_plugin");
    for (int i = 0; i < p->count; i++) {
        if (record && p->list[i].record == record) {
            dlclose(handle);
            return 0;
        }
    }
    int status = record ? take(p, handle, record, path, e)
                        : ae_err_set(e, AE_E_FORMAT,
                                     "plugin %s: it exports no ae_plugin (apps/plugin.h says what a "
                                     "plugin is)",
                                     path);
    if (status != 0) {
        dlclose(handle);
    }
    return status;
}

/* ---- AESOP_PLUGIN_PATH --------------------------------------------------------------------------------------------- */

static int is_object(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > 3 && strcmp(entry->d_name + n - 3, ".so") == 0;
}

static int load_folder(ae_plugins *p, const char *folder, ae_err *e)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_object, alphasort), status = 0;
    if (count < 0) {
        return ae_err_set(e, AE_E_MISSING, "AESOP_PLUGIN_PATH: %s: %s", folder, strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        status = status == 0 ? ae_plugins_load(p, path, e) : status;
        free(entries[i]);
    }
    free(entries);
    return status;
}

int ae_plugins_load_path(ae_plugins *p, const char *list, ae_err *e)
{
    while (list && *list) {
        char part[PATH_BYTES];
        struct stat s;
        size_t n = strcspn(list, ":");
        if (n >= sizeof part) {
            return ae_err_set(e, AE_E_VALUE, "AESOP_PLUGIN_PATH: a part of it is longer than %d bytes", PATH_BYTES - 1);
        }
        memcpy(part, list, n);
        part[n] = '\0';
        if (n && stat(part, &s) != 0) {
            return ae_err_set(e, AE_E_MISSING, "AESOP_PLUGIN_PATH: %s: %s", part, strerror(errno));
        }
        if (n && (S_ISDIR(s.st_mode) ? load_folder(p, part, e) : ae_plugins_load(p, part, e)) != 0) {
            return -1;
        }
        list += n + (list[n] == ':');
    }
    return 0;
}
