/*
 * Choosing scales, minima and codes. Rounding x to the grid that spans its range is not the
 * nearest that a block can come: an outlier may better be cut off, and scales are themselves
 * rounded, to an f16 or to a few bits.
 *
 *     1. each part on its own: grids somewhat wider and narrower than the range; the codes
 *        of each give the best scale and minimum by linear least squares; the best is kept
 *     2. the block's d and m are laid so that the largest scale and minimum fit, then
 *        for each part the whole numbers near scale / d and min / m are tried out
 *     3. d and m by least squares with the codes that came out, and 2 again
 *
 * The error in 2 is computed as a reader computes it, with d and m already rounded.
 */
#include <math.h>
#include <string.h>

#include "format/quant_block.h"

enum {
    LANES = 4,  /* numbers side by side: what every processor of ours has vectors for */
    GRIDS = 10, /* wider ones, and as many narrower ones */
    ROUNDS = 3, /* of steps 2 and 3 */
};

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t masks __attribute__((vector_size(4 * LANES)));

static const float grid_step = 0.1f; /* in codes */
static const float largest_half = 65504.0f;

/* Numbers and weights of one part, or of more. */
typedef struct numbers {
    const float *x, *w;
    int n; /* a multiple of LANES */
} numbers;

/* x ≈ scale u − min. */
typedef struct line {
    float scale, min;
} line;

/* What least squares of x over u needs. */
typedef struct moments {
    double w, wx, wu, wuu, wux;
} moments;

static float to_half(float x)
{
    float bounded = x > largest_half    ? largest_half
                    : x < -largest_half ? -largest_half
                                        : x;
    return ifm_f16_to_f32(ifm_f32_to_f16(bounded));
}

static inline lanes load(const float *x)
{
    lanes v;
    memcpy(&v, x, sizeof v);
    return v;
}

static inline lanes spread(float x)
{
    return (lanes){x, x, x, x};
}

/* a where `where`, else b. */
static inline lanes choose_lanes(masks where, lanes a, lanes b)
{
    return (lanes)(((masks)a & where) | ((masks)b & ~where));
}

/* The whole numbers nearest to v in [low, high]; low for a NaN. Adding 1.5 × 2^23 leaves no
 * bits for a fraction. */
static inline lanes nearest(lanes v, lanes low, lanes high)
{
    const lanes shift = spread(12582912.0f);
    v = choose_lanes(v > low, v, low);
    v = choose_lanes(v < high, v, high);
    return (v + shift) - shift;
}

static int nearest_whole(float v, int low, int high)
{
    return (int)nearest(spread(v), spread((float)low), spread((float)high))[0];
}

static double sum_lanes(lanes v)
{
    return ((double)v[0] + (double)v[1]) + ((double)v[2] + (double)v[3]);
}

/* The sums that do not depend on u. */
static moments start_moments(numbers of)
{
    lanes w = {0}, wx = {0};
    for (int i = 0; i < of.n; i += LANES) {
        w += load(of.w + i);
        wx += load(of.w + i) * load(of.x + i);
    }
    return (moments){.w = sum_lanes(w), .wx = sum_lanes(wx)};
}

/* The weighted sums with u = the grid's number nearest to (x − origin) inverse. */
static void take_moments(moments *sums, numbers of, float origin, float inverse,
                         float low, float high)
{
    const lanes begin = spread(origin), by = spread(inverse);
    const lanes least = spread(low), most = spread(high);
    lanes wu = {0}, wuu = {0}, wux = {0};
    for (int i = 0; i < of.n; i += LANES) {
        lanes x = load(of.x + i), w = load(of.w + i);
        lanes u = nearest((x - begin) * by, least, most);
        lanes part = w * u;
        wu += part;
        wuu += part * u;
        wux += part * x;
    }
    sums->wu = sum_lanes(wu);
    sums->wuu = sum_lanes(wuu);
    sums->wux = sum_lanes(wux);
}

/* The squared error of `by` with the best codes: what a reader of them will see. */
static float error_of(numbers of, line by, float low, float high)
{
    const lanes inverse = spread(by.scale != 0 ? 1 / by.scale : 0);
    const lanes scale = spread(by.scale), min = spread(by.min);
    const lanes least = spread(low), most = spread(high);
    lanes sum = {0};
    for (int i = 0; i < of.n; i += LANES) {
        lanes x = load(of.x + i);
        lanes u = nearest((x + min) * inverse, least, most);
        lanes e = x - (scale * u - min);
        sum += load(of.w + i) * e * e;
    }
    return (float)sum_lanes(sum);
}

/* x ≈ scale u: u from low to high, 0 among them. The number of the largest magnitude comes
 * to lie at one end of the grid, or thereabouts. */
