"""What bench/peers.py measured, held against the targets, as Markdown: no clock, no processes."""

import statistics

from peers_rows import BARE, LLAMA, OPENVINO, OURS, PEERS, TOUCH, TRANSFORMERS

SMALL, HUGE = "bare pass, small pages", "bare pass, huge pages"
FLASH, NO_FLASH = "llama.cpp, flash attention", "llama.cpp, no flash attention"
NO_REPACK = "llama.cpp, weights not repacked"
# One program, measured in more than one of its settings: the best one stands in the table.
SETTINGS = {
    LLAMA: (FLASH, NO_FLASH, NO_REPACK),
    BARE: (SMALL, HUGE),
}
QUIET_CORES = 0.1  # what an idle system does by itself, and a little more
BUSY_CORES = 0.3  # programs that wait by looking take several times as long from here on
# Random weights have narrow margins, and int8 activations may decide them otherwise.
MAY_DIFFER = ("distilgpt2-q",)


class Samples:
    """A time in ms per round for each (model, work, program), and what else was seen."""

    def __init__(self):
        self.rounds = {}
        self.tokens = {}  # (model, program) → ids of the greedy continuation
        self.decode_bytes = {}  # model → bytes of weights that a token reads
        self.peaks = {}  # "f32", "bf16", "int8" → operations per second, at most
        self.other_cores = []  # busy with the work of others, in each round
        self.skipped = []  # sentences: what was not measured, and why

    def keep(self, model, work, program, ms):
        self.rounds.setdefault((model, work, program), []).append(ms)

    def series(self, model, work, program):
        """Round by round; of several settings the one with the least median."""
        found = [
            self.rounds[model, work, name]
            for name in SETTINGS.get(program, (program,))
            if (model, work, name) in self.rounds
        ]
        return min(found, key=statistics.median, default=None)

    def median(self, model, work, program):
        values = self.series(model, work, program)
        return statistics.median(values) if values else None

    def best(self, model, work):
        return min((ms for p in PEERS if (ms := self.median(model, work, p))), default=None)

    def ratio(self, model, work, program):
        """(of the medians, least, greatest of the rounds' own) times as long as ours."""
        ours, theirs = (self.series(model, work, p) for p in (OURS, program))
        if not ours or not theirs:
            return None
        paired = [b / a for a, b in zip(ours, theirs)]
        return statistics.median(theirs) / statistics.median(ours), min(paired), max(paired)


def quietness(samples):
    """Programs whose threads wait by looking suffer most from others, and not all do alike."""
    words = ", ".join(f"{cores:.2f}" for cores in samples.other_cores)
    sentence = f"Cores busy with other work, round by round: {words}."
    if max(samples.other_cores, default=0) < QUIET_CORES:
        return sentence
    return f"{sentence} **Not quiet**: look at the least figures below before believing a ratio."


def trustworthy(samples):
    """Whether the median of the rounds ran without much work of others."""
    return not samples.other_cores or statistics.median(samples.other_cores) < BUSY_CORES


def same_work(samples):
    """(all compute the same, a sentence): how far each continuation follows the first one's."""
    follows, good = [], True
    for model in dict.fromkeys(model for model, _ in samples.tokens):
        ids = {p: t for (m, p), t in samples.tokens.items() if m == model}
        names = [p for p in (TRANSFORMERS, LLAMA, OURS, OPENVINO) if p in ids]
        for name in names[1:]:
            agree = common_prefix(ids[names[0]], ids[name])
            follows.append(f"{model}, {name} as {names[0]}: {agree} of {len(ids[name])}")
            good = good and (agree > 0 or model.startswith(MAY_DIFFER))
    return good, "Greedy tokens that are the same: " + ("; ".join(follows) or "not compared") + "."


def common_prefix(a, b):
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


def judge(samples, row):
    """(words, most ms allowed, reached) of each target that can be judged."""
    ours = samples.median(row.model, row.work, OURS)
    for words, limit in row.targets:
        most = limit(samples, row)
        if ours and most:
            yield words, most, ours <= most


def cell(row, ms):
    if ms is None:
        return "–"
    if row.tokens:
        return f"{ms:.1f} ({row.tokens * 1e3 / ms:,.0f} tokens/s)"
    return f"{ms:.2f}"


