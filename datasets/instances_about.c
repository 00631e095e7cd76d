/* The options of a file of instances: checked, written down, and compared with those of another build. */
#include "datasets/instances_build.h"
#include "tensor/input_file.h"
#include "tensor/nearest_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, BERT_DUPLICATES = 10 };

static const char *const objectives[] = {"mlm_nsp", "mlm", "lm"};
enum { OBJECTIVES = sizeof objectives / sizeof *objectives };

static const char *const mask_units[] = {"tokens", "whole-words", "spans"};
static const char *const corpus_units[] = {"auto", "sentence", "line"};
static const char *const encodings[] = {"utf-8", "latin1", "cp1252"};
static const char *const encoding_errors[] = {"fail", "replace", "skip"};

ae_instance_options ae_instance_defaults(const char *objective)
{
    return (ae_instance_options){.objective = objective,
                                 .seq = 128,
                                 .short_seq = 0.1,
                                 .dynamic = true,
                                 .masking = ae_masking_defaults(),
                                 .seed = 1,
                                 .buffer = 64 << 20};
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static int check_part(const char *name, double value, ae_err *e)
{
    return value >= 0 && value <= 1 ? 0 : ae_err_set(e, AE_E_VALUE, "%s: %g is outside 0..1", name, value);
}

int ae_masking_check(const ae_masking *m, ae_err *e)
{
    if (check_part("masking rate", m->rate, e) || check_part("masking as_mask", m->as_mask, e) ||
        check_part("masking as_random", m->as_random, e) || check_part("masking span_p", m->span_p, e)) {
        return -1;
    }
    if (m->as_mask + m->as_random > 1 + 1e-9) {
        return ae_err_set(e, AE_E_VALUE, "masking: as_mask %g and as_random %g are more than 1 together", m->as_mask,
                          m->as_random);
    }
    if (m->most < 0 || m->span_most < 1 || m->span_p <= 0 || (unsigned)m->unit > AE_MASK_SPANS) {
        return ae_err_set(e, AE_E_VALUE, "masking: most %lld, span_p %g or span_most %lld is outside its range",
                          (long long)m->most, m->span_p, (long long)m->span_most);
    }
    return 0;
}

static int check_objective(const ae_instance_options *o, ae_err *e)
{
    for (int i = 0; o->objective && i < OBJECTIVES; i++) {
        if (strcmp(o->objective, objectives[i]) == 0) {
            return 0;
        }
    }
    const char *nearest = o->objective ? ae_nearest_name(o->objective, objectives, OBJECTIVES) : NULL;
    return ae_err_set(e, AE_E_VALUE,
                      "no instances can be built for the objective \"%s\"%s%s; there are mlm_nsp, mlm, lm",
                      o->objective ? o->objective : "", nearest ? "; did you mean " : "", nearest ? nearest : "");
}

/* The special tokens that an objective cannot do without. */
static int check_tokenizer(const ae_instance_options *o, const ae_tokenizer *t, ae_err *e)
{
    bool lm = strcmp(o->objective, "lm") == 0, pairs = strcmp(o->objective, "mlm_nsp") == 0;
    if (!lm && ae_tokenizer_role(t, AE_TOKEN_MASK) < 0) {
        return ae_err_set(e, AE_E_MISSING, "%s: the tokenizer has no mask token such as [MASK]", o->objective);
    }
    if (pairs && ae_tokenizer_special_count(t, true) <= 0) {
        return ae_err_set(e, AE_E_MISSING, "%s: the tokenizer puts no special tokens between the texts of a pair",
                          o->objective);
    }
    if (lm && !o->no_special && ae_tokenizer_role(t, AE_TOKEN_SEP) < 0) {
        return ae_err_set(e, AE_E_MISSING,
                          "lm: the tokenizer has no token that ends a document, such as [SEP] or "
                          "<|endoftext|>; --no-special joins documents without one");
    }
    return 0;
}

int ae_instance_options_check(ae_instance_options *o, const ae_tokenizer *t, ae_err *e)
{
    if (check_objective(o, e) != 0 || check_tokenizer(o, t, e) != 0) {
        return -1;
    }
    bool lm = strcmp(o->objective, "lm") == 0, pairs = strcmp(o->objective, "mlm_nsp") == 0;
    int64_t least = lm ? 1 : ae_tokenizer_special_count(t, pairs) + (pairs ? 2 : 1);
    if (o->seq < least || o->seq > 1 << 20) {
        return ae_err_set(e, AE_E_VALUE, "%s: %lld tokens an instance are outside %lld..%d", o->objective,
                          (long long)o->seq, (long long)least, 1 << 20);
    }
    if (o->duplicates == 0) {
        o->duplicates = lm || o->dynamic ? 1 : BERT_DUPLICATES;
    }
    if (o->duplicates < 1 || o->duplicates > 10000 || (lm && o->duplicates != 1)) {
        return ae_err_set(e, AE_E_VALUE, "%s: %lld duplicates are outside 1..%d", o->objective,
                          (long long)o->duplicates, lm ? 1 : 10000);
    }
    if (o->buffer < 4096 || (unsigned)o->unit > AE_UNIT_DOCUMENT) {
        return ae_err_set(e, AE_E_VALUE, "a buffer of %lld bytes is too small; 4096 is the least",
                          (long long)o->buffer);
    }
    if (o->words && lm) {
        return ae_err_set(e, AE_E_VALUE, "lm: nothing is masked, so a dictionary of words has no use");
    }
    o->dynamic = o->dynamic || lm; /* nothing to store */
    return check_part("short_seq", o->short_seq, e) || ae_masking_check(&o->masking, e) ? -1 : 0;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static ae_json *masking_json(const ae_masking *m)
{
    ae_json *j = ae_json_new_object();
    ae_json_set_double(j, "rate", m->rate);
    ae_json_set_int(j, "most", m->most);
    ae_json_set_double(j, "as_mask", m->as_mask);
    ae_json_set_double(j, "as_random", m->as_random);
    ae_json_set_string(j, "unit", mask_units[m->unit]);
    ae_json_set_double(j, "span_p", m->span_p);
    ae_json_set_int(j, "span_most", m->span_most);
    return j;
}

ae_json *ae_instances_about(const ae_tokenizer *t, const ae_instance_options *o)
{
    char hash[24];
    ae_json *about = ae_json_new_object(), *options = ae_json_new_object();
    ae_json_set_int(about, "format", FORMAT);
    ae_json_set_string(about, "version", AE_VERSION);
    ae_json_set_string(about, "objective", o->objective);
    ae_json_set_int(options, "seq", o->seq);
    ae_json_set_int(options, "duplicates", o->duplicates);
    ae_json_set_double(options, "short_seq", o->short_seq);
    ae_json_set_bool(options, "dynamic", o->dynamic);
    ae_json_set_bool(options, "full_sentences", o->full_sentences);
    ae_json_set_bool(options, "line_ends", o->line_ends);
    ae_json_set_bool(options, "no_special", o->no_special);
    ae_json_set(options, "masking", masking_json(&o->masking));
    ae_json_set_string(options, "unit", corpus_units[o->unit]);
    ae_json_set_int(options, "seed", (int64_t)o->seed);
    ae_json_set_int(options, "buffer", o->buffer);
    ae_json_set_string(options, "encoding", encodings[o->lines.encoding]);
    ae_json_set_string(options, "encoding_errors", encoding_errors[o->lines.errors]);
    if (o->words) {
        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)ae_segmenter_hash(o->words));
        ae_json_set_string(options, "words", hash);
    }
    ae_json_set(about, "options", options);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)ae_tokenizer_hash(t));
    ae_json_set_string(about, "tokenizer_hash", hash);
    return about;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

