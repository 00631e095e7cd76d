/* The training loop on a toy: a tiny GPT-2 that learns to count, from a dataset made of nothing. The program under test
 * is this file itself: with arguments it is a program of its own with the command `toy`, so that it can be killed. */
#include "apps/trainer.h"
#include "tensor/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS = 11, LENGTH = 8, EXAMPLES = 40 };

extern char **environ;
static char folder[64];

/* ---- the dataset: example i counts upwards from i ---------------------------------------------------------------------- */

static int64_t toy_length(const ae_dataset *d, int64_t i)
{
    (void)d;
    return LENGTH - i % 3;
}

static ae_tensors *toy_collate(const ae_dataset *d, const int64_t *examples, int64_t n, const ae_collate *how,
                               ae_err *e)
{
    int64_t shape[2] = {n, LENGTH};
    ae_tensors *b = ae_tensors_new();
    ae_tensor *ids = ae_tensor_new(AE_I64, 2, shape, e), *next = ae_tensor_new(AE_I64, 2, shape, e);
    ae_tensor *mask = ae_tensor_new(AE_I64, 2, shape, e);
    (void)how;
    for (int64_t i = 0; i < n * LENGTH; i++) {
        int64_t example = examples[i / LENGTH], t = i % LENGTH, length = toy_length(d, example);
        ae_set_i64(ids, i, t < length ? (example + t) % WORDS : 0);
        ae_set_i64(next, i, t + 1 < length ? (example + t + 1) % WORDS : -100);
        ae_set_i64(mask, i, t < length);
    }
    ae_tensors_add(b, "input_ids", ids, e);
    ae_tensors_add(b, "next_ids", next, e);
    ae_tensors_add(b, "attention_mask", mask, e);
    return b;
}

static void toy_free(ae_dataset *d)
{
    (void)d;
}

static const ae_dataset toy = {EXAMPLES, "lm", toy_length, toy_collate, toy_free};

/* ---- the program ------------------------------------------------------------------------------------------------------------- */

static int raise_at = -1, refuse_at = -1, savings, evaluations;
static bool without_dropout;

static int toy_after_step(void *user, const ae_moment *m)
{
    (void)user;
    if (m->step == raise_at) {
        raise(SIGTERM);
    }
    return m->step == refuse_at;
}

static int toy_saved(void *user, const ae_moment *m)
{
    (void)user;
    savings += m->path != NULL;
    return 0;
}

static int toy_evaluated(void *user, const ae_moment *m)
{
    (void)user;
    evaluations += m->evaluation != NULL;
    return 0;
}

static int run_toy(ae_run *run)
{
    static const char config[] = "{\"vocab_size\":11,\"n_positions\":8,\"n_layer\":1,\"n_embd\":8,\"n_head\":2,"
                                 "\"resid_pdrop\":0.1,\"embd_pdrop\":0.1,\"attn_pdrop\":0.1}";
    ae_bundle d = {.config = ae_json_parse(config, sizeof config - 1, &run->error), .settings = ae_json_new_object()};
    static const char *const dropouts[] = {"resid_pdrop", "embd_pdrop", "attn_pdrop"};
    for (int i = 0; i < 3 && without_dropout; i++) {
        ae_json_set_double(d.config, dropouts[i], 0);
    }
    const char *resume = ae_options_text(run->options, "resume");
    int status = ae_bundle_build(run, &d, ae_zoo_for("gpt2", "lm"), 1, false);
    ae_training t = {.run = run,
                     .bundle = &d,
                     .train = &toy,
                     .valid = &toy,
                     .output = ae_options_text(run->options, "output"),
                     .resume = resume,
                     .seed = (uint64_t)ae_options_int(run->options, "seed")};
    status = status == 0 ? ae_train(&t) : status;
    ae_bundle_free(&d);
    if (status == 0) {
        fprintf(run->out, "%s %.7f %lld %lld\n", t.metric, t.best, (long long)t.best_step, (long long)t.step);
    }
    return status != 0 ? status : t.signal ? 128 + t.signal : 0;
}

