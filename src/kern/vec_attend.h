/*
 * Part of vec.h: attention of one head over its part of the KV cache.
 *
 * A tile of QUERIES queries passes three times: scores against blocks of 16 keys (a sum
 * per position, none across lanes), softmax along each row, mixing of values. Positions
 * that a query of the tile must not see get the weight 0 exactly, so that a query's result
 * does not depend on which tile it is in.
 */

enum {
    BLOCK_VECTORS = IFM_KEY_BLOCK / VEC,
    QUERIES = 4,
    /* Blocks of keys side by side, as many as the registers hold sums for. */
    BLOCKS_MANY = VEC_REGISTERS / (QUERIES * BLOCK_VECTORS) >= 4 ? 2 : 1,
    BLOCKS_ONE = 4 / BLOCK_VECTORS,
    VALUE_VECTORS = VEC_REGISTERS >= 32 ? 4 : 2,
};

/* scores[q][16 b …] of Q queries and B blocks. */
ALWAYS_INLINE void score_blocks(const ifm_attention *a, int Q, int B, int64_t i,
                                int64_t b, int64_t stride)
{
    const float *q = a->q + i * a->q_stride;
    const float *k = a->k + b * IFM_KEY_BLOCK * a->d;
    const int V = BLOCK_VECTORS;
    const vec scale = v_set(a->scale);
    vec sum[QUERIES][4 * BLOCK_VECTORS];
    UNROLL for (int j = 0; j < Q; j++) UNROLL for (int v = 0; v < B * V; v++) sum[j][v] =
        v_zero();
    for (int64_t d = 0; d < a->d; d++)
        UNROLL for (int v = 0; v < B * V; v++)
        {
            const vec key = v_load(k + (v / V * a->d + d) * IFM_KEY_BLOCK + v % V * VEC);
            UNROLL for (int j = 0; j < Q; j++) sum[j][v] =
                v_fma(v_set(q[j * a->q_stride + d]), key, sum[j][v]);
        }
    UNROLL for (int j = 0; j < Q; j++) UNROLL for (int v = 0; v < B * V; v++) v_store(
        a->scores + j * stride + b * IFM_KEY_BLOCK + v * VEC, v_mul(sum[j][v], scale));
}

/* Turns scores of `seen` positions into exp(score - largest), the rest of `stride` into 0;
 * returns 1 / their sum. */
static inline float soften(float *scores, int64_t seen, int64_t stride)
{
    const vec largest = v_set(row_largest(scores, seen));
    vec sum = v_zero();
    for (int64_t p = 0; p < stride; p += VEC) {
        vec y = v_zero();
        if (p < seen) {
            y = v_exp(v_sub(v_load(scores + p), largest));
            if (seen - p < VEC)
                y = v_keep_first(y, seen - p, 0);
        }
        v_store(scores + p, y);
        sum = v_add(sum, y);
    }
    return 1 / v_sum(sum);
}

/* out[Q, V vectors from d] = scale Σ_p weight[p] v[p]. */
ALWAYS_INLINE void mix_tile(const ifm_attention *a, int Q, int V, int64_t i, int64_t d,
                            int64_t seen, int64_t stride, const float *scale)
{
    vec sum[QUERIES][VALUE_VECTORS];
    UNROLL for (int j = 0; j < Q; j++) UNROLL for (int v = 0; v < V; v++) sum[j][v] =
        v_zero();
    for (int64_t p = 0; p < seen; p++)
        UNROLL for (int v = 0; v < V; v++)
        {
            const vec value = v_load(a->v + p * a->d + d + v * VEC);
            UNROLL for (int j = 0; j < Q; j++) sum[j][v] =
                v_fma(v_set(a->scores[j * stride + p]), value, sum[j][v]);
        }
    UNROLL for (int j = 0; j < Q; j++) UNROLL for (int v = 0; v < V; v++)
        v_store(a->out + (i + j) * a->out_stride + d + v * VEC,
                v_mul(sum[j][v], v_set(scale[j])));
}

/* The last components of a head whose width is no multiple of a vector. */
static inline void mix_edge(const ifm_attention *a, int64_t i, int64_t d, int64_t seen,
                            const float *weights, float scale)
{
    const int64_t left = a->d - d;
    vec sum = v_zero();
    for (int64_t p = 0; p < seen; p++)
        sum = v_fma(v_set(weights[p]), v_load_part(a->v + p * a->d + d, left), sum);
    v_store_part(a->out + i * a->out_stride + d, v_mul(sum, v_set(scale)), left);
}

ALWAYS_INLINE void attend_tile(const ifm_attention *a, int Q, int B, int64_t i)
{
    const int64_t seen = a->first + i + Q; /* by the last query of the tile */
    const int64_t blocks = (seen + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK;
    const int64_t stride = blocks * IFM_KEY_BLOCK;
    float scale[QUERIES];
    int64_t b = 0, d = 0;
    for (; b + B <= blocks; b += B)
        score_blocks(a, Q, B, i, b, stride);
    for (; b < blocks; b++)
        score_blocks(a, Q, 1, i, b, stride);
    for (int j = 0; j < Q; j++)
        scale[j] = soften(a->scores + j * stride, seen - Q + 1 + j, stride);
    for (; d + VALUE_VECTORS * VEC <= a->d; d += VALUE_VECTORS * VEC)
        mix_tile(a, Q, VALUE_VECTORS, i, d, seen, stride, scale);
    for (; d + VEC <= a->d; d += VEC)
        mix_tile(a, Q, 1, i, d, seen, stride, scale);
    if (d < a->d)
        for (int j = 0; j < Q; j++)
            mix_edge(a, i + j, d, seen, a->scores + j * stride, scale[j]);
}

static void attend(const ifm_attention *a)
{
    int64_t i = 0;
    for (; i + QUERIES <= a->t; i += QUERIES)
        attend_tile(a, QUERIES, BLOCKS_MANY, i);
    for (; i < a->t; i++)
        attend_tile(a, 1, BLOCKS_ONE, i);
}
