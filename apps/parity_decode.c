/* Cases of generation: the ids, and the logits behind each choice. */
#include "apps/parity_internal.h"
#include "zoo/beam_search.h"

#include <stdlib.h>
#include <string.h>

/* What a call of generate() asks for, with the memory of its lists. */
typedef struct request {
    ae_generate_options options;
    ae_beam_options beams;
    int64_t *ids; /* of eos and of the bad words */
    ae_token_list *words;
} request;

/* An option: what the call says, else the configuration; NULL when neither does or it is null. */
static const ae_json *option(const ae_case *c, const char *name)
{
    const ae_json *j = ae_json_get(ae_json_get(c->meta, "generate"), name);
    j = j ? j : ae_json_get(c->config, name);
    return j && !ae_json_is_null(j) ? j : NULL;
}

static double number(const ae_case *c, const char *name, double otherwise, ae_err *e)
{
    const ae_json *j = option(c, name);
    double value = otherwise;
    if (j && ae_json_value_double(j, &value, e) != 0) {
        return otherwise;
    }
    return value;
}

static int64_t whole(const ae_case *c, const char *name, int64_t otherwise, ae_err *e)
{
    const ae_json *j = option(c, name);
    int64_t value = otherwise;
    if (j && ae_json_value_int(j, &value, e) != 0) {
        return otherwise;
    }
    return value;
}

/* "early_stopping": false, true or "never". */
static ae_beam_stop stop_of(const ae_case *c, ae_err *e)
{
    const ae_json *j = option(c, "early_stopping");
    bool full = false;
    if (j && ae_json_type_of(j) == AE_JSON_STRING) {
        const char *text = "";
        if (ae_json_value_string(j, &text, e) == 0 && strcmp(text, "never") != 0) {
            ae_err_set(e, AE_E_VALUE, "early_stopping is \"%s\"; true, false and \"never\" exist", text);
        }
        return AE_BEAM_STOP_NEVER;
    }
    return j && ae_json_value_bool(j, &full, e) == 0 && full ? AE_BEAM_STOP_FULL : AE_BEAM_STOP_UNLIKELY;
}

/* Refuses what changes choices and is not known here. */
static int check_options(const ae_case *c, ae_err *e)
{
    static const char *const known[] = {
        "max_new_tokens", "max_length", "eos_token_id", "pad_token_id", "repetition_penalty", "no_repeat_ngram_size",
        "bad_words_ids", "min_length", "min_new_tokens",
        /* without effect on greedy choices: */
        "do_sample", "num_beams", "temperature", "top_k", "top_p", "typical_p", "length_penalty", "early_stopping",
        "use_cache", "output_scores", "return_dict_in_generate", "bos_token_id"};
    const ae_json *sample = option(c, "do_sample"), *generate = ae_json_get(c->meta, "generate");
    bool draws = false;
    if ((sample && ae_json_value_bool(sample, &draws, e) != 0) || draws) {
        return ae_err_set(e, AE_E_UNSUPPORTED, "%s: the tokens must be chosen without do_sample", c->dir);
    }
    for (const ae_json *j = ae_json_first(generate); j; j = ae_json_next(j)) {
        bool found = ae_json_is_null(j);
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(known[i], ae_json_key(j)) == 0;
        }
        if (!found) {
            return ae_err_set(e, AE_E_UNSUPPORTED, "%s: generation with \"%s\" is not known to this version", c->dir,
                              ae_json_key(j));
        }
    }
    return 0;
}

/* A token or a list of them behind *at, which moves on. */
static ae_token_list tokens(const ae_json *j, int64_t **at, ae_err *e)
{
    ae_token_list list = {*at, 0};
    if (j && ae_json_type_of(j) != AE_JSON_ARRAY) {
        list.count = ae_json_value_int(j, (*at)++, e) == 0;
        return list;
    }
    for (const ae_json *t = j ? ae_json_first(j) : NULL; t && ae_json_value_int(t, *at, e) == 0; t = ae_json_next(t)) {
        (*at)++;
        list.count++;
    }
    return list;
}

