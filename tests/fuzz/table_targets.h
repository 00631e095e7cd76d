/* Records and layouts of tables from bytes that may be anything, as in targets.h, and small good tables to begin from.
 */
#ifndef AE_TESTS_FUZZ_TABLE_TARGETS_H
#define AE_TESTS_FUZZ_TABLE_TARGETS_H

#include "datasets/table_layout.h"
#include "fuzz/targets.h"
#include "tensor/utf8_check.h"

static const char *const table_seeds[][2] = {
    {"tsv", "label\ttext_a\ttext_b\n1\ta \"b\tc\r\n0\t\t\xc3\xa9\n"},
    {"csv", "\"label\",text\r\n1,\"a, \"\"b\"\"\n\nc\"\n2,plain\n\"3\",\"\"\n"},
    {"jsonl",
     "{\"label\":1,\"sentence1\":\"a\\n\",\"sentence2\":\"b\"}\n\n{\"sentence2\":\"d\",\"x\":[{}],\"label\":-2e3}\n"},
    {"sent_conv", "1 a fine film\n0 \n12 x\ty\n"},
};
enum { TABLE_SEEDS = sizeof table_seeds / sizeof *table_seeds };

/* A layout is an error, or its columns exist. */
static inline void fuzz_layout(const ae_record *r, size_t size)
{
    static const char *const columns[] = {NULL, "label=1,text_a=2", "label=label,text_a=text", "text_b=3",
                                          "text_a=1,x=2"};
    static const char *const formats[] = {NULL, "uer", "snli", "sts", "glue-cola", "sent-conv", "csv"};
    ae_table_options o = {.columns = columns[size % 5],
                          .format = formats[size / 5 % 7],
                          .header = (ae_header)(size / 35 % 3),
                          .unlabelled = size / 105 % 2};
    ae_err e = {0};
    ae_table_layout l;
    bool failed = ae_table_layout_find(&o, r, &l, &e) != 0;
    fuzz_check_error(failed, &e);
    for (int c = 0; c < AE_COLUMNS && !failed; c++) {
        fuzz_require(l.field[c] >= -1 && l.field[c] < r->count, "columns exist");
        fuzz_require(!l.name[c] || (l.header && l.field[c] >= 0), "names belong to columns");
    }
    if (!failed) {
        fuzz_require(l.field[AE_COLUMN_TEXT_A] >= 0, "there is a text");
        fuzz_require(o.unlabelled == (l.field[AE_COLUMN_LABEL] < 0), "there are labels when they are wanted");
        char *text = ae_table_layout_text(&l, r->kind);
        fuzz_require(text != NULL, "a layout can be told");
        free(text);
    }
    ae_table_layout_free(&l);
}

/* A record written as CSV with every field in quotes is read again as it was. */
static inline void fuzz_again(const ae_record *r)
{
    ae_bytes b = {0};
    for (int64_t i = 0; i < r->count; i++) {
        ae_bytes_add_text(&b, i ? ",\"" : "\"");
        for (const char *c = ae_record_value(r, i); c && *c; c++) {
            ae_bytes_add_text(&b, *c == '"' ? "\"" : "");
            ae_bytes_u8(&b, (unsigned char)*c);
        }
        ae_bytes_u8(&b, '"');
    }
    ae_record again = {.kind = AE_RECORD_CSV};
    int complete = 0;
    for (const char *line = b.data; line && !complete;) { /* line ends within fields part lines */
        size_t n = strcspn(line, "\n");
        complete = ae_record_line(&again, line, n, 1, NULL);
        line += n + (line[n] == '\n');
    }
    fuzz_require(complete == (r->count > 0) && again.count == r->count, "a written record can be read");
    for (int64_t i = 0; i < r->count; i++) {
        const char *was = ae_record_value(r, i) ? ae_record_value(r, i) : "";
        fuzz_require(strcmp(was, ae_record_value(&again, i)) == 0, "its fields are the same");
    }
    fuzz_require(!ae_record_value(&again, again.count) && !ae_record_name(&again, -1), "there are no others");
    ae_record_free(&again);
    ae_bytes_free(&b);
}

static inline void fuzz_table(ae_record_kind kind, const uint8_t *data, size_t size)
{
    ae_record r = {.kind = kind};
    ae_err e = {0};
    const char *at = (const char *)data, *end = at + size;
    int result = 0;
    for (int64_t number = 1, records = 0; at < end && result >= 0; number++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((line_end ? line_end : end) - at);
        if (ae_utf8_is_valid(at, n)) { /* the reader of lines lets no others pass */
            result = ae_record_line(&r, at, n, number, &e);
            fuzz_check_error(result < 0, &e);
        }
        if (result == 1 && ae_utf8_is_valid(at, n)) {
            fuzz_require((r.count > 0 || kind == AE_RECORD_JSONL) && !r.open && r.line <= number,
                         "a record has fields");
            fuzz_again(&r);
            if (records++ == 0) {
                fuzz_layout(&r, size);
            }
        }
        at += n + 1;
    }
    if (result >= 0) {
        fuzz_check_error(ae_record_end(&r, &e) != 0, &e);
    }
    ae_record_free(&r);
}

static inline void fuzz_tsv(const uint8_t *data, size_t size)
{
    fuzz_table(AE_RECORD_TSV, data, size);
}

static inline void fuzz_csv(const uint8_t *data, size_t size)
{
    fuzz_table(AE_RECORD_CSV, data, size);
}

static inline void fuzz_jsonl(const uint8_t *data, size_t size)
{
    fuzz_table(AE_RECORD_JSONL, data, size);
}

static inline void fuzz_sent_conv(const uint8_t *data, size_t size)
{
    fuzz_table(AE_RECORD_SPACE, data, size);
}

#endif
