#include "tokenizers/vocab.h"

#include <stdio.h>
#include <stdlib.h>

static int no_memory(ae_err *e)
{
    return ae_err_set(e, AE_E_MEMORY, "no memory for the vocabulary");
}

ae_vocab *ae_vocab_new(void)
{
    return calloc(1, sizeof(ae_vocab));
}

void ae_vocab_free(ae_vocab *v)
{
    if (v) {
        free(v->bytes);
        free(v->entries);
        free(v->slots);
        free(v);
    }
}

static ae_vocab_slot *slot_of(const ae_vocab *v, const char *token, size_t bytes)
{
    uint64_t h = ae_hash_bytes(token, bytes);
    for (uint32_t i = (uint32_t)h & v->mask;; i = (i + 1) & v->mask) {
        ae_vocab_slot *s = &v->slots[i];
        if (s->id < 0) {
            return s;
        }
        const ae_vocab_entry *x = &v->entries[s->id];
        if (s->tag == h >> 32 && x->length == bytes && memcmp(v->bytes + x->offset, token, bytes) == 0) {
            return s;
        }
    }
}

static int grow_slots(ae_vocab *v)
{
    uint32_t count = v->slots ? (v->mask + 1) * 2 : 64;
    ae_vocab_slot *old = v->slots, *slots = malloc(count * sizeof *slots);
    if (!slots) {
        return -1;
    }
    uint32_t old_count = old ? v->mask + 1 : 0;
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = (ae_vocab_slot){.id = -1};
    }
    v->slots = slots;
    v->mask = count - 1;
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].id >= 0) {
            const ae_vocab_entry *x = &v->entries[old[i].id];
            *slot_of(v, v->bytes + x->offset, x->length) = old[i];
        }
    }
    free(old);
    return 0;
}

static int grow_entries(ae_vocab *v, int32_t size)
{
    if (size > v->entries_room) {
        int32_t room = size > 2 * v->entries_room ? size : 2 * v->entries_room;
        ae_vocab_entry *entries = realloc(v->entries, (size_t)room * sizeof *entries);
        if (!entries) {
            return -1;
        }
        v->entries = entries;
        v->entries_room = room;
    }
    for (; v->size < size; v->size++) {
        v->entries[v->size] = (ae_vocab_entry){.length = AE_NO_TOKEN};
    }
    return 0;
}

static int grow_bytes(ae_vocab *v, size_t more)
{
    if (v->bytes_used + more > v->bytes_room) {
        size_t room = 2 * v->bytes_room + more + 1024;
        char *bytes = room <= UINT32_MAX ? realloc(v->bytes, room) : NULL;
        if (!bytes) {
            return -1;
        }
        v->bytes = bytes;
        v->bytes_room = room;
    }
    return 0;
}

int ae_vocab_add(ae_vocab *v, const char *token, size_t bytes, int64_t id, ae_err *e)
{
    if (id < 0 || id >= AE_VOCAB_MAX) {
        return ae_err_set(e, AE_E_VALUE, "the token \"%.60s\" has the id %lld; ids lie between 0 and %d", token,
                          (long long)id, AE_VOCAB_MAX - 1);
    }
    if (ae_vocab_token(v, (int32_t)id, NULL)) {
        return ae_err_set(e, AE_E_FORMAT, "the tokens \"%.60s\" and \"%.60s\" both have the id %lld",
                          ae_vocab_token(v, (int32_t)id, NULL), token, (long long)id);
    }
    if ((v->slots == NULL || (uint32_t)v->used * 2 >= v->mask) && grow_slots(v) != 0) {
        return no_memory(e);
    }
    if (grow_bytes(v, bytes + 1) != 0 || grow_entries(v, (int32_t)id + 1) != 0) {
        return no_memory(e);
    }
    memcpy(v->bytes + v->bytes_used, token, bytes);
    v->bytes[v->bytes_used + bytes] = '\0';
    ae_vocab_slot *s = slot_of(v, v->bytes + v->bytes_used, bytes);
    v->used += s->id < 0;
    *s = (ae_vocab_slot){(uint32_t)(ae_hash_bytes(token, bytes) >> 32), (int32_t)id};
    v->entries[id] = (ae_vocab_entry){(uint32_t)v->bytes_used, (uint32_t)bytes};
    v->bytes_used += bytes + 1;
    v->longest = bytes > v->longest ? (uint32_t)bytes : v->longest;
    v->lengths |= (uint64_t)1 << (bytes < 63 ? bytes : 63);
    return 0;
}

