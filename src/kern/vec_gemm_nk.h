/*
 * Part of vec.h: products of many rows with NK matrices of any type. Rows of w are widened
 * or unpacked once, for all rows of x, and laid out in vec_gemm.h's panels, VEC rows at a
 * time, turned in the registers; from there on it is the same.
 */

enum {
    /* From here on unpacking and turning is paid for. */
    GEMM_NK_FROM = 17,
    GEMM_K_QUANT = GEMM_K_BLOCK / 256 * 256, /* whole blocks of every quantized type */
};

/* VEC rows of w, `depth` numbers from k on, to one half of a strip's panel: out[depth] rows
 * STRIP apart. Rows from `width` on are zeros. */
ALWAYS_INLINE void turn_rows(const ifm_product *p, ifm_dtype dtype, int64_t n,
                             int64_t width, int64_t k, int64_t depth, float *out)
{
    for (int64_t i = 0; i < depth; i += VEC) {
        const int64_t left = depth - i;
        vec r[VEC];
        for (int64_t j = 0; j < VEC; j++) {
            const int64_t at = (n + j) * p->w_stride + k + i;
            if (j >= width)
                r[j] = v_zero();
            else if (left >= VEC)
                r[j] = v_load_number(p->w, at, dtype);
            else
                r[j] = v_load_number_part(p->w, at, left, dtype);
        }
        v_transpose(r);
        for (int64_t j = 0; j < VEC && j < left; j++)
            v_store(out + (i + j) * GEMM_STRIP, r[j]);
    }
}

/* The same of quantized rows, whole blocks. */
ALWAYS_INLINE void turn_blocks(const ifm_product *p, ifm_dtype dtype, int64_t n,
                               int64_t width, int64_t k, int64_t depth, float *out)
{
    const int64_t numbers = quant_block(dtype), bytes = quant_bytes(dtype);
    const int64_t stride = p->w_stride / numbers * bytes;
    const uint8_t *w = (const uint8_t *)p->w + n * stride + k / numbers * bytes;
    _Alignas(64) float rows[VEC][256];
    for (int64_t j = width > 0 ? width : 0; j < VEC; j++)
        memset(rows[j], 0, sizeof rows[j]);
    for (int64_t i = 0; i < depth; i += numbers, w += bytes) {
        for (int64_t j = 0; j < VEC && j < width; j++)
            unpack_floats(dtype, w + j * stride, rows[j]);
        for (int64_t a = 0; a < numbers; a += VEC) {
            vec r[VEC];
            for (int64_t j = 0; j < VEC; j++)
                r[j] = v_load(rows[j] + a);
            v_transpose(r);
            for (int64_t j = 0; j < VEC; j++)
                v_store(out + (i + a + j) * GEMM_STRIP, r[j]);
        }
    }
}

/* A block to panels[strips][depth][STRIP]. */
ALWAYS_INLINE void pack_block_nk(const ifm_product *p, ifm_dtype dtype,
                                 const ifm_block *b, float *panels)
{
    const int64_t k = p->k0 + b->k;
    for (int64_t n = 0; n < b->width; n += GEMM_STRIP, panels += b->depth * GEMM_STRIP)
        for (int v = 0; v < GEMM_VECTORS; v++) {
            const int64_t at = n + v * VEC, left = b->width - at;
            if (dtype < IFM_DTYPE_FLOAT_COUNT)
                turn_rows(p, dtype, b->n + at, left, k, b->depth, panels + v * VEC);
            else
                turn_blocks(p, dtype, b->n + at, left, k, b->depth, panels + v * VEC);
        }
}

ALWAYS_INLINE void gemm_nk(const ifm_product *p, ifm_dtype dtype, float *panels)
{
    const int64_t rows = dtype < IFM_DTYPE_FLOAT_COUNT ? GEMM_K_BLOCK : GEMM_K_QUANT;
    ifm_block now = {.n = p->n0};
    bool more = ifm_block_next(p, GEMM_COLUMNS, rows, &now);
    while (more) {
        ifm_block later = now;
        ifm_ahead next = {0};
        more = ifm_block_next(p, GEMM_COLUMNS, rows, &later);
        if (more)
            next = ifm_ahead_of_nk(p, &later, quant_block(dtype), quant_bytes(dtype),
                                   gemm_steps(p, &now));
        pack_block_nk(p, dtype, &now, panels);
        gemm_block(p, &now, panels, &next);
        now = later;
    }
}

#define DEFINE_GEMM(NAME, ...)                                                           \
    static void gemm_nk_##NAME(const ifm_product *p, void *scratch)                      \
    {                                                                                    \
        gemm_nk(p, IFM_DTYPE_##NAME, scratch);                                           \
    }
IFM_DTYPE_FLOAT_LIST(DEFINE_GEMM)
IFM_DTYPE_QUANT_LIST(DEFINE_GEMM)
#undef DEFINE_GEMM
