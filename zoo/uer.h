/* UER-py's checkpoints (Zhao et al. 2019, arXiv:1909.05658) as BERT and GPT-2: a second table of names, in both
 * directions, and the configuration that belongs to it.
 *
 * Names and values carry over; one formula does not: UER-py's layer norm divides by the unbiased standard deviation
 * plus 1e-6 where BERT and GPT-2 divide by sqrt(variance + eps), so that states differ by a factor of sqrt(1 -
 * 1/hidden_size) before each gain, 0.07 % at 768. UER-py's own conversion scripts leave it at that, and so does this
 * one; the composable family computes UER-py's formula. Row 0 of UER-py's segments, that of padding, has no
 * counterpart: it is dropped, and written as zeros. */
#ifndef AE_ZOO_UER_H
#define AE_ZOO_UER_H

#include "nn/rename.h"
#include "tensor/json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* UER-py's names of the parameters of a class ("BertForPreTraining"); NULL when it has no such model. Tied parameters
 * are written under all their names there (ae_save_options.aliases). */
AE_API const ae_rename_table *ae_uer_names(const char *class_name);

/* The class that tensors with UER-py's names belong to, by their target or classifier; NULL when these are no BERT or
 * GPT-2 of UER-py. */
AE_API const char *ae_uer_class(const ae_tensors *tensors);

/* Hugging Face's configuration of a class from UER-py's and the tables' sizes; the caller frees it. NULL and e when
 * UER-py's names a part that BERT or GPT-2 has not. */
AE_API ae_json *ae_uer_config_read(const char *class_name, const ae_json *uer, const ae_tensors *tensors, ae_err *e);

/* The other way round, with vocab_size, which UER-py takes from the vocabulary, added. */
AE_API ae_json *ae_uer_config_write(const char *class_name, const ae_json *config, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
