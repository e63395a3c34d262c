/*
 * A target: what turns a request into a record. The seam of everything that can be measured
 * (our engine in a child process, anybody's worker, a script for tests).
 */
#ifndef IFM_TARGET_TARGET_H
#define IFM_TARGET_TARGET_H

#include "measure/record.h"
#include "target/protocol.h"

typedef struct ifm_target ifm_target;

typedef struct ifm_target_ops {
    /* Measures one request into empty records, one a sequence (ifm_target_records). COLD: in a fresh process, from its spawn;
     * the process stays for what follows. Else: in the process that runs, started and loaded
     * before if none does. When it fails nothing of the target runs any more, and the next
     * request begins anew. CANCELLED when the target's cancel_fd became readable. */
    ifm_status (*request)(ifm_target *self, const ifm_target_request *request,
                          ifm_start start, ifm_record *records, ifm_error *err);
    void (*free)(ifm_target *self);
} ifm_target_ops;

/* The head of every target; each kind has more behind it. */
struct ifm_target {
    const ifm_target_ops *ops;
    ifm_target_facts *facts; /* borrowed; filled by the first request */
    /* Set for a request whose text is wanted as it is made, else NULL. */
    void (*on_text)(void *user, const char *text, size_t n);
    void *on_text_user;
};

static inline void ifm_target_free(ifm_target *self)
{
    if (self != NULL)
        self->ops->free(self);
}

#endif
