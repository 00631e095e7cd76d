/* A program outside the tree, in C11: makes a tensor, checks it, and prints the version of the library. */
#include "aesop.h"

int main(void)
{
    ae_err e = {0};
    const int64_t shape[] = {2, 3};
    ae_tensor *t = ae_tensor_new(AE_F32, 2, shape, &e);
    if (!t) {
        fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    ae_set_f64(t, 5, 2.5);
    int right = ae_numel(t) == 6 && ae_get_f64(t, 5) == 2.5;
    ae_tensor_free(t);
    puts(ae_version());
    return right ? 0 : 1;
}
