/* Part of vec.h: functions of one vector. */

/* exp(x), within 2 ulp for -87.3 ≤ x ≤ 88.3; below, what exp(-87.3) is (1e-38), so that
 * the power of two stays normal. x = n log 2 + r, |r| ≤ log 2 / 2, exp r by the polynomial
 * of Cephes' expf (Moshier 1989). exp(-∞) is therefore not exactly 0: callers that mask do
 * it themselves. */
static inline vec v_exp(vec x)
{
    const vec low = v_set(-87.33654f), high = v_set(88.3f);
    x = v_min(v_max(x, low), high);
    const vec n = v_round(v_mul(x, v_set(1.44269504f)));
    vec r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vec p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), v_add(r, v_set(1)));
    return v_scale(p, n);
}

/* 2^x for x ≤ 0, within 3 · 2⁻²⁴ in proportion, 1 for 0; below -126, what 2⁻¹²⁶ is; NaN
 * stays NaN. x = n + r, |r| ≤ 1/2, 2^r = 1 + r p(r), p by least squares weighted until the
 * largest error was least (Lawson 1961): 2⁻²³·⁴. */
static inline vec v_exp2(vec x)
{
    x = v_max(v_set(-126), x);
    const vec n = v_round(x), r = v_sub(x, n);
    vec p = v_set(1.3264727e-3f);
    p = v_fma(p, r, v_set(9.671513e-3f));
    p = v_fma(p, r, v_set(5.5507336e-2f));
    p = v_fma(p, r, v_set(2.4022242e-1f));
    p = v_fma(p, r, v_set(6.93147e-1f));
    p = v_fma(p, r, v_set(1));
    return v_scale(p, n);
}

/* x/2 (1 + tanh u) = x / (1 + exp(-2u)): the same number without the cancellation that
 * 1 + tanh has for negative u. */
static inline vec v_gelu_new(vec x)
{
    const vec cubic = v_mul(v_mul(x, x), v_set(0.044715f));
    const vec u = v_mul(x, v_fma(cubic, v_set(0.7978845608f), v_set(0.7978845608f)));
    return v_div(x, v_add(v_set(1), v_exp(v_mul(u, v_set(-2)))));
}

/* Rare in GPT-2 files, so libm has the error function. */
static inline vec v_gelu(vec x)
{
    float lane[VEC];
    v_store(lane, x);
    for (int i = 0; i < VEC; i++)
        lane[i] = 0.5f * lane[i] * (1 + erff(lane[i] * 0.7071067812f));
    return v_load(lane);
}

static inline vec v_silu(vec x)
{
    return v_div(x, v_add(v_set(1), v_exp(v_mul(x, v_set(-1)))));
}

static inline vec v_activate(vec x, ifm_kern_activation activation)
{
    switch (activation) {
    case IFM_KERN_GELU_NEW:
        return v_gelu_new(x);
    case IFM_KERN_GELU:
        return v_gelu(x);
    case IFM_KERN_RELU:
        return v_max(x, v_zero());
    case IFM_KERN_SILU:
        return v_silu(x);
    default:
        return x;
    }
}
