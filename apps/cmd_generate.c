#include "apps/command_table.h"
#include "apps/model_use.h"
#include "apps/prefix_decoder.h"
#include "apps/table_settings.h"
#include "apps/text_stream.h"
#include "zoo/beam_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_STOPS = 64 };

typedef struct writer {
    ae_run *run;
    ae_use *use;
    ae_decoder decoder;
    ae_prefix_decoder prefix;
    ae_generate_options options;
    ae_token_list *nameless; /* tokens that the model has and the tokenizer has not: never taken */
    int64_t *nameless_ids;
    int64_t beams;
    int64_t end; /* the token that ends a text; -1: none */
    int64_t number;
    const char *stops[MOST_STOPS];
    int n_stops;
    bool begins; /* a beginning token stands before prompts */
    int64_t prompts;
    /* of the prompt at work */
    ae_text_stream **texts; /* (number) */
    int64_t *counts;        /* (number): tokens */
    bool live;              /* print as it comes */
    bool typed;             /* at a terminal: each answer stands below its prompt */
} writer;

/* ---- options ---------------------------------------------------------------------------------------------------------- */

static int read_options(writer *w)
{
    const ae_options *o = w->run->options;
    double temperature = ae_options_real(o, "temperature"), p = ae_options_real(o, "top-p");
    int64_t k = ae_options_int(o, "top-k");
    bool draws = k > 0 || p < 1;
    w->beams = ae_options_int(o, "beams");
    w->number = ae_options_int(o, "number");
    if (w->beams > 1 && (draws || temperature > 0 || w->number > 1)) {
        return ae_err_set(&w->run->error, AE_E_VALUE,
                          "--beams looks for the one likeliest text; --temperature, --top-k, --top-p and --number are "
                          "for drawing");
    }
    if (temperature == 0 && draws) {
        return ae_err_set(&w->run->error, AE_E_VALUE,
                          "--temperature 0 takes the likeliest token; --top-k and --top-p are for drawing");
    }
    if (w->beams > 1 && !w->use->bundle.row->decoder) {
        return ae_err_set(&w->run->error, AE_E_UNSUPPORTED, "%s is a %s, which keeps no cache that beams could share",
                          w->use->path, w->use->bundle.row->class_name);
    }
    w->options = (ae_generate_options){
        .max_new_tokens = ae_options_int(o, "length"),
        .eos = {&w->end, w->end >= 0},
        .pad_token_id = 0,
        .repetition_penalty = ae_options_real(o, "repetition-penalty"),
        .no_repeat_ngram_size = ae_options_int(o, "no-repeat"),
        .temperature = !isnan(temperature) ? temperature
                       : draws             ? 1
                                           : 0,
        .top_k = k,
        .top_p = p,
        .slide = true,
    };
    w->n_stops = ae_options_count(o, "stop");
    if (w->n_stops > MOST_STOPS) {
        return ae_err_set(&w->run->error, AE_E_VALUE, "--stop: %d texts; at most %d", w->n_stops, MOST_STOPS);
    }
    for (int i = 0; i < w->n_stops; i++) {
        w->stops[i] = ae_options_nth(o, "stop", i);
    }
    return 0;
}

/* A table of words may have more rows than there are tokens. */
static int ban_nameless(writer *w)
{
    const ae_tokenizer *t = w->use->bundle.tokenizer;
    int64_t v = w->decoder.vocab_size, n = 0;
    w->nameless = malloc((size_t)(v + 1) * sizeof *w->nameless);
    w->nameless_ids = malloc((size_t)(v + 1) * sizeof *w->nameless_ids);
    if (!w->nameless || !w->nameless_ids) {
        return ae_err_set(&w->run->error, AE_E_MEMORY, "no memory for a vocabulary of %lld", (long long)v);
    }
    for (int64_t i = 0; i < v; i++) {
        if (!ae_tokenizer_token(t, (int32_t)i, NULL)) {
            w->nameless_ids[n] = i;
            w->nameless[n] = (ae_token_list){&w->nameless_ids[n], 1};
            n++;
        }
    }
    w->options.bad_words = w->nameless;
    w->options.bad_word_count = n;
    return n < v ? 0 : ae_err_set(&w->run->error, AE_E_VALUE, "%s: the tokenizer has none of its tokens", w->use->path);
}

/* ---- one prompt ------------------------------------------------------------------------------------------------------- */

/* The prompt's tokens (number, T) for as many continuations. */
static ae_tensor *encode(writer *w, const char *prompt, ae_encoding *x)
{
    const ae_tokenizer *t = w->use->bundle.tokenizer;
    int32_t cls = ae_tokenizer_role(t, AE_TOKEN_CLS);
    x->no_offsets = true;
    if (ae_tokenizer_encode(t, prompt, strlen(prompt), NULL, x, &w->run->error) != 0) {
        return NULL;
    }
    int64_t before = (w->begins || x->count == 0) && cls >= 0, n = x->count + before;
    if (n == 0) {
        ae_err_set(&w->run->error, AE_E_MISSING,
                   "the prompt is empty, and the tokenizer has no token that begins a text; give some text");
        return NULL;
    }
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, (int64_t[]){w->number, n}, &w->run->error);
    for (int64_t i = 0; ids && i < w->number * n; i++) {
        ae_set_i64(ids, i, i % n < before ? cls : x->ids[i % n - before]);
    }
    return ids;
}

