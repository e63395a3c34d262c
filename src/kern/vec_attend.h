/*
 * Part of vec.h: attention over one key-value head.
 *
 * Positions pass in spans of 128, fixed by their numbers, with a running maximum and sum
 * for each query (Milakov and Gimelshein 2018; Dao et al. 2022): nothing grows with the
 * context. A tile of queries shares each loaded key and value: scores against blocks of 16
 * keys (a sum per position, none across lanes), weights 2^(score - largest), mixing of
 * values. Keys and values of 16 bits are widened as they are loaded, or, for many queries,
 * a span of them once.
 *
 * All tiles add in the same order, and positions that a query does not see get the weight 0
 * exactly: its result does not depend on the others of its tile.
 */

enum {
    SPAN = 128,
    BLOCK_VECTORS = IFM_KEY_BLOCK / VEC,
    QUERIES = VEC == 16 ? 8 : 4, /* of the largest tile */
    ATTEND_SUMS = VEC_REGISTERS / 2,
    UNIT_FLOATS = 16384, /* of queries that pass over a span together: second cache */
    UNIT_QUERIES = 512,
    WIDEN_FROM = 16, /* queries that make it worth to widen a span first */
    WIDEN_MAX_D = 256,
};

/* 128 positions, those in [lo, hi) of them wanted; keys and values of its first on. */
typedef struct span {
    int64_t position, lo, hi;
    const void *k, *v;
    const void *next; /* keys that will be read after it */
    ifm_dtype dtype;
    int64_t d;
} span;

/* Queries of one call that pass over a span together, and scratch. */
typedef struct attend_unit {
    const ifm_attention *a;
    int64_t from, n;      /* queries of the job, [T, M] in one row; how many */
    float *q;             /* [n, D]; of each tile [D, Q], times scale log₂e */
    float *mixed;         /* [n, D] Σ weight v */
    float *largest, *sum; /* [n] */
    float *keys, *values; /* [SPAN, D] each: a widened span */
    float *scores;        /* [QUERIES, SPAN] */
} attend_unit;

static inline int64_t unit_queries(int64_t d)
{
    const int64_t n = UNIT_FLOATS / d / QUERIES * QUERIES;
    return n < QUERIES ? QUERIES : n < UNIT_QUERIES ? n : UNIT_QUERIES;
}

static inline int64_t line_floats(int64_t n)
{
    return (n + 15) / 16 * 16;
}

static size_t attend_bytes(int64_t d)
{
    const int64_t n = unit_queries(d), widened = d <= WIDEN_MAX_D ? SPAN * d : 0;
    return sizeof(float) * (size_t)(2 * line_floats(n * d) + 2 * line_floats(n) +
                                    2 * widened + QUERIES * SPAN);
}

static inline attend_unit unit_of(const ifm_attention *a)
{
    const int64_t d = a->d, n = unit_queries(d);
    const int64_t widened = d <= WIDEN_MAX_D ? SPAN * d : 0;
    attend_unit u = {.a = a, .n = n, .q = a->scratch};
    u.mixed = u.q + line_floats(n * d);
    u.largest = u.mixed + line_floats(n * d);
    u.sum = u.largest + line_floats(n);
    u.keys = u.sum + line_floats(n);
    u.values = u.keys + widened;
    u.scores = u.values + widened;
    return u;
}

/* Positions [*lo, *hi) that query i of the job sees, relative to `from`, at most a span. */
static inline void seen_in(const ifm_attention *a, int64_t i, int64_t from, int64_t *lo,
                           int64_t *hi)
{
    const int64_t next = a->first + i / a->group + 1;
    *lo = (a->window > 0 && next - a->window > a->begin ? next - a->window : a->begin) -
          from;
    *hi = (next < a->end ? next : a->end) - from;
}

static inline void clip_to_span(int64_t *lo, int64_t *hi)
{
    *lo = *lo < 0 ? 0 : *lo;
    *hi = *hi > SPAN ? SPAN : *hi;
}

/* Sums of a tile. Of 16 registers three queries use all: their sums, each query and a key;
 * with half of them multiply-adds would wait for the ones before. */
ALWAYS_INLINE int attend_sums(int Q)
{
    return VEC_REGISTERS < 32 && Q == 3 ? 12 : ATTEND_SUMS;
}

/* With few queries the reading counts: while keys are read, as many bytes of values are
 * asked for, and while values are, keys of the next span, which the next call may want. */
ALWAYS_INLINE void ask_ahead(const void *p, int64_t i, int64_t n, ifm_dtype dtype)
{
    const int64_t size = dtype == IFM_DTYPE_F32 ? 4 : 2;
    for (int64_t b = 0; b < n * size; b += 64)
        __builtin_prefetch((const char *)p + i * size + b, 0, 2);
}

