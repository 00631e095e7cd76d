/* Weak stand-ins until the tokenizers and datasets are in the tree. */
#include "datasets/instances.h"
#define W __attribute__((weak))
#define NO(e) (ae_err_set(e, AE_E_UNSUPPORTED, "not in this tree yet"), NULL)
W ae_tokenizer *ae_tokenizer_from_json(const ae_json *j, ae_err *e)
{
    (void)j;
    return NO(e);
}
W void ae_tokenizer_free(ae_tokenizer *t)
{
    (void)t;
}
W ae_tokenizer *ae_tokenizer_open(const char *p, const ae_tokenizer_options *o, ae_err *e)
{
    (void)p;
    (void)o;
    return NO(e);
}
W uint64_t ae_tokenizer_hash(const ae_tokenizer *t)
{
    (void)t;
    return 0;
}
W int32_t ae_tokenizer_size(const ae_tokenizer *t)
{
    (void)t;
    return 0;
}
W int32_t ae_tokenizer_role(const ae_tokenizer *t, ae_token_role r)
{
    (void)t;
    (void)r;
    return -1;
}
W const char *ae_tokenizer_kind(const ae_tokenizer *t)
{
    (void)t;
    return "";
}
W ae_json *ae_tokenizer_json(const ae_tokenizer *t, ae_err *e)
{
    (void)t;
    return NO(e);
}
W char *ae_tokenizer_decode(const ae_tokenizer *t, const int32_t *i, int64_t c, bool s, size_t *b, ae_err *e)
{
    (void)t;
    (void)i;
    (void)c;
    (void)s;
    (void)b;
    return NO(e);
}
W int ae_tokenizer_encode(const ae_tokenizer *t, const char *text, size_t bytes, const ae_encode_options *o,
                          ae_encoding *out, ae_err *e)
{
    (void)t;
    (void)text;
    (void)bytes;
    (void)o;
    (void)out;
    (void)NO(e);
    return -1;
}
W int ae_tokenizer_encode_pair(const ae_tokenizer *t, const char *a, size_t a_bytes, const char *b, size_t b_bytes,
                               const ae_encode_options *o, ae_encoding *out, ae_err *e)
{
    (void)t;
    (void)a;
    (void)a_bytes;
    (void)b;
    (void)b_bytes;
    (void)o;
    (void)out;
    (void)NO(e);
    return -1;
}
W void ae_encoding_free(ae_encoding *x)
{
    *x = (ae_encoding){0};
}
W bool ae_tokenizer_is_special(const ae_tokenizer *t, int32_t i)
{
    (void)t;
    (void)i;
    return false;
}
W bool ae_tokenizer_continues(const ae_tokenizer *t, int32_t i)
{
    (void)t;
    (void)i;
    return false;
}
W int64_t ae_tokenizer_special_count(const ae_tokenizer *t, bool p)
{
    (void)t;
    (void)p;
    return 0;
}
W int64_t ae_tokenizer_assemble(const ae_tokenizer *t, const int32_t *a, int64_t n, const int32_t *b, int64_t m,
                                int32_t *i, uint8_t *y)
{
    (void)t;
    (void)a;
    (void)n;
    (void)b;
    (void)m;
    (void)i;
    (void)y;
    return 0;
}
W const char *ae_tokenizer_token(const ae_tokenizer *t, int32_t id, size_t *bytes)
{
    (void)t;
    (void)id;
    (void)bytes;
    return NULL;
}
