#include "apps/command_table.h"
#include "apps/tokenizer_run.h"
#include "tensor/byte_buffer.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const stages[] = {"normalizer", "pre_tokenizer", "model", "post_processor", "decoder"};
static const char *const roles[AE_TOKEN_ROLES] = {"pad", "unknown", "cls", "sep", "mask"};

enum { STAGES = sizeof stages / sizeof *stages };

/* "BertNormalizer", or the members of a Sequence with blanks between: what a stage is made of. */
static void describe(const ae_json *stage, ae_bytes *text)
{
    static const char *const lists[] = {"normalizers", "pretokenizers", "processors", "decoders"};
    const char *type = ae_json_string(stage, "type", "none", NULL);
    if (strcmp(type, "Sequence") != 0) {
        ae_bytes_printf(text, "%s%s", text->length ? " " : "", type);
        return;
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const ae_json *members = ae_json_get(stage, lists[i]);
        for (const ae_json *m = ae_json_first(members); m; m = ae_json_next(m)) {
            describe(m, text);
        }
    }
}

/* The roles that an id has, with blanks between. */
static void roles_of(const ae_tokenizer *t, int32_t id, char text[64])
{
    text[0] = '\0';
    for (int role = 0; role < AE_TOKEN_ROLES; role++) {
        if (ae_tokenizer_role(t, (ae_token_role)role) == id) {
            snprintf(text + strlen(text), 64 - strlen(text), "%s%s", *text ? " " : "", roles[role]);
        }
    }
}

/* The id that a word of the command line means, or -1: a token, else a number within the vocabulary. */
static int32_t look_up(const ae_tokenizer *t, const char *word)
{
    int32_t id = ae_tokenizer_id(t, word, strlen(word));
    if (id >= 0 || !isdigit((unsigned char)*word)) {
        return id;
    }
    char *end;
    long number = strtol(word, &end, 10);
    return *end == '\0' && number < ae_tokenizer_size(t) && ae_tokenizer_token(t, (int32_t)number, NULL)
               ? (int32_t)number
               : -1;
}

/* ---- as text ----------------------------------------------------------------------------------------------------- */

static void print_id(ae_run *run, const ae_tokenizer *t, int32_t id)
{
    char text[64];
    size_t bytes;
    const char *token = ae_tokenizer_token(t, id, &bytes);
    roles_of(t, id, text);
    fprintf(run->out, "%8d  %.*s%s%s%s%s\n", (int)id, (int)bytes, token,
            ae_tokenizer_is_special(t, id) ? "  special" : "",
            ae_tokenizer_continues(t, id) ? "  goes on with a word" : "", *text ? "  " : "", text);
}

static int print_words(ae_run *run, const ae_tokenizer *t)
{
    int unknown = 0;
    for (int i = 1; i < ae_options_arguments(run->options); i++) {
        const char *word = ae_options_argument(run->options, i);
        int32_t id = look_up(t, word);
        if (id >= 0) {
            print_id(run, t, id);
        } else {
            fprintf(run->out, "%8s  %s: no token and no id\n", "-", word);
            unknown++;
        }
    }
    return unknown ? AE_EXIT_NO : AE_EXIT_DONE;
}

static int print_all(ae_run *run, const ae_tokenizer *t, const ae_json *json)
{
    const ae_json *model = ae_json_get(json, "model");
    int special = 0;
    for (int32_t id = 0; id < ae_tokenizer_size(t); id++) {
        special += ae_tokenizer_is_special(t, id);
    }
    fprintf(run->out, "%-14s %s\n", "kind", ae_tokenizer_kind(t));
    fprintf(run->out, "%-14s %d tokens, %d of them special, %d merges\n", "size", (int)ae_tokenizer_size(t), special,
            ae_json_count(ae_json_get(model, "merges")));
    for (int i = 0; i < STAGES; i++) {
        ae_bytes text = {0};
        describe(ae_json_get(json, stages[i]), &text);
        fprintf(run->out, "%-14s %s\n", stages[i], text.failed ? "?" : text.data);
        ae_bytes_free(&text);
    }
    fprintf(run->out, "%-14s %016" PRIx64 "\n", "hash", ae_tokenizer_hash(t));
    for (int32_t id = 0; id < ae_tokenizer_size(t); id++) {
        if (ae_tokenizer_is_special(t, id)) {
            print_id(run, t, id);
        }
    }
    return AE_EXIT_DONE;
}

