#!/usr/bin/env python3
"""Results of loads, computed again from their raw data, and exports, read as the tools
whose formats they are in read them.

Our own document: each metric's statistics from the requests' times, percentiles as
numpy's "linear".
vLLM: the summary is computed again from the detail arrays, as its calculate_metrics does it
(numpy's "linear" percentile and population deviation, in plain Python). AIPerf: each line
against what its MetricRecordInfo requires. llama-bench: the columns that
compare-llama-bench.py asks for, and rows that agree with the run's own document. readers.py
has the tools themselves read them.
"""
import json
import math
import os
import subprocess
import tempfile

import mock

# LLAMA_BENCH_KEY_PROPERTIES of compare-llama-bench.py, and what else it insists on.
COMPARE_KEYS = """cpu_info gpu_info backends n_gpu_layers n_cpu_moe tensor_buft_overrides
model_filename model_type n_batch n_ubatch embeddings cpu_mask cpu_strict poll n_threads
type_k type_v load_mode no_kv_offload split_mode main_gpu tensor_split flash_attn n_prompt
n_gen n_depth fit_target fit_min_ctx build_commit test_time avg_ts""".split()


def close(value, truth, what):
    """Sums in another order differ in their last bits."""
    assert math.isclose(value, truth, rel_tol=1e-9, abs_tol=1e-12), (what, value, truth)


def percentile(values, p):
    """numpy.percentile, method "linear"."""
    values = sorted(values)
    at = p / 100 * (len(values) - 1)
    below = int(at)
    above = min(below + 1, len(values) - 1)
    return values[below] + (at - below) * (values[above] - values[below])


def check_metric(result, key, seconds):
    """calculate_metrics: `x or 0`, times 1000."""
    ms = [1000 * x for x in seconds] or [0]
    mean = sum(ms) / len(ms)
    close(result[f"mean_{key}_ms"], mean, key)
    close(result[f"median_{key}_ms"], percentile(ms, 50), key)
    close(result[f"std_{key}_ms"], math.sqrt(sum((x - mean) ** 2 for x in ms) / len(ms)), key)
    close(result[f"p99_{key}_ms"], percentile(ms, 99), key)


def check_vllm(text, document):
    result = json.loads(text)
    assert set(result) == VLLM_KEYS, set(result) ^ VLLM_KEYS
    requests = [r for r in document["requests"] if r["start"] == "warm"]
    arrays = ("input_lens output_lens ttfts itls start_times latencies queue_times "
              "generated_texts errors").split()
    for name in arrays:
        assert len(result[name]) == len(requests) == result["num_prompts"], name
    good = [i for i, error in enumerate(result["errors"]) if not error]
    tpots = []
    for i in good:
        close(result["ttfts"][i] + sum(result["itls"][i]), result["latencies"][i], "latency")
        if result["output_lens"][i] > 1 and result["itls"][i]:
            tpots.append((result["latencies"][i] - result["ttfts"][i])
                         / (result["output_lens"][i] - 1))
    check_metric(result, "ttft", [result["ttfts"][i] for i in good])
    check_metric(result, "tpot", tpots)
    check_metric(result, "itl", [gap for i in good for gap in result["itls"][i]])
    check_metric(result, "e2el", [result["latencies"][i] for i in good])
    assert result["completed"] == len(good)
    assert result["failed"] == len(requests) - len(good)
    assert result["total_output_tokens"] == sum(result["output_lens"][i] for i in good)
    assert result["total_input_tokens"] == sum(result["input_lens"][i] for i in good)
    close(result["output_throughput"], result["total_output_tokens"] / result["duration"], "")
    close(result["request_throughput"], result["completed"] / result["duration"], "")
    close(result["total_token_throughput"],
          (result["total_output_tokens"] + result["total_input_tokens"]) / result["duration"], "")
    for request, start, ttft, error in zip(requests, result["start_times"], result["ttfts"],
                                           result["errors"]):
        assert round(start * 1e9) == request["due_at_ns"] + request["service_start_ns"]
        assert (error or None) == request["error"]
        if request["ok"]:
            assert round(ttft * 1e9) == request["ttft_ns"] - request["service_start_ns"]
    return result


