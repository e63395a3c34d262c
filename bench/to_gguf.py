"""Writes a GPT-2 checkpoint as GGUF, for llama.cpp; needs numpy and the gguf package.

    python to_gguf.py DIRECTORY FILE.gguf

DIRECTORY holds config.json, model.safetensors, vocab.json and merges.txt. Weights keep their
type: matrices as they are, vectors and the positions as f32, as llama.cpp's own converter
writes them (which needs torch; this does not).
"""

import json
import pathlib
import sys

import gguf
import numpy as np

FILE_TYPES = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "BF16": gguf.LlamaFileType.MOSTLY_BF16,
}
STORED = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}  # numpy has no bf16: its bits


class Tensor:
    """One tensor of a safetensors file, mapped: its name, type ("BF16", …) and numbers."""

    def __init__(self, name, entry, data):
        begin, end = entry["data_offsets"]
        self.name = name.removeprefix("transformer.")
        self.dtype = entry["dtype"]
        self.numbers = data[begin:end].view(STORED[self.dtype]).reshape(entry["shape"])

    def as_f32(self):
        if self.dtype == "BF16":  # the upper half of an f32
            return (self.numbers.astype(np.uint32) << 16).view(np.float32)
        return self.numbers.astype(np.float32)


def read_safetensors(path):
    """Eight bytes of length, a JSON header, then the data that its offsets count from."""
    file = np.memmap(path, np.uint8, "r")
    start = 8 + int(file[:8].view("<u8")[0])
    header = json.loads(file[8:start].tobytes())
    header.pop("__metadata__", None)
    return [Tensor(name, entry, file[start:]) for name, entry in header.items()]


def add_tensor(writer, names, tensor):
    name = names.get_name(f"transformer.{tensor.name}", (".weight", ".bias"))
    if name is None:
        sys.exit(f"to_gguf: no place in GGUF for {tensor.name}")
    if tensor.numbers.ndim == 1 or tensor.name == "wpe.weight":
        writer.add_tensor(name, tensor.as_f32())
        return
    matrix = tensor.numbers
    if tensor.name.startswith("h."):  # Conv1D stores [in, out], ggml multiplies by [out, in]
        matrix = matrix.T
    matrix = np.ascontiguousarray(matrix)
    if tensor.dtype == "BF16":
        kind = gguf.GGMLQuantizationType.BF16
        writer.add_tensor(name, matrix.view(np.uint8), raw_dtype=kind)
    else:
        writer.add_tensor(name, matrix)


def add_config(writer, config, dtype):
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(config.get("n_inner") or 4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_file_type(FILE_TYPES[dtype])


def add_tokenizer(writer, directory, config):
    vocabulary = json.loads((directory / "vocab.json").read_text("utf-8"))
    merges = (directory / "merges.txt").read_text("utf-8").split("\n")
    end = config["eos_token_id"]
    types = [gguf.TokenType.NORMAL] * len(vocabulary)
    types[end] = gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(sorted(vocabulary, key=vocabulary.get))
    writer.add_token_types(types)
    writer.add_token_merges([line for line in merges if line and not line.startswith("#version")])
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    directory, out = map(pathlib.Path, sys.argv[1:])
    config = json.loads((directory / "config.json").read_text())
    tensors = read_safetensors(directory / "model.safetensors")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, config["n_layer"])
    writer = gguf.GGUFWriter(out, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.GPT2])
    writer.add_name(directory.name)
    add_config(writer, config, tensors[0].dtype)
    add_tokenizer(writer, directory, config)
    for tensor in tensors:
        add_tensor(writer, names, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
