/* What a learned piece may hold, as SentencePiece's trainers have it, and the runs of text that follow from it: places
 * that no piece can reach across are where a text may be cut before anything is counted. Internal to tokenizers/.
 *
 *   "▁the▁cat,▁1999年"  ->  ▁the | ▁cat | , | ▁1999 | 年 */
#ifndef AE_TOKENIZERS_PIECE_RULES_H
#define AE_TOKENIZERS_PIECE_RULES_H

#include "tensor/error.h"

#include <stddef.h>
#include <stdint.h>

enum { AE_BLANK = 0x2581 }; /* ▁, which stands for a blank in pieces */

typedef struct ae_piece_rules {
    int max_length;    /* characters of a piece */
    bool join_blanks;  /* ▁ may stand inside a piece: pieces reach over blanks */
    bool join_scripts; /* a piece may hold several scripts */
    bool join_numbers; /* digits go with every script */
    bool split_digits; /* every digit is a piece of its own */
    bool blank_suffix; /* ▁ ends a piece instead of beginning it */
    bool blank_pieces; /* several ▁ may be a piece */
} ae_piece_rules;

/* What of a character counts for the rules. */
typedef struct ae_rule_char {
    int32_t script; /* -1: goes with every script */
    bool blank, digit;
} ae_rule_char;

ae_rule_char ae_piece_char(const ae_piece_rules *rules, uint32_t c);

/* Whether no piece can hold both of two neighbours. */
bool ae_piece_border(const ae_piece_rules *rules, ae_rule_char before, ae_rule_char after);

/* Whether characters may be a piece. */
bool ae_piece_allowed(const ae_piece_rules *rules, const uint32_t *chars, size_t n);

#endif
