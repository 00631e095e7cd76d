// A program outside the tree, in C++17: the same calls through the headers' extern "C".
#include "aesop.h"

#include <iostream>

int main()
{
    ae_err e{};
    const int64_t shape[] = {2, 3};
    ae_tensor *t = ae_tensor_new(AE_F32, 2, shape, &e);
    if (t == nullptr) {
        std::cerr << e.message << "\n";
        return 1;
    }
    ae_set_f64(t, 5, 2.5);
    const bool right = ae_numel(t) == 6 && ae_get_f64(t, 5) == 2.5;
    ae_tensor_free(t);
    std::cout << ae_version() << "\n";
    return right ? 0 : 1;
}
