/*
 * The scalar kernels: the specification. Nothing here is clever; sums whose order a reader
 * could argue about are taken in double, so that this is also the more exact answer.
 */
#include "kern/tables.h"

#include <math.h>
#include <string.h>

static float read_number(const void *w, int64_t i, ifm_dtype dtype)
{
    if (dtype == IFM_DTYPE_F32) {
        float x;
        memcpy(&x, (const char *)w + i * 4, sizeof x);
        return x;
    }
    uint16_t half;
    memcpy(&half, (const char *)w + i * 2, sizeof half);
    return dtype == IFM_DTYPE_F16 ? ifm_f16_to_f32(half) : ifm_bf16_to_f32(half);
}

static void product(const ifm_product *p, ifm_layout layout, ifm_dtype dtype)
{
    for (int64_t t = 0; t < p->t; t++)
        for (int64_t n = p->n0; n < p->n1; n++) {
            float *y = &p->y[t * p->y_stride + n];
            double sum = p->accumulate ? *y : 0;
            for (int64_t k = p->k0; k < p->k1; k++) {
                const int64_t i =
                    layout == IFM_LAYOUT_KN ? k * p->w_stride + n : n * p->w_stride + k;
                sum += (double)p->x[t * p->x_stride + k] * read_number(p->w, i, dtype);
            }
            *y = (float)sum;
        }
}

#define DEFINE_PRODUCT(NAME, name, bytes)                                                \
    static void product_kn_##NAME(const ifm_product *p, void *scratch)                   \
    {                                                                                    \
        (void)scratch;                                                                   \
        product(p, IFM_LAYOUT_KN, IFM_DTYPE_##NAME);                                     \
    }                                                                                    \
    static void product_nk_##NAME(const ifm_product *p, void *scratch)                   \
    {                                                                                    \
        (void)scratch;                                                                   \
        product(p, IFM_LAYOUT_NK, IFM_DTYPE_##NAME);                                     \
    }                                                                                    \
    static void to_f32_##NAME(float *y, const void *x, int64_t n)                        \
    {                                                                                    \
        for (int64_t i = 0; i < n; i++)                                                  \
            y[i] = read_number(x, i, IFM_DTYPE_##NAME);                                  \
    }
IFM_DTYPE_FLOAT_LIST(DEFINE_PRODUCT)

static void layer_norm(float *y, const float *x, const float *gain, const float *bias,
                       int64_t n, float eps)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    const double scale = 1 / sqrt(squares / (double)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)((x[i] - mean) * scale * gain[i] + bias[i]);
}

static void rms_norm(float *y, const float *x, const float *gain, int64_t n, float eps)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += (double)x[i] * x[i];
    const double scale = 1 / sqrt(squares / (double)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(x[i] * scale * gain[i]);
}

static void rotate(float *x, int64_t heads, int64_t d, int64_t r, const float *cos,
                   const float *sin, bool interleaved)
{
    const int64_t half = r / 2, step = interleaved ? 2 : 1,
                  apart = interleaved ? 1 : half;
    for (int64_t h = 0; h < heads; h++, x += d)
        for (int64_t i = 0; i < half; i++) {
            float *a = &x[i * step], *b = a + apart;
            const float turned = *a * cos[i] - *b * sin[i];
            *b = *a * sin[i] + *b * cos[i];
            *a = turned;
        }
}

static void multiply(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] *= x[i];
}

static float activate(float x, ifm_kern_activation activation)
{
    switch (activation) {
    case IFM_KERN_GELU_NEW:
        return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    case IFM_KERN_GELU:
        return 0.5f * x * (1 + erff(x * 0.7071067812f));
    case IFM_KERN_RELU:
        return x > 0 ? x : 0;
    case IFM_KERN_SILU:
        return x / (1 + expf(-x));
    default:
        return x;
    }
}

static void epilogue(const ifm_epilogue *e)
{
    for (int64_t t = 0; t < e->t; t++)
        for (int64_t n = e->n0; n < e->n1; n++) {
            float sum = 0;
            for (int64_t s = 0; s < e->slices; s++)
                sum += e->part[s * e->slice_stride + t * e->part_stride + n];
            if (e->bias)
                sum += e->bias[n];
            sum = activate(sum, e->activation);
            float *y = &e->y[t * e->y_stride + n];
            *y = e->add ? *y + sum : sum;
        }
}

/* Positions [*lo, *hi) that row t sees of those asked for. */
static void seen_by(const ifm_attention *a, int64_t t, int64_t *lo, int64_t *hi)
{
    const int64_t position = a->first + t;
    *lo = a->window > 0 && position + 1 - a->window > a->begin ? position + 1 - a->window
                                                               : a->begin;
    *hi = position + 1 < a->end ? position + 1 : a->end;
}

/* log₂e scale q·k[p]; component d of a key lies among those of its block. */
static double score(const ifm_attention *a, const float *q, int64_t p)
{
    double dot = 0;
    for (int64_t d = 0; d < a->d; d++) {
        const int64_t i =
            (p / IFM_KEY_BLOCK * a->d + d) * IFM_KEY_BLOCK + p % IFM_KEY_BLOCK;
        dot += (double)q[d] * read_number(a->k, i, a->dtype);
    }
    return dot * a->scale * 1.4426950408889634;
}

/* One query: mixed[D] = Σ 2^(s - largest) v, and the sum of those weights. */
static double mix(const ifm_attention *a, const float *q, int64_t lo, int64_t hi,
                  double largest, double *mixed)
{
    double sum = 0;
    memset(mixed, 0, (size_t)a->d * sizeof *mixed);
    for (int64_t p = lo; p < hi; p++) {
        const double weight = exp2(score(a, q, p) - largest);
        for (int64_t d = 0; d < a->d; d++)
            mixed[d] += weight * read_number(a->v, p * a->d + d, a->dtype);
        sum += weight;
    }
    return sum;
}

static void attend_one(const ifm_attention *a, int64_t t, int64_t m)
{
    const float *q = a->q + t * a->q_stride + m * a->d;
    double *mixed = a->scratch, largest = -INFINITY;
    int64_t lo, hi;
    seen_by(a, t, &lo, &hi);
    for (int64_t p = lo; p < hi; p++)
        largest = fmax(largest, score(a, q, p));
    const double sum = mix(a, q, lo, hi, largest, mixed);
    float *part = a->part ? a->part + (t * a->group + m) * (a->d + 2) : NULL;
    float *out = part ? part : a->out + t * a->out_stride + m * a->d;
    for (int64_t d = 0; d < a->d; d++)
        out[d] = (float)(part ? mixed[d] : mixed[d] / sum);
    if (part) {
        part[a->d] = (float)largest;
        part[a->d + 1] = (float)sum;
    }
}

static void attend(const ifm_attention *a)
{
    for (int64_t t = a->t0; t < a->t1; t++)
        for (int64_t m = 0; m < a->group; m++)
            attend_one(a, t, m);
}

static size_t attend_bytes(int64_t d)
{
    return (size_t)d * sizeof(double);
}

static void merge(const float *parts, int64_t slices, int64_t stride, int64_t d,
                  float *out)
{
    float largest = -INFINITY, sum = 0;
    for (int64_t s = 0; s < slices; s++)
        largest = fmaxf(largest, parts[s * stride + d]);
    memset(out, 0, (size_t)d * sizeof *out);
    for (int64_t s = 0; s < slices; s++) {
        const float *part = parts + s * stride;
        if (part[d + 1] == 0)
            continue;
        const float weight = exp2f(part[d] - largest);
        for (int64_t i = 0; i < d; i++)
            out[i] += weight * part[i];
        sum += weight * part[d + 1];
    }
    for (int64_t i = 0; i < d; i++)
        out[i] /= sum;
}

static void to_f16(uint16_t *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = ifm_f32_to_f16(x[i] > 65504 ? 65504 : x[i] < -65504 ? -65504 : x[i]);
}

static int64_t argmax(const float *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best] || (isnan(x[best]) && !isnan(x[i])))
            best = i;
    return best;
}

