/*
 * Order statistics of a stream that is read several times: the values of given ranks,
 * exactly, in memory that does not depend on how many values there are.
 *
 * Radix selection (Knuth 5.2.2, from the most significant digit on): a pass counts, for
 * each wanted rank, the next IFM_SELECT_BITS bits of those values that agree with what is
 * known of its value so far, and so learns these bits. Doubles are compared through their bits,
 * which are in their order once the sign is mended. Bits in which no two values differ
 * are skipped: whole nanoseconds take three passes, quotients five.
 */
#ifndef IFM_LOAD_SELECT_H
#define IFM_LOAD_SELECT_H

#include "inferometer/base.h"

enum {
    IFM_SELECT_RANKS = 16,
    IFM_SELECT_BITS = 12, /* 16 ranks · 4,096 counts · 8 bytes = 512 KiB at most */
};

typedef struct ifm_select {
    struct {
        size_t rank;     /* among those that have its prefix; at first of all */
        uint64_t prefix; /* the known bits of the value, above `shift` */
        size_t row;      /* of counts: ranks with one prefix share one */
    } wanted[IFM_SELECT_RANKS];
    size_t n_wanted;
    uint64_t rows[IFM_SELECT_RANKS]; /* the prefix of each row */
    size_t n_rows;
    uint64_t *counts; /* heap, [n_rows][1 << IFM_SELECT_BITS] */
    int bits;         /* of this pass; 0: all is known */
    int shift;        /* bits below those of this pass */
    int lowest;       /* bits below this one are alike in all values */
    uint64_t low;     /* these bits */
} ifm_select;

/* What one has to know of all values before: gathered in a pass of its own. */
typedef struct ifm_select_range {
    uint64_t any, all; /* OR and AND of the keys */
} ifm_select_range;

ifm_select_range ifm_select_range_empty(void);
void ifm_select_range_add(ifm_select_range *self, double x);

/* ranks[n_ranks], from 0, in any order, below the number of values. The caller deinits.
 * False without memory. */
bool ifm_select_init(ifm_select *self, const ifm_select_range *range, const size_t *ranks,
                     size_t n_ranks);
void ifm_select_deinit(ifm_select *self);
/* A value (no NaN), every one in each pass. */
void ifm_select_add(ifm_select *self, double x);
/* The end of a pass: true when another is needed. */
bool ifm_select_pass(ifm_select *self);
/* The value of ranks[i]; after the last pass. */
double ifm_select_value(const ifm_select *self, size_t i);

#endif
