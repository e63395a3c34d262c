/* The page cache: what of a file lies in memory already, and dropping it. */
#ifndef IFM_OS_PAGE_CACHE_H
#define IFM_OS_PAGE_CACHE_H

#include "inferometer/base.h"

/* Asks the system to forget the cached pages of a file, or of every regular file in a
 * directory (not deeper). Changes that were not written yet are written first. Pages that
 * somebody has mapped, and those of a memory file system, stay: look with
 * ifm_page_cache_resident_frac. Errors: NOT_FOUND, IO, UNSUPPORTED (systems that cannot drop
 * one file's pages). */
ifm_status ifm_page_cache_evict(const char *path, ifm_error *err);

/* Reads a file, or every regular file in a directory, so that it lies in the cache. */
ifm_status ifm_page_cache_fill(const char *path, ifm_error *err);

/* The share of the pages of a file, or of the files in a directory, that are resident, 0 to
 * 1; -1: not known (since Linux 5.2 the answer for a file that one may not write and does
 * not own is a polite lie, so it is not asked). */
double ifm_page_cache_resident_frac(const char *path);

#endif
