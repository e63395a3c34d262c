/* Memory for the probes. */
#ifndef IFM_PROBE_MEMORY_H
#define IFM_PROBE_MEMORY_H

#include <stddef.h>

/* Bytes that this process can still take without swapping or meeting a cgroup's limit, as
 * the system estimates it; SIZE_MAX when nothing is known. */
size_t ifm_probe_memory_available(void);

/* Asks for huge pages for data[n], where the system can be asked. */
void ifm_probe_memory_advise_huge(void *data, size_t n);

#endif
