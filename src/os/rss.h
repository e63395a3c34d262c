/* Memory of this process that is resident now. */
#ifndef IFM_OS_RSS_H
#define IFM_OS_RSS_H

#include <stdint.h>

/* Bytes; -1: not known. Thread-safe. */
int64_t ifm_rss_bytes(void);

#endif
