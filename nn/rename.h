/* Rename tables: how another program's file calls, lays out and cuts the same tensors.
 *
 * A row says: this piece of that tensor of the file is this piece of that tensor of the model. Rows are data and run
 * both ways, on weights and on gradients alike:
 *
 *     {.file = "encoder.transformer.*.linear_layers.0.weight", .model = "encoder.layer.*.attention.self.query.weight"}
 *     {.file = "h.*.c_attn.weight", .model = "h.*.query.weight", .transpose = true, .file_piece = {0, 1, 3}} // q|k|v
 *     {.file = "encoder_W", .model = "rnn.weight_ih_l0", .transpose = true, .model_piece = {0, 2, 3}}        // joined
 */
#ifndef AE_NN_RENAME_H
#define AE_NN_RENAME_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { AE_NAME_MAX = 512 }; /* bytes of a tensor's name, the final zero included */

/* `count` of `of` equal parts of an axis, from part `first`; of = 0: all of it. */
typedef struct ae_piece {
    int first, count, of;
} ae_piece;

typedef struct ae_rename {
    const char *file;    /* pattern of names in the file: `*` stands for any run of characters, at most 8 of them */
    const char *model;   /* pattern of names in the model, with as many `*`, which stand for the same text */
    bool transpose;      /* the file holds the transpose (last two axes) */
    int axis;            /* of both pieces, counted in the model's layout; negative from the end */
    ae_piece file_piece; /* which part of the file's tensor */
    ae_piece model_piece;
} ae_rename;

/* For a name of the model: the first row whose model pattern fits it decides, and all rows with that same pattern
 * belong to it (the pieces of a joined tensor). A name that no row fits is its own. */
typedef struct ae_rename_table {
    const ae_rename *rows;
    int count;
} ae_rename_table;

/* Whether name fits the pattern `from`; then out receives `to` with its `*` filled. False also when out is too small.
 */
AE_API bool ae_rename_apply(const char *name, const char *from, const char *to, char out[AE_NAME_MAX]);

/* Visits the rows of a model's name: row k (from 0) into *row and the file's name into file; false behind the last. The
 * first visit always succeeds, by the identity if need be. */
AE_API bool ae_rename_visit(const ae_rename_table *table, const char *name, int k, ae_rename *row,
                            char file[AE_NAME_MAX]);

/* The part of a tensor that one side of a row speaks of, as a struct over the same data (borrow it, never free it).
 * Returns 0, or -1 with e filled: an axis that does not exist or cannot be cut into `of` parts. */
AE_API int ae_piece_view(const ae_tensor *t, bool transpose, int axis, ae_piece piece, ae_tensor *view, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
