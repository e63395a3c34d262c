/*
 * A session in memory: one block that holds the KV cache, the activations of a pass, and
 * each thread's scratch.
 *
 * Rows of activations are `pad` floats longer than they need to be: with widths that are
 * multiples of 1024, all rows would fall into the same sets of the first cache.
 */
#ifndef IFM_MODEL_SESSION_H
#define IFM_MODEL_SESSION_H

#include "model/model.h"
#include "os/pool.h"

/* Tokens of a prompt that one pass computes: more share each reading of the weights, fewer
 * keep the activations in the second cache. */
enum { IFM_SESSION_ROWS = 256 };

/* Fewer rows than this are normalised by every thread for itself: cheaper than a barrier. */
enum { IFM_SESSION_FEW_ROWS = 8 };

/* Chunks, at most, that the positions of a sequence are cut into when few rows attend. */
enum { IFM_SESSION_CHUNKS = 32 };

/* One row of a pass: a token and where it stands in its sequence. */
typedef struct ifm_row {
    int32_t id;
    int32_t position;
    int32_t sequence; /* whose part of the KV cache */
    int32_t masked;   /* positions of padding that attention computes, and drops */
} ifm_row;

/* What is known of one sequence. */
typedef struct ifm_session_sequence {
    int32_t length;  /* positions that are used */
    int32_t padding; /* rows of padding that were computed */
} ifm_session_sequence;

/* How the block is laid out: offsets in bytes, strides in floats. R rows of a pass. */
typedef struct ifm_session_layout {
    int64_t positions;   /* of the KV cache, rounded up to whole key blocks */
    int64_t rows;        /* R */
    int64_t x_stride;    /* max(C, H D) padded */
    int64_t wide_stride; /* max((H + 2G) D, F or 2F) padded */
    ifm_dtype kv_dtype;  /* of keys and values: f32 or f16 */
    size_t keys;         /* [S, L, G, P/16, D, 16], S sequences */
    size_t values;       /* [S, L, G, P, D] */
    size_t x;            /* [R, C] the residual stream */
    size_t norm;         /* [R, C] normalised */
    size_t few;          /* [threads, FEW_ROWS, C] the same, each thread's own */
    size_t wide;  /* [R, (H + 2G) D] queries, keys, values; [R, F] the feed-forward layer,
                      [R, 2F] when it is gated */
    size_t mixed; /* [R, H D] attention's output */
    size_t turns; /* [R, r] cosines and sines of each row's position */
    size_t packed; /* see ifm_matmul_packed */
    size_t own;    /* [threads] own_stride bytes: IFM_MATMUL_OWN_BYTES */
    size_t own_stride;
    size_t parts;        /* see ifm_matmul_parts */
    size_t attend_parts; /* [CHUNKS, FEW_ROWS, H, D + 2] */
    size_t dropped;      /* [threads, H/G, D + 2] what masked positions give */
    size_t dropped_stride;
    size_t scratch_stride; /* bytes of scratch a thread: for the kernels, or [C] floats */
    size_t scratch;        /* [threads] scratch_stride bytes */
    size_t logits;         /* [max(logit_rows, S), V] */
    size_t row_list;       /* [R] ifm_row */
    size_t last_rows;      /* [R] ifm_row, to build the list with */
    size_t sequences;      /* [S] ifm_session_sequence */
    size_t bytes;
} ifm_session_layout;

struct ifm_session {
    const ifm_model *model;
    ifm_pool *pool;
    ifm_session_layout at;
    unsigned char *block;            /* [at.bytes] */
    int32_t room;                    /* positions of each sequence that may be used */
    int32_t logit_rows;              /* logits that there is room for */
    bool exact;                      /* see ifm_session_options */
    ifm_session_sequence *sequences; /* [n_sequences] */
    int32_t n_sequences;
    /* The pass that is going on: */
    ifm_row *rows; /* [n_rows], those last whose logits are wanted */
    int32_t n_rows;
    bool split;       /* rows of one sequence do not stand together */
    int32_t n_logits; /* of so many last rows the logits are wanted */
    float *logits;    /* [n_logits, V]: where to */
};

/* One thread's view of the session's team. */
ifm_team ifm_session_team(ifm_session *session, int thread);

/* The floats at an offset of the block. */
static inline float *ifm_session_floats(const ifm_session *session, size_t offset)
{
    return (float *)(void *)(session->block + offset);
}

#endif