ae_json *ae_text_sources(const char *const *paths, int n, ae_err *e)
{
    char data[16384], hash[24];
    ae_json *list = ae_json_new_array();
    for (int i = 0; i < n; i++) {
        ae_input *in = ae_input_open(paths[i], e);
        int64_t got = in ? 1 : -1;
        while (got > 0) {
            got = ae_input_read(in, data, sizeof data, e);
        }
        if (got < 0) {
            ae_input_close(in);
            ae_json_free(list);
            return NULL;
        }
        ae_json *source = ae_json_new_object();
        snprintf(hash, sizeof hash, "%016llx", (unsigned long long)ae_input_hash(in));
        ae_json_set_string(source, "path", paths[i]);
        ae_json_set_int(source, "bytes", ae_input_taken(in));
        ae_json_set_string(source, "hash", hash);
        ae_json_add(list, NULL, source);
        ae_input_close(in);
    }
    return list;
}

static bool same_text(const ae_json *a, const ae_json *b)
{
    char *x = ae_json_text(a, false, NULL), *y = ae_json_text(b, false, NULL);
    bool same = x && y && strcmp(x, y) == 0;
    free(x);
    free(y);
    return same;
}

/* Whether the files of a list have the same contents as those at the paths, wherever they lie: 1, 0, or -1 and e. */
static int same_sources(const ae_json *list, const char *const *paths, int n, ae_err *e)
{
    if (ae_json_count(list) != n) {
        return 0;
    }
    ae_json *now = ae_text_sources(paths, n, e);
    if (!now) {
        return -1;
    }
    int same = 1;
    const ae_json *a = ae_json_first(list), *b = ae_json_first(now);
    for (; a && b; a = ae_json_next(a), b = ae_json_next(b)) {
        same = same && same_text(ae_json_get(a, "hash"), ae_json_get(b, "hash")) &&
               same_text(ae_json_get(a, "bytes"), ae_json_get(b, "bytes"));
    }
    ae_json_free(now);
    return same;
}

static ae_json *read_about(const char *path)
{
    ae_err ignored = {0};
    ae_h5 *f = ae_h5_open(path, &ignored);
    char *text = f ? ae_h5_read_text(f, "about", &ignored) : NULL;
    ae_json *about = text ? ae_json_parse(text, strlen(text), &ignored) : NULL;
    free(text);
    ae_h5_close(f);
    return about;
}

int ae_instances_match(const char *path, const char *const *paths, int n, const ae_tokenizer *t,
                       const ae_instance_options *options, ae_err *e)
{
    ae_instance_options o = *options;
    ae_err ignored = {0};
    for (int i = 0; i < n; i++) {
        if (strcmp(paths[i], "-") == 0) {
            return 0;
        }
    }
    if (ae_instance_options_check(&o, t, &ignored) != 0) {
        return 0;
    }
    ae_json *about = read_about(path), *wanted = ae_instances_about(t, &o);
    static const char *const keys[] = {"format", "objective", "options", "tokenizer_hash"};
    int same = about != NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        same = same && same_text(ae_json_get(about, keys[i]), ae_json_get(wanted, keys[i]));
    }
    if (same == 1) {
        same = same_sources(ae_json_get(about, "sources"), paths, n, e);
    }
    if (same == 1) {
        same = same_sources(ae_json_get(about, "exclude"), o.exclude, o.n_exclude, e);
    }
    ae_json_free(about);
    ae_json_free(wanted);
    return same;
}
