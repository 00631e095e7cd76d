#include "apps/command_table.h"
#include "apps/tokenizer_run.h"
#include "datasets/sentence_cut.h"
#include "tokenizers/segmenter.h"

enum { MOST_DICTIONARIES = 64 };

typedef struct segmenting_run {
    ae_run *run;
    ae_segmenter *segmenter;
    ae_segments cut;
} segmenting_run;

static int segment_line(void *self, const ae_line *line)
{
    segmenting_run *r = self;
    if (ae_segmenter_cut(r->segmenter, line->text, line->bytes, &r->cut, &r->run->error) != 0) {
        ae_err_prefix(&r->run->error, "%s: line %lld", line->path, (long long)line->number);
        return -1;
    }
    ae_json *words = r->run->json ? ae_json_new_array() : NULL;
    const char *between = "";
    uint32_t start = 0;
    for (int64_t i = 0; i < r->cut.count; start = r->cut.ends[i++]) {
        size_t bytes = r->cut.ends[i] - start;
        if (words) {
            ae_json_add(words, NULL, ae_json_new_bytes(line->text + start, bytes));
        } else if (!ae_is_blank(line->text + start, bytes)) {
            fprintf(r->run->out, "%s%.*s", between, (int)bytes, line->text + start);
            between = " ";
        }
    }
    if (words) {
        ae_json *object = ae_json_new_object();
        ae_json_set(object, "words", words);
        return ae_run_print_json(r->run, object);
    }
    fputc('\n', r->run->out);
    return 0;
}

static int run_segment(ae_run *run)
{
    const char *paths[MOST_DICTIONARIES];
    int n = 0;
    for (; n < ae_options_count(run->options, "dictionary") && n < MOST_DICTIONARIES; n++) {
        paths[n] = ae_options_nth(run->options, "dictionary", n);
    }
    if (n == 0) {
        return ae_err_set(&run->error, AE_E_MISSING, "give --dictionary FILE, a word and its frequency a line");
    }
    segmenting_run r = {.run = run, .segmenter = ae_segmenter_open(paths, n, &run->error)};
    int status = r.segmenter ? ae_run_each_line(run, segment_line, &r) : -1;
    ae_segments_free(&r.cut);
    ae_segmenter_free(r.segmenter);
    return status;
}

static const char *const options[] = {"dictionary", "encoding", "encoding-errors", "json", NULL};

const ae_command ae_cmd_tokenizer_segment = {
    .name = "tokenizer segment",
    .summary = "cut Chinese text into the words of a dictionary",
    .usage = "[FILE...]",
    .details = "Reads files, or standard input without any, and prints the words of each line with blanks between; "
               "--json keeps words that are blanks too. The dictionary is in jieba's form, \"word frequency tag\" a "
               "line; a later one adds to an earlier one and may leave frequencies out. The words are those of jieba "
               "with HMM=False: the cut of highest probability, other characters alone. They are what `data build "
               "--whole-word --dictionary` masks whole.",
    .options = options,
    .arguments_max = -1,
    .run = run_segment,
};
