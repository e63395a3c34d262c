#!/usr/bin/env python3
"""Writes fuzz/corpus/gguf: small GGUF files, good ones and hostile ones, one a lie.

    python3 fuzz/make_gguf.py

The format is described at the top of src/format/gguf.c. Only the standard library is used;
the same bytes come out each time.
"""
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus" / "gguf"
U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B",
           U64: "Q", I64: "q", F64: "d"}
HUGE = 1 << 60


def text(value, length=None):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data) if length is None else length) + data


def value(kind, what):
    if kind == STRING:
        return text(what)
    if kind == ARRAY:
        element, items = what
        return struct.pack("<IQ", element, len(items)) + b"".join(
            value(element, item) for item in items)
    return struct.pack("<" + FORMATS[kind], what)


def key(name, kind, what):
    return text(name) + struct.pack("<I", kind) + value(kind, what)


def tensor(name, sizes, kind, offset):
    return text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def file(keys=(), tensors=(), data=0, version=3, n_keys=None, n_tensors=None, alignment=32):
    head = b"GGUF" + struct.pack("<IQQ", version,
                                 len(tensors) if n_tensors is None else n_tensors,
                                 len(keys) if n_keys is None else n_keys)
    head += b"".join(keys) + b"".join(tensors)
    if data:
        head += bytes(-len(head) % alignment) + bytes(i % 251 for i in range(data))
    return head


