/* Adaptive input: rare words have narrower rows (Baevski and Auli 2019, arXiv:1809.10853), in the form of
 * Transformer-XL (Dai et al. 2019, arXiv:1901.02860), whose tables an adaptive softmax may share. */
#ifndef AE_NN_ADAPTIVE_EMBEDDING_H
#define AE_NN_ADAPTIVE_EMBEDDING_H

#include "nn/linear.h"
#include "nn/word_clusters.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an adaptive embedding and the softmax that goes with it are made from. */
typedef struct ae_adaptive_layout {
    int64_t classes;        /* V, numbered by falling frequency */
    const int64_t *cutoffs; /* rising strictly between 0 and V; read by the constructor alone */
    int n_cutoffs;
    int64_t width;     /* E: a row of cluster 0; those of cluster i are floor(E / div_value^i) wide */
    int64_t outer;     /* H: what the model works with */
    double div_value;  /* at least 1; 1: one table (V,E) for all clusters */
    ae_init init;      /* of tables */
    ae_init proj_init; /* of projections */
} ae_adaptive_layout;

/* Each word's row, widened to H by its cluster's projection: sqrt(H) table_i[id - begin_i] proj_i^T. */
struct ae_adaptive_embedding {
    struct ae_word_clusters clusters;
    bool one_table;                     /* div_value 1 */
    ae_tensor *weight[AE_CLUSTERS_MAX]; /* (size of cluster i, E_i); with one_table weight[0] is (V,E) */
    ae_tensor *proj[AE_CLUSTERS_MAX];   /* (H,E_i), or NULL; with one_table proj[0] alone, and only where E is not H */
    double scale;                       /* sqrt(H) */
};

/* Makes "<name>.emb_layers.<i>.weight" and "<name>.emb_projs.<i>". Fails the root for cutoffs that do not rise inside
 * the classes, a div_value below 1, and a cluster whose rows would have no width. */
AE_API void ae_adaptive_embedding_init(ae_model *m, struct ae_adaptive_embedding *l, const char *name,
                                       const ae_adaptive_layout *layout);

/* The width of cluster i: floor(E / div_value^i). */
AE_API int64_t ae_adaptive_width(const ae_adaptive_layout *layout, int i);

/* Whether tables of a layout can be made; fails the root, naming `who`, otherwise. */
AE_API bool ae_adaptive_check(ae_model *m, const char *who, const char *name, const ae_adaptive_layout *layout);

/* ids (any shape, i64 or i32): ids.shape + (H). An id outside 0..V-1 is an error. */
AE_API ae_tensor *ae_adaptive_embedding(ae_graph *g, const struct ae_adaptive_embedding *l, ae_tensor *ids);

#ifdef __cplusplus
}
#endif
#endif
