#include "mock/faults.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"

static const struct row {
    const char *name;
    bool at;
} rows[] = {{NULL, false},
#define X(NAME, name, at, meaning) {name, at},
            IFM_MOCK_FAULT_LIST(X)
#undef X
};

const char *ifm_mock_fault_name(ifm_mock_fault_kind kind)
{
    return rows[kind].name;
}

static ifm_mock_fault_kind find(const char *text, size_t n)
{
    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++) {
        if (strlen(rows[i].name) == n && memcmp(rows[i].name, text, n) == 0)
            return (ifm_mock_fault_kind)i;
    }
    return IFM_MOCK_FAULT_NONE;
}

/* The number behind a mark: "=2", ":0.5", "@8"; moves *at past it. */
static bool take_number(const char **at, double most, double *value)
{
    char *end;
    const char *digits = *at + 1;
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    *value = strtod(digits, &end);
    *at = end;
    return *value >= 0 && *value <= most;
}

static ifm_status mistaken(const char *text, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "--fault: \"%s\" is not KIND[:SHARE][@TOKEN], with a share of 0 to 1 "
                    "and a number of tokens: write close:0.5@8",
                    text);
}

/* Details that this kind does not have. NULL: none. */
static const char *superfluous(ifm_mock_fault_kind kind, const char *text)
{
    if (strchr(text, '@') != NULL && !rows[kind].at)
        return "no @TOKEN";
    if (strchr(text, '=') != NULL && kind != IFM_MOCK_FAULT_HTTP_429 &&
        kind != IFM_MOCK_FAULT_HTTP_503)
        return "no =SECONDS";
    /* Somebody either listens or does not. */
    return kind == IFM_MOCK_FAULT_REFUSE && *text != '\0' ? "nothing behind it" : NULL;
}

static ifm_status unknown(const char *text, size_t n, ifm_error *err)
{
    char names[256] = "";
    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++) {
        strcat(names, i > 1 ? ", " : "");
        strcat(names, rows[i].name);
    }
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "--fault: unknown fault \"%.*s\", expected one of %s", (int)n, text,
                    names);
}

/* What stands behind the kind. */
static bool parse_details(ifm_mock_fault *fault, const char *text)
{
    double value;
    if (*text == '=') {
        if (!take_number(&text, 1e9, &value))
            return false;
        fault->retry_after_s = (int64_t)value;
    }
    if (*text == ':' && !take_number(&text, 1, &fault->share))
        return false;
    if (*text == '@') {
        if (!take_number(&text, 1e9, &value))
            return false;
        fault->at = (int64_t)value;
    }
    return *text == '\0';
}

ifm_status ifm_mock_fault_parse(ifm_mock_faults *self, const char *text, ifm_error *err)
{
    const size_t n = strcspn(text, "=:@");
    ifm_mock_fault fault = {
        .kind = find(text, n), .share = 1, .at = -1, .retry_after_s = -1};
    if (fault.kind == IFM_MOCK_FAULT_NONE)
        return unknown(text, n, err);
    const char *not = superfluous(fault.kind, text + n);
    if (not != NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "--fault: %s takes %s",
                        rows[fault.kind].name, not );
    if (!parse_details(&fault, text + n))
        return mistaken(text, err);
    if (self->n == IFM_MOCK_MAX_FAULTS)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "--fault: more than %d faults",
                        IFM_MOCK_MAX_FAULTS);
    self->list[self->n++] = fault;
    return IFM_OK;
}

ifm_mock_fault ifm_mock_fault_of(const ifm_mock_faults *self, uint64_t seed,
                                 int64_t request)
{
    for (size_t i = 0; i < self->n; i++) {
        /* A stream of its own for each request and fault; multipliers are odd, so that no
         * two of a run share one. */
        ifm_random random;
        ifm_random_init(&random, seed ^ ((uint64_t)request * 0x9e3779b97f4a7c15u +
                                         (uint64_t)(i + 1) * 0xd1342543de82ef95u));
        if (ifm_random_unit(&random) < self->list[i].share)
            return self->list[i];
    }
    return (ifm_mock_fault){.kind = IFM_MOCK_FAULT_NONE, .at = -1, .retry_after_s = -1};
}
