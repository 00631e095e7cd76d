#include "tensor/pickle.h"

#include "tensor/byte_buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB = 256, MEMO_GAP = 1000 };

typedef ae_pickle_value value;

typedef struct slab {
    struct slab *next;
    int used;
    value values[SLAB];
} slab;

struct ae_pickle {
    slab *slabs;
    value *root;
    value *persistent;
};

typedef struct machine {
    ae_pickle *p;
    const unsigned char *data;
    size_t bytes;
    size_t at;
    size_t opcode_at;
    value **stack;
    size_t depth;
    size_t stack_capacity;
    value **memo;
    size_t memo_count; /* places, some of which may be empty */
    size_t memo_capacity;
    size_t memo_filled;
    ae_err *e;
} machine;

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static int no_memory(machine *m)
{
    return ae_err_set(m->e, AE_E_MEMORY, "no memory for a pickle of %zu bytes", m->bytes);
}

static int damaged(machine *m, const char *what)
{
    return ae_err_set(m->e, AE_E_FORMAT, "the pickle is damaged at byte %zu: %s", m->opcode_at, what);
}

static value *new_value(machine *m, ae_pickle_kind kind)
{
    slab *s = m->p->slabs;
    if (!s || s->used == SLAB) {
        s = calloc(1, sizeof *s);
        if (!s) {
            no_memory(m);
            return NULL;
        }
        s->next = m->p->slabs;
        m->p->slabs = s;
    }
    value *v = &s->values[s->used++];
    v->kind = kind;
    return v;
}

static int push(machine *m, value *v)
{
    if (!v) {
        return -1;
    }
    if (m->depth == m->stack_capacity) {
        size_t capacity = m->stack_capacity ? 2 * m->stack_capacity : 64;
        value **stack = realloc(m->stack, capacity * sizeof *stack);
        if (!stack) {
            return no_memory(m);
        }
        m->stack = stack;
        m->stack_capacity = capacity;
    }
    m->stack[m->depth++] = v;
    return 0;
}

static value *pop(machine *m)
{
    if (m->depth == 0 || m->stack[m->depth - 1]->kind == AE_PICKLE_MARK) {
        damaged(m, "a value is missing on the stack");
        return NULL;
    }
    return m->stack[--m->depth];
}

/* The number of values above the last mark; -1 without a mark. */
static int64_t above_mark(machine *m)
{
    for (size_t i = m->depth; i-- > 0;) {
        if (m->stack[i]->kind == AE_PICKLE_MARK) {
            return (int64_t)(m->depth - i - 1);
        }
    }
    return damaged(m, "a mark is missing on the stack");
}

/* Moves the upper n values of the stack to the end of a container. */
static int take_items(machine *m, value *into, size_t n)
{
    if (n > m->depth) {
        return damaged(m, "values are missing on the stack");
    }
    if (into->count + n > into->capacity) {
        size_t capacity = into->count + n;
        capacity = into->count > 0 && capacity < 2 * into->count ? 2 * into->count : capacity;
        value **items = realloc(into->items, capacity * sizeof(value *));
        if (!items) {
            return no_memory(m);
        }
        into->items = items;
        into->capacity = capacity;
    }
    for (size_t i = 0; i < n; i++) {
        value *v = m->stack[m->depth - n + i];
        if (v->kind == AE_PICKLE_MARK) {
            return damaged(m, "a mark stands among the values");
        }
        into->items[into->count + i] = v;
    }
    into->count += n;
    m->depth -= n;
    return 0;
}

/* ---- reading arguments ----------------------------------------------------------------------------------------------- */

static const unsigned char *take_bytes(machine *m, uint64_t n)
{
    if (n > m->bytes - m->at) {
        damaged(m, "it ends in the middle of a value");
        return NULL;
    }
    const unsigned char *p = m->data + m->at;
    m->at += (size_t)n;
    return p;
}

/* A little-endian unsigned number of 1, 2, 4 or 8 bytes. */
static int take_number(machine *m, int width, uint64_t *number)
{
    const unsigned char *p = take_bytes(m, (uint64_t)width);
    if (!p) {
        return -1;
    }
    *number = 0;
    for (int i = 0; i < width; i++) {
        *number |= (uint64_t)p[i] << (8 * i);
    }
    return 0;
}

