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
    LANES = 8,  /* sums that run side by side, so that compilers use vectors */
    GRIDS = 10, /* wider ones, and as many narrower ones */
    ROUNDS = 3, /* of steps 2 and 3 */
};

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

/* The whole number nearest to v in [low, high]; low for a NaN. Adding 1.5 × 2^23 leaves no
 * bits for a fraction. */
static inline float nearest(float v, float low, float high)
{
    const float shift = 12582912.0f;
    v = v > low ? v : low;
    v = v < high ? v : high;
    return (v + shift) - shift;
}

static double sum_lanes(const float *lanes)
{
    double sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += (double)lanes[i];
    return sum;
}

/* The weighted sums with u = the grid's number nearest to (x − origin) inverse. */
static moments take_moments(numbers of, float origin, float inverse, float low,
                            float high)
{
    float w[LANES] = {0}, wx[LANES] = {0}, wu[LANES] = {0};
    float wuu[LANES] = {0}, wux[LANES] = {0};
    for (int i = 0; i < of.n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            float x = of.x[i + j], weight = of.w[i + j];
            float u = nearest((x - origin) * inverse, low, high);
            w[j] += weight;
            wx[j] += weight * x;
            wu[j] += weight * u;
            wuu[j] += weight * u * u;
            wux[j] += weight * u * x;
        }
    }
    return (moments){sum_lanes(w), sum_lanes(wx), sum_lanes(wu), sum_lanes(wuu),
                     sum_lanes(wux)};
}

/* The squared error of `by` with the best codes: what a reader of them will see. */
static float error_of(numbers of, line by, float low, float high)
{
    float sums[LANES] = {0};
    float inverse = by.scale != 0 ? 1 / by.scale : 0;
    for (int i = 0; i < of.n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            float x = of.x[i + j];
            float u = nearest((x + by.min) * inverse, low, high);
            float e = x - (by.scale * u - by.min);
            sums[j] += of.w[i + j] * e * e;
        }
    }
    return (float)sum_lanes(sums);
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
    for (int i = -GRIDS; i <= GRIDS; i++) {
        float steps = end + (end < 0 ? -grid_step : grid_step) * (float)i;
        moments sums = take_moments(of, 0, steps / extreme, low, high);
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
    for (int i = -GRIDS; i <= GRIDS; i++) {
        float inverse = (high + grid_step * (float)i) / (most - least);
        moments sums = take_moments(of, least, inverse, 0, high);
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

/* d and m so that the parts' scales and minima fit into their bits. The scale of largest
 * magnitude becomes the lowest, negative one, where there are such: there is one more. */
static void first_levels(const search *self, ifm_quant_block *block)
{
    const ifm_quant_type *type = self->type;
    float scale = 0, min = type->max_min < 0 ? -self->lines[0].min : 0;
    for (int p = 0; p < self->n_parts; p++) {
        line by = self->lines[p];
        scale = fabsf(by.scale) > fabsf(scale) ? by.scale : scale;
        if (type->max_min > 0 && by.min > min)
            min = by.min;
    }
    block->d =
        to_half(scale / (float)(type->min_scale < 0 ? type->min_scale : type->max_scale));
    block->m = to_half(type->max_min > 0 ? min / (float)type->max_min : min);
}

static line line_of(const ifm_quant_block *block, const ifm_quant_type *type, int scale,
                    int min)
{
    return (line){block->d * (float)scale,
                  type->max_min == 0 ? 0 : block->m * (float)min};
}

static int whole(float value, float step, int low, int high)
{
    return step != 0 ? (int)nearest(value / step, (float)low, (float)high) : 0;
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
            float u = nearest((of.x[i] + by.min) * inverse, self->low, self->high);
            block->code[p * of.n + i] = (int16_t)((int)u + type->zero);
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
    fit_parts(&self);
    first_levels(&self, &next);
    float best = choose(&self, &next);
    *block = next;
    for (int i = 1; i < ROUNDS && refit(&self, &next); i++) {
        float error = choose(&self, &next);
        if (error < best) {
            best = error;
            *block = next;
        }
    }
}
