/*
 * Part of vec_quant.h and amx_quant.c: the quantized types. Each is a function that takes
 * the block at byte `at` of all rows of a tile apart and hands its parts of 32 or 16
 * numbers, from number k on, to
 * XX *     add_signed(q, exact, k, w, d)           32 numbers of w = d times a signed byte
 * which the file that includes this defines. Layouts: format/quant.h.
 */

ALWAYS_INLINE void split_nibbles(const vint n[4], vint u[PART])
{
    const vint mask = i_bytes(15);
    UNROLL for (int i = 0; i < 4; i++)
    {
        u[i] = i_and(n[i], mask);
        u[i + 4] = i_and(i_shr(n[i], 4), mask);
    }
}

#ifndef BY_PAIRS
/* Bit i of `high` is the fifth of number i. */
ALWAYS_INLINE void add_fifth(vint high, vint u[PART])
{
    vint byte[4];
    UNROLL for (int i = 0; i < 4; i++) byte[i] = i_spread_byte(high, i);
    UNROLL for (int i = 0; i < PART; i++) u[i] =
        i_add_where(u[i], byte[i / 2], i % 2 ? 0x80402010 : 0x08040201, 16);
}
#endif

ALWAYS_INLINE void add_Q8_0(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint u[PART];
    const vec d = load_halves(q, at);
    load_numbers(q, at + 2, u);
    load_numbers(q, at + 18, u + 4);
    add_signed(q, exact, k, u, d);
}

ALWAYS_INLINE void add_Q4_0(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint n[4], u[PART];
    const vec d = load_halves(q, at);
    load_numbers(q, at + 2, n);
    split_nibbles(n, u);
    add_part(q, exact, k, u, PART, 4, d, v_mul(d, v_set(-8)));
}

ALWAYS_INLINE void add_nibbles_1(const quant_tile *q, bool exact, int64_t k, vint dm,
                                 const vint n[4])
{
    vint u[PART];
    split_nibbles(n, u);
    add_part(q, exact, k, u, PART, 4, i_low_half(dm), i_high_half(dm));
}

ALWAYS_INLINE void add_Q4_1(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint h[4], n[4];
    load_turned(q, at, h);
    load_numbers(q, at + 4, n);
    add_nibbles_1(q, exact, k, h[0], n);
}

/* Four blocks are five times 16 bytes: nothing is loaded twice, and as late as can be, while
 * there are registers. */
ALWAYS_INLINE void add_four_Q4_1(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint x[20];
    load_turned(q, at, x);
    UNROLL for (int i = 0; i < 4; i++)
    {
        load_turned(q, at + 16 * (i + 1), x + 4 * (i + 1));
        add_nibbles_1(q, exact, k + 32 * i, x[5 * i], x + 5 * i + 1);
    }
}

ALWAYS_INLINE void add_Q5_0(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint h[4], n[4], u[PART];
    load_turned(q, at, h);
    load_numbers(q, at + 6, n);
    split_nibbles(n, u);
    add_fifth(i_or(i_shr(h[0], 16), i_shl(h[1], 16)), u);
    const vec d = i_low_half(h[0]);
    add_part(q, exact, k, u, PART, 5, d, v_mul(d, v_set(-16)));
}

ALWAYS_INLINE void add_Q5_1(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint h[4], n[4], u[PART];
    load_turned(q, at, h);
    load_numbers(q, at + 8, n);
    split_nibbles(n, u);
    add_fifth(h[1], u);
    add_part(q, exact, k, u, PART, 5, i_low_half(h[0]), i_high_half(h[0]));
}

/* Byte i of four double words of bytes, as a float times d. */
ALWAYS_INLINE vec scale_at(const vint *bytes, int i, vec d)
{
    return v_mul(byte_as_float(bytes[i / 4], i % 4, false), d);
}

/* The 6-bit scales and minima of q4_K and q5_K: eight of each in 12 bytes. */
ALWAYS_INLINE void scales_k(const vint s[3], vint scale[2], vint min[2])
{
    const vint six = i_bytes(63), low = i_bytes(15), high = i_bytes(48);
    scale[0] = i_and(s[0], six);
    min[0] = i_and(s[1], six);
    scale[1] = i_and_or(i_shr(s[0], 2), high, i_and(s[2], low));
    min[1] = i_and_or(i_shr(s[1], 2), high, i_and(i_shr(s[2], 4), low));
}

