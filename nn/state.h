/* State dictionaries: a model's parameters and buffers as named tensors, and back. */
#ifndef AE_NN_STATE_H
#define AE_NN_STATE_H

#include "nn/model.h"
#include "nn/rename.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- loading ------------------------------------------------------------------------------------------------------- */

/* All zero (or NULL in its place) is strict: every parameter and buffer must be found, every tensor be used. */
typedef struct ae_load_options {
    ae_rename_table renames; /* of the file's format */
    const char *ignore;      /* patterns (ae_name_matches) of tensors of the file that are expected and not wanted */
    const char *optional;    /* patterns of parameters and buffers that may be missing: a new head */
    bool lenient;            /* load what fits, report the rest, succeed */
    bool adopt;              /* take storages over instead of copying where dtype and layout allow it: a mapped file is
                              * then read when it is first used. Use the dictionary for nothing else afterwards */
} ae_load_options;

typedef struct ae_name_list {
    char **names;
    int count;
} ae_name_list;

/* What became of every name; free with ae_load_report_free. */
typedef struct ae_load_report {
    int loaded;              /* parameters and buffers that were filled */
    char prefix[64];         /* the base prefix that told the two apart ("bert."), or "" */
    bool prefix_added;       /* the model's names got it (its file is that of a larger model); else they lost it */
    ae_name_list missing;    /* of the model */
    ae_name_list unexpected; /* of the file */
    ae_name_list mismatched; /* sentences: name, shape or dtype here and there */
} ae_load_report;

/* Fills m from a dictionary. A name is looked for as it is (aliases too), through the rename table, with the old gamma
 * and beta for weight and bias, and with a base prefix ("bert.", whatever it is called) added or removed when that
 * finds more. Floats of other widths are converted. Versions rise. Returns 0; -1, with nothing written, when the root
 * has failed, or unless lenient when a name is missing or unexpected or does not fit: e then counts and names them.
 * report may be NULL. */
AE_API int ae_model_load(ae_model *m, const ae_tensors *from, const ae_load_options *options, ae_load_report *report,
                         ae_err *e);
AE_API void ae_load_report_free(ae_load_report *report);

/* ---- saving -------------------------------------------------------------------------------------------------------- */

typedef struct ae_save_options {
    ae_rename_table renames;
    bool gradients;            /* the gradients of the parameters under the same names, zeros where there is none */
    bool aliases;              /* write a tied tensor under every name, as UER-py does; else under the first alone */
    const char *add_prefix;    /* put before every name of the file; NULL: nothing */
    const char *remove_prefix; /* taken off names that begin with it; NULL: nothing */
    ae_dtype dtype;            /* of floats: AE_F32 (0) unless set */
    bool share;                /* f32 tensors that need no change share the model's storage: write them at once */
} ae_save_options;

/* Adds every parameter and buffer to out under the names of a format. options may be NULL. Returns 0 or -1. */
AE_API int ae_model_save(const ae_model *m, const ae_save_options *options, ae_tensors *out, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