def metrics_of(request):
    """A request's metrics from its raw times, in ns; ITL is a list."""
    t, sent, taken = request["token_ns"], request["sent_ns"], request["service_start_ns"]
    ready = request["tls_ns"] or request["connect_ns"]
    if request["reused_connection"]:
        ready = None
    values = {"ttft": t[0], "e2el": t[-1], "generation": t[-1] - t[0], "ttfo": request["ttfo_ns"],
              "server_ttft": t[0] - sent, "service_ttft": t[0] - taken,
              "service_e2el": t[-1] - taken, "headers": request["headers_ns"] - sent,
              "send": sent - (taken if ready is None else ready),
              "connect": None if ready is None else ready - taken,
              "client_lag": taken - request["gate_ns"], "itl": request["itl_ns"],
              "tpot": (t[-1] - t[0]) / (len(t) - 1) if request["itl_ns"] else None}
    assert sum(request["itl_ns"]) == t[-1] - t[0]
    return values


def check_document(document):
    good = [r for r in document["requests"] if r["ok"] and r["start"] == "warm"]
    every = [metrics_of(r) for r in good]
    warm = document["summary"]["warm"]
    assert warm["ok"] == len(good)
    for key in ("ttft ttfo e2el generation tpot itl server_ttft service_ttft service_e2el connect "
                "send headers client_lag").split():
        ms = [m[key] for m in every if m[key] is not None]
        ms = [x / 1e6 for x in (sum(ms, []) if key == "itl" else ms)]
        stats = warm[key]
        assert stats["n"] == len(ms), (key, stats["n"], len(ms))
        for p, needs in (("p50", 1), ("p90", 29), ("p95", 59), ("p99", 299)):
            if len(ms) < needs:
                assert stats[p] is None, (key, p)
            else:
                close(stats[p], percentile(ms, int(p[1:])), (key, p))
        if len(ms) > 1:
            mean = sum(ms) / len(ms)
            close(stats["mean"], mean, key)
            close(stats["sd"], math.sqrt(sum((x - mean) ** 2 for x in ms) / (len(ms) - 1)), key)
            assert (stats["min"], stats["max"]) == (min(ms), max(ms)), key
    load = document["load"]
    assert sum(load["outcomes"].values()) == load["requests"]
    counted = [r for r in document["requests"] if r["start"] == "warm"]
    for name, n in load["outcomes"].items():
        assert n == sum(r["outcome"] == name for r in counted), name
    assert sum(s["due"] for s in load["seconds"]) == len(document["requests"])
    assert sum(s["completed"] + s["failed"] for s in load["seconds"]) == len(document["requests"])
    assert load["seconds"][-1]["in_flight"] == 0


# All that `vllm bench serve --save-result --save-detailed` writes, whatever the load.
VLLM_KEYS = set("""date endpoint_type backend label model_id tokenizer_id num_prompts request_rate
burstiness max_concurrency duration completed failed total_input_tokens total_output_tokens
request_throughput request_goodput output_throughput total_token_throughput
max_output_tokens_per_s max_concurrent_requests rtfx input_lens output_lens ttfts itls
start_times latencies queue_times generated_texts errors""".split()) | {
    f"{statistic}_{metric}_ms" for statistic in ("mean", "median", "std", "p99")
    for metric in ("ttft", "tpot", "itl", "e2el")}
INT, TEXT = int, str
AIPERF_METADATA = {
    "session_num": INT, "x_request_id": TEXT, "x_correlation_id": TEXT,
    "conversation_id": (TEXT, type(None)), "turn_index": INT, "credit_issued_ns": INT,
    "request_start_ns": INT, "request_ack_ns": (INT, type(None)), "request_end_ns": INT,
    "worker_id": TEXT, "record_processor_id": TEXT, "benchmark_phase": TEXT,
    "was_cancelled": bool, "cancellation_time_ns": (INT, type(None)),
}
AIPERF_UNITS = {
    "time_to_first_token": "ms", "time_to_first_output_token": "ms", "time_to_second_token": "ms",
    "request_latency": "ms", "inter_token_latency": "ms", "inter_chunk_latency": "ms",
    "output_token_throughput_per_user": "tokens/sec/user", "input_sequence_length": "tokens",
    "output_sequence_length": "tokens", "output_token_count": "tokens",
    "reasoning_token_count": "tokens",
}