static const char *const toy_options[] = {AE_TRAIN_OPTIONS, "resume", "json", NULL};
static const ae_command toy_command = {
    .name = "toy", .summary = "trains a toy", .options = toy_options, .run = run_toy};
static const ae_command *const toy_commands[] = {&toy_command, NULL};
static const ae_training_hooks toy_hooks = {NULL, NULL, toy_after_step, toy_evaluated, toy_saved};
static const ae_app toy_app = {.name = "toy", .commands = toy_commands, .hooks = &toy_hooks};

static char *out_text, *log_text;

/* A command line from formatted words parted by blanks; NULL at the end. */
typedef struct toy_line {
    char text[2048], *argv[64];
    int argc;
} toy_line;

static void split_words(toy_line *l, const char *words, va_list args)
{
    char *rest = NULL;
    vsnprintf(l->text, sizeof l->text, words, args);
    l->argv[0] = "toy";
    l->argc = 1;
    for (char *w = strtok_r(l->text, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
        l->argv[l->argc++] = w;
    }
    l->argv[l->argc] = NULL;
}

/* Runs the program inside this process. */
static int toy_run(const char *words, ...)
{
    toy_line line;
    va_list args;
    va_start(args, words);
    split_words(&line, words, args);
    va_end(args);
    size_t n;
    free(out_text);
    free(log_text);
    FILE *out = open_memstream(&out_text, &n), *log = open_memstream(&log_text, &n);
    int status = ae_app_run(&toy_app, line.argc, line.argv, out, log);
    fclose(out);
    fclose(log);
    return status;
}

static pid_t toy_spawn(const char *words, ...)
{
    toy_line line;
    va_list args;
    va_start(args, words);
    split_words(&line, words, args);
    va_end(args);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &quiet, NULL, line.argv, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    return pid;
}

static const char *path_of(const char *name)
{
    static char path[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

/* ---- comparing files ----------------------------------------------------------------------------------------------------------- */

static char *bytes_of(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n + 1);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    bytes[*n] = 0;
    fclose(f);
    return bytes;
}

static void assert_same_file(const char *a, const char *b)
{
    size_t m, n;
    char *x = bytes_of(a, &m), *y = bytes_of(b, &n);
    assert_int_equal(m, n);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static int count_lines(const char *path, const char *word)
{
    size_t n;
    char *text = bytes_of(path, &n);
    int count = 0;
    for (char *p = strstr(text, word); p; p = strstr(p + 1, word)) {
        count++;
    }
    free(text);
    return count;
}

/* ---- tests --------------------------------------------------------------------------------------------------------------------- */

#define COMMON                                                                                                         \
    "toy --batch 8 --lr 1e-2 --optimizer adamw --clip 1 --steps 60 --warmup 5 --eval-every 20 --progress none "

static void test_learns(void **state)
{
    (void)state;
    savings = evaluations = 0;
    assert_int_equal(toy_run(COMMON "-o %s --log-every 6 --keep 2 --plot", path_of("a.h5")), 0);
    double best;
    assert_int_equal(sscanf(out_text, "loss %lf", &best), 1);
    assert_true(best < 1.2); /* it begins at ln 11 = 2.4 */
    assert_int_equal(count_lines(path_of("a.log.jsonl"), "\"kind\":\"step\""), 10);
    assert_int_equal(count_lines(path_of("a.log.jsonl"), "\"kind\":\"evaluation\""), 3);
    assert_int_equal(evaluations, 3);
    assert_non_null(strstr(log_text, "60 steps  (* training, o validation)"));
    assert_non_null(strchr(log_text, '*'));
    assert_int_equal(savings, 3);
    assert_int_equal(access(path_of("a.best.h5"), F_OK), 0);
    assert_int_equal(access(path_of("a.step-60.h5"), F_OK), 0);
    assert_int_equal(access(path_of("a.step-40.h5"), F_OK), 0);
    assert_int_not_equal(access(path_of("a.step-20.h5"), F_OK), 0);
    assert_int_not_equal(access(path_of("a.lock"), F_OK), 0);
}

static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    assert_int_equal(toy_run(COMMON "-o %s", path_of("b.h5")), 0);
    assert_int_equal(toy_run(COMMON "-o %s", path_of("c.h5")), 0);
    assert_same_file(path_of("b.h5"), path_of("c.h5"));
    assert_same_file(path_of("b.best.h5"), path_of("c.best.h5"));
}

static void test_signal_and_resume(void **state)
{
    (void)state;
    raise_at = 27;
    assert_int_equal(toy_run(COMMON "-o %s --ema 0.9 --accumulate 2", path_of("d.h5")), 128 + SIGTERM);
    raise_at = -1;
    assert_non_null(strstr(log_text, "stopped by signal 15 at step 27; go on with --resume"));
    assert_int_equal(toy_run(COMMON "-o %s --ema 0.9 --accumulate 2 --resume %s", path_of("d.h5"), path_of("d.h5")), 0);
    assert_non_null(strstr(log_text, "going on from step 27"));
    assert_int_equal(toy_run(COMMON "-o %s --ema 0.9 --accumulate 2", path_of("e.h5")), 0);
    assert_same_file(path_of("d.h5"), path_of("e.h5"));
    assert_same_file(path_of("d.best.h5"), path_of("e.best.h5"));
}

/* Layers computed again in backward change nothing but memory, resumed or not. */
static void test_recomputation_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(toy_run(COMMON "-o %s --accumulate 2", path_of("u.h5")), 0);
    assert_int_equal(toy_run(COMMON "-o %s --accumulate 2 --checkpoint-activations", path_of("v.h5")), 0);
    assert_same_file(path_of("u.h5"), path_of("v.h5"));
    raise_at = 23;
    assert_int_equal(toy_run(COMMON "-o %s --accumulate 2 --checkpoint-activations", path_of("w.h5")), 128 + SIGTERM);
    raise_at = -1;
    assert_int_equal(
        toy_run(COMMON "-o %s --accumulate 2 --checkpoint-activations --resume %s", path_of("w.h5"), path_of("w.h5")),
        0);
    assert_same_file(path_of("u.h5"), path_of("w.h5"));
}

/* Updates inside backward are the same run, resumed or not, with layers recomputed or not. */
static void test_early_updates_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(toy_run(COMMON "--clip 0 -o %s --ema 0.9", path_of("aa.h5")), 0);
    assert_int_equal(toy_run(COMMON "--clip 0 -o %s --ema 0.9 --update-in-backward", path_of("ab.h5")), 0);
    assert_same_file(path_of("aa.h5"), path_of("ab.h5"));
    raise_at = 23;
    assert_int_equal(
        toy_run(COMMON "--clip 0 -o %s --ema 0.9 --update-in-backward --checkpoint-activations", path_of("ac.h5")),
        128 + SIGTERM);
    raise_at = -1;
    assert_int_equal(toy_run(COMMON
                             "--clip 0 -o %s --ema 0.9 --update-in-backward --checkpoint-activations --resume %s",
                             path_of("ac.h5"), path_of("ac.h5")),
                     0);
    assert_same_file(path_of("aa.h5"), path_of("ac.h5"));
    assert_int_equal(toy_run(COMMON "-o %s --update-in-backward", path_of("ad.h5")), 2);
    assert_non_null(strstr(log_text, "--update-in-backward: --clip 1 needs the gradients of all parameters at once; "
                                     "give --clip 0"));
    assert_int_equal(toy_run(COMMON "--clip 0 --accumulate 2 -o %s --update-in-backward", path_of("ad.h5")), 2);
    assert_non_null(strstr(log_text, "--update-in-backward: --accumulate 2 keeps gradients from batch to batch; give "
                                     "--accumulate 1"));
    assert_int_equal(toy_run("toy --batch 8 --lr 1e6 --clip 0 --optimizer sgd --steps 20 --schedule constant "
                             "--eval-every 1000 --progress none --update-in-backward -o %s",
                             path_of("ae.h5")),
                     3);
    assert_non_null(strstr(log_text, "before the first checkpoint; a smaller --lr"));
}

