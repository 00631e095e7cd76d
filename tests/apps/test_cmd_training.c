/* pretrain and finetune as a user meets them: small runs on small files, and what bad input gets. */
#include "apps/app.h"
#include "apps/weights.h"
#include "tensor/hdf5_file.h"
#include "tensor/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char *out_text, *log_text;

static char *path_of(const char *name)
{
    static char paths[8][128];
    static int next;
    next = (next + 1) % 8;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Runs words parted by blanks; @ at the start of a word stands for the folder. */
static int run(const char *words)
{
    static char text[4096];
    char *argv[64] = {"aesop"}, *rest = NULL, *to = text;
    int argc = 1;
    char copy[2048];
    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = to;
        to += 1 + snprintf(to, 256, "%s%s%s", *w == '@' ? folder : "", *w == '@' ? "/" : "", *w == '@' ? w + 1 : w);
    }
    size_t n;
    free(out_text);
    free(log_text);
    FILE *out = open_memstream(&out_text, &n), *log = open_memstream(&log_text, &n);
    int status = ae_app_run(NULL, argc, argv, out, log);
    fclose(out);
    fclose(log);
    return status;
}

static void says(const char *text)
{
    if (!strstr(log_text, text)) {
        print_message("wanted: %s\ngot: %s\n", text, log_text);
    }
    assert_non_null(strstr(log_text, text));
}

static void assert_same_file(const char *a, const char *b)
{
    FILE *f = fopen(path_of(a), "rb"), *g = fopen(path_of(b), "rb");
    int c, d;
    assert_non_null(f);
    assert_non_null(g);
    do {
        c = getc(f);
        d = getc(g);
        assert_int_equal(c, d);
    } while (c != EOF);
    fclose(f);
    fclose(g);
}

/* The tensors of two model files, without what else they keep. */
static void same_weights(const char *a, const char *b)
{
    ae_err e = {0};
    ae_weights x, y;
    assert_int_equal(ae_weights_read(path_of(a), &x, &e), 0);
    assert_int_equal(ae_weights_read(path_of(b), &y, &e), 0);
    assert_int_equal(ae_tensors_count(x.tensors), ae_tensors_count(y.tensors));
    for (int i = 0; i < ae_tensors_count(x.tensors); i++) {
        const ae_tensor *t = ae_tensors_at(x.tensors, i), *u = ae_tensors_get(y.tensors, ae_tensors_name(x.tensors, i));
        assert_memory_equal(t->data, u->data, (size_t)ae_numel(t) * ae_dtype_size(t->dtype));
    }
    ae_weights_free(&x);
    ae_weights_free(&y);
}

#define TINY                                                                                                           \
    "--model bert-tiny --set num_hidden_layers=1 --set hidden_size=16 --set intermediate_size=32 --seq 24 --batch 4 "  \
    "--progress none "

/* ---- pretraining --------------------------------------------------------------------------------------------------------- */

static void test_pretrain(void **state)
{
    (void)state;
    assert_int_equal(run("pretrain " TINY "--corpus @corpus.txt --valid @corpus.txt --tokenizer @tok.json --steps 12 "
                         "--eval-every 6 -o @a.h5"),
                     0);
    says("a.data.h5: ");
    assert_non_null(strstr(out_text, "best validation loss "));
    /* The same text again: instances are not built twice. */
    assert_int_equal(run("pretrain " TINY "--corpus @corpus.txt --tokenizer @tok.json --steps 12 -o @a.h5 --force"), 0);
    says("a.data.h5 is taken as it is");
    assert_int_equal(
        run("pretrain " TINY "--corpus @corpus.txt --tokenizer @tok.json --steps 12 -o @a.h5 --force --seq 16"), 0);
    assert_null(strstr(log_text, "is taken as it is"));
    /* A second stage inherits model, tokenizer, objective. */
    assert_int_equal(
        run("pretrain --init @a.h5 --corpus @corpus.txt --steps 3 --batch 4 --seq 16 --progress none -o @b.h5"), 0);
    says("init: ");
    assert_int_equal(run("fill @b.h5 a[MASK]c"), 0);
}

