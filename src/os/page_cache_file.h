/* What differs between systems: page_cache_linux.c, page_cache_darwin.c. */
#ifndef IFM_OS_PAGE_CACHE_FILE_H
#define IFM_OS_PAGE_CACHE_FILE_H

#include "inferometer/base.h"

/* Drops the cached pages of one file. */
ifm_status ifm_page_cache_evict_file(const char *path, ifm_error *err);

#endif
