#!/usr/bin/env python3
"""`inferometer load` against `inferometer mock-server` and a server that keeps what it was
asked (recorder.py).

    tests/load/run.py [-v] [TestCase[.test_name]…]

Counts, bodies and order are checked, never how long something took.
"""
import collections
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from recorder import Recorder

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(SOURCE, "build"))
PROGRAM = os.path.join(BUILD, "inferometer")
TIME_LIMIT_S = 120
KEY = "sk-ThisMustNeverBeSeen"

# Untrustworthy is for a machine that is busy with other things: the numbers here are not
# what is tested.
MEASURED = (0, 3)


class Mock:
    """inferometer mock-server as a child."""

    def __init__(self, *options):
        self.log = tempfile.NamedTemporaryFile(suffix=".jsonl")
        self.child = subprocess.Popen(
            [PROGRAM, "mock-server", "--log", self.log.name, *options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.child.stdout.readline()
        self.url = line.removeprefix("listening on ").strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait(TIME_LIMIT_S)
        self.child.stdout.close()
        self.log.close()

    def requests(self):
        """What it says it did; it writes that when it ends."""
        self.child.terminate()
        self.child.wait(TIME_LIMIT_S)
        with open(self.log.name) as log:
            return [json.loads(line) for line in log]


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def path(self, name, content=None):
        path = os.path.join(self.directory.name, name)
        if content is not None:
            with open(path, "w") as file:
                file.write(content)
        return path

    def start(self, url, *options, **environment):
        base = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
        base |= {"IFM_CACHE_DIR": self.path("cache")} | environment
        return subprocess.Popen(
            [PROGRAM, "load", "--url", url, *options], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=base)

    def load(self, url, *options, expect=MEASURED, **environment):
        """Runs it with --json; the document, and what it printed."""
        document = self.path("result.json")
        child = self.start(url, "--json", document, *options, **environment)
        out, err = child.communicate(timeout=TIME_LIMIT_S)
        self.assertIn(child.returncode, expect, f"{options}: {out}{err}")
        if not os.path.exists(document):
            return None, out, err
        with open(document) as file:
            return json.load(file), out, err

    def check_sums(self, document):
        """Every request has one outcome; all sums say the same."""
        load, requests = document["load"], document["requests"]
        measured = [r for r in requests if r["start"] != "warmup"]
        self.assertEqual(load["requests"], len(measured))
        self.assertEqual(load["warmup_requests"], len(requests) - len(measured))
        counted = collections.Counter(r["outcome"] for r in measured)
        self.assertEqual(load["outcomes"], dict(counted))
        for r in requests:
            self.assertEqual(r["ok"], r["outcome"] == "ok")
            self.assertEqual(r["error"], None if r["ok"] else r["outcome"])
        self.assertEqual(len({r["request_id"] for r in requests}), len(requests))
        return measured


class Counting(Case):
    def test_requests_are_those_the_server_saw(self):
        with Mock("--ttft", "5", "--itl", "1") as mock:
            document, out, _ = self.load(mock.url, "-c", "4", "-n", "40", "--warmup", "6",
                                         "--output-len", "5", "--input-len", "50")
            measured = self.check_sums(document)
            seen = mock.requests()
        self.assertEqual(len(measured), 40)
        self.assertEqual(document["load"]["warmup_requests"], 6)
        self.assertEqual({r["request_id"] for r in document["requests"]},
                         {r["request_id"] for r in seen})
        self.assertTrue(all(r["prompt_tokens"] == 50 and r["completion_tokens"] == 5
                            for r in seen))
        self.assertEqual(document["load"]["sum_output_tokens"], 200)
        self.assertEqual(document["load"]["client"]["peak_in_flight"], 4)
        self.assertEqual(document["load"]["prompt_mismatches"], 0)
        self.assertIn("40 of 40 answered", out)
        # Warm-up has ended before anything else is due.
        warm = [r for r in document["requests"] if r["start"] == "warmup"]
        first = min(r["due_at_ns"] for r in measured)
        self.assertTrue(all(r["due_at_ns"] + r["end_ns"] <= first for r in warm))

    def test_every_failure_has_a_name(self):
        faults = ["http-429", "http-500", "reset@2", "close@2", "error-event@2",
                  "bad-json@1", "html", "no-tokens", "truncate@2"]
        options = [o for f in faults for o in ("--fault", f.replace("@", ":0.1@") if "@" in f
                                               else f + ":0.1")]
        with Mock("--ttft", "2", "--itl", "1", "--seed", "5", *options) as mock:
            document, _, _ = self.load(mock.url, "-c", "8", "-n", "200", "--output-len", "6")
            self.check_sums(document)
        outcomes = document["load"]["outcomes"]
        self.assertEqual(sum(outcomes.values()), 200)
        # Which fault becomes which outcome is the business of tests of answers.
        self.assertGreaterEqual(len(outcomes), 6, outcomes)

    def test_all_failures_are_a_failure(self):
        with Mock("--fault", "http-500") as mock:
            document, _, err = self.load(mock.url, "-n", "5", expect=(1,))
        self.check_sums(document)
        self.assertEqual(document["load"]["outcomes"], {"server-error": 5})
        self.assertIn("none of 5 requests", err)

    def test_a_server_that_dies(self):
        with Mock("--ttft", "2", "--itl", "1", "--fault", "die:0.04@1", "--seed", "3") as mock:
            document, _, _ = self.load(mock.url, "-c", "4", "-n", "150", "--output-len", "3",
                                       expect=(0, 1, 3))
        self.check_sums(document)
        self.assertEqual(document["load"]["requests"], 150)
        self.assertGreater(document["load"]["outcomes"].get("connection-refused", 0), 0)

    def test_a_limit_on_requests_under_a_rate(self):
        with Mock("--ttft", "20", "--itl", "1") as mock:
            document, _, _ = self.load(mock.url, "-r", "inf", "-n", "12", "-c", "3",
                                       "--output-len", "2")
        measured = self.check_sums(document)
        self.assertEqual(document["load"]["plan"]["arrival"], "burst")
        self.assertEqual(document["load"]["client"]["peak_in_flight"], 3)
        self.assertEqual(len({r["due_at_ns"] for r in measured}), 1)
        waited = sorted(r["gate_ns"] for r in measured)
        self.assertEqual(waited[:3], [0, 0, 0])
        self.assertTrue(all(w > 0 for w in waited[3:]))
        # The wait is part of what was waited for.
        self.assertTrue(all(r["ttft_ns"] > r["gate_ns"] for r in measured))

    def test_waiting_for_a_place_ends_at_the_timeout(self):
        with Mock("--ttft", "1500", "--itl", "1") as mock:
            document, _, _ = self.load(mock.url, "-r", "inf", "-n", "6", "-c", "2",
                                       "--output-len", "2", "--timeout", "1s",
                                       expect=(1,))
        self.check_sums(document)
        self.assertEqual(document["load"]["outcomes"], {"timeout": 6})


class Timing(Case):
    def test_a_constant_rate_is_kept(self):
        with Mock("--ttft", "5", "--itl", "1") as mock:
            document, _, _ = self.load(mock.url, "-r", "200", "--arrival", "constant", "-n",
                                       "60", "--output-len", "2")
        due = sorted(r["due_at_ns"] for r in self.check_sums(document))
        self.assertEqual({b - a for a, b in zip(due, due[1:])}, {5_000_000})

    def test_the_seed_makes_the_arrivals(self):
        gaps = []
        with Mock("--ttft", "1", "--itl", "1") as mock:
            for seed in ("7", "7", "8"):
                document, _, _ = self.load(mock.url, "-r", "300", "-n", "50", "--seed", seed,
                                           "--output-len", "2")
                due = sorted(r["due_at_ns"] for r in self.check_sums(document))
                gaps.append([b - a for a, b in zip(due, due[1:])])
        self.assertEqual(gaps[0], gaps[1])
        self.assertNotEqual(gaps[0], gaps[2])

    def test_a_duration_ends_it(self):
        with Mock("--ttft", "5", "--itl", "1") as mock:
            document, _, _ = self.load(mock.url, "-c", "2", "-d", "700ms", "--output-len",
                                       "3")
        measured = self.check_sums(document)
        begin = min(r["due_at_ns"] for r in measured)
        self.assertGreater(len(measured), 2)
        self.assertTrue(all(r["due_at_ns"] < begin + 700_000_000 for r in measured))
        self.assertEqual(document["load"]["outcomes"], {"ok": len(measured)})

    def test_who_thinks_keeps_the_place(self):
        with Mock("--ttft", "5", "--itl", "1") as mock:
            document, _, _ = self.load(mock.url, "-c", "2", "-d", "700ms", "--turns", "2",
                                       "--think-time", "60", "--output-len", "2")
        self.assertEqual([r["turn"] for r in self.check_sums(document)], [0, 0])

    def test_a_trace_is_replayed(self):
        trace = "".join(json.dumps({"timestamp": t, "input_length": 600, "output_length": 2,
                                    "hash_ids": h}) + "\n"
                        for t, h in ((5000, [1, 2]), (5100, [1, 3]), (5400, [4, 5])))
        with Recorder() as server:
            document, _, _ = self.load(server.url, "--prompts", self.path("t.jsonl", trace),
                                       "--trace-speed", "2")
            bodies = server.bodies
        measured = sorted(self.check_sums(document), key=lambda r: r["due_at_ns"])
        self.assertEqual(document["load"]["plan"]["arrival"], "trace")
        begin = measured[0]["due_at_ns"]
        self.assertEqual([r["due_at_ns"] - begin for r in measured],
                         [0, 50_000_000, 200_000_000])
        prompts = [b["prompt"].split() for b in bodies]
        self.assertEqual([len(p) for p in prompts], [600] * 3)
        self.assertTrue(all(b["max_tokens"] == 2 and b["ignore_eos"] for b in bodies))
        self.assertEqual(prompts[0][:512], prompts[1][:512])
        self.assertNotEqual(prompts[0][512:], prompts[1][512:])
        self.assertNotEqual(prompts[0][:8], prompts[2][:8])


class Asking(Case):
    def prompts(self, *options):
        with Recorder() as server:
            document, _, _ = self.load(server.url, *options)
            self.check_sums(document)
            return [b["prompt"].split() for b in server.bodies]

    def test_prompts_have_nothing_in_common(self):
        prompts = self.prompts("-n", "60", "-c", "4", "--input-len", "40")
        self.assertEqual({len(p) for p in prompts}, {40})
        self.assertEqual(len({tuple(p[:2]) for p in prompts}), 60)

    def test_two_runs_have_nothing_in_common(self):
        one = self.prompts("-n", "5", "--input-len", "40")
        two = self.prompts("-n", "5", "--input-len", "40")
        self.assertFalse({tuple(p[:6]) for p in one} & {tuple(p[:6]) for p in two})

    def test_prompts_from_standard_input(self):
        with Recorder() as server:
            for text, code, words in [
                ("first of two\nsecond\n", MEASURED, ""),
                ("", (1,), "standard input: holds no prompt"),
                ('{"prompt": "a"}\n{"prompt": 5}\n', (1,), "standard input:2"),
            ]:
                done = subprocess.run(
                    [PROGRAM, "load", "--url", server.url, "--prompts", "-", "-q"], input=text,
                    capture_output=True, text=True, timeout=TIME_LIMIT_S)
                self.assertIn(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)
            self.assertEqual([b["prompt"] for b in server.bodies], ["first of two", "second"])

    def test_a_prefix_is_shared(self):
        prompts = self.prompts("-n", "20", "-c", "4", "--input-len", "uniform:10,20",
                               "--shared-prefix-tokens", "30")
        self.assertEqual(len({tuple(p[:30]) for p in prompts}), 1)
        self.assertEqual(len({tuple(p[30:32]) for p in prompts}), 20)
        self.assertTrue(all(40 <= len(p) <= 50 for p in prompts))

    def test_conversations_hold_the_real_answers(self):
        with Recorder() as server:
            document, _, _ = self.load(server.url, "--turns", "3", "--think-time", "0.01",
                                       "-c", "2", "-n", "12", "--input-len", "5")
            bodies = server.bodies
        measured = self.check_sums(document)
        self.assertEqual(len(measured), 12)
        turns = collections.Counter(r["turn"] for r in measured)
        self.assertEqual(turns, {0: 4, 1: 4, 2: 4})
        self.assertEqual(len({r["session"] for r in measured}), 4)
        answers = {f"answer{i} is this" for i in range(12)}
        used = set()
        for body in bodies:
            messages = body["messages"]
            self.assertEqual([m["role"] for m in messages],
                             ["user", "assistant"] * (len(messages) // 2) + ["user"])
            for m in messages[1::2]:
                self.assertIn(m["content"], answers)
                used.add(m["content"])
        self.assertEqual(len(used), 8)  # each answer but the last of each conversation
        # The next turn is due the think time after the answer before it ended.
        by_turn = {(r["session"], r["turn"]): r for r in measured}
        for (session, turn), r in by_turn.items():
            if turn > 0:
                before = by_turn[session, turn - 1]
                self.assertEqual(r["due_at_ns"],
                                 before["due_at_ns"] + before["end_ns"] + 10_000_000)

    def test_sharegpt_and_own_lines(self):
        share = [{"conversations": [{"from": "human", "value": f"q{i}"},
                                    {"from": "gpt", "value": "recorded"}]} for i in range(3)]
        own = '{"messages": [{"role": "user", "content": "hello"}], "max_new_tokens": 9}\n'
        with Recorder() as server:
            document, _, _ = self.load(server.url, "--prompts",
                                       self.path("s.json", json.dumps(share)))
            self.assertEqual(self.check_sums(document)[0]["session"], None)
            self.assertEqual([b["prompt"] for b in server.bodies], ["q0", "q1", "q2"])
            self.load(server.url, "--prompts", self.path("o.jsonl", own))
        self.assertEqual(server.bodies[-1]["messages"], [{"role": "user", "content": "hello"}])
        self.assertEqual(server.bodies[-1]["max_tokens"], 9)
        self.assertNotIn("ignore_eos", server.bodies[-1])

    def test_what_the_body_says(self):
        with Recorder() as server:
            self.load(server.url, "-n", "1", "--output-len", "7", "--honour-eos",
                      "--extra-body", '{"top_k": 3}', "--temperature", "0.5", "--header",
                      "X-Team: red")
            self.load(server.url, "-n", "1", "--endpoint", "chat", "--model", "other")
        one, two = server.bodies
        self.assertEqual((one["max_tokens"], one["top_k"], one["temperature"], one["model"]),
                         (7, 3, 0.5, "tiny"))
        self.assertNotIn("ignore_eos", one)
        self.assertTrue(one["stream"] and one["stream_options"]["include_usage"])
        self.assertEqual(two["model"], "other")
        self.assertTrue(two["ignore_eos"])
        self.assertEqual(server.headers[0]["X-Team"], "red")

    def test_a_template_is_recognised(self):
        with Recorder(overhead=11) as server:
            document, _, _ = self.load(server.url, "-n", "10", "--input-len", "30",
                                       "--endpoint", "chat")
        self.assertEqual(document["load"]["prompt_mismatches"], 0)
        said = {w["code"]: w["message"] for w in document["warnings"]}
        self.assertIn("11 tokens", said["prompt-overhead"])


class Ending(Case):
    def test_ctrl_c_keeps_what_was_measured(self):
        document = self.path("result.json")
        with Mock("--ttft", "100", "--itl", "400") as mock:
            child = self.start(mock.url, "-c", "4", "-d", "60", "--output-len", "uniform:1,40",
                               "--json", document)
            time.sleep(2)
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=TIME_LIMIT_S)
        self.assertEqual(child.returncode, 1, out + err)
        self.assertRegex(err, r"interrupted: \d+ of \d+ requests")
        with open(document) as file:
            result = json.load(file)
        self.assertTrue(result["incomplete"])
        self.check_sums(result)
        self.assertEqual(result["load"]["outcomes"]["cancelled"], 4)

    def test_nobody_there(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            document, out, err = self.load(url, expect=(1,))
            self.assertIsNone(document)
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertIn(url, err)
            # Who named the model asked for a load: it is one of which nothing came.
            document, out, err = self.load(url, "--model", "m", "-d", "500ms", "-c", "2",
                                           expect=(1,))
        measured = self.check_sums(document)
        self.assertEqual(document["load"]["outcomes"],
                         {"connection-refused": len(measured)})
        # Two places, which begin to rest from the hundredth failure on.
        self.assertIn(len(measured), range(100, 400))
        self.assertIn("all-failed", {w["code"] for w in document["warnings"]})

    def test_wrong_usage(self):
        wrong = [
            [], ["--url", "ftp://x"], ["--url", "http://x", "-c", "0"],
            ["--url", "http://x", "--request-rate", "fast"],
            ["--url", "http://x", "--request-rate", "0"],
            ["--url", "http://x", "--arrival", "poisson"],
            ["--url", "http://x", "--arrival", "closed", "-r", "5"],
            ["--url", "http://x", "--arrival", "trace"],
            ["--url", "http://x", "--burstiness", "2"],
            ["--url", "http://x", "-r", "inf", "-d", "5"],
            ["--url", "http://x", "-r", "inf", "--ramp", "5"],
            ["--url", "http://x", "--trace-speed", "2"],
            ["--url", "http://x", "--duration", "soon"],
            ["--url", "http://x", "--slo", "ttft"],
            ["--url", "http://x", "--input-len", "0"],
            ["--url", "http://x", "--think-time", "1"],
            ["--url", "http://x", "--prompts", "f", "--input-len", "5"],
            ["--url", "http://x", "--ignore-eos", "--honour-eos"],
            ["--url", "http://x", "--extra-body", "{"],
        ]
        for options in wrong:
            done = subprocess.run([PROGRAM, "load", *options], capture_output=True,
                                  text=True, timeout=TIME_LIMIT_S)
            self.assertEqual(done.returncode, 2, f"{options}: {done.stderr}")
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_the_key_is_never_seen(self):
        with Mock("--api-key", KEY, "--ttft", "1", "--itl", "1") as mock:
            document, out, err = self.load(
                mock.url, "-n", "2", "--header", f"X-Other: {KEY}", OPENAI_API_KEY=KEY)
            self.assertEqual(document["load"]["outcomes"], {"ok": 2})
            self.assertNotIn(KEY, json.dumps(document) + out + err)
            _, out, err = self.load(mock.url, "-n", "2", OPENAI_API_KEY=KEY + "x",
                                    expect=(1,))
            self.assertNotIn(KEY, out + err)
            self.assertIn("key", err)


if __name__ == "__main__":
    unittest.main()
