/* Sizes for people. */
#ifndef IFM_BASE_BYTES_H
#define IFM_BASE_BYTES_H

#include <stdint.h>

/* "327.7 MB": powers of ten, as disks and bandwidths are counted. Returns text. */
const char *ifm_bytes_text(int64_t bytes, char text[32]);

#endif
