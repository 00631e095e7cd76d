/* SentencePiece: pieces become text as SentencePiece's library has it, or as Hugging Face's Python tokenizers call it.
 */
#include "tensor/byte_buffer.h"
#include "tokenizers/charsmap.h"
#include "tokenizers/component.h"
#include "tokenizers/piece_kinds.h"
#include "tokenizers/unicode.h"

#include <stdlib.h>

/* How special tokens and pieces meet. */
typedef enum joining {
    JOIN_LIBRARY, /* all are pieces: control pieces are silent, the unknown one has its surface */
    JOIN_RUNS,    /* special tokens stand as they are, the pieces between them are decoded run by run (T5, ALBERT); a
                   * blank stands in front of such a run unless a special token does */
    JOIN_CLOSE,   /* the same without that blank (PEGASUS) */
    JOIN_PLAIN,   /* all stand as they are (XLNet, XLM-RoBERTa) */
    JOININGS
} joining;

static const char *const joining_names[JOININGS] = {"library", "runs", "close", "plain"};

typedef struct pieces_decoder {
    const ae_piece_kind *kind; /* what the tokenizer was made as, or NULL; nothing depends on it */
    joining join;
    bool prefix, remove, bytes; /* of the model: add_dummy_prefix, remove_extra_whitespaces, byte_fallback */
    char *unknown, *surface;    /* the piece and what it decodes to */
    ae_vocab *special;          /* control pieces, or special tokens */
    ae_charsmap map;            /* what the text passes in the end */
} pieces_decoder;

/* ---- reading and writing --------------------------------------------------------------------------------------------- */

static void decoder_free(void *self)
{
    pieces_decoder *d = self;
    free(d->unknown);
    free(d->surface);
    ae_vocab_free(d->special);
    ae_charsmap_free(&d->map);
    free(d);
}

static char *copy_member(const ae_json *object, const char *key, const char *otherwise, ae_err *e)
{
    const char *text = ae_json_string(object, key, otherwise, e);
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
    }
    return copy;
}

static int read_joining(const ae_json *object, joining *j, ae_err *e)
{
    ae_err local = {0};
    const char *name = ae_json_string(object, "join", joining_names[0], &local);
    for (int i = 0; i < JOININGS && !local.code; i++) {
        if (strcmp(joining_names[i], name) == 0) {
            *j = (joining)i;
            return 0;
        }
    }
    return ae_err_set(e, local.code ? local.code : AE_E_VALUE, "%s",
                      local.code ? local.message : "\"join\" must be library, runs, close or plain");
}

static int read_special(const ae_json *object, pieces_decoder *d, ae_err *e)
{
    const ae_json *list = ae_json_array(object, "special", e);
    d->special = ae_vocab_new();
    if (!d->special) {
        return ae_err_set(e, AE_E_MEMORY, "no memory");
    }
    int64_t id = 0;
    for (const ae_json *m = ae_json_first(list); m; m = ae_json_next(m), id++) {
        size_t bytes = 0;
        char *token = ae_json_value_bytes(m, &bytes, e);
        int status = token ? ae_vocab_add(d->special, token, bytes, id, e) : -1;
        free(token);
        if (status != 0) {
            return -1;
        }
    }
    return 0;
}

static void *decoder_from_json(const ae_json *object, ae_err *e)
{
    ae_err local = {0};
    pieces_decoder *d = calloc(1, sizeof *d);
    if (!d) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    const char *kind = ae_json_string(object, "kind", "", &local);
    d->kind = kind ? ae_piece_kind_find(kind) : NULL;
    d->prefix = ae_json_bool(object, "add_dummy_prefix", true, &local);
    d->remove = ae_json_bool(object, "remove_extra_whitespaces", true, &local);
    d->bytes = ae_json_bool(object, "byte_fallback", false, &local);
    d->unknown = copy_member(object, "unknown", "<unk>", &local);
    d->surface = copy_member(object, "unknown_surface", AE_PIECE_UNKNOWN_SURFACE, &local);
    if (local.code || read_joining(object, &d->join, &local) != 0 || read_special(object, d, &local) != 0 ||
        ae_charsmap_from_json(object, &d->map, &local) != 0) {
        ae_err_set(e, local.code, "%s", local.message);
        decoder_free(d);
        return NULL;
    }
    return d;
}

