/*
 * Any model that we open → one GGUF file, which llama.cpp loads as well as we do: weights in
 * another type, tensors and metadata under GGUF's names.
 *
 *     GGUF in     its metadata is copied
 *     directory   config.json, tokenizer.json (or vocab.json and merges.txt) and
 *                 tokenizer_config.json are turned into metadata, names of tensors into
 *                 GGUF's, GPT-2's matrices into rows of outputs, and rows of queries and
 *                 keys into the order that llama.cpp rotates
 */
#ifndef IFM_CONVERT_CONVERT_H
#define IFM_CONVERT_CONVERT_H

#include "format/dtype.h"

typedef struct ifm_convert_options {
    const char *from; /* a path as ifm_weights_open takes it */
    const char *to;   /* replaced when all is written, as it was when something fails */
    const char *type; /* a name of ifm_convert_types, in any case */
    int threads;      /* 0: as many as make sense */
    /* Called by one thread after every few megabytes, with bytes; false ends it with
     * CANCELLED. NULL: not called. */
    bool (*progress)(void *arg, int64_t n_done, int64_t n_bytes);
    void *progress_arg;
} ifm_convert_options;

typedef struct ifm_convert_report {
    int64_t n_tensors, n_numbers; /* written */
    int64_t bytes_before;         /* of the tensors that were read */
    int64_t file_bytes;           /* of the file that was written */
    int64_t n_fallback;     /* tensors whose rows are no whole blocks of `type` … */
    int64_t fallback_width; /* … as numbers of the first of them */
    ifm_dtype fallback_from, fallback_to; /* its type, and what it became instead */
    ifm_dtype requantized; /* the quantized type that some numbers had been through
                              before; IFM_DTYPE_COUNT: none */
    bool no_tokenizer;     /* the directory had none: the file runs on token ids only */
} ifm_convert_report;

/* The types that there are: "f32, f16, …". */
const char *ifm_convert_types(void);

/* Errors: ARGUMENT (an unknown type), NOT_FOUND, IO (no room, a full disk), FORMAT,
 * UNSUPPORTED (a family, an option or a tokenizer that GGUF has no word for), NO_MEMORY,
 * CANCELLED. */
ifm_status ifm_convert(const ifm_convert_options *options, ifm_convert_report *report,
                       ifm_error *err);

#endif
