/*
 * Collecting: the events of one request become its record, and are checked on the way.
 * Pure: no clock, no process; what a hostile worker can say ends in a named error.
 *
 * What is held to: stamps of tokens and texts never run backwards, lie after the request's
 * start and before now; no more tokens than were asked for; phases that add up to no more
 * than the TTFT. The remainder of the TTFT becomes the phase "other".
 */
#ifndef IFM_TARGET_COLLECT_H
#define IFM_TARGET_COLLECT_H

#include "base/buffer.h"
#include "measure/record.h"
#include "target/protocol.h"

/* One sequence of the request. */
typedef struct ifm_collected {
    ifm_record *record; /* borrowed; filled */
    int32_t max_tokens;
    size_t capacity_tokens, capacity_texts;
    bool handover_known;
    ifm_buffer text;
} ifm_collected;

typedef struct ifm_collector {
    ifm_collected *sequences; /* heap, [n_sequences] */
    size_t n_sequences;
    int32_t request; /* events of other requests are errors */
    int32_t logprobs;
    int64_t origin_ns;   /* time zero, absolute; 0: the worker's "start" event sets it */
    int64_t earliest_ns; /* nothing may be stamped before: when the request was sent */
    int64_t latest_ns;   /* the latest stamp so far */
    bool cold, started, done;
} ifm_collector;

/* Begins; records[ifm_target_records(request)] are borrowed and filled. cold: time zero is
 * `earliest`, the spawn, and the phases of starting and loading belong to the request; else
 * time zero is the worker's "start". Errors: NO_MEMORY; deinit is legal afterwards. */
ifm_status ifm_collector_init(ifm_collector *self, ifm_record *records,
                              const ifm_target_request *request, int32_t number,
                              bool cold, ifm_time earliest, ifm_error *err);
void ifm_collector_deinit(ifm_collector *self);

/* Takes one event; `now` is when it was read. After "done" the record is complete and
 * self->done is true. An "error" event becomes the error. Errors: CHILD, NO_MEMORY, what the
 * worker reported. */
ifm_status ifm_collector_take(ifm_collector *self, const ifm_event *event, ifm_time now,
                              ifm_error *err);

/* What a worker says of the model and itself in "loaded" and "done" becomes facts (strings
 * replaced).
 * Fields that are missing stay as they were. Errors: NO_MEMORY. */
ifm_status ifm_collect_facts(ifm_target_facts *facts, const ifm_event *event,
                             ifm_error *err);

#endif
