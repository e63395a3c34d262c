/* What `model info` says of a model, gathered once; as text and as JSON. */
#ifndef IFM_CLI_MODEL_FACTS_H
#define IFM_CLI_MODEL_FACTS_H

#include "format/weights.h"
#include "inferometer/model.h"

enum { IFM_FACTS_MAX_LEFT_OUT = 8 };

/* Tensors of one type. */
typedef struct ifm_type_count {
    const char *type; /* static */
    int64_t n_tensors, n_bytes;
} ifm_type_count;

typedef struct ifm_model_facts {
    ifm_model *model; /* owned, as weights */
    ifm_weights *weights;
    const ifm_model_info *info;
    ifm_type_count types[IFM_DTYPE_COUNT]; /* those there are, most bytes first */
    size_t n_types;
    ifm_type_count left_out[IFM_FACTS_MAX_LEFT_OUT]; /* types nothing computes with */
    size_t n_left_out;
    const char *tokenizer; /* "byte-level BPE"; static; NULL: none that can be read */
    char tokenizer_problem[256]; /* why not; "": there is none */
    char pre_tokenizer[64];      /* GGUF's name for it; "" when it has none */
    int64_t n_tokens;            /* of the tokenizer */
    const char *chat;  /* name of the template, static; NULL: none that is known */
    bool chat_unknown; /* there is one, but it is not known */
    int32_t n_context; /* positions that the next two are for */
    int64_t session_bytes;
    double position_bytes; /* of memory that each position more takes */
} ifm_model_facts;

/* Opens the model at `path`. n_context 0: as many positions as the model has. The caller
 * releases *self in every case. Errors: as of ifm_model_open; ARGUMENT (more positions than
 * the model has). */
ifm_status ifm_model_facts_gather(ifm_model_facts *self, const char *path,
                                  int32_t n_context, ifm_error *err);
void ifm_model_facts_deinit(ifm_model_facts *self);

/* Both to standard output. Errors: NO_MEMORY. */
void ifm_model_facts_print(const ifm_model_facts *self);
ifm_status ifm_model_facts_print_json(const ifm_model_facts *self, ifm_error *err);

#endif
