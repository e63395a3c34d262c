/* What AVX-VNNI adds to vec_ints_avx2.h; vec_dot_whole.h explains it. */
#ifndef IFM_KERN_VEC_INTS_AVX2_VNNI_H
#define IFM_KERN_VEC_INTS_AVX2_VNNI_H

enum { SIGNED_DOT = 0 };

static inline vint i_dot(vint a, vint u, vint x)
{
    return _mm256_dpbusd_avx_epi32(a, u, x);
}

static inline vint i_dot_signed(vint a, vint w, vint x)
{
    return _mm256_dpbusd_avx_epi32(a, w, x);
}

#endif
