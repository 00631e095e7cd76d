#include "apps/line_sample.h"

#include "tensor/random.h"

#include <stdlib.h>
#include <string.h>

/* A number below n for draw i. */
static int64_t draw(uint64_t seed, int64_t i, int64_t n)
{
    ae_random_key key = ae_random_key_make(seed, 0, 0, 0, 0);
    uint64_t high = ae_random_word(&key, 2 * (uint64_t)i), low = ae_random_word(&key, 2 * (uint64_t)i + 1);
    return (int64_t)((high << 32 | low) % (uint64_t)n);
}

static bool make_place(ae_line_sample *s)
{
    if (s->n == s->capacity) {
        int64_t capacity = s->capacity ? s->capacity * 2 : 1024;
        ae_sampled_line *grown = realloc(s->lines, (size_t)capacity * sizeof *grown);
        if (!grown) {
            return false;
        }
        s->lines = grown;
        s->capacity = capacity;
    }
    s->lines[s->n++] = (ae_sampled_line){0};
    return true;
}

int ae_line_sample_offer(ae_line_sample *s, const char *text, size_t bytes, bool ended, ae_err *e)
{
    int64_t number = s->offered++, place = number < s->limit ? number : draw(s->seed, number, number + 1);
    if (place >= s->limit) {
        return 0;
    }
    bool there = place < s->n || make_place(s);
    ae_sampled_line *line = there ? &s->lines[place] : NULL;
    if (line && bytes > line->room) {
        char *grown = realloc(line->text, bytes);
        line->text = grown ? grown : line->text;
        line->room = grown ? bytes : line->room;
    }
    if (!line || bytes > line->room) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a sample of %lld lines", (long long)s->limit);
    }
    if (bytes > 0) {
        memcpy(line->text, text, bytes);
    }
    line->bytes = bytes;
    line->number = number;
    line->ended = ended;
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const ae_sampled_line *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

void ae_line_sample_sort(ae_line_sample *s)
{
    if (s->n > 0) {
        qsort(s->lines, (size_t)s->n, sizeof *s->lines, by_number);
    }
}

void ae_line_sample_free(ae_line_sample *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        free(s->lines[i].text);
    }
    free(s->lines);
    *s = (ae_line_sample){0};
}