def check_aiperf(text, document):
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == len(document["requests"])
    for line, request in zip(lines, document["requests"]):
        assert list(line) == ["metadata", "metrics", "error"]
        meta, metrics, error = line["metadata"], line["metrics"], line["error"]
        assert set(meta) == set(AIPERF_METADATA)
        for key, kind in AIPERF_METADATA.items():
            assert isinstance(meta[key], kind), (key, meta[key])
        assert meta["x_request_id"] == request["request_id"]
        assert meta["benchmark_phase"] == ("warmup" if request["start"] == "warmup"
                                           else "profiling")
        assert meta["request_end_ns"] >= meta["request_start_ns"] > 1_500_000_000 * 10**9
        for tag, metric in metrics.items():
            assert metric["unit"] == AIPERF_UNITS[tag], tag
        if not request["ok"]:
            assert metrics == {} and error["type"] == request["error"] and error["message"]
            continue
        assert error is None
        latency = metrics["request_latency"]["value"]
        close(metrics["time_to_first_token"]["value"]
              + sum(metrics.get("inter_chunk_latency", {"value": []})["value"]), latency, "latency")
        close(latency * 1e6, request["e2el_ns"] - request["service_start_ns"], "latency")
        assert metrics["output_sequence_length"]["value"] == len(request["token_ns"])
        if len(request["token_ns"]) > 1 and request["tpot_ns"] is not None:
            assert round(metrics["inter_token_latency"]["value"] * 1e6) == request["tpot_ns"]


def check_loads():
    shapes = [
        (["--ttft", "3", "--itl", "1"], ["--concurrency", "4", "-n", "60", "--warmup", "3"]),
        (["--ttft", "3", "--itl", "1", "--shape", "multi:4,role,reasoning:2,usage",
          "--fault", "reset:0.2@3", "--fault", "http-500:0.2"],
         ["--request-rate", "300", "--endpoint", "chat", "-n", "60", "--slo", "ttft:1000"]),
        (["--ttft", "1", "--fault", "http-503"], ["-n", "5"]),  # no answer at all
        (["--ttft", "1"], ["-n", "6", "--no-stream"]),
    ]
    for server, options in shapes:
        with mock.Server(*server) as at:
            document, texts = mock.load(at.url, "--input-len", "16", "--output-len", "8", *options,
                                        export=("vllm", "aiperf"))
        check_document(document)
        result = check_vllm(texts["vllm"], document)
        check_aiperf(texts["aiperf"], document)
        print(f"{' '.join(server)}: {result['completed']} completed, {result['failed']} failed")
    assert result["mean_itl_ms"] == 0  # whole answers have no gaps


def check_llama_bench():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "rows")
        words = [mock.PROGRAM, "run", "--quiet", "--cold", "0", "--warm", "5", "--input-len",
                 "8,16", "--output-len", "4", "--json", path + ".result",
                 "--export", f"llama-bench={path}.json", "--export", f"llama-bench={path}.jsonl"]
        done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert done.returncode in (0, 3), done.stderr
        with open(path + ".json", encoding="utf-8") as file:
            rows = json.load(file)
        with open(path + ".jsonl", encoding="utf-8") as file:
            assert [json.loads(line) for line in file] == rows
        with open(path + ".result", encoding="utf-8") as file:
            requests = [r for r in json.load(file)["requests"] if r["start"] == "warm"]
    # prompts take turns: 8, 16, 8, 16, 8 tokens
    assert [(r["n_prompt"], r["n_gen"], r["n_depth"]) for r in rows] == [
        (8, 0, 0), (0, 3, 8), (16, 0, 0), (0, 3, 16)]
    for row in rows:
        missing = [key for key in COMPARE_KEYS if key not in row]
        assert not missing, missing
        depth = row["n_prompt"] or row["n_depth"]
        times = [r["phases_ns"]["prefill"] if row["n_prompt"] else r["generation_ns"]
                 for r in requests if len(r["input_ids"]) == depth]
        tokens = row["n_prompt"] or row["n_gen"]
        rates = [1e9 * tokens / t for t in times]
        mean = sum(rates) / len(rates)
        assert row["samples_ns"] == times
        close(row["avg_ts"], mean, "avg_ts")
        sd = math.sqrt(sum((x - mean) ** 2 for x in rates) / (len(rates) - 1))
        close(row["stddev_ts"], sd, "stddev_ts")
        assert abs(row["avg_ns"] - sum(times) / len(times)) <= 0.5


check_loads()
check_llama_bench()
print("exports: ok")
