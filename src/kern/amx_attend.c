/*
 * AMX for attention of many queries: products of queries with keys, and of weights with
 * values, in tiles of bf16.
 *
 *     keys and values of f32: three parts each, as in amx.c: as exact as f32
 *     of f16: one part, rounded: they belong to quantized weights, whose products round to
 *         the same bf16 (amx_nk.c)
 *
 * Spans of 128 positions pass with a running maximum and sum for each query (Dao et al.
 * 2022). A span is packed once for a unit of queries, whose sums stay in the second cache;
 * 32 queries at a time take their scores from it, make weights of them, add up values.
 *
 *     q:       [n/32][2][D/32, parts][16 queries, 32 d]
 *     keys:    [4][D/32, parts, 2][16 pairs of d, 16 positions, 2]
 *     weights: [2][4, parts][16 queries, 32 positions]
 *     values:  [D/32][4, parts, 2][16 pairs of positions, 16 d, 2]
 * so that both products are those of amx.h.
 */
#include "kern/amx.h"

#include <math.h>

#include "base/checked.h"

enum {
    SPAN = 128,
    SPAN_STRIPS = SPAN / STRIP,
    UNIT_NUMBERS = 65536, /* of queries that share a packed span */
    UNIT_QUERIES = 1024,
    MAX_D = 256,
    FROM_QUERIES = 32,
    ROWS_A_STEP = 4, /* of weights, for each step of tiles */
    F16_PARTS = 1,
};

/* Queries of one call that share packed spans, and scratch. */
typedef struct tile_unit {
    const ifm_attention *a;
    int64_t from, n; /* queries of the job, [T, M] in one row; how many */
    int64_t depth;   /* tiles that D takes */
    unsigned char *q, *keys, *values;
    unsigned char *weights[2]; /* of two blocks of 32 queries */
    float *scores[2];          /* [32, 128] */
    float *mixed;              /* [n, 32 depth] Σ weight v */
    float *sums;               /* [n, 16] Σ weight, a sum per lane */
    float *largest;            /* [n] */
} tile_unit;

static int64_t unit_queries(int64_t depth)
{
    const int64_t n = UNIT_NUMBERS / (depth * DEPTH);
    return n < UNIT_QUERIES ? n : UNIT_QUERIES;
}

static unsigned char *take(unsigned char **at, int64_t bytes)
{
    unsigned char *here = *at;
    *at += ifm_align_up((size_t)bytes, 64);
    return here;
}

/* Lays a unit out in scratch; *end is behind it. */
static tile_unit unit_in(unsigned char *scratch, int64_t d, unsigned char **end)
{
    tile_unit u = {.depth = (d + DEPTH - 1) / DEPTH};
    const int64_t n = unit_queries(u.depth), tiles = u.depth * MAX_PARTS * TILE_BYTES;
    u.n = n;
    u.q = take(&scratch, n / TILE * tiles);
    u.keys = take(&scratch, SPAN_STRIPS * 2 * tiles);
    u.values = take(&scratch, SPAN_STRIPS * 2 * tiles);
    for (int i = 0; i < 2; i++) {
        u.weights[i] = take(&scratch, (int64_t)2 * SPAN_STRIPS * MAX_PARTS * TILE_BYTES);
        u.scores[i] = (float *)(void *)take(&scratch, (int64_t)STRIP * SPAN * 4);
    }
    u.mixed = (float *)(void *)take(&scratch, n * u.depth * DEPTH * 4);
    u.sums = (float *)(void *)take(&scratch, n * 16 * 4);
    u.largest = (float *)(void *)take(&scratch, n * 4);
    *end = scratch;
    return u;
}

static size_t attend_bytes(int64_t d)
{
    unsigned char *end;
    unsigned char start[1];
    unit_in(start, d, &end);
    return (size_t)(end - start);
}

/* Positions [*lo, *hi) that query i of the job sees, relative to `from`. */
static inline void seen_in(const ifm_attention *a, int64_t i, int64_t from, int64_t *lo,
                           int64_t *hi)
{
    const int64_t next = a->first + i / a->group + 1;
    *lo = (a->window > 0 && next - a->window > a->begin ? next - a->window : a->begin) -
          from;
    *hi = (next < a->end ? next : a->end) - from;
}

