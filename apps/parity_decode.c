/* Cases of generation: the ids, and the logits behind each choice. */
#include "apps/parity_internal.h"

/* A token's id: what the call says, else the configuration; -1 for null. */
static int64_t token_of(const ae_case *c, const ae_json *generate, const char *name, ae_err *e)
{
    const ae_json *from = ae_json_get(generate, name) ? generate : c->config;
    return ae_json_is_null(ae_json_get(from, name)) ? -1 : ae_json_int(from, name, -1, e);
}

/* The first option of a call that changes greedy choices and is not known here; NULL when there is none. */
static const char *unknown_option(const ae_json *generate, ae_err *e)
{
    static const struct {
        const char *name;
        double neutral;
    } options[] = {{"repetition_penalty", 1}, {"no_repeat_ngram_size", 0}, {"min_length", 0}, {"min_new_tokens", 0}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        bool set = !ae_json_is_null(ae_json_get(generate, options[i].name));
        if (set && ae_json_double(generate, options[i].name, 0, e) != options[i].neutral) {
            return options[i].name;
        }
    }
    return NULL;
}

int ae_case_run_decode(const ae_case *c, bool packed, ae_tensors *outputs, ae_err *e)
{
    (void)packed;
    ae_parity_model p;
    const ae_json *generate = ae_json_need_object(c->meta, "generate", e);
    const ae_tensor *ids = ae_tensors_get(c->inputs, "input_ids");
    if (!generate || !ids || ae_parity_build(c, &p, e) != 0) {
        return ae_err_set(e, AE_E_MISSING, "%s: a case of decoding needs \"generate\" and input_ids", c->dir);
    }
    ae_decoder d;
    ae_tensor *sequences = NULL, *scores = NULL;
    if (!p.row->decoder || ae_json_int(generate, "num_beams", 1, e) != 1 ||
        ae_json_bool(generate, "do_sample", false, e)) {
        ae_err_set(e, AE_E_UNSUPPORTED, "%s: %s generates greedily here at most", c->dir, p.row->class_name);
    } else if (unknown_option(generate, e)) {
        ae_err_set(e, AE_E_UNSUPPORTED, "%s: generation with \"%s\" is not known to this version", c->dir,
                   unknown_option(generate, e));
    } else {
        d = p.row->decoder(p.self);
        ae_generate_options o = {.max_new_tokens = ae_json_need_int(generate, "max_new_tokens", e)};
        o.eos_token_id = token_of(c, generate, "eos_token_id", e);
        o.pad_token_id = token_of(c, generate, "pad_token_id", e);
        if (!e->code && ae_generate(p.graph, &d, ids, ae_tensors_get(c->inputs, "attention_mask"), &o, &sequences,
                                    &scores, e) == 0) {
            ae_tensors_add(outputs, "sequences", sequences, e);
            ae_tensors_add(outputs, "scores", scores, e);
        }
    }
    ae_parity_free(&p);
    return e->code ? -1 : 0;
}
