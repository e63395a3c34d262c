#include "measure/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ifm_phase_name(ifm_phase phase)
{
    static const char *const names[IFM_PHASE_COUNT] = {
#define X(NAME, name) [IFM_PHASE_##NAME] = #name,
        IFM_PHASE_LIST(X)
#undef X
    };
    return (unsigned)phase < IFM_PHASE_COUNT ? names[phase] : "unknown";
}

const char *ifm_padding_name(ifm_padding padding)
{
    static const char *const names[] = {"none", "left", "right"};
    return (unsigned)padding < 3 ? names[padding] : "unknown";
}

const char *ifm_start_name(ifm_start start)
{
    switch (start) {
    case IFM_START_COLD:
        return "cold";
    case IFM_START_WARMUP:
        return "warmup";
    case IFM_START_WARM:
        return "warm";
    }
    return "unknown";
}

ifm_trace ifm_record_trace(const ifm_record *record)
{
    ifm_trace trace = {
        .token_ns = record->token_ns,
        .n_tokens = record->n_tokens,
        .text_events = record->text_events,
        .n_text_events = record->n_text_events,
    };
    if (record->wire != NULL) {
        trace.event_ns = record->wire->event_ns;
        trace.n_events = record->wire->n_event_ns;
    }
    memcpy(trace.phases_ns, record->phases_ns, sizeof trace.phases_ns);
    return trace;
}

size_t ifm_record_arrivals(const ifm_record *record, const int64_t **at)
{
    const bool pieces = record->wire != NULL && record->wire->event_ns != NULL;
    *at = pieces ? record->wire->event_ns : record->token_ns;
    return pieces ? record->wire->n_event_ns : record->n_tokens;
}

ifm_record ifm_record_empty(void)
{
    ifm_record record = {.resident_frac_before = -1, .peak_rss_bytes = -1};
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        record.phase_io[p] = (ifm_phase_io){-1, -1, -1};
    return record;
}

void ifm_record_deinit(ifm_record *record)
{
    free(record->error);
    free(record->finish_reason);
    free(record->input_ids);
    free(record->output_ids);
    free(record->token_ns);
    free(record->handover_ns);
    free(record->text);
    free(record->text_events);
    free(record->logprobs);
    free(record->top);
    if (record->wire != NULL)
        ifm_wire_deinit(record->wire);
    free(record->wire);
    *record = (ifm_record){0};
}

ifm_record *ifm_run_add(ifm_run *run)
{
    if (run->n_records == run->capacity_records) {
        size_t capacity = run->capacity_records == 0 ? 16 : run->capacity_records * 2;
        ifm_record *grown = realloc(run->records, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        run->records = grown;
        run->capacity_records = capacity;
    }
    ifm_record *record = &run->records[run->n_records++];
    *record = ifm_record_empty();
    return record;
}

void ifm_run_warn(ifm_run *run, const char *code, bool spoils, const char *format, ...)
{
    char message[512];
    va_list list;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    ifm_warning *grown = realloc(run->warnings, (run->n_warnings + 1) * sizeof *grown);
    if (grown == NULL)
        return;
    run->warnings = grown;
    ifm_warning warning = {strdup(code), strdup(message), spoils};
    if (warning.code == NULL || warning.message == NULL) {
        free(warning.code);
        free(warning.message);
        return;
    }
    run->warnings[run->n_warnings++] = warning;
}

bool ifm_run_trustworthy(const ifm_run *run)
{
    for (size_t i = 0; i < run->n_warnings; i++)
        if (run->warnings[i].spoils)
            return false;
    return !run->incomplete;
}

ifm_input_tokens ifm_run_input_tokens(const ifm_run *run, int32_t *lengths, size_t cap)
{
    ifm_input_tokens all = {0};
    size_t first = 0;
    while (first < run->n_records && run->records[first].n_input == 0)
        first++;
    for (size_t i = first; i < run->n_records; i++) {
        const ifm_record *r = &run->records[i];
        if (r->id != run->records[first].id)
            break;
        const int64_t n = (int64_t)r->n_input;
        if (lengths != NULL && all.batch_size < cap)
            lengths[all.batch_size] = (int32_t)n;
        all.batch_size++;
        all.real += n;
        all.padded = n > all.padded ? n : all.padded;
    }
    all.total = run->workload.padding == IFM_PADDING_NONE
                    ? all.real
                    : all.padded * (int64_t)all.batch_size;
    return all;
}

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; i < n && texts != NULL; i++)
        free(texts[i]);
    free(texts);
}

void ifm_run_deinit(ifm_run *run)
{
    for (size_t i = 0; i < run->n_records; i++)
        ifm_record_deinit(&run->records[i]);
    free(run->records);
    for (size_t i = 0; i < run->n_warnings; i++) {
        free(run->warnings[i].code);
        free(run->warnings[i].message);
    }
    free(run->warnings);
    free_texts(run->command, run->n_command);
    free_texts(run->workload.prompts, run->workload.n_prompts);
    free_texts(run->workload.prompt_names, run->workload.n_prompts);
    free(run->workload.prompt_bytes);
    char *texts[] = {
        run->host.cpu,          run->host.os,
        run->host.kernel,       run->host.governor,
        run->target.kind,       run->target.engine,
        run->target.device,     run->target.kernels,
        run->target.model_name, run->target.model_family,
        run->target.model_path, run->target.model_dtype,
        run->target.url,        run->target.endpoint,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    *run = (ifm_run){0};
}
