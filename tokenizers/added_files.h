/* What the files of a folder say of added tokens: tokenizer_config.json, special_tokens_map.json, added_tokens.json.
 * Internal to tokenizers/. */
#ifndef AE_TOKENIZERS_ADDED_FILES_H
#define AE_TOKENIZERS_ADDED_FILES_H

#include "tokenizers/kinds.h"
#include "tokenizers/vocab.h"

typedef struct ae_added_specs {
    ae_added_spec *list; /* contents are borrowed from the files and the kind */
    int count, room;
} ae_added_specs;

/* All that the files name, and those of the kind's special tokens that are in the vocabulary. Of a token that several
 * name, "added_tokens_decoder" counts first, then the objects of special_tokens_map.json and tokenizer_config.json; the
 * id of added_tokens.json counts where there is no other. Files may be NULL. -1 and e filled: no memory, or more than
 * AE_ADDED_FILES_MAX tokens. */
enum { AE_ADDED_FILES_MAX = 16384 };

int ae_added_gather(ae_added_specs *s, const ae_json *config, const ae_json *special, const ae_json *added,
                    const ae_kind *kind, const ae_vocab *v, ae_err *e);

/* The kind of which a tokenizer_config.json speaks with "tokenizer_class"; NULL: none that is known. */
const char *ae_kind_of_config(const ae_json *config);

#endif