/* The same of queries [i, j), within a span; false when they see nothing of it. */
static bool seen_of_span(const ifm_attention *a, int64_t i, int64_t j, int64_t from,
                         int64_t *lo, int64_t *hi)
{
    int64_t ignored;
    seen_in(a, i, from, lo, &ignored);
    seen_in(a, j - 1, from, &ignored, hi);
    *lo = *lo < 0 ? 0 : *lo;
    *hi = *hi > SPAN ? SPAN : *hi;
    return *lo < *hi;
}

/* The leading part of rounded numbers is the number rounded to bf16. */
static inline __m512 round_first(__m512 x, int parts)
{
    const __m512i half = _mm512_set1_epi32(0x8000);
    if (parts > 1)
        return x;
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), half));
}

static __mmask16 first_lanes(int64_t n)
{
    return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

ALWAYS_INLINE void pack_query(const tile_unit *u, int parts, int64_t i)
{
    const ifm_attention *a = u->a;
    const __m512 scale = _mm512_set1_ps(a->scale * 1.44269504f);
    const int64_t at = u->from + i;
    const float *q = a->q + at / a->group * a->q_stride + at % a->group * a->d;
    unsigned char *out = u->q + i / TILE * u->depth * parts * TILE_BYTES + i % TILE * 64;
    for (int64_t c = 0; c < u->depth * DEPTH; c += DEPTH, out += parts * TILE_BYTES) {
        const int64_t left = i < u->n ? a->d - c : 0;
        const __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), q + c);
        const __m512 high = _mm512_maskz_loadu_ps(first_lanes(left - 16), q + c + 16);
        split_row(_mm512_mul_ps(low, scale), _mm512_mul_ps(high, scale), parts, out);
    }
}

ALWAYS_INLINE void begin_unit(const tile_unit *u, int parts)
{
    const int64_t rows = (int64_t)ifm_align_up((size_t)u->n, STRIP);
    for (int64_t i = 0; i < rows; i++) {
        pack_query(u, parts, i);
        u->largest[i] = -INFINITY;
        _mm512_store_ps(u->sums + i * 16, _mm512_setzero_ps());
    }
    memset(u->mixed, 0, (size_t)(rows * u->depth * DEPTH) * sizeof *u->mixed);
}

/* Keys of positions [from, from + hi), zeros up to a whole strip. */
ALWAYS_INLINE void pack_keys(const tile_unit *u, ifm_dtype dtype, int parts, int64_t from,
                             int64_t hi)
{
    const ifm_attention *a = u->a;
    for (int64_t p = 0; p < hi; p += STRIP)
        for (int64_t c = 0; c < u->depth * DEPTH; c += 2) {
            unsigned char *out =
                u->keys + (p / STRIP * u->depth + c / DEPTH) * parts * 2 * TILE_BYTES +
                c % DEPTH * 32;
            for (int64_t half = 0; half < 2; half++) {
                const bool there = p + half * TILE < hi;
                const __mmask16 upper = there && c < a->d ? 0xffff : 0;
                const __mmask16 lower = there && c + 1 < a->d ? 0xffff : 0;
                const int64_t at = (from + p + half * TILE) * a->d + c * IFM_KEY_BLOCK;
                split_pair(round_first(load_row(a->k, at, upper, dtype), parts),
                           round_first(load_row(a->k, at + 16, lower, dtype), parts),
                           parts, out + half * TILE_BYTES);
            }
        }
}

/* Values of the same. */
ALWAYS_INLINE void pack_values(const tile_unit *u, ifm_dtype dtype, int parts,
                               int64_t from, int64_t hi)
{
    const ifm_attention *a = u->a;
    const int64_t column = (int64_t)SPAN_STRIPS * parts * 2 * TILE_BYTES;
    for (int64_t p = 0; p < hi || p % STRIP != 0; p += 2) {
        unsigned char *out =
            u->values + p / STRIP * parts * 2 * TILE_BYTES + p % STRIP * 32;
        for (int64_t c = 0; c < u->depth * DEPTH; c += TILE) {
            const __mmask16 mask = first_lanes(a->d - c);
            const int64_t at = (from + p) * a->d + c;
            split_pair(
                round_first(load_row(a->v, at, p < hi ? mask : 0, dtype), parts),
                round_first(load_row(a->v, at + a->d, p + 1 < hi ? mask : 0, dtype),
                            parts),
                parts, out + c / STRIP * column + c % STRIP * 64);
        }
    }
}

static void zero_sums(void)
{
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
}

/* 32 queries, from number i of the unit on, and the span that they are at. */
typedef struct block {
    int64_t i;
    int64_t from, end; /* the span's first position; how many are wanted, whole strips */
    bool whole;        /* every query sees all of them */
    float *scores;
    unsigned char *weights;
} block;

