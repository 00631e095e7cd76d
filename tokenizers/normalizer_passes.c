/* Passes over an aligned text that normalizers share. */
#include "tokenizers/byte_letters.h"
#include "tokenizers/component.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

bool ae_work_is_ascii(const ae_work *w)
{
    unsigned char any = 0;
    for (size_t i = 0; i < w->text.length; i++) {
        any |= (unsigned char)w->text.bytes[i];
    }
    return any < 0x80;
}

/* A code point with its alignment and its place in the canonical order. */
typedef struct spot {
    uint32_t c, from, to;
    int combining;
} spot;

static void put(ae_aligned *a, spot s)
{
    char bytes[4];
    ae_aligned_add(a, bytes, (size_t)ae_utf8_encode(s.c, bytes), s.from, s.to);
}

/* The canonical order of marks behind a starter: a stable sort by combining class; runs are short. */
static void sort_run(spot *s, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        spot x = s[i];
        size_t k = i;
        for (; k > 0 && s[k - 1].combining > x.combining; k--) {
            s[k] = s[k - 1];
        }
        s[k] = x;
    }
}

/* Long runs, which no language has, are merged by halves, so that hostile text costs no square of its length. */
static void merge_sort(spot *s, spot *room, size_t n)
{
    if (n <= 16) {
        sort_run(s, n);
        return;
    }
    size_t half = n / 2, a = 0, b = half;
    merge_sort(s, room, half);
    merge_sort(s + half, room, n - half);
    for (size_t i = 0; i < n; i++) {
        bool left = a < half && (b >= n || s[a].combining <= s[b].combining);
        room[i] = left ? s[a++] : s[b++];
    }
    memcpy(s, room, n * sizeof *s);
}

/* Marks that change places share one range, so that ranges never run backwards. */
static void order_run(spot *s, spot *room, size_t n)
{
    bool ordered = true;
    uint32_t from = UINT32_MAX, to = 0;
    for (size_t i = 0; i < n; i++) {
        ordered = ordered && (i == 0 || s[i - 1].combining <= s[i].combining);
        from = s[i].from < from ? s[i].from : from;
        to = s[i].to > to ? s[i].to : to;
    }
    if (ordered) {
        return;
    }
    merge_sort(s, room, n);
    for (size_t i = 0; i < n; i++) {
        s[i].from = from;
        s[i].to = to;
    }
}

/* Whether marks in front of a character stay in front of it. Three Tibetan signs are no marks, but become some. */
static bool begins_run(uint32_t c, bool compatibility)
{
    uint32_t parts[AE_DECOMPOSED_MAX];
    if (c < 0x300 || ae_char_combining(c) != 0) {
        return c < 0x300;
    }
    ae_char_decompose(c, compatibility, parts);
    return ae_char_combining(parts[0]) == 0;
}

/* The code points of the text from *i on as far as the next run, decomposed, in s (room for all). */
static size_t next_run(const ae_work *w, size_t *i, bool compatibility, spot *s)
{
    const ae_aligned *t = &w->text;
    size_t n = 0;
    while (*i < t->length) {
        uint32_t c = 0, parts[AE_DECOMPOSED_MAX];
        int bytes = ae_utf8_decode(t->bytes + *i, &c);
        if (n > 0 && begins_run(c, compatibility)) {
            break;
        }
        int count = c < 0x80 ? (parts[0] = c, 1) : ae_char_decompose(c, compatibility, parts);
        for (int k = 0; k < count; k++) {
            s[n++] = (spot){parts[k], t->from[*i], t->to[*i], ae_char_combining(parts[k])};
        }
        *i += (size_t)bytes;
    }
    return n;
}

void ae_normalize_decompose(ae_work *w, bool compatibility)
{
    if (ae_work_is_ascii(w)) {
        return;
    }
    /* A run's members are at most AE_DECOMPOSED_MAX a character; a character has at least a byte. */
    size_t most = 0, marks = 0;
    for (size_t i = 0; i < w->text.length;) {
        uint32_t c = 0;
        i += (size_t)ae_utf8_decode(w->text.bytes + i, &c);
        marks = begins_run(c, compatibility) ? 0 : marks + 1;
        most = marks > most ? marks : most;
    }
    size_t room = (most + 2) * AE_DECOMPOSED_MAX;
    spot *s = ae_work_room(w, 0, 2 * room * sizeof *s);
    for (size_t i = 0; s && i < w->text.length;) {
        size_t n = next_run(w, &i, compatibility, s);
        for (size_t k = 0; k < n;) { /* starters inside a decomposition part the run again */
            size_t start = k++;
            for (; k < n && s[k].combining != 0; k++) {
            }
            size_t first = start + (s[start].combining == 0);
            order_run(s + first, s + room, k - first);
        }
        for (size_t k = 0; k < n; k++) {
            put(&w->other, s[k]);
        }
    }
    ae_work_swap_text(w);
}

