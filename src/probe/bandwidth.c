#include "probe/probe.h"

#include <sys/mman.h>

#include "probe/loops.h"
#include "probe/memory.h"
#include "probe/team.h"

enum {
    BLOCK = 512, /* what the read loops take at a time */
    HUGE_PAGE = 2 << 20,
    TOUCH_STEP = 4096,     /* no page of any system is smaller */
    PASS_BYTES = 32 << 20, /* a small buffer is read again until a pass is this long */
    BUDGET_NS = 100 * 1000 * 1000,
    MIN_PASSES = IFM_PROBE_READ_WAYS,
};

typedef struct reading {
    const ifm_probe_loops *loops;
    unsigned char *data;
    size_t part; /* bytes of each thread */
    size_t repeats;
    struct {
        uint64_t sum; /* keeps the loads alive */
        int passes;
    } threads[IFM_PROBE_MAX_THREADS];
} reading;

static void touch(void *self, int thread, int threads)
{
    (void)threads;
    reading *r = self;
    unsigned char *part = r->data + (size_t)thread * r->part;
    for (size_t i = 0; i < r->part; i += TOUCH_STEP)
        part[i] = 1; /* written, else every page would be the one page of zeros */
}

static void read_part(void *self, int thread, int threads)
{
    (void)threads;
    reading *r = self;
    const unsigned char *part = r->data + (size_t)thread * r->part;
    int way = r->threads[thread].passes++ % IFM_PROBE_READ_WAYS; /* the same in each */
    uint64_t sum = 0;
    for (size_t i = 0; i < r->repeats; i++)
        sum += r->loops->read[way](part, r->part);
    r->threads[thread].sum = sum;
}

size_t ifm_probe_memory_limit(void)
{
    return ifm_probe_memory_available() / 2;
}

/* The size of a part: whole blocks, at least one, and no more in all than memory allows. */
static size_t part_of(size_t bytes, int threads)
{
    size_t most = ifm_probe_memory_limit();
    if (bytes > most)
        bytes = most;
    size_t part = bytes / (size_t)threads / BLOCK * BLOCK;
    return part >= BLOCK ? part : BLOCK;
}

double ifm_probe_read_bandwidth(size_t bytes, int threads)
{
    if (threads < 1 || threads > IFM_PROBE_MAX_THREADS)
        return 0;
    const ifm_probe_loops *loops[IFM_PROBE_MAX_SETS];
    size_t n_loops = ifm_probe_loops_usable(loops);
    reading self = {.loops = loops[n_loops - 1], .part = part_of(bytes, threads)};
    size_t total = self.part * (size_t)threads;
    self.repeats = total < PASS_BYTES ? (PASS_BYTES + total - 1) / total : 1;

    /* Room to begin at a huge page's border, so that small buffers are whole, too. */
    size_t mapped = total + HUGE_PAGE;
    void *map =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return 0;
    self.data =
        (unsigned char *)(((uintptr_t)map + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    ifm_probe_memory_advise_huge(self.data, total);
    int64_t best_ns = 0;
    ifm_status st =
        ifm_probe_team_run(&(ifm_probe_plan){threads, true, BUDGET_NS, MIN_PASSES},
                           &(ifm_probe_work){touch, read_part, &self}, &best_ns, NULL);
    munmap(map, mapped);
    if (st != IFM_OK)
        return 0;
    return (double)total * (double)self.repeats * 1e9 / (double)best_ns;
}