/* scores[Q][16 b …] of Q queries and B blocks; q [D, Q]. */
ALWAYS_INLINE void score_blocks(const span *s, ifm_dtype dtype, int Q, int B,
                                const float *q, int64_t b, float *scores)
{
    const int V = BLOCK_VECTORS;
    const int64_t d = s->d, at = b * IFM_KEY_BLOCK * d;
    vec sum[QUERIES][4 * BLOCK_VECTORS];
    UNROLL for (int j = 0; j < Q; j++) UNROLL for (int v = 0; v < B * V; v++) sum[j][v] =
        v_zero();
    for (int64_t i = 0; i < d; i++) {
        if (Q < QUERIES && B > 1)
            ask_ahead(s->v, at + i * B * IFM_KEY_BLOCK, B * IFM_KEY_BLOCK, dtype);
        UNROLL for (int v = 0; v < B * V; v++)
        {
            const int64_t block = v / V * d + i;
            const vec key =
                v_load_number(s->k, at + block * IFM_KEY_BLOCK + v % V * VEC, dtype);
            UNROLL for (int j = 0; j < Q; j++) sum[j][v] =
                v_fma(v_set(q[i * Q + j]), key, sum[j][v]);
        }
    }
    UNROLL for (int j = 0; j < Q; j++) UNROLL for (int v = 0; v < B * V; v++)
        v_store(scores + j * SPAN + b * IFM_KEY_BLOCK + v * VEC, sum[j][v]);
}

