/*
 * Sleeping until a word in memory changes: what a thread does that has spun long enough.
 * Linux has it as a system call (futex); elsewhere one mutex and one condition serve all
 * words, which is right, if less quick.
 */
#ifndef IFM_OS_WAIT_H
#define IFM_OS_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Sleeps while *word == value; may also return early, so that the caller looks again. */
void ifm_wait_while(_Atomic uint32_t *word, uint32_t value);

/* Wakes every thread that sleeps on `word`. Call it after *word was changed. */
void ifm_wake_all(_Atomic uint32_t *word);

/* A breath inside a spinning loop: tells the core that nothing happens here. */
static inline void ifm_spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Waits awake while *word == value, for at most about `awake_us`: spins for a microsecond,
 * then lets other threads run between looks. A spinning thread on a machine that is full
 * must not keep the thread away that it waits for. True when the word has changed. */
bool ifm_wait_awake(_Atomic uint32_t *word, uint32_t value, int awake_us);

#endif
