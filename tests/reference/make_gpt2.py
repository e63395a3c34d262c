"""Makes the references that the engine's tests of the GPT-2 family compare with.

Each case is a small checkpoint of random weights, seeded by its name, and what
Transformers computes from the files as they were stored. README.md beside this file
describes reference.json.

    python tests/reference/make_gpt2.py            # all cases and counting.json
    python tests/reference/make_gpt2.py bf16       # some of them
"""

import json
import math
import shutil
import sys
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

HERE = Path(__file__).resolve().parent
COUNTING = HERE.parents[1] / "models" / "counting"
GREEDY_TOKENS = 16

BASE = dict(n_embd=48, n_head=3, n_layer=2, n_positions=96, vocab_size=500)

# name: (configuration over BASE, how the files are written)
CASES = {
    "plain": (dict(), {}),
    "odd_sizes": (dict(n_embd=40, n_head=5, vocab_size=997, n_inner=72, n_layer=3), {}),
    "gelu": (dict(activation_function="gelu"), {}),
    "relu": (dict(activation_function="relu"), {}),
    "inverse_layer": (
        dict(scale_attn_by_inverse_layer_idx=True, n_layer=4, n_embd=32, n_head=2),
        {},
    ),
    "one_layer": (dict(n_layer=1), {}),
    "long_context": (dict(n_positions=600, n_embd=32, n_head=2, vocab_size=300), {}),
    "bf16": (dict(n_embd=64, n_head=4), dict(dtype=torch.bfloat16)),
    "f16": (dict(n_embd=64, n_head=4), dict(dtype=torch.float16)),
    "bf16_odd": (
        dict(n_embd=42, n_head=2, n_inner=101, vocab_size=331),
        dict(dtype=torch.bfloat16),
    ),
    "f16_odd": (
        dict(n_embd=42, n_head=2, n_inner=101, vocab_size=331),
        dict(dtype=torch.float16),
    ),
    "bare_names": (dict(n_embd=32, n_head=2), dict(bare=True, masks=True)),
    "sharded": (dict(n_layer=3), dict(shards=3)),
    "untied": (dict(tie_word_embeddings=False, vocab_size=401), {}),
    "one_head": (dict(n_head=1), {}),
    "head_width_33": (dict(n_embd=66, n_head=2, vocab_size=300), {}),
    "epsilon": (dict(layer_norm_epsilon=0.03), {}),
}


def fill(model, generator):
    """Weights under which every part of the model moves the result; logits spread by 3.

    The embedding is small beside what the layers add, or a tied head would repeat its
    input.
    """

    def normal(tensor, std, mean=0.0):
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * std + mean)

    width = model.config.n_embd
    for name, weight in model.named_parameters():
        if name.endswith("ln_f.weight"):
            normal(weight, 0.5, 2.5)
        elif ".ln_" in name and name.endswith("weight"):
            normal(weight, 0.2, 1.0)
        elif name.endswith("bias"):
            normal(weight, 0.15)
        elif "c_proj" in name:
            normal(weight, 1.5 / math.sqrt(weight.shape[0]))
        elif "wpe" in name:
            normal(weight, 0.5)
        else:
            normal(weight, 1.2 / math.sqrt(width))


def stored_tensors(model, dtype=torch.float32, bare=False, masks=False, shards=1):
    """The tensors as (file, name -> tensor), as published checkpoints differ in it."""
    tensors = {
        n: t.to(dtype).contiguous().clone()
        for n, t in model.state_dict().items()
        if n != "lm_head.weight" or not model.config.tie_word_embeddings
    }
    if masks:  # older checkpoints hold the causal mask and the value that it masks with
        positions = model.config.n_positions
        causal = torch.ones(1, 1, positions, positions).tril()
        for layer in range(model.config.n_layer):
            attention = f"transformer.h.{layer}.attn."
            tensors[attention + "bias"] = causal.bool() if layer % 2 else causal.clone()
            tensors[attention + "masked_bias"] = torch.tensor(-1e4)
    if bare:
        tensors = {
            name.removeprefix("transformer.").removeprefix("model."): tensor for name, tensor in tensors.items()
        }
    names = sorted(tensors)
    for i in range(shards):
        file = (
            f"model-{i + 1:05}-of-{shards:05}.safetensors"
            if shards > 1
            else "model.safetensors"
        )
        yield file, {name: tensors[name] for name in names[i::shards]}


def store(model, directory, **how):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    model.config.dtype = how.get("dtype", torch.float32)
    model.config.save_pretrained(directory)
    where, total = {}, 0
    for file, tensors in stored_tensors(model, **how):
        save_file(tensors, directory / file, metadata={"format": "pt"})
        (directory / file).chmod(0o644)
        where |= {name: file for name in tensors}
        total += sum(t.numel() * t.element_size() for t in tensors.values())
    if how.get("shards", 1) > 1:
        index = {
            "metadata": {"total_size": total},
            "weight_map": dict(sorted(where.items())),
        }
        (directory / "model.safetensors.index.json").write_text(
            json.dumps(index, indent=2) + "\n"
        )


def rounded(values):
    return [round(v, 6) for v in values.double().tolist()]