/* Canonical composition (Unicode standard, section 3.11): each character is joined with the last starter unless a mark
 * of the same or a higher class stands between them. */
void ae_normalize_compose(ae_work *w)
{
    const ae_aligned *t = &w->text;
    if (ae_work_is_ascii(w)) {
        return;
    }
    spot *s = ae_work_room(w, 0, (t->length + 1) * sizeof *s);
    size_t n = 0, starter = SIZE_MAX;
    for (size_t i = 0; s && i < t->length;) {
        spot x = {0};
        int bytes = ae_utf8_decode(t->bytes + i, &x.c);
        x.from = t->from[i];
        x.to = t->to[i];
        x.combining = ae_char_combining(x.c);
        i += (size_t)bytes;
        bool blocked = starter == SIZE_MAX || (n - 1 > starter && s[n - 1].combining >= x.combining);
        uint32_t joined = blocked || x.c < 0x80 ? 0 : ae_char_compose(s[starter].c, x.c);
        if (joined) {
            s[starter].c = joined;
            for (size_t k = starter; k < n; k++) { /* marks between stand inside what the two stand for */
                s[k].to = x.to > s[k].to ? x.to : s[k].to;
            }
            continue;
        }
        s[n++] = x;
        starter = x.combining == 0 ? n - 1 : starter;
    }
    for (size_t k = 0; k < n; k++) {
        put(&w->other, s[k]);
    }
    ae_work_swap_text(w);
}

void ae_normalize_drop(ae_work *w, unsigned flags)
{
    const ae_aligned *t = &w->text;
    for (size_t i = 0; i < t->length;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        if (!(ae_char_flags(c) & flags)) {
            ae_aligned_copy(&w->other, t, i, i + n);
        }
        i += n;
    }
    ae_work_swap_text(w);
}

/* Whether a cased letter comes next, before or behind, looking through what has no say. */
static bool cased_before(const ae_aligned *t, size_t i)
{
    while (i > 0) {
        do {
            i--;
        } while (i > 0 && ((unsigned char)t->bytes[i] & 0xc0) == 0x80);
        uint32_t c = 0;
        ae_utf8_decode(t->bytes + i, &c);
        unsigned flags = ae_char_flags(c);
        if (!(flags & AE_CHAR_CASE_IGNORED)) {
            return flags & AE_CHAR_CASED;
        }
    }
    return false;
}

static bool cased_behind(const ae_aligned *t, size_t i)
{
    while (i < t->length) {
        uint32_t c = 0;
        i += (size_t)ae_utf8_decode(t->bytes + i, &c);
        unsigned flags = ae_char_flags(c);
        if (!(flags & AE_CHAR_CASE_IGNORED)) {
            return flags & AE_CHAR_CASED;
        }
    }
    return false;
}

void ae_normalize_lower(ae_work *w, bool final_sigma)
{
    ae_aligned *t = &w->text;
    if (ae_work_is_ascii(w)) {
        for (size_t i = 0; i < t->length; i++) {
            t->bytes[i] = (char)(t->bytes[i] >= 'A' && t->bytes[i] <= 'Z' ? t->bytes[i] + 32 : t->bytes[i]);
        }
        return;
    }
    for (size_t i = 0; i < t->length;) {
        uint32_t c = 0, parts[2];
        size_t n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        int count = ae_char_lower(c, parts);
        if (c == 0x3a3 && final_sigma && cased_before(t, i) && !cased_behind(t, i + n)) {
            parts[0] = 0x3c2;
        }
        for (int k = 0; k < count; k++) {
            put(&w->other, (spot){parts[k], t->from[i], t->to[i], 0});
        }
        i += n;
    }
    ae_work_swap_text(w);
}

/* Each byte of a character that the text has as it is stands for that byte of the text alone; one that a normalizer
 * made stands for what it was made from. */
void ae_normalize_letters(ae_work *w, size_t start, size_t end)
{
    const ae_aligned *t = &w->text;
    for (size_t i = start; i < end;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(t->bytes + i, &c);
        bool same = t->to[i] - t->from[i] == n;
        for (size_t k = 0; k < n; k++) {
            char letter[3];
            size_t size = (size_t)ae_byte_letter((unsigned char)t->bytes[i + k], letter);
            uint32_t from = t->from[i] + (same ? (uint32_t)k : 0);
            ae_aligned_add(&w->other, letter, size, from, same ? from + 1 : t->to[i]);
        }
        i += n;
    }
}
