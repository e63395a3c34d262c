"""Makes the references that the engine's tests of the Llama family compare with.

As make_gpt2.py, whose parts it uses: small checkpoints of random weights, seeded by their
names, and what Transformers computes from the files as they were stored.

    python tests/reference/make_llama_family.py            # all cases
    python tests/reference/make_llama_family.py qwen3      # some of them
"""

import json
import math
import sys
import zlib

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

import make_gpt2
from make_gpt2 import GREEDY_TOKENS, HERE, answer, store, write

BASE = dict(
    hidden_size=48,
    intermediate_size=80,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=96,
    vocab_size=211,
)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=5000.0,
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=24,
)
LINEAR = dict(rope_type="linear", rope_theta=10000.0, factor=2.5)

# name: (class, configuration over BASE, how the files are written; form 4: config.json as
# Transformers 4 wrote it)
CASES = {
    "llama": (LlamaConfig, dict(num_key_value_heads=4), dict(form=4)),
    "llama_tied": (LlamaConfig, dict(tie_word_embeddings=True), {}),
    "llama_head_dim": (LlamaConfig, dict(head_dim=20, num_hidden_layers=3), {}),
    "llama_one_kv_head": (
        LlamaConfig,
        dict(num_attention_heads=3, num_key_value_heads=1, rms_norm_eps=0.03),
        dict(form=4),
    ),
    "llama3": (
        LlamaConfig,
        dict(num_attention_heads=6, head_dim=16, rope_parameters=LLAMA3),
        {},
    ),
    "llama3_form_4": (
        LlamaConfig,
        dict(rope_parameters=LLAMA3, tie_word_embeddings=True),
        dict(form=4),
    ),
    "llama_linear": (LlamaConfig, dict(rope_parameters=LINEAR), dict(form=4)),
    "llama_biases": (LlamaConfig, dict(attention_bias=True, mlp_bias=True), {}),
    "llama_bf16": (
        LlamaConfig,
        dict(hidden_size=64, head_dim=32),
        dict(dtype=torch.bfloat16, form=4),
    ),
    "llama_f16_odd": (
        LlamaConfig,
        dict(
            hidden_size=66,
            num_attention_heads=3,
            num_key_value_heads=3,
            intermediate_size=101,
            vocab_size=331,
        ),
        dict(dtype=torch.float16),
    ),
    "llama_sharded": (LlamaConfig, dict(num_hidden_layers=3), dict(shards=3)),
    "llama_bare_names": (LlamaConfig, dict(tie_word_embeddings=True), dict(bare=True)),
    "mistral": (
        MistralConfig,
        dict(num_attention_heads=3, num_key_value_heads=1, sliding_window=20),
        {},
    ),
    "mistral_form_4": (
        MistralConfig,
        dict(head_dim=16, sliding_window=None),
        dict(form=4, dtype=torch.bfloat16),
    ),
    "qwen2": (Qwen2Config, dict(tie_word_embeddings=True), dict(form=4)),
    "qwen2_sliding": (
        Qwen2Config,
        dict(
            num_hidden_layers=3,
            use_sliding_window=True,
            sliding_window=16,
            max_window_layers=1,
        ),
        {},
    ),
    "qwen3": (
        Qwen3Config,
        dict(head_dim=16, num_attention_heads=6, num_key_value_heads=2),
        {},
    ),
    "qwen3_form_4": (
        Qwen3Config,
        dict(
            head_dim=24,
            tie_word_embeddings=True,
            attention_bias=True,
            num_hidden_layers=3,
            use_sliding_window=True,
            sliding_window=24,
            max_window_layers=2,
        ),
        dict(form=4, dtype=torch.bfloat16),
    ),
}


def fill(model, generator):
    """Weights under which every part of the model moves the result; logits spread by 2-3."""

    def normal(tensor, std, mean=0.0):
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * std + mean)

    for name, weight in model.named_parameters():
        if name == "model.norm.weight":
            normal(weight, 0.5, 2.5)
        elif name.endswith("norm.weight"):
            normal(weight, 0.2, 1.0)
        elif name.endswith("bias"):
            normal(weight, 0.3)
        elif "q_proj" in name or "k_proj" in name:
            normal(weight, 1.8 / math.sqrt(weight.shape[1]))
        elif "o_proj" in name or "down_proj" in name:
            normal(weight, 2.0 / math.sqrt(weight.shape[1]))
        else:
            normal(weight, 1.2 / math.sqrt(model.config.hidden_size))


def to_form_4(directory):
    """Rewrites config.json as Transformers 4 did: the same model under other keys."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    kind = rope.get("rope_type")
    if kind == "linear":  # older still
        rope["type"] = rope.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    config["transformers_version"] = "4.40.0"
    path.write_text(json.dumps(dict(sorted(config.items())), indent=2) + "\n")


def load(directory, dtype=torch.float32):
    """The stored 16-bit weights are widened, not the computation narrowed."""
    model, info = AutoModelForCausalLM.from_pretrained(
        directory, dtype=dtype, attn_implementation="eager", output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    model.generation_config.eos_token_id = None  # the continuation never stops early
    model.generation_config.pad_token_id = 0
    return model.eval()


def make_case(name):
    kind, options, how = CASES[name]
    how = dict(how)
    form = how.pop("form", 5)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    config = kind(**(BASE | options))
    config.bos_token_id, config.eos_token_id = 1, 2
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        fill(model, generator)
    directory = HERE / "llama" / name
    store(model, directory, **how)
    if form == 4:
        to_form_4(directory)

    model, context = load(directory), config.max_position_embeddings
    lengths = [1, 2, 6, 17, 64, context - GREEDY_TOKENS + 1, context]
    prompts = [
        torch.randint(config.vocab_size, (n,), generator=generator).tolist()
        for n in lengths
    ]
    records = [
        answer(model, ids, min(GREEDY_TOKENS, context - len(ids) + 1)) for ids in prompts
    ]
    write(directory / "reference.json", model, records)

    spread = torch.tensor(records[-1]["last_logprobs"]).std()
    kinds = len({i for r in records for i in r["greedy_ids"]})
    size = sum(f.stat().st_size for f in directory.iterdir())
    print(
        f"{name:18} {size / 1e3:6.0f} kB  logit spread {spread:.1f}  {kinds} greedy ids  "
        f"f32 noise {make_gpt2.noise(directory, prompts):.1e}"
    )


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.use_deterministic_algorithms(True)
    make_gpt2.load = load
    for wanted in sys.argv[1:] or CASES:
        make_case(wanted)
