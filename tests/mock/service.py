"""How it serves: HTTP as people and programs speak it, queueing, times, the log, its end."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from client import (PROGRAM, QUICK, TIME_LIMIT_S, WORDS, Answer, Server, ask, completion,
                    objects, receive, request_bytes, serving, texts)


class Protocol(unittest.TestCase):
    def test_paths_and_methods(self):
        with serving("--model", "some") as server:
            self.assertEqual(ask(server, "/health").status, 200)
            models = ask(server, "/v1/models").json
            self.assertEqual([m["id"] for m in models["data"]], ["some"])
            self.assertEqual(ask(server, "/v1/engines").status, 404)
            wrong = ask(server, "/v1/completions")
            self.assertEqual((wrong.status, wrong.headers["allow"]), (405, "POST"))
            self.assertEqual(ask(server, body=completion(model="other")).status, 404)
            good = ask(server, body=completion(model="some"))
            self.assertEqual(objects(good)[0]["model"], "some")
        self.assertEqual([e["status"] for e in server.log], [404, 200])

    def test_key(self):
        with serving("--api-key", "secret-key") as server:
            self.assertEqual(ask(server, "/health").status, 200)
            for headers in ([], ["Authorization: Bearer secret-ke"],
                            ["Authorization: secret-key"]):
                answer = ask(server, body=completion(), headers=headers)
                self.assertEqual(answer.status, 401)
                self.assertNotIn(b"secret", answer.raw)
            right = ask(server, body=completion(), headers=["Authorization: Bearer secret-key"])
            self.assertEqual(right.status, 200)

    def test_bodies(self):
        with serving() as server:
            for body in (b"", b"{", b"[]", {}, {"prompt": 5}, {"prompt": [[[1]]]},
                         {"prompt": "a", "max_tokens": 0}, {"prompt": "a", "stream": 1},
                         {"prompt": "a", "stream_options": {"include_usage": True}}):
                answer = ask(server, body=body)
                self.assertEqual(answer.status, 400, body)
                self.assertEqual(answer.json["error"]["type"], "BadRequestError")
            for body in ({}, {"messages": []}, {"messages": ["a"]}, {"messages": [{}]}):
                self.assertEqual(ask(server, "/v1/chat/completions", body).status, 400)
        self.assertEqual({e["end"] for e in server.log}, {"refused"})

    def test_prompt_tokens(self):
        prompts = [("a  b\n c", 3), ("", 0), ([1, 2, 3, 4], 4), (["a b", "c"], 3),
                   ([[1, 2], [3]], 3)]
        parts = [{"type": "text", "text": "a b"}, {"type": "image_url", "image_url": {}}]
        with serving() as server:
            for prompt, _ in prompts:
                ask(server, body={"prompt": prompt, "max_tokens": 1})
            ask(server, "/v1/chat/completions", {"messages": [
                {"role": "system", "content": "x y z"}, {"role": "user", "content": parts},
                {"role": "assistant", "content": None}], "max_completion_tokens": 2})
        self.assertEqual([e["prompt_tokens"] for e in server.log],
                         [n for _, n in prompts] + [5])
        self.assertEqual(server.log[-1]["completion_tokens"], 2)

    def test_keep_alive(self):
        with serving() as server, server.connect() as connection:
            file = connection.makefile("rb")
            for i in range(3):
                connection.sendall(request_bytes("/v1/completions", completion(),
                                                 headers=[f"X-Request-Id: id-{i}"]))
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += file.readline()
                self.assertIn(f"X-Request-Id: id-{i}\r\n".encode(), head)
                while file.readline() != b"0\r\n":
                    pass
                file.readline()
        self.assertEqual([e["request_id"] for e in server.log], ["id-0", "id-1", "id-2"])

    def test_idle_connections_are_closed(self):
        with serving("--keep-alive", "0.05") as server:
            with server.connect() as silent:
                self.assertEqual(receive(silent).raw, b"")
            with server.connect() as kept:
                kept.sendall(request_bytes("/v1/completions", completion()))
                answer = receive(kept)
        self.assertTrue(answer.complete and not answer.reset)
        self.assertNotIn("connection", answer.headers)

    def test_http_1_0(self):
        with serving() as server:
            answer = ask(server, body=completion(), version="1.0")
            self.assertNotIn("transfer-encoding", answer.headers)
            self.assertEqual(texts(answer), WORDS)
            self.assertEqual(ask(server, body=completion(), version="2.0").status, 505)

    def test_chunked_request_and_continue(self):
        data = json.dumps(completion(stream=False)).encode()
        chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(data[i:i + 7]), data[i:i + 7])
                          for i in range(0, len(data), 7)) + b"0\r\nTrailer: 1\r\n\r\n"
        head = (b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        with serving() as server, server.connect() as connection:
            connection.sendall(head)
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(chunks)
            answer = receive(connection)
        self.assertEqual(answer.json["choices"][0]["text"], "".join(WORDS))

    def test_large_bodies(self):
        with serving() as server:
            self.assertEqual(ask(server, body={"prompt": "w " * (4 << 20)}).status, 200)
            with server.connect() as connection:
                connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n"
                                   b"Content-Length: 99999999999\r\n\r\n")
                self.assertEqual(receive(connection).status, 413)
        self.assertEqual(server.log[0]["prompt_tokens"], 4 << 20)

    def test_pipelined(self):
        with serving() as server, server.connect() as connection:
            connection.sendall(2 * request_bytes("/v1/completions", completion()))
            raw = receive(connection).raw
        first, _, second = raw.partition(b"0\r\n\r\n")
        self.assertEqual(texts(Answer(first + b"0\r\n\r\n")), WORDS)
        self.assertEqual(Answer(second).status, 400)
        self.assertIn("pipelined", Answer(second).json["error"]["message"])
        self.assertEqual(len(server.log), 1)

    def test_not_http(self):
        with serving() as server:
            for raw in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", b"hello\r\n",
                        b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\n\r\n"):
                with server.connect() as connection:
                    connection.sendall(raw)
                    self.assertEqual(receive(connection).status, 400, raw)

    def test_read_timeout(self):
        with serving("--read-timeout", "0.05") as server, server.connect() as connection:
            connection.sendall(b"POST /v1/comp")
            self.assertEqual(receive(connection).status, 408)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "socket")
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(path)
            stale.close()  # left behind by one that crashed
            with serving("--unix", path) as server:
                self.assertEqual(texts(ask(server, body=completion())), WORDS)
                second = subprocess.run([PROGRAM, "mock-server", "--unix", path],
                                        capture_output=True, text=True, timeout=TIME_LIMIT_S)
                self.assertEqual(second.returncode, 1)
                self.assertIn("in use", second.stderr)
            self.assertFalse(os.path.exists(path))

    def test_port_in_use(self):
        with serving() as server:
            second = subprocess.run([PROGRAM, "mock-server", "--port", str(server.port)],
                                    capture_output=True, text=True, timeout=TIME_LIMIT_S)
        self.assertEqual(second.returncode, 1)
        self.assertRegex(second.stderr, r"\Ainferometer mock-server: port \d+ is in use: .*\n\Z")


class Service(unittest.TestCase):
    def test_log_agrees(self):
        with serving("--jitter", "1", "--concurrency", "3") as server:
            connections = [server.connect() for _ in range(9)]
            for i, connection in enumerate(connections):
                connection.sendall(request_bytes(
                    "/v1/completions", completion(max_tokens=i + 1),
                    headers=["Connection: close", f"X-Request-Id: {i}"]))
            answers = []
            for connection in connections:
                with connection:
                    answers.append(receive(connection))
        by_id = {int(e["request_id"]): e for e in server.log}
        self.assertEqual(len(by_id), 9)
        for i, answer in enumerate(answers):
            entry = by_id[i]
            self.assertEqual(len(texts(answer)), i + 1)
            self.assertEqual(entry["completion_tokens"], i + 1)
            self.assertEqual(len(entry["sent_ns"]), i + 1)
            self.assertEqual(len(entry["due_ns"]), i + 1)
            order = [entry["received_ns"], entry["body_ns"], entry["begin_ns"],
                     *entry["sent_ns"]]
            self.assertEqual(order, sorted(order))
            self.assertEqual(entry["due_ns"], sorted(entry["due_ns"]))
            self.assertTrue(all(s >= d for s, d in zip(entry["sent_ns"], entry["due_ns"])))
        self.assertRegex(server.summary, r"9 requests, 45 tokens in 45 events; late by p50 ")

    def test_due_times(self):
        """Token i is due at begin + ttft + prompt tokens / rate + i × itl, exactly."""
        with serving("--prompt-rate", "1000") as server:
            ask(server, body=completion())
            ask(server, body=completion(stream=False))
        first, whole = server.log
        start = first["begin_ns"] + 2000000 + 3000000
        self.assertEqual(first["due_ns"], [start + i * 1000000 for i in range(6)])
        self.assertEqual(whole["due_ns"], [whole["begin_ns"] + 5000000 + 5 * 1000000])
        self.assertEqual(first["begin_ns"], first["body_ns"])

    def test_jitter_is_drawn_from_the_seed(self):
        def draw(*options):
            with serving("--jitter", "0.9", "--ttft", "5", *options) as server:
                ask(server, body=completion(max_tokens=20))
            entry = server.log[0]
            return [due - entry["begin_ns"] - 5000000 - i * 1000000
                    for i, due in enumerate(entry["due_ns"])]
        uniform = draw()
        self.assertEqual(uniform, draw())
        self.assertNotEqual(uniform, draw("--seed", "2"))
        self.assertTrue(min(uniform) < 0 < max(uniform) <= 900000)
        self.assertTrue(all(late >= 0 for late in draw("--jitter-kind", "exponential")))
        self.assertNotEqual(uniform, draw("--jitter-kind", "normal"))

    def test_queue_is_first_in_first_out(self):
        with serving("--concurrency", "1") as server:
            connections = []
            for i in range(6):
                connections.append(server.connect())
                connections[-1].sendall(request_bytes(
                    "/v1/completions", completion(max_tokens=2 if i > 0 else 10 ** 6),
                    headers=["Connection: close", f"X-Request-Id: {i}"]))
                if i == 0:  # is served before others come, and until it is closed
                    connections[0].recv(1)
                else:
                    time.sleep(0.001)
            connections[3].close()  # has gone while it waited
            connections[0].close()
            for i in (1, 2, 4, 5):
                with connections[i]:
                    receive(connections[i])
        ends = {int(e["request_id"]): e for e in server.log}
        self.assertEqual(ends[3]["end"], "gone")
        self.assertEqual(ends[3]["begin_ns"], 0)
        served = [ends[i] for i in (0, 1, 2, 4, 5)]
        for before, behind in zip(served, served[1:]):
            self.assertGreaterEqual(behind["begin_ns"], max([0, *before["sent_ns"]]))
            self.assertGreater(behind["begin_ns"], before["begin_ns"])

    def test_client_that_goes(self):
        with serving("--concurrency", "1") as server:
            with server.connect() as connection:
                connection.sendall(request_bytes("/v1/completions", completion(max_tokens=10 ** 6)))
                connection.recv(1000)
            ask(server, body=completion(max_tokens=1))  # its place is free again
        self.assertEqual([e["end"] for e in server.log], ["gone", "whole"])
        self.assertLess(server.log[0]["completion_tokens"], 10 ** 6)

    def test_slow_reader_blocks_nobody(self):
        with serving("--shape", "big:4000000", "--tokens", "4") as server:
            with server.connect() as slow:
                slow.sendall(request_bytes("/v1/completions", completion(),
                                           headers=["Connection: close"]))
                first = slow.recv(1)
                quick = ask(server, body=completion())
                self.assertEqual(len(texts(quick)), 4)
                time.sleep(2.2)  # longer than a connection stays that has taken everything
                rest = Answer(first + receive(slow).raw)
        self.assertEqual(len(texts(rest)), 4)
        self.assertTrue(quick.complete and rest.complete)
        self.assertTrue(any(e["slow_reader"] and e["end"] == "whole" for e in server.log))
        self.assertIn("slow reader", server.summary)

    def test_stop_cuts_off(self):
        server = Server("--itl", "10000")
        with server.connect() as connection:
            connection.sendall(request_bytes("/v1/completions", completion()))
            raw = b""
            while b" w0" not in raw:
                raw += connection.recv(1 << 16)
            server.end()
        self.assertEqual([e["end"] for e in server.log], ["stopped"])
        self.assertEqual(server.log[0]["completion_tokens"], 1)

    def test_ready_file(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "ready")
            with serving("--ready-file", path) as server:
                for _ in range(1000):
                    if os.path.exists(path):
                        break
                    time.sleep(0.005)
                with open(path, encoding="utf-8") as file:
                    self.assertEqual(file.read(), f"http://127.0.0.1:{server.port}\n")

    def test_log_on_a_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("this system has no /dev/full")
        process = subprocess.Popen([PROGRAM, "mock-server", *QUICK, "--log", "/dev/full"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), TIME_LIMIT_S) as connection:
            connection.sendall(request_bytes("/v1/completions", completion(max_tokens=1),
                                             headers=["Connection: close"]))
            receive(connection)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=TIME_LIMIT_S)
        self.assertEqual(process.returncode, 1)
        self.assertIn("/dev/full: cannot write the log", errors)
