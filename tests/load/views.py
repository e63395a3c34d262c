#!/usr/bin/env python3
"""What people see of a load: the live view on a terminal and elsewhere, the search for a rate,
sweeps over loads; against `inferometer mock-server`.

    tests/load/views.py [-v] [TestCase[.test_name]…]

Structure and counts are checked, never how long something took.
"""
import csv
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
import threading
import unittest

from run import KEY, MEASURED, PROGRAM, TIME_LIMIT_S, Case, Mock


class Screen:
    """As much of a terminal as the live view uses: what is not understood is an error."""

    def __init__(self, columns, lines):
        self.columns, self.lines = columns, lines
        self.rows, self.x, self.y = {}, 0, 0
        self.most_rows = self.most_columns = 0
        self.colours = False

    def feed(self, text):
        at = 0
        while at < len(text):
            escape = re.match(r"\x1b\[(\d*)([A-Za-z])", text[at:])
            if escape:
                self.command(int(escape[1] or 0), escape[2])
                at += escape.end()
                continue
            c = text[at]
            at += 1
            if c == "\r":
                self.x = 0
            elif c == "\n":
                self.y += 1
            else:
                assert c.isprintable(), f"{c!r} at {text[at - 20:at + 20]!r}"
                row = self.rows.setdefault(self.y, {})
                row[self.x] = c
                self.x += 1
                self.most_columns = max(self.most_columns, self.x)
                self.most_rows = max(self.most_rows, self.y + 1)

    def command(self, n, letter):
        if letter == "A":
            assert n <= self.y, "above what it has drawn"
            self.y -= n
        elif letter == "K":
            row = self.rows.get(self.y, {})
            self.rows[self.y] = {x: c for x, c in row.items() if x < self.x}
        elif letter == "J":
            self.command(0, "K")
            self.rows = {y: row for y, row in self.rows.items() if y <= self.y}
        elif letter == "m":
            self.colours = True
        else:
            raise AssertionError(f"unknown command {letter}")

    def text(self):
        return "\n".join("".join(c for _, c in sorted(row.items())).rstrip()
                         for _, row in sorted(self.rows.items())).strip()


