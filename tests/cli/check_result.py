"""Holds a result document to the identities of docs/metrics.md, from its raw times.

    check_result.py FILE COLD WARMUP WARM      prints "ok"
"""
import json
import statistics
import sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
starts = [request["start"] for request in document["requests"]]
expected = ["cold"] * int(sys.argv[2]) + ["warmup"] * int(sys.argv[3]) + ["warm"] * int(sys.argv[4])
assert starts == expected, starts
for r in document["requests"]:
    times = r["token_ns"]
    assert r["ok"] and len(times) == len(r["output_ids"]) > 0
    assert times == sorted(times)
    assert r["ttft_ns"] == times[0] and r["e2el_ns"] == times[-1]
    assert r["generation_ns"] == times[-1] - times[0] == sum(r["itl_ns"])
    assert len(r["itl_ns"]) == len(times) - 1
    assert sum(r["phases_ns"].values()) == r["ttft_ns"]
    assert all(ns >= 0 for ns in r["phases_ns"].values())
    cold = r["start"] == "cold"
    assert (r["phases_ns"]["spawn"] > 0) == (r["phases_ns"]["load"] > 0) == cold
    assert "".join(event["text"] for event in r["text_events"]) == r["text"]
for start in ("cold", "warm"):
    sample = [r["ttft_ns"] / 1e6 for r in document["requests"] if r["start"] == start]
    if sample:
        ttft = document["summary"][start]["ttft"]
        assert ttft["n"] == len(sample)
        assert abs(ttft["p50"] - statistics.median(sample)) < 1e-9, (ttft, sample)
        assert ttft["min"] == min(sample) and ttft["max"] == max(sample)
print("ok")
