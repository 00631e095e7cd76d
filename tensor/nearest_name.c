#include "tensor/nearest_name.h"

#include <string.h>

enum { LONGEST = 255 };

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

int ae_edit_distance(const char *a, const char *b)
{
    int na = (int)strnlen(a, LONGEST), nb = (int)strnlen(b, LONGEST);
    int row[LONGEST + 1]; /* row[j]: the distance of a's first i bytes to b's first j */
    for (int j = 0; j <= nb; j++) {
        row[j] = j;
    }
    for (int i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[nb];
}

const char *ae_nearest_name(const char *word, const char *const *names, int count)
{
    int allowed = (int)strnlen(word, LONGEST) / 3;
    int best = allowed < 2 ? 2 : allowed;
    const char *nearest = NULL;
    for (int i = 0; i < count; i++) {
        int distance = ae_edit_distance(word, names[i]);
        if (distance < best || (distance == best && !nearest)) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
