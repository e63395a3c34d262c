#!/usr/bin/env python3
"""Holds result documents to docs/result.schema.json, those of sweeps to docs/sweep.schema.json,
and the schemas to the documents.

Three things must agree: what the program writes, what the schema allows, and what
docs/result-schema.md names. A schema that lets everything pass would be no test, so that
each required field is also taken away in turn, which must be noticed.

Needs the Python package jsonschema; without it the test is skipped, and says so.
"""
import copy
import json
import os
import re
import subprocess
import sys
import tempfile

SKIPPED = 77  # what Meson takes for "skipped"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(SOURCE, "build"))
RUNS = [
    ["--cold", "1", "--warmup", "1", "--warm", "1", "-n", "3", "--logprobs", "2"],
    ["--cold", "1", "--warmup", "0", "--warm", "0", "-n", "1"],
    ["--cold", "0", "--warmup", "0", "--warm", "1", "--prompt-ids", "11,1115"],
    ["--cold", "1", "--warmup", "0", "--warm", "6", "-n", "3", "--target",
     "native,worker:" + os.path.join(BUILD, "inferometer-worker")],
]

# Options of a mock server, and of a load that is made against it.
LOADS = [
    (["--ttft", "2", "--itl", "1"],
     ["-c", "4", "-n", "40", "--warmup", "2", "--slo", "ttft:500,tpot:50", "--output-len", "4"]),
    (["--ttft", "2", "--shape", "multi:2,reasoning:2,continuous-usage,cached:3,llama-timings",
      "--fault", "reset:0.2@2", "--fault", "http-429=1:0.2"],
     ["-r", "200", "-n", "30", "--endpoint", "chat", "--output-len", "8", "--new-connection"]),
    (["--fault", "html"], ["-r", "inf", "-n", "3"]),
    # No rate keeps this promise, and at this one requests hardly meet: one step.
    (["--ttft", "2", "--itl", "1"],
     ["--find-rate", "--slo", "ttft:0.001", "-r", "10", "-n", "30", "-d", "1", "--output-len", "4"]),
]

import mock  # beside this file

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("skipped: the Python package jsonschema is missing (sh tools/deps.sh --dev)")
    sys.exit(SKIPPED)


def closed(schema):
    """The schema, allowing no field that it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def run(options):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "result.json")
        program = os.path.join(BUILD, "inferometer")
        done = subprocess.run(
            [program, "run", "--quiet", "--json", path] + options,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=directory)
        # 3: measured, but this host is too noisy, which is not the test's business
        assert done.returncode in (0, 3), (options, done.returncode, done.stderr)
        with open(path, encoding="utf-8") as file:
            return json.load(file)


def check_valid(validator, document, what):
    errors = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(document)]
    assert not errors, f"{what}:\n  " + "\n  ".join(errors[:10])


def required_paths(schema, root, document, path=()):
    """Paths of every required field of `document`, as far as the schema describes it."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    for option in schema.get("oneOf", []):
        if option.get("type") == "object" and document is not None:
            schema = option
    if isinstance(document, dict):
        for key in schema.get("required", []):
            yield path + (key,)
        for key, part in schema.get("properties", {}).items():
            if key in document:
                yield from required_paths(part, root, document[key], path + (key,))
    elif isinstance(document, list) and document and "items" in schema:
        yield from required_paths(schema["items"], root, document[0], path + (0,))


def missed(validator, document, path):
    """Whether the validator minds that the field at `path` is gone."""
    place = document
    for key in path[:-1]:
        place = place[key]
    value = place.pop(path[-1])
    noticed = not validator.is_valid(document)
    place[path[-1]] = value
    return noticed


