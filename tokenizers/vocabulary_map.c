/* Which old tokens a new one goes back to: its spelling, its role, or what the old tokenizer makes of its text. */
#include "tokenizers/extend.h"
#include "tokenizers/tokenizer_internal.h"

#include <stdlib.h>

typedef struct mapping {
    const ae_tokenizer *old, *now;
    bool pieces;
    ae_encoding scratch;
    ae_vocabulary_map *map;
    int64_t room;
} mapping;

void ae_vocabulary_map_free(ae_vocabulary_map *map)
{
    free(map->origin);
    free(map->begin);
    free(map->old);
    memset(map, 0, sizeof *map);
}

int32_t ae_vocabulary_map_find(const ae_vocabulary_map *map, int32_t old)
{
    for (int32_t id = 0; id < map->size; id++) {
        if (map->origin[id] == AE_TOKEN_KEPT && map->old[map->begin[id]] == old) {
            return id;
        }
    }
    return -1;
}

static int add_old(mapping *m, int64_t *used, int32_t id)
{
    if (*used == m->room) {
        int64_t room = m->room * 2;
        int32_t *old = realloc(m->map->old, (size_t)room * sizeof *old);
        if (!old) {
            return -1;
        }
        m->map->old = old;
        m->room = room;
    }
    m->map->old[(*used)++] = id;
    return 0;
}

/* ---- one token ------------------------------------------------------------------------------------------------------ */

static int32_t same_spelling(const mapping *m, int32_t id, const char *token, size_t bytes)
{
    size_t n = 0;
    const char *there = ae_tokenizer_token(m->old, id, &n); /* a token may stand twice in a list */
    return there && n == bytes && memcmp(there, token, n) == 0 ? id : ae_tokenizer_id(m->old, token, bytes);
}

static int32_t same_role(const mapping *m, int32_t id)
{
    for (int role = 0; role < AE_TOKEN_ROLES; role++) {
        if (ae_tokenizer_role(m->now, (ae_token_role)role) == id) {
            return ae_tokenizer_role(m->old, (ae_token_role)role);
        }
    }
    return -1;
}

/* The text that a token stands for within a longer one, malloc'ed; NULL without memory. A byte-level tokenizer wants
 * words with the blank in front of them. */
static char *text_of(const mapping *m, int32_t id, const char *token, size_t bytes)
{
    const char *prefix = ((const ae_model_row *)m->now->model.row)->prefix(m->now->model.self);
    size_t n = strlen(prefix);
    if (n > 0 && ae_tokenizer_continues(m->now, id)) {
        return strndup(token + n, bytes - n);
    }
    char *text = ae_tokenizer_decode(m->now, &id, 1, false, NULL, NULL);
    bool letter = text && ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'));
    if (n == 0 || !letter || !m->old->byte_words) {
        return text;
    }
    char *apart = malloc(strlen(text) + 2);
    if (apart) {
        apart[0] = ' ';
        strcpy(apart + 1, text);
    }
    free(text);
    return apart;
}

/* Adds what the old tokenizer makes of the token; whether that is anything. */
static int add_pieces(mapping *m, int32_t id, const char *token, size_t bytes, int64_t *used, ae_err *e)
{
    ae_err local = {0};
    int64_t before = *used;
    char *text = text_of(m, id, token, bytes);
    if (!text) {
        return ae_err_set(e, AE_E_MEMORY, "no memory for a token's text");
    }
    int status = 0;
    int32_t unknown = ae_tokenizer_role(m->old, AE_TOKEN_UNKNOWN);
    /* A token that is part of a character has no text. */
    if (!strstr(text, "\xef\xbf\xbd") || ae_tokenizer_id(m->now, "\xef\xbf\xbd", 3) == id) {
        status = ae_tokenizer_encode(m->old, text, strlen(text), NULL, &m->scratch, &local);
        for (int64_t i = 0; i < m->scratch.count && status == 0; i++) {
            status = m->scratch.ids[i] == unknown ? 0 : add_old(m, used, m->scratch.ids[i]);
        }
    }
    free(text);
    if (status != 0 && local.code != AE_E_VALUE) { /* AE_E_VALUE: a word that the old tokenizer has no id for */
        return ae_err_set(e, AE_E_MEMORY, "no memory for the tokens of %d words", (int)m->map->size);
    }
    m->map->origin[id] = *used > before ? AE_TOKEN_PIECES : AE_TOKEN_NEW;
    return 0;
}

static int map_token(mapping *m, int32_t id, int64_t *used, ae_err *e)
{
    size_t bytes = 0;
    const char *token = ae_tokenizer_token(m->now, id, &bytes);
    m->map->origin[id] = AE_TOKEN_NEW;
    if (!token) {
        return 0;
    }
    int32_t old = same_spelling(m, id, token, bytes);
    old = old < 0 ? same_role(m, id) : old;
    if (old >= 0) {
        m->map->origin[id] = AE_TOKEN_KEPT;
        return add_old(m, used, old) == 0 ? 0
                                          : ae_err_set(e, AE_E_MEMORY, "no memory for %d tokens", (int)m->now->size);
    }
    return m->pieces ? add_pieces(m, id, token, bytes, used, e) : 0;
}

int ae_vocabulary_map_make(const ae_tokenizer *old, const ae_tokenizer *now, bool pieces, ae_vocabulary_map *map,
                           ae_err *e)
{
    size_t n = (size_t)now->size;
    *map = (ae_vocabulary_map){.size = now->size, .old_size = old->size};
    mapping m = {
        .old = old, .now = now, .pieces = pieces, .scratch = {.no_offsets = true}, .map = map, .room = (int64_t)n + 16};
    map->origin = malloc(n + 1);
    map->begin = calloc(n + 1, sizeof *map->begin);
    map->old = malloc((size_t)m.room * sizeof *map->old);
    int status = map->origin && map->begin && map->old
                     ? 0
                     : ae_err_set(e, AE_E_MEMORY, "no memory for %d tokens", (int)now->size);
    int64_t used = 0;
    for (int32_t id = 0; id < now->size && status == 0; id++) {
        status = map_token(&m, id, &used, e);
        map->begin[id + 1] = used;
    }
    ae_encoding_free(&m.scratch);
    return status;
}
