/* How the wide kernels are compiled: what is inlined, and what is unrolled. */
#ifndef IFM_KERN_VEC_UNROLL_H
#define IFM_KERN_VEC_UNROLL_H

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Complete unrolling of a loop whose length is a constant by the time it is inlined: sums
 * stay in registers. Not where every access is checked, which then takes minutes to
 * compile: there one body serves all lengths (SPECIALISE 0). */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||               \
    __has_feature(memory_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define CHECKED_BUILD
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHECKED_BUILD
#endif
#ifdef CHECKED_BUILD
enum { SPECIALISE = 0 };
#else
enum { SPECIALISE = 1 };
#endif
#if defined(CHECKED_BUILD) && defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(disable)")
#elif defined(CHECKED_BUILD)
#define UNROLL _Pragma("GCC unroll 1")
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
