#!/usr/bin/env python3
"""The worker that runs a model with Hugging Face Transformers.

It speaks the worker protocol (docs/worker-protocol.md): JSON lines on standard input and
output, time stamps of the machine's monotonic clock. Tokens are generated on a thread of
their own and consumed on the main thread through a streamer, as people do who measure with
TextIteratorStreamer. Two clocks come out of it: the token's (its id is in the consumer's
hands) and the text's (what TextIteratorStreamer lets through: it holds text back until a
word or a character is whole, and ends with an item more than there are tokens).

    transformers_worker.py [--device cpu|mps|cuda] [--dtype auto|float32|float16|bfloat16]
"""
import time

BORN_NS = time.monotonic_ns()

import argparse  # noqa: E402: the clock comes first
import json  # noqa: E402
import os  # noqa: E402
import queue  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402

PROTOCOL = 1
LISTS_AT_MOST = 20  # candidates of a token


class Failure(Exception):
    """Something to be said to the parent: a code of the protocol and a line."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Parent:
    """The other end of the pipe. Lines are held back while a request runs, unless it streams,
    so that writing them disturbs nothing that is measured."""

    def __init__(self, out):
        self.out = out
        self.held = []

    def say(self, event, now=False, **fields):
        self.held.append(json.dumps({"event": event, **fields}, ensure_ascii=False))
        if now:
            self.flush()

    def flush(self):
        if self.held:
            self.out.write("\n".join(self.held) + "\n")
            self.out.flush()
            self.held.clear()


def take_stdout():
    """Standard output for the protocol alone: what libraries print goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    return out


class Engine:
    """A model with its tokenizer on a device."""

    def __init__(self, parent, options):
        self.parent = parent
        self.options = options
        self.model = None

    # ---- loading ------------------------------------------------------------------------

    def phase(self, name, start_ns, end_ns, **fields):
        self.parent.say("phase", name=name, start_ns=start_ns, end_ns=end_ns, **fields)

    def load(self, op):
        start = time.monotonic_ns()
        self.options.device = op.get("device") or self.options.device
        self.options.dtype = op.get("dtype") or self.options.dtype
        self.import_libraries()
        imported = time.monotonic_ns()
        self.phase("import", start, imported)
        if op.get("threads"):
            self.torch.set_num_threads(int(op["threads"]))
        self.device = self.find_device()
        path = op["model"]
        try:
            model = self.transformers.AutoModelForCausalLM.from_pretrained(
                path, **{self.name_of_dtype(): self.dtype()})
        except Exception as error:  # whatever a file can make a library raise
            raise Failure("ERR_FORMAT", f"{path}: Transformers cannot load it: {one_line(error)}")
        read = time.monotonic_ns()
        self.phase("load", imported, read)
        self.model = model.to(self.device).eval()
        self.synchronize()
        placed = time.monotonic_ns()
        self.phase("place", read, placed)
        try:
            self.tokenizer = self.transformers.AutoTokenizer.from_pretrained(path)
        except Exception as error:
            raise Failure("ERR_FORMAT", f"{path}: Transformers cannot load its tokenizer: "
                          f"{one_line(error)}")
        ready = time.monotonic_ns()
        self.phase("tokenizer", placed, ready)
        self.parent.say("loaded", now=True, t_ns=ready, device=str(self.device),
                        kernels=f"torch {self.torch.__version__}",
                        threads=self.torch.get_num_threads(),
                        synchronized=self.device.type in ("mps", "cuda"),
                        model=self.describe(path))

    def import_libraries(self):
        try:
            import torch
            import transformers
        except ImportError as error:
            raise Failure("ERR_UNSUPPORTED",
                          f"{sys.executable} has no {error.name}: install it with "
                          f"\"{sys.executable} -m pip install torch transformers\", or name "
                          "another Python with --python")
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self.torch = torch
        self.transformers = transformers

    def find_device(self):
        name = self.options.device
        there = {"cpu": True, "cuda": self.torch.cuda.is_available(),
                 "mps": self.torch.backends.mps.is_available()}
        if not there[name]:
            usable = ", ".join(device for device, usable in there.items() if usable)
            raise Failure("ERR_UNSUPPORTED", f"this torch has no device \"{name}\" here, "
                          f"only: {usable}")
        return self.torch.device(name)

    def dtype(self):
        name = self.options.dtype
        return "auto" if name == "auto" else getattr(self.torch, name)

    def name_of_dtype(self):
        """Transformers 4.56 renamed it, and earlier ones ignore the new name."""
        version = self.transformers.__version__.split(".")
        return "dtype" if (int(version[0]), int(version[1])) >= (4, 56) else "torch_dtype"

    def synchronize(self):
        """Waits for what was queued on a device that computes by itself."""
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()
        elif self.device.type == "mps":
            self.torch.mps.synchronize()

    def describe(self, path):
        config = self.model.config
        tied = {p.data_ptr(): p for p in self.model.parameters()}
        names = {"torch.float32": "f32", "torch.float16": "f16", "torch.bfloat16": "bf16"}
        return {
            "name": os.path.basename(os.path.realpath(path)), "path": path,
            "family": getattr(config, "model_type", None),
            "dtype": names.get(str(self.model.dtype), str(self.model.dtype)),
            "parameters": sum(p.numel() for p in tied.values()),
            "weight_bytes": sum(p.numel() * p.element_size() for p in tied.values()),
            "n_positions": getattr(config, "max_position_embeddings", None),
            "n_vocab": getattr(config, "vocab_size", None),
        }

    # ---- a request ----------------------------------------------------------------------

    def request(self, op):
        number = op["request"]
        # Logarithms come when all is over: their request cannot stream.
        stream = bool(op.get("stream")) and not op.get("logprobs")
        run = Run(self, op)
        started = time.monotonic_ns()
        self.parent.say("start", request=number, t_ns=started)
        run.encode()
        encoded = time.monotonic_ns()
        self.phase("tokenize", started, encoded, request=number)
        for i, ids in enumerate(run.ids):
            self.parent.say("input", request=number, sequence=i, ids=ids)
        run.generate(stream)
        self.parent.flush()