static void test_resume(void **state)
{
    (void)state;
    const char *whole = "pretrain " TINY "--corpus @corpus.txt --tokenizer @tok.json --steps 20 --warmup 2 ";
    char line[512];
    snprintf(line, sizeof line, "%s -o @c.h5 --save-every 7 --keep 9", whole);
    assert_int_equal(run(line), 0);
    snprintf(line, sizeof line, "%s -o @d.h5 --save-every 7 --keep 9", whole);
    assert_int_equal(run(line), 0);
    assert_int_equal(run("pretrain --resume @d.step-14.h5 -o @e.h5 --progress none"), 0);
    says("going on from step 14");
    assert_same_file("c.h5", "e.h5");
    assert_int_equal(run("pretrain --resume @c.h5 --batch 8"), 2);
    says("--batch cannot be given with --resume");
    assert_int_equal(run("pretrain --resume @c.h5 --steps 5 -o @f.h5"), 2);
    says("is at step 20 already, beyond the 5 steps asked for");
    assert_int_equal(run("pretrain --resume @c.h5 --steps 24 --progress none"), 0);
    says("going on from step 20");
}

/* The checkpoint keeps that layers are recomputed, and the weights are those of a run that saves everything. */
static void test_recomputation(void **state)
{
    (void)state;
    const char *whole = "pretrain " TINY "--corpus @corpus.txt --tokenizer @tok.json --steps 20 --warmup 2 ";
    char line[512], *names[] = {"saving.h5", "again.h5"};
    ae_err e = {0};
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "%s -o @%s --save-every 7 --keep 9 %s", whole, names[i],
                 i ? "--checkpoint-activations" : "");
        assert_int_equal(run(line), 0);
    }
    assert_int_equal(run("pretrain --resume @again.step-14.h5 -o @goes.h5 --progress none"), 0);
    assert_same_file("again.h5", "goes.h5");
    ae_h5 *f = ae_h5_open(path_of("goes.h5"), &e);
    ae_json *settings = f ? ae_h5_read_json(f, "settings", &e) : NULL;
    assert_true(ae_json_bool(settings, "checkpoint-activations", false, &e));
    ae_json_free(settings);
    ae_h5_close(f);
    same_weights("saving.h5", "again.h5");
    assert_int_equal(run("pretrain --resume @saving.h5 --checkpoint-activations"), 2);
    says("--checkpoint-activations cannot be given with --resume");
    assert_int_equal(
        run("pretrain --model lstm --corpus @corpus.txt --tokenizer @tok.json --steps 2 --seq 16 --batch 2 "
            "--checkpoint-activations -o @no.h5"),
        2);
    says("--checkpoint-activations: Composed as it is configured cannot recompute its layers");
}

static void test_pretrain_refuses(void **state)
{
    (void)state;
    write_file("exists.h5", "precious");
    assert_int_equal(run("pretrain " TINY "--corpus @corpus.txt --tokenizer @tok.json --steps 2 -o @exists.h5"), 2);
    says("exists; --resume");
    assert_int_equal(run("pretrain " TINY "--tokenizer @tok.json --steps 2 -o @g.h5"), 2);
    says("give either --corpus with text or --data with instances");
    assert_int_equal(run("data build --corpus @corpus.txt --tokenizer @tok.json --objective mlm -o @built.h5"), 0);
    assert_int_equal(run("pretrain " TINY "--data @built.h5 --mask-rate 0.3 --steps 2 -o @g.h5"), 2);
    says("--mask-rate says how instances are built, and ");
    assert_int_equal(run("pretrain " TINY "--corpus @corpus.txt --steps 2 -o @g.h5"), 2);
    says("text needs a tokenizer: --tokenizer PATH");
    assert_int_equal(run("pretrain " TINY "--corpus @corpus.txt --tokenizer @tok.json --steps 2"), 2);
    says("where to? -o RUN.h5");
    assert_int_equal(run("pretrain " TINY "--corpus @missing.txt --tokenizer @tok.json --steps 2 -o @g.h5"), 2);
    says("missing.txt");
    assert_int_equal(run("pretrain " TINY "--corpus @empty.txt --tokenizer @tok.json --steps 2 -o @g.h5"), 2);
    says("empty.txt");
    assert_int_equal(
        run("pretrain " TINY "--corpus @corpus.txt --tokenizer @tok.json --steps 2 --objective classes -o @g.h5"), 2);
    says("classes is learned from labelled tables: use `finetune`");
    assert_int_equal(
        run("pretrain --model infersent --corpus @corpus.txt --tokenizer @tok.json --steps 2 --objective mlm "
            "-o @g.h5"),
        2);
    says("infersent has no model for mlm");
    assert_int_equal(run("pretrain --init @a.h5 --tokenizer @other.json --corpus @corpus.txt --steps 2 -o @g.h5"), 2);
    says("another tokenizer");
    assert_int_equal(access(path_of("g.h5"), F_OK), -1);
}

/* ---- fine-tuning ----------------------------------------------------------------------------------------------------------- */

