#include "measure/wire.h"

#include <stdlib.h>

const char *ifm_outcome_name(ifm_outcome outcome)
{
    static const char *const names[IFM_OUTCOME_COUNT] = {
#define X(NAME, name, meaning) [IFM_OUTCOME_##NAME] = name,
        IFM_OUTCOME_LIST(X)
#undef X
    };
    return (unsigned)outcome < IFM_OUTCOME_COUNT ? names[outcome] : "unknown";
}

const char *ifm_outcome_meaning(ifm_outcome outcome)
{
    static const char *const meanings[IFM_OUTCOME_COUNT] = {
#define X(NAME, name, meaning) [IFM_OUTCOME_##NAME] = meaning,
        IFM_OUTCOME_LIST(X)
#undef X
    };
    return (unsigned)outcome < IFM_OUTCOME_COUNT ? meanings[outcome] : "unknown";
}

const char *ifm_piece_kind_name(ifm_piece_kind kind)
{
    static const char *const names[] = {"content", "reasoning", "tool", "empty",
                                        "usage",   "done",      "other"};
    return (unsigned)kind <= IFM_PIECE_OTHER ? names[kind] : "unknown";
}

const char *ifm_token_source_name(ifm_token_source source)
{
    static const char *const names[] = {"events", "tokenizer", "usage",
                                        "usage-per-event"};
    return (unsigned)source <= IFM_TOKENS_PER_EVENT ? names[source] : "unknown";
}

const char *ifm_wire_phase_name(ifm_wire_phase phase)
{
    static const char *const names[IFM_WIRE_PHASE_COUNT] = {
#define X(NAME, name) [IFM_WIRE_PHASE_##NAME] = #name,
        IFM_WIRE_PHASE_LIST(X)
#undef X
    };
    return (unsigned)phase < IFM_WIRE_PHASE_COUNT ? names[phase] : "unknown";
}

void ifm_wire_phases(const ifm_wire *self, int64_t sent_ns, int64_t ttft_ns,
                     int64_t ns[IFM_WIRE_PHASE_COUNT])
{
    const int64_t ends[IFM_WIRE_PHASE_COUNT] = {
        [IFM_WIRE_PHASE_START] = self->service_start_ns,
        [IFM_WIRE_PHASE_LOOKUP] = self->dns_ns,
        [IFM_WIRE_PHASE_CONNECT] = self->connect_ns,
        [IFM_WIRE_PHASE_TLS] = self->tls_ns,
        [IFM_WIRE_PHASE_SEND] = sent_ns,
        [IFM_WIRE_PHASE_HEADERS] = self->headers_ns,
        [IFM_WIRE_PHASE_EVENT] = self->first_event_ns,
        [IFM_WIRE_PHASE_TOKEN] = ttft_ns,
    };
    int64_t at = 0;
    for (int i = 0; i < IFM_WIRE_PHASE_COUNT; i++) {
        /* A server may answer before the whole request is sent: then nothing is left. */
        int64_t end = ends[i] < at ? at : ends[i];
        end = end > ttft_ns ? ttft_ns : end;
        ns[i] = end - at;
        at = end;
    }
}

ifm_wire ifm_wire_unknown(void)
{
    return (ifm_wire){
        .outcome = IFM_OUTCOME_INTERNAL,
        .retry_after_ns = -1,
        .gate_ns = 0,
        .service_start_ns = -1,
        .dns_ns = -1,
        .connect_ns = -1,
        .tls_ns = -1,
        .headers_ns = -1,
        .first_event_ns = -1,
        .ttfo_ns = -1,
        .end_ns = -1,
        .usage = {-1, -1, -1, -1},
        .server = {-1, -1, -1, -1, -1, -1},
        .asked_input_tokens = -1,
        .asked_output_tokens = -1,
        .session = -1,
    };
}

void ifm_wire_deinit(ifm_wire *self)
{
    free(self->pieces);
    free(self->event_ns);
    *self = ifm_wire_unknown();
}

size_t ifm_wire_token_pieces(const ifm_wire *self)
{
    size_t n = 0;
    for (size_t i = 0; i < self->n_pieces; i++)
        n += self->pieces[i].tokens != 0;
    return n;
}

size_t ifm_wire_shared_pieces(const ifm_wire *self)
{
    size_t n = 0;
    for (size_t i = 1; i < self->n_pieces; i++)
        n += self->pieces[i].read == self->pieces[i - 1].read;
    return n;
}
