/* Lines are read in chunks, their tokens are made in parallel, and documents are put together from them in the order of
 * the text, so that nothing depends on the number of threads. */
#include "datasets/corpus.h"

#include "datasets/corpus_unit.h"
#include "datasets/exclusion.h"
#include "datasets/sentence_cut.h"
#include "tensor/threads.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 4 << 20,         /* bytes of text that are tokenised at a time */
    SHARE = 32 << 10,        /* of which a thread takes so many */
    LABEL = 16,              /* bytes of a field that may be a label */
    RUNNING_TEXT = 64 << 10, /* with line ends kept, lines are joined to texts of at least this size, */
    RUNNING_MOST = 4 << 20   /* and at most about this one */
};

typedef struct corpus_line {
    size_t at, bytes; /* in the chunk's text; one byte before it is free */
    const char *path;
    int64_t number;
    int file;
    int32_t sentences; /* that hold a token */
    bool blank, excluded;
    bool joined; /* a space stands in front of its text: it goes on with the document */
} corpus_line;

/* The lines that one thread takes, and their tokens. */
typedef struct share {
    int64_t from, to;
    ae_bytes ids;  /* i32 */
    ae_bytes ends; /* i64: where each sentence ends in ids */
    int64_t unknown;
    ae_err error;
} share;

struct ae_corpus {
    const ae_tokenizer *tokenizer;
    const ae_instance_options *options;
    ae_build_report *report;
    bool pairs, looked, at_end;
    ae_line_reader *reader;
    ae_exclusion *exclusion;
    ae_progress_fn progress;
    void *progress_self;
    char **names; /* of the paths, for the list of sources */
    int names_count;

    ae_line held; /* the first line of the next chunk, when there is one */
    bool holds;
    ae_bytes text;
    ae_bytes lines; /* of corpus_line */
    share *shares;
    int64_t shares_count, shares_capacity;
    ae_encoding *scratch; /* of each thread, as the next */
    ae_segments *words;
    int threads;

    int64_t line, share, ids_taken, ends_taken; /* how far the chunk is put into documents */
    int file;                                   /* of the last line */
    bool open, text_seen;                       /* a document is being made; it has text */
    int64_t open_first;                         /* the sentence it begins with */
    bool open_is_part;                          /* a part of it was closed before */
    int64_t long_from;                          /* the line it began with */
};

/* ---- documents --------------------------------------------------------------------------------------------------- */

static int64_t i64_count(const ae_bytes *b)
{
    return (int64_t)(b->length / sizeof(int64_t));
}

static int64_t i64_at(const ae_bytes *b, int64_t i)
{
    int64_t value;
    memcpy(&value, b->data + (size_t)i * sizeof value, sizeof value);
    return value;
}

static void i64_add(ae_bytes *b, int64_t value)
{
    ae_bytes_add(b, &value, sizeof value);
}

int64_t ae_documents_count(const ae_documents *d)
{
    return i64_count(&d->ends);
}

void ae_documents_free(ae_documents *d)
{
    ae_bytes_free(&d->ids);
    ae_bytes_free(&d->sentences);
    ae_bytes_free(&d->ends);
    ae_bytes_free(&d->flags);
    *d = (ae_documents){0};
}

void ae_document_sentences(const ae_documents *d, int64_t document, int64_t *from, int64_t *to)
{
    *from = document > 0 ? i64_at(&d->ends, document - 1) : 0;
    *to = i64_at(&d->ends, document);
}

void ae_sentences_tokens(const ae_documents *d, int64_t from, int64_t to, int64_t *first, int64_t *last)
{
    *first = from > 0 ? i64_at(&d->sentences, from - 1) : 0;
    *last = to > 0 ? i64_at(&d->sentences, to - 1) : 0;
}