static int decoder_to_json(const void *self, ae_json *object)
{
    const pieces_decoder *d = self;
    if (d->kind) {
        ae_json_set_string(object, "kind", d->kind->name);
    }
    ae_json_set_string(object, "join", joining_names[d->join]);
    ae_json_set_bool(object, "add_dummy_prefix", d->prefix);
    ae_json_set_bool(object, "remove_extra_whitespaces", d->remove);
    ae_json_set_bool(object, "byte_fallback", d->bytes);
    ae_json_set_string(object, "unknown", d->unknown);
    ae_json_set_string(object, "unknown_surface", d->surface);
    if (d->map.source_bytes > 0) {
        ae_charsmap_to_json(&d->map, object);
    }
    ae_json *list = ae_json_new_array();
    for (int32_t id = 0; id < d->special->size; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(d->special, id, &bytes);
        ae_json_add(list, NULL, token ? ae_json_new_bytes(token, bytes) : NULL);
    }
    return ae_json_set(object, "special", list);
}

/* ---- pieces ------------------------------------------------------------------------------------------------------------ */

/* A run of pieces while it is decoded: where it began, and what SentencePiece's decoder keeps in mind. */
typedef struct piece_run {
    size_t start;
    bool begins, seen; /* a blank in front is still to be taken off; the last piece had one that was */
} piece_run;

static void add_spaced(ae_bytes *out, const char *bytes, size_t length)
{
    for (size_t i = 0, run = 0; i <= length; i++) {
        bool blank = length - i >= 3 && memcmp(bytes + i, AE_PIECE_BLANK, 3) == 0;
        if (blank || i == length) {
            ae_bytes_add(out, bytes + run, i - run);
        }
        if (blank) {
            ae_bytes_add(out, " ", 1);
            run = i + 3;
            i += 2;
        }
    }
}

static void add_piece(const pieces_decoder *d, piece_run *r, const char *piece, size_t length, ae_bytes *out)
{
    r->begins = r->begins && !r->seen && out->length == r->start;
    r->seen = false;
    if (ae_vocab_find(d->special, piece, length) >= 0) {
        return;
    }
    if (length == strlen(d->unknown) && memcmp(piece, d->unknown, length) == 0) {
        ae_bytes_add_text(out, d->surface);
        return;
    }
    if (r->begins && (d->prefix || d->remove) && length >= 3 && memcmp(piece, AE_PIECE_BLANK, 3) == 0) {
        piece += 3;
        length -= 3;
        r->seen = !d->remove; /* without extra blanks, all of them at the beginning go */
    }
    add_spaced(out, piece, length);
}

/* Bytes of byte pieces: each that is no part of a character becomes U+FFFD. */
static void add_bytes(const ae_bytes *bytes, ae_bytes *out)
{
    for (size_t i = 0; i < bytes->length;) {
        size_t n = ae_utf8_valid(bytes->data + i, bytes->length - i);
        ae_bytes_add(out, bytes->data + i, n);
        i += n;
        if (i < bytes->length) {
            ae_bytes_add(out, "\xef\xbf\xbd", 3);
            i++;
        }
    }
}

static void decode_run(const pieces_decoder *d, const ae_strings *in, size_t first, size_t end, ae_bytes *out)
{
    ae_bytes bytes = {0};
    piece_run r = {.start = out->length, .begins = true};
    for (size_t i = first; i < end; i++) {
        const char *piece = in->bytes + in->at[i].offset;
        size_t length = in->at[i].length;
        int byte = d->bytes ? ae_piece_byte(piece, length) : -1;
        if (byte >= 0) {
            ae_bytes_u8(&bytes, (unsigned)byte);
            continue;
        }
        add_bytes(&bytes, out);
        bytes.length = 0;
        add_piece(d, &r, piece, length, out);
    }
    add_bytes(&bytes, out);
    out->failed = out->failed || bytes.failed;
    ae_bytes_free(&bytes);
}

