"""What the tests of downloads share: models, made here, and a hub that has them."""
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import unittest

from server import Fault, Hub, Repository

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(SOURCE, "build"))
PROGRAM = os.path.join(BUILD, "inferometer")
TOKEN = "hf_ThisMustNeverBeSeen"
TIME_LIMIT_S = 120
LARGE_BYTES = 300_000


def safetensors(tensors):
    """Bytes of a file with one-dimensional f32 tensors: {name: [numbers]}."""
    header, data = {}, b""
    for name, numbers in tensors.items():
        piece = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": [len(numbers)],
                        "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def some_numbers(n, seed):
    rng = random.Random(seed)
    return [rng.uniform(-1, 1) for _ in range(n)]


CONFIG = json.dumps({"model_type": "gpt2", "dtype": "float32"}).encode()
WEIGHTS = safetensors({"wte": some_numbers(LARGE_BYTES // 4, 1)})
MODEL = {
    "config.json": CONFIG,
    "tokenizer.json": b"{}" * 20,
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"not wanted",
    "onnx/model.onnx": b"not wanted",
    "README.md": b"not wanted",
}
TINY = ["config.json", "tokenizer.json", "model.safetensors"]
SHARDS = {
    "config.json": CONFIG,
    "model.safetensors.index.json": json.dumps({"weight_map": {
        "a": "model-00001-of-00002.safetensors",
        "b": "model-00002-of-00002.safetensors",
        "c": "odd.safetensors"}}).encode(),
    "model-00001-of-00002.safetensors": safetensors({"a": some_numbers(5000, 2)}),
    "model-00002-of-00002.safetensors": safetensors({"b": some_numbers(50, 3)}),
    "odd.safetensors": safetensors({"c": some_numbers(60, 4)}),
    "other.safetensors": b"not wanted",
}
GGUFS = {
    "README.md": b"not wanted",
    "tiny-Q4_0.gguf": b"GGUF four" * 2000,
    "tiny-Q8_0.gguf": b"GGUF eight" * 2000,
    "mmproj-tiny-f16.gguf": b"GGUF eyes",
}


class HubCase(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="ifm-hub-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.hub = Hub({
            "org/tiny": Repository(MODEL, revisions=("main", "v1.0", "refs/pr/1")),
            "alone": Repository(MODEL),
            "org/shards": Repository(SHARDS),
            "org/ggufs": Repository(GGUFS),
            "org/one-gguf": Repository({"a/tiny.Q4_K_M.gguf": b"GGUF" * 5000}),
            "org/torch": Repository({"config.json": CONFIG, "pytorch_model.bin": b"x"}),
            "org/gated": Repository(MODEL, token=TOKEN),
        })
        self.addCleanup(self.hub.close)
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("HF_", "IFM_")) and "proxy" not in name.lower()}
        self.env.update(HF_HOME=self.root, HF_ENDPOINT=self.hub.url, LC_ALL="C.UTF-8",
                        TERM="dumb", IFM_MODELS=os.path.join(SOURCE, "models"),
                        IFM_CACHE_DIR=os.path.join(self.root, ".ours"))

    # -- helpers -------------------------------------------------------------------------

    def run_program(self, *words, code=0, before=None, **env):
        done = subprocess.run([PROGRAM, *words], env={**self.env, **env}, cwd=self.root,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=TIME_LIMIT_S, preexec_fn=before)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn(TOKEN, done.stdout + done.stderr)
        self.assertNotIn("signature", done.stdout + done.stderr)
        return done

    def pull(self, *words, **how):
        return self.run_program("model", "pull", *words, **how)

    def refuse(self, *words, says, **how):
        """A pull that fails: one line on stderr, the last one, which says this."""
        done = self.pull(*words, code=how.pop("code", 1), **how)
        line = done.stderr.splitlines()[-1]
        self.assertIn(says, line)
        self.assertEqual(done.stdout, "")
        return done

    def fault(self, path, **what):
        self.hub.faults.append(Fault(path, **what))

    def place(self, repo, *below):
        name = "models--" + repo.replace("/", "--")
        return os.path.join(self.root, "hub", name, *below)

    def snapshot(self, repo):
        return self.place(repo, "snapshots", self.hub.repositories[repo].commit)

    def incomplete(self, repo="org/tiny"):
        blobs = self.place(repo, "blobs")
        return [name for name in os.listdir(blobs) if name.endswith(".incomplete")]

    def check_model(self, repo, wanted):
        """The snapshot has these files, each a link to a blob named by its hash."""
        known, snapshot = self.hub.repositories[repo], self.snapshot(repo)
        found = {os.path.relpath(os.path.join(at, name), snapshot)
                 for at, _, names in os.walk(snapshot) for name in names}
        self.assertEqual(found, set(wanted))
        for name in wanted:
            path = os.path.join(snapshot, name)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), known.files[name])
            self.assertTrue(os.path.islink(path))
            self.assertFalse(os.path.isabs(os.readlink(path)))
            self.assertEqual(os.path.basename(os.readlink(path)), known.etag(name))
        self.assertEqual(self.incomplete(repo), [])
        with open(self.place(repo, "refs", "main"), encoding="ascii") as file:
            self.assertEqual(file.read(), known.commit)