def sweep(*options):
    """A sweep's document; points that fail are a part of it."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "sweep.json")
        done = subprocess.run(
            [mock.PROGRAM, "sweep", "--quiet", "-o", os.path.join(directory, "points"), "--json",
             path, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert done.returncode in (0, 1, 3), (options, done.returncode, done.stderr)
        with open(path, encoding="utf-8") as file:
            return json.load(file)


def check_sweeps(result_schema):
    with open(os.path.join(SOURCE, "docs", "sweep.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    # It names what a summary is in the other file, which stands beside it.
    schema["$defs"] = result_schema["$defs"]
    schema = json.loads(json.dumps(schema).replace("result.schema.json#", "#"))
    Draft202012Validator.check_schema(schema)
    documents = [sweep("--batch-size", "1,2", "--input-len", "4,300", "--cold", "1", "--warmup",
                       "0", "--warm", "1", "--output-len", "3")]
    with mock.Server("--ttft", "2", "--itl", "1") as at:
        documents.append(sweep("--url", at.url, "-c", "1,2", "-r", "100", "--input-len", "4",
                               "--num-prompts", "10", "--output-len", "3"))
    states = {point["state"] for document in documents for point in document["points"]}
    assert states == {"measured", "failed"}, states
    everything, validator = Draft202012Validator(closed(schema)), Draft202012Validator(schema)
    paths = 0
    for document in documents:
        check_valid(everything, document, " ".join(document["command"]))
        for path in list(required_paths(schema, schema, document)):
            assert missed(validator, document, path), f"not missed: {path}"
            paths += 1
    documents[0]["points"][0]["setting"]["batch_size"] = "two"
    assert not validator.is_valid(documents[0]), "a size that is no number was let through"
    return paths


def property_names(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from schema["properties"]
        for value in schema.values():
            yield from property_names(value)
    elif isinstance(schema, list):
        for part in schema:
            yield from property_names(part)


def main():
    with open(os.path.join(SOURCE, "docs", "result.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    documents = [run(options) for options in RUNS]
    everything = Draft202012Validator(closed(schema))
    for options, document in zip(RUNS, documents):
        check_valid(everything, document, " ".join(options))

    for options in ([], ["--target", "native,url:"]):  # a server, alone and beside our engine
        with mock.Server("--ttft", "1", "--itl", "1") as at:
            words = ([options[0], options[1] + at.url] if options else ["--url", at.url])
            documents.append(run(words + ["--warmup", "1", "--warm", "2", "-n", "3"] +
                                 (["--cold", "1"] if options else [])))
        check_valid(everything, documents[-1], "run " + " ".join(words))

    for server, options in LOADS:
        with mock.Server(*server) as at:
            documents.append(mock.load(at.url, *options)[0])
        check_valid(everything, documents[-1], " ".join(server + options))

    with mock.Server("--ttft", "2") as at:
        document = run(["--url", at.url, "--warm", "3", "-n", "3"])
    assert document["requests"][0]["events"] and document["target"]["url"] == at.url
    check_valid(everything, document, "run --url")

    validator = Draft202012Validator(schema)
    paths = 0
    for document in copy.deepcopy([documents[0], documents[len(RUNS)]]):
        del document["requests"][1:]  # one of each thing is enough, and quick
        for path in list(required_paths(schema, schema, document)):
            assert missed(validator, document, path), f"not missed: {path}"
            paths += 1
    assert paths > 200, paths
    spoiled = copy.deepcopy(documents[0])
    spoiled["requests"][0]["token_ns"][0] = 0.5
    assert not validator.is_valid(spoiled), "a time that is no integer was let through"

    with open(os.path.join(SOURCE, "docs", "result-schema.md"), encoding="utf-8") as file:
        words = set(re.findall(r"[A-Za-z0-9_]+", " ".join(re.findall(r"`([^`]*)`", file.read()))))
    unnamed = sorted(set(property_names(schema)) - words)
    assert not unnamed, f"docs/result-schema.md does not name {unnamed}"
    paths += check_sweeps(schema)
    print(f"{len(documents)} documents and 2 sweeps, {paths} required fields: ok")


main()