static line fit_symmetric(numbers of, float low, float high)
{
    float extreme = 0, end = -low > high ? low : high;
    double best_gain = 0;
    line best = {0};
    for (int i = 0; i < of.n; i++)
        extreme = fabsf(of.x[i]) > fabsf(extreme) ? of.x[i] : extreme;
    if (extreme == 0)
        return best;
    best.scale = extreme / end;
    moments sums = {0};
    for (int i = -GRIDS; i <= GRIDS; i++) {
        float steps = end + (end < 0 ? -grid_step : grid_step) * (float)i;
        take_moments(&sums, of, 0, steps / extreme, low, high);
        double gain = sums.wuu > 0 ? sums.wux * sums.wux / sums.wuu : 0;
        if (gain > best_gain) {
            best_gain = gain;
            best.scale = (float)(sums.wux / sums.wuu);
        }
    }
    return best;
}

/* The best line for these sums; with `positive` its minimum is not below 0, so that x is
 * never lifted. *gain = how much of the sum of w x² it explains. False: no line. */
static bool solve(const moments *of, bool positive, line *by, double *gain)
{
    double determinant = of->w * of->wuu - of->wu * of->wu;
    if (!(determinant > 0))
        return false;
    double scale = (of->w * of->wux - of->wx * of->wu) / determinant;
    double base = (of->wuu * of->wx - of->wu * of->wux) / determinant;
    if (positive && base > 0) {
        base = 0;
        scale = of->wux / of->wuu;
    }
    *by = (line){(float)scale, (float)-base};
    *gain = scale * of->wux + base * of->wx;
    return scale > 0;
}

/* x ≈ scale u − min: u from 0 to high. */
static line fit_affine(numbers of, float high, bool positive)
{
    float least = of.x[0], most = of.x[0];
    for (int i = 1; i < of.n; i++) {
        least = of.x[i] < least ? of.x[i] : least;
        most = of.x[i] > most ? of.x[i] : most;
    }
    if (positive && least > 0)
        least = 0;
    line best = {(most - least) / high, -least}, by;
    if (!(most > least))
        return best;
    double best_gain = -INFINITY, gain;
    moments sums = start_moments(of);
    for (int i = -GRIDS; i <= GRIDS; i++) {
        float inverse = (high + grid_step * (float)i) / (most - least);
        take_moments(&sums, of, least, inverse, 0, high);
        if (solve(&sums, positive, &by, &gain) && gain > best_gain) {
            best_gain = gain;
            best = by;
        }
    }
    return best;
}

/* One block in the making. */
typedef struct search {
    const ifm_quant_type *type;
    numbers all;
    int n_parts;
    float low, high;                 /* of codes less zero */
    line lines[IFM_QUANT_MAX_PARTS]; /* what each part would like */
} search;

static numbers part_of(const search *self, int p)
{
    int n = self->type->part;
    return (numbers){self->all.x + p * n, self->all.w + p * n, n};
}

/* Step 1. */
static void fit_parts(search *self)
{
    for (int p = 0; p < self->n_parts; p++)
        self->lines[p] =
            self->type->max_min == 0
                ? fit_symmetric(part_of(self, p), self->low, self->high)
                : fit_affine(part_of(self, p), self->high, self->type->max_min > 0);
}

/* d and m so that the parts' scales and minima take `share` of their range. The scale of
 * the largest magnitude becomes the lowest, negative one, where there are such: there is one
 * more. */
static void lay_levels(const search *self, float share, ifm_quant_block *block)
{
    const ifm_quant_type *type = self->type;
    float scale = 0, min = type->max_min < 0 ? -self->lines[0].min : 0;
    for (int p = 0; p < self->n_parts; p++) {
        line by = self->lines[p];
        scale = fabsf(by.scale) > fabsf(scale) ? by.scale : scale;
        if (type->max_min > 0 && by.min > min)
            min = by.min;
    }
    int end = type->min_scale < 0 ? type->min_scale : type->max_scale;
    block->d = to_half(scale / ((float)end * share));
    block->m = to_half(type->max_min > 0 ? min / ((float)type->max_min * share) : min);
}

/* Whether it matters how d is laid: some part is so much smaller than the largest that only
 * few whole numbers are left to its scale, or d itself is so small that an f16 holds few of its bits. */
static bool is_coarse(const search *self, const ifm_quant_block *block)
{
    const float few = 4, least = 0x1p-19f;
    bool coarse = fabsf(block->d) < least && block->d != 0;
    for (int p = 0; self->type->max_scale > 1 && p < self->n_parts; p++) {
        float scale = fabsf(self->lines[p].scale);
        coarse |= scale > 0 && scale < few * fabsf(block->d);
    }
    return coarse;
}

static line line_of(const ifm_quant_block *block, const ifm_quant_type *type, int scale,
                    int min)
{
    return (line){block->d * (float)scale,
                  type->max_min == 0 ? 0 : block->m * (float)min};
}

