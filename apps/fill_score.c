#include "apps/fill_score.h"

#include "apps/masked_words.h"
#include "apps/progress.h"
#include "apps/table_settings.h"
#include "tensor/utf8_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 64 }; /* masked words that are run together */

typedef struct score {
    ae_run *run;
    const ae_use *use;
    int64_t top, every, skip;
    int32_t mask;
    ae_encoding x;
    int64_t *counts; /* (V): how often a word that is one token came */
    int64_t size;    /* V */
    bool masking;    /* the words of the text at work are masked, not counted */
    int32_t *ranked; /* the most frequent words: `skip` of them that are left out, then at most `top` to guess */
    int64_t n_ranked;
    int64_t words, masked, several, found, lines, cut;
    /* masked texts that wait, and their true words */
    ae_masked_text items[ITEMS];
    int32_t truth[ITEMS];
    int waiting;
    ae_candidate *best; /* (top) */
    int32_t *truths;    /* of all masked words, for the most frequent ones */
    int64_t truth_capacity;
} score;

static int no_memory(score *s)
{
    return ae_err_set(&s->run->error, AE_E_MEMORY, "no memory to score a text");
}

static void drop_items(score *s)
{
    for (int i = 0; i < s->waiting; i++) {
        free(s->items[i].ids);
        free(s->items[i].type_ids);
        free(s->items[i].places);
    }
    s->waiting = 0;
}

/* ---- words ------------------------------------------------------------------------------------------------------------- */

static uint32_t code_point(const char *text, int length)
{
    static const unsigned char lead[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)text[0] & lead[length];
    for (int i = 1; i < length; i++) {
        c = c << 6 | ((unsigned char)text[i] & 0x3f);
    }
    return c;
}

/* Whether some character is a letter or a digit: none of ASCII's, Latin 1's, the general, the Chinese and the
 * full-width signs. */
static bool is_word(const char *text, int64_t bytes)
{
    for (int64_t i = 0; i < bytes;) {
        int n = ae_utf8_length(text + i, (size_t)(bytes - i));
        uint32_t c = n > 0 ? code_point(text + i, n) : 0;
        bool ascii = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        bool sign = c < 0xc0 || (c >= 0x2000 && c <= 0x2bff) || (c >= 0x3000 && c <= 0x303f) ||
                    (c >= 0xff00 && c <= 0xff0f) || (c >= 0xff1a && c <= 0xff20) || (c >= 0xff3b && c <= 0xff40) ||
                    (c >= 0xff5b && c <= 0xff65) || c == 0xfffd;
        if (ascii || !sign) {
            return true;
        }
        i += n > 0 ? n : 1;
    }
    return false;
}

static int check_item(void *self, int64_t text, int64_t place, const float *logits, int64_t v)
{
    score *s = self;
    if (place > 0 || s->truth[text] < 0) {
        return 0;
    }
    int64_t n = ae_masked_candidates(s->use->bundle.tokenizer, logits, v, s->top, s->best);
    for (int64_t i = 0; i < n; i++) {
        s->found += s->best[i].id == s->truth[text];
    }
    return 0;
}

static int run_items(score *s)
{
    int status = ae_masked_run(s->run, s->use, s->items, s->waiting, check_item, s);
    drop_items(s);
    return status;
}

/* Keeps tokens from..to-1 of the encoding as a masked text. */
static int mask_word(score *s, int64_t from, int64_t to)
{
    int64_t n = s->x.count, places = to - from;
    ae_masked_text *m = &s->items[s->waiting];
    *m = (ae_masked_text){.ids = malloc((size_t)n * sizeof *m->ids),
                          .type_ids = malloc((size_t)n),
                          .count = n,
                          .places = malloc((size_t)places * sizeof *m->places),
                          .n_places = places};
    if (s->masked == s->truth_capacity) {
        int64_t capacity = s->truth_capacity ? 2 * s->truth_capacity : 1024;
        int32_t *larger = realloc(s->truths, (size_t)capacity * sizeof *larger);
        s->truths = larger ? larger : s->truths;
        s->truth_capacity = larger ? capacity : s->truth_capacity;
    }
    int32_t truth = places == 1 ? s->x.ids[from] : -1;
    s->truth[s->waiting++] = truth;
    if (!m->ids || !m->type_ids || !m->places || s->masked == s->truth_capacity) {
        return no_memory(s);
    }
    s->truths[s->masked++] = truth;
    s->several += truth < 0;
    memcpy(m->ids, s->x.ids, (size_t)n * sizeof *m->ids);
    memcpy(m->type_ids, s->x.type_ids, (size_t)n);
    for (int64_t i = from; i < to; i++) {
        m->ids[i] = s->mask;
        m->places[i - from] = i;
    }
    return s->waiting == ITEMS ? run_items(s) : 0;
}