TOKENIZER = [
    key("general.architecture", STRING, "llama"),
    key("llama.block_count", U32, 1),
    key("llama.rope.freq_base", F32, 10000.0),
    key("tokenizer.ggml.model", STRING, "gpt2"),
    key("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "ab", "<s>"])),
    key("tokenizer.ggml.token_type", ARRAY, (I32, [1, 1, 1, 3])),
    key("tokenizer.ggml.scores", ARRAY, (F32, [0.0, -1.0, -2.0, 0.0])),
    key("tokenizer.ggml.merges", ARRAY, (STRING, ["a b"])),
    key("tokenizer.ggml.add_bos_token", BOOL, 1),
    key("tokenizer.ggml.bos_token_id", U32, 3),
]
ONE = [tensor("t", [256, 2], 12, 0)]  # q4_K
BLOCKS = {"f32": (0, 1, 4), "f16": (1, 1, 2), "q4_0": (2, 32, 18), "q4_1": (3, 32, 20),
          "q5_0": (6, 32, 22), "q5_1": (7, 32, 24), "q8_0": (8, 32, 34),
          "q2_K": (10, 256, 84), "q3_K": (11, 256, 110), "q4_K": (12, 256, 144),
          "q5_K": (13, 256, 176), "q6_K": (14, 256, 210), "bf16": (30, 1, 2)}


def every_type():
    tensors, at = [], 0
    for name, (number, block, n_bytes) in BLOCKS.items():
        tensors.append(tensor(name, [block], number, at))
        at += -(-n_bytes // 32) * 32
    return file([], tensors, at)


def files():
    whole = file(TOKENIZER, ONE, 288)
    yield "whole", whole
    yield "version_2", file(TOKENIZER, ONE, 288, version=2)
    yield "empty", file()
    yield "every_type", every_type()
    yield "every_value", file([key(f"k{k}", k, 1) for k in FORMATS] + [
        key("strings", ARRAY, (STRING, ["", "x", "\u00e9"])),
        key("none", ARRAY, (STRING, []))] + [
        key(f"a{k}", ARRAY, (k, [0, 1])) for k in FORMATS])
    yield "alignment_64", file([key("general.alignment", U32, 64)], ONE, 288, alignment=64)
    yield "split", file([key("split.no", U16, 0), key("split.count", U16, 3)], ONE, 288)
    yield "left_out", file([], [tensor("t", [256], 23, 0)], 136)
    yield "four_dimensions", file([], [tensor("t", [2, 3, 4, 5], 0, 0)], 480)

    for n in (0, 3, 4, 8, 23, 100, len(whole) - 1):
        yield f"cut_{n}", whole[:n]
    yield "magic", b"GGML" + whole[4:]
    yield "version_1", file(version=1)
    yield "version_4", file(version=4)
    yield "big_endian", b"GGUF" + struct.pack(">IQQ", 3, 1, 1)
    yield "huge_counts", file(n_keys=HUGE, n_tensors=HUGE)
    yield "many_keys", file(n_keys=65536)
    yield "many_tensors", file(n_tensors=65536)
    yield "huge_key", file([text("k", HUGE)])
    yield "wrapping_key", file([text("k", (1 << 64) - 8)])
    yield "empty_key", file([key("", U8, 1)])
    yield "bad_key", file([key(b"\xff\xc0", U8, 1)])
    yield "nul_key", file([key(b"a\0b", U8, 1)])
    yield "same_key", file([key("k", U8, 1), key("k", U8, 2)])
    yield "unknown_value", file([text("k") + struct.pack("<IQ", 13, 0)])
    yield "truth_2", file([key("k", BOOL, 2)])
    yield "huge_string", file([text("k") + struct.pack("<I", STRING) + text("x", HUGE)])
    for name, kind, n in (("huge_array", F64, HUGE), ("wrapping_array", F64, (1 << 61) + 1),
                          ("huge_strings", STRING, HUGE), ("wrapping_strings", STRING, 2),
                          ("unknown_array", 99, 1), ("many_bytes", U8, (1 << 64) - 1)):
        yield name, file([text("k") + struct.pack("<IIQ", ARRAY, kind, n) +
                          text("x", (1 << 64) - 9) + bytes(16)])
    nested = b"".join(struct.pack("<IQ", ARRAY, 1) for _ in range(1000))
    yield "nested", file([text("k") + struct.pack("<I", ARRAY) + nested])
    for n in (0, 3, 24, 1 << 31):
        yield f"alignment_{n}_bad", file([key("general.alignment", U32, n)], ONE, 288)
    yield "alignment_text", file([key("general.alignment", STRING, "32")], ONE, 288)
    yield "alignment_negative", file([key("general.alignment", I32, -32)], ONE, 288)
    for name, what, data in (
            ("past_the_end", tensor("t", [256, 3], 12, 0), 288),
            ("far", tensor("t", [256, 2], 12, (1 << 64) - 32), 288),
            ("off_alignment", tensor("t", [256], 12, 4), 288),
            ("part_of_a_block", tensor("t", [48, 2], 2, 0), 288),
            ("overflow", tensor("t", [1 << 32, 1 << 32], 0, 0), 64),
            ("overflow_to_0", tensor("t", [1 << 32, 1 << 31, 2], 0, 0), 64),
            ("overflow_bytes", tensor("t", [1 << 62], 0, 0), 64),
            ("negative", tensor("t", [(1 << 64) - 32], 2, 0), 64),
            ("no_numbers", tensor("t", [0, HUGE], 0, 0), 64),
            ("scalar", tensor("t", [], 0, 0), 64),
            ("type_4", tensor("t", [32], 4, 0), 64),
            ("type_1000", tensor("t", [32], 1000, 0), 64),
            ("five_dimensions", tensor("t", [1] * 5, 0, 0), 64),
            ("huge_dimensions", text("t") + struct.pack("<I", 0xFFFFFFFF), 64),
            ("bad_name", tensor(b"\xed\xa0\x80", [8], 0, 0), 64),
            ("long_name", tensor("t" * 2000, [8], 0, 0), 64)):
        yield "tensor_" + name, file([], [what], data)
    yield "tensor_overlap", file([], [tensor("a", [16], 0, 0), tensor("b", [16], 0, 32)], 96)
    yield "tensor_same_place", file([], [tensor("a", [8], 0, 0), tensor("b", [8], 0, 0)], 96)
    yield "tensor_hole", file([], [tensor("a", [8], 0, 0), tensor("b", [8], 0, 64)], 96)


def main():
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, data in files():
        (CORPUS / name).write_bytes(data)


if __name__ == "__main__":
    main()
