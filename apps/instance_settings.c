#include "apps/instance_settings.h"

#include "apps/progress.h"
#include "apps/stop_signal.h"
#include "apps/table_settings.h"

#include <math.h>
#include <string.h>

enum { MOST_PATHS = 256 };

/* The options of the library, and what they borrow that is not the run's. */
typedef struct settings {
    ae_instance_options options;
    ae_segmenter *words;
    const char *exclude[MOST_PATHS];
} settings;

static void read_masking(const ae_run *run, ae_masking *m)
{
    const ae_options *o = run->options;
    double rate = ae_options_real(o, "mask-rate"), p = ae_options_real(o, "span-p");
    m->rate = isnan(rate) ? m->rate : rate;
    m->most = ae_options_origin(o, "mask-most") > AE_ORIGIN_NONE ? ae_options_int(o, "mask-most") : m->most;
    m->span_p = isnan(p) ? m->span_p : p;
    m->span_most = ae_options_origin(o, "span-most") > AE_ORIGIN_NONE ? ae_options_int(o, "span-most") : m->span_most;
    m->unit = ae_options_flag(o, "span")         ? AE_MASK_SPANS
              : ae_options_flag(o, "whole-word") ? AE_MASK_WHOLE_WORDS
                                                 : m->unit;
}

static int check(ae_run *run)
{
    static const char *const pairs[][2] = {{"dynamic", "static"}, {"span", "whole-word"}};
    for (int i = 0; i < 2; i++) {
        if (ae_options_flag(run->options, pairs[i][0]) && ae_options_flag(run->options, pairs[i][1])) {
            return ae_err_set(&run->error, AE_E_VALUE, "--%s and --%s exclude each other", pairs[i][0], pairs[i][1]);
        }
    }
    bool words = ae_options_flag(run->options, "whole-word") || ae_options_flag(run->options, "span");
    if (ae_options_count(run->options, "dictionary") > 0 && !words) {
        return ae_err_set(&run->error, AE_E_VALUE,
                          "--dictionary says what words are, but no words are masked; give --whole-word or --span too");
    }
    return 0;
}

static int nth_paths(const ae_run *run, const char *option, const char **paths)
{
    int n = 0;
    for (; n < ae_options_count(run->options, option) && n < MOST_PATHS; n++) {
        paths[n] = ae_options_nth(run->options, option, n);
    }
    return n;
}

static int read_words(ae_run *run, settings *s)
{
    const char *paths[MOST_PATHS];
    int n = nth_paths(run, "dictionary", paths);
    s->words = n > 0 ? ae_segmenter_open(paths, n, &run->error) : NULL;
    s->options.words = s->words;
    return n > 0 && !s->words ? -1 : 0;
}

/* Fills the options for an objective; the words are freed by the caller, strings are the run's. */
static int read_settings(ae_run *run, const char *objective, settings *s)
{
    const ae_options *o = run->options;
    ae_instance_options *x = &s->options;
    double short_seq = ae_options_real(o, "short-seq");
    s->words = NULL;
    if (check(run) != 0) {
        return -1;
    }
    *x = ae_instance_defaults(objective);
    x->seq = ae_options_int_or(o, "seq", x->seq);
    x->short_seq = isnan(short_seq) ? x->short_seq : short_seq;
    x->dynamic = ae_options_flag(o, "dynamic") || (x->dynamic && !ae_options_flag(o, "static"));
    x->duplicates = ae_options_int_or(o, "duplicates", x->duplicates);
    x->full_sentences = ae_options_flag(o, "full-sentences");
    x->line_ends = ae_options_flag(o, "line-ends");
    x->no_special = ae_options_flag(o, "no-special");
    x->seed = (uint64_t)ae_options_int(o, "seed");
    x->buffer = ae_options_int(o, "buffer") > 0 ? ae_options_int(o, "buffer") << 20 : x->buffer;
    x->unit = (ae_corpus_unit)ae_options_choice(o, "unit");
    ae_line_settings(run, &x->lines);
    read_masking(run, &x->masking);
    x->n_exclude = nth_paths(run, "exclude", s->exclude);
    x->exclude = s->exclude;
    return read_words(run, s);
}

static int show(void *self, int64_t done, int64_t all)
{
    ae_progress_show(self, (double)done, (double)all, 0, "bytes of text");
    return ae_stop_signal();
}

static void say(const ae_run *run, const ae_build_report *r, const char *output)
{
    static const char *const units[] = {"lines", "sentences", "documents"};
    fprintf(run->log, "%s: %lld instances, %lld tokens (%lld unknown) of %lld documents; lines taken as %s\n", output,
            (long long)r->instances, (long long)r->tokens, (long long)r->unknown_tokens, (long long)r->documents,
            units[r->unit]);
    if (*r->explanation) {
        fprintf(run->log, "%s: --unit auto: %s\n", output, r->explanation);
    }
    if (r->tabbed > 0) {
        fprintf(run->log,
                "%s: %lld lines begin with a short field and a tab: if they come from a labelled table, its labels are "
                "text now (cut -f2- takes them off)\n",
                output, (long long)r->tabbed);
    }
    if (r->excluded + r->repaired > 0) {
        fprintf(run->log, "%s: %lld lines left out for --exclude, %lld invalid places repaired\n", output,
                (long long)r->excluded, (long long)r->repaired);
    }
}

static int build(ae_run *run, const char *const *paths, int n, const ae_tokenizer *t,
                 const ae_instance_options *options, const char *output, ae_build_report *report)
{
    ae_progress p = ae_progress_begin(run, "data");
    int status = ae_instances_build(paths, n, t, options, output, show, &p, report, &run->error);
    ae_progress_clear(&p);
    if (status == 0 && !ae_options_flag(run->options, "quiet")) {
        say(run, report, output);
    }
    for (int i = 0; i < n && status != 0; i++) {
        ae_run_locate_error(run, paths[i]);
    }
    return status;
}

int ae_instance_build(ae_run *run, const char *const *paths, int n, const ae_tokenizer *t, const char *objective,
                      const char *output, ae_build_report *report)
{
    settings s;
    int status = read_settings(run, objective, &s);
    status = status == 0 ? build(run, paths, n, t, &s.options, output, report) : status;
    ae_segmenter_free(s.words);
    return status;
}

int ae_instance_build_once(ae_run *run, const char *const *paths, int n, const ae_tokenizer *t, const char *objective,
                           const char *output)
{
    settings s;
    ae_build_report report;
    int status = read_settings(run, objective, &s);
    int same = status == 0 ? ae_instances_match(output, paths, n, t, &s.options, &run->error) : -1;
    if (same == 1) {
        fprintf(run->log, "%s is taken as it is: same text, tokenizer and options\n", output);
    } else if (same == 0) {
        status = build(run, paths, n, t, &s.options, output, &report);
    }
    ae_segmenter_free(s.words);
    return same < 0 ? -1 : status;
}