class Streamers:
    """What generate() calls with each step's ids: notes them with the time, and lets one
    TextIteratorStreamer a sequence make text of them. Everything goes through one queue to
    the consumer."""

    def __init__(self, run, n):
        self.run = run
        self.queue = queue.SimpleQueue()
        self.prompt_seen = False
        self.texts = [self.text_streamer(i) for i in range(n)]
        self.left = [run.limit(i) for i in range(n)]

    def text_streamer(self, i):
        engine = self.run.engine
        pieces = self.queue

        class Pieces(engine.transformers.TextIteratorStreamer):
            def on_finalized_text(self, text, stream_end=False):
                pieces.put(("text", i, text, stream_end))

        made = Pieces(engine.tokenizer, skip_prompt=False, skip_special_tokens=True)
        return made

    def put(self, values):
        if not self.prompt_seen:
            self.prompt_seen = True
            return
        pushed = time.monotonic_ns()
        for i, value in enumerate(values.reshape(-1).tolist()):
            if self.left[i] == 0:
                continue  # the sequence is over: what still comes is padding
            self.left[i] -= 1
            ended = self.run.ends(i, value)
            self.queue.put(("token", i, value, pushed))
            if ended:
                self.left[i] = 0
            self.texts[i].put(values.reshape(-1)[i:i + 1])
            if self.left[i] == 0:
                self.texts[i].end()

    def end(self):
        for i, text in enumerate(self.texts):
            if self.left[i] != 0:
                text.end()
                self.left[i] = 0
        self.queue.put(("over",))


