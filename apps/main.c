#include "apps/app.h"

int main(int argc, char **argv)
{
    return ae_app_main(NULL, argc, argv);
}