/* Killed at five moments that nobody chose, resumed each time. */
static void test_killed(void **state)
{
    (void)state;
    const char *killed = path_of("f.h5"), *resume = "";
    for (int i = 0; i < 5; i++) {
        char again[300] = "";
        if (access(killed, F_OK) == 0) {
            snprintf(again, sizeof again, "--resume %s", killed);
            resume = again;
        }
        pid_t pid = toy_spawn(COMMON "--save-every 1 --keep 3 --force -o %s %s", killed, resume);
        usleep((useconds_t)(20000 + i * 7919 % 60000));
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        resume = "";
    }
    char again[300] = "";
    if (access(killed, F_OK) == 0) {
        snprintf(again, sizeof again, "--resume %s", killed);
    }
    assert_int_equal(toy_run(COMMON "--save-every 1 --keep 3 --force -o %s %s", killed, again), 0);
    assert_int_equal(toy_run(COMMON "--save-every 1 --keep 3 -o %s", path_of("g.h5")), 0);
    assert_same_file(killed, path_of("g.h5"));
    assert_int_equal(count_lines(path_of("f.log.jsonl"), "\"kind\":\"step\""), 6);
}

/* Two rounds of half the data are one round of all: each weighs by the tokens that it predicts, not by its rows. */
static void test_rounds_are_one_batch(void **state)
{
    (void)state;
    double once, twice;
    without_dropout = true;
    assert_int_equal(toy_run("toy --batch 40 --lr 1e-2 --optimizer sgd --schedule constant --steps 5 --precision f32 "
                             "--progress none -o %s",
                             path_of("s.h5")),
                     0);
    assert_int_equal(sscanf(out_text, "loss %lf", &once), 1);
    assert_int_equal(toy_run("toy --batch 20 --accumulate 2 --lr 1e-2 --optimizer sgd --schedule constant --steps 5 "
                             "--precision f32 --progress none -o %s",
                             path_of("t.h5")),
                     0);
    assert_int_equal(sscanf(out_text, "loss %lf", &twice), 1);
    without_dropout = false;
    assert_true(fabs(once - twice) < 2e-6);
}