/* A line without its newline. */
static const char *take_line(machine *m, size_t *length)
{
    const unsigned char *p = m->data + m->at;
    const unsigned char *end = memchr(p, '\n', m->bytes - m->at);
    if (!end) {
        damaged(m, "a line without its end");
        return NULL;
    }
    *length = (size_t)(end - p);
    m->at += *length + 1;
    return (const char *)p;
}

static int push_int(machine *m, int64_t number)
{
    value *v = new_value(m, AE_PICKLE_INT);
    if (v) {
        v->integer = number;
    }
    return push(m, v);
}

static int push_bool(machine *m, bool yes)
{
    value *v = new_value(m, AE_PICKLE_BOOL);
    if (v) {
        v->integer = yes;
    }
    return push(m, v);
}

/* The decimal number of the opcodes INT ("00" and "01" are False and True) and LONG (with an L at its end). */
static int push_decimal(machine *m, bool is_long)
{
    size_t n = 0;
    const char *line = take_line(m, &n);
    if (!line) {
        return -1;
    }
    if (!is_long && n == 2 && line[0] == '0' && (line[1] == '0' || line[1] == '1')) {
        return push_bool(m, line[1] == '1');
    }
    n -= is_long && n > 0 && line[n - 1] == 'L';
    bool minus = n > 0 && line[0] == '-';
    int64_t number = 0;
    for (size_t i = minus; i < n; i++) {
        if (line[i] < '0' || line[i] > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, line[i] - '0', &number)) {
            return damaged(m, "a decimal number that is none, or too large");
        }
    }
    return n > (size_t)minus ? push_int(m, minus ? -number : number) : damaged(m, "an empty number");
}

/* Two's complement, little endian, of any length. */
static int push_long(machine *m, int width)
{
    uint64_t n = 0;
    if (take_number(m, width, &n) != 0) {
        return -1;
    }
    const unsigned char *p = take_bytes(m, n);
    if (!p) {
        return -1;
    }
    if (n > 8) {
        value *v = new_value(m, AE_PICKLE_LONG);
        if (v) {
            v->text = (const char *)p;
            v->length = (size_t)n;
        }
        return push(m, v);
    }
    uint64_t number = n > 0 && (p[n - 1] & 0x80) ? UINT64_MAX : 0;
    for (uint64_t i = n; i-- > 0;) {
        number = number << 8 | p[i];
    }
    return push_int(m, (int64_t)number);
}

static int push_float(machine *m)
{
    const unsigned char *p = take_bytes(m, 8);
    value *v = p ? new_value(m, AE_PICKLE_FLOAT) : NULL;
    if (v) {
        uint64_t bits = 0;
        for (int i = 0; i < 8; i++) {
            bits = bits << 8 | p[i]; /* the one big-endian number of the format */
        }
        memcpy(&v->real, &bits, sizeof bits);
    }
    return push(m, v);
}

static int push_text(machine *m, int width)
{
    uint64_t n = 0;
    if (take_number(m, width, &n) != 0) {
        return -1;
    }
    const unsigned char *p = take_bytes(m, n);
    value *v = p ? new_value(m, AE_PICKLE_TEXT) : NULL;
    if (v) {
        v->text = (const char *)p;
        v->length = (size_t)n;
    }
    return push(m, v);
}

/* ---- containers, memo, objects ----------------------------------------------------------------------------------------- */

static int push_container(machine *m, ae_pickle_kind kind, int64_t n)
{
    value *v = n >= 0 ? new_value(m, kind) : NULL;
    return v && take_items(m, v, (size_t)n) == 0 ? push(m, v) : -1;
}

/* The same from all values above the mark, which goes too. */
static int push_marked(machine *m, ae_pickle_kind kind)
{
    int64_t n = above_mark(m);
    value *v = n >= 0 ? new_value(m, kind) : NULL;
    if (!v || take_items(m, v, (size_t)n) != 0) {
        return -1;
    }
    m->depth--;
    if (kind == AE_PICKLE_DICT && n % 2 != 0) {
        return damaged(m, "a key without its value");
    }
    return push(m, v);
}