int32_t ae_vocab_find(const ae_vocab *v, const char *token, size_t bytes)
{
    if (!v->slots || !(v->lengths >> (bytes < 63 ? bytes : 63) & 1)) {
        return -1;
    }
    return slot_of(v, token, bytes)->id;
}

int32_t ae_vocab_find_byte(const ae_vocab *v, unsigned char byte)
{
    char token[8];
    int n = snprintf(token, sizeof token, "<0x%02X>", (unsigned)byte);
    return ae_vocab_find(v, token, (size_t)n);
}

const char *ae_vocab_token(const ae_vocab *v, int32_t id, size_t *bytes)
{
    if (id < 0 || id >= v->size || v->entries[id].length == AE_NO_TOKEN) {
        return NULL;
    }
    if (bytes) {
        *bytes = v->entries[id].length;
    }
    return v->bytes + v->entries[id].offset;
}

/* A key of the JSON tree as bytes: the tree shows a zero byte as C0 80. */
static size_t plain_key(char *key)
{
    size_t n = 0;
    for (const char *p = key; *p; p++) {
        bool zero = (unsigned char)p[0] == 0xc0 && (unsigned char)p[1] == 0x80;
        key[n++] = zero ? '\0' : *p;
        p += zero;
    }
    return n;
}

ae_vocab *ae_vocab_from_json(const ae_json *object, ae_err *e)
{
    ae_vocab *v = ae_vocab_new();
    if (!v) {
        no_memory(e);
        return NULL;
    }
    for (const ae_json *m = ae_json_first(object); m; m = ae_json_next(m)) {
        int64_t id = 0;
        if (ae_json_value_int(m, &id, e) != 0) {
            ae_err_prefix(e, "vocab: the id of \"%.60s\"", ae_json_key(m));
            ae_vocab_free(v);
            return NULL;
        }
        char *key = strdup(ae_json_key(m));
        if (!key || ae_vocab_add(v, key, plain_key(key), id, e) != 0) {
            if (!key) {
                no_memory(e);
            }
            ae_err_prefix(e, "vocab");
            free(key);
            ae_vocab_free(v);
            return NULL;
        }
        free(key);
    }
    return v;
}

static int add_key(ae_json *object, const char *token, size_t bytes, int64_t id, ae_err *e)
{
    const char *key = token;
    char *made = NULL;
    if (memchr(token, '\0', bytes)) {
        made = malloc(2 * bytes + 1);
        size_t n = 0;
        for (size_t i = 0; made && i < bytes; i++) {
            made[n++] = token[i] ? token[i] : (char)0xc0;
            if (!token[i]) {
                made[n++] = (char)0x80;
            }
        }
        if (made) {
            made[n] = '\0';
        }
        key = made;
    }
    int result = key ? ae_json_add(object, key, ae_json_new_int(id)) : -1;
    free(made);
    return result == 0 ? 0 : no_memory(e);
}

ae_json *ae_vocab_json(const ae_vocab *v, ae_err *e)
{
    ae_json *object = ae_json_new_object();
    if (!object) {
        no_memory(e);
        return NULL;
    }
    for (int32_t id = 0; id < v->size; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(v, id, &bytes);
        if (token && ae_vocab_find(v, token, bytes) == id && add_key(object, token, bytes, id, e) != 0) {
            ae_json_free(object);
            return NULL;
        }
    }
    return object;
}

uint64_t ae_vocab_hash(const ae_vocab *v)
{
    uint64_t h = 0;
    for (int32_t id = 0; id < v->size; id++) {
        size_t bytes = 0;
        const char *token = ae_vocab_token(v, id, &bytes);
        if (token && ae_vocab_find(v, token, bytes) == id) {
            uint64_t pair[3] = {h, ae_hash_bytes(token, bytes), (uint64_t)id};
            h = ae_hash_bytes(pair, sizeof pair);
        }
    }
    return h;
}
