#include "apps/clock.h"
#include "apps/command_table.h"
#include "apps/line_sample.h"
#include "apps/progress.h"
#include "apps/tokenizer_files.h"
#include "apps/tokenizer_run.h"
#include "tokenizers/kinds.h"
#include "tokenizers/tokenizer_trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Lines are counted many at a time, so that all threads have something to do. */
enum { BATCH_LINES = 8192, BATCH_BYTES = 4 << 20 };

typedef struct line_batch {
    char *text;
    size_t used, capacity;
    size_t *starts, *bytes; /* (BATCH_LINES) */
    const char **texts;     /* (BATCH_LINES) */
    int64_t n;
} line_batch;

typedef struct training_run {
    ae_run *run;
    ae_tokenizer_trainer *trainer;
    line_batch batch;
    bool line_ends;        /* texts keep their "\n", as in Hugging Face's training from files */
    ae_line_sample sample; /* with --sample-lines */
    int64_t lines;
    int64_t alphabet; /* tokens there were when progress was told first */
    ae_progress progress;
    double started;
} training_run;

static int no_memory(ae_err *e)
{
    return ae_err_set(e, AE_E_MEMORY, "no memory for lines of the corpus");
}

static int flush(training_run *r)
{
    line_batch *b = &r->batch;
    for (int64_t i = 0; i < b->n; i++) {
        b->texts[i] = b->text + b->starts[i];
    }
    int status = b->n ? ae_tokenizer_trainer_add(r->trainer, b->texts, b->bytes, b->n, &r->run->error) : 0;
    b->n = 0;
    b->used = 0;
    return status;
}

static int take_line(training_run *r, const char *text, size_t bytes, bool ended)
{
    line_batch *b = &r->batch;
    if (b->used + bytes + 1 > b->capacity) {
        size_t capacity = (b->used + bytes + 1) * 2;
        char *grown = realloc(b->text, capacity);
        if (!grown) {
            return no_memory(&r->run->error);
        }
        b->text = grown;
        b->capacity = capacity;
    }
    if (bytes > 0) {
        memcpy(b->text + b->used, text, bytes);
    }
    if (r->line_ends && ended) {
        b->text[b->used + bytes++] = '\n';
    }
    b->starts[b->n] = b->used;
    b->bytes[b->n++] = bytes;
    b->used += bytes;
    r->lines++;
    return b->n == BATCH_LINES || b->used >= BATCH_BYTES ? flush(r) : 0;
}

/* The lines that were drawn, in the order of the corpus. */
static int take_sample(training_run *r)
{
    ae_line_sample_sort(&r->sample);
    for (int64_t i = 0; i < r->sample.n; i++) {
        const ae_sampled_line *line = &r->sample.lines[i];
        if (take_line(r, line->text, line->bytes, line->ended)) {
            return -1;
        }
    }
    return 0;
}

static int read_corpus(training_run *r, ae_line_reader *reader)
{
    line_batch *b = &r->batch;
    b->starts = malloc(BATCH_LINES * sizeof *b->starts);
    b->bytes = malloc(BATCH_LINES * sizeof *b->bytes);
    b->texts = malloc(BATCH_LINES * sizeof *b->texts);
    if (!b->starts || !b->bytes || !b->texts) {
        return no_memory(&r->run->error);
    }
    ae_line line;
    int got;
    double all = (double)ae_line_reader_total(reader);
    while ((got = ae_line_reader_next(reader, &line, &r->run->error)) == 1) {
        if (r->sample.limit ? ae_line_sample_offer(&r->sample, line.text, line.bytes, line.ended, &r->run->error)
                            : take_line(r, line.text, line.bytes, line.ended)) {
            return -1;
        }
        if (b->n == 0) {
            ae_progress_show(&r->progress, (double)ae_line_reader_consumed(reader), all, 0, NULL);
        }
    }
    if (got < 0 || take_sample(r) || flush(r)) {
        return -1;
    }
    if (r->lines == 0) {
        return ae_err_set(&r->run->error, AE_E_VALUE, "the corpus holds no line of text");
    }
    return 0;
}

