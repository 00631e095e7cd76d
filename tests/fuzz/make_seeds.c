/* make_seeds FOLDER: writes the seeds of all fuzzers. */
#include "fuzz/piece_targets.h"
#include "fuzz/seeds.h"
#include "fuzz/table_targets.h"

static int write_table_seeds(const char *folder)
{
    for (int i = 0; i < TABLE_SEEDS; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.seed", folder, table_seeds[i][0]);
        FILE *f = fopen(path, "wb");
        if (!f || fputs(table_seeds[i][1], f) < 0 || fclose(f) != 0) {
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_seeds FOLDER\n");
        return 2;
    }
    if (write_seeds(argv[1]) != 0 || write_table_seeds(argv[1]) != 0 || write_tokenizer_seeds(argv[1]) != 0 ||
        write_piece_seeds(argv[1]) != 0) {
        fprintf(stderr, "make_seeds: cannot write to %s\n", argv[1]);
        return 1;
    }
    return 0;
}