/* The first block, from query i of the unit on, that sees something of the span at `from`;
 * false when there is none. `turn`: which buffers. */
static bool next_block(const tile_unit *u, int64_t i, int64_t from, int turn, block *b)
{
    for (; i < u->n; i += STRIP) {
        const int64_t at = u->from + i, n = u->n - i < STRIP ? u->n - i : STRIP;
        int64_t lo, hi, ignored;
        if (!seen_of_span(u->a, at, at + n, from, &lo, &hi))
            continue;
        *b = (block){.i = i,
                     .from = from,
                     .end = (int64_t)ifm_align_up((size_t)hi, STRIP),
                     .scores = u->scores[turn],
                     .weights = u->weights[turn]};
        seen_in(u->a, at + n - 1, from, &lo, &ignored);
        seen_in(u->a, at, from, &ignored, &hi);
        b->whole = lo <= 0 && hi >= b->end;
        return true;
    }
    return false;
}

/* scores[32][p … p + 31] */
ALWAYS_INLINE void score_strip(const tile_unit *u, int parts, const block *b, int64_t p)
{
    const int64_t row = u->depth * parts * TILE_BYTES;
    ifm_ahead none = {0};
    zero_sums();
    multiply_tiles(parts, parts, u->q + b->i / TILE * row, row,
                   u->keys + p / STRIP * row * 2, u->depth, &none);
    store_sums(b->scores + p, SPAN);
}

/* mixed[32][c … c + 31] += weights values */
ALWAYS_INLINE void mix_strip(const tile_unit *u, int parts, const block *b, int64_t c)
{
    const int64_t row = SPAN_STRIPS * parts * TILE_BYTES, width = u->depth * DEPTH;
    float *mixed = u->mixed + b->i * width + c;
    ifm_ahead none = {0};
    load_sums(mixed, width);
    multiply_tiles(parts, parts, b->weights, row, u->values + c / STRIP * row * 2,
                   b->end / STRIP, &none);
    store_sums(mixed, width);
}

/* What tiles have to do while vectors make weights: mix the block before, score the next. */
typedef struct tile_work {
    const block *mix, *score; /* NULL: none */
    int64_t mixed, scored;    /* columns, positions done */
} tile_work;

/* One strip of it; false when nothing is left. */
ALWAYS_INLINE bool work_on(const tile_unit *u, int parts, tile_work *w)
{
    settle();
    if (w->mix && w->mixed < u->depth * DEPTH) {
        mix_strip(u, parts, w->mix, w->mixed);
        w->mixed += STRIP;
        return true;
    }
    if (w->score && w->scored < w->score->end) {
        score_strip(u, parts, w->score, w->scored);
        w->scored += STRIP;
        return true;
    }
    return false;
}

/* 2^x for x ≤ 0; 0 for -∞. 2^(x - ⌊x⌋) by a polynomial whose largest error in proportion is
 * least: 2⁻²³·⁷, or 2⁻¹³·⁷ where the result is rounded to bf16. */
ALWAYS_INLINE __m512 power(__m512 x, int parts)
{
    static const float fine[] = {0.9999999403953552f,  0.6931530833244324f,
                                 0.24015361070632935f, 0.05582631751894951f,
                                 0.00898933969438076f, 0.0018775766948238015f};
    static const float rough[] = {0.9999251961708069f, 0.6958335638046265f,
                                  0.22606715559959412f, 0.07802452147006989f};
    const float *c = parts > 1 ? fine : rough;
    const __m512 r = _mm512_reduce_ps(x, 1); /* x - ⌊x⌋ */
    const int degree = parts > 1 ? 5 : 3;
    __m512 y = _mm512_set1_ps(c[degree]);
#pragma GCC unroll 8
    for (int i = degree - 1; i >= 0; i--)
        y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(c[i]));
    return _mm512_scalef_ps(y, x);
}

/* Scores outside of what query j of the block sees become -∞. */
static void hide(const tile_unit *u, const block *b, int64_t j)
{
    float *scores = b->scores + j * SPAN;
    int64_t lo, hi;
    seen_in(u->a, u->from + b->i + j, b->from, &lo, &hi);
    for (int64_t p = 0; p < lo && p < b->end; p++)
        scores[p] = -INFINITY;
    for (int64_t p = hi < 0 ? 0 : hi; p < b->end; p++)
        scores[p] = -INFINITY;
}