def on_terminal(words, columns=80, lines=24, **environment):
    """Runs with standard error on a terminal; returns what it drew, output, exit code."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    env = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm"} | environment
    drawn = []

    def read():
        try:
            while data := os.read(ours, 65536):
                drawn.append(data)
        except OSError:  # the other side is closed
            pass

    reader = threading.Thread(target=read)
    with subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, stderr=theirs, text=True,
                          env=env) as child:
        os.close(theirs)
        reader.start()
        output, _ = child.communicate(timeout=TIME_LIMIT_S)
    reader.join(TIME_LIMIT_S)
    os.close(ours)
    return b"".join(drawn).decode(), output, child.returncode


def paced(url, *options):
    """A load of some two seconds: ticks come four times a second."""
    return ["load", "--url", url, "-r", "20", "-n", "40", "--arrival", "constant",
            "--output-len", "4", *options]


class Live(Case):
    def test_a_terminal_shows_it_and_is_left_clean(self):
        with Mock("--ttft", "20", "--itl", "2", "--fault", "http-500:0.3") as mock:
            drawn, output, code = on_terminal(paced(mock.url))
        self.assertIn(code, MEASURED)
        screen = Screen(80, 24)
        screen.feed(drawn)
        self.assertEqual(screen.text(), "")
        self.assertLess(screen.most_columns, 80)
        self.assertGreaterEqual(screen.most_rows, 5)
        self.assertTrue(screen.colours)
        for word in ("in flight", "TTFT", "ITL", "client lag", " of 40", "server-error"):
            self.assertIn(word, drawn)
        self.assertIn("verdict", output)
        self.assertNotIn("in flight  ", output)

    def test_small_terminals_and_no_colour(self):
        with Mock("--ttft", "20", "--itl", "2") as mock:
            drawn, _, code = on_terminal(paced(mock.url), columns=33, lines=4, NO_COLOR="1")
        self.assertIn(code, MEASURED)
        screen = Screen(33, 4)
        screen.feed(drawn)
        self.assertFalse(screen.colours)
        self.assertLessEqual(screen.most_columns, 33)
        self.assertLess(screen.most_rows, 4)
        self.assertEqual(screen.text(), "")

    def test_a_log_gets_lines_and_quiet_nothing(self):
        with Mock("--ttft", "20", "--itl", "2") as mock:
            words = ["load", "--url", mock.url, "-r", "10", "-n", "70", "--arrival", "constant",
                     "--output-len", "4"]
            done = subprocess.run([PROGRAM, *words], capture_output=True, text=True,
                                  timeout=TIME_LIMIT_S)
            quiet = subprocess.run([PROGRAM, *paced(mock.url, "-q")], capture_output=True,
                                   text=True, timeout=TIME_LIMIT_S)
        self.assertIn(done.returncode, MEASURED)
        self.assertRegex(done.stderr, r"(?m)^load: 0:\d\d, \d+ of 70 done, \d+ in flight")
        self.assertNotIn("\x1b", done.stderr)
        self.assertEqual((quiet.stdout, quiet.stderr), ("", ""))


class FindRate(Case):
    def find(self, mock, *options):
        result = self.path("found.json")
        done = subprocess.run(
            [PROGRAM, "load", "--url", mock.url, "--find-rate", "--json", result,
             "--output-len", "1", "--input-len", "10", *options],
            capture_output=True, text=True, timeout=TIME_LIMIT_S)
        self.assertIn(done.returncode, MEASURED, done.stderr)
        with open(result) as file:
            return json.load(file), done

    def test_a_bracket_whose_ends_were_measured(self):
        # A place, 5 ms each: 200 a second and no more. At the first rate requests would have to
        # stand still for more than half a second for one to be late, at 400 a second most are.
        with Mock("--ttft", "5", "-c", "1") as mock:
            document, done = self.find(mock, "--slo", "ttft:600", "-r", "100", "-n", "200", "-d",
                                       "1", "--find-rate-precision", "1")
        found = document["load"]["find_rate"]
        steps = {step["rate"]: step for step in found["steps"]}
        self.assertEqual(found["end"], "found")
        self.assertEqual(steps[found["rate"]]["verdict"], "kept")
        self.assertNotEqual(steps[found["rate_not_kept"]]["verdict"], "kept")
        self.assertLessEqual(found["rate_not_kept"], 2 * found["rate"])
        for step in found["steps"]:
            low, high = step["good_share_interval"]
            share = step["good_requests"] / step["requests"]
            self.assertTrue(low <= share <= high)
            self.assertEqual(step["verdict"] == "kept", low > 0.95)
            if step["verdict"] == "broken":
                self.assertLess(high, 0.95)
        # Twice of what it can do in the long run cannot be kept, whatever the machine does.
        self.assertLess(found["rate"], 400)
        # The document is of the load at the rate that was found.
        self.assertEqual(document["load"]["plan"]["request_rate"], found["rate"])
        self.assertIn("Search", done.stdout)
        self.assertRegex(done.stderr, r"(?m)^100 requests/s: ")

    def test_the_first_rate_comes_from_a_request(self):
        with Mock("--ttft", "40", "-n", "1") as mock:
            # Ended at the ceiling of what this test has patience for: what was decided stays.
            child = subprocess.Popen(
                [PROGRAM, "load", "--url", mock.url, "--find-rate", "--slo", "ttft:30000", "-n",
                 "200", "-d", "1", "--input-len", "10", "--json", self.path("x.json")],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for line in child.stderr:
                if "requests/s: " in line and not line.startswith("load:"):
                    child.send_signal(signal.SIGINT)
                    break
            child.communicate(timeout=TIME_LIMIT_S)
        self.assertEqual(child.returncode, 1)
        with open(self.path("x.json")) as file:
            document = json.load(file)
        self.assertTrue(document["incomplete"])
        found = document["load"]["find_rate"]
        self.assertEqual(found["end"], "searching")
        # Four at once of 40 ms each, or longer on a busy machine.
        self.assertLessEqual(found["steps"][0]["rate"], 100)
        self.assertGreater(found["steps"][0]["rate"], 1)
        self.assertIsNone(document["load"]["plan"]["concurrency"])

    def test_no_rate_is_said(self):
        with Mock("--ttft", "2") as mock:
            document, done = self.find(mock, "--slo", "ttft:0.001", "-r", "20", "-n", "20", "-d",
                                       "1")
        found = document["load"]["find_rate"]
        self.assertIsNone(found["rate"])
        self.assertEqual(found["end"], "floor")
        self.assertIn("no rate keeps it", done.stdout)

    def test_wrong_usage(self):
        for options, message in [
            (["--find-rate"], "--find-rate needs a promise to keep"),
            (["--find-rate", "--slo", "ttft:5", "--ramp", "3"], "leave out --ramp"),
        ]:
            done = subprocess.run([PROGRAM, "load", "--url", "http://127.0.0.1:9", *options],
                                  capture_output=True, text=True, timeout=TIME_LIMIT_S)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)


class Sweep(Case):
    def sweep(self, url, *options, **environment):
        return subprocess.run(
            [PROGRAM, "sweep", "--url", url, "--num-prompts", "20", "-o", self.path("d"),
             "--output-len", "3", "--input-len", "10", *options],
            capture_output=True, text=True, timeout=TIME_LIMIT_S,
            env=os.environ | environment)

    def test_a_point_for_each_load(self):
        table = self.path("x.csv")
        options = ["-c", "1,4", "--slo", "ttft:1000", "--csv", table, "--json",
                   self.path("x.json"), "--header", f"X-Secret: {KEY}"]
        with Mock("--ttft", "10", "--itl", "1", "--api-key", KEY) as mock:
            done = self.sweep(mock.url, *options, OPENAI_API_KEY=KEY)
            self.assertIn(done.returncode, MEASURED, done.stderr)
            names = sorted(os.listdir(self.path("d")))
            self.assertEqual(names, ["input10-concurrency1.json", "input10-concurrency4.json",
                                     "sweep.json"])
            # Again: only what is missing is measured.
            kept = os.path.join(self.path("d"), names[0])
            before = os.stat(kept).st_mtime_ns
            os.unlink(os.path.join(self.path("d"), names[1]))
            done = self.sweep(mock.url, *options, OPENAI_API_KEY=KEY)
            self.assertIn(done.returncode, MEASURED, done.stderr)
            self.assertEqual(os.stat(kept).st_mtime_ns, before)
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["concurrency"] for row in rows], ["1", "4"])
        for row in rows:
            self.assertEqual((row["state"], row["n_ok"], row["n_failed"]), ("measured", "20", "0"))
            self.assertGreaterEqual(float(row["ttft_p50_ms"]), 10)
            self.assertAlmostEqual(float(row["output_tokens_per_s"]),
                                   3 * float(row["requests_per_s"]),
                                   delta=float(row["requests_per_s"]))
        with open(self.path("x.json")) as file:
            points = json.load(file)["points"]
        self.assertEqual(points[1]["setting"], {"input_len": 10, "concurrency": 4})
        self.assertIn("requests_per_s", points[1]["rates"])
        everything = done.stdout + done.stderr
        for directory, _, files in os.walk(self.directory.name):
            for name in files:
                with open(os.path.join(directory, name), errors="replace") as file:
                    everything += file.read()
        self.assertNotIn(KEY, everything)

    def test_rates_and_what_fails(self):
        done = self.sweep("http://127.0.0.1:9", "-r", "0.5,20")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nobody listens there", done.stdout)
        self.assertIn("2 of 2 points failed", done.stderr)
        for options, message in [
            (["--threads", "2", "-c", "1"], "--threads is of a model that runs here"),
            ([], "--url needs what is swept over"),
            (["-r", "0"], "is no rate above 0"),
            (["-c", "1,1"], "1 is listed twice"),
        ]:
            done = self.sweep("http://127.0.0.1:9", *options)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