/* The corpus: --corpus FILE... and further files as arguments. */
static ae_line_reader *open_corpus(ae_run *run)
{
    int named = ae_options_count(run->options, "corpus"), n = named + ae_options_arguments(run->options);
    if (n == 0) {
        ae_err_set(&run->error, AE_E_VALUE, "which text? give --corpus FILE (- for standard input)");
        return NULL;
    }
    const char **paths = calloc((size_t)n, sizeof *paths);
    if (!paths) {
        no_memory(&run->error);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        paths[i] = i < named ? ae_options_nth(run->options, "corpus", i) : ae_options_argument(run->options, i - named);
    }
    ae_line_reader *reader = ae_run_open_lines(run, paths, n);
    free(paths);
    return reader;
}

/* Lists of words and characters end by themselves; of SentencePiece's kinds its algorithms of these names. */
static bool wants_size(const char *kind, const char *algorithm)
{
    const ae_kind *row = ae_kind_find(kind, NULL);
    bool list = algorithm && (strcmp(algorithm, "word") == 0 || strcmp(algorithm, "char") == 0);
    for (int i = 0; !row && !list && i < ae_tokenizer_piece_kind_count(); i++) {
        if (strcmp(ae_tokenizer_piece_kind_name(i), kind) == 0) {
            return true;
        }
    }
    return row && row->learning != AE_LEARN_WORDS;
}

static ae_tokenizer_trainer *make_trainer(ae_run *run)
{
    int n = ae_options_count(run->options, "special-token"), n_user = ae_options_count(run->options, "user-symbol");
    const char **special = calloc((size_t)(n + n_user) + 1, sizeof *special);
    if (!special) {
        no_memory(&run->error);
        return NULL;
    }
    for (int i = 0; i < n + n_user; i++) {
        special[i] = i < n ? ae_options_nth(run->options, "special-token", i)
                           : ae_options_nth(run->options, "user-symbol", i - n);
    }
    double coverage =
        ae_options_has(run->options, "character-coverage") ? ae_options_real(run->options, "character-coverage") : 0;
    ae_tokenizer_training training = {.kind = ae_options_text(run->options, "kind"),
                                      .vocab_size = ae_options_int(run->options, "vocab-size"),
                                      .min_frequency = ae_options_int(run->options, "min-frequency"),
                                      .limit_alphabet = ae_options_int(run->options, "limit-alphabet"),
                                      .max_token_length = ae_options_int(run->options, "max-token-length"),
                                      .special = n ? special : NULL,
                                      .n_special = n,
                                      .options = ae_run_tokenizer_options(run),
                                      .algorithm = ae_options_text(run->options, "algorithm"),
                                      .normalization = ae_options_text(run->options, "normalization"),
                                      .character_coverage = isnan(coverage) ? 0 : coverage,
                                      .required_chars = ae_options_text(run->options, "required-characters"),
                                      .user_symbols = special + n,
                                      .n_user_symbols = n_user,
                                      .byte_fallback = ae_run_yes_no(run, "byte-fallback"),
                                      .split_digits = ae_run_yes_no(run, "split-digits"),
                                      .keep_blanks = ae_run_yes_no(run, "keep-blanks"),
                                      .dummy_prefix = ae_run_yes_no(run, "dummy-prefix")};
    ae_tokenizer_trainer *trainer = NULL;
    if (!training.kind) {
        ae_err_set(&run->error, AE_E_VALUE, "which kind of tokenizer? give --kind; `list tokenizers` names them");
    } else if (wants_size(training.kind, training.algorithm) && training.vocab_size == 0) {
        ae_err_set(&run->error, AE_E_MISSING, "how many tokens? give --vocab-size, for instance 30000");
    } else {
        trainer = ae_tokenizer_trainer_new(&training, &run->error);
    }
    free(special);
    return trainer;
}

static int show_merging(void *self, int64_t done, int64_t all)
{
    training_run *r = self;
    r->alphabet = r->alphabet ? r->alphabet : done;
    ae_progress_show(&r->progress, (double)done, (double)all, (double)r->alphabet, NULL);
    return 0;
}

static int report(const training_run *r, const ae_tokenizer *t, const ae_tokenizer_files *files)
{
    ae_run *run = r->run;
    double seconds = ae_seconds() - r->started;
    if (run->json) {
        ae_json *object = ae_tokenizer_files_json(t, files);
        ae_json_set_int(object, "lines", r->lines);
        ae_json_set_double(object, "seconds", seconds);
        return ae_run_print_json(run, object);
    }
    if (!ae_options_flag(run->options, "quiet")) {
        char time[32];
        ae_duration(seconds, time);
        fprintf(run->log, "%s: %d tokens from %lld lines in %s\n", files->path[0], (int)ae_tokenizer_size(t),
                (long long)r->lines, time);
    }
    return AE_EXIT_DONE;
}

