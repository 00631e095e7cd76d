#include "apps/app.h"
#include "apps/wait_policy.h"

int main(int argc, char **argv)
{
    ae_wait_policy_set(argc, argv);
    return ae_app_main(NULL, argc, argv);
}
