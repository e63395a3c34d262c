"""Makes the GGUF files that the engine's tests read, and what Transformers computes from
exactly the weights that are in them.

Small models of random weights as in make_gpt2.py and make_llama_family.py. Matrices are
quantized with the gguf package and read back by it; Transformers gets what came out, in
f32. Files of the architecture "llama" have the rows of queries and keys permuted, so that
pairs that turn together lie side by side.

    pip install torch transformers gguf
    python tests/reference/make_gguf_models.py            # all cases
    python tests/reference/make_gguf_models.py qwen3      # some of them
"""

import shutil
import sys
import zlib

import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as T
from gguf import GGUFWriter, quants
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

import make_gpt2
import make_llama_family
from make_gpt2 import GREEDY_TOKENS, HERE, answer, write

CONTEXT = 96
GPT2 = dict(n_embd=64, n_head=4, n_layer=2, n_positions=CONTEXT, vocab_size=160)
LLAMA = dict(
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=CONTEXT,
    vocab_size=160,
)
LLAMA3 = make_llama_family.LLAMA3
LINEAR = make_llama_family.LINEAR

# name: (architecture, configuration, types: of the embedding, the head, and, in turn, of the
# matrices of the layers)
CASES = {
    "gpt2": ("gpt2", GPT2Config(**GPT2), [T.Q8_0, None, T.Q4_0, T.Q8_0]),
    "llama": (
        "llama",
        LlamaConfig(**LLAMA | dict(tie_word_embeddings=True)),
        [T.Q8_0, None, T.Q4_1],
    ),
    "llama3": (
        "llama",
        LlamaConfig(**LLAMA | dict(head_dim=32, rope_parameters=LLAMA3)),
        [T.F16, T.F32, T.F32],
    ),
    "llama_biases": (
        "llama",
        LlamaConfig(**LLAMA | dict(attention_bias=True, mlp_bias=True)),
        [T.BF16, T.Q5_1, T.Q8_0, T.Q5_1, T.Q4_1, T.Q5_0, T.Q4_0],
    ),
    "mistral": (
        "llama",
        MistralConfig(**LLAMA | dict(sliding_window=20, rope_parameters=LINEAR)),
        [T.F32, T.Q8_0, T.Q8_0],
    ),
    "qwen2": (
        "qwen2",
        Qwen2Config(**LLAMA | dict(tie_word_embeddings=True)),
        [T.Q5_0, None, T.Q5_0, T.Q5_1],
    ),
    "qwen3": (
        "qwen3",
        Qwen3Config(**LLAMA | dict(head_dim=24)),
        [T.Q4_0, T.Q8_0, T.Q4_0],
    ),
}