/* Lane 4 i + j of four vectors x[4 i … 4 i + 3], each lane of which holds the largest of a
 * quarter: the largest of x[4 i + j]. */
static inline __m512 largest_of_quarters(const __m512 x[4])
{
    const __m512 a = _mm512_max_ps(_mm512_shuffle_f32x4(x[0], x[1], 0x88),
                                   _mm512_shuffle_f32x4(x[0], x[1], 0xdd));
    const __m512 b = _mm512_max_ps(_mm512_shuffle_f32x4(x[2], x[3], 0x88),
                                   _mm512_shuffle_f32x4(x[2], x[3], 0xdd));
    return _mm512_max_ps(_mm512_shuffle_f32x4(a, b, 0x88),
                         _mm512_shuffle_f32x4(a, b, 0xdd));
}

/* The largest score of each of 16 queries from j on, a lane each. */
ALWAYS_INLINE __m512 largest_of_rows(const block *b, int64_t j)
{
    __m512 quarters[4];
    for (int64_t q = 0; q < 4; q++) {
        __m512 x[4];
        for (int64_t r = 0; r < 4; r++) {
            const float *scores = b->scores + (j + 4 * q + r) * SPAN;
            x[r] = _mm512_load_ps(scores);
            for (int64_t p = 16; p < b->end; p += 16)
                x[r] = _mm512_max_ps(_mm512_load_ps(scores + p), x[r]);
        }
        const __m512 ab =
            _mm512_max_ps(_mm512_unpacklo_ps(x[0], x[1]), _mm512_unpackhi_ps(x[0], x[1]));
        const __m512 cd =
            _mm512_max_ps(_mm512_unpacklo_ps(x[2], x[3]), _mm512_unpackhi_ps(x[2], x[3]));
        const __m512d low = _mm512_castps_pd(ab), high = _mm512_castps_pd(cd);
        quarters[q] = _mm512_max_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(low, high)),
                                    _mm512_castpd_ps(_mm512_unpackhi_pd(low, high)));
    }
    return largest_of_quarters(quarters);
}

/* Multiplies what was summed up before of query i of the unit. */
static inline void scale_sums(const tile_unit *u, int64_t i, float factor)
{
    const __m512 by = _mm512_set1_ps(factor);
    const int64_t width = u->depth * DEPTH;
    float *sums = u->sums + i * 16, *mixed = u->mixed + i * width;
    _mm512_store_ps(sums, _mm512_mul_ps(_mm512_load_ps(sums), by));
    for (int64_t c = 0; c < width; c += 16)
        _mm512_store_ps(mixed + c, _mm512_mul_ps(_mm512_load_ps(mixed + c), by));
}

/* Raises the largest scores of 16 queries, from j of the block on, with the present ones,
 * and scales earlier sums. shift[16]: what is taken from scores, finite. */
ALWAYS_INLINE void raise_largest(const tile_unit *u, const block *b, int64_t j,
                                 float *shift)
{
    _Alignas(64) float factor[16];
    float *largest = u->largest + b->i + j;
    const __m512 old = _mm512_load_ps(largest);
    const __m512 now = _mm512_max_ps(largest_of_rows(b, j), old);
    const __m512 finite = _mm512_max_ps(now, _mm512_set1_ps(-1e30f));
    unsigned raised = _mm512_cmp_ps_mask(now, old, _CMP_NEQ_UQ);
    _mm512_store_ps(largest, now);
    _mm512_store_ps(shift, finite);
    if (!raised)
        return;
    _mm512_store_ps(factor, power(_mm512_sub_ps(old, finite), MAX_PARTS));
    for (; raised; raised &= raised - 1) {
        const int k = __builtin_ctz(raised);
        scale_sums(u, b->i + j + k, factor[k]);
    }
}

/* Weights of query j of the block from its scores. */
ALWAYS_INLINE void weigh(const tile_unit *u, int parts, const block *b, int64_t j,
                         float shift)
{
    const float *scores = b->scores + j * SPAN;
    unsigned char *out =
        b->weights + j / TILE * SPAN_STRIPS * parts * TILE_BYTES + j % TILE * 64;
    const __m512 by = _mm512_set1_ps(shift);
    float *sums = u->sums + (b->i + j) * 16;
    __m512 sum = _mm512_load_ps(sums);
    for (int64_t p = 0; p < b->end; p += STRIP, out += parts * TILE_BYTES) {
        const __m512 low = power(_mm512_sub_ps(_mm512_load_ps(scores + p), by), parts);
        const __m512 high =
            power(_mm512_sub_ps(_mm512_load_ps(scores + p + 16), by), parts);
        sum = _mm512_add_ps(sum, _mm512_add_ps(low, high));
        split_row(low, high, parts, out);
    }
    _mm512_store_ps(sums, sum);
}