static int train(training_run *r, ae_line_reader *reader, const char *output)
{
    ae_run *run = r->run;
    r->progress = ae_progress_begin(run, "words");
    int status = read_corpus(r, reader);
    ae_progress_clear(&r->progress);
    if (status) {
        return -1;
    }
    r->progress = ae_progress_begin(run, "tokens");
    ae_tokenizer *t = ae_tokenizer_trainer_finish(r->trainer, show_merging, r, &run->error);
    ae_progress_clear(&r->progress);
    ae_tokenizer_files files;
    status = t ? ae_run_write_tokenizer(run, t, output, &files) : -1;
    status = status == 0 ? report(r, t, &files) : -1;
    ae_tokenizer_free(t);
    return status;
}

/* The kinds that give every text back as it was. */
static bool sees_line_ends(const char *kind)
{
    const ae_kind *row = kind ? ae_kind_find(kind, NULL) : NULL;
    return row && (row->bytes || strcmp(row->name, "plain") == 0);
}

static int run_train(ae_run *run)
{
    const char *output = ae_options_text(run->options, "output"), *kind = ae_options_text(run->options, "kind");
    if (!output) {
        return ae_err_set(&run->error, AE_E_VALUE,
                          "tokenizer train: where to? give --output: NAME.json, NAME.txt, NAME.model or a "
                          "folder");
    }
    training_run r = {.run = run, .started = ae_seconds(), .line_ends = sees_line_ends(kind)};
    r.sample.limit = ae_options_int(run->options, "sample-lines");
    r.sample.seed = (uint64_t)ae_options_int(run->options, "seed");
    r.trainer = make_trainer(run);
    ae_line_reader *reader = r.trainer ? open_corpus(run) : NULL;
    int status = reader ? train(&r, reader, output) : -1;
    ae_line_reader_close(reader);
    ae_line_sample_free(&r.sample);
    ae_tokenizer_trainer_free(r.trainer);
    free(r.batch.text);
    free(r.batch.starts);
    free(r.batch.bytes);
    free(r.batch.texts);
    return status;
}

static const char *const options[] = {"kind",
                                      "vocab-size",
                                      "corpus",
                                      "output",
                                      "min-frequency",
                                      "limit-alphabet",
                                      "max-token-length",
                                      "special-token",
                                      "algorithm",
                                      "normalization",
                                      "character-coverage",
                                      "required-characters",
                                      "user-symbol",
                                      "byte-fallback",
                                      "split-digits",
                                      "keep-blanks",
                                      "dummy-prefix",
                                      "sample-lines",
                                      "seed",
                                      "lower-case",
                                      "strip-accents",
                                      "split-chinese",
                                      "encoding",
                                      "encoding-errors",
                                      "threads",
                                      "force",
                                      "progress",
                                      "quiet",
                                      "json",
                                      NULL};

const ae_command ae_cmd_tokenizer_train = {
    .name = "tokenizer train",
    .summary = "learn a vocabulary from text",
    .usage = "[FILE...]",
    .details =
        "Reads the lines of --corpus and of FILE... and writes --output: NAME.json (a tokenizer.json), NAME.txt "
        "(a list of tokens), NAME.model (of SentencePiece) or a folder with all its files.\n\nbert learns word pieces, "
        "gpt2 and roberta "
        "byte-level pairs, by joining the most frequent pair of neighbours as Hugging Face's trainers do (the "
        "smallest ids among equals). char, space and plain list characters or words by falling frequency, in "
        "the order of bytes among equals. SentencePiece's kinds (sentencepiece, t5, albert and so on) learn pieces as "
        "its trainer does: --algorithm unigram (the preset), bpe, word or char, on text that --normalization "
        "made uniform (nmt_nfkc). llama is trained with bpe, bytes for what has no piece, single digits and "
        "text as it is. --sample-lines bounds the memory on large corpora.\n\ngpt2, roberta and plain see the ends of "
        "lines, too. Special tokens "
        "come first. The same text gives the same vocabulary on any number of threads.",
    .options = options,
    .arguments_max = -1,
    .run = run_train,
};
