#include "apps/options.h"

/* One row an option, in alphabetical order. A subcommand takes those that it names. */
static const ae_option table[] = {
    {.name = "batch", .kind = AE_OPTION_INT, .value = "N", .low = 1, .high = 1 << 20, .help = "sequences a step"},
    {.name = "force", .kind = AE_OPTION_FLAG, .help = "overwrite files that exist"},
    {.name = "help", .letter = 'h', .kind = AE_OPTION_FLAG, .help = "print this help"},
    {.name = "json", .kind = AE_OPTION_FLAG, .help = "print JSON: one object, or one a line for records"},
    {.name = "man", .kind = AE_OPTION_FLAG, .help = "print a manual page (roff)"},
    {.name = "model", .kind = AE_OPTION_TEXT, .value = "NAME", .help = "the model, by its name in `list models`"},
    {.name = "output", .letter = 'o', .kind = AE_OPTION_FILE, .value = "FILE", .help = "the file to write"},
    {.name = "precision",
     .kind = AE_OPTION_CHOICE,
     .value = "auto|f32|bf16",
     .preset = "auto",
     .help = "what matrix products compute in; auto takes bf16 where the processor has it"},
    {.name = "quiet", .letter = 'q', .kind = AE_OPTION_FLAG, .help = "say nothing but results and errors"},
    {.name = "seed",
     .kind = AE_OPTION_INT,
     .value = "N",
     .preset = "1",
     .low = 0,
     .high = 9007199254740992.0,
     .help = "the seed of all random numbers"},
    {.name = "seq", .kind = AE_OPTION_INT, .value = "N", .low = 1, .high = 1 << 20, .help = "tokens a sequence"},
    {.name = "steps", .kind = AE_OPTION_INT, .value = "N", .low = 1, .high = 1e12, .help = "optimizer steps"},
    {.name = "threads",
     .kind = AE_OPTION_INT,
     .value = "N",
     .low = 1,
     .high = 4096,
     .help = "threads that compute (else OMP_NUM_THREADS, else the processors of this process)"},
    {.name = "to",
     .kind = AE_OPTION_TEXT,
     .value = "FORMAT",
     .help = "the format to write, where the file's extension does not say it"},
    {.name = "verbose", .letter = 'v', .kind = AE_OPTION_FLAG, .help = "say more"},
    {.name = "version", .kind = AE_OPTION_FLAG, .help = "print the version"},
    {.name = "write", .kind = AE_OPTION_FILE, .value = "FILE", .help = "store what was computed"},
    {.name = NULL},
};

const ae_option *ae_option_table(void)
{
    return table;
}
