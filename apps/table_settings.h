/* The options of tables, shared by the commands that read them. */
#ifndef AE_APPS_TABLE_SETTINGS_H
#define AE_APPS_TABLE_SETTINGS_H

#include "apps/app.h"
#include "datasets/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The names of the options that ae_table_settings reads, for lists of options. */
#define AE_TABLE_OPTIONS "columns", "encoding", "encoding-errors", "format", "header"

/* Fills options from the run; strings are borrowed from it. */
AE_API void ae_table_settings(const ae_run *run, ae_table_options *options);

/* Fills the options of reading text alike ("encoding", "encoding-errors"). */
AE_API void ae_line_settings(const ae_run *run, ae_line_options *options);

#ifdef __cplusplus
}
#endif
#endif
