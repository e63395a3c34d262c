/* What files call the parts of a model. */
#include "model/bind.h"

/* GPT-2's own names and layout: its Conv1D keeps matrices as [in, out]. The prefix is
 * lacking where the bare model was saved. */
const ifm_names ifm_names_gpt2 = {
    .prefix = "transformer.",
    .layers = "h.",
    .layout = IFM_LAYOUT_KN,
    .parts =
        {
            [IFM_PART_EMBEDDING] = "wte",
            [IFM_PART_POSITIONS] = "wpe",
            [IFM_PART_NORM] = "ln_f",
            [IFM_PART_HEAD] = "lm_head",
            [IFM_PART_ATTN_NORM] = "ln_1",
            [IFM_PART_QKV] = "attn.c_attn",
            [IFM_PART_O] = "attn.c_proj",
            [IFM_PART_MLP_NORM] = "ln_2",
            [IFM_PART_UP] = "mlp.c_fc",
            [IFM_PART_DOWN] = "mlp.c_proj",
        },
};

const ifm_names ifm_names_llama = {
    .prefix = "model.",
    .layers = "layers.",
    .layout = IFM_LAYOUT_NK,
    .parts =
        {
            [IFM_PART_EMBEDDING] = "embed_tokens",
            [IFM_PART_NORM] = "norm",
            [IFM_PART_HEAD] = "lm_head",
            [IFM_PART_ATTN_NORM] = "input_layernorm",
            [IFM_PART_Q] = "self_attn.q_proj",
            [IFM_PART_K] = "self_attn.k_proj",
            [IFM_PART_V] = "self_attn.v_proj",
            [IFM_PART_Q_NORM] = "self_attn.q_norm",
            [IFM_PART_K_NORM] = "self_attn.k_norm",
            [IFM_PART_O] = "self_attn.o_proj",
            [IFM_PART_MLP_NORM] = "post_attention_layernorm",
            [IFM_PART_GATE] = "mlp.gate_proj",
            [IFM_PART_UP] = "mlp.up_proj",
            [IFM_PART_DOWN] = "mlp.down_proj",
        },
};

/* The same words for every family. */
const ifm_names ifm_names_gguf = {
    .prefix = "",
    .layers = "blk.",
    .layout = IFM_LAYOUT_NK,
    .parts =
        {
            [IFM_PART_EMBEDDING] = "token_embd",
            [IFM_PART_POSITIONS] = "position_embd",
            [IFM_PART_NORM] = "output_norm",
            [IFM_PART_HEAD] = "output",
            [IFM_PART_FACTORS] = "rope_freqs",
            [IFM_PART_ATTN_NORM] = "attn_norm",
            [IFM_PART_QKV] = "attn_qkv",
            [IFM_PART_Q] = "attn_q",
            [IFM_PART_K] = "attn_k",
            [IFM_PART_V] = "attn_v",
            [IFM_PART_Q_NORM] = "attn_q_norm",
            [IFM_PART_K_NORM] = "attn_k_norm",
            [IFM_PART_O] = "attn_output",
            [IFM_PART_MLP_NORM] = "ffn_norm",
            [IFM_PART_GATE] = "ffn_gate",
            [IFM_PART_UP] = "ffn_up",
            [IFM_PART_DOWN] = "ffn_down",
        },
};
