/* Precompiled: Hugging Face's way with the character maps of SentencePiece's models. It is not SentencePiece's: the map
 * is asked for grapheme clusters of less than 6 bytes, which the shortest rule at their front replaces as a whole, and
 * then for single characters; longer rules do not act. */
#include "tokenizers/charsmap.h"
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

enum { CLUSTER_BYTES = 6 };

static void precompiled_free(void *self)
{
    ae_charsmap_free(self);
    free(self);
}

static void *precompiled_from_json(const ae_json *object, ae_err *e)
{
    ae_charsmap *map = calloc(1, sizeof *map);
    if (!map) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    if (ae_charsmap_from_json(object, map, e) != 0) {
        free(map);
        return NULL;
    }
    return map;
}

static int precompiled_to_json(const void *self, ae_json *object)
{
    return ae_charsmap_to_json(self, object);
}

/* Adds what a part of the text becomes; false: no rule is at its front. */
static bool replace(const ae_charsmap *map, ae_work *w, size_t start, size_t end)
{
    const ae_aligned *t = &w->text;
    const char *with = NULL;
    const char *zero = memchr(t->bytes + start, '\0', end - start); /* a rule ends in front of a zero byte */
    size_t length = (zero ? (size_t)(zero - t->bytes) : end) - start;
    if (ae_charsmap_shortest(map, t->bytes + start, length, &with) == 0) {
        return false;
    }
    ae_aligned_add(&w->other, with, strlen(with), t->from[start], t->to[end - 1]);
    return true;
}

static int precompiled_apply(const void *self, ae_work *w)
{
    const ae_charsmap *map = self;
    const ae_aligned *t = &w->text;
    for (size_t i = 0; i < t->length;) {
        size_t run = i;
        /* Clusters of their own, but for a carriage return and a line feed, which stay as they are here. */
        i = ae_charsmap_run(map->apart, true, t->bytes, i, t->length);
        ae_aligned_copy(&w->other, t, run, i);
        size_t end = i < t->length ? i + ae_grapheme(t->bytes + i, t->length - i) : i;
        if (end > i && end - i < CLUSTER_BYTES && replace(map, w, i, end)) {
            i = end;
        }
        while (i < end) {
            uint32_t c = 0;
            size_t n = (size_t)ae_utf8_decode(t->bytes + i, &c);
            if (!replace(map, w, i, i + n)) {
                ae_aligned_copy(&w->other, t, i, i + n);
            }
            i += n;
        }
    }
    ae_work_swap_text(w);
    return 0;
}

/* Blanks that the map leaves blanks whatever stands around them may be cut at. */
static bool precompiled_allows(const void *self, ae_cutting *c)
{
    const ae_charsmap *map = self;
    c->clusters = true;
    return c->cut == AE_CUT_BLANKS && map->keeps_blanks;
}

const ae_normalizer_row ae_normalizer_precompiled = {
    {"Precompiled", precompiled_from_json, precompiled_to_json, precompiled_free},
    precompiled_apply,
    precompiled_allows};
