/* Text that grows token by token, handed out as soon as it is sure: never a part of a character, and never the
 * beginning of a text that ends it. */
#ifndef AE_APPS_TEXT_STREAM_H
#define AE_APPS_TEXT_STREAM_H

#include "tokenizers/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_text_stream ae_text_stream;

/* A stream behind `count` given tokens, whose text is not handed out but decides about blanks. It ends before the first
 * of `stops` (n_stops, borrowed) that its text would hold. NULL and e without memory. */
AE_API ae_text_stream *ae_text_stream_new(const ae_tokenizer *t, const int32_t *given, int64_t count,
                                          const char *const *stops, int n_stops, ae_err *e);
AE_API void ae_text_stream_free(ae_text_stream *s); /* NULL is allowed */

/* Adds a token: 0; 1 when a stop was met, behind which nothing is taken; -1 and e. */
AE_API int ae_text_stream_add(ae_text_stream *s, int32_t id, ae_err *e);

AE_API bool ae_text_stream_stopped(const ae_text_stream *s); /* whether a stop was met */

/* What became sure since the last call (not terminated; the stream's until the next call). */
AE_API const char *ae_text_stream_take(ae_text_stream *s, size_t *bytes);

/* No more tokens come: everything is sure now, and a character that stayed incomplete becomes U+FFFD. 0, or -1 and e.
 */
AE_API int ae_text_stream_end(ae_text_stream *s, ae_err *e);

/* The whole text so far, NUL-terminated; the stream's. */
AE_API const char *ae_text_stream_text(const ae_text_stream *s);

#ifdef __cplusplus
}
#endif
#endif
