/* Pieces of equal length: of documents, or of text that runs over their ends. */
#include "datasets/instances_build.h"

#include <string.h>

static const int32_t *i32_of(const ae_bytes *b)
{
    return (const int32_t *)(const void *)b->data;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static ae_random_key key_of(const ae_builder *b, int64_t number, int64_t duplicate)
{
    ae_random_key key = ae_random_subkey(&b->key, (uint64_t)number);
    return ae_random_subkey(&key, (uint64_t)duplicate);
}

/* mlm: the pieces of a document. */
static void emit_document(const ae_builder *b, ae_instance_sink *sink, int64_t item, int64_t duplicate)
{
    int64_t from, to, first, last;
    ae_document_sentences(&b->documents, item, &from, &to);
    ae_sentences_tokens(&b->documents, from, to, &first, &last);
    const int32_t *ids = i32_of(&b->documents.ids);
    const ae_random_key key = key_of(b, b->documents.first + item, duplicate);
    for (uint64_t k = 0; first < last; first += b->room, k++) {
        const ae_random_key mask = ae_random_subkey(&key, k);
        ae_sink_add(b, sink, ids + first, least(b->room, last - first), NULL, 0, false, &mask);
    }
}

/* mlm with full sentences: piece `item` of the stream. */
static void emit_piece(const ae_builder *b, ae_instance_sink *sink, int64_t item, int64_t duplicate)
{
    int64_t from = item * b->room, all = (int64_t)(b->stream.length / 4);
    const ae_random_key mask = key_of(b, b->piece + item, duplicate);
    ae_sink_add(b, sink, i32_of(&b->stream) + from, least(b->room, all - from), NULL, 0, false, &mask);
}

static int64_t document_weight(const ae_builder *b, int64_t item)
{
    int64_t from, to, first, last;
    ae_document_sentences(&b->documents, item, &from, &to);
    ae_sentences_tokens(&b->documents, from, to, &first, &last);
    return last - first;
}

static int64_t piece_weight(const ae_builder *b, int64_t item)
{
    (void)item;
    return b->room;
}

/* lm: piece `item` of the stream, with the token that the last one predicts. */
static void emit_shifted(const ae_builder *b, ae_instance_sink *sink, int64_t item, int64_t duplicate)
{
    (void)duplicate; /* nothing is drawn, and nothing repeated */
    int64_t from = item * b->room, all = (int64_t)(b->stream.length / 4);
    ae_sink_add_plain(sink, i32_of(&b->stream) + from, least(b->room + 1, all - from));
}

static void stream_token(ae_builder *b, int32_t id)
{
    if (id >= 0) {
        ae_bytes_add(&b->stream, &id, sizeof id);
    }
}

/* Puts the documents of the buffer into the stream, with what stands between them. */
static void stream_documents(ae_builder *b)
{
    const ae_documents *d = &b->documents;
    int32_t cls = ae_tokenizer_role(b->tokenizer, AE_TOKEN_CLS), sep = ae_tokenizer_role(b->tokenizer, AE_TOKEN_SEP);
    bool plain = b->masked || b->options.no_special;
    for (int64_t i = 0; i < ae_documents_count(d); i++) {
        int64_t from, to, first, last;
        unsigned flags = (unsigned char)d->flags.data[i];
        ae_document_sentences(d, i, &from, &to);
        ae_sentences_tokens(d, from, to, &first, &last);
        if ((flags & AE_DOCUMENT_BEGINS) && b->masked && b->joined) {
            stream_token(b, sep);
        } else if ((flags & AE_DOCUMENT_BEGINS) && !plain && cls != sep) {
            stream_token(b, cls);
        }
        if (last > first) {
            ae_bytes_add(&b->stream, i32_of(&d->ids) + first, (size_t)(last - first) * 4);
        }
        if ((flags & AE_DOCUMENT_ENDS) && !plain) {
            stream_token(b, sep);
        }
        b->joined = true;
    }
}

/* Cuts whole pieces off the stream; at the end what is left is the last. */
static int cut_stream(ae_builder *b, bool last, ae_err *e)
{
    int64_t all = (int64_t)(b->stream.length / 4), extra = b->masked ? 0 : 1;
    int64_t pieces = all > extra ? (all - extra) / b->room : 0;
    if (last && all - pieces * b->room > extra) {
        pieces++;
    }
    if (ae_builder_run(b, pieces, piece_weight, b->masked ? emit_piece : emit_shifted, e) != 0) {
        return -1;
    }
    int64_t used = least(pieces * b->room, all);
    b->piece += pieces;
    if (used > 0) {
        b->stream.length -= (size_t)used * 4;
        memmove(b->stream.data, b->stream.data + (size_t)used * 4, b->stream.length);
    }
    return 0;
}

int ae_build_pieces(ae_builder *b, bool last, ae_err *e)
{
    if (b->masked && !b->options.full_sentences) {
        return ae_builder_run(b, last ? 0 : ae_documents_count(&b->documents), document_weight, emit_document, e);
    }
    if (!last) {
        stream_documents(b);
    }
    if (b->stream.failed) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for the running text; a smaller --buffer needs less");
    }
    return cut_stream(b, last, e);
}
