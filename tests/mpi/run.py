#!/usr/bin/env python3
"""A load from several processes of this machine, started by mpirun, against the mock server.

What is sent is read from the server's log, what is measured from the result. Without mpirun,
or in a build without MPI, all but the first part is skipped, and says so: the parts are
tested without MPI in tests/unit/ranks_load.c.
"""
import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIPPED = 77  # what Meson takes for "skipped"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(SOURCE, "build"))
PROGRAM = os.path.join(BUILD, "inferometer")
# More processes than cores, as root, on this machine alone; other MPIs do not look at these.
ENVIRONMENT = {
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "OMPI_MCA_oob_tcp_if_include": "lo",
    # The seconds between a death, SIGTERM and SIGKILL: this machine may be busy.
    "OMPI_MCA_odls_base_sigkill_timeout": "2",
    # MPI's own leaks, under a sanitizer.
    "ASAN_OPTIONS": "detect_leaks=0",
}
LOAD = ["--input-len", "20", "--output-len", "20", "--tokenizer", "none", "--quiet"]
AT_ONCE = 3  # cases, of up to four processes each
VERDICTS = (0, 3)  # this machine is no place to be trusted


class Server:
    """A mock server, and what it says that it was asked."""

    def __init__(self, directory, *options):
        self.log = os.path.join(directory, "log.jsonl")
        self.process = subprocess.Popen(
            [PROGRAM, "mock-server", "--log", self.log, *options], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        assert self.url.startswith("http://127.0.0.1:"), self.url

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()
        with open(self.log, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


@contextlib.contextmanager
def place(*options):
    """A directory and a server."""
    with tempfile.TemporaryDirectory(prefix="ifm-mpi-") as directory:
        server = Server(directory, *options)
        try:
            yield server, os.path.join(directory, "result.json")
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()


def mpirun(n, *words, more=()):
    return ["mpirun", *more, "-n", str(n), PROGRAM, *words]


def run(command, environment=None):
    return subprocess.run(command, env=environment or ENVIRONMENT, text=True,
                          capture_output=True, timeout=120, check=False)


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def counts(result):
    """Requests that count, by outcome, as the result counts them."""
    return {name: n for name, n in result["load"]["outcomes"].items() if n > 0}


def check_ranks(result, size):
    ranks = result["load"]["ranks"]
    assert [r["rank"] for r in ranks] == list(range(size)), ranks
    by_rank = [0] * size
    for request in result["requests"]:
        by_rank[request["rank"]] += 1
    assert by_rank == [r["requests"] for r in ranks], (by_rank, ranks)
    # One machine has one clock.
    for r in ranks:
        assert abs(r["clock_offset_ns"]) <= r["clock_uncertainty_ns"], r
    return by_rank


# ---- cases ------------------------------------------------------------------------------


def needs_no_mpi():
    """One process never looks for MPI; several without it are told so."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMI"))}
    bare["IFM_MPI"] = "/nowhere/ifm-mpi.so"
    with place("--ttft", "1", "--itl", "1") as (server, _):
        words = [PROGRAM, "load", "--url", server.url, "-n", "3", *LOAD]
        for environment in (bare, bare | {"OMPI_COMM_WORLD_SIZE": "1"}):
            out = run(words, environment)
            assert out.returncode in VERDICTS, out.stderr
        out = run(words, bare | {"OMPI_COMM_WORLD_SIZE": "4"})
        assert out.returncode == 1 and len(out.stderr.splitlines()) == 1, out.stderr
        assert "/nowhere/ifm-mpi.so" in out.stderr, out.stderr
        assert len(server.end()) == 6


def makes_one_load_of_four():
    with place("--ttft", "20", "--itl", "2") as (server, path):
        out = run(mpirun(4, "load", "--url", server.url, "-c", "10", "-n", "102", "--warmup", "5",
                         "--json", path, *LOAD))
        assert out.returncode in VERDICTS, out.stderr
        result, asked = read(path), server.end()
    assert counts(result) == {"ok": 102}, counts(result)
    assert len(result["requests"]) == len(asked) == 107
    assert {r["request_id"] for r in result["requests"]} == {a["request_id"] for a in asked}
    assert len({r["request_id"] for r in result["requests"]}) == 107
    assert len({r["id"] for r in result["requests"]}) == 107
    # Numbers 0 … 106, and the one that has i is rank i mod 4.
    assert check_ranks(result, 4) == [27, 27, 27, 26]
    assert not result["incomplete"]
    codes = [w["code"] for w in result["warnings"]]
    assert not any(code.startswith("rank") for code in codes), codes


def keeps_the_schedule():
    """Requests are due when they would be with one process."""
    due = []
    for n in (1, 3):
        with place("--ttft", "5", "--itl", "1") as (server, path):
            out = run(mpirun(n, "load", "--url", server.url, "-r", "40", "-n", "60", "--seed",
                             "7", "--json", path, *LOAD))
            assert out.returncode in VERDICTS, out.stderr
            result = read(path)
            due.append(sorted(r["due_at_ns"] for r in result["requests"]))
            assert server.end() and (n == 1 or check_ranks(result, 3) == [20, 20, 20])
    assert due[0] == due[1] and len(due[0]) == 60


def fails_with_one_voice():
    with place() as (server, path):
        cases = {
            "no such prompts": ["--prompts", "/nowhere/prompts.jsonl"],
            "cannot be divided": ["-c", "2"],
            "one process": ["--self-test"],
        }
        for words, options in cases.items():
            out = run(mpirun(3, "load", "--url", server.url, "--quiet", "--json", path, *options))
            ours = [line for line in out.stderr.splitlines() if line.startswith("inferometer")]
            assert out.returncode != 0 and len(ours) == 1, (words, out.stderr)
            assert not os.path.exists(path)
        assert server.end() == []


def rank_pid(mpirun_process, rank):
    """The process of a rank, by what Open MPI puts into its environment."""
    wanted = f"OMPI_COMM_WORLD_RANK={rank}".encode()
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{name}/environ", "rb") as file:
                if parent == mpirun_process.pid and wanted in file.read().split(b"\0"):
                    return int(name)
        except (OSError, ValueError, IndexError):
            continue
    raise AssertionError(f"rank {rank} is not there")


def measure_and(disturb, seconds, more=()):
    """Starts a long load of four, lets `disturb` do its work, returns the result."""
    with place("--ttft", "20", "--itl", "5") as (server, path):
        with open(os.path.join(os.path.dirname(path), "words"), "w+", encoding="utf-8") as words:
            process = subprocess.Popen(
                mpirun(4, "load", "--url", server.url, "-c", "8", "-d", str(seconds), "--json",
                       path, *LOAD, more=more), env=ENVIRONMENT, stdout=words, stderr=words)
            deadline = time.monotonic() + 60
            while os.path.getsize(server.log) == 0:  # requests have ended
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.1)
            time.sleep(2)
            disturb(process)
            process.wait(timeout=60)
            words.seek(0)
            assert os.path.exists(path), words.read()
            result = read(path)
        server.end()
    assert result["incomplete"]
    check_ranks(result, 4)
    return result


def check_lost(result):
    lost = [r for r in result["load"]["ranks"] if r["lost"]]
    assert [r["rank"] for r in lost] == [2], lost
    assert lost[0]["requests"] == 0 and lost[0]["lost_requests"] > 0, lost
    seen = counts(result)
    assert seen["lost"] == lost[0]["lost_requests"], seen
    assert sum(seen.values()) == len(result["requests"]) + lost[0]["lost_requests"]
    assert "ranks-lost" in [w["code"] for w in result["warnings"]]
    assert not result["trustworthy"]


def kill_rank_2(process):
    os.kill(rank_pid(process, 2), signal.SIGKILL)


def goes_on_without_the_dead():
    result = measure_and(kill_rank_2, 8, more=["--enable-recovery"])
    check_lost(result)
    # The others went on to the end: five seconds of silence, and what came after.
    assert max(r["due_at_ns"] for r in result["requests"]) > 7e9


def writes_before_it_is_killed():
    """As mpirun does without --enable-recovery."""
    check_lost(measure_and(kill_rank_2, 60))


def writes_what_there_is_when_ended():
    result = measure_and(lambda process: process.send_signal(signal.SIGTERM), 60)
    assert not any(r["lost"] for r in result["load"]["ranks"])
    assert counts(result)["ok"] > 0


CASES = [makes_one_load_of_four, keeps_the_schedule, fails_with_one_voice]
OPEN_MPI_CASES = [goes_on_without_the_dead, writes_before_it_is_killed,
                  writes_what_there_is_when_ended]


def open_mpi_4():
    out = run(["mpirun", "--version"])
    return "(Open MPI) 4." in out.stdout and os.path.isdir("/proc/self")


def watches_threads():
    """Under the thread sanitizer Open MPI's own locks are all that is talked about; ours are
    watched in tests/unit/ranks_load.c."""
    with open(PROGRAM, "rb") as file:
        return b"__tsan_init" in file.read()


def main():
    needs_no_mpi()
    for what, there in (("mpirun", shutil.which("mpirun")),
                        ("ifm-mpi.so, which this build made without MPI lacks",
                         os.path.exists(os.path.join(BUILD, "ifm-mpi.so")))):
        if not there:
            print(f"mpi: skipped but for one case: there is no {what}")
            return SKIPPED
    if watches_threads():
        print("mpi: skipped but for one case: a thread sanitizer and MPI do not go together")
        return SKIPPED
    cases = list(CASES)
    if open_mpi_4():
        cases += OPEN_MPI_CASES
    else:
        print("mpi: what happens when a rank dies is skipped: this is not Open MPI 4 on Linux")
    # Most of the time they wait, each for servers and processes of its own.
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        ends = [(case, pool.submit(case)) for case in cases]
        for case, end in ends:
            end.result()
            print(f"mpi: {case.__name__.replace('_', ' ')}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
