/* CTC: a decoder for speech recognition, where a token that stands several times in a row is one (Graves et al. 2006).
 */
#include "tokenizers/component.h"

#include <stdlib.h>

typedef struct ctc {
    char *pad, *delimiter;
    bool cleanup;
} ctc;

static void release(void *self)
{
    ctc *d = self;
    free(d->pad);
    free(d->delimiter);
    free(d);
}

static void *from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    const char *pad = ae_json_string(object, "pad_token", "<pad>", &local);
    const char *delimiter = ae_json_string(object, "word_delimiter_token", "|", &local);
    bool cleanup = ae_json_bool(object, "cleanup", true, &local);
    ctc *d = local.code ? NULL : calloc(1, sizeof *d);
    if (d) {
        *d = (ctc){strdup(pad), strdup(delimiter), cleanup};
    }
    if (!d || !d->pad || !d->delimiter) {
        ae_err_set(e, local.code ? local.code : AE_E_MEMORY, "%s", local.code ? local.message : "no memory");
        if (d) {
            release(d);
        }
        return NULL;
    }
    return d;
}

static int to_json(const void *self, ae_json *object)
{
    const ctc *d = self;
    ae_json_set_string(object, "pad_token", d->pad);
    ae_json_set_string(object, "word_delimiter_token", d->delimiter);
    return ae_json_set_bool(object, "cleanup", d->cleanup);
}

static bool same(const ae_strings *s, size_t i, size_t k)
{
    return s->at[i].length == s->at[k].length &&
           memcmp(s->bytes + s->at[i].offset, s->bytes + s->at[k].offset, s->at[i].length) == 0;
}

static void apply(const void *self, const ae_strings *in, ae_strings *out)
{
    const ctc *d = self;
    for (size_t i = 0; i < in->count && !out->failed; i++) {
        if (i > 0 && same(in, i, i - 1)) {
            continue;
        }
        ae_strings_add(out, in->bytes + in->at[i].offset, in->at[i].length);
        ae_strings_replace(out, d->pad, "");
        if (d->cleanup) {
            ae_strings_tidy(out);
            ae_strings_replace(out, d->delimiter, " ");
        }
        if (!out->failed && out->at[out->count - 1].length == 0) {
            out->count--;
        }
    }
}

const ae_decoder_row ae_decoder_ctc = {{"CTC", from_json, to_json, release}, apply};
