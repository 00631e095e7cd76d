#include "tokenizers/work.h"

#include <stdlib.h>
#include <string.h>

void ae_work_free(ae_work *w)
{
    free(w->text.bytes);
    free(w->text.from);
    free(w->text.to);
    free(w->other.bytes);
    free(w->other.from);
    free(w->other.to);
    free(w->pieces.at);
    free(w->others.at);
    free(w->made);
    ae_word_cache_free(&w->parts);
    for (int i = 0; i < AE_WORK_ROOMS; i++) {
        free(w->rooms[i].memory);
    }
    memset(w, 0, sizeof *w);
}

void ae_work_reset(ae_work *w)
{
    w->failed = w->text.failed = w->other.failed = w->pieces.failed = w->others.failed = false;
    w->gave_up = false;
    w->missing[0] = '\0';
}

/* Room for `more` elements, or false and *failed set. */
static bool grow(void **memory, size_t element, size_t room, bool *failed)
{
    void *p = realloc(*memory, element * room);
    if (!p) {
        *failed = true;
        return false;
    }
    *memory = p;
    return true;
}

static bool aligned_room(ae_aligned *a, size_t more)
{
    if (a->failed || a->length + more <= a->room) {
        return !a->failed;
    }
    size_t room = 2 * a->room + more + 64;
    bool done = grow((void **)&a->bytes, 1, room, &a->failed) &&
                grow((void **)&a->from, sizeof *a->from, room, &a->failed) &&
                grow((void **)&a->to, sizeof *a->to, room, &a->failed);
    a->room = done ? room : a->room;
    return done;
}

void ae_aligned_add(ae_aligned *a, const char *bytes, size_t length, uint32_t from, uint32_t to)
{
    if (length > 0 && aligned_room(a, length)) {
        memcpy(a->bytes + a->length, bytes, length);
        for (size_t i = 0; i < length; i++) {
            a->from[a->length + i] = from;
            a->to[a->length + i] = to;
        }
        a->length += length;
    }
}

void ae_aligned_copy(ae_aligned *a, const ae_aligned *other, size_t start, size_t end)
{
    size_t n = end - start;
    if (n > 0 && aligned_room(a, n)) {
        memcpy(a->bytes + a->length, other->bytes + start, n);
        memcpy(a->from + a->length, other->from + start, n * sizeof *a->from);
        memcpy(a->to + a->length, other->to + start, n * sizeof *a->to);
        a->length += n;
    }
}

/* The bytes of one character stand for the whole of it. */
static uint32_t character_end(const char *bytes, size_t length, size_t i)
{
    size_t end = i + 1;
    while (end < length && ((unsigned char)bytes[end] & 0xc0) == 0x80) {
        end++;
    }
    return (uint32_t)end;
}

void ae_work_begin(ae_work *w, const char *bytes, size_t length)
{
    ae_aligned *a = &w->text;
    a->length = 0;
    w->other.length = w->pieces.count = w->others.count = w->n_made = 0;
    if (!aligned_room(a, length)) {
        return;
    }
    if (length > 0) {
        memcpy(a->bytes, bytes, length);
    }
    a->length = length;
    for (size_t i = 0; i < length;) {
        uint32_t start = (uint32_t)i, end = character_end(bytes, length, i);
        for (; i < end; i++) {
            a->from[i] = start;
            a->to[i] = end;
        }
    }
}

void ae_work_swap_text(ae_work *w)
{
    ae_aligned text = w->text;
    w->text = w->other;
    w->other = text;
    w->other.length = 0;
}

static void add_piece(ae_pieces *p, ae_piece piece)
{
    if (p->count == p->room) {
        size_t room = 2 * p->room + 64;
        if (p->failed || !grow((void **)&p->at, sizeof *p->at, room, &p->failed)) {
            return;
        }
        p->room = room;
    }
    p->at[p->count++] = piece;
}

void ae_work_piece(ae_work *w, size_t start, size_t end, int32_t token)
{
    if (end > start) {
        add_piece(&w->others, (ae_piece){(uint32_t)start, (uint32_t)end, token});
    }
}

void ae_work_swap_pieces(ae_work *w)
{
    ae_pieces pieces = w->pieces;
    w->pieces = w->others;
    w->others = pieces;
    w->others.count = 0;
}

int ae_work_cut(ae_work *w, void (*cut)(ae_work *w, const void *self, ae_piece piece), const void *self)
{
    for (size_t i = 0; i < w->pieces.count; i++) {
        if (w->pieces.at[i].token >= 0) {
            add_piece(&w->others, w->pieces.at[i]);
        } else {
            cut(w, self, w->pieces.at[i]);
        }
    }
    ae_work_swap_pieces(w);
    return 0;
}

int ae_work_rewrite(ae_work *w, void (*rewrite)(ae_work *w, const void *self, ae_piece piece, size_t number),
                    const void *self)
{
    for (size_t i = 0; i < w->pieces.count; i++) {
        ae_piece piece = w->pieces.at[i];
        size_t start = w->other.length;
        if (piece.token >= 0) {
            ae_aligned_copy(&w->other, &w->text, piece.start, piece.end);
        } else {
            rewrite(w, self, piece, i);
        }
        add_piece(&w->others, (ae_piece){(uint32_t)start, (uint32_t)w->other.length, piece.token});
    }
    ae_work_swap_text(w);
    ae_work_swap_pieces(w);
    return 0;
}

void ae_work_make(ae_work *w, int32_t id, size_t start, size_t end)
{
    if (w->n_made == w->made_room) {
        size_t room = 2 * w->made_room + 64;
        if (w->failed || !grow((void **)&w->made, sizeof *w->made, room, &w->failed)) {
            return;
        }
        w->made_room = room;
    }
    w->made[w->n_made++] = (ae_made){id, (uint32_t)start, (uint32_t)end, w->word};
}

void ae_work_miss(ae_work *w, const char *word, size_t bytes)
{
    if (!w->missing[0]) {
        size_t n = bytes < sizeof w->missing - 1 ? bytes : sizeof w->missing - 1;
        while (n < bytes && n > 0 && ((unsigned char)word[n] & 0xc0) == 0x80) {
            n--;
        }
        memcpy(w->missing, word, n);
        w->missing[n] = '\0';
        if (!w->missing[0]) {
            memcpy(w->missing, "\\0", 3);
        }
    }
}

void ae_work_matched(ae_work *w, ae_match found)
{
    w->failed = w->failed || found == AE_MATCH_NO_MEMORY;
    w->gave_up = w->gave_up || found == AE_MATCH_GAVE_UP;
}

void *ae_work_room(ae_work *w, int which, size_t bytes)
{
    if (w->rooms[which].bytes < bytes || !w->rooms[which].memory) {
        free(w->rooms[which].memory);
        w->rooms[which].bytes = bytes + bytes / 2 + 64;
        w->rooms[which].memory = malloc(w->rooms[which].bytes);
        if (!w->rooms[which].memory) {
            w->rooms[which].bytes = 0;
            w->failed = true;
        }
    }
    return w->rooms[which].memory;
}

int ae_work_check(const ae_work *w, ae_err *e)
{
    if (w->failed || w->text.failed || w->other.failed || w->pieces.failed || w->others.failed) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a text of %zu bytes", w->text.length);
    }
    if (w->gave_up) {
        return ae_err_set(e, AE_E_VALUE, AE_GAVE_UP);
    }
    if (w->missing[0]) {
        return ae_err_set(e, AE_E_VALUE, "\"%s\" is not in the vocabulary, and it has no unknown token", w->missing);
    }
    return 0;
}