class Run:
    """One request, of one sequence or several."""

    def __init__(self, engine, op):
        self.engine = engine
        self.op = op
        self.number = op["request"]
        self.sequences = op.get("sequences") or [op]
        self.padding = op.get("padding", "none")
        self.eos = self.find_eos()
        self.finish = [None] * len(self.sequences)

    def limit(self, i):
        return int(self.sequences[i].get("max_new_tokens", self.op["max_new_tokens"]))

    def find_eos(self):
        if self.op.get("ignore_eos"):
            return set()
        ids = self.engine.model.generation_config.eos_token_id
        if ids is None:
            return set()
        return {ids} if isinstance(ids, int) else set(ids)

    def ends(self, i, value):
        if value in self.eos:
            self.finish[i] = "eos"
        return self.finish[i] is not None

    # ---- before -------------------------------------------------------------------------

    def encode(self):
        torch, tokenizer = self.engine.torch, self.engine.tokenizer
        self.ids = []
        for sequence in self.sequences:
            ids = sequence.get("ids")
            if ids is None:
                # What a chat template wrote brings its BOS: a second one is nobody's wish.
                bare = not sequence["prompt"].startswith(tokenizer.bos_token or "\0")
                ids = tokenizer(sequence["prompt"], add_special_tokens=bare)["input_ids"]
            self.ids.append(ids)
        if not all(self.ids):
            raise Failure("ERR_ARGUMENT", "a prompt is empty: the model needs a token to begin with")
        longest = max(map(len, self.ids))
        if len(self.ids) > 1 and self.padding == "none":
            raise Failure("ERR_UNSUPPORTED", "Transformers computes batches padded: take "
                          "--padding left")
        pad = tokenizer.pad_token_id
        if pad is None:
            pad = min(self.eos) if self.eos else 0
        self.pad = pad
        rows, masks = [], []
        for ids in self.ids:
            gap = longest - len(ids)
            left = gap if self.padding != "right" else 0
            rows.append([pad] * left + ids + [pad] * (gap - left))
            masks.append([0] * left + [1] * len(ids) + [0] * (gap - left))
        device = self.engine.device
        self.input = torch.tensor(rows, device=device)
        self.mask = torch.tensor(masks, device=device)

    def config(self):
        """What generate() is told; every setting that the checkpoint may bring is set."""
        s = self.op.get("sampling") or {}
        temperature = float(s.get("temperature", 0))
        drawing = temperature > 0
        return self.engine.transformers.GenerationConfig(
            max_new_tokens=max(self.limit(i) for i in range(len(self.ids))),
            do_sample=drawing,
            temperature=temperature if drawing else None,
            top_k=int(s.get("top_k", 0)) if drawing else None,
            top_p=float(s.get("top_p", 1)) if drawing else None,
            min_p=float(s.get("min_p", 0)) if drawing else None,
            repetition_penalty=float(s.get("repetition_penalty", 1)),
            # An id that no token has: with no id at all, generate() takes the checkpoint's.
            eos_token_id=sorted(self.eos) if self.eos else [-1],
            pad_token_id=self.pad,
            output_logits=self.logprobs() > 0,
            return_dict_in_generate=True,
        )

    def logprobs(self):
        return int(self.op.get("logprobs") or 0)

    # ---- during -------------------------------------------------------------------------

    def generate(self, stream):
        engine, torch = self.engine, self.engine.torch
        if self.op.get("stop"):
            self.stop = {"stop_strings": list(self.op["stop"]), "tokenizer": engine.tokenizer}
        else:
            self.stop = {}
        torch.manual_seed(int((self.op.get("sampling") or {}).get("seed", 0)) % 2 ** 63)
        self.config_made = self.config()
        self.streamers = Streamers(self, len(self.ids))
        self.failure = self.out = None
        self.prefill_ns = None
        hooks = self.watch_first_forward()
        self.thread = threading.Thread(target=self.work)
        self.naive_start_ns = time.monotonic_ns()
        self.thread.start()
        items = self.consume(stream)
        self.thread.join()
        for hook in hooks:
            hook.remove()
        if self.failure is not None:
            raise self.failure
        self.conclude(items, stream)

    def work(self):
        try:
            with self.engine.torch.inference_mode():
                self.out = self.engine.model.generate(
                    self.input, attention_mask=self.mask, generation_config=self.config_made,
                    streamer=self.streamers, **self.stop)
        except Exception as error:  # said by the main thread
            self.failure = error if isinstance(error, Failure) else Failure(
                "ERR_CHILD", f"generate() failed: {type(error).__name__}: {one_line(error)}")
            self.streamers.end()

    def watch_first_forward(self):
        """Prefill is the first call of the model. On a device that computes by itself its end
        is waited for; generate() would wait a moment later, when it reads the first id."""
        hooks = []

        def before(*_):
            if self.prefill_ns is None:
                self.prefill_ns = [time.monotonic_ns(), None]

        def after(*_):
            if self.prefill_ns[1] is None:
                self.engine.synchronize()
                self.prefill_ns[1] = time.monotonic_ns()

        hooks.append(self.engine.model.register_forward_pre_hook(before))
        hooks.append(self.engine.model.register_forward_hook(after))
        return hooks

    def consume(self, stream):
        """The consumer: everything that comes through the queue, stamped when it is here."""
        items = []
        take, now = self.streamers.queue.get, time.monotonic_ns
        while True:
            item = take()
            items.append((now(), item))
            if item[0] == "over":
                return items
            if stream:
                self.say_item(*items[-1])
                self.engine.parent.flush()

    # ---- after --------------------------------------------------------------------------

    def say_item(self, t_ns, item):
        if item[0] == "token":
            kind, i, value, pushed = item
            self.engine.parent.say("token", request=self.number, sequence=i, id=value,
                                   t_ns=t_ns, pushed_ns=pushed)
        elif item[0] == "text" and item[2]:
            self.engine.parent.say("text", request=self.number, sequence=item[1], t_ns=t_ns,
                                   text=item[2])

    def conclude(self, items, stream):
        parent, number = self.engine.parent, self.number
        self.first_phases(items)
        if self.logprobs() > 0:
            self.say_with_logprobs(items)
        elif not stream:
            for item in items:
                self.say_item(*item)
        stopped = bool(self.stop) and any(
            self.finish[i] is None and self.count(items, i) < self.limit(i)
            for i in range(len(self.ids)))
        for i in range(len(self.ids)):
            if self.finish[i] is None:
                early = stopped and self.count(items, i) < self.limit(i)
                self.finish[i] = "stop" if early else "length"
        if len(self.ids) > 1:
            for i, why in enumerate(self.finish):
                parent.say("finish", request=number, sequence=i, finish=why)
        parent.say("done", request=number, t_ns=items[-1][0], finish=self.finish[0],
                   threads=self.engine.torch.get_num_threads(), peak_rss_bytes=peak_rss(),
                   streamer=self.naive(items))

    @staticmethod
    def count(items, i):
        return sum(1 for _, item in items if item[0] == "token" and item[1] == i)

    def first_phases(self, items):
        """Where the time to the first token went."""
        first = next(((t, item) for t, item in items if item[0] == "token"), None)
        if first is None or self.prefill_ns is None or self.prefill_ns[1] is None:
            return
        begin, end = self.prefill_ns
        pushed = first[1][3]
        self.engine.phase("prefill", begin, end, request=self.number)
        self.engine.phase("sample", end, max(end, pushed), request=self.number)
        self.engine.phase("deliver", max(end, pushed), max(end, pushed, first[0]),
                          request=self.number)

    def say_with_logprobs(self, items):
        """Logarithms of the softmax of the model's own logits, computed when all is over."""
        torch = self.engine.torch
        n = min(self.logprobs(), LISTS_AT_MOST)
        at = [0] * len(self.ids)
        for t_ns, item in items:
            if item[0] != "token":
                self.say_item(t_ns, item)
                continue
            kind, i, value, pushed = item
            scores = torch.log_softmax(self.out.logits[at[i]][i].double(), dim=-1)
            top = torch.topk(scores, n)
            at[i] += 1
            self.engine.parent.say(
                "token", request=self.number, sequence=i, id=value, t_ns=t_ns,
                pushed_ns=pushed, logprob=float(scores[value]),
                top=[[int(k), float(x)] for x, k in zip(top.values, top.indices)])

    def naive(self, items):
        """What a script measures that takes the streamer's items for tokens: the clock starts
        before the thread, after loading and tokenization."""
        texts = [t for t, item in items if item[0] == "text"]
        if len(self.ids) > 1 or not texts:
            return None
        return {"start_ns": self.naive_start_ns, "first_item_ns": texts[0],
                "last_item_ns": texts[-1], "items": len(texts)}


def one_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:400]


def peak_rss():
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def serve(parent, engine):
    for line in sys.stdin:
        try:
            op = json.loads(line)
        except ValueError:
            continue
        number = {"request": op["request"]} if "request" in op else {}
        try:
            if op.get("op") == "load":
                engine.load(op)
            elif op.get("op") == "request":
                engine.request(op)
        except Failure as failure:
            parent.say("error", now=True, code=failure.code, message=one_line(failure), **number)
            return 1
    return 0


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--device", default="cpu", choices=["cpu", "mps", "cuda"])
    options.add_argument("--dtype", default="auto",
                         choices=["auto", "float32", "float16", "bfloat16"])
    options = options.parse_args()
    parent = Parent(take_stdout())
    parent.say("hello", now=True, protocol=PROTOCOL, engine="transformers", t_ns=BORN_NS,
               capabilities=["stream", "logprobs", "sequences", "padding"])
    return serve(parent, Engine(parent, options))


if __name__ == "__main__":
    sys.exit(main())
