/* Large blocks of zeroed memory straight from the operating system, in huge pages where it
 * grants them: a table walk less for every few thousand bytes that are streamed. */
#ifndef IFM_OS_PAGES_H
#define IFM_OS_PAGES_H

#include <stddef.h>

/* `bytes` (≥ 1) zero bytes, aligned to a page at least; NULL when there is no memory. The
 * caller frees with ifm_pages_free and the same size. Thread-safe. */
void *ifm_pages_new(size_t bytes);

/* NULL is allowed. */
void ifm_pages_free(void *block, size_t bytes);

#endif
