/* How many files and sockets this process may have open. */
#ifndef IFM_OS_DESCRIPTORS_H
#define IFM_OS_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

/* Raises this process's limit to n where it is lower and the system lets it. *limit is what
 * it is then. True: at least n. */
bool ifm_descriptors_allow(size_t n, size_t *limit);

#endif
