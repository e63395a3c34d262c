#include "cli/load_parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const double DURATION_MOST_S = 1e8; /* three years */
static const double RATE_MOST = 1e7;
static const double SLO_MOST_MS = 1e9;

/* A plain decimal number at the beginning of the text: strtod also takes spaces, signs,
 * "nan" and hexadecimal ones. */
static bool number(const char *text, double *value, const char **end)
{
    const size_t n = strspn(text, "0123456789.");
    char *stop;
    *value = strtod(text, &stop);
    if (n == 0 || stop == text)
        return false;
    *end = stop;
    return strpbrk(text, "xX") == NULL;
}

ifm_status ifm_load_parse_duration(const char *option, const char *text, int64_t *ns,
                                   ifm_error *err)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"min", 60}, {"h", 3600}};
    double value;
    const char *end = "?";
    const bool begins = number(text, &value, &end);
    for (size_t i = 0; begins && i < sizeof units / sizeof *units; i++) {
        const double s = value * units[i].seconds;
        if (strcmp(end, units[i].name) == 0 && s >= 1e-3 && s <= DURATION_MOST_S) {
            *ns = (int64_t)llround(s * 1e9);
            return IFM_OK;
        }
    }
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "%s: \"%s\" is no duration, expected 30, 30s, 1.5m or 2h", option,
                    text);
}

ifm_status ifm_load_parse_rate(const char *text, double *rate, ifm_error *err)
{
    const char *end;
    *rate = INFINITY;
    if (strcmp(text, "inf") == 0)
        return IFM_OK;
    if (number(text, rate, &end) && *end == '\0' && *rate > 1e-6 && *rate <= RATE_MOST)
        return IFM_OK;
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "--request-rate: \"%s\" is no rate, expected requests per second, as "
                    "12.5, or inf for all at once",
                    text);
}

ifm_slo ifm_load_no_slo(void)
{
    return (ifm_slo){NAN, NAN, NAN};
}

static double *promise(ifm_slo *slo, const char *name, size_t n)
{
    if (n == 4 && memcmp(name, "ttft", n) == 0)
        return &slo->ttft_ms;
    if (n == 4 && memcmp(name, "tpot", n) == 0)
        return &slo->tpot_ms;
    if (n == 4 && memcmp(name, "e2el", n) == 0)
        return &slo->e2el_ms;
    return NULL;
}

static bool read_slo(const char *text, ifm_slo *slo)
{
    for (const char *at = text;;) {
        const size_t n = strcspn(at, ":");
        double *ms = promise(slo, at, n);
        double value;
        const char *end;
        if (ms == NULL || at[n] != ':' || !isnan(*ms) ||
            !number(at + n + 1, &value, &end) || value <= 0 || value > SLO_MOST_MS)
            return false;
        *ms = value;
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        at = end + 1;
    }
}

ifm_status ifm_load_parse_slo(const char *text, ifm_slo *slo, ifm_error *err)
{
    *slo = ifm_load_no_slo();
    if (read_slo(text, slo))
        return IFM_OK;
    return ifm_fail(
        err, IFM_ERR_ARGUMENT,
        "--slo: \"%s\" is no promise, expected ttft:500,tpot:50,e2el:5000 or a "
        "part of it, in milliseconds",
        text);
}
