/* What the disk probe asks of the system about an open file. */
#ifndef IFM_PROBE_DISK_FILE_H
#define IFM_PROBE_DISK_FILE_H

#include <stdint.h>

/* Makes the system forget the file's cached pages, as far as it can be asked. */
void ifm_disk_file_forget(int fd);

/* Share of the first `bytes` bytes that lie in memory, 0 … 1; -1: not known. */
double ifm_disk_file_resident_frac(int fd, int64_t bytes);

#endif