static void max_sum_exp(const float *x, int64_t n, float *max, double *sum)
{
    *max = x[0];
    for (int64_t i = 1; i < n; i++)
        *max = x[i] > *max ? x[i] : *max;
    *sum = 0;
    for (int64_t i = 0; i < n; i++)
        *sum += exp((double)x[i] - *max);
}

void ifm_kern_scalar(ifm_kern *table)
{
    *table = (ifm_kern){
        .layer_norm = layer_norm,
        .rms_norm = rms_norm,
        .rotate = rotate,
        .multiply = multiply,
        .epilogue = epilogue,
        .attend = {{.attend = attend, .bytes = attend_bytes, .from_queries = 1}},
        .merge = merge,
        .to_f16 = to_f16,
        .argmax = argmax,
        .max_sum_exp = max_sum_exp,
    };
#define FILL(NAME, name, bytes)                                                          \
    table->ways[IFM_LAYOUT_KN][IFM_DTYPE_##NAME][IFM_WAY_ONE] =                          \
        (ifm_way){.multiply = product_kn_##NAME, .from_rows = 1};                        \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_ONE] =                          \
        (ifm_way){.multiply = product_nk_##NAME, .from_rows = 1};                        \
    table->to_f32[IFM_DTYPE_##NAME] = to_f32_##NAME;
    IFM_DTYPE_FLOAT_LIST(FILL)
#undef FILL
    ifm_kern_scalar_quant(table);
}