static void test_two_writers(void **state)
{
    (void)state;
    pid_t pid = toy_spawn("toy --batch 8 --lr 1e-3 --steps 1000000 -o %s", path_of("h.h5"));
    for (int i = 0; i < 500 && access(path_of("h.log.jsonl"), F_OK) != 0; i++) {
        usleep(10000);
    }
    assert_int_equal(toy_run(COMMON "-o %s", path_of("h.h5")), 2);
    assert_non_null(strstr(log_text, "h.lock is held by another run, process "));
    kill(pid, SIGINT);
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
    assert_int_equal(access(path_of("h.h5"), F_OK), 0);
}

static void test_not_finite(void **state)
{
    (void)state;
    assert_int_equal(
        toy_run("toy --batch 8 --lr 1e-2 --steps 20 --eval-every 5 --schedule constant --progress none -o %s",
                path_of("i.h5")),
        0);
    size_t n;
    char *before = bytes_of(path_of("i.h5"), &n);
    /* The rate is taken from the checkpoint's settings by the commands; here it is given anew, to break the run. */
    assert_int_equal(
        toy_run("toy --batch 8 --lr 1e6 --clip 0 --optimizer sgd --steps 20 --schedule constant --eval-every 1000 "
                "--progress none -o %s",
                path_of("j.h5")),
        3);
    assert_non_null(strstr(log_text, "before the first checkpoint; a smaller --lr"));
    assert_int_not_equal(access(path_of("j.h5"), F_OK), 0);
    assert_int_equal(
        toy_run(
            "toy --batch 8 --lr 1e6 --clip 0 --optimizer adamw --steps 60 --schedule constant --progress none -o %s "
            "--resume %s --eval-every 1000 --save-every 1000",
            path_of("i.h5"), path_of("i.h5")),
        3);
    assert_non_null(strstr(log_text, "The weights of step 20 are in "));
    size_t m;
    char *after = bytes_of(path_of("i.h5"), &m);
    assert_int_equal(m, n);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
}

