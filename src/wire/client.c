/* The client as a whole: made, ended. What it does: client_pool.c (requests come and go),
 * client_loop.c (sockets are served), client_exchange.c (one request) and its two carriers,
 * client_curl.c and client_plain.c. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "os/descriptors.h"
#include "os/process.h"
#include "wire/client_parts.h"

enum { SPARE_DESCRIPTORS = 64 }; /* files, pipes, and what this program has open beside */

static ifm_status check_options(const ifm_client_options *o, ifm_error *err)
{
    const size_t needed = o->connections + SPARE_DESCRIPTORS;
    size_t limit;
    if (!ifm_descriptors_allow(needed, &limit))
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "%zu requests at once need %zu open files, this process may have "
                        "%zu: raise the limit (ulimit -n %zu)",
                        o->connections, needed, limit, needed);
    if (o->cacert != NULL && access(o->cacert, R_OK) != 0)
        return ifm_fail_errno(err, errno, "--cacert %s", o->cacert);
    return IFM_OK;
}

static ifm_status open_parts(ifm_client *self, ifm_error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "libcurl cannot be initialised");
    const curl_version_info_data *facts = curl_version_info(CURLVERSION_NOW);
    if (self->options.http2 && !(facts->features & CURL_VERSION_HTTP2))
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "--http2: this system's libcurl (%s) has no HTTP/2",
                        facts->version);
    self->http2_broken = ifm_http2_is_broken(self);
    self->share = curl_share_init();
    if (self->share == NULL || !ifm_client_grow_slots(self, 0) ||
        !ifm_client_make_headers(self) || !ifm_plain_open(self))
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "client: no memory");
    curl_share_setopt(self->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    return IFM_OK;
}

ifm_status ifm_client_new(const ifm_client_options *options, ifm_client **out,
                          ifm_error *err)
{
    ifm_client *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "client: no memory");
    self->options = *options;
    self->serving = self->wake_fd = -1;
    ifm_process_ignore_sigpipe();
    ifm_status st = ifm_poller_init(&self->poller, err);
    if (st != IFM_OK) {
        free(self);
        return st;
    }
    st = check_options(options, err);
    if (st == IFM_OK)
        st = ifm_client_url_parse(options->url, options->chat, &self->url, err);
    if (st == IFM_OK)
        st = open_parts(self, err);
    if (st == IFM_OK)
        *out = self;
    else
        ifm_client_free(self);
    return st;
}

void ifm_client_free(ifm_client *self)
{
    if (self == NULL)
        return;
    ifm_client_cancel(self);
    for (size_t i = 0; i < self->n_exchanges; i++)
        ifm_exchange_free(self->exchanges[i]);
    ifm_curl_free_shards(self);
    ifm_plain_close(self);
    if (self->share != NULL)
        curl_share_cleanup(self->share);
    curl_slist_free_all(self->headers);
    free(self->authorization);
    ifm_client_url_deinit(&self->url);
    ifm_poller_deinit(&self->poller);
    free(self->slots);
    free(self->queue);
    free(self->exchanges);
    free(self->idle);
    free(self->alive);
    free(self->heap);
    free(self);
}
