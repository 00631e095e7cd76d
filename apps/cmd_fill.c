#include "apps/command_table.h"
#include "apps/fill_score.h"
#include "apps/masked_words.h"
#include "apps/table_settings.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_MASKS = 512 };

typedef struct filler {
    ae_run *run;
    const ae_use *use;
    int64_t top, texts;
    ae_candidate *best; /* (top) */
    const char *text;
    const ae_encoding *x;
    ae_masked_text masked;
    int64_t places[MOST_MASKS];
    ae_json *masks; /* --json: of the text at work */
} filler;

/* A token as it reads; "" when it cannot be read. The caller frees it. */
static char *token_text(const filler *f, int32_t id)
{
    char *text = ae_tokenizer_decode(f->use->bundle.tokenizer, &id, 1, false, NULL, NULL);
    return text ? text : strdup("");
}

static void print_candidate(const filler *f, int64_t at, const ae_candidate *c)
{
    char *token = token_text(f, c->id);
    const char *word = token ? token : "";
    word += *word == ' ';
    fprintf(f->run->out, "%.4f\t%s\t%.*s%s%s\n", c->probability, word, (int)f->x->starts[at], f->text, word,
            f->text + f->x->ends[at]);
    free(token);
}

static void add_candidate(const filler *f, ae_json *list, const ae_candidate *c)
{
    ae_json *o = ae_json_new_object();
    char *token = token_text(f, c->id);
    ae_json_set_string(o, "token", token);
    ae_json_set_int(o, "id", c->id);
    ae_json_set_double(o, "probability", c->probability);
    ae_json_add(list, NULL, o);
    free(token);
}

static int show_mask(void *self, int64_t text, int64_t place, const float *logits, int64_t v)
{
    filler *f = self;
    int64_t at = f->masked.places[place], n;
    (void)text;
    n = ae_masked_candidates(f->use->bundle.tokenizer, logits, v, f->top, f->best);
    ae_json *o = f->masks ? ae_json_new_object() : NULL, *list = f->masks ? ae_json_new_array() : NULL;
    if (!f->masks && (f->texts > 0 || place > 0)) {
        fprintf(f->run->out, "\n");
    }
    for (int64_t i = 0; i < n; i++) {
        if (f->masks) {
            add_candidate(f, list, &f->best[i]);
        } else {
            print_candidate(f, at, &f->best[i]);
        }
    }
    if (f->masks) {
        ae_json_set_int(o, "start", f->x->starts[at]);
        ae_json_set(o, "candidates", list);
        ae_json_add(f->masks, NULL, o);
    }
    return 0;
}

/* ---- one text --------------------------------------------------------------------------------------------------------- */

/* The places of the mask token. */
static int find_masks(filler *f, const ae_encoding *x, int32_t mask, const char *where)
{
    for (int64_t i = 0; i < x->count; i++) {
        if (x->ids[i] == mask && f->masked.n_places < MOST_MASKS) {
            f->places[f->masked.n_places++] = i;
        }
    }
    if (f->masked.n_places > 0) {
        return 0;
    }
    const char *spelled = ae_tokenizer_token(f->use->bundle.tokenizer, mask, NULL);
    return ae_err_set(&f->run->error, AE_E_VALUE, "%s: there is no mask%s; write %s where a word is missing", where,
                      x->dropped > 0 ? " among the tokens that the model can read at once (--seq)" : "",
                      spelled ? spelled : "the mask token");
}

static int fill_text(filler *f, const char *text, size_t bytes, const char *where, ae_encoding *x)
{
    ae_encode_options options = {.special = f->use->special, .max_length = f->use->seq};
    int32_t mask = ae_use_role(f->run, f->use, AE_TOKEN_MASK);
    if (mask < 0 || ae_tokenizer_encode(f->use->bundle.tokenizer, text, bytes, &options, x, &f->run->error) != 0) {
        return -1;
    }
    f->text = text;
    f->x = x;
    f->masked = (ae_masked_text){.ids = x->ids, .type_ids = x->type_ids, .count = x->count, .places = f->places};
    if (find_masks(f, x, mask, where) != 0) {
        return -1;
    }
    f->masks = f->run->json ? ae_json_new_array() : NULL;
    int status = ae_masked_run(f->run, f->use, &f->masked, 1, show_mask, f);
    if (f->run->json) {
        ae_json *o = ae_json_new_object();
        ae_json_set_string(o, "text", text);
        ae_json_set(o, "masks", f->masks);
        status = status == 0 ? ae_run_print_json(f->run, o) : (ae_json_free(o), -1);
        f->masks = NULL;
    }
    fflush(f->run->out);
    f->texts++;
    return status;
}