/* Moves n values, or (n < 0) those above the mark, into the container below them. */
static int add_to_container(machine *m, int64_t n, bool pairs)
{
    bool marked = n < 0;
    n = marked ? above_mark(m) : n;
    size_t below = (size_t)n + marked + 1;
    if (n < 0 || m->depth < below) {
        return n < 0 ? -1 : damaged(m, "a container is missing on the stack");
    }
    value *into = m->stack[m->depth - below];
    bool object = into->kind == AE_PICKLE_CALL || into->kind == AE_PICKLE_INSTANCE;
    if (!object && into->kind != (pairs ? AE_PICKLE_DICT : AE_PICKLE_LIST)) {
        return damaged(m, "values are added to something that is no container of them");
    }
    if (pairs && n % 2 != 0) {
        return damaged(m, "a key without its value");
    }
    if (!pairs && object) { /* a list's subclass: nothing here needs what is in it */
        m->depth -= (size_t)n + marked;
        return 0;
    }
    if (take_items(m, into, (size_t)n) != 0) {
        return -1;
    }
    m->depth -= marked;
    return 0;
}

static int memo_put(machine *m, uint64_t place)
{
    if (m->depth == 0) {
        return damaged(m, "nothing to remember");
    }
    if (place > 2 * m->memo_filled + MEMO_GAP) { /* picklers count from 0 or 1; a gap would only ask for memory */
        return damaged(m, "a memo number far beyond the others");
    }
    if (place >= m->memo_capacity) {
        size_t capacity = 2 * (size_t)place + 64;
        value **memo = realloc(m->memo, capacity * sizeof *memo);
        if (!memo) {
            return no_memory(m);
        }
        memset(memo + m->memo_capacity, 0, (capacity - m->memo_capacity) * sizeof *memo);
        m->memo = memo;
        m->memo_capacity = capacity;
    }
    if (!m->memo[place]) {
        m->memo_filled++;
    }
    if (place >= m->memo_count) {
        m->memo_count = (size_t)place + 1;
    }
    m->memo[place] = m->stack[m->depth - 1];
    return m->memo[place]->kind == AE_PICKLE_MARK ? damaged(m, "a mark cannot be remembered") : 0;
}

static int memo_get(machine *m, uint64_t place)
{
    if (place >= m->memo_count || !m->memo[place]) {
        return damaged(m, "a memo number that was never set");
    }
    return push(m, m->memo[place]);
}

static int memo_numbered(machine *m, int width, bool put)
{
    uint64_t place = 0;
    if (take_number(m, width, &place) != 0) {
        return -1;
    }
    return put ? memo_put(m, place) : memo_get(m, place);
}

/* The text forms: a decimal line. */
static int memo_line(machine *m, bool put)
{
    if (push_decimal(m, false) != 0) {
        return -1;
    }
    int64_t place = m->stack[--m->depth]->integer;
    if (place < 0) {
        return damaged(m, "a negative memo number");
    }
    return put ? memo_put(m, (uint64_t)place) : memo_get(m, (uint64_t)place);
}

static value *new_global(machine *m, const char *module, size_t length, const char *name, size_t name_length)
{
    value *v = new_value(m, AE_PICKLE_GLOBAL);
    if (v) {
        v->text = module;
        v->length = length;
        v->name = name;
        v->name_length = name_length;
    }
    return v;
}

static value *take_global(machine *m)
{
    size_t length = 0, name_length = 0;
    const char *module = take_line(m, &length);
    const char *name = module ? take_line(m, &name_length) : NULL;
    return name ? new_global(m, module, length, name, name_length) : NULL;
}

static int push_stack_global(machine *m)
{
    value *name = pop(m), *module = name ? pop(m) : NULL;
    if (!module) {
        return -1;
    }
    if (name->kind != AE_PICKLE_TEXT || module->kind != AE_PICKLE_TEXT) {
        return damaged(m, "a global whose name is no text");
    }
    return push(m, new_global(m, module->text, module->length, name->text, name->length));
}

/* Old PyTorch files name the class of a module through a persistent ("module", class, file, source). */
static value *persistent_class(value *v)
{
    bool is_class = v->kind == AE_PICKLE_PERSISTENT && v->args->kind == AE_PICKLE_TUPLE && v->args->count > 1 &&
                    ae_pickle_text_is(v->args->items[0], "module");
    return is_class ? v->args->items[1] : v;
}

static int push_object(machine *m, ae_pickle_kind kind, value *callable, value *args)
{
    if (!callable || !args) {
        return -1;
    }
    callable = persistent_class(callable);
    if (callable->kind != AE_PICKLE_GLOBAL) {
        return damaged(m, "a call of something that is no global");
    }
    value *v = new_value(m, kind);
    if (v) {
        v->callable = callable;
        v->args = args;
    }
    return push(m, v);
}

