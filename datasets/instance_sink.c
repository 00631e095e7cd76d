/* Instances between the threads that make them and the file. */
#include "datasets/instances_build.h"

static int32_t *i32_of(const ae_bytes *b)
{
    return (int32_t *)(void *)b->data;
}

static int64_t *i64_of(const ae_bytes *b)
{
    return (int64_t *)(void *)b->data;
}

static void i32_add(ae_bytes *b, int64_t value)
{
    const int32_t narrow = (int32_t)value;
    ae_bytes_add(b, &narrow, sizeof narrow);
}

static void i64_add(ae_bytes *b, int64_t value)
{
    ae_bytes_add(b, &value, sizeof value);
}

/* Moves what stands in the last n ids besides the ids. */
static void part_ids(ae_instance_sink *sink, int32_t *ids, int64_t n)
{
    for (int64_t p = 0; p < n; p++) {
        ae_bytes_u8(&sink->inside, (ids[p] & AE_INSIDE_WORD) != 0);
        ids[p] &= ~AE_INSIDE_WORD;
    }
}

static void add_mask(const ae_builder *b, ae_instance_sink *sink, int32_t *ids, int64_t n, const ae_random_key *key)
{
    int64_t count = 0;
    sink->mask_labels.length = 0;
    ae_bytes_fill(&sink->mask_labels, 0, (size_t)n * sizeof(int64_t));
    if (sink->mask_labels.failed || sink->inside.failed) {
        return;
    }
    int64_t *labels = i64_of(&sink->mask_labels);
    const uint8_t *inside =
        b->options.words ? (const uint8_t *)sink->inside.data + sink->inside.length - (size_t)n : NULL;
    ae_mask_tokens(&b->options.masking, b->tokenizer, key, inside, ids, labels, n);
    for (int64_t p = 0; p < n; p++) {
        if (labels[p] >= 0) {
            i32_add(&sink->mask_positions, p);
            i32_add(&sink->mask_ids, labels[p]);
            count++;
        }
    }
    i64_add(&sink->mask_counts, count);
}

void ae_sink_add(const ae_builder *b, ae_instance_sink *sink, const int32_t *first, int64_t first_count,
                 const int32_t *second, int64_t second_count, bool elsewhere, const ae_random_key *key)
{
    int64_t n = first_count + second_count + ae_tokenizer_special_count(b->tokenizer, second != NULL), split = 0;
    size_t at = sink->ids.length / sizeof(int32_t);
    ae_bytes_fill(&sink->ids, 0, (size_t)n * sizeof(int32_t));
    sink->types.length = 0;
    ae_bytes_fill(&sink->types, 0, (size_t)n);
    if (ae_sink_failed(sink)) {
        return;
    }
    int32_t *ids = i32_of(&sink->ids) + at;
    ae_tokenizer_assemble(b->tokenizer, first, first_count, second, second_count, ids, (uint8_t *)sink->types.data);
    i64_add(&sink->lengths, n);
    if (b->options.words) {
        part_ids(sink, ids, n);
    }
    if (second) {
        while (split < n && sink->types.data[split] == 0) {
            split++;
        }
        i32_add(&sink->splits, split);
        ae_bytes_u8(&sink->labels, elsewhere);
    }
    if (!b->options.dynamic) {
        add_mask(b, sink, ids, n, key);
    }
}

void ae_sink_add_plain(ae_instance_sink *sink, const int32_t *ids, int64_t count)
{
    ae_bytes_add(&sink->ids, ids, (size_t)count * sizeof *ids);
    i64_add(&sink->lengths, count);
}

bool ae_sink_failed(const ae_instance_sink *sink)
{
    return sink->ids.failed || sink->inside.failed || sink->lengths.failed || sink->splits.failed ||
           sink->labels.failed || sink->mask_positions.failed || sink->mask_ids.failed || sink->mask_counts.failed ||
           sink->types.failed || sink->mask_labels.failed;
}

void ae_sink_empty(ae_instance_sink *sink)
{
    sink->ids.length = sink->inside.length = sink->lengths.length = sink->splits.length = sink->labels.length = 0;
    sink->mask_positions.length = sink->mask_ids.length = sink->mask_counts.length = 0;
}

void ae_sink_free(ae_instance_sink *sink)
{
    ae_bytes *const all[] = {&sink->ids,    &sink->inside,         &sink->lengths,  &sink->splits,
                             &sink->labels, &sink->mask_positions, &sink->mask_ids, &sink->mask_counts,
                             &sink->types,  &sink->mask_labels};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ae_bytes_free(all[i]);
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int append(ae_h5 *file, const char *name, ae_dtype dtype, const ae_bytes *rows, ae_err *e)
{
    int64_t shape[1] = {(int64_t)(rows->length / ae_dtype_size(dtype))};
    if (shape[0] == 0) {
        return 0;
    }
    ae_tensor *t = ae_tensor_wrap(rows->data, dtype, 1, shape, e);
    int result = t ? ae_h5_append(file, name, t, e) : -1;
    ae_tensor_free(t);
    return result;
}

/* Turns counts into where each ends; *at is where the first begins, and then where the last ends. */
static void sum_up(ae_bytes *counts, int64_t *at)
{
    for (size_t i = 0; i < counts->length / sizeof(int64_t); i++) {
        *at += i64_of(counts)[i];
        i64_of(counts)[i] = *at;
    }
}

int ae_sink_write(ae_builder *b, ae_instance_sink *sink, ae_err *e)
{
    if (ae_sink_failed(sink)) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for instances");
    }
    b->report->instances += (int64_t)(sink->lengths.length / sizeof(int64_t));
    sum_up(&sink->lengths, &b->ids_written);
    sum_up(&sink->mask_counts, &b->masks_written);
    int result = append(b->file, "ids", AE_I32, &sink->ids, e);
    result = result ? result : append(b->file, "inside", AE_U8, &sink->inside, e);
    result = result ? result : append(b->file, "offsets", AE_I64, &sink->lengths, e);
    result = result ? result : append(b->file, "split", AE_I32, &sink->splits, e);
    result = result ? result : append(b->file, "label", AE_U8, &sink->labels, e);
    result = result ? result : append(b->file, "mask_positions", AE_I32, &sink->mask_positions, e);
    result = result ? result : append(b->file, "mask_ids", AE_I32, &sink->mask_ids, e);
    result = result ? result : append(b->file, "mask_offsets", AE_I64, &sink->mask_counts, e);
    ae_sink_empty(sink);
    return result;
}
