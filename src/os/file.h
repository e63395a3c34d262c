/*
 * Files: mapped for reading, their pages in the page cache, and outputs that appear whole
 * or not at all.
 */
#ifndef IFM_OS_FILE_H
#define IFM_OS_FILE_H

#include <stdio.h>

#include "inferometer/base.h"

/* A whole file mapped read-only. An empty file has data NULL and size 0. */
typedef struct ifm_mapping {
    const unsigned char *data;
    size_t size;
} ifm_mapping;

/* Maps `path`; the mapping survives the file's removal but not its truncation (a reader
 * then gets SIGBUS: sizes are checked against the file at opening). Errors: NOT_FOUND, IO
 * (a directory, no permission), NO_MEMORY. */
ifm_status ifm_mapping_open(ifm_mapping *self, const char *path, ifm_error *err);
void ifm_mapping_close(ifm_mapping *self);
/* Maps the first n_bytes' pages at once where the system can, for a small file that will be
 * read: a page fault for every few pages costs more. Only advice: never fails. */
void ifm_mapping_populate(const ifm_mapping *self, size_t n_bytes);

/* Reads a whole file of at most `limit` bytes to a NUL-terminated heap block that the
 * caller frees. Errors: as above, and LIMIT. */
ifm_status ifm_file_read(const char *path, size_t limit, char **data, size_t *size,
                         ifm_error *err);

/* A file's identity, for caches: all three change when the file does. */
typedef struct ifm_file_stamp {
    uint64_t size;
    int64_t modified_ns;
    uint64_t inode;
} ifm_file_stamp;

/* False when there is no such regular file. */
bool ifm_file_stat(const char *path, ifm_file_stamp *stamp);
bool ifm_file_exists(const char *path);
bool ifm_file_is_directory(const char *path);

/* Creates a directory and its parents (mode 0777 less the umask). */
ifm_status ifm_directory_make(const char *path, ifm_error *err);

/* An output: written beside its destination under a temporary name, then renamed, so that
 * a reader never sees half a file and a failure leaves what was there. A device or a pipe is
 * written to as it is; of a link, what it points to is replaced. */
typedef struct ifm_output {
    FILE *stream; /* write here */
    char *path;
    char *temporary; /* NULL for a device or a pipe */
} ifm_output;

/* Opens now, so that a path that cannot be written is known before hours of measuring. */
ifm_status ifm_output_open(ifm_output *self, const char *path, ifm_error *err);
/* Flushes, syncs, renames. On an error (a full disk) the temporary file is removed. */
ifm_status ifm_output_commit(ifm_output *self, ifm_error *err);
/* Removes the temporary file. Legal after a commit and on an all-zero output. */
void ifm_output_abort(ifm_output *self);

#endif
