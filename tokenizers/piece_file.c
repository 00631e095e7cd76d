/* The door to protobuf-c, of which piece_file.proto makes the types below. */
#include "tokenizers/piece_file.h"

#include "tensor/utf8_check.h"

#include "piece_file.pb-c.h"

#include <stdlib.h>

/* ---- what is shared ---------------------------------------------------------------------------------------------- */

int ae_piece_byte(const char *piece, size_t bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    if (bytes != 6 || memcmp(piece, "<0x", 3) != 0 || piece[5] != '>') {
        return -1;
    }
    const char *high = memchr(digits, piece[3], 16), *low = memchr(digits, piece[4], 16);
    return high && low ? (int)(16 * (high - digits) + (low - digits)) : -1;
}

void ae_piece_spec_free(ae_piece_spec *r)
{
    free(r->name);
    free(r->charsmap);
    *r = (ae_piece_spec){0};
}

void ae_piece_file_free(ae_piece_file *f)
{
    ae_piece_list_free(&f->pieces);
    ae_piece_spec_free(&f->spec);
    ae_piece_spec_free(&f->reverse);
    free(f->unknown_surface);
    free(f->begin);
    free(f->end);
    free(f->pad);
    *f = (ae_piece_file){0};
}

/* A varint of at most five bytes; its length, or 0. */
static size_t varint(const unsigned char *p, size_t length, size_t *value)
{
    *value = 0;
    for (size_t i = 0; i < length && i < 5; i++) {
        *value |= (size_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80) {
            return i + 1;
        }
    }
    return 0;
}

/* Field 1 of bytes, which holds field 1 of bytes, behind which a score stands or nothing. */
bool ae_is_piece_file(const char *bytes, size_t length)
{
    const unsigned char *p = (const unsigned char *)bytes;
    size_t outer = 0, inner = 0, n = length > 1 && p[0] == 0x0a ? varint(p + 1, length - 1, &outer) : 0;
    if (n == 0 || outer < 3 || outer > length - 1 - n || p[1 + n] != 0x0a) {
        return false;
    }
    p += n + 2;
    n = varint(p, outer - 1, &inner);
    size_t used = 1 + n + inner;
    return n > 0 && used <= outer && (used == outer || (p[n + inner] == 0x15 && outer - used >= 5));
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* What the messages hold lives as long as the reading: blocks that are given back together. */
typedef struct block {
    struct block *next;
    size_t used, room;
    max_align_t bytes[];
} block;

enum { BLOCK_BYTES = 1 << 18 };

typedef struct arena {
    block *first;
    bool failed; /* no memory */
} arena;

static void *take(void *self, size_t size)
{
    arena *a = self;
    block *b = a->first;
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!b || b->room - b->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        b = malloc(sizeof *b + room);
        if (!b) {
            a->failed = true;
            return NULL;
        }
        *b = (block){a->first, 0, room};
        a->first = b;
    }
    void *p = (char *)b->bytes + b->used;
    b->used += size;
    return p;
}

static void keep(void *self, void *p)
{
    (void)self;
    (void)p;
}

static void free_blocks(block *b)
{
    while (b) {
        block *next = b->next;
        free(b);
        b = next;
    }
}

/* A NUL-terminated copy of bytes; NULL when the field is not there, or *failed set without memory. */
static char *copy(protobuf_c_boolean has, ProtobufCBinaryData data, bool *failed)
{
    char *p = has ? malloc(data.len + 1) : NULL;
    *failed = *failed || (has && !p);
    if (p) {
        if (data.len > 0) {
            memcpy(p, data.data, data.len);
        }
        p[data.len] = '\0';
    }
    return p;
}

/* The same of text, which may hold no zero byte and must be UTF-8. */
static char *copy_text(protobuf_c_boolean has, ProtobufCBinaryData data, const char *what, ae_err *e)
{
    bool failed = false;
    char *p = copy(has, data, &failed);
    if (failed) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
    } else if (p && (strlen(p) != data.len || !ae_utf8_is_valid(p, data.len))) {
        ae_err_set(e, AE_E_FORMAT, "the %s is not valid UTF-8", what);
        free(p);
        return NULL;
    }
    return p;
}

