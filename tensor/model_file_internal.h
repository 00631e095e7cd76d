/* The model file under another newest format, for tests of what older and newer programs do. Internal. */
#ifndef AE_TENSOR_MODEL_FILE_INTERNAL_H
#define AE_TENSOR_MODEL_FILE_INTERNAL_H

#include "tensor/model_file.h"

ae_h5 *ae_model_file_create_as(const char *path, int64_t format, const char *model, const char *plugin,
                               const ae_json *config, ae_err *e);
ae_h5 *ae_model_file_open_as(const char *path, int64_t newest, ae_model_info *info, ae_err *e);

#endif
