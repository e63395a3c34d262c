/* What a download tells the one who waits for it, and how it is told to stop. */
#ifndef IFM_HUB_WATCH_H
#define IFM_HUB_WATCH_H

#include "inferometer/base.h"

typedef struct ifm_hub_progress {
    const char *file; /* what is worked at */
    int64_t done_bytes;
    int64_t all_bytes; /* of everything that is to be fetched; -1: not known */
    int64_t new_bytes; /* of done_bytes, what came just now and was not there before */
    bool checking;     /* bytes that are there are hashed; nothing is fetched */
} ifm_hub_progress;

/* Every function may be NULL. They are called on the caller's thread. */
typedef struct ifm_hub_watch {
    void (*progress)(void *user, const ifm_hub_progress *at);        /* often */
    void (*finished)(void *user, const char *file, int64_t n_bytes); /* a file is there */
    void (*note)(void *user, const char *line); /* something that a person should know */
    bool (*stop)(void *user); /* true: end soon, keep what was fetched */
    void *user;
} ifm_hub_watch;

static inline bool ifm_hub_stopped(const ifm_hub_watch *watch)
{
    return watch->stop != NULL && watch->stop(watch->user);
}

#endif
