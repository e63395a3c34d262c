/*
 * What pictures need of a load's requests, read from the spool in one pass: distributions,
 * counted in bins between their known ends, and of many requests a part, one of every k, so
 * that a picture of a million of them has as many points as can be seen.
 */
#ifndef IFM_REPORT_LOAD_SKETCH_H
#define IFM_REPORT_LOAD_SKETCH_H

#include "load/summary.h"

/* One request; times after the load began, -1: it did not happen. */
typedef struct ifm_sketch_request {
    int64_t due_ns, service_ns, sent_ns, first_ns, end_ns;
    bool ok;
} ifm_sketch_request;

/* A stretch of a stream without pauses: tokens of streams[stream] from … to. */
typedef struct ifm_sketch_stretch {
    int32_t stream;
    int64_t from_ns, to_ns;
} ifm_sketch_stretch;

enum {
    IFM_SKETCH_BINS = 8192,
    IFM_SKETCH_REQUESTS = 4000, /* at most, of those that went well, and */
    IFM_SKETCH_FAILED = 1000,   /* of those that failed */
    IFM_SKETCH_STREAMS = 160,   /* at most, of the timeline */
    IFM_SKETCH_STRETCHES = 20000,
};

/* A distribution: bins equally wide on a logarithmic scale from low to high, the ends that the
 * summary knows. How many values are below a bin's upper edge is exact. */
typedef struct ifm_sketch_shape {
    double low, high; /* ns */
    uint32_t counts[IFM_SKETCH_BINS];
    uint64_t n;
} ifm_sketch_shape;

/* The upper edge of a bin, ns. */
double ifm_sketch_edge(const ifm_sketch_shape *shape, size_t bin);

typedef struct ifm_load_sketch {
    const ifm_load_run *load; /* borrowed, as is the summary */
    const ifm_load_summary *summary;
    ifm_sketch_shape ttft, e2el, itl;
    ifm_sketch_request *requests; /* heap, [n_requests] in the order of their ends */
    size_t n_requests;
    size_t every, every_failed, every_stream; /* 1: all of them are there */
    ifm_sketch_request *streams;              /* heap, [n_streams] by due_ns */
    size_t n_streams;
    ifm_sketch_stretch *stretches; /* heap */
    size_t n_stretches;
    int64_t pause_ns; /* what is longer ends a stretch */
} ifm_load_sketch;

/* Warm-up is left out. The caller frees with ifm_load_sketch_free, also after an error.
 * Errors: IO, NO_MEMORY. */
ifm_status ifm_load_sketch_read(const ifm_load_run *load, const ifm_load_summary *summary,
                                ifm_load_sketch **out, ifm_error *err);
void ifm_load_sketch_free(ifm_load_sketch *self);

#endif