static void test_other_circumstances(void **state)
{
    (void)state;
    assert_int_equal(toy_run(COMMON "-o %s --threads 1", path_of("r.h5")), 0);
    assert_int_equal(toy_run("toy --batch 8 --lr 1e-2 --optimizer adamw --steps 62 --progress none --threads 2 -o %s "
                             "--resume %s",
                             path_of("r.h5"), path_of("r.h5")),
                     0);
    assert_non_null(strstr(log_text, "warning: threads was 1 before and is 2 now"));
}

static void test_patience_and_hooks(void **state)
{
    (void)state;
    assert_int_equal(
        toy_run("toy --batch 8 --lr 0 --schedule constant --steps 100 --eval-every 2 --patience 3 --progress "
                "none -o %s",
                path_of("k.h5")),
        0);
    assert_non_null(strstr(log_text, "no better evaluation for a while: stopped at step 8"));
    refuse_at = 4;
    assert_int_equal(toy_run(COMMON "-o %s", path_of("l.h5")), 2);
    refuse_at = -1;
    assert_non_null(strstr(log_text, "a hook of toy ended the run at step 4"));
}

static void test_budgets(void **state)
{
    (void)state;
    assert_int_equal(toy_run("toy --batch 8 --epochs 3 --progress none -o %s", path_of("m.h5")), 0);
    assert_non_null(strstr(out_text, " 15\n"));
    assert_int_equal(toy_run("toy --batch 8 --tokens 560 --progress none -o %s", path_of("n.h5")), 0);
    assert_non_null(strstr(out_text, " 10\n"));
    assert_int_equal(toy_run("toy --batch 8 --time 300s --progress none --dry-run -o %s", path_of("o.h5")), 0);
    assert_non_null(strstr(log_text, "input_ids [8,8]"));
    assert_int_not_equal(access(path_of("o.h5"), F_OK), 0);
    assert_int_equal(toy_run("toy --steps 3 --epochs 1 -o %s", path_of("p.h5")), 2);
    assert_non_null(strstr(log_text, "both --steps and --epochs say how long to train; give one"));
    assert_int_equal(toy_run("toy -o %s", path_of("p.h5")), 2);
    assert_non_null(strstr(log_text, "how long to train? Give --steps, --epochs, --tokens or --time"));
    assert_int_equal(toy_run("toy --time 3x -o %s", path_of("p.h5")), 2);
    assert_non_null(strstr(log_text, "--time must be above 0, as in 90s, 30m or 2h"));
    assert_int_equal(toy_run(COMMON "--freeze nothing* -o %s", path_of("p.h5")), 2);
    assert_non_null(strstr(log_text, "--freeze nothing* names no parameter"));
}

/* A limit on the size of files stands in for a full disk. */
static void test_no_space(void **state)
{
    (void)state;
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 3000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int status = toy_run(COMMON "-o %s", path_of("q.h5"));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, 4);
    assert_int_not_equal(access(path_of("q.h5"), F_OK), 0);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_trainer_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char command[128];
    free(out_text);
    free(log_text);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return ae_app_main(&toy_app, argc, argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_signal_and_resume),
        cmocka_unit_test(test_recomputation_changes_nothing),
        cmocka_unit_test(test_early_updates_change_nothing),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_rounds_are_one_batch),
        cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_patience_and_hooks),
        cmocka_unit_test(test_other_circumstances),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_no_space),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
