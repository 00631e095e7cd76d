/* SentencePiece's files and maps of characters from bytes that may be anything, as in targets.h, and small good ones to
 * begin from. */
#ifndef AE_TESTS_FUZZ_PIECE_TARGETS_H
#define AE_TESTS_FUZZ_PIECE_TARGETS_H

#include "fuzz/tokenizer_targets.h"
#include "tensor/utf8_check.h"
#include "tokenizers/charsmap.h"
#include "tokenizers/piece_kinds.h"

static const char *const fuzz_families[] = {"sentencepiece", "t5",          "albert", "xlnet",
                                            "pegasus",       "xlm-roberta", "mbart",  "mbart50",
                                            "camembert",     "bigbird",     "llama",  "marian"};
enum { FUZZ_FAMILIES = sizeof fuzz_families / sizeof *fuzz_families };

/* A file as what each family makes of it: number `i`, counted round. */
static inline void fuzz_piece_family(ae_piece_file *f, int i)
{
    const ae_piece_kind *kind = ae_piece_kind_find(fuzz_families[i % FUZZ_FAMILIES]);
    ae_err e = {0};
    ae_piece_settings settings = {NULL, NULL, NULL, NULL};
    fuzz_require(kind != NULL, "there is a family");
    fuzz_made(ae_tokenizer_from_pieces(f, kind, &settings, &e), &e);
}

/* The first byte says which family; what was accepted is written and read again without a change. */
static inline void fuzz_pieces(const uint8_t *data, size_t size)
{
    ae_err e = {0};
    ae_piece_file f = {0}, again = {0};
    ae_bytes once = {0}, twice = {0};
    bool failed = size == 0 || ae_piece_file_read((const char *)data + 1, size - 1, &f, &e) != 0;
    fuzz_require(size == 0 || failed == (e.code != AE_OK), "an error is set exactly on failure");
    if (failed) {
        return;
    }
    fuzz_require(ae_piece_file_write(&f, &once, &e) == 0, "a file can be written");
    if (ae_piece_file_read(once.data, once.length, &again, &e) != 0) {
        fuzz_require(false, e.message);
    }
    fuzz_require(ae_piece_file_write(&again, &twice, &e) == 0, "and written again");
    fuzz_require(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0, "writing is stable");
    ae_bytes_free(&once);
    ae_bytes_free(&twice);
    ae_piece_file_free(&again);
    fuzz_piece_family(&f, data[0]);
}

/* A map and, behind its first two bytes, which say how long it is, a text. */
static inline void fuzz_charsmap(const uint8_t *data, size_t size)
{
    size_t map = size < 2 ? 0 : data[0] | (size_t)data[1] << 8;
    ae_err e = {0};
    ae_charsmap c = {0};
    if (size < 2 || map > size - 2) {
        return;
    }
    fuzz_require((ae_charsmap_read(data + 2, map, &c, &e) != 0) == (e.code != AE_OK), "an error is set on failure");
    const char *text = (const char *)data + 2 + map;
    size_t length = size - 2 - map;
    for (size_t i = 0; !e.code && i < length && ae_utf8_is_valid(text + i, length - i); i++) {
        const char *with = NULL, *other = NULL;
        size_t most = ae_charsmap_longest(&c, text + i, length - i, &with);
        size_t least = ae_charsmap_shortest(&c, text + i, length - i, &other);
        fuzz_require(least <= most && most <= length - i, "what is replaced stands in the text");
        fuzz_require(!most || strlen(with) < size, "a replacement ends");
    }
    ae_charsmap_free(&c);
}

/* ---- seeds ----------------------------------------------------------------------------------------------------------- */

/* "A" becomes "a": a double array of one key, and its text. */
static inline size_t seed_charsmap(unsigned char map[1200])
{
    enum { UNITS = 256, SIZE = 4 * UNITS };
    uint32_t units[UNITS] = {0};
    units[0] = 1u << 10;                       /* the root's children are at 1 ^ their label */
    units[1 ^ 'A'] = 2u << 10 | 1u << 8 | 'A'; /* a word ends here; its value is at this place ^ 2 */
    units[1 ^ 'A' ^ 2] = 1u << 31;             /* the text at offset 0 */
    memcpy(map, (unsigned char[]){SIZE & 255, SIZE >> 8, 0, 0}, 4);
    memcpy(map + 4, units, SIZE);
    memcpy(map + 4 + SIZE, "a", 2);
    return 4 + SIZE + 2;
}

/* A small file of an algorithm, behind the byte that says its family; 0 or -1. */
static inline int seed_pieces(ae_piece_algorithm algorithm, ae_bytes *out)
{
    static const char list[] = "[[\"<unk>\",0,2],[\"<s>\",0,3],[\"</s>\",0,3],[\"\xe2\x96\x81\",-2],[\"\xe2\x96\x81"
                               "a\",-1.5],[\"a\",-2.5],[\"b\",-3],[\"ab\",-2.25],[\"\xe4\xb8\xad\",-4],[\"<m>\",0,4]]";
    unsigned char map[1200];
    ae_piece_file f = {
        .options = {.algorithm = algorithm},
        .spec = {.add_dummy_prefix = true, .remove_extra_whitespaces = true, .escape_whitespaces = true}};
    ae_json *json = ae_json_parse(list, sizeof list - 1, NULL);
    int result = ae_piece_list_from_json(json, &f.pieces, NULL);
    f.spec.charsmap_bytes = seed_charsmap(map);
    f.spec.charsmap = malloc(f.spec.charsmap_bytes);
    if (f.spec.charsmap) {
        memcpy(f.spec.charsmap, map, f.spec.charsmap_bytes);
    }
    ae_bytes_u8(out, (unsigned)algorithm);
    result |= ae_piece_file_write(&f, out, NULL);
    ae_piece_file_free(&f);
    ae_json_free(json);
    return result;
}

static inline int write_piece_seeds(const char *folder)
{
    unsigned char map[1300];
    size_t bytes = seed_charsmap(map + 2);
    map[0] = (unsigned char)(bytes & 255);
    map[1] = (unsigned char)(bytes >> 8);
    memcpy(map + 2 + bytes, "ABA", 3);
    int result = write_seed(folder, "charsmap", 0, map, bytes + 5);
    for (int i = AE_PIECES_UNIGRAM; i <= AE_PIECES_CHAR; i++) {
        ae_bytes file = {0};
        result |= seed_pieces((ae_piece_algorithm)i, &file);
        result |= write_seed(folder, "pieces", i, file.data, file.length);
        ae_bytes_free(&file);
    }
    return result;
}

#endif
