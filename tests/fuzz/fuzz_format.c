/* The entry point of libFuzzer, compiled once for each format: AE_FUZZ_TARGET is one of the functions of targets.h
 * and its like. */
#include "fuzz/piece_targets.h"
#include "fuzz/table_targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AE_FUZZ_TARGET(data, size);
    return 0;
}
