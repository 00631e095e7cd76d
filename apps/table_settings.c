#include "apps/table_settings.h"

#include <string.h>

static int choice(const ae_run *run, const char *option, const char *const *words)
{
    const char *text = ae_options_text(run->options, option);
    for (int i = 0; text && words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            return i;
        }
    }
    return 0;
}

void ae_line_settings(const ae_run *run, ae_line_options *options)
{
    static const char *const encodings[] = {"utf-8", "latin1", "cp1252", NULL};
    static const char *const errors[] = {"fail", "replace", "skip", NULL};
    options->encoding = (ae_text_encoding)choice(run, "encoding", encodings);
    options->errors = (ae_text_errors)choice(run, "encoding-errors", errors);
}

void ae_table_settings(const ae_run *run, ae_table_options *options)
{
    static const char *const headers[] = {"auto", "yes", "no", NULL};
    const char *format = ae_options_text(run->options, "format");
    memset(options, 0, sizeof *options);
    options->format = format && strcmp(format, "auto") != 0 ? format : NULL;
    options->columns = ae_options_text(run->options, "columns");
    options->header = (ae_header)choice(run, "header", headers);
    ae_line_settings(run, &options->lines);
}