/* q5_K is q4_K with 32 bytes of fifth bits before the nibbles: bit i of byte j belongs to
 * number j of part i. */
ALWAYS_INLINE void add_nibbles_k(const quant_tile *q, bool exact, int64_t at, int64_t k,
                                 bool five)
{
    vint h[4], scale[2], min[2], fifth[PART];
    load_turned(q, at, h);
    scales_k(h + 1, scale, min);
    const vec d = i_low_half(h[0]), least = v_sub(v_zero(), i_high_half(h[0]));
    if (five) {
        load_numbers(q, at + 16, fifth);
        load_numbers(q, at + 32, fifth + 4);
    }
    at += five ? 48 : 16;
    UNROLL for (int c = 0; c < 4; c++)
    {
        vint n[PART], u[PART];
        load_numbers(q, at + 32 * c, n);
        load_numbers(q, at + 32 * c + 16, n + 4);
        UNROLL for (int half = 0; half < 2; half++)
        {
            const int part = 2 * c + half;
            UNROLL for (int i = 0; i < PART; i++)
            {
                u[i] = i_and(half ? i_shr(n[i], 4) : n[i], i_bytes(15));
                if (five)
                    u[i] = i_and_or(part < 4 ? i_shl(fifth[i], 4 - part)
                                             : i_shr(fifth[i], part - 4),
                                    i_bytes(16), u[i]);
            }
            add_part(q, exact, k + 32 * part, u, PART, five ? 5 : 4,
                     scale_at(scale, part, d), scale_at(min, part, least));
        }
    }
}

ALWAYS_INLINE void add_Q4_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    add_nibbles_k(q, exact, at, k, false);
}

ALWAYS_INLINE void add_Q5_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    add_nibbles_k(q, exact, at, k, true);
}

/* Parts of 16: 32 numbers of part i and i + 1. */
ALWAYS_INLINE void add_sixteens(const quant_tile *q, bool exact, int64_t k,
                                const vint u[PART], int bits, const vec d[2],
                                const vec m[2])
{
    add_part(q, exact, k, u, 4, bits, d[0], m[0]);
    add_part(q, exact, k + 16, u + 4, 4, bits, d[1], m[1]);
}

ALWAYS_INLINE void add_Q2_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint s[4], h[4];
    load_turned(q, at, s);
    load_turned(q, at + 68, h); /* the last 4 of 84 bytes in h[3] */
    const vec d = i_low_half(h[3]), least = v_sub(v_zero(), i_high_half(h[3]));
    vint scale[4], min[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        scale[i] = i_and(s[i], i_bytes(15));
        min[i] = i_and(i_shr(s[i], 4), i_bytes(15));
    }
    UNROLL for (int half = 0; half < 2; half++)
    {
        vint b[PART], u[PART];
        load_numbers(q, at + 16 + 32 * half, b);
        load_numbers(q, at + 32 + 32 * half, b + 4);
        UNROLL for (int j = 0; j < 4; j++)
        {
            const int part = 8 * half + 2 * j;
            const vec ds[2] = {scale_at(scale, part, d), scale_at(scale, part + 1, d)};
            const vec ms[2] = {scale_at(min, part, least),
                               scale_at(min, part + 1, least)};
            UNROLL for (int i = 0; i < PART; i++) u[i] =
                i_and(i_shr(b[i], 2 * j), i_bytes(3));
            add_sixteens(q, exact, k + 16 * part, u, 2, ds, ms);
        }
    }
}

/* Sixteen scales of 6 bits in 12 bytes: low nibbles of all, then pairs of high bits. */
ALWAYS_INLINE void scales_q3(const vint s[3], vint scale[4])
{
    const vint low = i_bytes(15), high = i_bytes(48);
    scale[0] = i_and_or(i_shl(s[2], 4), high, i_and(s[0], low));
    scale[1] = i_and_or(i_shl(s[2], 2), high, i_and(s[1], low));
    scale[2] = i_and_or(s[2], high, i_and(i_shr(s[0], 4), low));
    scale[3] = i_and_or(i_shr(s[2], 2), high, i_and(i_shr(s[1], 4), low));
}

/* A scale that is stored 32 too large. */
ALWAYS_INLINE vec scale_q3(const vint *scale, int i, vec d)
{
    return v_mul(v_sub(byte_as_float(scale[i / 4], i % 4, false), v_set(32)), d);
}