static void test_finetune(void **state)
{
    (void)state;
    assert_int_equal(
        run("finetune --init @a.h5 --train @train.tsv --valid @train.tsv --test @train.tsv --epochs 6 --batch 4 "
            "--seq 16 --lr 3e-3 --progress none -o @h.h5 --json"),
        0);
    ae_err e = {0};
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e);
    assert_non_null(j);
    assert_string_equal(ae_json_string(j, "metric", "", NULL), "accuracy");
    assert_true(ae_json_double(j, "test", 0, NULL) >= 0.5);
    ae_json_free(j);
    assert_int_equal(run("predict @h.best.h5 @train.tsv --format uer"), 0);
    assert_true(strstr(out_text, "yes") || strstr(out_text, "no"));
    assert_int_equal(run("finetune --init @a.h5 --train @scores.tsv --valid @scores.tsv --steps 4 --batch 4 --seq 16 "
                         "--progress none -o @i.h5"),
                     0);
    assert_non_null(strstr(out_text, "validation pearson "));
    assert_int_equal(
        run("finetune --init @a.h5 --train @pairs.tsv --steps 2 --batch 2 --seq 16 --progress none -o @k.h5 "
            "--seeds 1..2 --freeze *embeddings*"),
        0);
    assert_non_null(strstr(out_text, " over 2 seeds: "));
    assert_int_equal(access(path_of("k.seed-2.h5"), F_OK), 0);
}

static void test_finetune_other_families(void **state)
{
    (void)state;
    assert_int_equal(
        run("finetune --model lstm --set hidden_size=8 --set emb_size=8 --tokenizer @tok.json --train @train.tsv "
            "--valid @train.tsv --steps 3 --batch 4 --seq 16 --progress none -o @l.h5"),
        0);
    assert_int_equal(
        run("finetune --model bilstm-max --set hidden_size=8 --set emb_size=8 --tokenizer @tok.json --train "
            "@train.tsv --steps 3 --batch 4 --seq 16 --progress none -o @m.h5"),
        0);
    assert_int_equal(
        run("finetune --model infersent --set word_emb_dim=8 --set enc_lstm_dim=8 --set fc_dim=8 --tokenizer "
            "@tok.json --train @pairs.tsv --steps 3 --batch 2 --seq 16 --progress none -o @n.h5"),
        0);
    assert_int_equal(
        run("finetune --model gpt2 --set n_embd=8 --set n_head=2 --set n_layer=1 --set n_positions=32 "
            "--tokenizer @tok.json --train @train.tsv --steps 3 --batch 4 --seq 16 --progress none -o @o.h5"),
        0);
    assert_int_equal(run("pretrain --model lstm --set hidden_size=8 --set emb_size=8 --tokenizer @tok.json --corpus "
                         "@corpus.txt --steps 3 --batch 4 --seq 16 --progress none -o @p.h5"),
                     0);
    assert_int_equal(
        run("finetune --init @p.h5 --train @train.tsv --steps 3 --batch 4 --seq 16 --progress none -o @q.h5"), 0);
}

/* Texts as they come, of 1 to 120 words, in packed batches of 32 with evaluations between steps: the blocks that are
 * lent, given back and grown have every size, and the same run gives the same file. */
static void test_lengths(void **state)
{
    (void)state;
    const char *line = "finetune --model bert-tiny --set hidden_size=64 --set num_attention_heads=2 --set "
                       "intermediate_size=256 --set initializer_range=0.1 --tokenizer @tok.json --train @ragged.tsv "
                       "--valid @ragged.tsv --steps 30 --eval-every 6 --batch 32 --seq 128 --lr 3e-3 --progress none";
    char text[512];
    snprintf(text, sizeof text, "%s -o @v.h5 --json", line);
    assert_int_equal(run(text), 0);
    says("ragged.tsv: 400 examples, 63.1 tokens each, 0 cut at 128");
    ae_err e = {0};
    ae_json *j = ae_json_parse(out_text, strlen(out_text), &e);
    assert_non_null(j);
    assert_true(ae_json_double(j, "best", 0, NULL) > 0.9);
    ae_json_free(j);
    snprintf(text, sizeof text, "%s -o @w.h5", line);
    assert_int_equal(run(text), 0);
    assert_same_file("v.h5", "w.h5");
}

/* Weights have the positions that they have: the recipe's length gives way, a length that was asked for does not. */
static void test_positions(void **state)
{
    (void)state;
    assert_int_equal(run("pretrain " TINY "--set max_position_embeddings=16 --seq 12 --corpus @corpus.txt --tokenizer "
                         "@tok.json --steps 2 -o @r.h5"),
                     0);
    assert_int_equal(run("finetune --init @r.h5 --train @long.tsv --steps 2 --batch 2 --progress none -o @s.h5"), 0);
    says("2 cut at 16");
    assert_int_equal(run("finetune --init @r.h5 --train @long.tsv --steps 2 --seq 32 -o @t.h5"), 2);
    says("--seq 32: the model in ");
    says("r.h5 has 16 positions");
    assert_int_equal(
        run("finetune --init @p.h5 --train @long.tsv --steps 2 --batch 2 --seq 600 --progress none -o @u.h5"), 0);
}