/* callable and arguments from the stack; `extra` further values between them and the top are dropped. */
static int push_call(machine *m, ae_pickle_kind kind, int extra)
{
    for (int i = 0; i < extra; i++) {
        if (!pop(m)) {
            return -1;
        }
    }
    value *args = pop(m), *callable = args ? pop(m) : NULL;
    if (args && callable && args->kind != AE_PICKLE_TUPLE) {
        return damaged(m, "the arguments of a call are no tuple");
    }
    return push_object(m, kind, callable, args);
}

/* INST names its class in the text, OBJ has it as the first value above the mark. */
static int push_marked_object(machine *m, bool named)
{
    value *callable = named ? take_global(m) : NULL;
    if ((named && !callable) || push_marked(m, AE_PICKLE_TUPLE) != 0) {
        return -1;
    }
    value *args = pop(m);
    if (!named) {
        if (args->count == 0) {
            return damaged(m, "an object without a class");
        }
        callable = args->items[0];
        memmove(args->items, args->items + 1, --args->count * sizeof *args->items);
    }
    return push_object(m, AE_PICKLE_INSTANCE, callable, args);
}

static int build(machine *m)
{
    value *state = pop(m);
    if (!state) {
        return -1;
    }
    if (m->depth == 0) {
        return damaged(m, "an object is missing on the stack");
    }
    m->stack[m->depth - 1]->state = state;
    return 0;
}

static int push_persistent(machine *m)
{
    value *id = pop(m), *v = id ? new_value(m, AE_PICKLE_PERSISTENT) : NULL;
    if (v) {
        v->args = id;
        v->next_persistent = m->p->persistent;
        m->p->persistent = v;
    }
    return push(m, v);
}

/* ---- opcodes ----------------------------------------------------------------------------------------------------- */

static int skip_number(machine *m, int width)
{
    uint64_t ignored;
    return take_number(m, width, &ignored);
}

static int push_unsigned(machine *m, int width)
{
    uint64_t number = 0;
    if (take_number(m, width, &number) != 0) {
        return -1;
    }
    return push_int(m, width == 4 ? (int32_t)(uint32_t)number : (int64_t)number); /* only the 4-byte form has a sign */
}

static int drop_to_mark(machine *m)
{
    int64_t n = above_mark(m);
    m->depth -= n >= 0 ? (size_t)n + 1 : 0;
    return n >= 0 ? 0 : -1;
}

/* Opcodes that move containers and objects; 1 when the opcode is none of them. */
static int run_structure(machine *m, unsigned char opcode)
{
    switch (opcode) {
    case '(':
        return push(m, new_value(m, AE_PICKLE_MARK));
    case '0':
        return m->depth > 0 && m->stack[m->depth - 1]->kind == AE_PICKLE_MARK ? (m->depth--, 0) : pop(m) ? 0 : -1;
    case '1':
        return drop_to_mark(m);
    case '2':
        return m->depth > 0 ? push(m, m->stack[m->depth - 1]) : damaged(m, "nothing to repeat");
    case ']':
    case 0x8f: /* EMPTY_SET */
        return push_container(m, AE_PICKLE_LIST, 0);
    case ')':
        return push_container(m, AE_PICKLE_TUPLE, 0);
    case '}':
        return push_container(m, AE_PICKLE_DICT, 0);
    case 0x85:
    case 0x86:
    case 0x87: /* TUPLE1, TUPLE2, TUPLE3 */
        return push_container(m, AE_PICKLE_TUPLE, opcode - 0x84);
    case 't':
        return push_marked(m, AE_PICKLE_TUPLE);
    case 'l':
    case 0x91: /* FROZENSET */
        return push_marked(m, AE_PICKLE_LIST);
    case 'd':
        return push_marked(m, AE_PICKLE_DICT);
    case 'a':
        return add_to_container(m, 1, false);
    case 'e':
    case 0x90: /* ADDITEMS */
        return add_to_container(m, -1, false);
    case 's':
        return add_to_container(m, 2, true);
    case 'u':
        return add_to_container(m, -1, true);
    case 'c':
        return push(m, take_global(m));
    case 0x93:
        return push_stack_global(m);
    case 'R':
        return push_call(m, AE_PICKLE_CALL, 0);
    case 0x81: /* NEWOBJ */
        return push_call(m, AE_PICKLE_INSTANCE, 0);
    case 0x92: /* NEWOBJ_EX: keyword arguments are on top */
        return push_call(m, AE_PICKLE_INSTANCE, 1);
    case 'i':
        return push_marked_object(m, true);
    case 'o':
        return push_marked_object(m, false);
    case 'b':
        return build(m);
    case 'Q':
        return push_persistent(m);
    default:
        return 1;
    }
}

