/*
 * Large blocks of memory and their pages: fresh blocks from the operating system, and pages
 * of mapped files brought in before they are touched.
 *
 * A page table is built a page fault at a time, or in bulk; and where the page cache holds
 * a file in huge pages, and the system maps them as such, there is next to nothing to build
 * and next to nothing to look up while streaming (docs/SPEED.md has the numbers).
 */
#ifndef IFM_OS_PAGES_H
#define IFM_OS_PAGES_H

#include <stddef.h>

/* `bytes` (≥ 1) zero bytes, aligned to a page at least, in huge pages where the system
 * grants them; NULL when there is no memory. The caller frees with ifm_pages_free and the
 * same size. Thread-safe. */
void *ifm_pages_new(size_t bytes);

/* NULL is allowed. */
void ifm_pages_free(void *block, size_t bytes);

/* Says that mapped bytes are worth huge pages when they are read from the disk. Advice: no
 * effect where the system has no such thing. Thread-safe. */
void ifm_pages_prefer_huge(const void *data, size_t bytes);

/* Reads data[bytes] of a mapping into memory, if it is not there, and enters it into the
 * page table; returns when that is done. Thread-safe. */
void ifm_pages_populate(const void *data, size_t bytes);

#endif
