"""The measurement that people start with: Transformers with a TextIteratorStreamer.

    python seed_transformers.py MODEL_DIR THREADS WARM_RUNS SPAWNED_AT_NS

Prints one JSON line, in ms: cold_ttft (from SPAWNED_AT_NS on the monotonic clock, which the
parent read just before it started this process), warm_ttft and tpot (a list each); the ids of
the tokens, and the type in which Transformers computes.
"""

import json
import sys
import threading
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

PROMPT = "An increasing sequence: one,"
NEW_TOKENS = 20


def arguments(tokenizer):
    return dict(
        **tokenizer(PROMPT, return_tensors="pt"),
        max_new_tokens=NEW_TOKENS,
        min_new_tokens=NEW_TOKENS,
        do_sample=False,
        pad_token_id=tokenizer.eos_token_id,
    )


def request(model, tokenizer):
    """Moments at which the streamer gave an item, ns; the last one is its flush."""
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
    given = dict(arguments(tokenizer), streamer=streamer)
    thread = threading.Thread(target=model.generate, kwargs=given)
    thread.start()
    moments = [time.monotonic_ns() for _ in streamer]
    thread.join()
    return moments


def main():
    path, threads, warm_runs, spawned_at = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path)
    cold = request(model, tokenizer)
    result = {"cold_ttft": (cold[0] - spawned_at) / 1e6, "warm_ttft": [], "tpot": []}
    for _ in range(warm_runs):
        start = time.monotonic_ns()
        moments = request(model, tokenizer)
        result["warm_ttft"].append((moments[0] - start) / 1e6)
        # N tokens give N + 1 items: the gaps between tokens are N − 1.
        result["tpot"].append((moments[-2] - moments[0]) / (len(moments) - 2) / 1e6)
    given = arguments(tokenizer)
    prompt_tokens = given["input_ids"].shape[1]
    result["ids"] = model.generate(**given)[0, prompt_tokens:].tolist()
    result["dtype"] = str(model.dtype).removeprefix("torch.")
    print(json.dumps(result))


main()
