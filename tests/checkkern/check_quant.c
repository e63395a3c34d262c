/* Products with quantized matrices against f32 products with what their blocks hold. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "format/quant.h"

/* As in check_products.c: roundings of the sum, which has the size √K. */
static const double ROUNDING = 4e-7;

/* The largest of a block of 32 normal numbers is seldom over 4.5, and its 127th part the
 * step: half a step off at most. Errors are independent of each other, so that six standard
 * deviations of their sum, √(K/3) of that, are not passed. */
static const double EIGHT_BITS = 6 * 4.5 / 254 / 1.7;

/* Rows of x, parts of 32 numbers of k (rounded up to blocks), columns. */
typedef struct shape {
    int64_t t, parts, n;
} shape;

static const shape shapes[] = {
    {1, 1, 1},    {1, 3, 17},  {1, 24, 31},  {2, 2, 16},  {3, 9, 33},   {4, 8, 64},
    {5, 1, 100},  {6, 18, 47}, {8, 24, 16},  {9, 3, 66},  {16, 4, 35},  {17, 1, 50},
    {18, 18, 32}, {31, 2, 97}, {33, 17, 33}, {47, 9, 15}, {64, 40, 40}, {65, 6, 130},
};

typedef struct data {
    int64_t t, k, n, x_stride, y_stride;
    ifm_dtype dtype;
    float *x, *plain;      /* plain[N, K]: what the blocks hold */
    unsigned char *blocks; /* at an odd address */
    float *a, *b, *blank;
    /* What the scalar table makes of them, computed once for all ways: the whole, then a
     * part on top of it; the whole with x in 8 bits. */
    float *whole, *part, *eight;
} data;

static int64_t outputs(const data *d)
{
    return d->t * d->y_stride;
}

static ifm_product product_of(const data *d, const void *w, float *y, bool part)
{
    return (ifm_product){.x = d->x,
                         .x_stride = d->x_stride,
                         .w = w,
                         .w_stride = d->k,
                         .y = y,
                         .y_stride = d->y_stride,
                         .t = d->t,
                         .k1 = d->k,
                         .n0 = part ? d->n / 4 : 0,
                         .n1 = part ? d->n - d->n / 5 : d->n,
                         .accumulate = part};
}

/* An output as it is before anything is written to it. */
static void clear(const data *d, float *y)
{
    memcpy(y, d->blank, (size_t)outputs(d) * sizeof *y);
}

static void compute_references(check *c, data *d)
{
    const ifm_way *plain =
        ifm_kern_way(c->reference, IFM_LAYOUT_NK, IFM_DTYPE_F32, d->t, false);
    const ifm_way *eight =
        ifm_kern_way(c->reference, IFM_LAYOUT_NK, d->dtype, d->t, false);
    ifm_product p = product_of(d, d->plain, d->whole, false);
    plain->multiply(&p, NULL);
    memcpy(d->part, d->whole, (size_t)outputs(d) * sizeof *d->part);
    p = product_of(d, d->plain, d->part, true);
    plain->multiply(&p, NULL);
    run_way(c, product_of(d, d->blocks, d->eight, false), eight);
}

/* The largest sums that bytes can give: all of x the same, so that it becomes 127 in 8 bits,
 * or -127 in every other row, and all of w as large as its bits allow, but for one of each 32,
 * from which the bits count. */
static void fill_extreme(data *d)
{
    for (int64_t t = 0; t < d->t; t++)
        for (int64_t k = 0; k < d->k; k++)
            d->x[t * d->x_stride + k] = t % 2 ? -1 : 1;
    for (int64_t i = 0; i < d->n * d->k; i++)
        d->plain[i] = i % 32 ? 1 : -1;
}

static data data_new(check *c, const shape *s, ifm_dtype dtype, bool extreme)
{
    const int64_t block = ifm_dtype_block(dtype);
    const int64_t k = (s->parts * 32 + block - 1) / block * block;
    data d = {.t = s->t, .k = k, .n = s->n, .dtype = dtype};
    d.x_stride = k + 5;
    d.y_stride = s->n + 2;
    d.x = random_floats(c, d.t * d.x_stride, 1);
    d.plain = random_floats(c, d.n * k, 1);
    if (extreme)
        fill_extreme(&d);
    d.blocks = (unsigned char *)malloc((size_t)ifm_dtype_bytes_of(dtype, d.n * k) + 1);
    if (!d.blocks)
        exit(1);
    d.blocks++;
    ifm_quantize(dtype, d.plain, d.n * k, NULL, d.blocks);
    ifm_dequantize(dtype, d.blocks, d.n * k, d.plain);
    float **const made[] = {&d.a, &d.b, &d.blank, &d.whole, &d.part, &d.eight};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        *made[i] = guarded_new(outputs(&d));
    compute_references(c, &d);
    return d;
}

static void data_free(data *d)
{
    free(d->x);
    free(d->plain);
    free(d->blocks - 1);
    float *const made[] = {d->a, d->b, d->blank, d->whole, d->part, d->eight};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        guarded_free(made[i]);
}