/* Empties d, or leaves the last document in it as the first. */
static void begin_buffer(ae_documents *d, bool keep_last)
{
    int64_t count = ae_documents_count(d), from, to, first, last;
    d->first += count - d->guests;
    d->guests = 0;
    if (!keep_last || count == 0) {
        d->ids.length = d->sentences.length = d->ends.length = d->flags.length = 0;
        return;
    }
    ae_document_sentences(d, count - 1, &from, &to);
    ae_sentences_tokens(d, from, to, &first, &last);
    memmove(d->ids.data, d->ids.data + (size_t)first * 4, (size_t)(last - first) * 4);
    d->ids.length = (size_t)(last - first) * 4;
    for (int64_t i = from; i < to; i++) {
        int64_t end = i64_at(&d->sentences, i) - first;
        memcpy(d->sentences.data + (size_t)(i - from) * 8, &end, sizeof end);
    }
    d->sentences.length = (size_t)(to - from) * 8;
    d->ends.length = d->flags.length = 0;
    i64_add(&d->ends, to - from);
    ae_bytes_u8(&d->flags, AE_DOCUMENT_BEGINS | AE_DOCUMENT_ENDS);
    d->guests = 1;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int copy_names(ae_corpus *c, const char *const *paths, int n, ae_err *e)
{
    c->names = calloc((size_t)n + 1, sizeof *c->names);
    c->scratch = calloc((size_t)c->threads, sizeof *c->scratch);
    c->words = calloc((size_t)c->threads, sizeof *c->words);
    for (int i = 0; c->names && i < n; i++) {
        c->names[i] = strdup(paths[i]);
        if (!c->names[i]) {
            break;
        }
        c->names_count++;
    }
    if (!c->names || !c->scratch || !c->words || c->names_count < n) {
        return ae_err_set(e, AE_E_MEMORY, "no memory to read the corpus");
    }
    for (int i = 0; i < c->threads; i++) {
        c->scratch[i].no_offsets = !c->options->words;
    }
    return 0;
}

ae_corpus *ae_corpus_open(const char *const *paths, int n, const ae_tokenizer *t, const ae_instance_options *options,
                          bool pairs, ae_build_report *report, ae_err *e)
{
    ae_corpus *c = calloc(1, sizeof *c);
    if (!c) {
        ae_err_set(e, AE_E_MEMORY, "no memory to read the corpus");
        return NULL;
    }
    c->tokenizer = t;
    c->options = options;
    c->report = report;
    c->pairs = pairs;
    c->threads = ae_threads();
    c->looked = options->unit != AE_UNIT_AUTO || options->line_ends;
    report->unit = options->line_ends ? AE_UNIT_DOCUMENT : options->unit;
    c->reader = ae_line_reader_open(paths, n, &options->lines, e);
    if (c->reader && copy_names(c, paths, n, e) == 0) {
        c->exclusion = ae_exclusion_open(options->exclude, options->n_exclude, &options->lines, e);
    }
    if (!c->exclusion) {
        ae_corpus_close(c);
        return NULL;
    }
    return c;
}

void ae_corpus_close(ae_corpus *c)
{
    if (!c) {
        return;
    }
    ae_line_reader_close(c->reader);
    ae_exclusion_free(c->exclusion);
    for (int i = 0; i < c->names_count; i++) {
        free(c->names[i]);
    }
    free(c->names);
    for (int i = 0; c->scratch && i < c->threads; i++) {
        ae_encoding_free(&c->scratch[i]);
    }
    for (int i = 0; c->words && i < c->threads; i++) {
        ae_segments_free(&c->words[i]);
    }
    free(c->scratch);
    free(c->words);
    for (int64_t i = 0; i < c->shares_capacity; i++) {
        ae_bytes_free(&c->shares[i].ids);
        ae_bytes_free(&c->shares[i].ends);
    }
    free(c->shares);
    ae_bytes_free(&c->text);
    ae_bytes_free(&c->lines);
    free(c);
}

void ae_corpus_progress(ae_corpus *c, ae_progress_fn progress, void *self)
{
    c->progress = progress;
    c->progress_self = self;
}

ae_json *ae_corpus_sources(const ae_corpus *c)
{
    ae_json *list = ae_json_new_array();
    for (int i = 0; i < c->names_count; i++) {
        int64_t bytes;
        uint64_t hash;
        char text[24];
        ae_json *source = ae_json_new_object();
        ae_line_reader_source(c->reader, i, &bytes, &hash);
        snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
        ae_json_set_string(source, "path", c->names[i]);
        ae_json_set_int(source, "bytes", bytes);
        ae_json_set_string(source, "hash", text);
        ae_json_add(list, NULL, source);
    }
    return list;
}

/* ---- reading a chunk --------------------------------------------------------------------------------------------- */

static corpus_line *lines_of(const ae_corpus *c)
{
    return (corpus_line *)(void *)c->lines.data;
}

static int64_t lines_count(const ae_corpus *c)
{
    return (int64_t)(c->lines.length / sizeof(corpus_line));
}

/* With line ends kept, lines are joined where a tokenizer could not tell: a text ends behind a line with text and
 * before one that does not begin with a blank, where no family lets a token run across. */
static bool joins_text(const ae_corpus *c, const ae_line *line)
{
    int64_t count = lines_count(c);
    const corpus_line *last = count > 0 ? &lines_of(c)[count - 1] : NULL;
    if (!last || last->file != line->file || last->excluded || last->bytes > RUNNING_MOST) {
        return false;
    }
    bool border = !last->blank && line->bytes > 0 && ae_blank_length(line->text, line->bytes) == 0;
    return !(last->bytes >= RUNNING_TEXT && border);
}

static bool begins_with_field(const ae_line *line)
{
    const char *tab = memchr(line->text, '\t', line->bytes < LABEL + 1 ? line->bytes : LABEL + 1);
    return tab && tab > line->text;
}

static void add_line(ae_corpus *c, const ae_line *line)
{
    bool blank = ae_is_blank(line->text, line->bytes), keep = c->options->line_ends;
    bool excluded = !blank && ae_exclusion_has(c->exclusion, line->text, line->bytes);
    c->report->lines++;
    c->report->bytes += (int64_t)line->bytes;
    c->report->excluded += excluded;
    c->report->tabbed += begins_with_field(line);
    if (keep && excluded) {
        return;
    }
    if (keep && joins_text(c, line)) {
        corpus_line *last = &lines_of(c)[lines_count(c) - 1];
        last->bytes += line->bytes + line->ended;
        last->blank = blank;
    } else {
        ae_bytes_u8(&c->text, ' ');
        corpus_line new = {.at = c->text.length,
                           .bytes = line->bytes + (keep && line->ended),
                           .path = line->path,
                           .number = line->number,
                           .file = line->file,
                           .blank = blank,
                           .excluded = excluded};
        ae_bytes_add(&c->lines, &new, sizeof new);
    }
    ae_bytes_add(&c->text, line->text, line->bytes);
    if (keep && line->ended) {
        ae_bytes_u8(&c->text, '\n');
    }
}

/* Reads lines until the chunk is full; the one that is too much is kept for the next. */
static int fill_chunk(ae_corpus *c, ae_err *e)
{
    int state = 1;
    for (;;) {
        if (!c->holds && (state = ae_line_reader_next(c->reader, &c->held, e)) != 1) {
            break;
        }
        c->holds = true;
        if (c->text.length >= CHUNK && !(c->options->line_ends && joins_text(c, &c->held))) {
            break;
        }
        if (c->held.number == 1 && ae_corpus_refuse_table(&c->held, e) != 0) {
            return -1;
        }
        add_line(c, &c->held);
        c->holds = false;
        if (c->text.failed || c->lines.failed) {
            return ae_err_set(e, AE_E_MEMORY, "%s:%lld: no memory for a chunk of text", c->held.path,
                              (long long)c->held.number);
        }
    }
    c->at_end = state == 0;
    return state < 0 ? -1 : 0;
}

static int read_chunk(ae_corpus *c, ae_err *e)
{
    c->text.length = c->lines.length = 0;
    if (fill_chunk(c, e) != 0) {
        return -1;
    }
    c->report->repaired = ae_line_reader_repaired(c->reader);
    if (c->progress &&
        c->progress(c->progress_self, ae_line_reader_consumed(c->reader), ae_line_reader_total(c->reader)) != 0) {
        return ae_err_set(e, AE_E_STATE, "stopped");
    }
    return 0;
}

/* ---- what a line is ---------------------------------------------------------------------------------------------- */

static int look(ae_corpus *c, ae_err *e)
{
    ae_corpus_look seen = {0};
    const corpus_line *lines = lines_of(c);
    for (int64_t i = 0; i < lines_count(c); i++) {
        ae_corpus_look_at(&seen, c->text.data + lines[i].at, lines[i].bytes);
    }
    if (!c->looked && seen.lines > 0) {
        c->report->unit = ae_corpus_look_unit(&seen);
        ae_corpus_look_explain(&seen, c->report->explanation);
    }
    if (c->pairs && c->report->unit == AE_UNIT_DOCUMENT && seen.lines > 1 && seen.sentences == seen.lines) {
        return ae_corpus_wrong_form(lines[0].path, lines[0].number,
                                    seen.blank > 0 ? "a line is to be a document, and every line holds one sentence"
                                                   : "every line holds one sentence, and no blank line parts documents",
                                    e);
    }
    c->looked = true;
    return 0;
}

/* In text of a sentence a line, a line goes on with the document of the line before. */
static void join_lines(ae_corpus *c)
{
    corpus_line *lines = lines_of(c);
    bool inside = c->open;
    int file = c->file;
    for (int64_t i = 0; i < lines_count(c); i++) {
        inside = inside && lines[i].file == file && !lines[i].blank;
        file = lines[i].file;
        if (!lines[i].blank && !lines[i].excluded) {
            lines[i].joined = inside;
            inside = true;
        }
    }
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

/* Notes in the ids which tokens lie in the same word of the segmenter, or of the tokenizer, as the token before. */
static int mark_words(const ae_corpus *c, const char *text, size_t bytes, ae_encoding *x, ae_err *e)
{
    ae_segments *words = &c->words[omp_get_thread_num()];
    if (ae_segmenter_cut(c->options->words, text, bytes, words, e) != 0) {
        return -1;
    }
    int64_t word = 0, before = -1;
    int32_t last = -1;
    for (int64_t i = 0; i < x->count; i++) {
        while (word + 1 < words->count && words->ends[word] <= x->starts[i]) {
            word++;
        }
        int32_t id = x->ids[i];
        bool joins = i > 0 && (word == before || ae_tokenizer_joins(c->tokenizer, last, id));
        x->ids[i] |= joins ? AE_INSIDE_WORD : 0;
        before = word;
        last = id;
    }
    return 0;
}

static int encode(const ae_corpus *c, share *s, const char *text, size_t bytes, corpus_line *line)
{
    ae_encoding *x = &c->scratch[omp_get_thread_num()];
    if (ae_tokenizer_encode(c->tokenizer, text, bytes, NULL, x, &s->error) != 0) {
        ae_err_prefix(&s->error, "%s:%lld", line->path, (long long)line->number);
        return -1;
    }
    if (x->count > 0) {
        int32_t unknown = ae_tokenizer_role(c->tokenizer, AE_TOKEN_UNKNOWN);
        for (int64_t i = 0; i < x->count; i++) {
            s->unknown += x->ids[i] == unknown;
        }
        if (c->options->words && mark_words(c, text, bytes, x, &s->error) != 0) {
            ae_err_prefix(&s->error, "%s:%lld", line->path, (long long)line->number);
            return -1;
        }
        ae_bytes_add(&s->ids, x->ids, (size_t)x->count * sizeof *x->ids);
        i64_add(&s->ends, (int64_t)(s->ids.length / sizeof *x->ids));
        line->sentences++;
    }
    return 0;
}

static void encode_share(const ae_corpus *c, share *s)
{
    corpus_line *lines = lines_of(c);
    bool cut = c->pairs && c->report->unit == AE_UNIT_DOCUMENT;
    for (int64_t i = s->from; i < s->to; i++) {
        corpus_line *line = &lines[i];
        const char *text = c->text.data + line->at;
        size_t at = 0, from, length;
        if ((line->blank && !c->options->line_ends) || line->excluded) {
            continue;
        }
        if (!cut && encode(c, s, text - line->joined, line->bytes + line->joined, line) != 0) {
            return;
        }
        while (cut && ae_next_sentence(text, line->bytes, &at, &from, &length)) {
            if (encode(c, s, text + from, length, line) != 0) {
                return;
            }
        }
    }
    if (s->ids.failed || s->ends.failed) {
        ae_err_set(&s->error, AE_E_MEMORY, "%s:%lld: no memory for tokens", lines[s->from].path,
                   (long long)lines[s->from].number);
    }
}

static int deal_out(ae_corpus *c, ae_err *e)
{
    const corpus_line *lines = lines_of(c);
    int64_t count = lines_count(c), most = (int64_t)(c->text.length / SHARE) + 2;
    if (most > c->shares_capacity) {
        share *more = realloc(c->shares, (size_t)most * sizeof *more);
        if (!more) {
            return ae_err_set(e, AE_E_MEMORY, "no memory for a chunk of text");
        }
        memset(more + c->shares_capacity, 0, (size_t)(most - c->shares_capacity) * sizeof *more);
        c->shares = more;
        c->shares_capacity = most;
    }
    c->shares_count = 0;
    for (int64_t i = 0; i < count;) {
        share *s = &c->shares[c->shares_count++];
        s->from = i;
        for (size_t bytes = 0; i < count && bytes < SHARE; i++) {
            bytes += lines[i].bytes + 1;
        }
        s->to = i;
        s->ids.length = s->ends.length = 0;
        s->unknown = 0;
    }
    return 0;
}

static int encode_chunk(ae_corpus *c, ae_err *e)
{
    if (deal_out(c, e) != 0) {
        return -1;
    }
#pragma omp parallel for schedule(dynamic) num_threads(c->threads)
    for (int64_t i = 0; i < c->shares_count; i++) {
        encode_share(c, &c->shares[i]);
    }
    for (int64_t i = 0; i < c->shares_count; i++) {
        share *s = &c->shares[i];
        if (s->error.code != AE_OK) {
            return ae_err_set(e, s->error.code, "%s", s->error.message);
        }
        c->report->unknown_tokens += s->unknown;
    }
    c->line = c->share = c->ids_taken = c->ends_taken = 0;
    return 0;
}

static int next_chunk(ae_corpus *c, ae_err *e)
{
    if (read_chunk(c, e) != 0) {
        return -1;
    }
    bool first = c->report->documents == 0 && !c->open;
    if ((!c->looked || (first && c->pairs)) && look(c, e) != 0) {
        return -1;
    }
    if (c->report->unit == AE_UNIT_SENTENCE && !c->pairs) {
        join_lines(c);
    }
    return encode_chunk(c, e);
}

/* ---- putting documents together ---------------------------------------------------------------------------------- */

static void close_document(ae_corpus *c, ae_documents *d, bool ends)
{
    if (!c->open) {
        return;
    }
    int64_t sentences = i64_count(&d->sentences);
    bool tokens = sentences > c->open_first, last_part = ends && c->open_is_part;
    if (tokens || (last_part && !c->pairs)) { /* a last part without tokens still says where the document ends */
        i64_add(&d->ends, sentences);
        ae_bytes_u8(&d->flags, (c->open_is_part ? 0 : AE_DOCUMENT_BEGINS) | (ends ? AE_DOCUMENT_ENDS : 0));
    }
    c->report->documents += ends && (tokens || last_part);
    c->report->empty_documents += ends && !tokens && !last_part && c->text_seen;
    c->open = !ends;
    c->open_is_part = !ends;
    c->open_first = sentences;
}

static void open_document(ae_corpus *c, const ae_documents *d, const corpus_line *line)
{
    if (!c->open) {
        c->open = true;
        c->open_is_part = c->text_seen = false;
        c->open_first = i64_count(&d->sentences);
        c->long_from = line->number;
    }
}

/* Moves the tokens of a line from its share into d. */
static void take_line(ae_corpus *c, ae_documents *d, const corpus_line *line)
{
    share *s = &c->shares[c->share];
    int64_t before = (int64_t)(d->ids.length / 4), from = c->ids_taken;
    for (int32_t k = 0; k < line->sentences; k++) {
        c->ids_taken = i64_at(&s->ends, c->ends_taken++);
        i64_add(&d->sentences, before + c->ids_taken - from);
    }
    ae_bytes_add(&d->ids, s->ids.data ? s->ids.data + (size_t)from * 4 : "", (size_t)(c->ids_taken - from) * 4);
    c->report->tokens += c->ids_taken - from;
    c->report->sentences += line->sentences;
    c->text_seen = true;
}

static int64_t bytes_of(const ae_documents *d)
{
    return (int64_t)(d->ids.length + d->sentences.length + d->ends.length);
}

/* The tokens of the open document, in bytes. */
static int64_t open_bytes(const ae_corpus *c, const ae_documents *d)
{
    int64_t first, last;
    ae_sentences_tokens(d, c->open_first, i64_count(&d->sentences), &first, &last);
    return 4 * (last - first);
}

static void assemble_line(ae_corpus *c, ae_documents *d)
{
    const corpus_line *line = &lines_of(c)[c->line];
    bool sentence_a_line = c->report->unit == AE_UNIT_SENTENCE, keep = c->options->line_ends;
    while (c->share < c->shares_count && c->line >= c->shares[c->share].to) {
        c->share++;
        c->ids_taken = c->ends_taken = 0;
    }
    if (line->file != c->file) {
        close_document(c, d, true);
        c->file = line->file;
    }
    if (line->blank && !keep) {
        if (sentence_a_line) {
            close_document(c, d, true);
        }
    } else if (!line->excluded) {
        open_document(c, d, line);
        take_line(c, d, line);
        if (!sentence_a_line && !keep) {
            close_document(c, d, true);
        } else if (open_bytes(c, d) >= c->options->buffer / 4) {
            close_document(c, d, false);
        }
    }
    c->line++;
}

/* Without a second document there is nothing to pair with; told as soon as it is clear. */
static int check_pairs(const ae_corpus *c, bool at_end, ae_err *e)
{
    char found[128];
    if (!c->pairs || c->report->documents > 1 || (!at_end && c->report->documents > 0)) {
        return 0;
    }
    if (c->report->documents == 0 && !c->open && at_end) {
        return 0; /* no text at all, which the builder says */
    }
    snprintf(found, sizeof found, "%s", "this is the beginning of the only document with text");
    if (!at_end) {
        snprintf(found, sizeof found, "no blank line follows within %lld tokens", (long long)(c->report->tokens));
    }
    return ae_corpus_wrong_form(c->names[c->file], c->long_from, found, e);
}

int ae_corpus_fill(ae_corpus *c, ae_documents *d, ae_err *e)
{
    begin_buffer(d, c->pairs);
    c->open_first = i64_count(&d->sentences);
    for (;;) {
        while (c->line < lines_count(c)) {
            assemble_line(c, d);
            bool between = i64_count(&d->sentences) == c->open_first || !c->open;
            if (between && bytes_of(d) >= c->options->buffer && ae_documents_count(d) > d->guests) {
                return check_pairs(c, false, e) == 0 ? 1 : -1;
            }
        }
        if (c->at_end) {
            close_document(c, d, true);
            break;
        }
        if (next_chunk(c, e) != 0) {
            return -1;
        }
        if (d->ids.failed || d->sentences.failed || d->ends.failed || d->flags.failed) {
            return ae_err_set(e, AE_E_MEMORY, "no memory for a buffer of %lld bytes; a smaller --buffer needs less",
                              (long long)c->options->buffer);
        }
    }
    if (check_pairs(c, true, e) != 0) {
        return -1;
    }
    return ae_documents_count(d) > d->guests ? 1 : 0;
}