static int read_rules(const AePb__Rules *m, ae_piece_spec *r, ae_err *e)
{
    static const AePb__Rules otherwise = AE_PB__RULES__INIT;
    bool failed = false;
    m = m ? m : &otherwise;
    ae_err local = {0};
    *r = (ae_piece_spec){.name = copy_text(m->has_name, m->name, "name of the rules", &local),
                         .add_dummy_prefix = m->add_dummy_prefix,
                         .remove_extra_whitespaces = m->remove_extra_whitespaces,
                         .escape_whitespaces = m->escape_whitespaces};
    if (m->precompiled_charsmap.len > 0) {
        r->charsmap = copy(m->has_precompiled_charsmap, m->precompiled_charsmap, &failed);
        r->charsmap_bytes = m->precompiled_charsmap.len;
    }
    if (local.code || failed) {
        return ae_err_set(e, failed ? AE_E_MEMORY : local.code, "%s", failed ? "no memory" : local.message);
    }
    return 0;
}

static int check_piece(const AePb__Piece *m, size_t id, const ae_piece_list *list, ae_err *e)
{
    const char *piece = (const char *)m->piece.data;
    if (!m->has_piece || m->piece.len == 0) {
        return ae_err_set(e, AE_E_FORMAT, "piece %zu is empty", id);
    }
    if (!ae_utf8_is_valid(piece, m->piece.len)) {
        return ae_err_set(e, AE_E_FORMAT, "piece %zu is not valid UTF-8", id);
    }
    int length = m->piece.len < 60 ? (int)m->piece.len : 60;
    if (m->type < AE_PIECE_NORMAL || m->type > AE_PIECE_BYTE) {
        return ae_err_set(e, AE_E_FORMAT, "piece %zu (\"%.*s\") is of the type %d; types go from 1 to 6", id, length,
                          piece, (int)m->type);
    }
    int32_t other = ae_vocab_find(list->vocab, piece, m->piece.len);
    if (other >= 0) {
        return ae_err_set(e, AE_E_FORMAT, "the pieces %d and %zu are the same (\"%.*s\")", (int)other, id, length,
                          piece);
    }
    if (m->type == AE_PIECE_BYTE && ae_piece_byte(piece, m->piece.len) < 0) {
        return ae_err_set(e, AE_E_FORMAT, "piece %zu (\"%.*s\") is of the type for bytes and is no <0x00> to <0xFF>",
                          id, length, piece);
    }
    return 0;
}

static int read_pieces(const AePb__Model *m, ae_piece_list *list, ae_err *e)
{
    if (m->n_pieces == 0 || m->n_pieces >= AE_VOCAB_MAX) {
        return ae_err_set(e, AE_E_FORMAT, "it has %zu pieces; 1 to %d are possible", m->n_pieces, AE_VOCAB_MAX - 1);
    }
    *list = (ae_piece_list){ae_vocab_new(), malloc(m->n_pieces * sizeof(float)), malloc(m->n_pieces)};
    if (!list->vocab || !list->scores || !list->types) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for %zu pieces", m->n_pieces);
    }
    for (size_t i = 0; i < m->n_pieces; i++) {
        const AePb__Piece *p = m->pieces[i];
        if (check_piece(p, i, list, e) != 0 ||
            ae_vocab_add(list->vocab, (const char *)p->piece.data, p->piece.len, (int64_t)i, e) != 0) {
            return -1;
        }
        list->scores[i] = p->score;
        list->types[i] = (uint8_t)p->type;
    }
    return 0;
}