static int whole(float value, float step, int low, int high)
{
    return step != 0 ? nearest_whole(value / step, low, high) : 0;
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* Tries out the whole numbers next to what part p would like; the error of the best. */
static float choose_level(const search *self, int p, ifm_quant_block *block)
{
    const ifm_quant_type *type = self->type;
    numbers of = part_of(self, p);
    if (type->max_scale == 1) {
        block->scale[p] = 1;
        block->min[p] = -1;
        return error_of(of, line_of(block, type, 1, -1), self->low, self->high);
    }
    int scale = whole(self->lines[p].scale, block->d, type->min_scale, type->max_scale);
    int min = whole(self->lines[p].min, block->m, 0, type->max_min);
    int reach = type->max_min > 0;
    float best = INFINITY;
    for (int i = -1; i <= 1; i++) {
        for (int j = -reach; j <= reach; j++) {
            int s = clamp(scale + i, type->min_scale, type->max_scale);
            int t = clamp(min + j, 0, type->max_min);
            float error = error_of(of, line_of(block, type, s, t), self->low, self->high);
            if (error < best) {
                best = error;
                block->scale[p] = (int16_t)s;
                block->min[p] = (int16_t)t;
            }
        }
    }
    return best;
}

/* Step 2: scales, minima and codes for the block's d and m. Returns the error. */
static float choose(const search *self, ifm_quant_block *block)
{
    const ifm_quant_type *type = self->type;
    float error = 0;
    for (int p = 0; p < self->n_parts; p++) {
        error += choose_level(self, p, block);
        line by = line_of(block, type, block->scale[p], block->min[p]);
        numbers of = part_of(self, p);
        float inverse = by.scale != 0 ? 1 / by.scale : 0;
        for (int i = 0; i < of.n; i++) {
            int u = nearest_whole((of.x[i] + by.min) * inverse, (int)self->low,
                                  (int)self->high);
            block->code[p * of.n + i] = (int16_t)(u + type->zero);
        }
    }
    return error;
}

/* Step 3: x ≈ d (scale u) − m min, least squares in d and m. False: no solution. */
static bool refit(const search *self, ifm_quant_block *block)
{
    const ifm_quant_type *type = self->type;
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int p = 0; p < self->n_parts; p++) {
        numbers of = part_of(self, p);
        moments sums = {0};
        for (int i = 0; i < of.n; i++) {
            double w = (double)of.w[i], x = (double)of.x[i];
            double u = block->code[p * of.n + i] - type->zero;
            sums.w += w;
            sums.wx += w * x;
            sums.wu += w * u;
            sums.wuu += w * u * u;
            sums.wux += w * u * x;
        }
        double scale = block->scale[p], min = type->max_min == 0 ? 0 : -block->min[p];
        aa += scale * scale * sums.wuu;
        ab += scale * min * sums.wu;
        bb += min * min * sums.w;
        ax += scale * sums.wux;
        bx += min * sums.wx;
    }
    if (!(aa > 0))
        return false;
    double d = ax / aa, m = 0, determinant = aa * bb - ab * ab;
    if (bb > 0 && determinant > 1e-9 * aa * bb) {
        d = (bb * ax - ab * bx) / determinant;
        m = (aa * bx - ab * ax) / determinant;
        if (type->max_min > 0 && m < 0)
            return false;
    }
    block->d = to_half((float)d);
    block->m = to_half((float)m);
    return true;
}

/* Steps 2 and 3, from the d and m of *next on. */
static void improve(const search *self, ifm_quant_block *next, float *best,
                    ifm_quant_block *block)
{
    for (int i = 0; i < ROUNDS; i++) {
        float error = choose(self, next);
        if (error < *best) {
            *best = error;
            *block = *next;
        }
        if (!refit(self, next))
            return;
    }
}

void ifm_quant_search(ifm_dtype dtype, const float *x, const float *weights,
                      ifm_quant_block *block)
{
    const ifm_quant_type *type = ifm_quant_type_of(dtype);
    int n = (int)ifm_dtype_block(dtype);
    search self = {
        .type = type,
        .all = {x, weights, n},
        .n_parts = n / type->part,
        .low = (float)(type->min_code - type->zero),
        .high = (float)(type->max_code - type->zero),
    };
    ifm_quant_block next = {0};
    float best = INFINITY;
    fit_parts(&self);
    lay_levels(&self, 1, &next);
    *block = next; /* d or m are not finite when x is not, and no error is the least */
    /* Shares above 1 cut the largest scale off: a part that can choose between codes for
     * its outlier can do with less. */
    static const float shares[] = {1, 0.95f, 0.9f, 0.85f, 0.8f, 1.1f, 1.2f, 1.33f};
    size_t starts = is_coarse(&self, &next) ? sizeof shares / sizeof shares[0] : 1;
    for (size_t i = 0; i < starts; i++) {
        lay_levels(&self, shares[i], &next);
        improve(&self, &next, &best, block);
    }
}
