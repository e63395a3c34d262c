#include "drive/lengths.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
    MOST_NUMBERS = 4,
    DRAWS_MOST = 100,
};

/* Numbers with commas between, to the end of the text; -1 when it is something else. */
static int numbers(const char *text, double values[MOST_NUMBERS])
{
    int n = 0;
    for (const char *at = text; n < MOST_NUMBERS;) {
        char *end;
        if (*at != '.' && (*at < '0' || *at > '9'))
            return -1; /* strtod also takes spaces, signs, "inf" */
        values[n++] = strtod(at, &end);
        if (*end == '\0')
            return n;
        if (*end != ',')
            return -1;
        at = end + 1;
    }
    return -1;
}

static bool is_length(double value)
{
    return value >= 1 && value <= IFM_LENGTH_MOST && value == floor(value);
}

static bool understand(const char *text, ifm_lengths *out)
{
    double v[MOST_NUMBERS] = {0, 0, 1, IFM_LENGTH_MOST};
    const char *colon = strchr(text, ':');
    const int n = numbers(colon != NULL ? colon + 1 : text, v);
    const size_t word = colon != NULL ? (size_t)(colon - text) : 0;
    if (colon == NULL && n == 1 && is_length(v[0])) {
        *out = (ifm_lengths){IFM_LENGTH_FIXED, (int32_t)v[0], (int32_t)v[0], v[0], 0};
        return true;
    }
    if (word == 7 && memcmp(text, "uniform", word) == 0 && n == 2 && is_length(v[0]) &&
        is_length(v[1]) && v[0] <= v[1]) {
        *out = (ifm_lengths){IFM_LENGTH_UNIFORM, (int32_t)v[0], (int32_t)v[1], 0, 0};
        return true;
    }
    if (word == 6 && memcmp(text, "normal", word) == 0 && (n == 2 || n == 4) &&
        v[0] >= 1 && v[0] <= IFM_LENGTH_MOST && v[1] <= IFM_LENGTH_MOST &&
        is_length(v[2]) && is_length(v[3]) && v[2] <= v[3]) {
        *out = (ifm_lengths){IFM_LENGTH_NORMAL, (int32_t)v[2], (int32_t)v[3], v[0], v[1]};
        return true;
    }
    return false;
}

ifm_status ifm_lengths_parse(const char *option, const char *text, ifm_lengths *out,
                             ifm_error *err)
{
    if (understand(text, out))
        return IFM_OK;
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "%s: \"%s\" is no length, expected 512, uniform:MIN,MAX or "
                    "normal:MEAN,SD[,MIN,MAX] (tokens, from 1 on)",
                    option, text);
}

static int32_t draw_normal(const ifm_lengths *self, ifm_random *random)
{
    double x = self->mean;
    for (int i = 0; i < DRAWS_MOST; i++) {
        x = round(self->mean + self->sd * ifm_random_normal(random));
        if (x >= self->min && x <= self->max)
            break;
    }
    return (int32_t)fmin(fmax(x, self->min), self->max);
}

int32_t ifm_lengths_draw(const ifm_lengths *self, ifm_random *random)
{
    if (self->kind == IFM_LENGTH_NORMAL)
        return draw_normal(self, random);
    const uint64_t n = (uint64_t)(self->max - self->min) + 1;
    return self->min + (n > 1 ? (int32_t)ifm_random_below(random, n) : 0);
}
