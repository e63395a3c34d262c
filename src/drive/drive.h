/*
 * The drive: makes a load. Requests become due by a schedule, are sent by the client
 * (src/wire), and end in the spool. One thread does that and nothing else; the caller's
 * thread looks on.
 */
#ifndef IFM_DRIVE_DRIVE_H
#define IFM_DRIVE_DRIVE_H

#include "load/load.h"
#include "load/totals.h"
#include "wire/client.h"

typedef struct ifm_requests_source
    ifm_requests_source; /* drive/source.h: what is asked */

typedef struct ifm_ranks ifm_ranks; /* ranks/ranks.h: other processes; NULL: alone */

typedef struct ifm_drive_options {
    ifm_client_options client; /* callbacks are the drive's own */
    ifm_requests_source *source;
    ifm_ranks *ranks;
    int cancel_fd; /* readable: no new requests; those under way are cancelled */
    /* Called in the caller's thread, some four times a second; may be NULL. */
    void (*on_tick)(void *user, const ifm_totals *totals);
    void *user;
} ifm_drive_options;

/* Makes the load that load->plan asks for. load->run, plan are filled before; spool, times,
 * counts by this. When it was cancelled, or the spool could not be written, what was measured
 * stays, load->run.incomplete is set and the error says why. */
ifm_status ifm_drive_run(const ifm_drive_options *options, ifm_load_run *load,
                         ifm_error *err);

#endif
