/*
 * Part of avx2.c: attention of many queries where keys and values are f16, in words of 16
 * bits: a product of words and the addition of their pairs do sixteen multiplications where
 * a multiply-add of floats does eight.
 *
 *     queries 12 bits and a sign, a scale for each
 *     keys    12 bits and a sign, a scale for each span of 128 positions
 *     weights 15 bits, of the largest of a query's span
 *     values  11 bits and a sign, a scale for 16 columns of a span
 *
 * so that sums of 128 products of queries and keys, and of 32 of weights and values, fit
 * into 32 bits. Spans pass as in vec_attend.h. A span is rounded once for a unit of queries
 * and laid out so that pairs of words lie side by side, of d for keys, of positions for
 * values; its scales come from all positions that the job has there, whichever rows are
 * computed.
 *
 *     queries: [n/6][D/2][6, 2]
 *     keys:    [8][D/2][16 positions, 2]
 *     weights: [6][64, 2]
 *     values:  [D/16][64][16 columns, 2]
 */

enum {
    WORD_QUERIES = 6, /* of a tile */
    WORD_COLUMNS = 16,
    WORD_VECTORS = WORD_COLUMNS / VEC,
    WORD_RUN = 32, /* positions that are added in 32 bits */
    WORD_UNIT = 252,
    WORD_MAX_D = 128,
    WORDS_FROM = 48, /* queries: rounding a span is paid for */
};
static const float KEY_MOST = 4095, VALUE_MOST = 2047;
static const float NOTHING_SEEN = -1e30f; /* finite, so that differences of it are */

typedef struct word_unit {
    const ifm_attention *a;
    int64_t from, n; /* queries of the job, [T, M] in one row; how many */
    int32_t *q, *keys, *values;
    float *scale;         /* [n] of queries, log₂e and the job's scale included */
    float *mixed;         /* [n, D] Σ weight v */
    float *largest, *sum; /* [n] */
    int32_t *scores;      /* [6, SPAN] */
    int32_t *weights;     /* [6, SPAN / 2] */
} word_unit;

/* What a span of a unit has beside its words. */
typedef struct word_span {
    int64_t position, lo, hi; /* as in vec_attend.h, for one tile */
    float key_scale;
    float value_scale[WORD_MAX_D / WORD_COLUMNS];
} word_span;

static size_t word_bytes(int64_t d)
{
    return sizeof(float) *
           (size_t)(WORD_UNIT * d / 2 + SPAN * d + 3 * line_floats(WORD_UNIT) +
                    line_floats(WORD_UNIT * d) + WORD_QUERIES * (SPAN + SPAN / 2));
}

static word_unit word_unit_of(const ifm_attention *a)
{
    const int64_t d = a->d;
    word_unit u = {.a = a, .q = a->scratch};
    u.keys = u.q + WORD_UNIT * d / 2;
    u.values = u.keys + SPAN * d / 2;
    u.scores = u.values + SPAN * d / 2;
    u.weights = u.scores + WORD_QUERIES * SPAN;
    u.mixed = (float *)(void *)(u.weights + WORD_QUERIES * SPAN / 2);
    u.scale = u.mixed + line_floats(WORD_UNIT * d);
    u.largest = u.scale + line_floats(WORD_UNIT);
    u.sum = u.largest + line_floats(WORD_UNIT);
    return u;
}

/* The query of the unit that place i of its tiles stands for: the last tile is filled up
 * with the last query. */
static int64_t word_query(const word_unit *u, int64_t i)
{
    return u->from + (i < u->n ? i : u->n - 1);
}

/* Query number `i` to words: column i % 6 of its tile. */
static void round_query(const word_unit *u, int64_t i)
{
    const ifm_attention *a = u->a;
    const int64_t at = word_query(u, i), d = a->d;
    const float *q = a->q + at / a->group * a->q_stride + at % a->group * d;
    int32_t *to = u->q + (i / WORD_QUERIES * d / 2) * WORD_QUERIES + i % WORD_QUERIES;
    vec largest = v_zero();
    for (int64_t c = 0; c < d; c += VEC) {
        const vec x = v_load(q + c);
        largest = v_max(largest, v_max(x, v_sub(v_zero(), x)));
    }
    const float max = v_largest(largest);
    const vec inverse = v_set(max > 0x1p-100f ? KEY_MOST / max : 0);
    u->scale[i] = max / KEY_MOST * a->scale * 1.44269504f;
    for (int64_t c = 0; c < d; c += VEC) {
        int32_t words[VEC];
        i_store(words, _mm256_cvtps_epi32(v_mul(v_load(q + c), inverse)));
        for (int j = 0; j < VEC; j += 2)
            to[(c + j) / 2 * WORD_QUERIES] =
                (int32_t)((uint32_t)words[j + 1] << 16 | (uint16_t)words[j]);
    }
}

