#include "apps/command_table.h"
#include "apps/tokenizer_run.h"
#include "tensor/utf8_check.h"
#include "tokenizers/character_ids.h"
#include "tokenizers/unicode.h"
#include "tokenizers/unihan.h"

typedef struct characters_run {
    ae_run *run;
    ae_tokenizer *tokenizer;
    ae_unihan *unihan;
    ae_character_options options;
    ae_character_words words;
} characters_run;

/* ---- ELMo's ids ------------------------------------------------------------------------------------------------------ */

static ae_json *word_json(const characters_run *r, int64_t word)
{
    ae_json *ids = ae_json_new_array();
    for (int64_t i = 0; i < r->words.width; i++) {
        ae_json_add(ids, NULL, ae_json_new_int(r->words.ids[word * r->words.width + i]));
    }
    return ids;
}

static void print_word(const characters_run *r, int64_t word)
{
    int32_t padding = AE_CHARACTER_PADDING + r->options.shifted;
    for (int64_t i = 0; i < r->words.width; i++) {
        int32_t id = r->words.ids[word * r->words.width + i];
        if (id != padding) {
            fprintf(r->run->out, "%s%d", i == 0 ? "" : ",", (int)id);
        }
    }
}

static int ids_of_line(void *self, const ae_line *line)
{
    characters_run *r = self;
    if (ae_character_words_of(r->tokenizer, line->text, line->bytes, &r->options, &r->words, &r->run->error) != 0) {
        ae_err_prefix(&r->run->error, "%s: line %lld", line->path, (long long)line->number);
        return -1;
    }
    ae_json *list = r->run->json ? ae_json_new_array() : NULL;
    for (int64_t i = 0; i < r->words.count; i++) {
        if (list) {
            ae_json_add(list, NULL, word_json(r, i));
        } else {
            fputs(i == 0 ? "" : " ", r->run->out);
            print_word(r, i);
        }
    }
    if (list) {
        ae_json *object = ae_json_new_object();
        ae_json_set(object, "ids", list);
        return ae_run_print_json(r->run, object);
    }
    fputc('\n', r->run->out);
    return 0;
}

/* ---- radicals and readings ------------------------------------------------------------------------------------------- */

static ae_json *character_json(const ae_unihan *u, uint32_t c, const char *text, size_t bytes)
{
    char letters[AE_PINYIN_MAX] = "", radical[5] = "";
    const char *pinyin = ae_unihan_pinyin(u, c);
    int tone = pinyin ? ae_pinyin_tone(pinyin, letters) : 0, number = ae_unihan_radical(u, c);
    if (number > 0) {
        radical[ae_utf8_encode(ae_unihan_radical_character(number), radical)] = '\0';
    }
    ae_json *object = ae_json_new_object();
    ae_json_set(object, "character", ae_json_new_bytes(text, bytes));
    ae_json_set_int(object, "radical_number", number);
    ae_json_set_string(object, "radical", number > 0 ? radical : NULL);
    ae_json_set_int(object, "strokes", ae_unihan_strokes(u, c));
    ae_json_set_string(object, "pinyin", pinyin);
    ae_json_set_string(object, "letters", pinyin ? letters : NULL);
    ae_json_set_int(object, "tone", tone);
    return object;
}

static int readings_of_line(void *self, const ae_line *line)
{
    characters_run *r = self;
    ae_json *list = r->run->json ? ae_json_new_array() : NULL;
    const char *between = "";
    for (size_t i = 0; i < line->bytes;) {
        uint32_t c = 0;
        int n = ae_utf8_length(line->text + i, line->bytes - i);
        n = n > 0 ? ae_utf8_decode(line->text + i, &c) : 1;
        if (ae_unihan_radical(r->unihan, c) > 0 || ae_unihan_pinyin(r->unihan, c)) {
            ae_json *object = character_json(r->unihan, c, line->text + i, (size_t)n);
            const char *radical = ae_json_string(object, "radical", "", NULL);
            const char *pinyin = ae_unihan_pinyin(r->unihan, c);
            if (list) {
                ae_json_add(list, NULL, object);
            } else {
                fprintf(r->run->out, "%s%.*s/%s/%s", between, n, line->text + i, radical, pinyin ? pinyin : "");
                between = " ";
                ae_json_free(object);
            }
        }
        i += (size_t)n;
    }
    if (list) {
        ae_json *object = ae_json_new_object();
        ae_json_set(object, "characters", list);
        return ae_run_print_json(r->run, object);
    }
    fputc('\n', r->run->out);
    return 0;
}

/* ---- the command ----------------------------------------------------------------------------------------------------- */

static int run_characters(ae_run *run)
{
    const char *path = ae_options_text(run->options, "tokenizer"), *folder = ae_options_text(run->options, "unihan");
    characters_run r = {.run = run,
                        .options = {.width = ae_options_int(run->options, "width"),
                                    .marks = ae_options_flag(run->options, "special"),
                                    .shifted = ae_options_flag(run->options, "shifted")}};
    if (folder && (path || r.options.marks || r.options.shifted || r.options.width)) {
        return ae_err_set(&run->error, AE_E_VALUE,
                          "--unihan shows radicals and readings; --tokenizer, --special, --shifted and --width are "
                          "for ELMo's ids");
    }
    r.tokenizer = path ? ae_run_tokenizer(run, path) : NULL;
    r.unihan = folder ? ae_unihan_open(folder, &run->error) : NULL;
    int status = (path && !r.tokenizer) || (folder && !r.unihan)
                     ? -1
                     : ae_run_each_line(run, folder ? readings_of_line : ids_of_line, &r);
    ae_character_words_free(&r.words);
    ae_unihan_free(r.unihan);
    ae_tokenizer_free(r.tokenizer);
    return status;
}

static const char *const options[] = {"encoding",  "encoding-errors", "json",  "shifted", "special",
                                      "tokenizer", "unihan",          "width", NULL};

const ae_command ae_cmd_tokenizer_characters = {
    .name = "tokenizer characters",
    .summary = "show what models see of characters: ELMo's ids, radicals, readings",
    .usage = "[FILE...]",
    .details = "Reads files, or standard input without any. For each line it prints the words, which stand between "
               "blanks or are those of a tokenizer (--tokenizer), as ELMo's ids of characters with commas between, "
               "padding left out; --json has all of a word's 50. --special puts the marks of a sentence around, "
               "--shifted adds 1 to each id, as ELMo has them at prediction.\n\n"
               "With --unihan it prints each Chinese character with its radical and its reading in Mandarin instead, "
               "from Unicode's Unihan files (in Debian /usr/share/unicode of the package unicode-data).",
    .options = options,
    .arguments_max = -1,
    .run = run_characters,
};