/* Whether a word is one of the most frequent that --skip-frequent leaves out. */
static bool is_skipped(const score *s, int32_t id)
{
    for (int64_t i = 0; i < s->skip && i < s->n_ranked; i++) {
        if (s->ranked[i] == id) {
            return true;
        }
    }
    return false;
}

static int take_line(score *s, const ae_line *line)
{
    ae_encode_options options = {.special = s->use->special, .max_length = s->use->seq, .keep_added = true};
    const ae_encoding *x = &s->x;
    if (ae_tokenizer_encode(s->use->bundle.tokenizer, line->text, line->bytes, &options, &s->x, &s->run->error) != 0) {
        return -1;
    }
    s->lines++;
    s->cut += x->dropped > 0;
    for (int64_t i = 0, end; i < x->count; i = end) {
        end = i + 1;
        if (x->words[i] < 0) {
            continue;
        }
        while (end < x->count && x->words[end] == x->words[i]) {
            end++;
        }
        if (!is_word(line->text + x->starts[i], x->ends[end - 1] - x->starts[i])) {
            continue;
        }
        bool one = end == i + 1;
        if (!s->masking) {
            s->counts[x->ids[i]] += one;
            continue;
        }
        if (one && is_skipped(s, x->ids[i])) {
            continue;
        }
        if (++s->words % s->every == 0 && mask_word(s, i, end) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_text(score *s, const char *const *paths, int n, bool masking)
{
    ae_line_options options;
    ae_line line;
    ae_line_settings(s->run, &options);
    ae_line_reader *r = ae_line_reader_open(paths, n, &options, &s->run->error);
    ae_progress p = ae_progress_begin(s->run, masking ? "score" : "words");
    int status = r ? 1 : -1;
    s->masking = masking;
    s->lines = 0;
    while (status > 0 && (status = ae_line_reader_next(r, &line, &s->run->error)) > 0) {
        status = line.bytes == 0 || take_line(s, &line) == 0 ? 1 : -1;
        ae_progress_show(&p, (double)ae_line_reader_consumed(r), (double)ae_line_reader_total(r), 0, NULL);
    }
    ae_progress_clear(&p);
    ae_line_reader_close(r);
    if (status == 0 && s->lines == 0) {
        return ae_err_set(&s->run->error, AE_E_FORMAT, "%s: holds no text", paths[0]);
    }
    return status == 0 && s->waiting > 0 ? run_items(s) : status;
}

/* ---- the most frequent words --------------------------------------------------------------------------------------------- */

/* Ranks the most frequent words, equal ones by their ids. */
static void rank_words(score *s)
{
    int64_t n = 0, most = s->skip + s->top;
    int32_t *ids = s->ranked;
    for (int64_t id = 0; id < s->size; id++) {
        int64_t count = s->counts[id];
        if (count == 0 || (n == most && count <= s->counts[ids[n - 1]])) {
            continue;
        }
        int64_t at = n < most ? n++ : n - 1;
        for (; at > 0 && s->counts[ids[at - 1]] < count; at--) {
            ids[at] = ids[at - 1];
        }
        ids[at] = (int32_t)id;
    }
    s->n_ranked = n;
}

static int64_t count_among(const score *s, const int32_t *ids, int64_t n)
{
    int64_t found = 0;
    for (int64_t i = 0; i < s->masked; i++) {
        for (int64_t k = 0; k < n; k++) {
            found += s->truths[i] == ids[k];
        }
    }
    return found;
}

/* ---- the result ---------------------------------------------------------------------------------------------------------- */

static int print_json(const score *s, const int32_t *ids, int64_t n, int64_t guessed)
{
    ae_json *o = ae_json_new_object(), *words = ae_json_new_array();
    double all = (double)s->masked;
    for (int64_t i = 0; i < n; i++) {
        ae_json_add(words, NULL, ae_json_new_string(ae_tokenizer_token(s->use->bundle.tokenizer, ids[i], NULL)));
    }
    ae_json_set_int(o, "words", s->words);
    ae_json_set_int(o, "masked", s->masked);
    ae_json_set_int(o, "several_tokens", s->several);
    ae_json_set_int(o, "top", s->top);
    ae_json_set_int(o, "skipped_frequent", s->skip);
    ae_json_set_int(o, "found", s->found);
    ae_json_set_double(o, "found_share", (double)s->found / all);
    ae_json_set_int(o, "frequent_found", guessed);
    ae_json_set_double(o, "frequent_share", (double)guessed / all);
    ae_json_set_double(o, "ratio", guessed > 0 ? (double)s->found / (double)guessed : (double)NAN);
    ae_json_set(o, "frequent_words", words);
    return ae_run_print_json(s->run, o);
}

static int print_result(const score *s, const int32_t *ids, int64_t n)
{
    FILE *out = s->run->out;
    int64_t guessed = count_among(s, ids, n);
    double all = (double)s->masked;
    if (s->run->json) {
        return print_json(s, ids, n, guessed);
    }
    fprintf(out, "masked words                  %lld of %lld (%lld of several tokens)\n", (long long)s->masked,
            (long long)s->words, (long long)s->several);
    fprintf(out, "true word among the first %-3lld %lld (%.1f %%)\n", (long long)s->top, (long long)s->found,
            100 * (double)s->found / all);
    fprintf(out, "the %lld %s frequent words     %lld (%.1f %%):", (long long)n, s->skip > 0 ? "next" : "most",
            (long long)guessed, 100 * (double)guessed / all);
    for (int64_t i = 0; i < n; i++) {
        fprintf(out, " %s", ae_tokenizer_token(s->use->bundle.tokenizer, ids[i], NULL));
    }
    fprintf(out, "\n");
    if (guessed > 0) {
        fprintf(out, "ratio                         %.2f\n", (double)s->found / (double)guessed);
    }
    return 0;
}

static int run_score(score *s, const char *path)
{
    const char *corpus[64];
    const ae_options *o = s->run->options;
    int n = ae_options_count(o, "corpus");
    for (int i = 0; i < n && i < 64; i++) {
        corpus[i] = ae_options_nth(o, "corpus", i);
    }
    if (n > 64) {
        return ae_err_set(&s->run->error, AE_E_VALUE, "--corpus: %d files; at most 64", n);
    }
    if (n == 0 && strcmp(path, "-") == 0) {
        return ae_err_set(&s->run->error, AE_E_VALUE,
                          "--score -: standard input is read once; --corpus FILE says which words are frequent");
    }
    if (read_text(s, n > 0 ? corpus : &path, n > 0 ? n : 1, false) != 0) {
        return -1;
    }
    rank_words(s);
    if (read_text(s, &path, 1, true) != 0) {
        return -1;
    }
    if (s->masked == 0) {
        return ae_err_set(&s->run->error, AE_E_VALUE, "%s has %lld words; with --every %lld none is masked", path,
                          (long long)s->words, (long long)s->every);
    }
    if (s->cut > 0 && !ae_options_flag(o, "quiet")) {
        fprintf(s->run->log, "%lld lines had more than %lld tokens and were cut (--seq)\n", (long long)s->cut,
                (long long)s->use->seq);
    }
    int64_t skipped = s->skip < s->n_ranked ? s->skip : s->n_ranked;
    return print_result(s, s->ranked + skipped, s->n_ranked - skipped);
}

int ae_fill_score(ae_run *run, const ae_use *use, const char *path)
{
    score s = {.run = run,
               .use = use,
               .top = ae_options_int(run->options, "top"),
               .every = ae_options_int(run->options, "every"),
               .skip = ae_options_int(run->options, "skip-frequent"),
               .mask = ae_use_role(run, use, AE_TOKEN_MASK),
               .size = ae_tokenizer_size(use->bundle.tokenizer)};
    s.counts = calloc((size_t)s.size + 1, sizeof *s.counts);
    s.best = malloc((size_t)s.top * sizeof *s.best);
    s.ranked = malloc((size_t)(s.top + s.skip) * sizeof *s.ranked);
    int status = s.mask < 0 ? -1 : s.counts && s.best && s.ranked ? run_score(&s, path) : no_memory(&s);
    drop_items(&s);
    ae_encoding_free(&s.x);
    free(s.counts);
    free(s.best);
    free(s.truths);
    free(s.ranked);
    return status;
}
