/* The list of encoders: a row here and `const ae_encoder ae_encoder_<name>` in a file of its own make one. */
#ifndef AE_ZOO_ENCODERS_H
#define AE_ZOO_ENCODERS_H

#include "zoo/encoder.h"

#ifdef __cplusplus
extern "C" {
#endif

#define AE_ENCODERS(ROW)                                                                                               \
    ROW(transformer)                                                                                                   \
    ROW(rnn)                                                                                                           \
    ROW(lstm)                                                                                                          \
    ROW(gru)                                                                                                           \
    ROW(birnn)                                                                                                         \
    ROW(bilstm)                                                                                                        \
    ROW(bigru)                                                                                                         \
    ROW(gatedcnn)

#define AE_ENCODER_DECLARE(name) extern const ae_encoder ae_encoder_##name;
AE_ENCODERS(AE_ENCODER_DECLARE)
#undef AE_ENCODER_DECLARE

/* Encoder i: those of extra (NULL at the end; may be NULL), then the list; NULL behind the last. One of extra with a
 * name of the list comes first and so replaces it. */
AE_API const ae_encoder *ae_encoder_at(const ae_encoder *const *extra, int i);

/* The encoder of a name; NULL and e, with the nearest name, when there is none. */
AE_API const ae_encoder *ae_encoder_find(const ae_encoder *const *extra, const char *name, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
