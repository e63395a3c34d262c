"""The rows of bench/peers.sh's table: what is measured on which model, and what to reach.

A target is (its words, a function of the samples and the row that gives the most that ours
may take, in ms; None: cannot be judged from what was measured).
"""

from dataclasses import dataclass, field

OURS, LLAMA, OPENVINO, TRANSFORMERS = "Inferometer", "llama.cpp", "OpenVINO", "Transformers"
BARE, TOUCH = "bare pass", "touching the mapped file"
PEERS = (LLAMA, OPENVINO)
SMOLLM2 = "smollm2"

# Multiply-adds count as two. distilgpt2: six layers of 12 C² for each token, C = 768.
LAYER_OPERATIONS = {"distilgpt2": 2 * 6 * 12 * 768 * 768}
NUMBERS = {"f32": "f32", "bf16": "bf16", "f16": "bf16", "q8_0": "int8", "q4_0": "int8"}


def of_bare(share):
    def limit(samples, row):
        ms = samples.median(row.model, "bare", BARE)
        return ms / share if ms else None

    return (f"the bare pass ÷ {share}", limit)


def times_llama(factor):
    def limit(samples, row):
        ms = samples.median(row.model, row.work, LLAMA)
        return ms / factor if ms else None

    return (f"{factor:g}× llama.cpp" if factor != 1 else "llama.cpp", limit)


def times_best(factor):
    def limit(samples, row):
        ms = samples.best(row.model, row.work)
        return ms / factor if ms else None

    return (f"{factor:g}× the best peer", limit)


def own_steps(factor):
    def limit(samples, row):
        ms = samples.median(row.model, "decode", OURS)
        return factor * ms if ms else None

    return (f"{factor:g} own decode steps", limit)


def of_peak(share, number):
    """A share of what the processor computes at most with numbers of that type."""

    def limit(samples, row):
        peak = samples.peaks.get(number)
        return 1e3 * row.operations() / (share * peak) if peak else None

    return (f"{share:.0%} of the {number} peak", limit)


def hundredth_of_transformers(samples, row):
    ms = samples.median(row.model, row.work, TRANSFORMERS)
    return ms / 100 if ms else None


def eighth_of_llama(samples, row):
    llama = samples.median(row.model, row.work, LLAMA)
    touched = samples.median(row.model, "touch", TOUCH)
    return max(llama / 8, 1.3 * touched) if llama and touched else None


@dataclass(frozen=True)
class Row:
    name: str  # what --only chooses by
    title: str
    model: str
    work: str
    targets: tuple = field(default=())
    tokens: int = 0  # of a prompt, whose speed is shown, too
    extra: bool = False  # measured only when named

    def number(self):
        """The type of number that the processor's peak of this row is meant for."""
        return NUMBERS.get(self.model.split("-")[-1])

    def operations(self):
        return LAYER_OPERATIONS[self.model.split("-")[0]] * self.tokens

    def chosen_by(self, word):
        """smollm2-decode chooses smollm2-decode-0 and -1024: all its parts are the row's."""
        return set(word.split("-")) <= set(self.name.split("-"))


def distilgpt2(name, title, work, dtype, *targets, **more):
    model = f"distilgpt2-{dtype}"
    return Row(f"{name}-{dtype}", f"{title}, distilgpt2 {dtype}", model, work, targets, **more)


def smollm2(name, title, work, *targets, **more):
    return Row(f"smollm2-{name}", f"{title}, SmolLM2 q4_1", SMOLLM2, work, targets, **more)


MIXED = "q4_0:q6_K"  # as llama-quantize mixes: layers q4_0, the tied head q6_K


def decode_rows():
    for dtype, share in (("f32", 0.9), ("bf16", 0.9), ("f16", 0.9), ("q8_0", 0.85), ("q4_0", 0.7)):
        yield distilgpt2(
            "decode", "decode, ms a token", "decode", dtype, of_bare(share), times_llama(1)
        )
    yield distilgpt2("decode", "decode, ms a token", "decode", MIXED, extra=True)
    yield smollm2("decode-0", "decode, ms a token", "decode", times_llama(2.5), times_best(1.5))
    for depth in (1024, 4096):
        title = f"decode at depth {depth:,}, ms a token"
        work = f"decode {depth}"
        yield smollm2(f"decode-{depth}", title, work, times_llama(2.5), times_best(2))


def first_token_rows():
    for dtype in ("f32", "bf16", "q8_0", "q4_0"):
        yield distilgpt2("ttft", "TTFT of 6 tokens, ms", "ttft", dtype, own_steps(1.3))
    yield distilgpt2("ttft", "TTFT of 6 tokens, ms", "ttft", "f16", own_steps(1.3), extra=True)
    yield smollm2("ttft", "TTFT of 6 tokens, ms", "ttft", times_llama(4), times_best(2))


def prefill_rows():
    targets = {
        "f32": (times_llama(1.5), of_peak(0.7, "f32")),
        "bf16": (times_llama(1.7), of_peak(0.55, "bf16")),
        "f16": (times_llama(1),),
        "q8_0": (times_llama(4),),
        "q4_0": (times_llama(3),),
    }
    for dtype, given in targets.items():
        title = "prefill of 512, ms"
        yield distilgpt2("prefill", title, "prefill 512", dtype, *given, tokens=512)
    for tokens in (512, 4096):
        title, work = f"prefill of {tokens:,}, ms", f"prefill {tokens}"
        given = (times_llama(10), times_best(1.3))
        yield smollm2(f"prefill-{tokens}", title, work, *given, tokens=tokens)


def process_rows():
    yield smollm2("cold", "cold start to first token, whole process, ms", "cold", times_llama(10))
    bars = (
        ("1/100 of Transformers", hundredth_of_transformers),
        ("1/8 of llama.cpp, or 1.3 × touching the file if more", eighth_of_llama),
    )
    title = "cold start to first token, whole process, ms"
    for dtype in ("f32", "f16", "bf16"):
        given = bars if dtype == "f32" else ()
        yield distilgpt2("cold", title, "cold", dtype, *given, extra=True)
        yield distilgpt2("whole", "whole process, 20 tokens, ms", "whole", dtype, extra=True)


ROWS = (*decode_rows(), *first_token_rows(), *prefill_rows(), *process_rows())


def choose(words):
    """The rows that any of the words chooses, in the table's order; all but extras for none."""
    if not words:
        return [row for row in ROWS if not row.extra]
    if "all" in words:
        return list(ROWS)
    chosen = [row for row in ROWS if any(row.chosen_by(word) for word in words)]
    names = ", ".join(row.name for row in ROWS)
    for word in words:
        if not any(row.chosen_by(word) for row in ROWS):
            raise ValueError(f'"{word}" chooses no row; there are {names}')
    return chosen
