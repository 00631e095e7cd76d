/* Normalizers that are one pass each: the normal forms of Unicode (standard annex 15), case, accents. */
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

static int nfc(const void *self, ae_work *w)
{
    (void)self;
    ae_normalize_decompose(w, false);
    ae_normalize_compose(w);
    return 0;
}

static int nfd(const void *self, ae_work *w)
{
    (void)self;
    ae_normalize_decompose(w, false);
    return 0;
}

static int nfkc(const void *self, ae_work *w)
{
    (void)self;
    ae_normalize_decompose(w, true);
    ae_normalize_compose(w);
    return 0;
}

static int nfkd(const void *self, ae_work *w)
{
    (void)self;
    ae_normalize_decompose(w, true);
    return 0;
}

static int lowercase(const void *self, ae_work *w)
{
    (void)self;
    ae_normalize_lower(w, false);
    return 0;
}

/* All combining marks, without a decomposition: NFD comes first in files that want it. */
static int strip_accents(const void *self, ae_work *w)
{
    (void)self;
    if (!ae_work_is_ascii(w)) {
        ae_normalize_drop(w, AE_CHAR_MARK);
    }
    return 0;
}

/* A blank or an ASCII character neither composes with what stands in front of it nor changes its case, and what it is
 * decomposed to is itself; so cuts there change nothing. */
static bool allows(const void *self, ae_cutting *c)
{
    (void)self;
    c->chinese = false;
    return c->cut == AE_CUT_BLANKS || c->cut == AE_CUT_WORDS;
}

/* Composition joins "=" with a stroke behind it, but nothing joins with a blank. */
static bool allows_blanks(const void *self, ae_cutting *c)
{
    (void)self;
    return c->cut == AE_CUT_BLANKS;
}

const ae_normalizer_row ae_normalizer_nfc = {{"NFC", NULL, NULL, NULL}, nfc, allows_blanks};
const ae_normalizer_row ae_normalizer_nfd = {{"NFD", NULL, NULL, NULL}, nfd, allows};
const ae_normalizer_row ae_normalizer_nfkc = {{"NFKC", NULL, NULL, NULL}, nfkc, allows_blanks};
const ae_normalizer_row ae_normalizer_nfkd = {{"NFKD", NULL, NULL, NULL}, nfkd, allows};
const ae_normalizer_row ae_normalizer_lowercase = {{"Lowercase", NULL, NULL, NULL}, lowercase, allows};
const ae_normalizer_row ae_normalizer_strip_accents = {{"StripAccents", NULL, NULL, NULL}, strip_accents, allows};
