/*
 * Part of vec_quant_gemm.h: many rows by products of pairs (neon_pairs.h).
 *
 * Three pairs of rows and four of columns: 12 whole and 12 real sums, three registers of x
 * and four of w, of 32.
 */
enum {
    PAIRS = GEMM_ROWS / 2,      /* of rows */
    COLUMN_PAIRS = 2 * STRIP,   /* of a strip, in the order of its vectors in scratch */
    STRIP_WORDS = STRIP * VEC,  /* double words of a strip: four numbers of each column */
    SCALES = COLUMN_PAIRS * VEC /* floats: those of columns, for both rows */
};

/* A part: n double words of each column, then scales, then offsets. */
ALWAYS_INLINE int32_t *part_at(void *scratch, int64_t part, int n)
{
    return (int32_t *)scratch + part * (n * STRIP_WORDS + 2 * SCALES);
}

/* One tile of a strip. */
ALWAYS_INLINE void put_part(const quant_tile *q, int64_t k, const vint *u, int n, vec d,
                            const vec *m)
{
    int32_t *to = part_at(bed_of(q)->words, k / (4 * n), n);
    float *scale = (float *)(void *)(to + n * STRIP_WORDS);
    vec two[2];
    UNROLL for (int i = 0; i < n; i++) i_store(to + i * STRIP_WORDS, u[i]);
    pair_repeat(d, two);
    UNROLL for (int i = 0; i < 2; i++) v_store(scale + i * STRIP_WORDS, two[i]);
    if (!m)
        return;
    pair_repeat(*m, two);
    UNROLL for (int i = 0; i < 2; i++) v_store(scale + SCALES + i * STRIP_WORDS, two[i]);
}

/* Sums of one tile and rows t and, where `both`, t + 1, from y. */
ALWAYS_INLINE void fetch_pair(const quant_place *at, int64_t t, bool both, int v,
                              vec sum[COLUMN_PAIRS])
{
    const float *y = at->p->y + t * at->p->y_stride + at->tiles[0].n + v * VEC;
    vec first = at->whole ? v_load(y) : fetch_lanes(at, t, v), second = v_zero();
    if (both)
        second = at->whole ? v_load(y + at->p->y_stride) : fetch_lanes(at, t + 1, v);
    pair_turn(&first, &second);
    sum[v] = first;
    sum[STRIP + v] = second;
}

ALWAYS_INLINE void return_pair(const quant_place *at, int64_t t, bool both, int v,
                               const vec sum[COLUMN_PAIRS])
{
    float *y = at->p->y + t * at->p->y_stride + at->tiles[0].n + v * VEC;
    vec first = sum[v], second = sum[STRIP + v];
    pair_turn(&first, &second);
    if (!at->whole) {
        return_lanes(at, t, v, first);
        if (both)
            return_lanes(at, t + 1, v, second);
        return;
    }
    v_store(y, first);
    if (both)
        v_store(y + at->p->y_stride, second);
}

/* sum += one part of P pairs of rows, whose numbers, scales and Σ q begin at x, scale,
 * total. */
ALWAYS_INLINE void multiply_part(int P, int n, bool is_signed, const char *x,
                                 const char *scale, const char *total, int64_t pair_bytes,
                                 const int32_t *w, vec sum[PAIRS][COLUMN_PAIRS])
{
    vint whole[PAIRS][COLUMN_PAIRS];
    UNROLL for (int s = 0; s < n / 2; s++)
    {
        vint u[COLUMN_PAIRS];
        UNROLL for (int c = 0; c < COLUMN_PAIRS; c++) u[c] =
            i_load(w + (s * COLUMN_PAIRS + c) * VEC);
        UNROLL for (int i = 0; i < P; i++)
        {
            const vint q = pair_load(x + i * pair_bytes + 16 * s);
            UNROLL for (int c = 0; c < COLUMN_PAIRS; c++) whole[i][c] =
                pair_dot(s ? whole[i][c] : i_zero(), q, u[c]);
        }
    }
    const float *of_columns = (const float *)(const void *)(w + n * STRIP_WORDS);
    UNROLL for (int i = 0; i < P; i++)
    {
        const vec by = pair_spread(scale + i * pair_bytes);
        UNROLL for (int c = 0; c < COLUMN_PAIRS; c++) sum[i][c] = v_fma(
            i_float(whole[i][c]), v_mul(v_load(of_columns + c * VEC), by), sum[i][c]);
    }
    if (is_signed)
        return;
    UNROLL for (int i = 0; i < P; i++)
    {
        const vec by = pair_spread(total + i * pair_bytes);
        UNROLL for (int c = 0; c < COLUMN_PAIRS; c++) sum[i][c] =
            v_fma(v_load(of_columns + SCALES + c * VEC), by, sum[i][c]);
    }
}

/* M rows of x from row t on, an even one, with the strip's block; the last M may be odd. */
ALWAYS_INLINE void multiply_rows(const quant_place *at, int M, int n, int bits,
                                 bool is_signed, int64_t t)
{
    (void)bits;
    const ifm_product *p = at->p;
    const int P = (M + 1) / 2;
    const int64_t row_bytes = ifm_q8_row_bytes(p->k1), part = 4 * n;
    const char *row = (const char *)p->packed + t * row_bytes, *x = row + 2 * at->k;
    const char *scale = row + 2 * ifm_q8_scale_at(p->k1) + at->k / 32 * 8;
    const char *total =
        row + 2 * (n == PART ? ifm_q8_sum32_at(p->k1) : ifm_q8_sum16_at(p->k1)) +
        at->k / part * 8;
    vec sum[PAIRS][COLUMN_PAIRS];
    UNROLL for (int i = 0; i < P; i++)
    {
        UNROLL for (int c = 0; c < COLUMN_PAIRS; c++) sum[i][c] = v_zero();
        if (at->fresh)
            continue;
        UNROLL for (int v = 0; v < STRIP; v++)
            fetch_pair(at, t + 2 * i, 2 * i + 1 < M, v, sum[i]);
    }
    for (int64_t i = 0; i < at->parts; i++) {
        if (t == 0)
            ask(at, i);
        multiply_part(P, n, is_signed, x + i * 2 * part, scale + i * part / 32 * 8,
                      total + i * 8, 2 * row_bytes, part_at(at->w, i, n), sum);
    }
    UNROLL for (int i = 0; i < P; i++) UNROLL for (int v = 0; v < STRIP; v++)
        return_pair(at, t + 2 * i, 2 * i + 1 < M, v, sum[i]);
}
