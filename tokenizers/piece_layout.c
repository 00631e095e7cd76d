/* Which id a piece has: lists of pieces in the order of the ids that each family gives them. */
#include "tokenizers/piece_kinds.h"

#include <stdio.h>
#include <stdlib.h>

/* A list while it grows; the first failure sticks. */
typedef struct listing {
    ae_piece_list list;
    size_t room;
    ae_err *e;
    int status;
} listing;

static void put(listing *l, const char *piece, size_t bytes, float score, ae_piece_type type)
{
    size_t id = (size_t)l->list.vocab->size;
    if (l->status == 0 && id == l->room) {
        l->status = ae_err_set(l->e, AE_E_FORMAT, "more than %zu pieces", l->room);
    }
    if (l->status == 0 && ae_vocab_find(l->list.vocab, piece, bytes) >= 0) {
        l->status = ae_err_set(l->e, AE_E_FORMAT, "the piece \"%.60s\" has an id in this family already", piece);
    }
    if (l->status == 0) {
        l->list.scores[id] = score;
        l->list.types[id] = (uint8_t)type;
        l->status = ae_vocab_add(l->list.vocab, piece, bytes, (int64_t)id, l->e);
    }
}

static void put_control(listing *l, const char *piece)
{
    put(l, piece, strlen(piece), 0, AE_PIECE_CONTROL);
}

static void put_unknown(listing *l)
{
    put(l, "<unk>", 5, 0, AE_PIECE_UNKNOWN);
}

/* Words between blanks. */
static void put_controls(listing *l, const char *words)
{
    for (size_t n = 0; words && *words; words += n + (words[n] == ' ')) {
        n = strcspn(words, " ");
        put(l, words, n, 0, AE_PIECE_CONTROL);
    }
}

static void put_file(listing *l, const ae_piece_list *file, int32_t first)
{
    for (int32_t id = first; id < file->vocab->size; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(file->vocab, id, &bytes);
        put(l, piece, bytes, file->scores[id], (ae_piece_type)file->types[id]);
    }
}

/* Whether the file begins with pieces of these spellings. */
static void need_first(listing *l, const ae_piece_list *file, const char *const *pieces, int count)
{
    for (int i = 0; i < count && l->status == 0; i++) {
        const char *piece = ae_vocab_token(file->vocab, i, NULL);
        if (!piece || strcmp(piece, pieces[i]) != 0) {
            l->status = ae_err_set(l->e, AE_E_FORMAT, "piece %d of this family's models is \"%s\", not \"%.60s\"", i,
                                   pieces[i], piece ? piece : "");
        }
    }
}

static void lay_fairseq(listing *l, const ae_piece_kind *kind, const ae_piece_list *file)
{
    static const char *const first[] = {"<unk>", "<s>", "</s>"};
    need_first(l, file, first, 3);
    put_controls(l, "<s> <pad> </s>");
    put_unknown(l);
    put_file(l, file, 3);
    put_controls(l, kind->languages);
    put_control(l, "<mask>");
}

static void lay_camembert(listing *l, const ae_piece_list *file)
{
    static const char *const first[] = {"<unk>"};
    need_first(l, file, first, 1);
    put_controls(l, "<s>NOTUSED <pad> </s>NOTUSED");
    put_unknown(l);
    put_control(l, "<unk>NOTUSED");
    put_file(l, file, 1);
    put_control(l, "<mask>");
}

static void lay_pegasus(listing *l, const ae_piece_list *file, int64_t offset)
{
    static const char *const first[] = {"<pad>", "</s>", "<unk>"};
    char piece[24];
    need_first(l, file, first, 3);
    put_controls(l, "<pad> </s> <mask_1> <mask_2>");
    for (int64_t i = 2; i < offset; i++) {
        snprintf(piece, sizeof piece, "<unk_%d>", (int)i);
        put_control(l, piece);
    }
    put_file(l, file, 2);
}

/* A token of vocab.json that the file does not have is never found in text; neither is a piece without an id. */
static void lay_vocab(listing *l, const ae_piece_list *file, const ae_vocab *vocab)
{
    for (int32_t id = 0; id < vocab->size && l->status == 0; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(vocab, id, &bytes);
        if (!token) {
            l->status = ae_err_set(l->e, AE_E_FORMAT, "vocab.json: no token has the id %d", (int)id);
            return;
        }
        int32_t place = ae_vocab_find(file->vocab, token, bytes);
        put(l, token, bytes, place >= 0 ? file->scores[place] : 0,
            place >= 0 ? (ae_piece_type)file->types[place] : AE_PIECE_CONTROL);
    }
}

enum { OFFSET_MAX = 1 << 16 };

int ae_piece_layout_apply(const ae_piece_kind *kind, const ae_piece_settings *s, ae_piece_file *f, ae_err *e)
{
    if (kind->layout == AE_LAYOUT_FILE || kind->layout == AE_LAYOUT_EXTRA) {
        return 0;
    }
    ae_err local = {0};
    int64_t offset = ae_json_int(s->config, "offset", 103, &local);
    if (local.code || offset < 2 || offset > OFFSET_MAX) {
        return ae_err_set(e, AE_E_VALUE, "tokenizer_config.json: \"offset\" must lie between 2 and %d", OFFSET_MAX);
    }
    if (kind->layout == AE_LAYOUT_VOCAB && !s->vocab) {
        return ae_err_set(e, AE_E_MISSING, "the kind \"%s\" needs vocab.json beside it", kind->name);
    }
    ae_vocab *vocab = kind->layout == AE_LAYOUT_VOCAB ? ae_vocab_from_json(s->vocab, e) : NULL;
    if (kind->layout == AE_LAYOUT_VOCAB && !vocab) {
        ae_err_prefix(e, "vocab.json");
        return -1;
    }
    listing l = {.room = (size_t)(vocab ? vocab->size : f->pieces.vocab->size + offset + 64), .e = e};
    l.list = (ae_piece_list){ae_vocab_new(), malloc(l.room * sizeof(float) + 1), malloc(l.room + 1)};
    if (!l.list.vocab || !l.list.scores || !l.list.types) {
        l.status = ae_err_set(e, AE_E_MEMORY, "no memory for %zu pieces", l.room);
    } else if (kind->layout == AE_LAYOUT_FAIRSEQ) {
        lay_fairseq(&l, kind, &f->pieces);
    } else if (kind->layout == AE_LAYOUT_CAMEMBERT) {
        lay_camembert(&l, &f->pieces);
    } else if (kind->layout == AE_LAYOUT_PEGASUS) {
        lay_pegasus(&l, &f->pieces, offset);
    } else {
        lay_vocab(&l, &f->pieces, vocab);
    }
    ae_vocab_free(vocab);
    ae_piece_list_free(l.status == 0 ? &f->pieces : &l.list);
    f->pieces = l.status == 0 ? l.list : f->pieces;
    return l.status;
}
