/*
 * One blob of the hub's cache: fetched under its lock into HASH.incomplete, where an
 * interrupted download is taken up again, checked, and only then given its name.
 */
#ifndef IFM_HUB_BLOB_H
#define IFM_HUB_BLOB_H

#include "hub/hash.h"
#include "hub/http.h"

/* Where a repository's bytes go. */
typedef struct ifm_hub_place {
    const char *cache;     /* CACHE */
    const char *directory; /* CACHE/models--org--name */
} ifm_hub_place;

typedef struct ifm_hub_blob {
    const char *etag; /* the blob's name: safe as the name of a file */
    int64_t n_bytes;  /* -1: not known */
    const char *url;
    const char *what; /* "org/name: model.safetensors" */
    const char *file; /* "model.safetensors" */
} ifm_hub_blob;

/* The progress of several blobs, added up. */
typedef struct ifm_hub_account {
    int64_t done_bytes, all_bytes, new_bytes;
    size_t n_unchecked; /* blobs whose name is no hash */
} ifm_hub_account;

/* Makes the directories of a repository in the cache. */
ifm_status ifm_hub_place_make(const ifm_hub_place *place, ifm_error *err);

/* The lock of a name (an etag) of this repository, as other tools of the hub take it.
 * Waits while another process has it, and says so. *fd is closed to give it back. Errors:
 * IO, CANCELLED. */
ifm_status ifm_hub_lock(const ifm_hub_place *place, const char *name,
                        const ifm_hub_watch *watch, int *fd, ifm_error *err);

/* Bytes of it that are there already: all of them, or those of an interrupted download. */
int64_t ifm_hub_blob_bytes_here(const ifm_hub_place *place, const char *etag);

/* Whether there is room for n_bytes more at `path`. Errors: IO, saying how much is free. */
ifm_status ifm_hub_check_room(const char *path, int64_t n_bytes, ifm_error *err);

/* Fetches it, unless it is there. On an error what was fetched stays for the next time,
 * except when it turned out to be wrong. Errors: those of ifm_http_do and ifm_http_expect;
 * IO (a full disk); FORMAT (not the bytes that the hub announced). */
ifm_status ifm_hub_blob_fetch(ifm_http *http, const ifm_hub_watch *watch,
                              const ifm_hub_place *place, const ifm_hub_blob *blob,
                              ifm_hub_account *account, ifm_error *err);

#endif