/* ---- texts ------------------------------------------------------------------------------------------------------------- */

static void decode_between(const pieces_decoder *d, const ae_strings *in, ae_bytes *out)
{
    size_t first = 0;
    bool after_special = false;
    for (size_t i = 0; i <= in->count; i++) {
        const char *token = i < in->count ? in->bytes + in->at[i].offset : NULL;
        size_t length = token ? in->at[i].length : 0;
        if (token && ae_vocab_find(d->special, token, length) < 0) {
            after_special = false;
            continue;
        }
        if (token && !after_special && d->join == JOIN_RUNS) {
            ae_bytes_add(out, " ", 1);
        }
        decode_run(d, in, first, i, out);
        ae_bytes_add(out, token ? token : "", length);
        after_special = true;
        first = i + 1;
    }
}

static void replace_all(const pieces_decoder *d, const ae_bytes *in, ae_bytes *out)
{
    for (size_t i = 0; i < in->length;) {
        const char *with = in->data + i;
        uint32_t c = 0;
        size_t n = ae_charsmap_longest(&d->map, in->data + i, in->length - i, &with), length = strlen(with);
        if (n == 0) {
            n = length = (size_t)ae_utf8_decode(in->data + i, &c);
        }
        ae_bytes_add(out, with, length);
        i += n;
    }
}

/* Python's strip(): blanks of Unicode at both ends. */
static void add_stripped(ae_strings *out, const char *bytes, size_t length)
{
    size_t start = 0, end = 0;
    bool inside = false;
    for (size_t i = 0, n = 0; i < length; i += n) {
        uint32_t c = 0;
        n = (size_t)ae_utf8_decode(bytes + i, &c);
        bool blank = ae_char_flags(c) & AE_CHAR_SPACE || (c >= 0x1c && c <= 0x1f);
        start = !inside && blank ? i + n : start;
        inside = inside || !blank;
        end = blank ? end : i + n;
    }
    ae_strings_add(out, bytes + start, end > start ? end - start : 0);
}

static void decoder_apply(const void *self, const ae_strings *in, ae_strings *out)
{
    const pieces_decoder *d = self;
    ae_bytes text = {0}, replaced = {0};
    if (d->join == JOIN_LIBRARY) {
        decode_run(d, in, 0, in->count, &text);
    } else if (d->join == JOIN_PLAIN) {
        for (size_t i = 0; i < in->count; i++) {
            add_spaced(&text, in->bytes + in->at[i].offset, in->at[i].length);
        }
    } else {
        decode_between(d, in, &text);
    }
    if (d->map.source_bytes > 0) {
        replace_all(d, &text, &replaced);
    }
    const ae_bytes *done = d->map.source_bytes > 0 ? &replaced : &text;
    const char *bytes = done->data ? done->data : ""; /* nothing was added to an empty text */
    out->failed = out->failed || text.failed || replaced.failed;
    if (d->join == JOIN_LIBRARY && !out->failed) {
        ae_strings_add(out, bytes, done->length);
    } else if (!out->failed) {
        add_stripped(out, bytes, done->length);
    }
    ae_bytes_free(&text);
    ae_bytes_free(&replaced);
}

const ae_decoder_row ae_decoder_sentencepiece = {{"SentencePiece", decoder_from_json, decoder_to_json, decoder_free},
                                                 decoder_apply};

const ae_piece_kind *ae_decoder_piece_kind(const ae_component *decoder)
{
    const pieces_decoder *d = decoder->row == &ae_decoder_sentencepiece.row ? decoder->self : NULL;
    return d ? d->kind : NULL;
}
