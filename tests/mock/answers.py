"""What answers look like: every shape, every fault, and the log's line beside them."""
import json
import re
import time
import unittest

from client import (TIME_LIMIT_S, WORDS, ask, chat, completion, is_done, objects,
                    parse_events, receive, request_bytes, serving, texts)


class Shapes(unittest.TestCase):
    def stream(self, shape, body, *options):
        with serving("--shape", shape, *options) as server:
            answer = ask(server, "/v1/chat/completions" if "messages" in body
                         else "/v1/completions", body)
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.complete)
        self.entry = server.log[0]
        self.assertEqual(self.entry["end"], "whole")
        self.assertEqual(sum(self.entry["tokens"]), self.entry["completion_tokens"])
        return answer

    def test_plain(self):
        for body in (completion(), chat()):
            answer = self.stream("plain", body)
            self.assertEqual(texts(answer), WORDS)
            self.assertTrue(is_done(answer))
            self.assertEqual(objects(answer)[-1]["choices"][0]["finish_reason"], "length")
            self.assertEqual(self.entry["prompt_tokens"], 3)
            self.assertEqual(self.entry["tokens"], [1] * 6)
            self.assertEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")

    def test_role_and_empty(self):
        answer = self.stream("role,empty", chat())
        first = objects(answer)[0]["choices"][0]["delta"]
        self.assertEqual(first, {"role": "assistant", "content": ""})
        self.assertEqual(texts(answer), WORDS)
        empty = [e for e in objects(answer)
                 if e["choices"][0]["delta"] == {"content": ""}]
        self.assertEqual(len(empty), 6)  # before each token
        self.assertEqual(self.entry["tokens"], [1] * 6)

    def test_multi(self):
        answer = self.stream("multi:4", completion())
        self.assertEqual(texts(answer), ["".join(WORDS[:4]), "".join(WORDS[4:])])
        self.assertEqual(self.entry["tokens"], [4, 2])

    def test_coalesce(self):
        answer = self.stream("coalesce:4", completion())
        self.assertEqual(texts(answer), WORDS)
        self.assertEqual([chunk.count(b"data:") for chunk in answer.chunks[:2]], [4, 2])
        sent = self.entry["sent_ns"]
        self.assertEqual([sent.index(t) for t in sent], [0, 0, 0, 0, 4, 4])

    def test_split(self):
        with serving("--shape", "split,unicode") as server, server.connect() as connection:
            connection.sendall(request_bytes("/v1/completions", completion(),
                                             headers=["Connection: close"]))
            answer = receive(connection)
        self.assertEqual(len(texts(answer)), 6)
        self.assertTrue(answer.complete)

    def test_line_ends(self):
        for shape, end in (("crlf", b"\r\n"), ("cr", b"\r")):
            answer = self.stream(shape, completion())
            self.assertIn(b"}" + end + end, answer.body)
            self.assertEqual(answer.body.count(b"\n"), answer.body.count(b"\r\n"))
            self.assertEqual(texts(answer), WORDS)

    def test_comments(self):
        answer = self.stream("comments", completion())
        self.assertIn(b": keep-alive\n\n", answer.body)
        self.assertIn(b"}\n: inside an event\n\n", answer.body)
        self.assertIn(b"data:{", answer.body)
        self.assertEqual(texts(answer), WORDS)

    def test_multiline(self):
        answer = self.stream("multiline,crlf", chat())
        self.assertGreater(answer.body.count(b"data: "), 2 * len(objects(answer)))
        self.assertEqual(texts(answer), WORDS)

    def test_unicode(self):
        answer = self.stream("unicode", completion(max_tokens=16))
        self.assertEqual(texts(answer)[::2],
                         [" é", "中", "😀", " ü", "😀", "\n", "\"", "\\"])

    def test_reasoning(self):
        answer = self.stream("reasoning:4,multi:3,usage", chat())
        deltas = [e["choices"][0]["delta"] for e in objects(answer) if e["choices"]]
        self.assertEqual(deltas, [{"reasoning_content": " w0 w1 w2"},
                                  {"reasoning_content": " w3", "content": " w4 w5"}, {}])
        details = objects(answer)[-1]["usage"]["completion_tokens_details"]
        self.assertEqual(details, {"reasoning_tokens": 4})

    def test_tools(self):
        for shape, first in (("tools", 0), ("tools,reasoning:2", 2)):
            answer = self.stream(shape, chat())
            calls = [c for e in objects(answer)
                     for c in e["choices"][0]["delta"].get("tool_calls", [])]
            self.assertEqual(calls[0]["function"]["name"], "look_up")
            self.assertTrue(all("name" not in c["function"] for c in calls[1:]))
            arguments = json.loads("".join(c["function"]["arguments"] for c in calls))
            self.assertEqual(arguments, {"words": "".join(WORDS[first:])})
            self.assertEqual(objects(answer)[-1]["choices"][0]["finish_reason"], "tool_calls")
            self.assertEqual(self.entry["tokens"], [1] * 6)

    def test_usage(self):
        whole = {"prompt_tokens": 3, "total_tokens": 9, "completion_tokens": 6}
        for shape, options in (("usage", None), ("plain", {"include_usage": True})):
            answer = self.stream(shape, completion(stream_options=options))
            self.assertEqual(objects(answer)[-1]["choices"], [])
            self.assertEqual(objects(answer)[-1]["usage"], whole)
            self.assertNotIn("usage", objects(answer)[0])
        self.assertNotIn("usage", objects(self.stream("plain", completion()))[-1])
        cached = objects(self.stream("cached:2", completion()))[-1]["usage"]
        self.assertEqual(cached["prompt_tokens_details"], {"cached_tokens": 2})

    def test_continuous_usage(self):
        asked = {"include_usage": True, "continuous_usage_stats": True}
        for shape, options in (("continuous-usage", None), ("plain", asked)):
            answer = self.stream(shape, completion(stream_options=options))
            counts = [e["usage"]["completion_tokens"] for e in objects(answer)]
            self.assertEqual(counts[:7], [1, 2, 3, 4, 5, 6, 6])

    def test_no_done(self):
        answer = self.stream("no-done", completion())
        self.assertFalse(is_done(answer))
        self.assertEqual(texts(answer), WORDS)

    def test_named(self):
        answer = self.stream("named", completion())
        self.assertEqual([name for name, _ in parse_events(answer.body)].count("ping"), 2)
        self.assertIn(b"id: 5\nevent: message\ndata: ", answer.body)
        self.assertEqual(texts(answer), WORDS)

    def test_big(self):
        answer = self.stream("big:1000000", completion(max_tokens=2))
        self.assertEqual([len(e.get("padding", "")) for e in objects(answer)],
                         [1000000, 1000000, 0])

    def test_times_of_the_server(self):
        answer = self.stream("llama-timings,ollama", completion())
        last = objects(answer)[-1]
        self.assertEqual(last["timings"]["prompt_n"], 3)
        self.assertEqual(last["timings"]["predicted_n"], 6)
        self.assertAlmostEqual(last["timings"]["predicted_ms"], 5, 2)
        self.assertEqual(last["eval_count"], 6)
        self.assertEqual(last["eval_duration"], 5000000)
        self.assertEqual(last["total_duration"], 7000000)

    def test_not_streamed(self):
        answer = self.stream("plain", completion(stream=False))
        self.assertEqual(answer.json["choices"][0]["text"], "".join(WORDS))
        self.assertEqual(answer.json["usage"]["total_tokens"], 9)
        self.assertEqual(self.entry["tokens"], [6])
        answer = self.stream("reasoning:2,tools", chat(stream=False))
        message = answer.json["choices"][0]["message"]
        self.assertEqual(message["reasoning_content"], " w0 w1")
        self.assertEqual(json.loads(message["tool_calls"][0]["function"]["arguments"]),
                         {"words": " w2 w3 w4 w5"})


