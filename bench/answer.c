/*
 * What it costs to read a stream: events as servers write them through the event reader and
 * the answer, in reads as a network makes them. No network, no clock inside.
 *     build/bench/answer [EVENTS]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "wire/answer.h"
#include "wire/sse.h"

enum { ROUNDS = 7 };

typedef struct event_shape {
    const char *name;
    const char *event;
} event_shape;

#define ID "\"id\":\"cmpl-5d3f0c1a9b7e4f6a8c2d1e0f3b4a5c6d\",\"created\":1767225600,"
static const event_shape shapes[] = {
    {"completion",
     "data: {" ID "\"object\":\"text_completion\",\"model\":\"org/model-8b\","
     "\"choices\":[{\"index\":0,\"text\":\" token\",\"logprobs\":null,"
     "\"finish_reason\":null,\"stop_reason\":null}],\"usage\":null}\n\n"},
    {"chat",
     "data: {" ID "\"object\":\"chat.completion.chunk\",\"model\":\"org/model-8b\","
     "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},"
     "\"logprobs\":null,\"finish_reason\":null}]}\n\n"},
    {"chat with usage",
     "data: {" ID "\"object\":\"chat.completion.chunk\",\"model\":\"org/model-8b\","
     "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" t\\u00f6ken\\n\"},"
     "\"logprobs\":null,\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":512,"
     "\"total_tokens\":513,\"completion_tokens\":1,\"prompt_tokens_details\":null}}\n\n"},
};

static bool drop(void *user, const ifm_sse_event *event)
{
    *(size_t *)user += event->n_data;
    return true;
}

static int64_t read_events(const ifm_buffer *stream, size_t n_read)
{
    ifm_sse sse;
    size_t bytes = 0;
    ifm_sse_init(&sse);
    const ifm_time begin = ifm_time_now();
    for (size_t at = 0; at < stream->length; at += n_read)
        ifm_sse_feed(&sse, stream->data + at,
                     stream->length - at < n_read ? stream->length - at : n_read, drop,
                     &bytes);
    const int64_t ns = ifm_time_between(begin, ifm_time_now());
    ifm_sse_deinit(&sse);
    return bytes > 0 ? ns : -1;
}

static int64_t read_answer(const ifm_buffer *stream, size_t n_read, size_t n_events)
{
    ifm_record record = ifm_record_empty();
    ifm_answer *answer;
    const ifm_answer_options options = {.stream = true};
    record.wire = malloc(sizeof *record.wire);
    if (record.wire == NULL ||
        (*record.wire = ifm_wire_unknown(),
         ifm_answer_new(&options, &record, &answer, NULL)) != IFM_OK)
        exit(1);
    const ifm_time begin = ifm_time_now();
    ifm_answer_head(answer, 200, "text/event-stream", 0);
    for (size_t at = 0; at < stream->length; at += n_read)
        ifm_answer_take(answer, stream->data + at,
                        stream->length - at < n_read ? stream->length - at : n_read,
                        (int64_t)at);
    ifm_answer_end(answer, IFM_OUTCOME_OK, NULL, 0);
    const int64_t ns = ifm_time_between(begin, ifm_time_now());
    ifm_answer_free(answer);
    if (record.wire->n_pieces < n_events)
        exit(1);
    ifm_record_deinit(&record);
    return ns;
}

/* The best of some rounds, in nanoseconds an event. */
static void measure(const event_shape *shape, size_t n_events, size_t n_read)
{
    ifm_buffer stream = {0};
    for (size_t i = 0; i < n_events; i++)
        ifm_buffer_puts(&stream, shape->event);
    ifm_buffer_puts(&stream, "data: [DONE]\n\n");
    const size_t n = n_read > 0 ? n_read : stream.length / (n_events + 1);
    int64_t events = INT64_MAX, answer = INT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        const int64_t a = read_events(&stream, n);
        const int64_t b = read_answer(&stream, n, n_events);
        events = a < events ? a : events;
        answer = b < answer ? b : answer;
    }
    printf("%-16s %6zu %8zu %10.0f %10.0f\n", shape->name,
           (stream.length - 14) / n_events, n, (double)events / (double)n_events,
           (double)answer / (double)n_events);
    ifm_buffer_deinit(&stream);
}

int main(int argc, char **argv)
{
    const size_t n_events = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
    if (n_events == 0)
        return 2;
    printf("%-16s %6s %8s %10s %10s\n", "", "bytes", "a read", "events ns", "answer ns");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        measure(&shapes[i], n_events, 0);     /* every event cut somewhere */
        measure(&shapes[i], n_events, 16384); /* many in a read */
    }
    return 0;
}
