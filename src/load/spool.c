/*
 * The file is a row of records, each [length, 4 bytes][ifm_pack's bytes]; a record may
 * begin in one block and end in another.
 *
 *     append ──► pack ──► block being filled ──full──► queue ──► writer thread ──► file
 *                              ▲                                      │
 *                              └────────────── free blocks ◄──────────┘
 *
 * There are BLOCKS blocks and no more: when none is free the disk is slower than the load,
 * append waits, and counts that it did. The lock is taken once a block.
 */
#include "load/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "load/pack.h"

enum {
    BLOCKS = 4,
    BLOCK_BYTES = 1 << 20,
    READ_BYTES = 1 << 18,
    HEAD = 4, /* bytes of a record's length */
};

typedef struct block {
    uint8_t *bytes; /* [BLOCK_BYTES] */
    size_t n;
} block;

struct ifm_spool {
    int fd;
    char *place; /* of the file, for messages */
    ifm_packed packed;
    block blocks[BLOCKS];
    size_t filling;  /* number of the block that append fills, ever increasing */
    size_t count;    /* records appended */
    int64_t n_bytes; /* of them */
    int64_t waits;
    int failed;         /* errno that append knows of; 0 */
    bool counted_again; /* after a failure: count and n_bytes are what the file holds */

    pthread_t writer;
    bool running;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    size_t written; /* blocks that the writer is done with */
    size_t queued;  /* blocks handed to it */
    bool stop;
    int code;         /* errno of a failed write; 0 */
    int64_t file_end; /* bytes that are in the file */
};

/* ---- the writer's side ---- */

/* Returns errno, 0 when all is written; *n is how much was. */
static int write_whole(int fd, const uint8_t *bytes, size_t size, int64_t at, size_t *n)
{
    for (*n = 0; *n < size;) {
        ssize_t done = pwrite(fd, bytes + *n, size - *n, (off_t)(at + (int64_t)*n));
        if (done > 0)
            *n += (size_t)done;
        else if (done == 0 || errno != EINTR)
            return done == 0 ? ENOSPC : errno;
    }
    return 0;
}

