/*
 * How long prompts and answers shall be, in tokens: a number, or drawn.
 *
 *     512    uniform:MIN,MAX    normal:MEAN,SD[,MIN,MAX]
 */
#ifndef IFM_DRIVE_LENGTHS_H
#define IFM_DRIVE_LENGTHS_H

#include "base/random.h"
#include "inferometer/base.h"

enum { IFM_LENGTH_MOST = 1 << 24 };

typedef enum ifm_length_kind {
    IFM_LENGTH_FIXED,
    IFM_LENGTH_UNIFORM,
    IFM_LENGTH_NORMAL,
} ifm_length_kind;

typedef struct ifm_lengths {
    ifm_length_kind kind;
    int32_t min, max; /* inclusive; FIXED: both the length */
    double mean, sd;  /* NORMAL */
} ifm_lengths;

/* `option` is for the message: "--input-len". Errors: ARGUMENT. */
ifm_status ifm_lengths_parse(const char *option, const char *text, ifm_lengths *out,
                             ifm_error *err);

/* One length. NORMAL: rounded; what lies outside min … max is drawn again, and becomes the
 * nearer end when that does not help. */
int32_t ifm_lengths_draw(const ifm_lengths *self, ifm_random *random);

#endif
