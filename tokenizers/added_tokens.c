/* Finding added tokens in texts: at each place the longest, from the left, as Hugging Face's library does. */
#include "tokenizers/tokenizer_internal.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const ae_added *x = *(const ae_added *const *)a, *y = *(const ae_added *const *)b;
    unsigned char p = (unsigned char)x->pattern[0], q = (unsigned char)y->pattern[0];
    if (p != q) {
        return p < q ? -1 : 1;
    }
    if (x->pattern_bytes != y->pattern_bytes) {
        return x->pattern_bytes > y->pattern_bytes ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

int ae_matcher_build(ae_matcher *m, const ae_added *added, int count, bool normalized, ae_err *e)
{
    *m = (ae_matcher){.list = malloc(((size_t)count + 1) * sizeof *m->list), .only = -1};
    if (!m->list) {
        return ae_err_set(e, AE_E_MEMORY, "no memory");
    }
    for (int i = 0; i < count; i++) {
        if (added[i].normalized == normalized && added[i].pattern_bytes > 0) {
            m->list[m->count++] = &added[i];
        }
    }
    if (m->count > 1) {
        qsort(m->list, (size_t)m->count, sizeof *m->list, compare);
    }
    int i = 0;
    for (int b = 0; b <= 256; b++) {
        while (i < m->count && (unsigned char)m->list[i]->pattern[0] < b) {
            i++;
        }
        m->begin[b] = i;
    }
    if (m->count > 0 && m->list[0]->pattern[0] == m->list[m->count - 1]->pattern[0]) {
        m->only = (unsigned char)m->list[0]->pattern[0];
    }
    return 0;
}

const ae_added *ae_matcher_at(const ae_matcher *m, const char *text, size_t bytes)
{
    unsigned char b = (unsigned char)text[0];
    for (int k = m->begin[b]; k < m->begin[b + 1]; k++) {
        const ae_added *a = m->list[k];
        if (bytes >= a->pattern_bytes && memcmp(text, a->pattern, a->pattern_bytes) == 0) {
            return a;
        }
    }
    return NULL;
}

/* The longest added token at or behind *at. */
static const ae_added *find(const ae_matcher *m, const char *text, size_t bytes, size_t *at)
{
    for (size_t i = *at; i < bytes; i++) {
        if (m->only >= 0) {
            const char *p = memchr(text + i, m->only, bytes - i);
            if (!p) {
                return NULL;
            }
            i = (size_t)(p - text);
        }
        const ae_added *a = ae_matcher_at(m, text + i, bytes - i);
        if (a) {
            *at = i;
            return a;
        }
    }
    return NULL;
}

static unsigned flags_before(const char *text, size_t i, size_t *start)
{
    do {
        i--;
    } while (i > 0 && ((unsigned char)text[i] & 0xc0) == 0x80);
    uint32_t c = 0;
    ae_utf8_decode(text + i, &c);
    *start = i;
    return ae_char_flags(c);
}

static unsigned flags_behind(const char *text, size_t i, size_t *end)
{
    uint32_t c = 0;
    *end = i + (size_t)ae_utf8_decode(text + i, &c);
    return ae_char_flags(c);
}

int ae_matcher_next(const ae_matcher *m, const char *text, size_t bytes, size_t *at, size_t *done, size_t *start,
                    size_t *end, int32_t *id)
{
    const ae_added *a = NULL;
    while (m->count > 0 && (a = find(m, text, bytes, at))) {
        size_t from = *at, to = *at + a->pattern_bytes, place = 0;
        *at = to;
        if (a->single_word && ((from > 0 && flags_before(text, from, &place) & AE_CHAR_WORD) ||
                               (to < bytes && flags_behind(text, to, &place) & AE_CHAR_WORD))) {
            continue;
        }
        while (a->lstrip && from > *done && flags_before(text, from, &place) & AE_CHAR_SPACE) {
            from = place;
        }
        from = a->lstrip && from < *done ? *done : from;
        while (a->rstrip && to < bytes && flags_behind(text, to, &place) & AE_CHAR_SPACE) {
            to = place;
        }
        if (from >= to) { /* all of it were blanks that the token before took */
            continue;
        }
        *start = from;
        *end = to;
        *done = to;
        *id = a->id;
        return 1;
    }
    return 0;
}
