/* The origin of a URL: who is asked, and so who may see a token. */
#ifndef IFM_HUB_ORIGIN_H
#define IFM_HUB_ORIGIN_H

#include "inferometer/base.h"

typedef struct ifm_origin {
    bool tls;
    char host[256];
    char port[8];
} ifm_origin;

/* Of an http or https URL. Errors: ARGUMENT; the message names no more of the URL than its
 * host, since the rest may hold a signature. */
ifm_status ifm_origin_of(const char *url, ifm_origin *out, ifm_error *err);

/* Scheme, host and port are the same. */
bool ifm_origin_equal(const ifm_origin *a, const ifm_origin *b);

#endif
