#include "ae_commit.h"
#include "apps/command_table.h"
#include "tensor/hdf5_file.h"
#include "tensor/kernels.h"
#include "tensor/onednn.h"
#include "tensor/tensor.h"

static int run_version(ae_run *run)
{
    char hdf5[32], onednn[AE_ONEDNN_NAME_MAX];
    ae_onednn_version(onednn);
    ae_h5_version(hdf5);
    if (!run->json) {
        fprintf(run->out, "aesop %s (commit %s, %s kernels, oneDNN %s, HDF5 %s)\n", ae_version(), AE_COMMIT,
                ae_kernels_name(), onednn, hdf5);
        return AE_EXIT_DONE;
    }
    ae_json *object = ae_json_new_object();
    ae_json_set_string(object, "version", ae_version());
    ae_json_set_string(object, "commit", AE_COMMIT);
    ae_json_set_string(object, "instruction_set", ae_kernels_name());
    ae_json_set_string(object, "onednn", onednn);
    ae_json_set_string(object, "hdf5", hdf5);
    return ae_run_print_json(run, object);
}

static const char *const options[] = {"json", NULL};

const ae_command ae_cmd_version = {
    .name = "version",
    .summary = "print the version, the commit, and what it is linked to",
    .options = options,
    .run = run_version,
};
