/*
 * What a model's config.json, or the metadata of its GGUF file, says about its shape and
 * arithmetic, checked: every number lies in a range in which no product of two or three of
 * them can overflow.
 */
#ifndef IFM_MODEL_CONFIG_H
#define IFM_MODEL_CONFIG_H

#include "format/weights.h"

typedef enum ifm_family {
    IFM_FAMILY_GPT2,
    IFM_FAMILY_LLAMA,   /* Llama 2 and 3, SmolLM2, TinyLlama: Touvron et al. 2023 */
    IFM_FAMILY_MISTRAL, /* and a sliding window: Jiang et al. 2023 */
    IFM_FAMILY_QWEN2,   /* and biases of queries, keys and values */
    IFM_FAMILY_QWEN3,   /* and norms of queries and keys instead */
} ifm_family;

typedef enum ifm_activation {
    IFM_ACTIVATION_GELU_NEW, /* x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) */
    IFM_ACTIVATION_GELU,     /* x Φ(x), by erf */
    IFM_ACTIVATION_RELU,
    IFM_ACTIVATION_SILU, /* x / (1 + exp(-x)) */
} ifm_activation;

typedef enum ifm_rope_scaling {
    IFM_ROPE_DEFAULT,
    IFM_ROPE_LINEAR, /* all frequencies divided by `factor` */
    IFM_ROPE_LLAMA3, /* long waves divided by `factor`, short ones kept, ramp between */
} ifm_rope_scaling;

/* Rotary position embedding (Su et al. 2021): pair i of r/2 turns by position base^(-2i/r). */
typedef struct ifm_rope {
    int32_t r;        /* components of a head that turn, even, ≤ D; 0: no rotation */
    bool interleaved; /* pairs (2i, 2i + 1), else (i, i + r/2) */
    bool divided;     /* each frequency is divided by a number that the weights hold */
    ifm_rope_scaling scaling;
    double base;
    double factor, low_freq_factor, high_freq_factor;
    double original_positions;
} ifm_rope;

/* The largest sizes that are accepted; real models lie far below. n_embd ≤ 2^16,
 * V ≤ 2^24, so that a tensor has less than 2^41 elements. */
enum {
    IFM_CONFIG_MAX_LAYERS = 1024,
    IFM_CONFIG_MAX_WIDTH = 1 << 16,
    IFM_CONFIG_MAX_INNER = 1 << 18,
    IFM_CONFIG_MAX_POSITIONS = 1 << 24,
    IFM_CONFIG_MAX_VOCAB = 1 << 24,
    IFM_CONFIG_MAX_EOS = 16,
};

typedef struct ifm_config {
    ifm_family family;
    int32_t n_embd;      /* C */
    int32_t n_head;      /* H; H D ≤ IFM_CONFIG_MAX_INNER */
    int32_t n_kv_head;   /* G, a divisor of H: key-value heads */
    int32_t head_dim;    /* D; C = H D in GPT-2, not in every Llama */
    int32_t n_layer;     /* L */
    int32_t n_inner;     /* width of the feed-forward layer, 4 C by default */
    int32_t n_positions; /* P */
    int32_t n_vocab;     /* V */
    float norm_eps;
    ifm_activation activation;
    bool scale_attn_weights;              /* divide scores by √D (nearly always) */
    bool scale_attn_by_inverse_layer_idx; /* and by layer + 1 */
    bool tied_head;                       /* the output head is the token embedding */
    bool qkv_bias, o_bias, mlp_bias;      /* which linear layers of a Llama have one */
    bool qk_norm; /* each head's queries and keys are normalised before rotation */
    ifm_rope rope;
    int32_t window; /* positions that a sliding layer sees, itself included; 0: all */
    bool slides[IFM_CONFIG_MAX_LAYERS];  /* [L] which layers are sliding */
    int32_t bos_id;                      /* -1: none */
    int32_t eos_id;                      /* -1: none; the first of eos_ids */
    int32_t eos_ids[IFM_CONFIG_MAX_EOS]; /* every token that ends a text */
    int32_t n_eos;
} ifm_config;

/* Reads the config.json in the directory `path`, or beside the file `path`. What
 * generation_config.json beside it says of the ends of texts is added: Transformers stops
 * by that file alone, but older models have only one of the two right. Errors: NOT_FOUND,
 * IO, FORMAT (not JSON, a wrong type, a number out of range), UNSUPPORTED (another family
 * or an option that the engine does not compute). */
ifm_status ifm_config_read(const char *path, ifm_config *config, ifm_error *err);

/* The same from the text json[n_bytes]; `file` names it in messages. Thread-safe. */
ifm_status ifm_config_parse(const char *json, size_t n_bytes, const char *file,
                            ifm_config *config, ifm_error *err);

/* The same from the metadata and the tensors of a GGUF file, which ifm_weights_gguf says
 * `weights` are; `file` names it in messages. Errors: FORMAT, UNSUPPORTED, LIMIT. */
ifm_status ifm_config_read_gguf(const ifm_weights *weights, const char *file,
                                ifm_config *config, ifm_error *err);

/* What attention scores q·k of `layer` (from 0) are multiplied with. */
float ifm_config_attention_scale(const ifm_config *config, int32_t layer);

/* Positions that layer `layer` (from 0) sees, itself included; 0: all. */
int32_t ifm_config_window(const ifm_config *config, int32_t layer);

/* "gpt2", "llama", "mistral", "qwen2", "qwen3". */
const char *ifm_family_name(ifm_family family);
/* "gelu_new", "gelu", "relu", "silu". */
const char *ifm_activation_name(ifm_activation activation);

#endif
