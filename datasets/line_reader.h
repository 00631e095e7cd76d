/* Lines of text from files: what corpora and tables are read with.
 *
 * Plain and gzip files (told by their first bytes), several after each other, "-" for standard input. A byte-order mark
 * at the start of a file and the \r of \r\n are taken off. A line may be of any length and hold zero bytes; what stands
 * behind the last line end is a line, unless it is empty. Memory is bounded by the longest line. */
#ifndef AE_DATASETS_LINE_READER_H
#define AE_DATASETS_LINE_READER_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ae_text_encoding { AE_TEXT_UTF8, AE_TEXT_LATIN1, AE_TEXT_CP1252 } ae_text_encoding;

/* What happens to bytes that the encoding does not have: an error with file, line and remedy; U+FFFD; nothing. */
typedef enum ae_text_errors { AE_TEXT_ERRORS_FAIL, AE_TEXT_ERRORS_REPLACE, AE_TEXT_ERRORS_SKIP } ae_text_errors;

typedef struct ae_line_options {
    ae_text_encoding encoding;
    ae_text_errors errors;
} ae_line_options;

typedef struct ae_line {
    const char *text; /* valid UTF-8, NUL-terminated; the reader's until the next call */
    size_t bytes;
    const char *path; /* borrowed from the reader; "standard input" for "-" */
    int64_t number;   /* in its file, from 1 */
    int file;         /* which of the paths */
    bool ended;       /* a line end stood behind it: false only for a file's last line */
} ae_line;

typedef struct ae_line_reader ae_line_reader;

/* Looks at every path at the start, so that a missing one, a folder and a second "-" fail before work is done.
 * `options` NULL: UTF-8, invalid bytes are an error. Paths are copied. */
AE_API ae_line_reader *ae_line_reader_open(const char *const *paths, int n, const ae_line_options *options, ae_err *e);
AE_API void ae_line_reader_close(ae_line_reader *r); /* NULL is allowed */

/* The next line: 1; 0 at the end of the last file; -1 and e: invalid bytes (path and line in front), UTF-16, damaged
 * gzip data, a line for which there is no memory, what the system says. */
AE_API int ae_line_reader_next(ae_line_reader *r, ae_line *line, ae_err *e);

/* Whether the next call comes back without waiting for a pipe or a terminal to give more. */
AE_API bool ae_line_reader_ready(const ae_line_reader *r);

/* Bytes consumed of all files and their sum (compressed bytes for gzip; -1 when unknown: standard input, pipes). */
AE_API int64_t ae_line_reader_consumed(const ae_line_reader *r);
AE_API int64_t ae_line_reader_total(const ae_line_reader *r);

AE_API int64_t ae_line_reader_repaired(const ae_line_reader *r); /* invalid places replaced or skipped */

/* How many bytes a file that was read to its end had, and a hash of them (of the file itself, compressed or not). */
AE_API void ae_line_reader_source(const ae_line_reader *r, int file, int64_t *bytes, uint64_t *hash);

#ifdef __cplusplus
}
#endif
#endif
