/* EnglishWords: a text becomes words between blanks, by the rules that its parameter names. No component of Hugging
 * Face's library does this, and it refuses a tokenizer.json that has it. */
#include "tokenizers/component.h"
#include "tokenizers/english_words.h"

#include <stdlib.h>

static const char *const names[] = {"treebank", "nltk", "moses"};

typedef enum rules { TREEBANK, NLTK, MOSES, RULES } rules;

typedef struct english {
    rules rules;
    bool aggressive, escape; /* MOSES only */
    bool lowercase;          /* afterwards */
} english;

static void *from_json(const ae_json *object, ae_err *e)
{
    const char *name = ae_json_need_string(object, "rules", e);
    ae_err local = {0};
    english read = {.rules = RULES,
                    .aggressive = ae_json_bool(object, "aggressive", false, &local),
                    .escape = ae_json_bool(object, "escape", false, &local),
                    .lowercase = ae_json_bool(object, "lowercase", false, &local)};
    for (int i = 0; name && i < RULES; i++) {
        read.rules = strcmp(name, names[i]) == 0 ? (rules)i : read.rules;
    }
    if (!name || local.code || read.rules == RULES) {
        ae_err_set(e, local.code ? local.code : AE_E_VALUE,
                   local.code ? "%s"
                              : "\"rules\" is \"%s\"; it may be "
                                "treebank, nltk or moses",
                   local.code ? local.message
                   : name     ? name
                              : "");
        return NULL;
    }
    english *n = malloc(sizeof *n);
    if (!n) {
        ae_err_set(e, AE_E_MEMORY, "no memory");
        return NULL;
    }
    *n = read;
    return n;
}

static int to_json(const void *self, ae_json *object)
{
    const english *n = self;
    ae_json_set_string(object, "rules", names[n->rules]);
    if (n->rules == MOSES) {
        ae_json_set_bool(object, "aggressive", n->aggressive);
        ae_json_set_bool(object, "escape", n->escape);
    }
    return ae_json_set_bool(object, "lowercase", n->lowercase);
}

const char *ae_english_rules(const void *self)
{
    return names[((const english *)self)->rules];
}

static void part(const english *n, ae_cells *x)
{
    if (n->rules == TREEBANK) {
        ae_english_treebank(x);
    } else if (n->rules == NLTK) {
        ae_english_nltk(x);
    } else {
        ae_english_moses(x, n->aggressive, n->escape);
    }
    for (size_t i = 0; i < x->n; i++) { /* separators of files and the like, which Python takes for blanks */
        x->at[i].c = x->at[i].c >= 0x1c && x->at[i].c <= 0x1f ? ' ' : x->at[i].c;
    }
}

static int apply(const void *self, ae_work *w)
{
    const english *n = self;
    const ae_aligned *t = &w->text;
    ae_cells x = {0};
    for (size_t start = 0, end; start < t->length; start = end) {
        const char *stop = n->rules == NLTK ? NULL : memchr(t->bytes + start, '\n', t->length - start);
        end = stop ? (size_t)(stop - t->bytes) : t->length;
        ae_cells_read(&x, t, start, end);
        part(n, &x);
        ae_cells_write(&x, &w->other);
        if (stop) {
            ae_aligned_copy(&w->other, t, end, end + 1);
            end++;
        }
    }
    ae_cells_free(&x);
    ae_work_swap_text(w);
    if (n->lowercase) {
        ae_normalize_lower(w, false);
    }
    return 0;
}

const ae_normalizer_row ae_normalizer_english_words = {{"EnglishWords", from_json, to_json, NULL}, apply, NULL};
