#include "convert/types.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "convert/convert.h"

/* Numbers of general.file_type: llama.h, enum llama_ftype. */
#define MIX_LIST(X)                                                                      \
    X("f32", F32, 0)                                                                     \
    X("f16", F16, 1)                                                                     \
    X("bf16", BF16, 32)                                                                  \
    X("q8_0", Q8_0, 7)                                                                   \
    X("q4_0", Q4_0, 2)                                                                   \
    X("q4_1", Q4_1, 3)                                                                   \
    X("q5_0", Q5_0, 8)                                                                   \
    X("q5_1", Q5_1, 9)                                                                   \
    X("q2_K", Q2_K, 10)                                                                  \
    X("q3_K", Q3_K, 11)                                                                  \
    X("q3_K_M", Q3_K, 12)                                                                \
    X("q4_K", Q4_K, 14)                                                                  \
    X("q4_K_M", Q4_K, 15)                                                                \
    X("q5_K", Q5_K, 16)                                                                  \
    X("q5_K_M", Q5_K, 17)                                                                \
    X("q6_K", Q6_K, 18)

static const ifm_convert_mix mixes[] = {
#define X(name, NAME, file_type) {name, IFM_DTYPE_##NAME, file_type},
    MIX_LIST(X)
#undef X
};

enum { N_MIXES = sizeof mixes / sizeof mixes[0] };

const char *ifm_convert_types(void)
{
    static const char names[] =
#define X(name, NAME, file_type) ", " name
        MIX_LIST(X)
#undef X
        ;
    return names + 2;
}

const ifm_convert_mix *ifm_convert_find_mix(const char *name)
{
    for (size_t i = 0; i < N_MIXES; i++)
        if (strcasecmp(mixes[i].name, name) == 0)
            return &mixes[i];
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

bool ifm_convert_is_matrix(const ifm_convert_shape *shape)
{
    static const char *const others[] = {"position_embd.weight", "token_types.weight",
                                         "_norm.weight", "ffn_gate_inp.weight"};
    bool matrix = shape->n_dimensions >= 2 && ends_with(shape->name, ".weight");
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        matrix = matrix && !ends_with(shape->name, others[i]);
    return matrix;
}

/* Layers whose errors weigh more: the first and the last eighth, and every third. */
static bool is_sensitive(int layer, int n_layer)
{
    int eighth = n_layer / 8;
    return layer < eighth || layer >= 7 * n_layer / 8 || (layer - eighth) % 3 == 2;
}

enum { EVERY = 0, SENSITIVE = -1 };

/* What a part of a layer becomes in a mixture, as llama.cpp's llama-quant.cpp has it
 * (llama_tensor_get_type); the first rule that fits. */
typedef struct rule {
    const char *mix, *part;
    int layers; /* EVERY, SENSITIVE, or n: layers below n; −n: below layers / n */
    ifm_dtype dtype;
} rule;

static const rule rules[] = {
    {"q3_K_M", "attn_v", 2, IFM_DTYPE_Q5_K},
    {"q3_K_M", "attn_v", EVERY, IFM_DTYPE_Q4_K},
    {"q3_K_M", "ffn_down", -16, IFM_DTYPE_Q5_K},
    {"q3_K_M", "ffn_down", EVERY, IFM_DTYPE_Q4_K},
    {"q3_K_M", "attn_output", EVERY, IFM_DTYPE_Q4_K},
    {"q3_K_M", "attn_qkv", EVERY, IFM_DTYPE_Q4_K},
    {"q4_K_M", "attn_v", SENSITIVE, IFM_DTYPE_Q6_K},
    {"q4_K_M", "ffn_down", SENSITIVE, IFM_DTYPE_Q6_K},
    {"q4_K_M", "attn_qkv", EVERY, IFM_DTYPE_Q5_K},
    {"q5_K_M", "attn_v", SENSITIVE, IFM_DTYPE_Q6_K},
    {"q5_K_M", "ffn_down", SENSITIVE, IFM_DTYPE_Q6_K},
    {"q5_K_M", "attn_qkv", EVERY, IFM_DTYPE_Q6_K},
};

static bool rule_fits(const rule *self, const char *mix, const char *part, int layer,
                      int n_layer)
{
    if (strcmp(self->mix, mix) != 0 || strcmp(self->part, part) != 0)
        return false;
    if (self->layers == SENSITIVE)
        return is_sensitive(layer, n_layer);
    int below = self->layers < 0 ? n_layer / -self->layers : self->layers;
    return self->layers == EVERY || layer < below;
}

ifm_dtype ifm_convert_wanted(const ifm_convert_mix *mix, const ifm_convert_shape *shape)
{
    ifm_dtype base = mix->base;
    if (!ifm_dtype_is_quantized(base))
        return base;
    /* Errors of the logits are errors of the result: llama.cpp keeps more of the head. */
    if (shape->is_head)
        return shape->width % ifm_dtype_block(base) != 0 || base == IFM_DTYPE_Q8_0
                   ? IFM_DTYPE_Q8_0
                   : IFM_DTYPE_Q6_K;
    int layer;
    char part[32], end[16];
    if (sscanf(shape->name, "blk.%d.%31[^.].%15s", &layer, part, end) != 3)
        return base;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rule_fits(&rules[i], mix->name, part, layer, shape->n_layer))
            return rules[i].dtype;
    return base;
}

ifm_dtype ifm_convert_fitting(ifm_dtype wanted, int64_t width)
{
    if (width % ifm_dtype_block(wanted) == 0)
        return wanted;
    ifm_dtype instead;
    switch (wanted) {
    case IFM_DTYPE_Q2_K: /* llama.cpp: IQ4_NL, as many bits as q4_0 */
    case IFM_DTYPE_Q3_K:
        instead = IFM_DTYPE_Q4_0;
        break;
    case IFM_DTYPE_Q4_K:
        instead = IFM_DTYPE_Q5_0;
        break;
    case IFM_DTYPE_Q5_K:
        instead = IFM_DTYPE_Q5_1;
        break;
    default:
        instead = IFM_DTYPE_Q8_0;
        break;
    }
    return width % ifm_dtype_block(instead) == 0 ? instead : IFM_DTYPE_F16;
}
