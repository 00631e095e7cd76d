/* What a text passes through on its way to ids: the text with its alignment to the original, the pieces it is cut
 * into, the tokens of a piece. All of it belongs to an ae_encoding's scratch. Internal to tokenizers/.
 *
 *   text:     " Héllo, wörld"        as given
 *   work:     "hello, world"         bytes, each with the range of the text that it stands for
 *   pieces:   hello | , | world      ranges of the bytes
 *   made:     hel ##lo               ids of one piece, ranges of its bytes */
#ifndef AE_TOKENIZERS_WORK_H
#define AE_TOKENIZERS_WORK_H

#include "tokenizers/regex.h"
#include "tokenizers/word_cache.h"

/* Bytes of valid UTF-8, and for each the range [from, to) of the original; sizes stay below 2^31. */
typedef struct ae_aligned {
    char *bytes;
    uint32_t *from, *to;
    size_t length, room;
    bool failed; /* no memory; sticky */
} ae_aligned;

typedef struct ae_piece {
    uint32_t start, end; /* of the bytes */
    int32_t token;       /* an added token found here, or -1 */
} ae_piece;

typedef struct ae_pieces {
    ae_piece *at;
    size_t count, room;
    bool failed;
} ae_pieces;

typedef struct ae_made {
    int32_t id;
    uint32_t start, end; /* of the piece's bytes */
    uint32_t word;       /* its number in the piece, where a model finds words itself; else 0 */
} ae_made;

enum { AE_WORK_ROOMS = 4 };

typedef struct ae_work {
    ae_aligned text, other; /* a stage reads text, writes other, and swaps them */
    ae_pieces pieces, others;
    ae_made *made;
    size_t n_made, made_room;
    uint32_t word;          /* of the next token that is made */
    ae_word_cache parts;    /* of a model's own */
    bool begins;            /* the text is the beginning of a segment: of the text given, or behind an added token */
    bool text_start;        /* and of the text given */
    size_t start;           /* where it begins in the text given, after mending */
    const uint32_t *places; /* of each byte of that: where it stood before broken bytes became U+FFFD; NULL: none did */
    struct {
        void *memory;
        size_t bytes;
    } rooms[AE_WORK_ROOMS]; /* for stages: contents are lost from call to call */
    bool failed;
    bool gave_up;     /* a regular expression took too many steps */
    char missing[16]; /* the beginning of a word that has no id where the model has no unknown token */
} ae_work;

void ae_work_free(ae_work *w);

/* Forgets earlier failures. */
void ae_work_reset(ae_work *w);

/* Begins with bytes as they are, aligned to themselves, one piece. */
void ae_work_begin(ae_work *w, const char *bytes, size_t length);

/* Adds bytes that stand for one range. */
void ae_aligned_add(ae_aligned *a, const char *bytes, size_t length, uint32_t from, uint32_t to);

/* Adds a part of another text with its alignment. */
void ae_aligned_copy(ae_aligned *a, const ae_aligned *other, size_t start, size_t end);

/* Makes `other`, which was written, the text, and empties the new `other`. */
void ae_work_swap_text(ae_work *w);

/* Adds a piece to `others`; empty ones are left out. */
void ae_work_piece(ae_work *w, size_t start, size_t end, int32_t token);
void ae_work_swap_pieces(ae_work *w);

/* Cuts every piece that is no added token: `cut` calls ae_work_piece for the parts. */
int ae_work_cut(ae_work *w, void (*cut)(ae_work *w, const void *self, ae_piece piece), const void *self);

/* Rewrites the bytes of every piece: `rewrite` adds to w->other what stands for the piece. */
int ae_work_rewrite(ae_work *w, void (*rewrite)(ae_work *w, const void *self, ae_piece piece, size_t number),
                    const void *self);

/* Adds a token of the piece that the model cuts. */
void ae_work_make(ae_work *w, int32_t id, size_t start, size_t end);

/* Notes a word that has no id; the first one is reported by ae_work_check. */
void ae_work_miss(ae_work *w, const char *word, size_t bytes);

/* Notes how a search ended. */
void ae_work_matched(ae_work *w, ae_match found);

/* Memory of at least so many bytes, or NULL; its contents are not kept. */
void *ae_work_room(ae_work *w, int which, size_t bytes);

/* 0, or -1 and e filled when anything above ran out of memory, a search gave up, or a word had no id. */
int ae_work_check(const ae_work *w, ae_err *e);

#endif
