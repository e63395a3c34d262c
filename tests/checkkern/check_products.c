/* Products of matrices, of few rows and of many. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* A sum of K products of standard normal numbers has the size √K; each of the K roundings
 * adds at most half an ulp of a partial sum, at random: about 6e-8 √K √K/2. */
static const double ROUNDING = 4e-7;

typedef struct shape {
    int64_t t, k, n;
} shape;

static const shape shapes[] = {
    {1, 1, 1},      {1, 8, 16},   {1, 9, 17},    {1, 64, 65},  {1, 768, 31},
    {1, 33, 300},   {2, 40, 63},  {3, 17, 100},  {4, 31, 129}, {5, 64, 48},
    {6, 100, 77},   {7, 23, 97},  {8, 64, 64},   {9, 7, 33},   {10, 50, 47},
    {11, 12, 130},  {12, 65, 80}, {13, 129, 15}, {16, 64, 96}, {17, 101, 50},
    {18, 32, 32},   {31, 40, 97}, {64, 70, 120}, {65, 33, 49}, {64, 1100, 40},
    {33, 2050, 33},
};

typedef struct data {
    float *x;
    unsigned char *w;
    float *a, *b;
    int64_t x_stride, y_stride;
} data;

static ifm_product product_of(const data *d, const shape *s, ifm_layout layout, float *y)
{
    return (ifm_product){.x = d->x,
                         .x_stride = d->x_stride,
                         .w = d->w,
                         .w_stride = layout == IFM_LAYOUT_KN ? s->n : s->k,
                         .y = y,
                         .y_stride = d->y_stride,
                         .t = s->t,
                         .k1 = s->k,
                         .n1 = s->n};
}

static double tolerance(const ifm_way *way, const shape *s)
{
    /* A term's error is in proportion to the term, and terms of two normal numbers have long
     * tails: a dozen times what √K of the mean size amount to. */
    return ROUNDING * (double)(s->k + 8) +
           12 * (double)way->rounding * sqrt((double)s->k);
}

static const char *const rank_names[IFM_WAY_COUNT] = {"one", "few", "many"};

/* The whole, then a part of columns and of k on top of what is there. */
static void check_shape(check *c, const shape *s, ifm_layout layout, ifm_dtype dtype,
                        ifm_way_rank rank)
{
    const ifm_way *way = &c->tested->ways[layout][dtype][rank];
    data d = {.x_stride = s->k + 3, .y_stride = s->n + 2};
    const int64_t n_y = s->t * d.y_stride;
    d.x = random_floats(c, s->t * d.x_stride, 1);
    d.w = random_numbers(c, s->k * s->n, dtype, 1);
    d.a = guarded_new(n_y);
    d.b = guarded_new(n_y);
    for (int part = 0; part < 2; part++) {
        ifm_product a = product_of(&d, s, layout, d.a),
                    b = product_of(&d, s, layout, d.b);
        if (part) {
            a.k0 = b.k0 = s->k / 3;
            a.n0 = b.n0 = s->n / 4;
            a.n1 = b.n1 = s->n - s->n / 5;
            a.accumulate = b.accumulate = true;
        }
        run_way(c, a, ifm_kern_way(c->reference, layout, dtype, s->t, false));
        run_way(c, b, way);
        compare(c, d.a, d.b, n_y, tolerance(way, s), 0,
                "%s %s %s of %lld x %lld x %lld, part %d", rank_names[rank],
                layout == IFM_LAYOUT_KN ? "kn" : "nk", ifm_dtype_name(dtype),
                (long long)s->t, (long long)s->k, (long long)s->n, part);
    }
    free(d.x);
    free_numbers(d.w);
    guarded_free(d.a);
    guarded_free(d.b);
}

/* One column must be the same bits wherever the split among threads puts it. */
static void check_split(check *c, const shape *s, ifm_layout layout, ifm_dtype dtype,
                        ifm_way_rank rank)
{
    const ifm_way *way = &c->tested->ways[layout][dtype][rank];
    data d = {.x_stride = s->k, .y_stride = s->n};
    const int64_t n_y = s->t * s->n, middle = s->n / 2 / 16 * 16;
    d.x = random_floats(c, s->t * s->k, 1);
    d.w = random_numbers(c, s->k * s->n, dtype, 1);
    d.a = guarded_new(n_y);
    d.b = guarded_new(n_y);
    for (int half = 0; half < 3; half++) {
        ifm_product p = product_of(&d, s, layout, half ? d.b : d.a);
        p.n0 = half == 2 ? middle : 0;
        p.n1 = half == 1 ? middle : s->n;
        if (p.n0 >= p.n1)
            continue;
        run_way(c, p, way);
    }
    compare(c, d.a, d.b, n_y, 0, 0, "%s %s %s of %lld x %lld x %lld in two halves",
            rank_names[rank], layout == IFM_LAYOUT_KN ? "kn" : "nk",
            ifm_dtype_name(dtype), (long long)s->t, (long long)s->k, (long long)s->n);
    free(d.x);
    free_numbers(d.w);
    guarded_free(d.a);
    guarded_free(d.b);
}

void check_products(check *c)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int layout = 0; layout < IFM_LAYOUT_COUNT; layout++)
            for (int dtype = 0; dtype < IFM_DTYPE_FLOAT_COUNT; dtype++)
                for (int rank = 0; rank < IFM_WAY_COUNT; rank++) {
                    if (!c->tested->ways[layout][dtype][rank].multiply)
                        continue;
                    check_shape(c, &shapes[i], (ifm_layout)layout, (ifm_dtype)dtype,
                                (ifm_way_rank)rank);
                    check_split(c, &shapes[i], (ifm_layout)layout, (ifm_dtype)dtype,
                                (ifm_way_rank)rank);
                }
}
