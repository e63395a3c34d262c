"""OpenVINO GenAI, timed as bench/steps.c times the others: the same words, the same answer.

    python steps_openvino.py MODEL.gguf THREADS REPEATS PROMPT [first|N|N:DEPTH,…|cold]…

It keeps what it has computed for a prompt, so that no two prompts here begin alike. Times
come from its own account of each inference. cold makes one token, for a caller who times the
whole process. Its latency hint and its own cache precision.
"""

import json
import random
import sys

import numpy as np
import openvino
import openvino_genai

STEPS, DEEP_STEPS = 19, 16


class Engine:
    def __init__(self, model, threads):
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        self.pipe = openvino_genai.LLMPipeline(model, "CPU", **settings)
        self.random = random.Random(1)

    def fresh(self, n):
        return [self.random.randrange(100, 40000) for _ in range(n)]

    def generate(self, ids, n_new):
        """(ids of the answer, ms until the first token, ms of each later step)."""
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample = n_new, True, False
        row = np.array([ids], np.int64)
        inputs = openvino_genai.TokenizedInputs(
            openvino.Tensor(row), openvino.Tensor(np.ones_like(row))
        )
        answer = self.pipe.generate(inputs, config)
        raw = answer.perf_metrics.raw_metrics
        steps = [us / 1e3 for us in raw.token_infer_durations]
        return list(answer.tokens[0]), raw.m_times_to_first_token[0] / 1e3, steps[1:]


def first(engine, prompt, repeats):
    """The first step after a prompt is slower in it, and left out."""
    ids = engine.generate(prompt, 1 + STEPS)[0]
    times, steps = [], []
    for _ in range(repeats):
        _, ttft, later = engine.generate(engine.fresh(len(prompt)), 1 + STEPS)
        times.append(ttft)
        steps += later[1:]
    return {"ttft": times, "decode": steps, "ids": ids}


def prefill(engine, n, repeats):
    engine.generate(engine.fresh(n), 1)
    return {f"prefill {n}": [engine.generate(engine.fresh(n), 1)[1] for _ in range(repeats)]}


def deep(engine, n, depths):
    result = {}
    for depth in dict.fromkeys([n, *depths]):
        _, ttft, steps = engine.generate(engine.fresh(depth), 2 + DEEP_STEPS)
        if depth == n:
            result[f"prefill {n}"] = [ttft]
        if depth in depths:
            result[f"decode {depth}"] = steps[1:]
    return result


def main():
    model, threads, repeats = sys.argv[1], *map(int, sys.argv[2:4])
    prompt = [int(word) for word in sys.argv[4].split(",")]
    engine = Engine(model, threads)
    result = {}
    for work in sys.argv[5:]:
        if work == "cold":
            result["ids"] = engine.generate(prompt, 1)[0]
        elif work == "first":
            result |= first(engine, prompt, repeats)
        elif ":" in work:
            n, depths = work.split(":")
            result |= deep(engine, int(n), [int(d) for d in depths.split(",")])
        else:
            result |= prefill(engine, int(work), repeats)
    print(json.dumps(result))


main()
