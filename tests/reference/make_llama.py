"""Makes the references that llama.cpp is the judge of; make_llama.sh compiles what it runs.

    python make_llama.py CALCULATOR QUANTIZER smollm2 MODEL.gguf
    python make_llama.py CALCULATOR QUANTIZER gguf

README.md beside this file describes what it writes.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
THREADS = 2
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
TYPES = ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_K", "q3_K", "q4_K", "q5_K", "q6_K")


class Calculator:
    """llama.cpp behind pipes (llama_logits.c)."""

    def __init__(self, program, model, positions):
        command = [program, str(model), str(THREADS), str(positions)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.n_vocab, self.add_bos, self.bos, self.eos = map(int, self.read("<i4", 4))

    def read(self, kind, n):
        data = self.child.stdout.read(4 * n)
        if len(data) != 4 * n:
            sys.exit("make_llama: llama_logits ended early")
        return np.frombuffer(data, kind)

    def send(self, line):
        self.child.stdin.write(f"{line}\n".encode())
        self.child.stdin.flush()

    def tokens(self, text, special=True, parse=False):
        self.send(f"tokens {int(special)} {int(parse)} {text.encode().hex()}")
        return self.read("<i4", int(self.read("<i4", 1)[0])).tolist()

    def clear(self):
        self.send("clear")

    def eval(self, ids, start=0):
        """Logits [rows, V] after each of ids[start:], which are appended to the sequence."""
        self.send(f"eval {start} {','.join(map(str, ids))}")
        rows = len(ids) - start
        return self.read("<f4", rows * self.n_vocab).reshape(rows, -1).astype(np.float64)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def rounded(values):
    return [round(float(v), 6) for v in values]


def greedy(calculator, ids, n):
    """The likeliest continuation: ids, their log-probabilities, how far the second was."""
    calculator.clear()
    chosen, logprobs, margins = [], [], []
    row = calculator.eval(ids, len(ids) - 1)[0]
    while True:
        second, best = np.argsort(row)[-2:]
        chosen.append(int(best))
        logprobs.append(log_softmax(row)[best])
        margins.append(row[best] - row[second])
        if len(chosen) == n:
            break
        row = calculator.eval([chosen[-1]])[0]
    return {
        "greedy_ids": chosen,
        "greedy_logprobs": rounded(logprobs),
        "greedy_margins": rounded(margins),
    }


def write_json(path, document):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


SOURCE = "llama.cpp of llama-cpp-python 0.3.36"


# SmolLM2: what it answers, and how well it predicts a text.

PROMPTS = [
    "An increasing sequence: one,",
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n    ",
    "Water boils at",
    "The three laws of thermodynamics are",
    "Q: What is 17 + 25?\nA:",
    "#include <stdio.h>\n\nint main(void)\n{\n",
    "Dear Sir or Madam,\n\nI am writing to",
    "La tour Eiffel se trouve à",
    "1, 1, 2, 3, 5, 8, 13,",
    "SELECT name, age FROM users WHERE",
    "Roses are red,\nViolets are blue,",
    "A list of European countries:\n1. Germany\n2.",
    '{"name": "Ada", "born": 1815, "field":',
    "The meaning of life is",
    "In 1969, the first people landed on",
    "Ελλάδα είναι",
    "To make bread you need flour,",
    "x",
]
CHATS = [
    "What is gravity?",
    "Write a haiku about the sea.",
    "List three prime numbers.",
    "Who wrote Hamlet?",
]
CHATML = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
ANSWER = 32


def exact_margins(exact, ids, chosen):
    """By how much each chosen token beats the best other one where no activation is rounded to 8
    bits; below zero where another one would have been chosen."""
    exact.clear()
    logits = exact.eval(ids + chosen[:-1], len(ids) - 1)
    own = logits[np.arange(len(chosen)), chosen]
    logits[np.arange(len(chosen)), chosen] = -np.inf
    return rounded(own - logits.max(-1))


def make_greedy(calculator, exact, model):
    prompts = []
    for text in PROMPTS + [CHATML.format(text) for text in CHATS]:
        ids = calculator.tokens(text, parse=True)
        prompt = {"text": text, "ids": ids} | greedy(calculator, ids, ANSWER)
        prompt["exact_margins"] = exact_margins(exact, ids, prompt["greedy_ids"])
        prompts.append(prompt)
    sha256 = hashlib.sha256(pathlib.Path(model).read_bytes()).hexdigest()
    document = {"made_with": SOURCE, "model_sha256": sha256, "prompts": prompts}
    write_json(HERE / "smollm2" / "greedy.json", document)


def make_perplexity(calculator, n_ctx=512):
    """As llama-perplexity has it: whole chunks, the tokens after each one's middle scored; where
    the model wants a BOS, it stands in the place of a chunk's first token."""
    text = (HERE / "smollm2" / "text.txt").read_text("utf-8")
    ids = calculator.tokens(text)
    chunks = []
    for start in range(0, len(ids) - n_ctx + 1, n_ctx):
        chunk = ids[start : start + n_ctx]
        calculator.clear()
        first = [calculator.bos] if calculator.add_bos else chunk[:1]
        logprobs = log_softmax(calculator.eval(first + chunk[1:], n_ctx // 2))
        scored = chunk[n_ctx // 2 + 1 :]
        chunks.append(-logprobs[np.arange(len(scored)), scored])
    document = {
        "made_with": SOURCE,
        "n_ctx": n_ctx,
        "tokens": len(ids),
        "first_ids": ids[:64],
        "scored": sum(map(len, chunks)),
        "chunk_nll": rounded(c.mean() for c in chunks),
        "perplexity": round(float(np.exp(np.concatenate(chunks).mean())), 6),
    }
    write_json(HERE / "smollm2" / "perplexity.json", document)


def make_smollm2(program, quantizer, model):
    with tempfile.TemporaryDirectory() as temporary:
        dequantized = pathlib.Path(temporary) / "f32.gguf"
        subprocess.run([quantizer, model, dequantized, "f32"], check=True, **QUIET)
        calculator, exact = (Calculator(program, path, 2048) for path in (model, dequantized))
        make_greedy(calculator, exact, model)
        make_perplexity(calculator)
        calculator.close()
        exact.close()


# A tiny model of random weights in each type, and what it computes.

WIDTH, HEADS, KV_HEADS, HEAD_WIDTH, INNER, VOCABULARY = 256, 8, 2, 32, 256, 320
CONTEXT, EPSILON, ROPE_BASE = 128, 1e-5, 10000.0
PIECES = (
    "▁ e t a o i n s r h l d u c m f p g w y b v k x j q z , . ▁t he ▁a in ▁the er ▁s on re ▁o "
    "▁w at nd ▁c it is or ▁b ▁f es an ▁in ▁m ed en ing ▁to ▁of ▁p ▁d ou ▁and"
).split()
TEXTS = [
    "",
    " ",
    "  ",
    "the",
    " the",
    "the  the",
    "in the beginning, and",
    "The sea.",
    "\n",
    "a\nb\tc",
    "é ß 中文 🙂",
    "ththe▁the",
    "<s>the</s>",
    "thing of that and those in to on",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "e\u0301",
    "trailing ",
    "of,of.of",
    "0123456789",
    "x" * 70,
]


def tokenizer_of(writer):
    """SentencePiece's kind: bytes to fall back on, pieces whose order is their score."""
    kinds = gguf.TokenType
    tokens = [("<unk>", 0.0, kinds.UNKNOWN)]
    tokens += [(name, 0.0, kinds.CONTROL) for name in ("<s>", "</s>")]
    tokens += [(f"<0x{b:02X}>", 0.0, kinds.BYTE) for b in range(256)]
    tokens += [(piece, -float(i), kinds.NORMAL) for i, piece in enumerate(PIECES)]
    assert len(tokens) == VOCABULARY
    writer.add_tokenizer_model("llama")
    writer.add_token_list([t[0] for t in tokens])
    writer.add_token_scores([t[1] for t in tokens])
    writer.add_token_types([t[2] for t in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)


def write_f32(path, layers):
    random = np.random.default_rng(layers)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"random, {layers} layers")
    writer.add_block_count(layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    tokenizer_of(writer)

    def matrix(name, rows, columns, spread):
        numbers = random.standard_normal((rows, columns)) * spread
        writer.add_tensor(f"{name}.weight", numbers.astype(np.float32))

    def gain(name):
        numbers = 1 + 0.1 * random.standard_normal(WIDTH)
        writer.add_tensor(f"{name}.weight", numbers.astype(np.float32))

    matrix("token_embd", VOCABULARY, WIDTH, 0.06)
    gain("output_norm")
    for i in range(layers):
        gain(f"blk.{i}.attn_norm")
        gain(f"blk.{i}.ffn_norm")
        for part, rows in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            matrix(f"blk.{i}.attn_{part}", rows * HEAD_WIDTH, WIDTH, 0.08)
        matrix(f"blk.{i}.attn_output", WIDTH, HEADS * HEAD_WIDTH, 0.08)
        for part in ("gate", "up"):
            matrix(f"blk.{i}.ffn_{part}", INNER, WIDTH, 0.08)
        matrix(f"blk.{i}.ffn_down", WIDTH, INNER, 0.08)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_weights(path):
    """Every tensor as the f64 that its bytes mean exactly."""
    tensors = gguf.GGUFReader(path).tensors
    return {
        t.name.removesuffix(".weight"): gguf.dequantize(t.data, t.tensor_type).astype(np.float64)
        for t in tensors
    }


def normed(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * weight


def rotated(x):
    """RoPE on [T, heads, D], neighbours paired, as GGUF stores the Llama family."""
    angles = np.arange(len(x))[:, None] * ROPE_BASE ** (-np.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    a, b = x[..., 0::2], x[..., 1::2]
    return np.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(x.shape)


def exact_logits(w, ids):
    """The Llama family in f64, [T, V]: no activation is rounded."""
    x = w["token_embd"][ids]
    mask = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for i in range(sum(name.endswith("attn_q") for name in w)):
        layer = {k.removeprefix(f"blk.{i}."): v for k, v in w.items() if k.startswith(f"blk.{i}.")}
        h = normed(x, layer["attn_norm"])
        q, k, v = (
            (h @ layer[f"attn_{part}"].T).reshape(len(ids), -1, HEAD_WIDTH) for part in "qkv"
        )
        k, v = (np.repeat(part, HEADS // KV_HEADS, axis=1) for part in (rotated(k), v))
        scores = np.einsum("thd,shd->hts", rotated(q), k) / np.sqrt(HEAD_WIDTH) + mask
        mixed = np.einsum("hts,shd->thd", np.exp(log_softmax(scores)), v)
        x = x + mixed.reshape(len(ids), -1) @ layer["attn_output"].T
        h = normed(x, layer["ffn_norm"])
        gate = h @ layer["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ layer["ffn_up"].T)) @ layer["ffn_down"].T
    return normed(x, w["output_norm"]) @ w["token_embd"].T


def answers(logits, ids):
    logprobs = log_softmax(logits)
    return {
        "next_logprobs": rounded(logprobs[np.arange(len(ids) - 1), ids[1:]]),
        "last_logprobs": rounded(logprobs[-1]),
    }


def make_gguf(program, quantizer):
    directory = HERE / "gguf"
    directory.mkdir(exist_ok=True)
    ids = [1] + np.random.default_rng(5).integers(3, VOCABULARY, 39).tolist()
    models, tokenized = {}, []
    with tempfile.TemporaryDirectory() as temporary:
        for name, layers, words in [*((t, 1, [t]) for t in TYPES), ("mixed", 2, ["q4_K", "mixed"])]:
            plain = pathlib.Path(temporary) / f"{layers}.gguf"
            write_f32(plain, layers)
            path = directory / f"{name}.gguf"
            subprocess.run([quantizer, plain, path, *words], check=True, **QUIET)
            calculator = Calculator(program, path, CONTEXT)
            logits = calculator.eval(ids)
            exact = exact_logits(read_weights(path), ids)
            off = np.abs(log_softmax(logits) - log_softmax(exact)).max()
            print(f"{name}: llama.cpp is off by {off:.4f}, {path.stat().st_size} bytes")
            models[name] = {"llama.cpp": answers(logits, ids), "exact": answers(exact, ids)}
            models[name]["llama.cpp"] |= greedy(calculator, ids, 16) | {"off": round(off, 4)}
            tokenized = tokenized or [[text, calculator.tokens(text)] for text in TEXTS]
            calculator.close()
    document = {"made_with": SOURCE, "ids": ids, "texts": tokenized, "models": models}
    write_json(directory / "reference.json", document)


def main():
    program, quantizer, part, *rest = sys.argv[1:]
    if part == "smollm2":
        make_smollm2(program, quantizer, *rest)
    else:
        make_gguf(program, quantizer)


main()