def ratio_cell(samples, row, program):
    ratio = samples.ratio(row.model, row.work, program)
    if not ratio:
        return "–"
    middle, least, greatest = ratio
    spread = f" ({least:.2f}–{greatest:.2f})" if least < greatest else ""
    return f"{middle:.2f}×{spread}"


def target_cell(samples, row):
    ours = samples.median(row.model, row.work, OURS)
    held = [
        f"{words}: {ours:.2f} of {most:.2f}, {'reached' if reached else '**missed**'}"
        for words, most, reached in judge(samples, row)
    ]
    waiting = [words for words, limit in row.targets if ours is None]
    return "; ".join(held + waiting) or "–"


def columns(samples):
    """Transformers only where it was asked for."""
    measured = {program for _, _, program in samples.rounds}
    return [OURS, LLAMA, OPENVINO] + [TRANSFORMERS] * (TRANSFORMERS in measured)


def time_rows(samples, rows):
    programs = columns(samples)
    for row in rows:
        times = [samples.median(row.model, row.work, p) for p in programs]
        if not any(times):
            continue
        bare = samples.median(row.model, "bare", BARE) if row.work.startswith("decode") else None
        yield [
            row.title,
            *(cell(row, ms) for ms in times),
            f"{bare:.2f}" if bare else "–",
            *(ratio_cell(samples, row, p) for p in programs[1:]),
            target_cell(samples, row),
        ]


def share_rows(samples, rows):
    """How near ours comes to what the machine can do."""
    for row in rows:
        ours = samples.median(row.model, row.work, OURS)
        bare = samples.median(row.model, "bare", BARE)
        if not ours:
            continue
        if row.work == "decode" and bare:
            speed = samples.decode_bytes[row.model] / bare * 1e-6
            yield [row.title, f"{bare / ours:.0%}", f"of the bare pass, {speed:.1f} GB/s"]
        peak = samples.peaks.get(row.number())
        if row.tokens and peak:
            rate = row.operations() / ours * 1e3
            of_peak = f"of the {row.number()} peak, {peak * 1e-9:,.0f} Gop/s"
            yield [row.title, f"{rate / peak:.0%}", of_peak]


def floor_rows(samples):
    for (model, work, program), values in samples.rounds.items():
        if work not in ("bare", "touch"):
            continue
        ms = statistics.median(values)
        read = samples.decode_bytes.get(model) if work == "bare" else None
        yield [program, model, f"{ms:.2f}", f"{read / ms * 1e-6:.1f} GB/s" if read else "–"]


def markdown_table(head, rows):
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]


def spread_rows(samples):
    for (model, work, program), values in sorted(samples.rounds.items()):
        figures = (min(values), statistics.median(values), max(values))
        yield [model, work, program, *(f"{ms:.2f}" for ms in figures), str(len(values))]


def summary(samples, rows):
    judged = [(row, t) for row in rows for t in judge(samples, row)]
    if not judged:
        return "No target can be judged from what was measured."
    reached = sum(t[2] for _, t in judged)
    words = f"Targets reached: {reached} of {len(judged)}."
    return words if trustworthy(samples) else f"{words} **Not trustworthy**: the machine was busy."


def render(samples, rows, host):
    """The whole report. `host` is a line on machine, versions and settings."""
    ratios = [f"{name} ÷ ours" for name in columns(samples)[1:]]
    lines = [host, "", quietness(samples), same_work(samples)[1], summary(samples, rows)]
    lines += samples.skipped
    lines += ["", "Medians over rounds; in brackets the least and greatest ratio of a round:", ""]
    lines += markdown_table(
        ["workload", *columns(samples), "bare pass", *ratios, "to reach, ms"],
        time_rows(samples, rows),
    )
    for title, head, body in (
        ("Shares:", ["workload", "share", ""], list(share_rows(samples, rows))),
        ("What cannot be beaten:", ["floor", "model", "ms", "speed"], list(floor_rows(samples))),
    ):
        if body:
            lines += ["", title, "", *markdown_table(head, body)]
    lines += ["", "Each program over the rounds, ms:", ""]
    lines += markdown_table(
        ["model", "work", "program", "min", "median", "max", "rounds"], spread_rows(samples)
    )
    return "\n".join(lines) + "\n"
