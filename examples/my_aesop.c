/* Your encoder, our commands: all of `aesop` with one encoder more. `my_aesop pretrain --model lstm --encoder convmixer
 * ...`, `my_aesop finetune --init ...`, predict, eval, embed and the others know it like their own. */
#include "convmixer.h"

int main(int argc, char **argv)
{
    static const ae_app app = {.name = "my_aesop", .encoders = convmixer_list};
    return ae_app_main(&app, argc, argv);
}