static void check_shape(check *c, const data *d, const ifm_way *way, const char *name)
{
    const double size = sqrt((double)d->k),
                 tolerance = ROUNDING * (double)(d->k + 8) +
                             12 * (double)way->rounding * size +
                             (way->eight_bit ? EIGHT_BITS * size : 0);
    clear(d, d->b);
    for (int part = 0; part < 2; part++) {
        run_way(c, product_of(d, d->blocks, d->b, part), way);
        compare(c, part ? d->part : d->whole, d->b, outputs(d), tolerance, 0,
                "%s %s of %lld x %lld x %lld, part %d", name, ifm_dtype_name(d->dtype),
                (long long)d->t, (long long)d->k, (long long)d->n, part);
    }
}

/* Rows of x in 8 bits: the same bits from all tables. */
static void check_pack(check *c, const data *d, const ifm_way *way,
                       const ifm_way *reference, const char *name)
{
    const size_t bytes = reference->packed_bytes(d->t, d->k),
                 room = (bytes + 63) / 64 * 64;
    char *a = aligned_alloc(64, room), *b = aligned_alloc(64, room);
    const ifm_product p = product_of(d, d->blocks, d->b, false);
    if (!a || !b)
        exit(1);
    memset(a, 0, room);
    memset(b, 0, room);
    reference->pack(&p, 0, d->t, a);
    way->pack(&p, 0, d->t, b);
    expect(c, memcmp(a, b, bytes) == 0, "%s packs %lld x %lld otherwise than scalar",
           name, (long long)d->t, (long long)d->k);
    free(a);
    free(b);
}

/* With x in the same 8 bits, only the sums are rounded otherwise than by the scalar table:
 * dot products of bytes are exact, up to 32 · 255 · 127 before 128 Σ x is taken away. */
static void check_eight_bits(check *c, const data *d, const ifm_way *way,
                             double tolerance, const char *name)
{
    const ifm_way *reference =
        ifm_kern_way(c->reference, IFM_LAYOUT_NK, d->dtype, d->t, false);
    if (!way->eight_bit || !reference->eight_bit)
        return;
    if (way->pack_rows <= 1) /* pairs of rows hold the same numbers in another order */
        check_pack(c, d, way, reference, name);
    clear(d, d->b);
    run_way(c, product_of(d, d->blocks, d->b, false), way);
    compare(c, d->eight, d->b, outputs(d), tolerance, 0,
            "%s %s of %lld x %lld x %lld, 8 bits", name, ifm_dtype_name(d->dtype),
            (long long)d->t, (long long)d->k, (long long)d->n);
}

/* One column must be the same bits wherever the split among threads puts it. */
static void check_split(check *c, const data *d, const ifm_way *way, const char *name)
{
    const int64_t middle = d->n / 2 / 16 * 16;
    clear(d, d->a);
    clear(d, d->b);
    for (int half = 0; half < 3; half++) {
        ifm_product p = product_of(d, d->blocks, half ? d->b : d->a, false);
        p.n0 = half == 2 ? middle : 0;
        p.n1 = half == 1 ? middle : d->n;
        if (p.n0 < p.n1)
            run_way(c, p, way);
    }
    compare(c, d->a, d->b, outputs(d), 0, 0, "%s %s of %lld x %lld x %lld in two halves",
            name, ifm_dtype_name(d->dtype), (long long)d->t, (long long)d->k,
            (long long)d->n);
}

static void check_ways(check *c, const shape *s, ifm_dtype dtype)
{
    static const char *const ranks[IFM_WAY_COUNT] = {"one", "few", "many"};
    data d = data_new(c, s, dtype, false);
    for (int exact = 0; exact < 2; exact++)
        for (int rank = 0; rank < IFM_WAY_COUNT; rank++) {
            const ifm_way *way = exact ? &c->tested->exact[dtype][rank]
                                       : &c->tested->ways[IFM_LAYOUT_NK][dtype][rank];
            char name[32];
            if (!way->multiply)
                continue;
            snprintf(name, sizeof name, "%s%s", exact ? "exact " : "", ranks[rank]);
            check_shape(c, &d, way, name);
            check_eight_bits(c, &d, way, ROUNDING * (double)(d.k + 8), name);
            check_split(c, &d, way, name);
        }
    data_free(&d);
}

/* No sum of pairs may pass what it is kept in. */
static void check_extremes(check *c, int64_t t, ifm_dtype dtype)
{
    data d = data_new(c, &(shape){t, 24, 40}, dtype, true);
    /* All terms have one sign, so that d u x and m x are summed up to 2 K, and each of 2 K/32
     * additions is off by 2⁻²⁴ of that at most. What passed 16 bits would be off by 60. */
    const double tolerance = 0x1p-27 * (double)(d.k * d.k);
    for (int rank = 0; rank < IFM_WAY_COUNT; rank++) {
        const ifm_way *way = &c->tested->ways[IFM_LAYOUT_NK][dtype][rank];
        if (way->multiply)
            check_eight_bits(c, &d, way, tolerance, "extreme");
    }
    data_free(&d);
}

void check_quant(check *c)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int dtype = IFM_DTYPE_FLOAT_COUNT; dtype < IFM_DTYPE_COUNT; dtype++)
            check_ways(c, &shapes[i], (ifm_dtype)dtype);
    for (int dtype = IFM_DTYPE_FLOAT_COUNT; dtype < IFM_DTYPE_COUNT; dtype++)
        for (int64_t t = 1; t <= 7; t += 3)
            check_extremes(c, t, (ifm_dtype)dtype);
}
