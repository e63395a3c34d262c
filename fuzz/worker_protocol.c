/* Fuzzes the reader of the worker protocol: lines become events, events a record. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "target/collect.h"

enum { ORIGIN_NS = 1000, NOW_NS = 1000000 };

/* What must hold of any record that was accepted. */
static void check(const ifm_record *record)
{
    int64_t sum = 0;
    for (int p = 0; p < IFM_PHASE_COUNT; p++) {
        if (record->phases_ns[p] < 0)
            abort();
        sum += record->phases_ns[p];
    }
    if (record->n_tokens > 0 && sum != record->token_ns[0])
        abort();
    for (size_t i = 1; i < record->n_tokens; i++)
        if (record->token_ns[i] < record->token_ns[i - 1])
            abort();
    size_t text = 0;
    for (size_t i = 0; i < record->n_text_events; i++)
        text += record->text_events[i].n_text;
    if (text != record->n_text || strlen(record->text) > text)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ifm_sequence batch[2] = {{.max_new_tokens = 4}, {.max_new_tokens = 2}};
    const bool several = size > 0 && (data[0] & 4) != 0;
    const ifm_target_request request = {.max_new_tokens = 4,
                                        .logprobs = size > 0 ? data[0] & 1 : 0,
                                        .sequences = several ? batch : NULL,
                                        .n_sequences = several ? 2 : 0};
    ifm_run run = {0};
    if (ifm_run_add(&run) == NULL || ifm_run_add(&run) == NULL)
        return 0;
    ifm_collector collector;
    bool cold = size > 0 && (data[0] & 2) != 0;
    if (ifm_collector_init(&collector, run.records, &request, 0, cold,
                           (ifm_time){ORIGIN_NS}, NULL) != IFM_OK)
        abort();
    const char *at = (const char *)data, *end = at + size;
    ifm_status st = IFM_OK;
    while (st == IFM_OK && at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((feed != NULL ? feed : end) - at);
        ifm_event event;
        ifm_error err = {0};
        st = ifm_event_parse(&event, at, n, &err);
        if (st == IFM_OK) {
            st = ifm_collector_take(&collector, &event, (ifm_time){NOW_NS}, &err);
            if (event.kind == IFM_EVENT_LOADED)
                ifm_collect_facts(&run.target, &event, NULL);
            ifm_event_deinit(&event);
        }
        if (st != IFM_OK && err.message[0] == '\0')
            abort();
        at += n + 1;
    }
    for (size_t i = 0; collector.done && i < ifm_target_records(&request); i++)
        check(&run.records[i]);
    ifm_collector_deinit(&collector);
    ifm_run_deinit(&run);
    return 0;
}
