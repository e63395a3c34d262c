/*
 * Bringing weights in: the pages of all weight files, in the order of the files, ahead of
 * the computation that will want them.
 *
 * Lazy: one thread enters them into the page table while the caller opens its tokenizer and
 * the first layers already compute; whoever comes first to a page brings it in. Eager:
 * several threads, and opening waits for them.
 */
#ifndef IFM_MODEL_LOADER_H
#define IFM_MODEL_LOADER_H

#include "format/weights.h"

typedef struct ifm_loader ifm_loader;

/* Starts `threads` threads on the files of `weights`, which outlive the loader. The caller
 * frees *out. A thread that cannot be started is no error: pages come in by faults then.
 * Errors: NO_MEMORY. */
ifm_status ifm_loader_start(const ifm_weights *weights, int threads, ifm_loader **out,
                            ifm_error *err);

/* Waits until everything is in. */
void ifm_loader_wait(ifm_loader *self);

/* Stops, waits for the threads, and frees. NULL is allowed. */
void ifm_loader_free(ifm_loader *self);

#endif
