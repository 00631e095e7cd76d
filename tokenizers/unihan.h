/* What Unicode's Unihan database says of Chinese characters: the radical that dictionaries file them under, and how
 * they are read in Mandarin. Parts of words that models may look at below the character.
 *
 * The database is read at run time: Unihan_Readings.txt and Unihan_IRGSources.txt (or, before Unicode 13,
 * Unihan_RadicalStrokeCounts.txt), which unicode.org has in Unihan.zip and Debian packed by bzip2 in
 * /usr/share/unicode (package unicode-data). Fields: kRSUnicode, kMandarin (Unicode standard annex 38). */
#ifndef AE_TOKENIZERS_UNIHAN_H
#define AE_TOKENIZERS_UNIHAN_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ae_unihan ae_unihan;

enum { AE_RADICALS = 214 };

/* Reads the files of a folder, plain or with .bz2 or .gz behind their names. NULL and e filled, the path in front: a
 * file is missing, damaged, or no part of Unihan (with its line). Never changes afterwards. */
AE_API ae_unihan *ae_unihan_open(const char *folder, ae_err *e);

AE_API void ae_unihan_free(ae_unihan *u); /* NULL is allowed */

/* The number of the Kangxi radical of a character, 1 to 214, the first where there are several; 0 when it has none. */
AE_API int ae_unihan_radical(const ae_unihan *u, uint32_t character);

/* The strokes besides the radical; -1 when it is not known. */
AE_API int ae_unihan_strokes(const ae_unihan *u, uint32_t character);

/* A radical as a character: 1 is U+4E00, 9 is U+4EBA; 0 outside 1..214. */
AE_API uint32_t ae_unihan_radical_character(int radical);

/* The customary reading in Mandarin in pinyin with a mark for the tone ("hú"), NULL when there is none. Borrowed. */
AE_API const char *ae_unihan_pinyin(const ae_unihan *u, uint32_t character);

enum { AE_PINYIN_MAX = 16 };

/* A reading without its mark: "lǜ" is "lü" and 4, "ma" is "ma" and 5. Marks of tones alone are taken off. The result is
 * cut to fit; the tone is 1 to 5. */
AE_API int ae_pinyin_tone(const char *pinyin, char letters[AE_PINYIN_MAX]);

#ifdef __cplusplus
}
#endif
#endif
