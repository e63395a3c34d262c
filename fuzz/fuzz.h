/* The one function of a fuzz target, as libFuzzer calls it. */
#ifndef IFM_FUZZ_FUZZ_H
#define IFM_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Looks at data[size]; returns 0, aborts when something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
