#!/usr/bin/env python3
"""A worker that says the prompt again, a word a token (docs/worker-protocol.md):
inferometer run --target worker:'python3 examples/echo_worker.py'"""
from time import monotonic_ns as now

BORN_NS = now()  # before anything else is imported

import json  # noqa: E402
import sys  # noqa: E402


def say(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")


def answer(op, start):
    prompt = op.get("prompt") or " ".join(map(str, op.get("ids", [])))
    words = [" " + word for word in prompt.split()] or [" nothing"]
    tokenized = now()
    times = [now() for _ in range(op["max_new_tokens"])]  # an engine would compute here
    request = {"request": op["request"]}  # what is said from here on is not measured
    say("start", t_ns=start, **request)
    say("input", ids=list(range(len(words))), **request)
    say("phase", name="tokenize", start_ns=start, end_ns=tokenized, **request)
    for i, t_ns in enumerate(times):
        say("token", id=i % len(words), t_ns=t_ns, **request)
        say("text", text=words[i % len(words)], t_ns=t_ns, **request)
    say("done", t_ns=now(), finish="length", **request)


say("hello", protocol=1, engine="echo", t_ns=BORN_NS)
for line in iter(sys.stdin.readline, ""):
    read = now()  # time zero of a request
    message = json.loads(line)
    if message["op"] == "load":
        say("loaded", t_ns=now(), device="cpu", model={"name": "echo"})
    elif message["op"] == "request":
        answer(message, read)
    sys.stdout.flush()
