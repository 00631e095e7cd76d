/* make_seeds FOLDER: writes the seeds of all fuzzers. */
#include "fuzz/seeds.h"

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_seeds FOLDER\n");
        return 2;
    }
    if (write_seeds(argv[1]) != 0) {
        fprintf(stderr, "make_seeds: cannot write to %s\n", argv[1]);
        return 1;
    }
    return 0;
}