/* Opcodes of plain values and the memo; 1 when the opcode is none of them. */
static int run_value(machine *m, unsigned char opcode)
{
    switch (opcode) {
    case 0x80: /* PROTO */
        return skip_number(m, 1);
    case 0x95: /* FRAME */
        return skip_number(m, 8);
    case 'N':
        return push(m, new_value(m, AE_PICKLE_NONE));
    case 0x88:
    case 0x89:
        return push_bool(m, opcode == 0x88);
    case 'I':
    case 'L':
        return push_decimal(m, opcode == 'L');
    case 'K':
        return push_unsigned(m, 1);
    case 'M':
        return push_unsigned(m, 2);
    case 'J':
        return push_unsigned(m, 4);
    case 0x8a:
        return push_long(m, 1);
    case 0x8b:
        return push_long(m, 4);
    case 'G':
        return push_float(m);
    case 'U':
    case 'C':
    case 0x8c: /* short str, bytes, unicode */
        return push_text(m, 1);
    case 'T':
    case 'B':
    case 'X':
        return push_text(m, 4);
    case 0x8d:
    case 0x8e:
    case 0x96: /* unicode, bytes, bytearray of 8-byte length */
        return push_text(m, 8);
    case 'h':
        return memo_numbered(m, 1, false);
    case 'j':
        return memo_numbered(m, 4, false);
    case 'q':
        return memo_numbered(m, 1, true);
    case 'r':
        return memo_numbered(m, 4, true);
    case 'g':
        return memo_line(m, false);
    case 'p':
        return memo_line(m, true);
    case 0x94: /* MEMOIZE */
        return memo_put(m, m->memo_filled);
    default:
        return 1;
    }
}

static int run(machine *m)
{
    while (m->at < m->bytes) {
        m->opcode_at = m->at;
        unsigned char opcode = m->data[m->at++];
        if (opcode == '.') {
            m->p->root = pop(m);
            return m->p->root ? 0 : -1;
        }
        int result = run_structure(m, opcode);
        result = result == 1 ? run_value(m, opcode) : result;
        if (result == 1) {
            return ae_err_set(m->e, AE_E_UNSUPPORTED, "the pickle's opcode 0x%02x at byte %zu is not supported", opcode,
                              m->opcode_at);
        }
        if (result != 0) {
            return -1;
        }
    }
    m->opcode_at = m->at;
    return damaged(m, "it ends without its stop; is the file cut short?");
}

ae_pickle *ae_pickle_parse(const void *data, size_t bytes, size_t *used, ae_err *e)
{
    machine m = {.p = calloc(1, sizeof(ae_pickle)), .data = data, .bytes = bytes, .e = e};
    if (!m.p) {
        no_memory(&m);
        return NULL;
    }
    if (run(&m) != 0) {
        ae_pickle_free(m.p);
        m.p = NULL;
    }
    *used = m.at;
    free(m.stack);
    free(m.memo);
    return m.p;
}

void ae_pickle_free(ae_pickle *p)
{
    while (p && p->slabs) {
        slab *s = p->slabs;
        p->slabs = s->next;
        for (int i = 0; i < s->used; i++) {
            free(s->values[i].items);
        }
        free(s);
    }
    free(p);
}

value *ae_pickle_root(const ae_pickle *p)
{
    return p->root;
}

value *ae_pickle_first_persistent(const ae_pickle *p)
{
    return p->persistent;
}

static bool equals(const char *bytes, size_t length, const char *text)
{
    return length == strlen(text) && memcmp(bytes, text, length) == 0;
}

bool ae_pickle_is_global(const value *v, const char *module, const char *name)
{
    return v && v->kind == AE_PICKLE_GLOBAL && equals(v->text, v->length, module) &&
           equals(v->name, v->name_length, name);
}

bool ae_pickle_text_is(const value *v, const char *text)
{
    return v->kind == AE_PICKLE_TEXT && equals(v->text, v->length, text);
}

const char *ae_pickle_global_text(const value *v, char *text, size_t room)
{
    int module = v->length < 100 ? (int)v->length : 100, name = v->name_length < 100 ? (int)v->name_length : 100;
    snprintf(text, room, "%.*s.%.*s", module, v->text, name, v->name);
    for (char *c = text; *c; c++) {
        *c = (unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e ? '?' : *c; /* it may be anything */
    }
    return text;
}
