/*
 * The spool: every request of a load, in the order of their ends, on disk. What is in memory
 * does not grow with the number of requests: records are serialised into a buffer of some
 * MiB, which a thread of its own writes out, so that a slow disk never delays a time stamp
 * (when it cannot keep up, append waits and says so).
 *
 * The format is private to one build (load/pack.h). The file is unlinked as soon as it is
 * open: nothing is left behind, whatever happens.
 */
#ifndef IFM_LOAD_SPOOL_H
#define IFM_LOAD_SPOOL_H

#include "measure/record.h"

typedef struct ifm_spool ifm_spool;

/* directory NULL: $TMPDIR, else /tmp. The caller frees with ifm_spool_free. Errors: IO,
 * NO_MEMORY. */
ifm_status ifm_spool_new(const char *directory, ifm_spool **out, ifm_error *err);
void ifm_spool_free(ifm_spool *self);

/* Appends a copy of the record (which must have a wire). From one thread. Errors: IO (a full
 * disk), sticky: everything after fails the same way; the records that were written before
 * stay readable, and are counted anew when a reader is made. NO_MEMORY. */
ifm_status ifm_spool_append(ifm_spool *self, const ifm_record *record, ifm_error *err);

/* Appends the bytes of another spool of the same build, as ifm_spool_read_raw gave them.
 * Errors: as above, and FORMAT when they do not end with a record's end. */
ifm_status ifm_spool_append_raw(ifm_spool *self, const void *bytes, size_t n,
                                ifm_error *err);

/* Waits until everything appended is on disk: the last of it may find no room. Errors: IO. */
ifm_status ifm_spool_flush(ifm_spool *self, ifm_error *err);

size_t ifm_spool_count(const ifm_spool *self);
int64_t ifm_spool_bytes(const ifm_spool *self);
/* Bytes of memory that the spool and one reader take, whatever they hold: blocks, and
 * room for the largest record. */
size_t ifm_spool_memory_bytes(const ifm_spool *self);
/* Times that append had to wait for the disk. */
int64_t ifm_spool_waits(const ifm_spool *self);

/* Reading, any number of times: what had been appended when the reader was made. */
typedef struct ifm_spool_reader ifm_spool_reader;

ifm_status ifm_spool_reader_new(ifm_spool *self, ifm_spool_reader **out, ifm_error *err);
void ifm_spool_reader_free(ifm_spool_reader *self);
/* The next record, borrowed until the next call; NULL at the end (st IFM_OK) or with an
 * error. */
ifm_status ifm_spool_next(ifm_spool_reader *self, const ifm_record **record,
                          ifm_error *err);
/* Raw bytes, whole records, at most `cap`: for sending elsewhere. *n 0 at the end. Errors:
 * IO; LIMIT: the next record alone is larger, *n says how large; nothing is taken. */
ifm_status ifm_spool_read_raw(ifm_spool_reader *self, void *bytes, size_t cap, size_t *n,
                              ifm_error *err);

#endif
