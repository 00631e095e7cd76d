#include "apps/text_stream.h"

#include "tensor/byte_buffer.h"
#include "tensor/utf8_check.h"

#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

struct ae_text_stream {
    const ae_tokenizer *t;
    const char *const *stops;
    int n_stops;
    int32_t *ids;
    int64_t count, capacity;
    int64_t from, shown; /* what ids[from..shown) say is in `text`; tokens are read together with those before them */
    ae_bytes text;
    size_t taken; /* bytes of the text that were handed out */
    bool stopped, ended;
};

ae_text_stream *ae_text_stream_new(const ae_tokenizer *t, const int32_t *given, int64_t count, const char *const *stops,
                                   int n_stops, ae_err *e)
{
    ae_text_stream *s = calloc(1, sizeof *s);
    int32_t *ids = malloc((size_t)(count + 64) * sizeof *ids);
    if (!s || !ids) {
        free(s);
        free(ids);
        ae_err_set(e, AE_E_MEMORY, "no memory for a text");
        return NULL;
    }
    *s = (ae_text_stream){.t = t, .stops = stops, .n_stops = n_stops, .ids = ids, .capacity = count + 64};
    s->count = s->shown = count;
    if (count > 0) {
        memcpy(ids, given, (size_t)count * sizeof *ids);
    }
    ae_bytes_add(&s->text, "", 0);
    return s;
}

void ae_text_stream_free(ae_text_stream *s)
{
    if (s) {
        ae_bytes_free(&s->text);
        free(s->ids);
        free(s);
    }
}

/* ---- tokens to text ---------------------------------------------------------------------------------------------------- */

/* Whether the text ends inside a character: some tokenizers give the bytes as they are, others U+FFFD. */
static bool is_open(const char *text, size_t bytes)
{
    if (bytes >= 3 && memcmp(text + bytes - 3, replacement, 3) == 0) {
        return true;
    }
    for (size_t k = 1; k <= 3 && k <= bytes; k++) {
        unsigned char c = (unsigned char)text[bytes - k];
        if (c >= 0xc0) {
            return k < (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u);
        }
        if (c < 0x80) {
            return false;
        }
    }
    return false;
}

/* Appends bytes with U+FFFD for what is no UTF-8. */
static void append(ae_bytes *to, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        int n = ae_utf8_length(text + i, bytes - i);
        if (n > 0) {
            ae_bytes_add(to, text + i, (size_t)n);
        } else {
            ae_bytes_add(to, replacement, 3);
        }
        i += n > 0 ? (size_t)n : 1;
    }
}

/* Moves what the tokens behind `shown` say into the text, unless it ends inside a character. */
static int read_tokens(ae_text_stream *s, bool at_end, ae_err *e)
{
    size_t before, now;
    char *old = ae_tokenizer_decode(s->t, s->ids + s->from, s->shown - s->from, true, &before, e);
    char *new = old ? ae_tokenizer_decode(s->t, s->ids + s->from, s->count - s->from, true, &now, e) : NULL;
    bool grown = new &&now > before;
    if (grown && (at_end || !is_open(new + before, now - before))) {
        append(&s->text, new + before, now - before);
        s->from = s->shown;
        s->shown = s->count;
    }
    int status = !new ? -1 : s->text.failed ? ae_err_set(e, AE_E_MEMORY, "no memory for a text") : 0;
    free(old);
    free(new);
    return status;
}

/* ---- ends -------------------------------------------------------------------------------------------------------------- */

/* Cuts the text before the first stop that lies in what was not handed out. */
static void look_for_stops(ae_text_stream *s)
{
    const char *first = NULL;
    for (int i = 0; i < s->n_stops; i++) {
        const char *found = *s->stops[i] ? strstr(s->text.data + s->taken, s->stops[i]) : NULL;
        first = found && (!first || found < first) ? found : first;
    }
    if (first) {
        s->text.length = (size_t)(first - s->text.data);
        s->text.data[s->text.length] = '\0';
        s->stopped = true;
    }
}

/* The length of the text without an end that may become a stop. */
static size_t sure_length(const ae_text_stream *s)
{
    size_t sure = s->text.length;
    for (int i = 0; i < s->n_stops && !s->stopped && !s->ended; i++) {
        size_t stop = strlen(s->stops[i]), open = s->text.length - s->taken;
        for (size_t k = stop > open + 1 ? open : stop > 0 ? stop - 1 : 0; k > 0; k--) {
            if (memcmp(s->text.data + s->text.length - k, s->stops[i], k) == 0) {
                sure = s->text.length - k < sure ? s->text.length - k : sure;
                break;
            }
        }
    }
    return sure;
}

int ae_text_stream_add(ae_text_stream *s, int32_t id, ae_err *e)
{
    if (s->stopped) {
        return 1;
    }
    if (s->count == s->capacity) {
        int32_t *longer = realloc(s->ids, 2 * (size_t)s->capacity * sizeof *longer);
        if (!longer) {
            return ae_err_set(e, AE_E_MEMORY, "no memory for a text of %lld tokens", (long long)s->count);
        }
        s->ids = longer;
        s->capacity *= 2;
    }
    s->ids[s->count++] = id;
    if (read_tokens(s, false, e) != 0) {
        return -1;
    }
    look_for_stops(s);
    return s->stopped;
}

bool ae_text_stream_stopped(const ae_text_stream *s)
{
    return s->stopped;
}

const char *ae_text_stream_take(ae_text_stream *s, size_t *bytes)
{
    const char *text = s->text.data + s->taken;
    size_t sure = sure_length(s);
    *bytes = sure - s->taken;
    s->taken = sure;
    return text;
}

int ae_text_stream_end(ae_text_stream *s, ae_err *e)
{
    int status = s->stopped ? 0 : read_tokens(s, true, e);
    if (status == 0 && !s->stopped) {
        look_for_stops(s);
    }
    s->ended = true;
    return status;
}

const char *ae_text_stream_text(const ae_text_stream *s)
{
    return s->text.data;
}
