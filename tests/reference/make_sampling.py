#!/usr/bin/env python3
"""Make tests/reference/sampling.json: what Hugging Face Transformers' logits processors leave.

    python tests/reference/make_sampling.py      (pip install torch transformers)

Each case holds the logits of one step, the ids so far, the settings, and the probability of
every token after repetition penalty, temperature, top-k, top-p and min-p, in that order,
which is the order in which `generate` applies them.
"""

import json
import pathlib

import torch
import transformers
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

VOCAB = 40
SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.3},
    {"temperature": 2.5, "top_k": 1},
    {"temperature": 1.0, "top_k": 7},
    {"temperature": 1.0, "top_k": 100},
    {"temperature": 1.0, "top_p": 0.5},
    {"temperature": 0.7, "top_p": 0.05},
    {"temperature": 1.5, "top_p": 0.95},
    {"temperature": 1.0, "min_p": 0.1},
    {"temperature": 0.5, "min_p": 1.0},
    {"temperature": 1.0, "repetition_penalty": 1.3},
    {"temperature": 1.0, "repetition_penalty": 0.7},
    {"temperature": 0.8, "top_k": 12, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.2},
    {"temperature": 1.3, "top_k": 20, "top_p": 0.6},
    {"temperature": 0.9, "top_p": 0.8, "min_p": 0.2, "repetition_penalty": 1.8},
]


def probabilities(logits, ids, s):
    """The distribution from which `generate(do_sample=True)` would draw."""
    input_ids = torch.tensor([ids])
    scores = torch.tensor([logits])
    if "repetition_penalty" in s:
        scores = RepetitionPenaltyLogitsProcessor(s["repetition_penalty"])(input_ids, scores)
    scores = TemperatureLogitsWarper(s["temperature"])(input_ids, scores)
    if "top_k" in s:
        scores = TopKLogitsWarper(s["top_k"])(input_ids, scores)
    if "top_p" in s:
        scores = TopPLogitsWarper(s["top_p"])(input_ids, scores)
    if "min_p" in s:
        scores = MinPLogitsWarper(s["min_p"])(input_ids, scores)
    return torch.softmax(scores, dim=-1)[0].tolist()


def main():
    torch.manual_seed(1)
    cases = []
    for settings in SETTINGS:
        for spread in (1.0, 4.0):
            logits = (torch.randn(VOCAB) * spread).tolist()
            ids = torch.randint(0, VOCAB, (12,)).tolist()
            cases.append({
                "settings": settings,
                "ids": ids,
                "logits": [round(x, 6) for x in logits],
            })
    # Ties at the edge of top-k: all of them stay.
    cases.append({
        "settings": {"temperature": 1.0, "top_k": 3},
        "ids": [0],
        "logits": [2.0, 1.0, 1.0, 3.0, 1.0, 0.5, -1.0],
    })
    for case in cases:
        p = probabilities(case["logits"], case["ids"], case["settings"])
        case["probabilities"] = [float(f"{x:.8g}") for x in p]
    out = pathlib.Path(__file__).parent / "sampling.json"
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    out.write_text(f'{{"transformers":"{transformers.__version__}","cases":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
