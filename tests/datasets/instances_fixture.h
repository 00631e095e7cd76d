/* A corpus, its instances and a tiny tokenizer, in a folder of the test's own. */
#ifndef AE_TESTS_INSTANCES_FIXTURE_H
#define AE_TESTS_INSTANCES_FIXTURE_H

#include "datasets/instances.h"

#include "tensor/hdf5_file.h"
#include "tensor/threads.h"
#include "tiny_tokenizer.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "instances_XXXXXX";
static char corpus[64], output[64], other[64];
static ae_tokenizer *tokenizer;
static ae_build_report report;
static ae_err error;

static inline void put(const char *path, const char *text, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    fclose(f);
}

static inline void put_text(const char *text)
{
    put(corpus, text, strlen(text));
}

/* `documents` documents of `sentences` sentences of `words` words w(i) each, counted up through the corpus modulo 100.
 */
static inline void put_counted(int documents, int sentences, int words, bool line_a_document)
{
    FILE *f = fopen(corpus, "w");
    int i = 0;
    for (int d = 0; d < documents; d++) {
        for (int s = 0; s < sentences; s++) {
            for (int w = 0; w < words; w++) {
                fprintf(f, "%sw%d", w ? " " : "", i++ % 100);
            }
            fprintf(f, line_a_document ? ". " : "\n");
        }
        fprintf(f, "\n");
    }
    fclose(f);
}

static inline int build(const ae_instance_options *o)
{
    const char *paths[] = {corpus};
    error = (ae_err){0};
    return ae_instances_build(paths, 1, tokenizer, o, output, NULL, NULL, &report, &error);
}

static inline ae_dataset *open_built(const ae_masking *masking, ae_json **about)
{
    ae_dataset *d = ae_instances_open(output, masking, about, NULL, &error);
    if (!d) {
        fail_msg("%s", error.message);
    }
    return d;
}

static inline ae_dataset *built(const ae_instance_options *o)
{
    if (build(o) != 0) {
        fail_msg("%s", error.message);
    }
    return open_built(NULL, NULL);
}

static inline void assert_refused(const ae_instance_options *o, ae_code code, const char *part)
{
    unlink(output);
    assert_int_equal(build(o), -1);
    if (error.code != code || !strstr(error.message, part)) {
        fail_msg("%s: %s; wanted %s", ae_code_name(error.code), error.message, part);
    }
    assert_int_equal(access(output, F_OK), -1);
}

static inline const int32_t *ids_of(const ae_dataset *d, int64_t i, int64_t *n)
{
    const int32_t *ids;
    *n = ae_instances_ids(d, i, &ids);
    return ids;
}

static inline int set_up(void **state)
{
    (void)state;
    char vocabulary[64];
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(corpus, sizeof corpus, "%s/corpus.txt", folder);
    snprintf(output, sizeof output, "%s/out.h5", folder);
    snprintf(other, sizeof other, "%s/other.tsv", folder);
    snprintf(vocabulary, sizeof vocabulary, "%s/vocab.txt", folder);
    tokenizer = tiny_tokenizer(vocabulary);
    unlink(vocabulary);
    return tokenizer ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    ae_tokenizer_free(tokenizer);
    unlink(corpus);
    unlink(output);
    unlink(other);
    return rmdir(folder); /* which fails when a temporary file was left */
}

#endif
