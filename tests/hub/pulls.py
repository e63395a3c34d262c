"""Pulls that work, and every way in which they do not."""
import os
import resource
import shutil
import signal
import subprocess
import time

from case import CONFIG, HubCase, PROGRAM, SHARDS, TIME_LIMIT_S, TINY, TOKEN, WEIGHTS
from server import Hub, Repository, sha256


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