static void print_new(writer *w, int64_t row)
{
    size_t bytes;
    const char *text = ae_text_stream_take(w->texts[row], &bytes);
    if (w->live && bytes > 0) {
        fwrite(text, 1, bytes, w->run->out);
        fflush(w->run->out);
    }
}

static int take_token(void *user, int64_t row, int64_t id)
{
    writer *w = user;
    w->counts[row]++;
    if (id == w->end) {
        return 1;
    }
    int status = ae_text_stream_add(w->texts[row], (int32_t)id, &w->run->error);
    print_new(w, row);
    return status;
}

static void free_texts(writer *w)
{
    for (int64_t i = 0; w->texts && i < w->number; i++) {
        ae_text_stream_free(w->texts[i]);
    }
    free(w->texts);
    free(w->counts);
    w->texts = NULL;
    w->counts = NULL;
}

static int new_texts(writer *w, const ae_encoding *prompt)
{
    ae_err *e = &w->run->error;
    w->texts = calloc((size_t)w->number, sizeof(ae_text_stream *));
    w->counts = calloc((size_t)w->number, sizeof *w->counts);
    for (int64_t i = 0; i < w->number && w->texts && w->counts; i++) {
        w->texts[i] = ae_text_stream_new(w->use->bundle.tokenizer, prompt->ids, prompt->count, w->stops, w->n_stops, e);
        if (!w->texts[i]) {
            return -1;
        }
    }
    return w->texts && w->counts ? 0 : ae_err_set(e, AE_E_MEMORY, "no memory for %lld texts", (long long)w->number);
}

static const char *ending(const writer *w, const ae_tensor *sequences, int64_t row, int64_t start)
{
    int64_t width = sequences->shape[1], last = ae_get_i64(sequences, row * width + start + w->counts[row] - 1);
    return ae_text_stream_stopped(w->texts[row]) ? "stop" : last == w->end ? "end" : "length";
}

static int print_json(writer *w, const char *prompt, const ae_tensor *sequences, int64_t row, int64_t start)
{
    ae_json *o = ae_json_new_object();
    ae_json_set_string(o, "prompt", prompt);
    ae_json_set_int(o, "number", row);
    ae_json_set_string(o, "text", ae_text_stream_text(w->texts[row]));
    ae_json_set_int(o, "tokens", w->counts[row]);
    ae_json_set_string(o, "ended", ending(w, sequences, row, start));
    return ae_run_print_json(w->run, o);
}

static int print_rows(writer *w, const char *prompt, const ae_tensor *sequences, int64_t start)
{
    int status = 0;
    for (int64_t i = 0; i < w->number && status == 0; i++) {
        status = ae_text_stream_end(w->texts[i], &w->run->error);
        if (status == 0 && w->run->json) {
            status = print_json(w, prompt, sequences, i, start);
        } else if (w->live) {
            print_new(w, i);
            fprintf(w->run->out, "\n");
        } else if (status == 0) {
            fprintf(w->run->out, "%s%s%s\n", w->prompts > 0 || i > 0 ? "\n" : "", prompt,
                    ae_text_stream_text(w->texts[i]));
        }
    }
    fflush(w->run->out);
    return status;
}

/* The likeliest text of several beams, given to the stream at the end. */
static int search(writer *w, const ae_tensor *ids, ae_tensor **sequences)
{
    ae_beam_options o = {.rules = w->options, .num_beams = w->beams, .length_penalty = 1};
    if (ae_beam_search(w->use->graph, &w->decoder, ids, NULL, &o, sequences, NULL, NULL, &w->run->error) != 0) {
        return -1;
    }
    int status = 0;
    for (int64_t i = ids->shape[1]; i < (*sequences)->shape[1] && status == 0; i++) {
        status = take_token(w, 0, ae_get_i64(*sequences, i));
    }
    return w->run->error.code ? -1 : 0;
}

/* Every prompt draws its own random numbers. */
static uint64_t seed_of(const writer *w)
{
    uint64_t seed = (uint64_t)ae_options_int(w->run->options, "seed");
    ae_random_key key = ae_random_key_make(seed, (uint64_t)w->prompts, 0, 0, 0);
    return w->prompts == 0 ? seed : (uint64_t)ae_random_word(&key, 0) << 32 | ae_random_word(&key, 1);
}