/* ---- as JSON ----------------------------------------------------------------------------------------------------- */

static ae_json *id_json(const ae_tokenizer *t, int32_t id)
{
    ae_json *object = ae_json_new_object(), *list = ae_json_new_array();
    size_t bytes;
    const char *token = ae_tokenizer_token(t, id, &bytes);
    for (int role = 0; role < AE_TOKEN_ROLES; role++) {
        if (ae_tokenizer_role(t, (ae_token_role)role) == id) {
            ae_json_add(list, NULL, ae_json_new_string(roles[role]));
        }
    }
    ae_json_set_int(object, "id", id);
    ae_json_set(object, "token", ae_json_new_bytes(token, bytes));
    ae_json_set_bool(object, "special", ae_tokenizer_is_special(t, id));
    ae_json_set_bool(object, "continues", ae_tokenizer_continues(t, id));
    ae_json_set(object, "roles", list);
    return object;
}

static int print_words_json(ae_run *run, const ae_tokenizer *t)
{
    ae_json *object = ae_json_new_object(), *list = ae_json_new_array();
    int unknown = 0;
    for (int i = 1; i < ae_options_arguments(run->options); i++) {
        int32_t id = look_up(t, ae_options_argument(run->options, i));
        ae_json_add(list, NULL, id >= 0 ? id_json(t, id) : ae_json_new_null());
        unknown += id < 0;
    }
    ae_json_set(object, "tokens", list);
    return ae_run_print_json(run, object) ? -1 : unknown ? AE_EXIT_NO : AE_EXIT_DONE;
}

static int print_all_json(ae_run *run, const ae_tokenizer *t, const ae_json *json)
{
    char hash[32];
    ae_json *object = ae_json_new_object(), *special = ae_json_new_array();
    snprintf(hash, sizeof hash, "%016" PRIx64, ae_tokenizer_hash(t));
    ae_json_set_string(object, "kind", ae_tokenizer_kind(t));
    ae_json_set_int(object, "size", ae_tokenizer_size(t));
    ae_json_set_int(object, "merges", ae_json_count(ae_json_get(ae_json_get(json, "model"), "merges")));
    for (int i = 0; i < STAGES; i++) {
        const ae_json *stage = ae_json_get(json, stages[i]);
        /* The model's vocabulary is in the file; its type says enough here. */
        ae_json_set(object, stages[i],
                    i == 2  ? ae_json_new_string(ae_json_string(stage, "type", NULL, NULL))
                    : stage ? ae_json_copy(stage)
                            : ae_json_new_null());
    }
    ae_json_set_string(object, "hash", hash);
    for (int32_t id = 0; id < ae_tokenizer_size(t); id++) {
        if (ae_tokenizer_is_special(t, id)) {
            ae_json_add(special, NULL, id_json(t, id));
        }
    }
    ae_json_set(object, "special", special);
    return ae_run_print_json(run, object);
}

static int run_inspect(ae_run *run)
{
    ae_tokenizer *t = ae_run_tokenizer(run, ae_options_argument(run->options, 0));
    if (!t) {
        return -1;
    }
    int status;
    if (ae_options_arguments(run->options) > 1) {
        status = run->json ? print_words_json(run, t) : print_words(run, t);
    } else {
        ae_json *json = ae_tokenizer_json(t, &run->error);
        status = !json ? -1 : run->json ? print_all_json(run, t, json) : print_all(run, t, json);
        ae_json_free(json);
    }
    ae_tokenizer_free(t);
    return status;
}

static const char *const options[] = {"kind", "lower-case", "strip-accents", "split-chinese", "json", NULL};

const ae_command ae_cmd_tokenizer_inspect = {
    .name = "tokenizer inspect",
    .summary = "show what a tokenizer is made of, or look tokens and ids up",
    .usage = "PATH [TOKEN|ID...]",
    .details =
        "Without words it prints the kind, the size, the stages and the special tokens. Each word is looked up as a "
        "token, and as an id when it is a number and no token; the exit status is 1 when one is neither.",
    .options = options,
    .arguments_min = 1,
    .arguments_max = -1,
    .run = run_inspect,
};
