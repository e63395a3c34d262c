"""What bench/peers.py measured, held against the bars, as Markdown: no clock, no processes."""

import statistics

OURS, LLAMA, TRANSFORMERS = "Inferometer", "llama.cpp", "Transformers"
TOUCH, POPULATE = "touching the mapped file", "populating the mapping"
SMALL, HUGE = "bare pass, small pages", "bare pass, huge pages"
PREFILL = 512  # tokens

TITLES = {
    "cold": "cold start to first token",
    "whole": "whole process, 20 tokens",
    "ttft": "warm TTFT, 6 tokens",
    "step": "decode step (TPOT)",
    "prefill": f"prefill of {PREFILL} tokens",
}
QUIET_CORES = 0.1  # what an idle system does by itself, and a little more
SHARE_BAR = 0.85  # of the host's read bandwidth


class Samples:
    """A time in ms per round for each (workload, data type, program), and the tokens."""

    def __init__(self):
        self.rounds = {}
        self.tokens = {}  # (data type, program) → ids of the greedy continuation
        self.decode_bytes = {}  # data type → bytes of weights that a token reads
        self.other_cores = []  # busy with the work of others, in each round
        self.probe = {}  # data type → [share of the read bandwidth by our own probe, …]

    def keep(self, workload, dtype, program, ms):
        self.rounds.setdefault((workload, dtype, program), []).append(ms)

    def median(self, workload, dtype, program):
        values = self.rounds.get((workload, dtype, program))
        return statistics.median(values) if values else None

    def bare_pass(self, dtype):
        """The faster of the two kinds of pages: the harder yardstick."""
        passes = [self.median("floor", dtype, name) for name in (SMALL, HUGE)]
        return min((ms for ms in passes if ms), default=None)


def quietness(samples):
    """Programs whose threads wait by looking suffer most from others, and not all do alike."""
    words = ", ".join(f"{cores:.2f}" for cores in samples.other_cores)
    sentence = f"Cores busy with other work, round by round: {words}."
    if max(samples.other_cores, default=0) < QUIET_CORES:
        return sentence
    return f"{sentence} **Not quiet**: look at the least figures below before believing a ratio."


def same_work(samples):
    """(all compute the same, a sentence): how far each continuation follows the first one's."""
    follows, good = [], True
    for dtype in dict.fromkeys(dtype for dtype, _ in samples.tokens):
        ids = {p: t for (d, p), t in samples.tokens.items() if d == dtype}
        names = [p for p in (TRANSFORMERS, LLAMA, OURS) if p in ids]
        for name in names[1:]:
            agree = common_prefix(ids[names[0]], ids[name])
            follows.append(f"{dtype}, {name} as {names[0]}: {agree} of {len(ids[name])}")
            good = good and agree > 0
    return good, "Greedy tokens that are the same: " + ("; ".join(follows) or "not compared") + "."


def common_prefix(a, b):
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


def bars(samples, workload, dtype):
    """(what ours is held against, the most it may take, ms): each bar that can be judged."""
    llama = samples.median(workload, dtype, LLAMA)
    if workload == "cold" and dtype == "f32":
        transformers = samples.median("cold", dtype, TRANSFORMERS)
        touched = samples.median("floor", dtype, TOUCH)
        if transformers:
            yield "1/100 of Transformers", transformers / 100
        if llama and touched:
            most = max(llama / 8, 1.3 * touched)
            yield "1/8 of llama.cpp, or 1.3 × touching the file if more", most
    elif workload == "ttft":
        step = samples.median("step", dtype, OURS)
        if step:
            yield "1.25 × own step", 1.25 * step
    elif workload in ("step", "prefill") and llama:
        yield "llama.cpp", llama


def cell(workload, ms):
    if ms is None:
        return "–"
    if workload == "prefill":
        return f"{ms:.1f} ({PREFILL * 1e3 / ms:,.0f} tokens/s)"
    return f"{ms:.2f}"


def verdict(value, bar, met):
    return f"{value} of {bar}, {'met' if met else '**MISSED**'}"


def time_rows(samples, dtypes):
    for workload, title in TITLES.items():
        for dtype in dtypes:
            times = [samples.median(workload, dtype, p) for p in (OURS, LLAMA, TRANSFORMERS)]
            if times[0] is None:
                continue
            ratios = [f"{t / times[0]:.2f}×" if t else "–" for t in times[1:]]
            held = [
                f"{name}: {verdict(f'{times[0]:.2f}', f'{most:.2f}', times[0] <= most)}"
                for name, most in bars(samples, workload, dtype)
            ]
            yield [
                f"{title}, ms",
                dtype,
                *(cell(workload, t) for t in times),
                *ratios,
                "; ".join(held) or "–",
            ]


def share_rows(samples, dtypes):
    """How near a decode step comes to only reading its weights, by two yardsticks."""
    for dtype in dtypes:
        bare, probe = samples.bare_pass(dtype), samples.probe.get(dtype)
        steps = [samples.median("step", dtype, program) for program in (OURS, LLAMA)]
        if bare and steps[0]:
            yield share_row("bare pass", dtype, *(bare / ms if ms else None for ms in steps))
        if probe:
            yield share_row("own probe", dtype, statistics.median(probe), None)


def share_row(yardstick, dtype, ours, llama):
    bar = verdict(f"{ours:.3f}", f"{SHARE_BAR}", ours >= SHARE_BAR)
    return [
        f"decode, share of read bandwidth by {yardstick}",
        dtype,
        f"{ours:.0%}",
        f"{llama:.0%}" if llama else "–",
        "–",
        "–",
        "–",
        bar,
    ]


def floor_rows(samples, dtypes):
    for dtype in dtypes:
        for name in (TOUCH, POPULATE, SMALL, HUGE):
            ms = samples.median("floor", dtype, name)
            if ms is None:
                continue
            read = samples.decode_bytes.get(dtype) if name in (SMALL, HUGE) else None
            yield [name, dtype, f"{ms:.2f}", f"{read / ms * 1e-6:.1f} GB/s" if read else "–"]


def markdown_table(head, rows):
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]


def spread_rows(samples):
    for (workload, dtype, program), values in sorted(samples.rounds.items()):
        figures = (min(values), statistics.median(values), max(values))
        yield [workload, dtype, program, *(f"{ms:.2f}" for ms in figures), str(len(values))]


def render(samples, dtypes, host):
    """The whole report. `host` is a line on machine, versions and settings."""
    ratios = [f"{name} ÷ ours" for name in (LLAMA, TRANSFORMERS)]
    lines = [host, "", quietness(samples), same_work(samples)[1], ""]
    lines += markdown_table(
        ["workload", "weights", OURS, LLAMA, TRANSFORMERS, *ratios, "bar"],
        [*time_rows(samples, dtypes), *share_rows(samples, dtypes)],
    )
    floors = list(floor_rows(samples, dtypes))
    if floors:
        lines += ["", "What cannot be beaten:", ""]
        lines += markdown_table(["floor", "weights", "ms", "speed"], floors)
    lines += ["", "Each program over the rounds, ms:", ""]
    lines += markdown_table(
        ["workload", "weights", "program", "min", "median", "max", "rounds"], spread_rows(samples)
    )
    return "\n".join(lines) + "\n"