/* Makes weights of a block's scores, while tiles do other work: their instructions take
 * sixteen cycles each, in which vectors are free. */
ALWAYS_INLINE void weigh_block(const tile_unit *u, int parts, const block *b,
                               tile_work work)
{
    _Alignas(64) float shift[STRIP];
    if (!b->whole)
        for (int64_t j = 0; j < STRIP; j++)
            hide(u, b, j);
    raise_largest(u, b, 0, shift);
    raise_largest(u, b, TILE, shift + TILE);
    for (int64_t j = 0; j < STRIP; j++) {
        if (j % ROWS_A_STEP == 0)
            work_on(u, parts, &work);
        weigh(u, parts, b, j, shift[j]);
    }
    while (work_on(u, parts, &work))
        ;
}

/* All blocks over the span at `from`. */
ALWAYS_INLINE void attend_span(const tile_unit *u, int parts, int64_t from)
{
    block before, now, next;
    bool any_before = false, any_next, any = next_block(u, 0, from, 0, &now);
    tile_work work = {.score = any ? &now : NULL};
    while (work_on(u, parts, &work))
        ;
    for (int turn = 1; any; turn ^= 1) {
        any_next = next_block(u, now.i + STRIP, from, turn, &next);
        weigh_block(u, parts, &now,
                    (tile_work){.mix = any_before ? &before : NULL,
                                .score = any_next ? &next : NULL});
        before = now;
        any_before = true;
        now = next;
        any = any_next;
    }
    work = (tile_work){.mix = any_before ? &before : NULL};
    while (work_on(u, parts, &work))
        ;
}

static void end_unit(const tile_unit *u)
{
    const ifm_attention *a = u->a;
    const int64_t d = a->d;
    for (int64_t i = 0; i < u->n; i++) {
        const int64_t at = u->from + i;
        const float *mixed = u->mixed + i * u->depth * DEPTH;
        float *part = a->part ? a->part + at * (d + 2) : NULL;
        float *out =
            part ? part : a->out + at / a->group * a->out_stride + at % a->group * d;
        const float sum = _mm512_reduce_add_ps(_mm512_load_ps(u->sums + i * 16));
        const float by = part ? 1 : 1 / sum;
        for (int64_t c = 0; c < d; c++)
            out[c] = mixed[c] * by;
        if (part) {
            part[d] = u->largest[i];
            part[d + 1] = sum;
        }
    }
}

ALWAYS_INLINE void attend_unit(const tile_unit *u, ifm_dtype dtype, int parts)
{
    const int64_t last = u->from + u->n;
    int64_t begin, end, lo, hi;
    begin_unit(u, parts);
    seen_in(u->a, u->from, 0, &begin, &hi);
    seen_in(u->a, last - 1, 0, &lo, &end);
    for (int64_t from = begin / SPAN * SPAN; from < end; from += SPAN) {
        seen_of_span(u->a, u->from, last, from, &lo, &hi);
        pack_keys(u, dtype, parts, from, hi);
        pack_values(u, dtype, parts, from, hi);
        settle();
        attend_span(u, parts, from);
    }
    end_unit(u);
}

ALWAYS_INLINE void attend(const ifm_attention *a, ifm_dtype dtype, int parts)
{
    unsigned char *behind;
    tile_unit u = unit_in(a->scratch, a->d, &behind);
    const int64_t most = u.n, end = a->t1 * a->group;
    u.a = a;
    configure_tiles();
    for (u.from = a->t0 * a->group; u.from < end; u.from += u.n) {
        u.n = end - u.from < most ? end - u.from : most;
        attend_unit(&u, dtype, parts);
    }
    _tile_release();
}

static void attend_any(const ifm_attention *a)
{
    if (a->dtype == IFM_DTYPE_F32)
        attend(a, IFM_DTYPE_F32, MAX_PARTS);
    else
        attend(a, IFM_DTYPE_F16, F16_PARTS);
}

void ifm_kern_amx_attend(ifm_kern *table)
{
    table->attend[IFM_WAY_MANY] = (ifm_attend_way){.attend = attend_any,
                                                   .bytes = attend_bytes,
                                                   .from_queries = FROM_QUERIES,
                                                   .max_d = MAX_D,
                                                   .rounding = 0x1p-9f};
}
