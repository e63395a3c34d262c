#include <errno.h>
#include <jansson.h>

#include "base/error.h"
#include "cli/doctor.h"

/* Jansson's setters take the value over, and fail when it is NULL: whoever builds looks
 * once, at the end. */
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static json_t *findings(const ifm_doctor *self)
{
    json_t *list = json_array();
    for (size_t i = 0; i < self->n_findings; i++) {
        const ifm_finding *finding = &self->findings[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "code",
                                              finding->code, "level",
                                              ifm_fit_level_name(finding->level), "value",
                                              finding->value, "remedy", finding->remedy));
    }
    return list;
}

static json_t *bandwidth(const ifm_doctor *self)
{
    json_t *list = json_array();
    for (size_t team = 0; team < self->n_teams; team++)
        for (size_t i = 0; i < self->n_sizes; i++)
            if (self->read_bytes_per_s[team][i] > 0)
                json_array_append_new(
                    list, json_pack("{s:i, s:I, s:f}", "threads", self->teams[team],
                                    "bytes", (json_int_t)self->sizes[i],
                                    "read_bytes_per_s", self->read_bytes_per_s[team][i]));
    return list;
}

static json_t *peaks(const ifm_doctor *self)
{
    json_t *list = json_array();
    for (size_t i = 0; i < self->n_peaks; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:i, s:f}", "kernels", self->peaks[i].kernels,
                            "type", self->peaks[i].type, "threads", self->peak_threads,
                            "operations_per_s", self->peaks[i].per_s));
    return list;
}

static json_t *disk(const ifm_doctor *self)
{
    if (self->disk_path == NULL)
        return json_null();
    if (self->disk_error.status != IFM_OK)
        return json_pack("{s:s, s:s}", "path", self->disk_path, "error",
                         self->disk_error.message);
    return json_pack("{s:s, s:f, s:I}", "path", self->disk_path, "read_bytes_per_s",
                     self->disk.bytes_per_s, "bytes", (json_int_t)self->disk.bytes);
}

static json_t *host(const ifm_doctor *self)
{
    const ifm_fit_facts *facts = &self->facts;
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:I}", "cpu", self->host.cpu, "os",
                     self->host.os, "kernel", self->host.kernel, "physical_cores",
                     facts->room.physical, "logical_cores", facts->room.logical,
                     "memory_bytes", (json_int_t)self->host.memory_bytes);
}

static json_t *clock_facts(const ifm_doctor *self)
{
    const ifm_clock_facts *clock = &self->facts.clock;
    return json_pack("{s:s, s:I, s:I}", "name", clock->name, "resolution_ns",
                     (json_int_t)clock->resolution_ns, "read_cost_ns",
                     (json_int_t)clock->read_cost_ns);
}

ifm_status ifm_doctor_write_json(const ifm_doctor *self, FILE *out, ifm_error *err)
{
    bool fit = ifm_fit_worst(self->findings, self->n_findings) != IFM_FIT_BAD;
    json_t *document = json_object();
    bool built =
        set(document, "schema", json_string("inferometer.doctor/1")) &&
        set(document, "fit", json_boolean(fit)) && set(document, "host", host(self)) &&
        set(document, "clock", clock_facts(self)) &&
        set(document, "findings", findings(self)) &&
        set(document, "bandwidth", bandwidth(self)) &&
        set(document, "arithmetic", peaks(self)) && set(document, "disk", disk(self));
    ifm_status st = IFM_OK;
    if (!built)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "the document does not fit in memory");
    else if (json_dumpf(document, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) != 0 ||
             fputc('\n', out) == EOF)
        st = ifm_fail_errno(err, errno != 0 ? errno : EIO, "cannot write the document");
    json_decref(document);
    return st;
}
