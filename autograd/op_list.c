#include "autograd/ops.h"

#include <string.h>

const ae_op *const *ae_op_list(int *n)
{
    static const ae_op *const list[] = {
#define AE_OP_ADDRESS(name) &ae_op_##name,
        AE_OPS(AE_OP_ADDRESS)
#undef AE_OP_ADDRESS
    };
    *n = (int)(sizeof list / sizeof list[0]);
    return list;
}

const ae_op *ae_op_find(const char *name)
{
    int n;
    const ae_op *const *list = ae_op_list(&n);
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i]->name, name) == 0) {
            return list[i];
        }
    }
    return NULL;
}
