/* Choosing an instruction set: the best that processor and operating system allow, or the
 * one that was asked for. */
#include "kern/kern.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kern/tables.h"
#include "os/cpu.h"

/* Filled once, constant afterwards. */
static ifm_kern tables[IFM_KERN_MAX];
static uint32_t features;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool can_run(int i)
{
    return (ifm_kern_sets[i].needs & ~features) == 0;
}

/* Those that cannot run stay empty: not even what fills them may be called. */
static void fill_tables(void)
{
    features = ifm_cpu_features();
    if (!ifm_cpu_request_tiles())
        features &= ~(uint32_t)(IFM_CPU_AMX_BF16 | IFM_CPU_AMX_INT8);
    for (int i = 0, lesser = -1; i < ifm_kern_n_sets; i++) {
        if (!can_run(i))
            continue;
        if (lesser >= 0)
            tables[i] = tables[lesser];
        ifm_kern_sets[i].fill(&tables[i]);
        tables[i].name = ifm_kern_sets[i].name;
        lesser = i;
    }
}

int ifm_kernels_available(const ifm_kern *list[], int cap)
{
    int n = 0;
    pthread_once(&once, fill_tables);
    for (int i = 0; i < ifm_kern_n_sets; i++)
        if (can_run(i)) {
            if (n < cap)
                list[n] = &tables[i];
            n++;
        }
    return n;
}

/* "scalar, avx2, avx512" */
static const char *names_available(char *text, size_t cap)
{
    size_t n = 0;
    text[0] = '\0';
    for (int i = 0; i < ifm_kern_n_sets && n < cap; i++)
        if (can_run(i))
            n += (size_t)snprintf(text + n, cap - n, "%s%s", n ? ", " : "",
                                  ifm_kern_sets[i].name);
    return text;
}

ifm_status ifm_kernels_find(const char *name, const ifm_kern **out, ifm_error *err)
{
    char names[128];
    const ifm_kern *best[IFM_KERN_MAX];
    const int n = ifm_kernels_available(best, IFM_KERN_MAX);
    const char *wanted = name ? name : getenv("IFM_KERNELS");
    if (!wanted || !*wanted) {
        *out = best[n - 1];
        return IFM_OK;
    }
    for (int i = 0; i < ifm_kern_n_sets; i++) {
        if (strcmp(ifm_kern_sets[i].name, wanted) != 0)
            continue;
        if (!can_run(i))
            return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                            "kernels: \"%s\" needs instructions that this processor or "
                            "operating system lacks; available: %s",
                            wanted, names_available(names, sizeof names));
        *out = &tables[i];
        return IFM_OK;
    }
    return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                    "kernels: there are none called \"%s\"; "
                    "available: %s",
                    wanted, names_available(names, sizeof names));
}

const ifm_way *ifm_kern_way(const ifm_kern *kern, ifm_layout layout, ifm_dtype dtype,
                            int64_t t, bool exact)
{
    const ifm_way *ways = exact && ifm_dtype_is_quantized(dtype)
                              ? kern->exact[dtype]
                              : kern->ways[layout][dtype];
    const ifm_way *best = &ways[IFM_WAY_ONE];
    for (int rank = 0; rank < IFM_WAY_COUNT; rank++)
        if (ways[rank].multiply && ways[rank].from_rows <= t)
            best = &ways[rank];
    return best;
}

const ifm_attend_way *ifm_kern_attend_way(const ifm_kern *kern, int64_t queries,
                                          int64_t d)
{
    const ifm_attend_way *best = &kern->attend[IFM_WAY_ONE];
    for (int rank = 0; rank < IFM_WAY_COUNT; rank++) {
        const ifm_attend_way *way = &kern->attend[rank];
        if (way->attend && way->from_queries <= queries &&
            (way->max_d == 0 || d <= way->max_d))
            best = way;
    }
    return best;
}

size_t ifm_kern_attend_bytes(const ifm_kern *kern, int64_t d)
{
    size_t most = 0;
    for (int rank = 0; rank < IFM_WAY_COUNT; rank++) {
        const ifm_attend_way *way = &kern->attend[rank];
        if (way->attend && (way->max_d == 0 || d <= way->max_d))
            most = way->bytes(d) > most ? way->bytes(d) : most;
    }
    return most;
}