static void *write_blocks(void *argument)
{
    ifm_spool *self = argument;
    pthread_mutex_lock(&self->lock);
    for (;;) {
        while (self->written == self->queued && !self->stop)
            pthread_cond_wait(&self->changed, &self->lock);
        if (self->stop) /* what is not written is not wanted any more */
            break;
        block *full = &self->blocks[self->written % BLOCKS];
        size_t n = 0;
        int code = self->code;
        if (code == 0) {
            int64_t at = self->file_end;
            pthread_mutex_unlock(&self->lock);
            code = write_whole(self->fd, full->bytes, full->n, at, &n);
            pthread_mutex_lock(&self->lock);
        }
        self->file_end += (int64_t)n;
        self->code = code;
        self->written++;
        pthread_cond_broadcast(&self->changed);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* ---- the appender's side ---- */

static ifm_status tell_failed(ifm_spool *self, int code, ifm_error *err)
{
    self->failed = code;
    return ifm_fail_errno(err, code,
                          "%s: cannot keep the requests that were measured (TMPDIR says "
                          "where they are kept)",
                          self->place);
}

/* Hands the block that was being filled to the writer and waits until another is free. */
static ifm_status hand_over(ifm_spool *self, ifm_error *err)
{
    pthread_mutex_lock(&self->lock);
    self->queued = ++self->filling;
    pthread_cond_broadcast(&self->changed);
    if (self->filling - self->written >= BLOCKS)
        self->waits++;
    while (self->filling - self->written >= BLOCKS)
        pthread_cond_wait(&self->changed, &self->lock);
    int code = self->code;
    pthread_mutex_unlock(&self->lock);
    self->blocks[self->filling % BLOCKS].n = 0;
    return code == 0 ? IFM_OK : tell_failed(self, code, err);
}

static ifm_status append(ifm_spool *self, const uint8_t *bytes, size_t n, ifm_error *err)
{
    ifm_status st = IFM_OK;
    while (n > 0 && st == IFM_OK) {
        block *open = &self->blocks[self->filling % BLOCKS];
        size_t part = BLOCK_BYTES - open->n < n ? BLOCK_BYTES - open->n : n;
        memcpy(open->bytes + open->n, bytes, part);
        open->n += part;
        bytes += part;
        n -= part;
        if (open->n == BLOCK_BYTES)
            st = hand_over(self, err);
    }
    return st;
}

static void put_head(uint8_t head[HEAD], size_t n)
{
    for (int i = 0; i < HEAD; i++)
        head[i] = (uint8_t)(n >> 8 * i);
}

static size_t head_of(const uint8_t *bytes)
{
    return bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 |
           (size_t)bytes[3] << 24;
}

ifm_status ifm_spool_append(ifm_spool *self, const ifm_record *record, ifm_error *err)
{
    uint8_t head[HEAD];
    if (self->failed != 0)
        return tell_failed(self, self->failed, err);
    if (!ifm_pack(record, &self->packed) || self->packed.n > UINT32_MAX)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to keep a request");
    put_head(head, self->packed.n);
    ifm_status st = append(self, head, HEAD, err);
    if (st == IFM_OK)
        st = append(self, self->packed.data, self->packed.n, err);
    if (st == IFM_OK) {
        self->count++;
        self->n_bytes += (int64_t)self->packed.n + HEAD;
    }
    return st;
}

ifm_status ifm_spool_append_raw(ifm_spool *self, const void *bytes, size_t n,
                                ifm_error *err)
{
    const uint8_t *at = bytes;
    size_t left = n, records = 0;
    if (self->failed != 0)
        return tell_failed(self, self->failed, err);
    while (left > 0) {
        if (left < HEAD || head_of(at) > left - HEAD)
            return ifm_fail(err, IFM_ERR_FORMAT,
                            "%zu bytes of requests end inside of one", n);
        size_t size = head_of(at) + HEAD;
        at += size;
        left -= size;
        records++;
    }
    ifm_status st = append(self, bytes, n, err);
    if (st == IFM_OK) {
        self->count += records;
        self->n_bytes += (int64_t)n;
    }
    return st;
}

/* Everything appended is in the file, or the failure is known. */
static void flush(ifm_spool *self)
{
    if (self->blocks[self->filling % BLOCKS].n > 0)
        hand_over(self, NULL);
    pthread_mutex_lock(&self->lock);
    while (self->written != self->queued)
        pthread_cond_wait(&self->changed, &self->lock);
    int code = self->code;
    pthread_mutex_unlock(&self->lock);
    if (code != 0)
        tell_failed(self, code, NULL);
}

ifm_status ifm_spool_flush(ifm_spool *self, ifm_error *err)
{
    flush(self);
    return self->failed == 0 ? IFM_OK : tell_failed(self, self->failed, err);
}

/* ---- birth and death ---- */

static ifm_status open_file(ifm_spool *self, const char *directory, ifm_error *err)
{
    const char *where = directory != NULL ? directory : getenv("TMPDIR");
    if (where == NULL || where[0] == '\0')
        where = "/tmp";
    size_t n = strlen(where) + 40;
    char *path = malloc(n);
    self->place = strdup(where);
    if (path == NULL || self->place == NULL) {
        free(path);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a load");
    }
    snprintf(path, n, "%s/inferometer-XXXXXX", where);
    self->fd = mkostemp(path, O_CLOEXEC);
    ifm_status st = IFM_OK;
    if (self->fd < 0)
        st = ifm_fail_errno(err, errno,
                            "%s: cannot make a file for the requests of a load (TMPDIR "
                            "says where)",
                            where);
    else
        unlink(path); /* nothing is left behind, whatever happens */
    free(path);
    return st;
}

/* Signals are the business of other threads; a file size limit is told by write's errno. */
static ifm_status start_writer(ifm_spool *self, ifm_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int code = pthread_create(&self->writer, NULL, write_blocks, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    self->running = code == 0;
    return code == 0 ? IFM_OK
                     : ifm_fail_errno(err, code, "cannot start a thread for a load");
}

ifm_status ifm_spool_new(const char *directory, ifm_spool **out, ifm_error *err)
{
    ifm_spool *self = calloc(1, sizeof *self);
    *out = NULL;
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a load");
    self->fd = -1;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    ifm_status st = open_file(self, directory, err);
    for (int i = 0; i < BLOCKS && st == IFM_OK; i++) {
        self->blocks[i].bytes = malloc(BLOCK_BYTES);
        if (self->blocks[i].bytes == NULL)
            st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a load");
    }
    if (st == IFM_OK)
        st = start_writer(self, err);
    if (st == IFM_OK)
        *out = self;
    else
        ifm_spool_free(self);
    return st;
}

void ifm_spool_free(ifm_spool *self)
{
    if (self == NULL)
        return;
    if (self->running) {
        pthread_mutex_lock(&self->lock);
        self->stop = true;
        pthread_cond_broadcast(&self->changed);
        pthread_mutex_unlock(&self->lock);
        pthread_join(self->writer, NULL);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    for (int i = 0; i < BLOCKS; i++)
        free(self->blocks[i].bytes);
    free(self->packed.data);
    free(self->place);
    if (self->fd >= 0)
        close(self->fd);
    free(self);
}

int64_t ifm_spool_bytes(const ifm_spool *self)
{
    return self->n_bytes;
}

size_t ifm_spool_count(const ifm_spool *self)
{
    return self->count;
}

size_t ifm_spool_memory_bytes(const ifm_spool *self)
{
    return (size_t)BLOCKS * BLOCK_BYTES + READ_BYTES + 2 * self->packed.capacity;
}

int64_t ifm_spool_waits(const ifm_spool *self)
{
    return self->waits;
}

/* ---- reading ---- */

struct ifm_spool_reader {
    ifm_spool *spool;
    int64_t at, end; /* of the file: the next byte to fetch; where the records end */
    uint8_t *bytes;  /* heap, [capacity]: fetched, not yet taken are [from, to) */
    size_t capacity, from, to;
    ifm_record record;
    bool has_record;
};

/* Makes `need` bytes lie at reader->from, as far as the file has them. */
static ifm_status fetch(ifm_spool_reader *self, size_t need, ifm_error *err)
{
    if (self->to - self->from >= need)
        return IFM_OK;
    memmove(self->bytes, self->bytes + self->from, self->to - self->from);
    self->to -= self->from;
    self->from = 0;
    if (need > self->capacity) {
        uint8_t *grown = realloc(self->bytes, need);
        if (grown == NULL)
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to read a request");
        self->bytes = grown;
        self->capacity = need;
    }
    while (self->to < self->capacity && self->at < self->end) {
        int64_t left = self->end - self->at;
        size_t room = self->capacity - self->to;
        ssize_t n = pread(self->spool->fd, self->bytes + self->to,
                          left < (int64_t)room ? (size_t)left : room, (off_t)self->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ifm_fail_errno(err, n < 0 ? errno : EIO,
                                  "%s: cannot read the requests that were measured",
                                  self->spool->place);
        self->to += (size_t)n;
        self->at += n;
    }
    return IFM_OK;
}

/* Bytes of the next record, its head included, all of which are fetched; 0: there is none,
 * or only the beginning of one, which a full disk cut off. */
static ifm_status next_size(ifm_spool_reader *self, size_t *size, ifm_error *err)
{
    *size = 0;
    ifm_status st = fetch(self, HEAD, err);
    if (st != IFM_OK || self->to - self->from < HEAD)
        return st;
    size_t whole = head_of(self->bytes + self->from) + HEAD;
    if ((int64_t)whole > (int64_t)(self->to - self->from) + self->end - self->at)
        return IFM_OK;
    st = fetch(self, whole, err);
    *size = st == IFM_OK ? whole : 0;
    return st;
}

/* After a full disk: how many records the file really holds. */
static ifm_status count_again(ifm_spool_reader *self, ifm_error *err)
{
    size_t count = 0, size;
    int64_t n_bytes = 0;
    ifm_status st = next_size(self, &size, err);
    for (; st == IFM_OK && size > 0; st = next_size(self, &size, err)) {
        count++;
        n_bytes += (int64_t)size;
        self->from += size;
    }
    self->at = 0;
    self->from = self->to = 0;
    if (st != IFM_OK)
        return st;
    self->spool->count = count;
    self->spool->n_bytes = n_bytes;
    self->spool->counted_again = true;
    return IFM_OK;
}

ifm_status ifm_spool_reader_new(ifm_spool *spool, ifm_spool_reader **out, ifm_error *err)
{
    *out = NULL;
    flush(spool);
    ifm_spool_reader *self = calloc(1, sizeof *self);
    if (self != NULL)
        self->bytes = malloc(READ_BYTES);
    if (self == NULL || self->bytes == NULL) {
        free(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to read a load");
    }
    self->spool = spool;
    self->capacity = READ_BYTES;
    self->end = spool->file_end; /* the writer is idle */
    ifm_status st = IFM_OK;
    if (spool->failed != 0 && !spool->counted_again)
        st = count_again(self, err);
    if (st == IFM_OK)
        *out = self;
    else
        ifm_spool_reader_free(self);
    return st;
}

void ifm_spool_reader_free(ifm_spool_reader *self)
{
    if (self == NULL)
        return;
    if (self->has_record)
        ifm_record_deinit(&self->record);
    free(self->bytes);
    free(self);
}

ifm_status ifm_spool_next(ifm_spool_reader *self, const ifm_record **record,
                          ifm_error *err)
{
    *record = NULL;
    if (self->has_record)
        ifm_record_deinit(&self->record);
    self->has_record = false;
    size_t size;
    ifm_status st = next_size(self, &size, err);
    if (st != IFM_OK || size == 0)
        return st;
    st = ifm_unpack(self->bytes + self->from + HEAD, size - HEAD, &self->record, err);
    if (st != IFM_OK)
        return st;
    self->from += size;
    self->has_record = true;
    *record = &self->record;
    return IFM_OK;
}

ifm_status ifm_spool_read_raw(ifm_spool_reader *self, void *bytes, size_t cap, size_t *n,
                              ifm_error *err)
{
    size_t size;
    *n = 0;
    ifm_status st = next_size(self, &size, err);
    if (st == IFM_OK && size > cap) {
        *n = size;
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "a request takes %zu bytes, there is room "
                        "for %zu",
                        size, cap);
    }
    while (st == IFM_OK && size > 0 && size <= cap - *n) {
        memcpy((char *)bytes + *n, self->bytes + self->from, size);
        *n += size;
        self->from += size;
        st = next_size(self, &size, err);
    }
    return st;
}
