#!/usr/bin/env python3
"""Writes fuzz/corpus/gguf_model: models of a few numbers in GGUF files, one a family and
one each for what they may have beside it, and some whose metadata lies.

    python3 fuzz/make_gguf_model.py
"""
import pathlib
import struct

from make_gguf import F32, STRING, U32, key, tensor

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus" / "gguf_model"
WIDTH, HEADS, KV_HEADS, INNER, VOCABULARY, POSITIONS = 4, 2, 1, 6, 3, 8


def metadata(architecture, changes):
    norm = "layer_norm_epsilon" if architecture == "gpt2" else "layer_norm_rms_epsilon"
    keys = {
        "block_count": (U32, 1),
        "context_length": (U32, POSITIONS),
        "embedding_length": (U32, WIDTH),
        "feed_forward_length": (U32, INNER),
        "attention.head_count": (U32, HEADS),
        f"attention.{norm}": (F32, 1e-5),
    }
    if architecture != "gpt2":
        keys["attention.head_count_kv"] = (U32, KV_HEADS)
    keys |= changes
    out = [key("general.architecture", STRING, architecture)]
    out += [key(f"{architecture}.{name}", *what) for name, what in keys.items()]
    out.append(key("tokenizer.ggml.eos_token_id", U32, 2))
    return out


def llama_tensors(biases=False, norms=False, head=False, factors=False):
    d = WIDTH // HEADS
    kv = KV_HEADS * d
    out = {
        "token_embd.weight": (WIDTH, VOCABULARY),
        "output_norm.weight": (WIDTH,),
        "blk.0.attn_norm.weight": (WIDTH,),
        "blk.0.attn_q.weight": (WIDTH, WIDTH),
        "blk.0.attn_k.weight": (WIDTH, kv),
        "blk.0.attn_v.weight": (WIDTH, kv),
        "blk.0.attn_output.weight": (WIDTH, WIDTH),
        "blk.0.ffn_norm.weight": (WIDTH,),
        "blk.0.ffn_gate.weight": (WIDTH, INNER),
        "blk.0.ffn_up.weight": (WIDTH, INNER),
        "blk.0.ffn_down.weight": (INNER, WIDTH),
    }
    if biases:
        out |= {"blk.0.attn_q.bias": (WIDTH,), "blk.0.attn_k.bias": (kv,)}
        out |= {"blk.0.attn_v.bias": (kv,)}
    if norms:
        out |= {"blk.0.attn_q_norm.weight": (d,), "blk.0.attn_k_norm.weight": (d,)}
    if head:
        out["output.weight"] = (WIDTH, VOCABULARY)
    if factors:
        out["rope_freqs.weight"] = (d // 2,)
    return out


def gpt2_tensors():
    out = {"token_embd.weight": (WIDTH, VOCABULARY)}
    out["position_embd.weight"] = (WIDTH, POSITIONS)
    parts = {
        "attn_qkv": (WIDTH, 3 * WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_up": (WIDTH, INNER),
        "ffn_down": (INNER, WIDTH),
        "attn_norm": (WIDTH,),
        "ffn_norm": (WIDTH,),
    }
    for name, sizes in parts.items():
        out |= {f"blk.0.{name}.weight": sizes, f"blk.0.{name}.bias": sizes[-1:]}
    return out | {"output_norm.weight": (WIDTH,), "output_norm.bias": (WIDTH,)}


def image(keys, tensors):
    infos, data = b"", b""
    for i, (name, sizes) in enumerate(tensors.items()):
        infos += tensor(name, sizes, 0, len(data))
        n = 1
        for size in sizes:
            n *= size
        data += b"".join(struct.pack("<f", 0.1 * ((i + j) % 7 - 3)) for j in range(n))
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys)
    head += infos
    return head + bytes(-len(head) % 32) + data


def main():
    CORPUS.mkdir(parents=True, exist_ok=True)
    files = {
        "gpt2": ("gpt2", {}, gpt2_tensors()),
        "llama": ("llama", {}, llama_tensors()),
        "llama3": ("llama", {}, llama_tensors(head=True, factors=True)),
        "mistral": ("llama", {"attention.sliding_window": (U32, 2)}, llama_tensors()),
        "qwen2": ("qwen2", {}, llama_tensors(biases=True)),
        "qwen3": ("qwen3", {"attention.key_length": (U32, 2)}, llama_tensors(norms=True)),
        "linear": (
            "llama",
            {"rope.scaling.type": (STRING, "linear"), "rope.scaling.factor": (F32, 2.0)},
            llama_tensors(),
        ),
        "yarn": ("llama", {"rope.scaling.type": (STRING, "yarn")}, llama_tensors()),
        "experts": ("llama", {"expert_count": (U32, 8)}, llama_tensors()),
        "many_layers": ("llama", {"block_count": (U32, 1024)}, llama_tensors()),
        "wide_heads": ("llama", {"attention.key_length": (U32, 65536)}, llama_tensors()),
        "long_context": ("llama", {"context_length": (U32, 1 << 24)}, llama_tensors()),
        "other_family": ("falcon", {}, llama_tensors()),
    }
    for name, (architecture, changes, tensors) in files.items():
        (CORPUS / name).write_bytes(image(metadata(architecture, changes), tensors))


if __name__ == "__main__":
    main()
