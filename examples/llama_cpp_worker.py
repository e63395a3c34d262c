#!/usr/bin/env python3
"""A worker that runs a GGUF file with llama-cpp-python (docs/worker-protocol.md):
inferometer run --target worker:'python3 examples/llama_cpp_worker.py' -m MODEL.gguf"""
from time import monotonic_ns as now

BORN_NS = now()  # before anything else is imported

import codecs  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

OUT = os.fdopen(os.dup(1), "w", encoding="utf-8")  # for the protocol alone:
os.dup2(2, 1)  # what libraries print goes to standard error


def say(event, **fields):
    OUT.write(json.dumps({"event": event, **fields}) + "\n")


def load(op):
    start = now()
    import llama_cpp
    imported = now()
    threads = op.get("threads") or None
    engine = llama_cpp.Llama(op["model"], n_ctx=0, n_threads=threads,
                             n_threads_batch=threads, verbose=False)
    loaded = now()
    say("phase", name="import", start_ns=start, end_ns=imported)
    say("phase", name="load", start_ns=imported, end_ns=loaded)
    say("loaded", t_ns=loaded, device="cpu", kernels="llama.cpp " + llama_cpp.__version__,
        threads=engine.n_threads,
        model={"name": os.path.basename(op["model"]), "path": op["model"],
               "family": engine.metadata.get("general.architecture"),
               "file_bytes": os.path.getsize(op["model"]), "n_vocab": engine.n_vocab()})
    return engine


def answer(engine, op, start):
    s = op.get("sampling") or {}
    drawing = float(s.get("temperature", 0)) > 0
    ids = op.get("ids") or engine.tokenize(op["prompt"].encode(), special=True)
    tokenized = now()
    engine.set_seed(int(s.get("seed", 0)) % 2**32)
    engine.reset()  # nothing is left of an earlier prompt
    stream = engine.generate(
        ids, temp=float(s.get("temperature", 0)), top_k=int(s.get("top_k", 0)),
        top_p=float(s.get("top_p", 1)) if drawing else 1, min_p=float(s.get("min_p", 0)),
        repeat_penalty=float(s.get("repetition_penalty", 1)))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    tokens, texts, finish = [], [], "length"
    for token in stream:
        tokens.append((token, now()))
        if token == engine.token_eos() and not op.get("ignore_eos"):
            finish = "eos"
            break
        texts.append((decoder.decode(engine.detokenize([token], special=True)), now()))
        if len(tokens) == op["max_new_tokens"]:
            break
    texts.append((decoder.decode(b"", True), now()))
    request = {"request": op["request"]}  # what is said from here on is not measured
    say("start", t_ns=start, **request)
    say("input", ids=ids, **request)
    say("phase", name="tokenize", start_ns=start, end_ns=tokenized, **request)
    said = [(t, "token", {"id": token}) for token, t in tokens]
    said += [(t, "text", {"text": text}) for text, t in texts]
    for t_ns, event, fields in sorted(said, key=lambda x: x[0]):
        say(event, t_ns=t_ns, **fields, **request)
    say("done", t_ns=now(), finish=finish, threads=engine.n_threads, **request)


def main():
    engine = None
    say("hello", protocol=1, engine="llama-cpp-python", t_ns=BORN_NS)
    for line in iter(sys.stdin.readline, ""):
        read = now()  # time zero of a warm request
        op = json.loads(line)
        try:
            if op["op"] == "load":
                engine = load(op)
            elif op["op"] == "request":
                answer(engine, op, read)
        except ImportError:
            say("error", code="ERR_UNSUPPORTED", message=f"{sys.executable} has no "
                "llama-cpp-python: python3 -m pip install llama-cpp-python")
        except (ValueError, RuntimeError) as error:
            say("error", code="ERR_CHILD", message=f"llama.cpp: {error}")
        OUT.flush()


main()
