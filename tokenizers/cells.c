#include "tokenizers/cells.h"

#include "tokenizers/unicode.h"

#include <stdlib.h>
#include <string.h>

static const ae_cell nowhere = {' ', 0, 0};

void ae_cells_free(ae_cells *x)
{
    free(x->at);
    free(x->out);
    *x = (ae_cells){0};
}

static bool grow(ae_cells *x, size_t more)
{
    if (x->n_out + more <= x->room_out) {
        return !x->failed;
    }
    size_t room = 2 * x->room_out + more + 128;
    ae_cell *p = x->failed ? NULL : realloc(x->out, room * sizeof *p);
    x->failed = !p;
    x->out = p ? p : x->out;
    x->room_out = p ? room : x->room_out;
    return p != NULL;
}

void ae_cells_put(ae_cells *x, uint32_t c, ae_cell like)
{
    if (grow(x, 1)) {
        x->out[x->n_out++] = (ae_cell){c, like.from, like.to};
    }
}

void ae_cells_put_text(ae_cells *x, const char *text, ae_cell like)
{
    for (; *text; text++) {
        ae_cells_put(x, (unsigned char)*text, like);
    }
}

void ae_cells_take(ae_cells *x, size_t i, size_t count)
{
    if (count > 0 && grow(x, count)) {
        memcpy(x->out + x->n_out, x->at + i, count * sizeof *x->at);
        x->n_out += count;
    }
}

void ae_cells_swap(ae_cells *x)
{
    ae_cell *at = x->at;
    size_t room = x->room;
    x->at = x->out;
    x->room = x->room_out;
    x->n = x->failed ? 0 : x->n_out;
    x->out = at;
    x->room_out = room;
    x->n_out = 0;
}

void ae_cells_read(ae_cells *x, const ae_aligned *text, size_t start, size_t end)
{
    for (size_t i = start; i < end;) {
        uint32_t c = 0;
        size_t n = (size_t)ae_utf8_decode(text->bytes + i, &c);
        ae_cells_put(x, c, (ae_cell){c, text->from[i], text->to[i + n - 1]});
        i += n;
    }
    ae_cells_swap(x);
}

void ae_cells_write(const ae_cells *x, ae_aligned *text)
{
    for (size_t i = 0; i < x->n; i++) {
        char bytes[4];
        size_t n = (size_t)ae_utf8_encode(x->at[i].c, bytes);
        ae_aligned_add(text, bytes, n, x->at[i].from, x->at[i].to);
    }
    text->failed = text->failed || x->failed;
}

bool ae_cells_have(const ae_cells *x, size_t i, const char *text)
{
    for (; *text; text++, i++) {
        if (i >= x->n || x->at[i].c != (unsigned char)*text) {
            return false;
        }
    }
    return true;
}

bool ae_cells_one_of(const ae_cells *x, size_t i, const char *set)
{
    return i < x->n && x->at[i].c < 0x80 && x->at[i].c && strchr(set, (int)x->at[i].c);
}

bool ae_cells_hold(const ae_cells *x, uint32_t c)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->at[i].c == c) {
            return true;
        }
    }
    return false;
}

void ae_cells_part(ae_cells *x, const char *set)
{
    for (size_t i = 0; i < x->n; i++) {
        bool one = ae_cells_one_of(x, i, set);
        ae_cells_put_text(x, one ? " " : "", x->at[i]);
        ae_cells_take(x, i, 1);
        ae_cells_put_text(x, one ? " " : "", x->at[i]);
    }
    ae_cells_swap(x);
}

void ae_cells_part_text(ae_cells *x, const char *text, const char *behind)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < x->n;) {
        bool here = ae_cells_have(x, i, text);
        size_t count = here ? length : 1;
        ae_cells_put_text(x, here ? " " : "", x->at[i]);
        ae_cells_take(x, i, count);
        ae_cells_put_text(x, here ? behind : "", x->at[i]);
        i += count;
    }
    ae_cells_swap(x);
}

void ae_cells_pad(ae_cells *x)
{
    ae_cells_put(x, ' ', x->n > 0 ? x->at[0] : nowhere);
    ae_cells_take(x, 0, x->n);
    ae_cells_put(x, ' ', x->n > 0 ? x->at[x->n - 1] : nowhere);
    ae_cells_swap(x);
}
