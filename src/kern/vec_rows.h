/* Part of vec.h: functions that run along one row. */

#define DEFINE_TO_F32(NAME, name, bytes)                                                 \
    static void to_f32_##NAME(float *y, const void *x, int64_t n)                        \
    {                                                                                    \
        int64_t i = 0;                                                                   \
        for (; i + VEC <= n; i += VEC)                                                   \
            v_store(y + i, v_load_number(x, i, IFM_DTYPE_##NAME));                       \
        if (i < n)                                                                       \
            v_store_part(y + i, v_load_number_part(x, i, n - i, IFM_DTYPE_##NAME),       \
                         n - i);                                                         \
    }
IFM_DTYPE_FLOAT_LIST(DEFINE_TO_F32)
#undef DEFINE_TO_F32

static inline float row_sum(const float *x, int64_t n)
{
    vec a = v_zero(), b = v_zero();
    int64_t i = 0;
    for (; i + 2 * VEC <= n; i += 2 * VEC) {
        a = v_add(a, v_load(x + i));
        b = v_add(b, v_load(x + i + VEC));
    }
    for (; i + VEC <= n; i += VEC)
        a = v_add(a, v_load(x + i));
    if (i < n)
        b = v_add(b, v_load_part(x + i, n - i));
    return v_sum(v_add(a, b));
}

static inline float row_squares(const float *x, int64_t n, float mean)
{
    const vec m = v_set(mean);
    vec a = v_zero(), b = v_zero();
    int64_t i = 0;
    for (; i + 2 * VEC <= n; i += 2 * VEC) {
        const vec p = v_sub(v_load(x + i), m), q = v_sub(v_load(x + i + VEC), m);
        a = v_fma(p, p, a);
        b = v_fma(q, q, b);
    }
    for (; i < n; i += VEC) {
        const int64_t left = n - i;
        vec p = v_sub(left < VEC ? v_load_part(x + i, left) : v_load(x + i), m);
        p = left < VEC ? v_keep_first(p, left, 0) : p;
        a = v_fma(p, p, a);
    }
    return v_sum(v_add(a, b));
}

static void layer_norm(float *y, const float *x, const float *gain, const float *bias,
                       int64_t n, float eps)
{
    const float mean = row_sum(x, n) / (float)n;
    const float scale = 1 / sqrtf(row_squares(x, n, mean) / (float)n + eps);
    const vec m = v_set(mean), s = v_set(scale);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) {
        const vec unit = v_mul(v_sub(v_load(x + i), m), s);
        v_store(y + i, v_fma(unit, v_load(gain + i), v_load(bias + i)));
    }
    if (i < n) {
        const vec unit = v_mul(v_sub(v_load_part(x + i, n - i), m), s);
        v_store_part(
            y + i,
            v_fma(unit, v_load_part(gain + i, n - i), v_load_part(bias + i, n - i)),
            n - i);
    }
}

static void rms_norm(float *y, const float *x, const float *gain, int64_t n, float eps)
{
    const vec s = v_set(1 / sqrtf(row_squares(x, n, 0) / (float)n + eps));
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        v_store(y + i, v_mul(v_mul(v_load(x + i), s), v_load(gain + i)));
    if (i < n)
        v_store_part(
            y + i,
            v_mul(v_mul(v_load_part(x + i, n - i), s), v_load_part(gain + i, n - i)),
            n - i);
}

static inline vec load_some(const float *p, int64_t n)
{
    return n < VEC ? v_load_part(p, n) : v_load(p);
}

static inline void store_some(float *p, vec x, int64_t n)
{
    if (n < VEC)
        v_store_part(p, x, n);
    else
        v_store(p, x);
}

/* Pairs (i, i + half) of one head. */
static inline void rotate_halves(float *x, int64_t half, const float *cos,
                                 const float *sin)
{
    for (int64_t i = 0; i < half; i += VEC) {
        const int64_t left = half - i;
        const vec a = load_some(x + i, left), b = load_some(x + half + i, left);
        const vec c = load_some(cos + i, left), s = load_some(sin + i, left);
        store_some(x + i, v_sub(v_mul(a, c), v_mul(b, s)), left);
        store_some(x + half + i, v_fma(a, s, v_mul(b, c)), left);
    }
}

/* Pairs (2i, 2i + 1): compilers turn this into vectors as well as one could by hand. */
static inline void rotate_pairs(float *restrict x, int64_t half,
                                const float *restrict cos, const float *restrict sin)
{
    for (int64_t i = 0; i < half; i++) {
        const float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cos[i] - b * sin[i];
        x[2 * i + 1] = a * sin[i] + b * cos[i];
    }
}

static void rotate(float *x, int64_t heads, int64_t d, int64_t r, const float *cos,
                   const float *sin, bool interleaved)
{
    for (int64_t h = 0; h < heads; h++, x += d)
        if (interleaved)
            rotate_pairs(x, r / 2, cos, sin);
        else
            rotate_halves(x, r / 2, cos, sin);
}

static void multiply(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        v_store(y + i, v_mul(v_load(y + i), v_load(x + i)));
    if (i < n)
        v_store_part(y + i, v_mul(v_load_part(y + i, n - i), v_load_part(x + i, n - i)),
                     n - i);
}

/* Lanes [n, n + VEC) of row t, or fewer at the end. */
ALWAYS_INLINE void epilogue_at(const ifm_epilogue *e, ifm_kern_activation activation,
                               int64_t t, int64_t n, int64_t left)
{
    const float *part = e->part + t * e->part_stride + n;
    float *y = e->y + t * e->y_stride + n;
    vec sum = load_some(part, left);
    for (int64_t s = 1; s < e->slices; s++)
        sum = v_add(sum, load_some(part + s * e->slice_stride, left));
    if (e->bias)
        sum = v_add(sum, load_some(e->bias + n, left));
    sum = v_activate(sum, activation);
    if (e->add)
        sum = v_add(load_some(y, left), sum);
    if (left < VEC)
        v_store_part(y, sum, left);
    else
        v_store(y, sum);
}

/* With a copy of what to do, which no store to y can change. */
ALWAYS_INLINE void epilogue_all(ifm_epilogue e, ifm_kern_activation activation)
{
    for (int64_t t = 0; t < e.t; t++) {
        int64_t n = e.n0;
        for (; n + VEC <= e.n1; n += VEC)
            epilogue_at(&e, activation, t, n, VEC);
        if (n < e.n1)
            epilogue_at(&e, activation, t, n, e.n1 - n);
    }
}

/* The usual ones each in a loop of its own. */
static void epilogue(const ifm_epilogue *e)
{
    switch (e->activation) {
    case IFM_KERN_LINEAR:
        epilogue_all(*e, IFM_KERN_LINEAR);
        break;
    case IFM_KERN_GELU_NEW:
        epilogue_all(*e, IFM_KERN_GELU_NEW);
        break;
    case IFM_KERN_SILU:
        epilogue_all(*e, IFM_KERN_SILU);
        break;
    default:
        epilogue_all(*e, e->activation);
    }
}

/* The largest number, -∞ when there is none but NaN. v_max(x, best) keeps best when x is
 * NaN. */
static inline float row_largest(const float *x, int64_t n)
{
    vec best[4];
    int64_t i = 0;
    for (int j = 0; j < 4; j++)
        best[j] = v_set(-INFINITY);
    for (; i + 4 * VEC <= n; i += 4 * VEC)
        for (int j = 0; j < 4; j++)
            best[j] = v_max(v_load(x + i + j * VEC), best[j]);
    for (; i + VEC <= n; i += VEC)
        best[0] = v_max(v_load(x + i), best[0]);
    if (i < n)
        best[0] =
            v_max(v_keep_first(v_load_part(x + i, n - i), n - i, -INFINITY), best[0]);
    return v_largest(v_max(v_max(best[0], best[1]), v_max(best[2], best[3])));
}

static int64_t argmax(const float *x, int64_t n)
{
    const float largest = row_largest(x, n);
    const vec wanted = v_set(largest);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC) {
        const unsigned found = v_equal(v_load(x + i), wanted);
        if (found)
            return i + __builtin_ctz(found);
    }
    for (; i < n; i++)
        if (x[i] == largest)
            return i;
    return 0;
}

/* Blocks of this many floats are added in float, the blocks in double. */
enum { EXP_BLOCK = 1024 };

static inline float block_sum_exp(const float *x, int64_t n, vec max)
{
    vec a = v_zero(), b = v_zero();
    int64_t i = 0;
    for (; i + 2 * VEC <= n; i += 2 * VEC) {
        a = v_add(a, v_exp(v_sub(v_load(x + i), max)));
        b = v_add(b, v_exp(v_sub(v_load(x + i + VEC), max)));
    }
    for (; i < n; i += VEC) {
        const int64_t left = n - i;
        const vec y = v_exp(v_sub(load_some(x + i, left), max));
        a = v_add(a, left < VEC ? v_keep_first(y, left, 0) : y);
    }
    return v_sum(v_add(a, b));
}

static void max_sum_exp(const float *x, int64_t n, float *max, double *sum)
{
    *max = row_largest(x, n);
    *sum = 0;
    for (int64_t i = 0; i < n; i += EXP_BLOCK)
        *sum += block_sum_exp(x + i, n - i < EXP_BLOCK ? n - i : EXP_BLOCK, v_set(*max));
}
