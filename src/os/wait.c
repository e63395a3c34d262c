/* Waiting awake: first greedily, then giving way. */
#include "os/wait.h"

#include <sched.h>

#include "inferometer/base.h"

/* Looks before the first sched_yield: about a microsecond of pauses. */
enum { SPIN_LOOKS = 24, LOOKS_PER_YIELD = 8 };

static bool changed(_Atomic uint32_t *word, uint32_t value)
{
    return atomic_load_explicit(word, memory_order_acquire) != value;
}

bool ifm_wait_awake(_Atomic uint32_t *word, uint32_t value, int awake_us)
{
    for (int i = 0; i < SPIN_LOOKS; i++) {
        if (changed(word, value))
            return true;
        ifm_spin_pause();
    }
    const ifm_time start = ifm_time_now();
    while (ifm_time_between(start, ifm_time_now()) < (int64_t)awake_us * 1000) {
        for (int i = 0; i < LOOKS_PER_YIELD; i++) {
            if (changed(word, value))
                return true;
            ifm_spin_pause();
        }
        sched_yield();
    }
    return changed(word, value);
}