static int answer(writer *w, const char *prompt)
{
    ae_encoding x = {0};
    ae_tensor *sequences = NULL, *ids = encode(w, prompt, &x);
    w->options.token = take_token;
    w->options.user = w;
    w->options.seed = seed_of(w);
    int status = ids && new_texts(w, &x) == 0 ? 0 : -1;
    if (status == 0 && w->live) {
        fprintf(w->run->out, "%s%s", w->prompts > 0 && !w->typed ? "\n" : "", prompt);
        fflush(w->run->out);
    }
    if (status == 0) {
        status = w->beams > 1 ? search(w, ids, &sequences)
                              : ae_generate(w->use->graph, &w->decoder, ids, NULL, &w->options, &sequences, NULL,
                                            &w->run->error);
    }
    status = status == 0 && w->run->error.code == 0 ? print_rows(w, prompt, sequences, ids->shape[1]) : -1;
    free_texts(w);
    ae_tensor_free(ids);
    ae_tensor_free(sequences);
    ae_encoding_free(&x);
    w->prompts++;
    return status;
}

/* ---- prompts ---------------------------------------------------------------------------------------------------------- */

static int answer_lines(writer *w, const char *path)
{
    ae_line_options options;
    ae_line line;
    ae_line_settings(w->run, &options);
    ae_line_reader *r = ae_line_reader_open(&path, 1, &options, &w->run->error);
    int status = r ? 0 : -1;
    while (status == 0) {
        if (w->typed) {
            fprintf(w->run->log, "> ");
            fflush(w->run->log);
        }
        int more = ae_line_reader_next(r, &line, &w->run->error);
        if (more <= 0) {
            fprintf(w->run->log, "%s", w->typed ? "\n" : "");
            status = more;
            break;
        }
        char *prompt = strdup(line.text); /* the reader may be asked again before it is done with */
        status = prompt ? answer(w, prompt) : ae_err_set(&w->run->error, AE_E_MEMORY, "no memory for a prompt");
        free(prompt);
    }
    ae_line_reader_close(r);
    if (status == 0 && w->prompts == 0 && !w->typed) {
        return ae_err_set(&w->run->error, AE_E_FORMAT,
                          "no prompt: give one as an argument, a line each on standard input, or with --prompts FILE");
    }
    return status;
}

static int answer_all(writer *w)
{
    const char *prompt = ae_options_argument(w->run->options, 1), *path = ae_options_text(w->run->options, "prompts");
    bool typed = isatty(STDIN_FILENO) && fileno(w->run->out) >= 0 && isatty(fileno(w->run->out));
    if (prompt && path) {
        return ae_err_set(&w->run->error, AE_E_VALUE, "give either a prompt or --prompts, not both");
    }
    if (prompt) {
        return answer(w, prompt);
    }
    w->typed = !path && typed && !w->run->json;
    return answer_lines(w, path ? path : "-");
}

static int generate(ae_run *run, writer *w)
{
    static const char *const wanted[] = {"lm", NULL};
    const ae_bundle *d = &w->use->bundle;
    if (ae_use_need(run, w->use, wanted, "head of a language model") != 0) {
        return -1;
    }
    w->decoder = ae_decoder_of(d, &w->prefix);
    w->end = ae_tokenizer_role(d->tokenizer, AE_TOKEN_SEP);
    w->begins = w->use->special && !ae_json_is_null(ae_json_get(d->settings, "objective"));
    if (read_options(w) != 0 || ban_nameless(w) != 0) {
        return -1;
    }
    w->live = !run->json && w->number == 1;
    return answer_all(w);
}

static int run_generate(ae_run *run)
{
    ae_use use = {0};
    writer w = {.run = run, .use = &use};
    int status = ae_use_open(run, &use) == 0 ? generate(run, &w) : -1;
    ae_prefix_decoder_free(&w.prefix);
    free(w.nameless);
    free(w.nameless_ids);
    ae_use_free(&use);
    return status == 0 ? AE_EXIT_DONE : status;
}

static const char *const options[] = {"beams",       "encoding", "encoding-errors",
                                      "json",        "length",   "no-repeat",
                                      "no-special",  "number",   "precision",
                                      "prompts",     "quiet",    "repetition-penalty",
                                      "profile",     "seed",     "stop",
                                      "temperature", "threads",  "tokenizer",
                                      "top-k",       "top-p",    "plugin",
                                      NULL};

const ae_command ae_cmd_generate = {
    .name = "generate",
    .summary = "continue texts with a language model",
    .usage = "MODEL [PROMPT]",
    .details =
        "Continues the prompt, or every line of --prompts or of standard input, token by token with a key/value cache, "
        "and prints prompt and continuation as it comes, never a part of a character. With both ends on a terminal it "
        "asks for prompts until the end of input (Ctrl-D). Several texts are parted by empty lines; --json gives one "
        "object a continuation.\n\n"
        "The likeliest token is taken unless --temperature, --top-k or --top-p ask for drawing, which the seed makes "
        "repeatable; --beams N searches for the likeliest text as a whole instead, within the model's positions. A "
        "text ends at --length tokens, at the tokenizer's end token, or before a --stop text. When all "
        "positions of the model are full, the last half of them is read anew and what stands before is forgotten.\n\n"
        "Models that were trained here on documents with special tokens get the beginning token before the prompt, "
        "unless --no-special; others get it only when the prompt is empty.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 2,
    .run = run_generate,
};