ALWAYS_INLINE void score_span(const span *s, ifm_dtype dtype, int Q, const float *q,
                              float *scores)
{
    const int most = attend_sums(Q) / (Q * BLOCK_VECTORS);
    const int B = most >= 4 ? 4 : most >= 2 ? 2 : 1;
    const int64_t end = (s->hi + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK;
    int64_t b = s->lo / IFM_KEY_BLOCK;
    for (; b + B <= end; b += B)
        score_blocks(s, dtype, Q, B, q, b, scores);
    for (; b < end; b++)
        score_blocks(s, dtype, Q, 1, q, b, scores);
}

static inline void fill(float *x, int64_t begin, int64_t end, float value)
{
    for (int64_t i = begin; i < end; i++)
        x[i] = value;
}

/* Turns the scores of positions [lo, hi) of a span into weights, the others of [from, to)
 * into 0. Returns what earlier weights must be multiplied with. */
static inline float soften(float *x, int64_t lo, int64_t hi, const span *s,
                           float *largest, float *sum)
{
    const int64_t begin = lo / VEC * VEC, end = (hi + VEC - 1) / VEC * VEC;
    if (lo >= hi) {
        fill(x, s->lo, s->hi, 0);
        return 1;
    }
    fill(x, begin, lo, -INFINITY);
    fill(x, hi, end, -INFINITY);
    const float here = row_largest(x + begin, end - begin), before = *largest;
    const float top = here > before ? here : before;
    const vec shift = v_set(top);
    vec total = v_zero();
    for (int64_t p = begin; p < end; p += VEC) {
        const vec y = v_exp2(v_sub(v_load(x + p), shift));
        v_store(x + p, y);
        total = v_add(total, y);
    }
    fill(x, s->lo, lo, 0);
    fill(x, hi, s->hi, 0);
    const float factor = top > before ? v_first(v_exp2(v_set(before - top))) : 1;
    *sum = *sum * factor + v_sum(total);
    *largest = top;
    return factor;
}

/* mixed[Q, V vectors from c] = factor mixed + Σ_p weight[p] v[p]. */
ALWAYS_INLINE void mix_columns(const span *s, ifm_dtype dtype, int Q, int V, int64_t c,
                               const float *weights, const float *factor, float *mixed)
{
    const int64_t d = s->d;
    vec sum[QUERIES][4];
    UNROLL for (int j = 0; j < Q; j++) UNROLL for (int v = 0; v < V; v++) sum[j][v] =
        v_mul(v_set(factor[j]), v_load(mixed + j * d + c + v * VEC));
    for (int64_t p = s->lo; p < s->hi; p++) {
        if (Q < QUERIES && c == 0)
            ask_ahead(s->next, p * d, d, dtype);
        UNROLL for (int v = 0; v < V; v++)
        {
            const vec value = v_load_number(s->v, p * d + c + v * VEC, dtype);
            UNROLL for (int j = 0; j < Q; j++) sum[j][v] =
                v_fma(v_set(weights[j * SPAN + p]), value, sum[j][v]);
        }
    }
    UNROLL for (int j = 0; j < Q; j++) UNROLL for (int v = 0; v < V; v++)
        v_store(mixed + j * d + c + v * VEC, sum[j][v]);
}

/* The last columns of a head whose width is no multiple of a vector. */
ALWAYS_INLINE void mix_edge(const span *s, ifm_dtype dtype, int Q, int64_t c,
                            const float *weights, const float *factor, float *mixed)
{
    const int64_t d = s->d, left = d - c;
    vec sum[QUERIES];
    UNROLL for (int j = 0; j < Q; j++) sum[j] =
        v_mul(v_set(factor[j]), v_load_part(mixed + j * d + c, left));
    for (int64_t p = s->lo; p < s->hi; p++) {
        const vec value = v_load_number_part(s->v, p * d + c, left, dtype);
        UNROLL for (int j = 0; j < Q; j++) sum[j] =
            v_fma(v_set(weights[j * SPAN + p]), value, sum[j]);
    }
    UNROLL for (int j = 0; j < Q; j++) v_store_part(mixed + j * d + c, sum[j], left);
}

ALWAYS_INLINE void mix_span(const span *s, ifm_dtype dtype, int Q, const float *weights,
                            const float *factor, float *mixed)
{
    const int V = attend_sums(Q) / Q >= 4 ? 4 : 2;
    int64_t c = 0;
    for (; c + V * VEC <= s->d; c += V * VEC)
        mix_columns(s, dtype, Q, V, c, weights, factor, mixed);
    for (; c + VEC <= s->d; c += VEC)
        mix_columns(s, dtype, Q, 1, c, weights, factor, mixed);
    if (c < s->d)
        mix_edge(s, dtype, Q, c, weights, factor, mixed);
}

/* Q queries from number i of the unit on, over the positions that any of them sees. */
ALWAYS_INLINE void attend_tile(const attend_unit *u, const span *s, ifm_dtype dtype,
                               int Q, int64_t i)
{
    float factor[QUERIES], *mixed = u->mixed + i * s->d;
    score_span(s, dtype, Q, u->q + i * s->d, u->scores);
    for (int j = 0; j < Q; j++) {
        int64_t lo, hi;
        seen_in(u->a, u->from + i + j, s->position, &lo, &hi);
        clip_to_span(&lo, &hi);
        factor[j] =
            soften(u->scores + j * SPAN, lo, hi, s, &u->largest[i + j], &u->sum[i + j]);
    }
    mix_span(s, dtype, Q, u->scores, factor, mixed);
}

#define DEFINE_ATTEND(NAME)                                                              \
    static void attend_tile_##NAME(const attend_unit *u, const span *s, int q,           \
                                   int64_t i)                                            \
    {                                                                                    \
        if (!SPECIALISE)                                                                 \
            attend_tile(u, s, IFM_DTYPE_##NAME, q, i);                                   \
        else if (q == QUERIES)                                                           \
            attend_tile(u, s, IFM_DTYPE_##NAME, QUERIES, i);                             \
        else if (q == 4)                                                                 \
            attend_tile(u, s, IFM_DTYPE_##NAME, 4, i);                                   \
        else if (q == 3)                                                                 \
            attend_tile(u, s, IFM_DTYPE_##NAME, 3, i);                                   \
        else if (q == 2)                                                                 \
            attend_tile(u, s, IFM_DTYPE_##NAME, 2, i);                                   \
        else                                                                             \
            attend_tile(u, s, IFM_DTYPE_##NAME, 1, i);                                   \
    }
DEFINE_ATTEND(F32)
DEFINE_ATTEND(F16)
#undef DEFINE_ATTEND

/* Queries of the next tile when n are left. */
static inline int tile_of(int64_t n)
{
    return n >= QUERIES ? QUERIES : n >= 4 ? 4 : (int)n;
}

static void begin_unit(const attend_unit *u)
{
    const ifm_attention *a = u->a;
    const float scale = a->scale * 1.44269504f;
    int Q;
    for (int64_t i = 0; i < u->n; i += Q) {
        Q = tile_of(u->n - i);
        for (int j = 0; j < Q; j++) {
            const int64_t at = u->from + i + j;
            const float *q = a->q + at / a->group * a->q_stride + at % a->group * a->d;
            for (int64_t c = 0; c < a->d; c++)
                u->q[i * a->d + c * Q + j] = q[c] * scale;
        }
    }
    fill(u->mixed, 0, u->n * a->d, 0);
    fill(u->largest, 0, u->n, -INFINITY);
    fill(u->sum, 0, u->n, 0);
}

static void end_unit(const attend_unit *u)
{
    const ifm_attention *a = u->a;
    for (int64_t i = 0; i < u->n; i++) {
        const int64_t at = u->from + i, d = a->d;
        float *part = a->part ? a->part + at * (d + 2) : NULL;
        float *out =
            part ? part : a->out + at / a->group * a->out_stride + at % a->group * d;
        const float scale = part ? 1 : 1 / u->sum[i];
        for (int64_t c = 0; c < d; c++)
            out[c] = u->mixed[i * d + c] * scale;
        if (part) {
            part[d] = u->largest[i];
            part[d + 1] = u->sum[i];
        }
    }
}

/* Numbers [at, at + n) of f16 as floats. */
static void widen(float *y, const void *x, int64_t at, int64_t n)
{
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        v_store(y + i, v_load_number(x, at + i, IFM_DTYPE_F16));
    if (i < n)
        v_store_part(y + i, v_load_number_part(x, at + i, n - i, IFM_DTYPE_F16), n - i);
}

/* The span at `position`, of which [lo, hi) will be used. */
static span span_at(const attend_unit *u, int64_t position, int64_t lo, int64_t hi)
{
    const ifm_attention *a = u->a;
    const int64_t d = a->d, at = position * d;
    const int64_t bytes = at * (a->dtype == IFM_DTYPE_F32 ? 4 : 2);
    span s = {.position = position,
              .k = (const char *)a->k + bytes,
              .v = (const char *)a->v + bytes,
              .dtype = a->dtype,
              .d = d};
    const int64_t span_bytes = SPAN * d * (a->dtype == IFM_DTYPE_F32 ? 4 : 2);
    s.next =
        position + SPAN < a->end || !a->next ? (const char *)s.k + span_bytes : a->next;
    if (a->dtype == IFM_DTYPE_F32 || u->n < WIDEN_FROM || d > WIDEN_MAX_D)
        return s;
    const int64_t begin = lo / IFM_KEY_BLOCK * IFM_KEY_BLOCK;
    const int64_t end = (hi + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK * IFM_KEY_BLOCK;
    widen(u->keys + begin * d, a->k, at + begin * d, (end - begin) * d);
    widen(u->values + lo * d, a->v, at + lo * d, (hi - lo) * d);
    s.k = u->keys;
    s.v = u->values;
    s.dtype = IFM_DTYPE_F32;
    return s;
}

/* All tiles of the unit over the span at `position`. */
static void attend_span(const attend_unit *u, int64_t position)
{
    int64_t lo, hi, ignored;
    seen_in(u->a, u->from, position, &lo, &ignored);
    seen_in(u->a, u->from + u->n - 1, position, &ignored, &hi);
    clip_to_span(&lo, &hi);
    span s = span_at(u, position, lo, hi);
    int Q;
    for (int64_t i = 0; i < u->n; i += Q) {
        Q = tile_of(u->n - i);
        seen_in(u->a, u->from + i, position, &s.lo, &ignored);
        seen_in(u->a, u->from + i + Q - 1, position, &ignored, &s.hi);
        clip_to_span(&s.lo, &s.hi);
        if (s.lo >= s.hi)
            continue;
        if (s.dtype == IFM_DTYPE_F32)
            attend_tile_F32(u, &s, Q, i);
        else
            attend_tile_F16(u, &s, Q, i);
    }
}

static void attend(const ifm_attention *a)
{
    attend_unit u = unit_of(a);
    const int64_t most = u.n, end = a->t1 * a->group;
    for (u.from = a->t0 * a->group; u.from < end; u.from += u.n) {
        int64_t lo, hi, ignored;
        u.n = end - u.from < most ? end - u.from : most;
        begin_unit(&u);
        seen_in(a, u.from, 0, &lo, &ignored);
        seen_in(a, u.from + u.n - 1, 0, &ignored, &hi);
        for (int64_t p = lo / SPAN * SPAN; p < hi; p += SPAN)
            attend_span(&u, p);
        end_unit(&u);
    }
}

static void merge(const float *parts, int64_t slices, int64_t stride, int64_t d,
                  float *out)
{
    float largest = -INFINITY, sum = 0;
    for (int64_t s = 0; s < slices; s++)
        largest = parts[s * stride + d] > largest ? parts[s * stride + d] : largest;
    fill(out, 0, d, 0);
    for (int64_t s = 0; s < slices; s++) {
        const float *part = parts + s * stride;
        if (part[d + 1] == 0)
            continue;
        const float weight = v_first(v_exp2(v_set(part[d] - largest)));
        for (int64_t i = 0; i < d; i++)
            out[i] += weight * part[i];
        sum += weight * part[d + 1];
    }
    for (int64_t i = 0; i < d; i++)
        out[i] /= sum;
}

static void to_f16(uint16_t *y, const float *x, int64_t n)
{
    const vec most = v_set(65504), least = v_set(-65504);
    int64_t i = 0;
    for (; i + VEC <= n; i += VEC)
        v_store_f16(y + i, v_max(least, v_min(most, v_load(x + i))));
    if (i < n) {
        uint16_t last[VEC];
        v_store_f16(last, v_max(least, v_min(most, v_load_part(x + i, n - i))));
        memcpy(y + i, last, (size_t)(n - i) * sizeof *y);
    }
}
