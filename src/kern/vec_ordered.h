/* Part of vec.h: what a set has that loads numbers in no other order than theirs. */
#ifndef V_SPLITS
#define V_SPLITS(dtype) ((void)(dtype), false)

static inline void v_load_split(const void *p, int64_t i, vec *even, vec *odd)
{
    (void)p, (void)i, (void)even, (void)odd;
}

static inline void v_split(vec *a, vec *b)
{
    (void)a, (void)b;
}

static inline void v_join(vec *even, vec *odd)
{
    (void)even, (void)odd;
}
#endif
