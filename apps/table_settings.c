#include "apps/table_settings.h"

#include <string.h>

/* The words of these options stand in the order of their enumerations. */
void ae_line_settings(const ae_run *run, ae_line_options *options)
{
    options->encoding = (ae_text_encoding)ae_options_choice(run->options, "encoding");
    options->errors = (ae_text_errors)ae_options_choice(run->options, "encoding-errors");
}

void ae_table_settings(const ae_run *run, ae_table_options *options)
{
    const char *format = ae_options_text(run->options, "format");
    memset(options, 0, sizeof *options);
    options->format = format && strcmp(format, "auto") != 0 ? format : NULL;
    options->columns = ae_options_text(run->options, "columns");
    options->header = (ae_header)ae_options_choice(run->options, "header");
    ae_line_settings(run, &options->lines);
}