GPT2_NAMES = {
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "transformer.h": "blk",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
LLAMA_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers": "blk",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    for theirs, ours in (GPT2_NAMES | LLAMA_NAMES).items():
        name = name.replace(theirs, ours)
    return name


def interleave(rows, heads):
    """(i, i + D/2) of each head become neighbours."""
    d = rows.shape[0] // heads
    halves = rows.reshape(heads, 2, d // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def separate(rows, heads):
    d = rows.shape[0] // heads
    pairs = rows.reshape(heads, d // 2, 2, *rows.shape[1:])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def heads_of(config, architecture, name):
    if architecture == "llama" and ".attn_q." in name:
        return config.num_attention_heads
    if architecture == "llama" and ".attn_k." in name:
        return config.num_key_value_heads
    return 0


def divisors(config):
    """What frequencies are divided by, as rope_freqs.weight has it."""
    rope = config.rope_parameters
    half = config.head_dim // 2
    waves = 2 * np.pi * rope["rope_theta"] ** (np.arange(half) / half)
    original = rope["original_max_position_embeddings"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = ((original / waves - low) / (high - low)).clip(0, 1)
    return (1 / ((1 - smooth) / rope["factor"] + smooth)).astype(np.float32)


def add_metadata(writer, architecture, config):
    def number(key, value):
        writer.add_uint32(f"{architecture}.{key}", value)

    number("vocab_size", config.vocab_size)
    number("context_length", CONTEXT)
    number("embedding_length", config.hidden_size)
    number("block_count", config.num_hidden_layers)
    number("attention.head_count", config.num_attention_heads)
    writer.add_tokenizer_model("none")
    writer.add_uint32("tokenizer.ggml.bos_token_id", 1)
    writer.add_uint32("tokenizer.ggml.eos_token_id", 2)
    if architecture == "gpt2":
        number("feed_forward_length", 4 * config.n_embd)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    number("feed_forward_length", config.intermediate_size)
    number("attention.head_count_kv", config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    head_dim = getattr(config, "head_dim", None)
    if head_dim:
        number("attention.key_length", head_dim)
        number("attention.value_length", head_dim)
        number("rope.dimension_count", head_dim)
    if config.rope_parameters["rope_type"] == "linear":
        writer.add_string(f"{architecture}.rope.scaling.type", "linear")
        writer.add_float32(
            f"{architecture}.rope.scaling.factor", config.rope_parameters["factor"]
        )
    if getattr(config, "sliding_window", None):
        number("attention.sliding_window", config.sliding_window)


@torch.no_grad()
def store(model, architecture, types, path):
    """Writes the file, and puts into the model what the file holds."""
    config = model.config
    writer = GGUFWriter(path, architecture)
    add_metadata(writer, architecture, config)
    embedding, head, *layers = types
    n_matrices = 0
    if getattr(config, "rope_parameters", {}) and "factor" in config.rope_parameters:
        if config.rope_parameters["rope_type"] == "llama3":
            writer.add_tensor("rope_freqs.weight", divisors(config))
    for name, weight in model.named_parameters():
        target = gguf_name(name)
        data = weight.numpy()
        is_conv = architecture == "gpt2" and ".h." in name and data.ndim == 2
        heads = heads_of(config, architecture, target)
        if is_conv:
            data = data.T
        if heads:
            data = interleave(data, heads)
        kind = T.F32
        if data.ndim == 2 and target == "token_embd.weight":
            kind = embedding
        elif data.ndim == 2 and target == "output.weight":
            kind = head
        elif data.ndim == 2 and target != "position_embd.weight":
            kind = layers[n_matrices % len(layers)]
            n_matrices += 1
        packed = quants.quantize(np.ascontiguousarray(data), kind)
        writer.add_tensor(target, packed, raw_dtype=kind)
        back = quants.dequantize(packed, kind)
        if heads:
            back = separate(back, heads)
        weight.copy_(torch.from_numpy(np.array(back.T if is_conv else back)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_case(name):
    architecture, config, types = CASES[name]
    seed = zlib.crc32(f"gguf {name}".encode())
    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        kind = make_gpt2 if architecture == "gpt2" else make_llama_family
        kind.fill(model, generator)
    directory = HERE / "gguf_models" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    store(model, architecture, types, directory / "model.gguf")
    (directory / "model.gguf").chmod(0o644)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    model.eval()
    prompts = [
        torch.randint(config.vocab_size, (n,), generator=generator).tolist()
        for n in [1, 2, 6, 17, 64, CONTEXT - GREEDY_TOKENS + 1, CONTEXT]
    ]
    records = [
        answer(model, ids, min(GREEDY_TOKENS, CONTEXT - len(ids) + 1)) for ids in prompts
    ]
    write(directory / "reference.json", model, records)
    spread = torch.tensor(records[-1]["last_logprobs"]).std()
    size = sum(f.stat().st_size for f in directory.iterdir())
    print(f"{name:14} {size / 1e3:6.0f} kB  logit spread {spread:.1f}")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.use_deterministic_algorithms(True)
    for wanted in sys.argv[1:] or CASES:
        make_case(wanted)