class Faults(unittest.TestCase):
    def fault(self, text, body=None, code=0):
        with serving("--fault", text, code=code) as server:
            answer = ask(server, body=body or completion())
            if code:
                server.process.wait(TIME_LIMIT_S)
        self.entry = server.log[0]
        self.server = server
        self.assertEqual(self.entry["fault"], re.match("[a-z0-9-]+", text)[0])
        return answer

    def test_refuse(self):
        with serving("--fault", "refuse") as server:
            with self.assertRaises(ConnectionRefusedError):
                server.connect()

    def test_reset(self):
        answer = self.fault("reset")
        self.assertTrue(answer.reset)
        self.assertEqual((answer.raw, self.entry["status"]), (b"", 0))
        answer = self.fault("reset@2")
        self.assertTrue(answer.reset)
        self.assertEqual(texts(answer), WORDS[:2])
        self.assertEqual((self.entry["completion_tokens"], self.entry["end"]), (2, "fault"))

    def test_close_and_half_close(self):
        for kind in ("close", "half-close"):
            self.assertEqual(self.fault(kind).raw, b"")
            answer = self.fault(kind + "@4")
            self.assertFalse(answer.complete or answer.reset)
            self.assertEqual(texts(answer), WORDS[:4])
            answer = self.fault(kind + "@4", completion(stream=False))
            self.assertGreater(int(answer.headers["content-length"]), len(answer.body))

    def test_half_close_still_listens(self):
        with serving("--fault", "half-close@1") as server, server.connect() as connection:
            connection.sendall(request_bytes("/v1/completions", completion()))
            receive(connection)
            for _ in range(5):  # a closed socket would answer the first by a reset
                connection.sendall(b"more")
                time.sleep(0.005)

    def test_stall(self):
        with serving("--fault", "stall@3", "--concurrency", "1") as server:
            with server.connect() as stalled, server.connect() as behind:
                stalled.sendall(request_bytes("/v1/completions", completion()))
                raw = b""
                while raw.count(b"data:") < 3:
                    raw += stalled.recv(1 << 16)
                stalled.settimeout(0.05)
                with self.assertRaises(TimeoutError):
                    stalled.recv(1)
                behind.sendall(request_bytes("/v1/completions", completion()))
                behind.settimeout(0.05)
                with self.assertRaises(TimeoutError):
                    behind.recv(1)  # the stalled one keeps its place
                stalled.close()
                behind.settimeout(TIME_LIMIT_S)
                self.assertTrue(behind.recv(1 << 16))
        self.assertEqual(server.log[0]["end"], "fault")
        self.assertEqual(server.log[0]["completion_tokens"], 3)

    def test_statuses(self):
        for text, status, after in (("http-429=3", 429, "3"), ("http-429", 429, None),
                                    ("http-500", 500, None), ("http-503=7", 503, "7")):
            answer = self.fault(text)
            self.assertEqual((answer.status, answer.headers.get("retry-after")), (status, after))
            self.assertEqual(answer.json["error"]["code"], status)
            self.assertEqual((self.entry["status"], self.entry["end"]), (status, "fault"))

    def test_error_event(self):
        answer = self.fault("error-event@2")
        self.assertEqual([list(e) for e in objects(answer)][-1], ["error"])
        self.assertEqual(sum("choices" in e for e in objects(answer)), 2)
        self.assertTrue(answer.complete and is_done(answer))
        answer = self.fault("error-event", completion(stream=False))
        self.assertEqual((answer.status, list(answer.json)), (200, ["error"]))

    def test_bad_json(self):
        answer = self.fault("bad-json@2")
        events = [data for _, data in parse_events(answer.body)]
        with self.assertRaises(ValueError):
            json.loads(events[2])
        self.assertEqual(len(events), 9)  # 6 tokens, the bad one, a reason, [DONE]
        self.assertEqual(self.entry["completion_tokens"], 6)
        answer = self.fault("bad-json", completion(stream=False))
        with self.assertRaises(ValueError):
            answer.json
        self.assertTrue(answer.complete)

    def test_html(self):
        answer = self.fault("html")
        self.assertEqual(answer.headers["content-type"], "text/html; charset=utf-8")
        self.assertTrue(answer.body.startswith(b"<!doctype html>"))

    def test_truncate(self):
        answer = self.fault("truncate")
        self.assertTrue(answer.complete)
        self.assertFalse(answer.body.endswith(b"\n"))
        self.assertEqual(self.entry["completion_tokens"], 3)
        self.assertEqual(self.fault("truncate@6") and self.entry["completion_tokens"], 6)

    def test_no_tokens(self):
        answer = self.fault("no-tokens", completion(stream_options={"include_usage": True}))
        self.assertEqual(texts(answer), [])
        self.assertEqual(objects(answer)[-1]["usage"]["completion_tokens"], 0)
        self.assertTrue(is_done(answer))

    def test_die(self):
        answer = self.fault("die@2", code=1)
        self.assertFalse(answer.complete)
        self.assertEqual(self.entry["completion_tokens"], 2)
        self.assertIn("--fault die", self.server.summary)

    def test_share_depends_on_seed_and_order(self):
        seen = []
        for seed in ("1", "1", "2"):
            with serving("--fault", "http-500:0.5", "--seed", seed) as server:
                for _ in range(20):
                    ask(server, body=completion(max_tokens=1))
            seen.append([e["status"] for e in server.log])
            self.assertTrue(1 < seen[-1].count(500) < 19)
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[0], seen[2])
