/*
 * The two hashes by which a hub names a file's bytes:
 *
 *     sha256 of the bytes                            large files (Git LFS): 64 digits
 *     sha1 of "blob SIZE\0" and the bytes            small files (git's own): 40 digits
 *
 * libcrypto computes them, which is in the process anyway with libcurl, and uses the
 * processor's own instructions: a model of gigabytes is verified at the speed of the disk.
 */
#ifndef IFM_HUB_HASH_H
#define IFM_HUB_HASH_H

#include "inferometer/base.h"

typedef enum ifm_hash_kind {
    IFM_HASH_NONE, /* the name is no hash: nothing can be checked */
    IFM_HASH_SHA256,
    IFM_HASH_GIT_SHA1,
} ifm_hash_kind;

/* Which hash a file's name (an etag) is, by its length and digits. */
ifm_hash_kind ifm_hash_kind_of(const char *name);
const char *ifm_hash_kind_name(ifm_hash_kind kind); /* "sha256", "git sha1", "none" */

typedef struct ifm_hash ifm_hash;

/* Of a file of n_bytes (needed for git's). Errors: NO_MEMORY, UNSUPPORTED (a libcrypto that
 * was told not to compute it). Freed with ifm_hash_free. */
ifm_status ifm_hash_new(ifm_hash_kind kind, int64_t n_bytes, ifm_hash **out,
                        ifm_error *err);
/* False: libcrypto failed. */
bool ifm_hash_add(ifm_hash *self, const void *bytes, size_t n);
/* The digits, lower case. Nothing can be added any more. */
bool ifm_hash_finish(ifm_hash *self, char digits[65]);
void ifm_hash_free(ifm_hash *self);

/* Adds the bytes of an open file from its offset to its end. `stop` (may be NULL) is asked
 * after every megabyte or so with the bytes done; true ends it. Errors: IO, CANCELLED. */
ifm_status ifm_hash_add_file(ifm_hash *self, int fd, const char *path,
                             bool (*stop)(void *user, int64_t done), void *user,
                             ifm_error *err);

#endif