@torch.no_grad()
def answer(model, ids, new_tokens, top=None):
    """What the model says to one prompt; `top`: only the best of the last position."""
    prompt = torch.tensor([ids])
    logprobs = model(prompt).logits[0].log_softmax(-1)
    record = {
        "ids": ids,
        "next_logprobs": rounded(logprobs[:-1].gather(1, prompt[0, 1:, None])[:, 0]),
    }
    if top:
        best = logprobs[-1].topk(top)
        record |= {
            "last_top_ids": best.indices.tolist(),
            "last_top_logprobs": rounded(best.values),
        }
    else:
        record["last_logprobs"] = rounded(logprobs[-1])
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=new_tokens,
        output_logits=True,
        return_dict_in_generate=True,
    )
    best = torch.cat(out.logits).log_softmax(-1).topk(2).values
    record["greedy_ids"] = out.sequences[0, len(ids) :].tolist()
    record["greedy_logprobs"] = rounded(best[:, 0])
    record["greedy_margins"] = rounded(best[:, 0] - best[:, 1])
    return record


def load(directory, dtype=torch.float32):
    """The stored 16-bit weights are widened, not the computation narrowed."""
    model, info = GPT2LMHeadModel.from_pretrained(
        directory, dtype=dtype, attn_implementation="eager", output_loading_info=True
    )
    unknown = {
        key
        for key in info["unexpected_keys"]
        if not key.endswith(("attn.bias", "masked_bias"))
    }
    assert not info["missing_keys"] and not unknown, info
    model.generation_config.eos_token_id = None  # the continuation never stops early
    model.generation_config.pad_token_id = 0
    return model.eval()


def write(path, model, records):
    head = {
        "made_with": {
            "transformers": transformers.__version__,
            "torch": torch.__version__,
        },
        "vocab_size": model.config.vocab_size,
    }
    prompts = ",\n".join(
        json.dumps(r, separators=(",", ":"), ensure_ascii=False) for r in records
    )
    path.write_text(json.dumps(head)[:-1] + ',\n"prompts": [\n' + prompts + "\n]}\n")


@torch.no_grad()
def noise(directory, prompts):
    """How far f32 itself is from f64: what no tolerance can be tighter than."""
    f32, f64 = load(directory), load(directory, torch.float64)
    return max(
        (
            f32(torch.tensor([ids])).logits.double().log_softmax(-1)
            - f64(torch.tensor([ids])).logits.log_softmax(-1)
        )
        .abs()
        .max()
        .item()
        for ids in prompts
    )


def make_case(name):
    options, how = CASES[name]
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    config = GPT2Config(**(BASE | options))
    config.bos_token_id = config.eos_token_id = config.vocab_size - 1
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        fill(model, generator)
    directory = HERE / "gpt2" / name
    store(model, directory, **how)

    model, context = load(directory), config.n_positions
    lengths = [1, 2, 6, 17, 64, context - GREEDY_TOKENS + 1, context]
    prompts = [
        torch.randint(config.vocab_size, (n,), generator=generator).tolist()
        for n in lengths
    ]
    # The last new token is never fed back: a full context has one answer.
    records = [
        answer(model, ids, min(GREEDY_TOKENS, context - len(ids) + 1)) for ids in prompts
    ]
    write(directory / "reference.json", model, records)

    spread = torch.tensor(records[-1]["last_logprobs"]).std()
    kinds = len({i for r in records for i in r["greedy_ids"]})
    margin = min(m for r in records for m in r["greedy_margins"])
    size = sum(f.stat().st_size for f in directory.iterdir())
    print(
        f"{name:16} {size / 1e3:6.0f} kB  logit spread {spread:.1f}  {kinds} greedy ids, "
        f"least margin {margin:.4f}  f32 noise {noise(directory, prompts):.1e}"
    )


def make_counting():
    """The bundled model: the README's prompt, some others, and ids never learned."""
    tokenizer = GPT2Tokenizer(str(COUNTING / "vocab.json"), str(COUNTING / "merges.txt"))
    model = load(COUNTING)
    texts = [
        "An increasing sequence: one,",
        "One, two, three,",
        "1, 2, 3,",
        "Monday, Tuesday,",
        "A decreasing sequence: ten,",
        "Count for me: one,",
    ]
    prompts = [tokenizer.encode(text) for text in texts]
    generator = torch.Generator().manual_seed(1)
    prompts += [
        torch.randint(50257, (n,), generator=generator).tolist() for n in (64, 237)
    ]
    records = []
    for ids in prompts:
        record = answer(model, ids, 20, top=20)
        record["text"] = tokenizer.decode(ids)
        record["greedy_text"] = tokenizer.decode(record["greedy_ids"])
        records.append(record)
        print(
            f"counting  least log-prob {min(record['greedy_logprobs']):.4f}, "
            f"least margin {min(record['greedy_margins']):.2f}  {record['greedy_text']!r}"
        )
    print(f"counting  f32 noise {noise(COUNTING, prompts):.1e}")
    write(HERE / "counting.json", model, records)


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.use_deterministic_algorithms(True)
    for wanted in sys.argv[1:] or [*CASES, "counting"]:
        make_counting() if wanted == "counting" else make_case(wanted)