ALWAYS_INLINE void add_Q3_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint high[PART], h[4], s[3], scale[4];
    load_numbers(q, at, high);
    load_numbers(q, at + 16, high + 4);
    load_turned(q, at + 94, h); /* 2 bytes before the scales; d in the last 2 of 110 */
    UNROLL for (int i = 0; i < 3; i++) s[i] = i_or(i_shr(h[i], 16), i_shl(h[i + 1], 16));
    scales_q3(s, scale);
    const vec d = i_high_half(h[3]);
    UNROLL for (int half = 0; half < 2; half++)
    {
        vint b[PART], u[PART];
        load_numbers(q, at + 32 + 32 * half, b);
        load_numbers(q, at + 48 + 32 * half, b + 4);
        UNROLL for (int j = 0; j < 4; j++)
        {
            const int part = 8 * half + 2 * j, bit = 4 * half + j;
            const vec ds[2] = {scale_q3(scale, part, d), scale_q3(scale, part + 1, d)};
            const vec ms[2] = {v_mul(ds[0], v_set(-4)), v_mul(ds[1], v_set(-4))};
            UNROLL for (int i = 0; i < PART; i++) u[i] =
                i_and_or(bit < 2 ? i_shl(high[i], 2 - bit) : i_shr(high[i], bit - 2),
                         i_bytes(4), i_and(i_shr(b[i], 2 * j), i_bytes(3)));
            add_sixteens(q, exact, k + 16 * part, u, 3, ds, ms);
        }
    }
}

/* A signed scale of q6_K. */
ALWAYS_INLINE vec scale_q6(const vint *scale, int i, vec d)
{
    return v_mul(byte_as_float(scale[i / 4], i % 4, true), d);
}

/* Numbers 32 j … of a half: nibbles of the low bits, pairs of bits of the high ones. */
ALWAYS_INLINE void add_quarter_q6(const quant_tile *q, bool exact, int64_t k, int j,
                                  const vint low[PART], const vint high[PART],
                                  const vec d[2])
{
    vint u[PART];
    const vec m[2] = {v_mul(d[0], v_set(-32)), v_mul(d[1], v_set(-32))};
    UNROLL for (int i = 0; i < PART; i++)
    {
        const vint top = j < 2 ? i_shl(high[i], 4 - 2 * j) : i_shr(high[i], 2 * j - 4);
        const vint bottom = i_and(j < 2 ? low[i] : i_shr(low[i], 4), i_bytes(15));
        u[i] = i_and_or(top, i_bytes(48), bottom);
    }
    add_sixteens(q, exact, k, u, 6, d, m);
}

ALWAYS_INLINE void add_Q6_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint scale[4], h[4];
    load_turned(q, at + 192, scale);
    load_turned(q, at + 194, h); /* d in the last 2 of 210 */
    const vec d = i_high_half(h[3]);
    UNROLL for (int half = 0; half < 2; half++)
    {
        vint low[2 * PART], high[PART];
        UNROLL for (int i = 0; i < 4; i++)
            load_numbers(q, at + 64 * half + 16 * i, low + 4 * i);
        load_numbers(q, at + 128 + 32 * half, high);
        load_numbers(q, at + 144 + 32 * half, high + 4);
        UNROLL for (int j = 0; j < 4; j++)
        {
            const int part = 8 * half + 2 * j;
            const vec ds[2] = {scale_q6(scale, part, d), scale_q6(scale, part + 1, d)};
            add_quarter_q6(q, exact, k + 16 * part, j, low + PART * (j % 2), high, ds);
        }
    }
}

/* All blocks of a tile. */
ALWAYS_INLINE void add_blocks(const quant_tile *q, ifm_dtype dtype, bool exact)
{
    const int64_t bytes = quant_bytes(dtype), numbers = quant_block(dtype);
    int64_t at = 0, k = 0;
    if (dtype == IFM_DTYPE_Q4_1 && FOUR_Q4_1)
        for (; k + 128 <= q->k; k += 128, at += 4 * bytes)
            add_four_Q4_1(q, exact, at, k);
    for (; k < q->k; k += numbers, at += bytes)
        switch (dtype) {
#define CASE(NAME, name, bytes, numbers)                                                 \
    case IFM_DTYPE_##NAME:                                                               \
        add_##NAME(q, exact, at, k);                                                     \
        break;
            IFM_DTYPE_QUANT_LIST(CASE)
#undef CASE
        default:
            break;
        }
}
