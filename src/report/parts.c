#include "report/parts.h"

const char *ifm_report_part_name(int part)
{
    return part < IFM_PHASE_COUNT
               ? ifm_phase_name((ifm_phase)part)
               : ifm_wire_phase_name((ifm_wire_phase)(part - IFM_PHASE_COUNT));
}

bool ifm_report_part_exists(const ifm_record *record, int part)
{
    return record != NULL && (part >= IFM_PHASE_COUNT) == (record->wire != NULL);
}

int64_t ifm_report_part_ns(const ifm_record *record, int part)
{
    if (!ifm_report_part_exists(record, part) || record->n_tokens == 0)
        return 0;
    if (record->wire == NULL)
        return record->phases_ns[part];
    int64_t ns[IFM_WIRE_PHASE_COUNT];
    ifm_wire_phases(record->wire, record->sent_ns, record->token_ns[0], ns);
    return ns[part - IFM_PHASE_COUNT];
}

int32_t ifm_report_http_version(const ifm_run *run)
{
    for (size_t i = run->n_records; i > 0; i--)
        if (run->records[i - 1].ok && run->records[i - 1].wire != NULL)
            return run->records[i - 1].wire->http_version;
    return 0;
}
