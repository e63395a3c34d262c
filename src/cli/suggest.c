#include "cli/suggest.h"

#include <string.h>

enum { LONGEST = 63 };

static size_t length_of(const char *s)
{
    size_t n = strlen(s);
    return n < LONGEST ? n : LONGEST;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t ifm_edit_distance(const char *a, const char *b)
{
    size_t m = length_of(a), n = length_of(b);
    size_t rows[3][LONGEST + 1]; /* row i of the table lies in rows[i % 3] */
    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t differs = a[i - 1] != b[j - 1];
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + differs);
            int swapped =
                i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && differs;
            if (swapped && above2[j - 2] + 1 < row[j])
                row[j] = above2[j - 2] + 1;
        }
    }
    return rows[m % 3][n];
}

void ifm_suggestion_offer(ifm_suggestion *self, const char *typed, const char *candidate)
{
    size_t distance = ifm_edit_distance(typed, candidate);
    /* The beginning of a word is nearer than any other word: "--max" means
     * "--max-new-tokens", however long the rest is. */
    if (*typed != '\0' && strncmp(typed, candidate, strlen(typed)) == 0)
        distance = 0;
    if (self->word == NULL || distance < self->distance)
        *self = (ifm_suggestion){candidate, distance};
}

const char *ifm_suggestion_word(const ifm_suggestion *self, const char *typed)
{
    if (self->word == NULL)
        return NULL;
    size_t n = strlen(typed);
    size_t allowed = n <= 3 ? 1 : n / 3;
    return self->distance <= allowed ? self->word : NULL;
}