/* eos_token_id, one or several, and bad_words_ids, a list of lists. */
static int read_lists(const ae_case *c, request *r, ae_err *e)
{
    const ae_json *eos = option(c, "eos_token_id"), *words = option(c, "bad_words_ids");
    int64_t most = ae_json_count(eos) + 1;
    for (const ae_json *w = words ? ae_json_first(words) : NULL; w; w = ae_json_next(w)) {
        most += ae_json_count(w) + 1;
    }
    r->ids = calloc((size_t)most, sizeof *r->ids);
    r->words = calloc((size_t)ae_json_count(words) + 1, sizeof *r->words);
    if (!r->ids || !r->words) {
        return ae_err_set(e, AE_E_MEMORY, "%s: no memory for %lld tokens", c->dir, (long long)most);
    }
    int64_t *at = r->ids;
    r->options.eos = tokens(eos, &at, e);
    r->options.bad_words = r->words;
    for (const ae_json *w = words ? ae_json_first(words) : NULL; w; w = ae_json_next(w)) {
        r->words[r->options.bad_word_count++] = tokens(w, &at, e);
    }
    return e->code ? -1 : 0;
}

static int read_request(const ae_case *c, int64_t given, request *r, ae_err *e)
{
    ae_generate_options *o = &r->options;
    memset(r, 0, sizeof *r);
    if (check_options(c, e) != 0 || read_lists(c, r, e) != 0) {
        return -1;
    }
    o->max_new_tokens = whole(c, "max_new_tokens", whole(c, "max_length", 20, e) - given, e);
    o->pad_token_id = whole(c, "pad_token_id", -1, e);
    o->repetition_penalty = number(c, "repetition_penalty", 0, e);
    o->no_repeat_ngram_size = whole(c, "no_repeat_ngram_size", 0, e);
    o->min_length = whole(c, "min_length", 0, e);
    o->min_new_tokens = whole(c, "min_new_tokens", 0, e);
    r->beams = (ae_beam_options){.rules = *o,
                                 .num_beams = whole(c, "num_beams", 1, e),
                                 .length_penalty = number(c, "length_penalty", 1, e),
                                 .early_stopping = stop_of(c, e)};
    return e->code ? -1 : 0;
}

static int generate(const ae_case *c, ae_parity_model *p, const request *r, ae_tensors *outputs, ae_err *e)
{
    const ae_tensor *ids = ae_tensors_get(c->inputs, "input_ids"), *mask = ae_tensors_get(c->inputs, "attention_mask");
    ae_decoder d = p->row->decoder(p->self);
    ae_tensor *sequences = NULL, *scores = NULL, *totals = NULL;
    int status = r->beams.num_beams == 1
                     ? ae_generate(p->graph, &d, ids, mask, &r->options, &sequences, &scores, e)
                     : ae_beam_search(p->graph, &d, ids, mask, &r->beams, &sequences, &totals, &scores, e);
    if (status != 0) {
        return -1;
    }
    ae_tensors_add(outputs, "sequences", sequences, e);
    ae_tensors_add(outputs, "scores", scores, e);
    if (totals) {
        ae_tensors_add(outputs, "sequences_scores", totals, e);
    }
    return e->code ? -1 : 0;
}

int ae_case_run_decode(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e)
{
    (void)packed;
    ae_parity_model p;
    request r = {0};
    const ae_tensor *ids = ae_tensors_get(c->inputs, "input_ids");
    if (!ae_json_need_object(c->meta, "generate", e) || !ids || ae_parity_build(c, &p, e) != 0) {
        return ae_err_set(e, AE_E_MISSING, "%s: a case of decoding needs \"generate\" and input_ids", c->dir);
    }
    if (!p.row->decoder) {
        ae_err_set(e, AE_E_UNSUPPORTED, "%s: %s does not generate", c->dir, p.row->class_name);
    } else if (read_request(c, ae_dim(ids, -1), &r, e) == 0) {
        generate(c, &p, &r, outputs, e);
    }
    free(r.ids);
    free(r.words);
    ae_parity_free(&p);
    return e->code ? -1 : 0;
}