/* With byte fallback every byte has its piece, and without it none. */
static int check_bytes(const ae_piece_list *list, bool fallback, ae_err *e)
{
    bool found[256] = {false};
    int count = 0;
    for (int32_t id = 0; id < list->vocab->size; id++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(list->vocab, id, &bytes);
        int byte = list->types[id] == AE_PIECE_BYTE ? ae_piece_byte(piece, bytes) : -1;
        if (byte >= 0 && !found[byte]) {
            found[byte] = true;
            count++;
        }
    }
    if (count != (fallback ? 256 : 0)) {
        return ae_err_set(e, AE_E_FORMAT, "byte fallback is %s, and %d bytes have pieces", fallback ? "on" : "off",
                          count);
    }
    return 0;
}

static int read_trainer(const AePb__Trainer *m, ae_piece_file *f, ae_err *e)
{
    static const AePb__Trainer otherwise = AE_PB__TRAINER__INIT;
    m = m ? m : &otherwise;
    ae_err local = {0};
    if (m->model_type < AE_PIECES_UNIGRAM || m->model_type > AE_PIECES_CHAR) {
        return ae_err_set(e, AE_E_UNSUPPORTED,
                          "its model is of the type %d; 1 (unigram), 2 (BPE), 3 (word), 4 (char) "
                          "are known",
                          (int)m->model_type);
    }
    f->options = (ae_piece_options){.algorithm = (ae_piece_algorithm)m->model_type, .byte_fallback = m->byte_fallback};
    f->whitespace_suffix = m->treat_whitespace_as_suffix;
    f->unknown_surface = copy_text(m->has_unk_surface, m->unk_surface, "surface of unknown pieces", &local);
    f->begin = copy_text(m->has_bos_piece, m->bos_piece, "piece of the beginning", &local);
    f->end = copy_text(m->has_eos_piece, m->eos_piece, "piece of the end", &local);
    f->pad = copy_text(m->has_pad_piece, m->pad_piece, "piece of padding", &local);
    return local.code ? ae_err_set(e, local.code, "%s", local.message) : 0;
}