static void test_finetune_refuses(void **state)
{
    (void)state;
    assert_int_equal(
        run("finetune --init @a.h5 --train @train.tsv --valid @unseen.tsv --steps 2 --progress none -o @z.h5"), 2);
    says("maybe");
    assert_int_equal(run("finetune --init @a.h5 --train @nolabel.tsv --steps 2 -o @z.h5"), 2);
    says("label");
    assert_int_equal(run("finetune --init @a.h5 --train @train.tsv --valid @pairs.tsv --steps 2 -o @z.h5"), 2);
    says("has pairs");
    assert_int_equal(run("finetune --init @a.h5 --train @one.tsv --steps 2 -o @z.h5"), 2);
    says("has the single label \"yes\"; a classifier needs two");
    assert_int_equal(run("finetune --init @a.h5 --steps 2 -o @z.h5"), 2);
    says("which table? --train FILE");
    assert_int_equal(run("finetune --init @corpus.txt --train @train.tsv --steps 2 -o @z.h5"), 2);
    says("corpus.txt");
    assert_int_equal(run("finetune --init @a.h5 --train @train.tsv --metric pearson --steps 2 -o @z.h5"), 2);
    says("--metric pearson does not fit the objective classes");
    assert_int_equal(access(path_of("z.h5"), F_OK), -1);
}

static int make_files(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_cmd_training_XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    FILE *f = fopen(path_of("corpus.txt"), "w");
    for (int i = 0; i < 200; i++) {
        fprintf(f, "the %s %s the %s .\n%s", i % 3 ? "fox" : "hen", i % 2 ? "sees" : "fears", i % 5 ? "dog" : "owl",
                i % 4 == 3 ? "\n" : "");
    }
    fclose(f);
    write_file("empty.txt", "");
    write_file("train.tsv",
               "label\ttext_a\nyes\tthe fox sees\nno\tthe hen fears\nyes\tthe dog sees\nno\tthe owl fears\n"
               "yes\tfox sees\nno\then fears\nyes\tdog sees\nno\towl fears\n");
    write_file("unseen.tsv", "label\ttext_a\nmaybe\tthe fox\n");
    write_file("nolabel.tsv", "text_a\tnote\nthe fox\tx\n");
    write_file("long.tsv", "label\ttext_a\nyes\tthe fox sees the dog and the hen and the owl and the fox sees the dog\n"
                           "no\tthe hen fears the dog and the fox and the owl and the hen fears the dog\n");
    write_file("one.tsv", "label\ttext_a\nyes\tthe fox\nyes\tthe hen\n");
    write_file("scores.tsv", "label\ttext_a\n0.5\tthe fox\n1.5\tthe hen\n2.5\tthe dog\n0\tthe owl\n");
    write_file("pairs.tsv",
               "label\ttext_a\ttext_b\n0\tthe fox\tthe hen\n1\tthe dog\tthe dog\n0\tthe owl\tthe fox\n1\tthe "
               "hen\tthe hen\n");
    f = fopen(path_of("ragged.tsv"), "w");
    fputs("label\ttext_a\n", f);
    for (int i = 0; i < 400; i++) { /* a row says the verb of its label again and again */
        fprintf(f, "%s\tthe", i % 3 ? "yes" : "no");
        for (int w = i * 37 % 120; w > 0; w--) {
            fprintf(f, " %s", w % 4 ? "fox" : i % 3 ? "sees" : "fears");
        }
        fputs(i % 3 ? " sees\n" : " fears\n", f);
    }
    fclose(f);
    return run("tokenizer train --kind bert --vocab-size 60 --corpus @corpus.txt -o @tok.json") ||
           run("tokenizer train --kind bert --vocab-size 40 --corpus @corpus.txt -o @other.json");
}

static int drop_files(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    (void)state;
    free(out_text);
    free(log_text);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pretrain),         cmocka_unit_test(test_resume),
        cmocka_unit_test(test_recomputation),    cmocka_unit_test(test_pretrain_refuses),
        cmocka_unit_test(test_finetune),         cmocka_unit_test(test_finetune_other_families),
        cmocka_unit_test(test_lengths),          cmocka_unit_test(test_positions),
        cmocka_unit_test(test_finetune_refuses),
    };
    return cmocka_run_group_tests(tests, make_files, drop_files);
}
