/*
 * Put before every C++ file of llama.cpp by bench/peers.sh. GCC 12, for one, believes that
 * _tile_loadconfig reads eight bytes of its 64, leaves out the stores of the rest, and the
 * instruction then faults: llama.cpp ends with SIGSEGV on processors with AMX. A barrier
 * before it makes them be stored.
 */
#if defined(__AMX_TILE__)
#include <immintrin.h>
#define _tile_loadconfig(config)                                                         \
    do {                                                                                 \
        const void *stored = (config);                                                   \
        __asm__ volatile("" : : "r"(stored) : "memory");                                 \
        _tile_loadconfig(stored);                                                        \
    } while (0)
#endif
