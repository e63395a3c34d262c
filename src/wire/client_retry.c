/* Trying again: 429 and 503, after what Retry-After asks for (RFC 9110, section 10.2.3;
 * "retry-after-ms", as OpenAI and Azure send it, is finer). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "wire/client_parts.h"

static const int64_t first_rest_ns = 500 * INT64_C(1000000);
static const int64_t longest_rest_ns = 60 * INT64_C(1000000000);
static const double most_s = 86400; /* what a header may ask for */

/* The value of header `name`, copied; false when the line is another header. */
static bool value_of(const char *line, size_t n, const char *name, char value[64])
{
    const size_t n_name = strlen(name);
    if (n <= n_name || line[n_name] != ':' || strncasecmp(line, name, n_name) != 0)
        return false;
    size_t at = n_name + 1, length = 0;
    while (at < n && (line[at] == ' ' || line[at] == '\t'))
        at++;
    while (at < n && line[at] != '\r' && line[at] != '\n' && length < 63)
        value[length++] = line[at++];
    value[length] = '\0';
    return true;
}

/* Seconds, or a date; -1: neither. */
static int64_t seconds_ns(const char *value)
{
    char *end;
    double s = strtod(value, &end);
    if (end == value || *end != '\0') {
        const time_t date = curl_getdate(value, NULL);
        if (date < 0)
            return -1;
        s = difftime(date, time(NULL));
    }
    return s >= 0 ? (int64_t)((s < most_s ? s : most_s) * 1e9) : 0;
}

void ifm_retry_read(ifm_exchange *self, const char *line, size_t n)
{
    char value[64];
    if (n < 12 || (line[0] | 0x20) != 'r')
        return;
    if (value_of(line, n, "retry-after-ms", value)) {
        const int64_t ns = seconds_ns(value);
        if (ns >= 0)
            self->retry_after_ns = ns / 1000;
    } else if (self->retry_after_ns < 0 && value_of(line, n, "retry-after", value)) {
        self->retry_after_ns = seconds_ns(value);
    }
}

int64_t ifm_retry_delay_ns(const ifm_exchange *self)
{
    if (self->retry_after_ns >= 0)
        return self->retry_after_ns;
    int64_t rest = first_rest_ns;
    for (int32_t i = 1; i < self->attempts && rest < longest_rest_ns; i++)
        rest *= 2;
    return rest < longest_rest_ns ? rest : longest_rest_ns;
}

bool ifm_retry_wanted(const ifm_exchange *self, long status)
{
    const ifm_client_options *o = &self->client->options;
    if ((status != 429 && status != 503) || self->attempts > o->retries)
        return false;
    return o->timeout_ns == 0 ||
           ifm_time_now().ns + ifm_retry_delay_ns(self) < self->due_ns + o->timeout_ns;
}
