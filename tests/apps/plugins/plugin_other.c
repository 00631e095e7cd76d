/* A shared object that is no plugin. */
#include "tensor/error.h"

AE_API int not_a_plugin(void);

int not_a_plugin(void)
{
    return 7;
}