/* 16 halves each of two rows, times `inverse`, to 16 pairs of words. */
static inline void round_pairs(const uint16_t *a, const uint16_t *b, vec inverse,
                               int32_t *to)
{
    for (int v = 0; v < WORD_VECTORS; v++) {
        const vint low =
            _mm256_cvtps_epi32(v_mul(v_load_number(a, v * VEC, IFM_DTYPE_F16), inverse));
        const vint high =
            _mm256_cvtps_epi32(v_mul(v_load_number(b, v * VEC, IFM_DTYPE_F16), inverse));
        i_store(to + v * VEC, _mm256_blend_epi16(low, i_shl(high, 16), 0xaa));
    }
}

/* Of 16 halves those in lanes [begin, end), without their signs; 0 in the others. */
static inline vint sizes_of_halves(const uint16_t *x, int64_t begin, int64_t end)
{
    const vint lane =
        _mm256_set_epi16(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const vint wanted =
        _mm256_andnot_si256(_mm256_cmpgt_epi16(_mm256_set1_epi16((short)begin), lane),
                            _mm256_cmpgt_epi16(_mm256_set1_epi16((short)end), lane));
    const vint size = i_and(_mm256_loadu_si256((const __m256i *)(const void *)x),
                            _mm256_set1_epi16(0x7fff));
    return i_and(size, wanted);
}

/* The largest of 16 halves without signs. */
static inline float largest_half(vint x)
{
    uint16_t halves[16], most = 0;
    _mm256_storeu_si256((__m256i *)(void *)halves, x);
    for (int i = 0; i < 16; i++)
        most = halves[i] > most ? halves[i] : most;
    return v_number_f16(&most);
}

/* Keys of positions [begin, end) of the span, which begin at `k`. */
static void round_keys(const word_unit *u, word_span *s, const uint16_t *k, int64_t begin,
                       int64_t end)
{
    const int64_t d = u->a->d, blocks = (end + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK;
    vint most = i_zero();
    for (int64_t b = begin / IFM_KEY_BLOCK; b < blocks; b++)
        for (int64_t c = 0; c < d; c++)
            most = _mm256_max_epi16(most, sizes_of_halves(k + (b * d + c) * IFM_KEY_BLOCK,
                                                          begin - b * IFM_KEY_BLOCK,
                                                          end - b * IFM_KEY_BLOCK));
    const float max = largest_half(most);
    const vec inverse = v_set(max > 0 ? KEY_MOST / max : 0);
    s->key_scale = max / KEY_MOST;
    for (int64_t b = begin / IFM_KEY_BLOCK; b < blocks; b++)
        for (int64_t c = 0; c < d; c += 2) {
            const uint16_t *from = k + (b * d + c) * IFM_KEY_BLOCK;
            round_pairs(from, from + IFM_KEY_BLOCK, inverse,
                        u->keys + (b * d + c) / 2 * IFM_KEY_BLOCK);
        }
}

/* 16 columns of values of positions [begin, end), from `v` on. Zeros stand in for the
 * positions beside them in a run. */
static float round_columns(const uint16_t *v, int64_t d, int64_t begin, int64_t end,
                           int32_t *to)
{
    static const uint16_t zeros[WORD_COLUMNS];
    vint most = i_zero();
    for (int64_t p = begin; p < end; p++)
        most = _mm256_max_epi16(most, sizes_of_halves(v + p * d, 0, WORD_COLUMNS));
    const float max = largest_half(most);
    const vec inverse = v_set(max > 0 ? VALUE_MOST / max : 0);
    const int64_t first = begin / WORD_RUN * WORD_RUN;
    const int64_t last = (end + WORD_RUN - 1) / WORD_RUN * WORD_RUN;
    for (int64_t p = first; p < last; p += 2)
        round_pairs(p >= begin && p < end ? v + p * d : zeros,
                    p + 1 >= begin && p + 1 < end ? v + (p + 1) * d : zeros, inverse,
                    to + p / 2 * WORD_COLUMNS);
    return max / VALUE_MOST;
}

/* What the job has of the span at `position`. */
static void round_span(const word_unit *u, word_span *s)
{
    const ifm_attention *a = u->a;
    const int64_t d = a->d, at = s->position * d;
    const int64_t left = a->end - s->position;
    const int64_t begin = a->begin > s->position ? a->begin - s->position : 0;
    const int64_t end = left < SPAN ? left : SPAN;
    round_keys(u, s, (const uint16_t *)a->k + at, begin, end);
    for (int64_t c = 0; c < d; c += WORD_COLUMNS)
        s->value_scale[c / WORD_COLUMNS] =
            round_columns((const uint16_t *)a->v + at + c, d, begin, end,
                          u->values + c / WORD_COLUMNS * (SPAN / 2 * WORD_COLUMNS));
}

/* sum[6][16], rows sum_row apart: Σ of pairs of x, [steps] of 6 rows, with pairs of w,
 * [steps][16]. */
ALWAYS_INLINE void multiply_words(const int32_t *x, int64_t row, int64_t step,
                                  const int32_t *w, int64_t steps, int32_t *sum,
                                  int64_t sum_row)
{
    vint sums[WORD_QUERIES][WORD_VECTORS];
    UNROLL for (int j = 0; j < WORD_QUERIES; j++)
        UNROLL for (int v = 0; v < WORD_VECTORS; v++) sums[j][v] = i_zero();
    for (int64_t i = 0; i < steps; i++, x += step, w += WORD_COLUMNS) {
        vint column[WORD_VECTORS];
        UNROLL for (int v = 0; v < WORD_VECTORS; v++) column[v] = i_load(w + v * VEC);
        UNROLL for (int j = 0; j < WORD_QUERIES; j++)
        {
            const vint pair = _mm256_set1_epi32(x[j * row]);
            UNROLL for (int v = 0; v < WORD_VECTORS; v++) sums[j][v] =
                i_add(sums[j][v], _mm256_madd_epi16(column[v], pair));
        }
    }
    UNROLL for (int j = 0; j < WORD_QUERIES; j++)
        UNROLL for (int v = 0; v < WORD_VECTORS; v++)
            i_store(sum + j * sum_row + v * VEC, sums[j][v]);
}

/* Queries of a tile with a block of keys; a run of weights with 16 columns of values. Not
 * inlined: all registers are wanted here. */
static __attribute__((noinline)) void score_block_words(const int32_t *q,
                                                        const int32_t *keys,
                                                        int64_t pairs, int32_t *scores)
{
    multiply_words(q, 1, WORD_QUERIES, keys, pairs, scores, SPAN);
}

static __attribute__((noinline)) void mix_run_words(const int32_t *weights,
                                                    const int32_t *values, int32_t *mixed)
{
    multiply_words(weights, SPAN / 2, 1, values, WORD_RUN / 2, mixed, WORD_COLUMNS);
}

/* Scores of a tile, whole numbers, for all blocks that hold positions [lo, hi). */
static void score_words(const word_unit *u, const word_span *s, int64_t i)
{
    const int64_t d = u->a->d, blocks = (s->hi + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK;
    for (int64_t b = s->lo / IFM_KEY_BLOCK; b < blocks; b++)
        score_block_words(u->q + i * d / 2, u->keys + b * d / 2 * IFM_KEY_BLOCK, d / 2,
                          u->scores + b * IFM_KEY_BLOCK);
}

/* The largest of scores [lo, hi), for which those beside them in their blocks are spoilt. */
static int32_t largest_score(int32_t *x, int64_t lo, int64_t hi)
{
    const int64_t begin = lo / IFM_KEY_BLOCK * IFM_KEY_BLOCK;
    const int64_t end = (hi + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK * IFM_KEY_BLOCK;
    for (int64_t p = begin; p < lo; p++)
        x[p] = INT32_MIN;
    for (int64_t p = hi; p < end; p++)
        x[p] = INT32_MIN;
    vint most = i_load(x + begin);
    for (int64_t p = begin + VEC; p < end; p += VEC)
        most = _mm256_max_epi32(most, i_load(x + p));
    int32_t lanes[VEC];
    i_store(lanes, most);
    for (int i = 1; i < VEC; i++)
        lanes[0] = lanes[i] > lanes[0] ? lanes[i] : lanes[0];
    return lanes[0];
}

/* 2^(scale x + shift) of eight scores, at most 2¹⁵, as whole numbers: 2^r by a polynomial
 * (found as v_exp2's, within 2⁻¹⁸), 2^n added to its exponent. */
static inline vint word_weights(vint x, vec scale, vec shift)
{
    const vec magic = v_set(0x1.8p23f);
    const vec t = v_max(v_set(-30), v_fma(i_float(x), scale, shift));
    const vec n = v_add(t, magic), r = v_sub(t, v_sub(n, magic));
    vec p = v_set(9.5828532e-3f);
    p = v_fma(p, r, v_set(5.5906430e-2f));
    p = v_fma(p, r, v_set(2.4024099e-1f));
    p = v_fma(p, r, v_set(6.9312419e-1f));
    p = v_fma(p, r, v_set(1));
    const vint power = i_shl(_mm256_castps_si256(n), 23);
    return _mm256_cvtps_epi32(
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), power)));
}

/* Weights of the runs that hold what a tile sees, but for [lo, hi), to 0. */
static void clear_weights(const word_span *s, int64_t lo, int64_t hi, int32_t *weights)
{
    int16_t *words = (int16_t *)(void *)weights;
    const int64_t first = s->lo / WORD_RUN * WORD_RUN;
    const int64_t last = (s->hi + WORD_RUN - 1) / WORD_RUN * WORD_RUN;
    memset(words + first, 0, (size_t)(lo - first) * sizeof *words);
    memset(words + hi, 0, (size_t)(last - hi) * sizeof *words);
}

/* Scores of one query, of which it sees [lo, hi), to weights. Returns their sum. */
static float soften_words(const word_span *s, const int32_t *x, int64_t lo, int64_t hi,
                          float scale, float shift, int32_t *weights)
{
    int16_t *words = (int16_t *)(void *)weights;
    const int64_t begin = lo / IFM_KEY_BLOCK * IFM_KEY_BLOCK;
    const int64_t end = (hi + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK * IFM_KEY_BLOCK;
    for (int64_t p = begin; p < end; p += 2 * VEC) {
        const vint a = word_weights(i_load(x + p), v_set(scale), v_set(shift));
        const vint b = word_weights(i_load(x + p + VEC), v_set(scale), v_set(shift));
        i_store((int32_t *)(void *)(words + p),
                _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8));
    }
    clear_weights(s, lo, hi, weights);
    vint total = i_zero();
    for (int64_t p = begin / 2; p < end / 2; p += VEC)
        total = i_add(total, i_sum_pairs(i_load(weights + p)));
    return v_sum(i_float(total));
}

/* Weights of a tile. factor: what earlier sums are multiplied with; gain: what this span's
 * words are. */
static void soften_tile(const word_unit *u, const word_span *s, int64_t i,
                        float factor[VEC], float gain[VEC])
{
    float top[VEC] = {0}, sum[VEC] = {0};
    for (int j = 0; j < WORD_QUERIES; j++) {
        int64_t lo, hi;
        seen_in(u->a, word_query(u, i + j), s->position, &lo, &hi);
        clip_to_span(&lo, &hi);
        top[j] = NOTHING_SEEN;
        if (lo >= hi) {
            clear_weights(s, s->lo, s->lo, u->weights + j * SPAN / 2);
            continue;
        }
        int32_t *x = u->scores + j * SPAN;
        const float scale = u->scale[i + j] * s->key_scale;
        top[j] = (float)largest_score(x, lo, hi) * scale;
        sum[j] =
            soften_words(s, x, lo, hi, scale, 15 - top[j], u->weights + j * SPAN / 2);
    }
    const vec before = v_load(u->largest + i), here = v_load(top);
    const vec now = v_max(before, here);
    const vec kept = v_exp2(v_sub(before, now));
    const vec added = v_mul(v_exp2(v_sub(here, now)), v_set(0x1p-15f));
    v_store(factor, kept);
    v_store(gain, added);
    v_store_part(u->largest + i, now, WORD_QUERIES);
    v_store_part(u->sum + i, v_fma(v_load(sum), added, v_mul(v_load(u->sum + i), kept)),
                 WORD_QUERIES);
}

/* mixed[6][16 columns from c] = factor mixed + gain Σ_p weight[p] v[p]. */
static void mix_words(const word_unit *u, const word_span *s, int64_t i, int64_t c,
                      const float factor[VEC], const float gain[VEC])
{
    const int64_t d = u->a->d;
    const int32_t *values = u->values + c * (SPAN / 2);
    float *mixed = u->mixed + i * d + c, of_words[VEC];
    v_store(of_words, v_mul(v_load(gain), v_set(s->value_scale[c / WORD_COLUMNS])));
    for (int j = 0; j < WORD_QUERIES; j++)
        for (int v = 0; v < WORD_VECTORS; v++) {
            float *at = mixed + j * d + v * VEC;
            v_store(at, v_mul(v_load(at), v_set(factor[j])));
        }
    for (int64_t p = s->lo / WORD_RUN * WORD_RUN; p < s->hi; p += WORD_RUN) {
        int32_t sums[WORD_QUERIES * WORD_COLUMNS];
        mix_run_words(u->weights + p / 2, values + p / 2 * WORD_COLUMNS, sums);
        for (int j = 0; j < WORD_QUERIES; j++)
            for (int v = 0; v < WORD_VECTORS; v++) {
                const vec sum = i_float(i_load(sums + j * WORD_COLUMNS + v * VEC));
                float *at = mixed + j * d + v * VEC;
                v_store(at, v_fma(sum, v_set(of_words[j]), v_load(at)));
            }
    }
}

/* All tiles of the unit over the span at `position`. */
static void attend_words_span(const word_unit *u, int64_t position)
{
    word_span s = {.position = position};
    int64_t ignored;
    round_span(u, &s);
    for (int64_t i = 0; i < u->n; i += WORD_QUERIES) {
        float factor[VEC], gain[VEC];
        seen_in(u->a, word_query(u, i), position, &s.lo, &ignored);
        seen_in(u->a, word_query(u, i + WORD_QUERIES - 1), position, &ignored, &s.hi);
        clip_to_span(&s.lo, &s.hi);
        if (s.lo >= s.hi)
            continue;
        score_words(u, &s, i);
        soften_tile(u, &s, i, factor, gain);
        for (int64_t c = 0; c < u->a->d; c += WORD_COLUMNS)
            mix_words(u, &s, i, c, factor, gain);
    }
}

static void end_words(const word_unit *u)
{
    const ifm_attention *a = u->a;
    const int64_t d = a->d;
    for (int64_t i = 0; i < u->n; i++) {
        const int64_t at = u->from + i;
        float *part = a->part ? a->part + at * (d + 2) : NULL;
        float *out =
            part ? part : a->out + at / a->group * a->out_stride + at % a->group * d;
        const vec scale = v_set(part ? 1 : 1 / u->sum[i]);
        for (int64_t c = 0; c < d; c += VEC)
            v_store(out + c, v_mul(v_load(u->mixed + i * d + c), scale));
        if (part) {
            part[d] = u->largest[i] > NOTHING_SEEN ? u->largest[i] : -INFINITY;
            part[d + 1] = u->sum[i];
        }
    }
}

/* One unit over all positions that its queries see. */
static void attend_words_unit(const word_unit *u)
{
    const int64_t places = (u->n + WORD_QUERIES - 1) / WORD_QUERIES * WORD_QUERIES;
    int64_t lo, hi, ignored;
    for (int64_t i = 0; i < places; i++)
        round_query(u, i);
    fill(u->mixed, 0, places * u->a->d, 0);
    fill(u->largest, 0, line_floats(WORD_UNIT), NOTHING_SEEN);
    fill(u->sum, 0, line_floats(WORD_UNIT), 0);
    seen_in(u->a, u->from, 0, &lo, &ignored);
    seen_in(u->a, u->from + u->n - 1, 0, &ignored, &hi);
    for (int64_t p = lo / SPAN * SPAN; p < hi; p += SPAN)
        attend_words_span(u, p);
    end_words(u);
}

static void attend_words(const ifm_attention *a)
{
    if (a->dtype != IFM_DTYPE_F16 || a->d % WORD_COLUMNS != 0) {
        attend(a);
        return;
    }
    word_unit u = word_unit_of(a);
    const int64_t end = a->t1 * a->group;
    for (u.from = a->t0 * a->group; u.from < end; u.from += u.n) {
        u.n = end - u.from < WORD_UNIT ? end - u.from : WORD_UNIT;
        attend_words_unit(&u);
    }
}

static size_t attend_words_bytes(int64_t d)
{
    const size_t a = attend_bytes(d), b = word_bytes(d);
    return a > b ? a : b;
}

static inline void fill_attend_words(ifm_kern *table)
{
    table->attend[IFM_WAY_MANY] = (ifm_attend_way){.attend = attend_words,
                                                   .bytes = attend_words_bytes,
                                                   .from_queries = WORDS_FROM,
                                                   .max_d = WORD_MAX_D,
                                                   .rounding = 0x1p-11f};
}