static int fill_lines(filler *f, ae_encoding *x)
{
    static const char *const path = "-";
    char where[64];
    ae_line_options options;
    ae_line line;
    ae_line_settings(f->run, &options);
    ae_line_reader *r = ae_line_reader_open(&path, 1, &options, &f->run->error);
    int status = r ? 1 : -1;
    while (status > 0 && (status = ae_line_reader_next(r, &line, &f->run->error)) > 0) {
        snprintf(where, sizeof where, "%s:%lld", line.path, (long long)line.number);
        f->run->error_line = line.number;
        status = line.bytes == 0 ? 1 : fill_text(f, line.text, line.bytes, where, x) == 0 ? 1 : -1;
    }
    ae_line_reader_close(r);
    if (status == 0 && f->texts == 0) {
        return ae_err_set(&f->run->error, AE_E_FORMAT,
                          "no text: give one as an argument, or a line each on standard input");
    }
    return status;
}

/* ---- the command ------------------------------------------------------------------------------------------------------ */

static int fill(filler *f, ae_encoding *x)
{
    static const char *const wanted[] = {"mlm", "mlm_nsp", NULL};
    const ae_options *o = f->run->options;
    const char *text = ae_options_argument(o, 1), *score = ae_options_text(o, "score");
    f->top = ae_options_int(o, "top");
    f->best = malloc((size_t)f->top * sizeof *f->best);
    if (!f->best) {
        return ae_err_set(&f->run->error, AE_E_MEMORY, "no memory for %lld candidates", (long long)f->top);
    }
    if (ae_use_need(f->run, f->use, wanted, "head that predicts masked words") != 0) {
        return -1;
    }
    if (score && text) {
        return ae_err_set(&f->run->error, AE_E_VALUE, "give either a text to fill or --score, not both");
    }
    return score  ? ae_fill_score(f->run, f->use, score)
           : text ? fill_text(f, text, strlen(text), "the text", x)
                  : fill_lines(f, x);
}

static int run_fill(ae_run *run)
{
    ae_use use = {0};
    ae_encoding x = {0};
    filler f = {.run = run, .use = &use};
    int status = ae_use_open(run, &use) == 0 ? fill(&f, &x) : -1;
    free(f.best);
    ae_encoding_free(&x);
    ae_use_free(&use);
    return status == 0 ? AE_EXIT_DONE : status;
}

static const char *const options[] = {
    "corpus",        "encoding", "encoding-errors", "every",     "json", "precision", "quiet", "score",
    "skip-frequent", "seq",      "threads",         "tokenizer", "top",  "plugin",    NULL};

const ae_command ae_cmd_fill = {
    .name = "fill",
    .summary = "find the words under masks with a masked language model",
    .usage = "MODEL [TEXT]",
    .details =
        "TEXT, or every line of standard input, holds the tokenizer's mask token ([MASK]) once or several times. For "
        "each mask the --top likeliest tokens are written, a line each: probability, token, and the text with it; an "
        "empty line parts masks. All masks are seen at once, none is filled for the others. Special tokens are no "
        "candidates.\n\n"
        "With --score FILE every --every-th word of the file's lines (numbers count as words, punctuation does not) is "
        "masked, one at a time, all of its tokens together, and it is counted how often the true word is among the "
        "first --top candidates; words of several tokens never are. Beside it stands what guessing the --top most "
        "frequent words would reach: frequent in --corpus, or in the file itself. --skip-frequent N leaves words "
        "like the, and, of out: the N most frequent ones are neither masked nor guessed.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = 2,
    .run = run_fill,
};
