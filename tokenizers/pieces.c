#include "tokenizers/pieces.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

void ae_piece_list_free(ae_piece_list *p)
{
    ae_vocab_free(p->vocab);
    free(p->scores);
    free(p->types);
    *p = (ae_piece_list){0};
}

int ae_piece_list_room(ae_piece_list *p, size_t count, ae_err *e)
{
    *p = (ae_piece_list){ae_vocab_new(), calloc(count + 1, sizeof *p->scores), calloc(count + 1, 1)};
    if (!p->vocab || !p->scores || !p->types) {
        ae_piece_list_free(p);
        return ae_err_set(e, AE_E_MEMORY, "no memory for %zu pieces", count);
    }
    return 0;
}

/* One member of "pieces": [spelling, score] or [spelling, score, type]. */
static int read_piece(const ae_json *item, ae_piece_list *p, int32_t id, ae_err *e)
{
    int count = ae_json_type_of(item) == AE_JSON_ARRAY ? ae_json_count(item) : 0;
    if (count != 2 && count != 3) {
        return ae_err_set(e, AE_E_FORMAT, "it must be [spelling, score] or [spelling, score, type]");
    }
    double score = 0;
    int64_t type = AE_PIECE_NORMAL;
    if (ae_json_value_double(ae_json_at(item, 1), &score, e) != 0 ||
        (count == 3 && ae_json_value_int(ae_json_at(item, 2), &type, e) != 0)) {
        return -1;
    }
    if (fabs(score) > (double)FLT_MAX) {
        return ae_err_set(e, AE_E_VALUE, "its score is %g, beyond single precision", score);
    }
    if (type < AE_PIECE_NORMAL || type > AE_PIECE_BYTE) {
        return ae_err_set(e, AE_E_VALUE, "its type is %lld; types are 1 to 6", (long long)type);
    }
    size_t bytes = 0;
    char *spelling = ae_json_value_bytes(ae_json_at(item, 0), &bytes, e);
    int result = spelling ? ae_vocab_add(p->vocab, spelling, bytes, id, e) : -1;
    free(spelling);
    p->scores[id] = (float)score;
    p->types[id] = (uint8_t)type;
    return result;
}

int ae_piece_list_from_json(const ae_json *array, ae_piece_list *p, ae_err *e)
{
    if (ae_piece_list_room(p, (size_t)ae_json_count(array), e) != 0) {
        return -1;
    }
    int32_t id = 0;
    for (const ae_json *item = ae_json_first(array); item; item = ae_json_next(item), id++) {
        if (read_piece(item, p, id, e) != 0) {
            ae_err_prefix(e, "piece %d", (int)id);
            ae_piece_list_free(p);
            return -1;
        }
    }
    return 0;
}

ae_json *ae_piece_list_json(const ae_piece_list *p)
{
    ae_json *array = ae_json_new_array();
    for (int32_t id = 0; array && id < p->vocab->size; id++) {
        size_t bytes = 0;
        const char *spelling = ae_vocab_token(p->vocab, id, &bytes);
        ae_json *item = ae_json_new_array();
        int failed = ae_json_add(item, NULL, ae_json_new_bytes(spelling, bytes));
        failed |= ae_json_add(item, NULL, ae_json_new_double((double)p->scores[id]));
        if (p->types[id] != AE_PIECE_NORMAL) {
            failed |= ae_json_add(item, NULL, ae_json_new_int(p->types[id]));
        }
        if (ae_json_add(array, NULL, item) != 0 || failed) {
            ae_json_free(array);
            return NULL;
        }
    }
    return array;
}
