/* BERT's pairs of segments (Devlin et al. 2019, section 3.1 and appendix A.2; google-research/bert,
 * create_pretraining_data.py, whose rules these are). A document's draws are keyed by its number in the corpus. */
#include "datasets/draws.h"
#include "datasets/instances_build.h"

/* Tokens [from, to) of the buffer. */
typedef struct segment {
    int64_t from, to;
} segment;

static const int32_t *ids_of(const ae_builder *b)
{
    return (const int32_t *)(const void *)b->documents.ids.data;
}

static segment sentences(const ae_builder *b, int64_t from, int64_t to)
{
    segment s;
    ae_sentences_tokens(&b->documents, from, to, &s.from, &s.to);
    return s;
}

/* Chunks of a document grow to this length: what fits, or now and then less, so that short input is met in training. */
static int64_t draw_target(const ae_builder *b, ae_draws *draws)
{
    return ae_draw_unit(draws) < b->options.short_seq ? 2 + ae_draw_below(draws, b->room - 1) : b->room;
}

/* Sentences of another document from a random one on, until they reach the target. */
static segment draw_elsewhere(const ae_builder *b, ae_draws *draws, int64_t document, int64_t target)
{
    int64_t from, to, others = ae_documents_count(&b->documents) - 1;
    int64_t other = ae_draw_below(draws, others);
    other += other >= document && others > 0;
    ae_document_sentences(&b->documents, other, &from, &to);
    int64_t first = from + ae_draw_below(draws, to - from), last = first;
    segment s;
    do {
        s = sentences(b, first, ++last);
    } while (last < to && s.to - s.from < target);
    return s;
}

/* Takes tokens off the longer segment, the second when they are equal, each at its front or its back by a draw. */
static void truncate_pair(ae_draws *draws, segment *first, segment *second, int64_t room)
{
    while (first->to - first->from + second->to - second->from > room) {
        segment *longer = first->to - first->from > second->to - second->from ? first : second;
        if (ae_draw_word(draws) & 1) {
            longer->from++;
        } else {
            longer->to--;
        }
    }
}

static void emit_document(const ae_builder *b, ae_instance_sink *sink, int64_t item, int64_t duplicate)
{
    const ae_documents *d = &b->documents;
    int64_t document = d->guests + item, begin, end;
    ae_random_key key = ae_random_subkey(&b->key, (uint64_t)(d->first + item));
    key = ae_random_subkey(&key, (uint64_t)duplicate);
    ae_draws draws = {.key = key};
    uint64_t instance = 0;
    ae_document_sentences(d, document, &begin, &end);
    int64_t target = draw_target(b, &draws);
    for (int64_t from = begin, to = begin; from < end; from = to) {
        segment chunk;
        do { /* the chunk: sentences from..to-1 */
            chunk = sentences(b, from, ++to);
        } while (to < end && chunk.to - chunk.from < target);
        int64_t middle = to - from >= 2 ? from + 1 + ae_draw_below(&draws, to - from - 1) : to;
        segment first = sentences(b, from, middle), second = sentences(b, middle, to);
        bool elsewhere = middle == to || ae_draw_unit(&draws) < 0.5;
        if (elsewhere) { /* what the second segment would have been comes again */
            second = draw_elsewhere(b, &draws, document, target - (first.to - first.from));
            to = middle;
        }
        truncate_pair(&draws, &first, &second, b->room);
        ae_random_key mask = ae_random_subkey(&key, instance++);
        ae_sink_add(b, sink, ids_of(b) + first.from, first.to - first.from, ids_of(b) + second.from,
                    second.to - second.from, elsewhere, &mask);
    }
}

static int64_t weight_of(const ae_builder *b, int64_t item)
{
    int64_t from, to;
    ae_document_sentences(&b->documents, b->documents.guests + item, &from, &to);
    const segment s = sentences(b, from, to);
    return s.to - s.from;
}

int ae_build_pairs(ae_builder *b, ae_err *e)
{
    return ae_builder_run(b, ae_documents_count(&b->documents) - b->documents.guests, weight_of, emit_document, e);
}
