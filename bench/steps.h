/* What an engine has to do to be timed by bench/steps.c; one file an engine, linked with it. */
#ifndef BENCH_STEPS_H
#define BENCH_STEPS_H

#include <stdint.h>

/* Opens MODEL for one sequence of at most `positions` tokens; ends the program when it
 * cannot. Returns the size of the vocabulary. */
int engine_open(const char *model, int threads, int positions);

/* Appends ids[n] to the sequence; the logits after the last of them, until the next call. */
const float *engine_eval(const int32_t *ids, int n);

/* Cuts the sequence back to its first n tokens. */
void engine_truncate(int n);

void engine_close(void);

/* Prints why and ends the program. */
_Noreturn void steps_die(const char *what);

#endif