int ae_piece_file_read(const char *bytes, size_t length, ae_piece_file *f, ae_err *e)
{
    arena all = {0};
    ProtobufCAllocator allocator = {take, keep, &all};
    *f = (ae_piece_file){0};
    AePb__Model *m = ae_pb__model__unpack(&allocator, length, (const uint8_t *)bytes);
    int status = m ? 0
                 : all.failed
                     ? ae_err_set(e, AE_E_MEMORY, "no memory for a model of %zu bytes", length)
                     : ae_err_set(e, AE_E_FORMAT, "not a SentencePiece model, or cut short; copy the file again");
    if (status == 0 &&
        (read_pieces(m, &f->pieces, e) != 0 || read_trainer(m->trainer, f, e) != 0 ||
         check_bytes(&f->pieces, f->options.byte_fallback, e) != 0 || read_rules(m->normalizer, &f->spec, e) != 0 ||
         read_rules(m->denormalizer, &f->reverse, e) != 0)) {
        status = -1;
    }
    free_blocks(all.first);
    if (status != 0) {
        ae_piece_file_free(f);
    }
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static ProtobufCBinaryData text_of(const char *text)
{
    return (ProtobufCBinaryData){text ? strlen(text) : 0, (uint8_t *)(uintptr_t)text};
}

static void fill_rules(const ae_piece_spec *r, AePb__Rules *m)
{
    m->has_name = r->name != NULL;
    m->name = text_of(r->name);
    m->has_precompiled_charsmap = true;
    m->precompiled_charsmap = (ProtobufCBinaryData){r->charsmap_bytes, (uint8_t *)r->charsmap};
    m->has_add_dummy_prefix = m->has_remove_extra_whitespaces = m->has_escape_whitespaces = true;
    m->add_dummy_prefix = r->add_dummy_prefix;
    m->remove_extra_whitespaces = r->remove_extra_whitespaces;
    m->escape_whitespaces = r->escape_whitespaces;
}

/* The id of a control piece, or -1, which tells SentencePiece that there is none. */
static int32_t control_id(const ae_piece_list *p, const char *name)
{
    int32_t id = ae_vocab_find(p->vocab, name, strlen(name));
    return id >= 0 && p->types[id] == AE_PIECE_CONTROL ? id : -1;
}

static void fill_trainer(const ae_piece_file *f, AePb__Trainer *m)
{
    const char *begin = f->begin ? f->begin : "<s>", *end = f->end ? f->end : "</s>";
    const char *pad = f->pad ? f->pad : "<pad>", *unknown = NULL;
    for (int32_t id = 0; id < f->pieces.vocab->size && !unknown; id++) {
        if (f->pieces.types[id] == AE_PIECE_UNKNOWN) {
            unknown = ae_vocab_token(f->pieces.vocab, id, NULL);
            m->unk_id = id;
        }
    }
    m->model_type = (int32_t)f->options.algorithm;
    m->vocab_size = f->pieces.vocab->size;
    m->byte_fallback = f->options.byte_fallback;
    m->treat_whitespace_as_suffix = f->whitespace_suffix;
    m->bos_id = control_id(&f->pieces, begin);
    m->eos_id = control_id(&f->pieces, end);
    m->pad_id = control_id(&f->pieces, pad);
    m->has_model_type = m->has_vocab_size = m->has_byte_fallback = m->has_treat_whitespace_as_suffix = true;
    m->has_unk_id = m->has_bos_id = m->has_eos_id = m->has_pad_id = true;
    m->unk_piece = text_of(unknown);
    m->bos_piece = text_of(begin);
    m->eos_piece = text_of(end);
    m->pad_piece = text_of(pad);
    m->has_unk_piece = m->has_bos_piece = m->has_eos_piece = m->has_pad_piece = true;
    m->unk_surface = text_of(f->unknown_surface);
    m->has_unk_surface = f->unknown_surface != NULL;
}

typedef struct sink {
    ProtobufCBuffer base;
    ae_bytes *out;
} sink;

static void append(ProtobufCBuffer *self, size_t length, const uint8_t *data)
{
    ae_bytes_add(((sink *)self)->out, data, length);
}

int ae_piece_file_write(const ae_piece_file *f, ae_bytes *out, ae_err *e)
{
    AePb__Model model = AE_PB__MODEL__INIT;
    AePb__Trainer trainer = AE_PB__TRAINER__INIT;
    AePb__Rules rules = AE_PB__RULES__INIT, reverse = AE_PB__RULES__INIT;
    size_t n = (size_t)f->pieces.vocab->size;
    AePb__Piece *pieces = malloc(n * sizeof *pieces);
    model.pieces = malloc(n * sizeof *model.pieces);
    model.n_pieces = n;
    for (size_t i = 0; i < n && pieces && model.pieces; i++) {
        size_t bytes = 0;
        const char *piece = ae_vocab_token(f->pieces.vocab, (int32_t)i, &bytes);
        ae_pb__piece__init(&pieces[i]);
        pieces[i].has_piece = pieces[i].has_score = true;
        pieces[i].piece = (ProtobufCBinaryData){bytes, (uint8_t *)(uintptr_t)piece};
        pieces[i].score = f->pieces.scores[i];
        pieces[i].type = f->pieces.types[i];
        pieces[i].has_type = pieces[i].type != AE_PIECE_NORMAL;
        model.pieces[i] = &pieces[i];
    }
    if (pieces && model.pieces) {
        fill_trainer(f, &trainer);
        fill_rules(&f->spec, &rules);
        fill_rules(&f->reverse, &reverse);
        model.trainer = &trainer;
        model.normalizer = &rules;
        model.denormalizer = f->reverse.charsmap ? &reverse : NULL;
        sink s = {{append}, out};
        ae_pb__model__pack_to_buffer(&model, &s.base);
    }
    bool failed = !pieces || !model.pieces || out->failed;
    free(pieces);
    free(model.pieces);
    return failed ? ae_err_set(e, AE_E_MEMORY, "no memory for a model of %zu pieces", n) : 0;
}
