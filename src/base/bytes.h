/* Sizes and foreign bytes, for people. */
#ifndef IFM_BASE_BYTES_H
#define IFM_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* "327.7 MB": powers of ten, as disks and bandwidths are counted. Returns text. */
const char *ifm_bytes_text(int64_t bytes, char text[32]);

/* Replaces control characters (those of a terminal, too) by '?': text from a file or a hub
 * that is shown. Returns text. */
char *ifm_bytes_tame(char *text);

#endif
