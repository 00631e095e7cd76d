/* What the JSON writer, and who must know the digits of a number, need to see of a node. Internal to the library. */
#ifndef AE_TENSOR_JSON_INTERNAL_H
#define AE_TENSOR_JSON_INTERNAL_H

#include "tensor/json.h"

#define AE_JSON_NUMBER_TEXT_MAX 40

/* The text of a number: the digits it carries, or its integer value written into room. */
const char *ae_json_number_text(const ae_json *j, char room[AE_JSON_NUMBER_TEXT_MAX]);

/* How a zero byte stands inside a string of the tree. */
#define AE_JSON_ZERO "\xc0\x80"

/* A string as the tree holds it, with AE_JSON_ZERO for zero bytes. */
const char *ae_json_string_text(const ae_json *j);

/* Whether a container missed a member for want of memory. */
bool ae_json_is_broken(const ae_json *j);

#endif
