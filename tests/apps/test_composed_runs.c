/* Composed models and InferSent through the subcommands: UER-py's configurations as they are, the objective that each
 * is for, texts apart, dropout under the family's keys, and the stages one after the other. */
#include "apps/app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], text[1 << 16];

/* Runs a command line, words parted by blanks; out and log into text. */
static int aesop(const char *line)
{
    char copy[1024], *argv[64] = {"aesop"};
    int argc = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word && argc < 63; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text - 1, "w");
    int status = ae_app_run(NULL, argc, argv, out, out);
    fclose(out);
    return status;
}

static void runs(const char *line)
{
    if (aesop(line) != 0) {
        fail_msg("%s\n%s", line, text);
    }
}

static void says(const char *words)
{
    if (!strstr(text, words)) {
        fail_msg("\"%s\" is not in:\n%s", words, text);
    }
}

static void write_file(const char *name, const char *head, const char *body, int times)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    fputs(head, f);
    for (int i = 0; i < times; i++) {
        fputs(body, f);
    }
    fclose(f);
}

#define UER_SIZES                                                                                                      \
    "\"emb_size\":16,\"hidden_size\":16,\"layers_num\":1,\"max_seq_length\":32,\"dropout\":0.1,\"initializer_range\":" \
    "0.2,"
#define TRAINING " --tokenizer vocab.txt --seq 16 --batch 8 --force "

static int make_files(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/aesop_composed_XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) != 0) {
        return -1;
    }
    write_file("vocab.txt",
               "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nfox\ncrow\nwolf\nlamb\nis\ngood\nbad\nsaw\na\n.\n", "", 0);
    write_file("corpus.txt", "",
               "the fox saw a crow .\nthe wolf saw a lamb .\nthe lamb is good .\nthe wolf is bad .\n\n", 12);
    write_file("single.tsv", "label\ttext_a\n", "good\tthe lamb is good .\nbad\tthe wolf is bad .\n", 12);
    write_file("pairs.tsv", "label\ttext_a\ttext_b\n",
               "same\tthe lamb is good .\tthe lamb is good .\nother\tthe wolf is bad .\tthe lamb is good .\n", 12);
    write_file("scores.tsv", "label\ttext_a\n", "0.5\tthe lamb is good .\n-0.5\tthe wolf is bad .\n", 12);
    write_file(
        "bert.json",
        "{" UER_SIZES "\"feedforward_size\":32,\"hidden_act\":\"gelu\",\"heads_num\":2,\"data_processor\":"
        "\"bert\",\"embedding\":[\"word\",\"pos\",\"seg\"],\"encoder\":\"transformer\",\"mask\":\"fully_visible\","
        "\"target\":[\"mlm\",\"sp\"],\"tie_weights\":true}",
        "", 0);
    write_file("elmo.json",
               "{" UER_SIZES "\"data_processor\":\"bilm\",\"embedding\":[\"word\"],\"remove_embedding_layernorm\":true,"
               "\"encoder\":\"bilstm\",\"target\":[\"bilm\"]}",
               "", 0);
    write_file(
        "siamese.json",
        "{\"stream_0\":{" UER_SIZES "\"embedding\":[\"word\"],\"encoder\":\"lstm\"},\"stream_1\":{},"
        "\"dropout\":0.1,\"embedding\":[\"dual\"],\"encoder\":\"dual\",\"pooling\":\"mean\",\"tie_weights\":true}",
        "", 0);
    return 0;
}

static int drop_files(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") != 0 || system(command) != 0 ? -1 : 0;
}

/* Without --objective a configuration's own targets say what is learned. */
static void configurations_say_what_they_are_for(void **state)
{
    (void)state;
    runs("pretrain --model ./bert.json --corpus corpus.txt --steps 2 -o bert.h5" TRAINING);
    says("mlm_nsp: ");
    runs("pretrain --model ./elmo.json --corpus corpus.txt --steps 2 -o elmo.h5" TRAINING);
    says("lm: ");
    runs("pretrain --model ./elmo.json --objective mlm --corpus corpus.txt --steps 2 -o other.h5" TRAINING);
    says("mlm: ");
}

static void stages_follow_each_other(void **state)
{
    (void)state;
    runs("pretrain --model ./elmo.json --corpus corpus.txt --steps 3 -o first.h5" TRAINING);
    runs("pretrain --init first.h5 --corpus corpus.txt --steps 3 -o second.h5" TRAINING);
    says("lm: ");
    runs("finetune --init second.h5 --train single.tsv --valid single.tsv --set pooling=max --lr 2e-2 --epochs 6 -o "
         "classes.h5" TRAINING);
    says("validation accuracy 1.0000");
    runs("finetune --init second.h5 --train scores.tsv --steps 2 -o scores.h5" TRAINING);
    says("regression: ");
    runs("inspect classes.h5");
    says("encoder.rnn_backward.weight_ih_l0");
}

static void pairs_may_be_read_apart(void **state)
{
    (void)state;
    runs("finetune --model ./siamese.json --train pairs.tsv --valid pairs.tsv --lr 2e-2 --epochs 6 -o "
         "siamese.h5" TRAINING);
    says("validation accuracy 1.0000");
    runs("inspect siamese.h5");
    says("classifier.weight");
    runs("finetune --model infersent --set word_emb_dim=8 --set enc_lstm_dim=8 --dropout 0.1 --train pairs.tsv --steps "
         "2 "
         "-o pairs.h5" TRAINING);
    says("NLINet");
    runs("finetune --model infersent --set word_emb_dim=8 --set enc_lstm_dim=8 --train single.tsv --steps 2 -o "
         "one.h5" TRAINING);
    says("ClassificationNet");
}

static void dropout_goes_to_the_keys_of_the_family(void **state)
{
    (void)state;
    runs("pretrain --model lstm --encoder gru --set hidden_size=8 --set emb_size=8 --dropout 0 --corpus corpus.txt "
         "--steps 1 -o gru.h5" TRAINING);
    runs("inspect gru.h5");
    says("\"dropout\": 0");
    says("\"encoder\": \"gru\"");
}

static void what_does_not_fit_is_named(void **state)
{
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"pretrain --model lstm --encoder lstn --corpus corpus.txt --steps 1 -o x.h5" TRAINING,
         "encoder: \"lstn\" is not known; did you mean lstm?"},
        {"pretrain --model lstm --set hiden_size=8 --corpus corpus.txt --steps 1 -o x.h5" TRAINING, "hidden_size"},
        {"pretrain --model lstm --encoder transformer --objective lm --corpus corpus.txt --steps 1 -o x.h5" TRAINING,
         "use \"mask\": \"causal\""},
        {"pretrain --model lstm --plugin nowhere.so --corpus corpus.txt --steps 1 -o x.h5" TRAINING,
         "plugin nowhere.so cannot be loaded"},
        {"finetune --model infersent --set pool_type=last --train pairs.tsv --steps 1 -o x.h5" TRAINING,
         "InferSent pools with max or mean"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(aesop(cases[i].line), AE_EXIT_INPUT);
        says(cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configurations_say_what_they_are_for),
        cmocka_unit_test(stages_follow_each_other),
        cmocka_unit_test(pairs_may_be_read_apart),
        cmocka_unit_test(dropout_goes_to_the_keys_of_the_family),
        cmocka_unit_test(what_does_not_fit_is_named),
    };
    return cmocka_run_group_tests(tests, make_files, drop_files);
}
