#include "load/select.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t sign = UINT64_C(1) << 63;

/* In the order of the doubles: negative ones have all bits turned, others the sign. */
static uint64_t key_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits & sign) != 0 ? ~bits : bits | sign;
}

static double value_of(uint64_t key)
{
    uint64_t bits = (key & sign) != 0 ? key & ~sign : ~key;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

ifm_select_range ifm_select_range_empty(void)
{
    return (ifm_select_range){0, ~UINT64_C(0)};
}

void ifm_select_range_add(ifm_select_range *self, double x)
{
    uint64_t key = key_of(x);
    self->any |= key;
    self->all &= key;
}

/* key >> shift; a shift of 64 leaves nothing. */
static uint64_t above(uint64_t key, int shift)
{
    return shift < 64 ? key >> shift : 0;
}

/* Gives the wanted ranks of one prefix one row, and clears the counts of this pass. */
static void lay_rows(ifm_select *self)
{
    self->n_rows = 0;
    for (size_t i = 0; i < self->n_wanted; i++) {
        size_t row = 0;
        while (row < self->n_rows && self->rows[row] != self->wanted[i].prefix)
            row++;
        if (row == self->n_rows)
            self->rows[self->n_rows++] = self->wanted[i].prefix;
        self->wanted[i].row = row;
    }
    memset(self->counts, 0, (self->n_rows << IFM_SELECT_BITS) * sizeof *self->counts);
}

/* Chooses the bits of the next pass. */
static void begin_pass(ifm_select *self)
{
    int left = self->shift - self->lowest;
    self->bits = left < IFM_SELECT_BITS ? left : IFM_SELECT_BITS;
    self->shift -= self->bits;
    if (self->bits > 0)
        lay_rows(self);
}

bool ifm_select_init(ifm_select *self, const ifm_select_range *range, const size_t *ranks,
                     size_t n_ranks)
{
    *self = (ifm_select){.n_wanted = n_ranks, .shift = 0};
    const uint64_t differ = range->any ^ range->all;
    if (differ != 0) {
        self->lowest = __builtin_ctzll(differ);
        self->shift = 64 - __builtin_clzll(differ);
    }
    self->low = differ != 0 ? range->all & ((UINT64_C(1) << self->lowest) - 1) : 0;
    if (differ == 0)
        self->lowest = self->shift = 0;
    for (size_t i = 0; i < n_ranks; i++) {
        self->wanted[i].rank = ranks[i];
        self->wanted[i].prefix = above(range->all, self->shift);
    }
    self->counts = malloc((IFM_SELECT_RANKS << IFM_SELECT_BITS) * sizeof *self->counts);
    if (self->counts == NULL)
        return false;
    begin_pass(self);
    return true;
}

void ifm_select_deinit(ifm_select *self)
{
    free(self->counts);
    self->counts = NULL;
}

void ifm_select_add(ifm_select *self, double x)
{
    const uint64_t key = above(key_of(x), self->shift);
    const uint64_t prefix = key >> self->bits;
    for (size_t row = 0; row < self->n_rows; row++) {
        if (self->rows[row] != prefix)
            continue;
        size_t digit = key & ((UINT64_C(1) << self->bits) - 1);
        self->counts[(row << IFM_SELECT_BITS) + digit]++;
        return;
    }
}

bool ifm_select_pass(ifm_select *self)
{
    for (size_t i = 0; i < self->n_wanted && self->bits > 0; i++) {
        const uint64_t *counts = self->counts + (self->wanted[i].row << IFM_SELECT_BITS);
        const size_t last = ((size_t)1 << self->bits) - 1;
        size_t digit = 0;
        while (digit < last && self->wanted[i].rank >= counts[digit])
            self->wanted[i].rank -= counts[digit++];
        self->wanted[i].prefix = self->wanted[i].prefix << self->bits | digit;
    }
    begin_pass(self);
    return self->bits > 0;
}

double ifm_select_value(const ifm_select *self, size_t i)
{
    return value_of(self->wanted[i].prefix << self->lowest | self->low);
}
