"""A mock server in a process of its own, and a client that takes nothing for granted: what came
back is kept byte for byte."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(HERE, "..", "..", "build"))
PROGRAM = os.path.join(BUILD, "inferometer")
TIME_LIMIT_S = 20
QUICK = ["--ttft", "2", "--itl", "1"]


class Server:
    """A mock server; `log` and `summary` are there once it has been ended."""

    def __init__(self, *options):
        self.directory = tempfile.TemporaryDirectory()
        self.log_path = os.path.join(self.directory.name, "log")
        unix = "--unix" in options
        self.process = subprocess.Popen(
            [PROGRAM, "mock-server", *QUICK, *options, "--log", self.log_path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on (http://127\.0\.0\.1:(\d+)|unix:(.*))\n", line)
        if not found:
            self.process.kill()
            raise AssertionError(line + self.process.communicate()[1])
        self.port = None if unix else int(found[2])
        self.path = found[3]

    def connect(self):
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(TIME_LIMIT_S)
            connection.connect(self.path)
            return connection
        return socket.create_connection(("127.0.0.1", self.port), TIME_LIMIT_S)

    def end(self, code=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, self.summary = self.process.communicate(timeout=TIME_LIMIT_S)
        with open(self.log_path, encoding="utf-8") as file:
            self.log = [json.loads(line) for line in file]
        self.directory.cleanup()
        if self.process.returncode != code:
            raise AssertionError(f"exit code {self.process.returncode}: {self.summary}")


@contextlib.contextmanager
def serving(*options, code=0):
    server = Server(*options)
    try:
        yield server
    finally:
        server.end(code)


def request_bytes(path, body=None, method=None, headers=(), version="1.1"):
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/{version}", "Host: x"]
    if body is not None:
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join([*lines, *headers, "", ""]).encode() + data


class Answer:
    """What came back: raw bytes, status, headers, body (chunks joined), and how it ended."""

    def __init__(self, raw, reset=False):
        self.raw, self.reset = raw, reset
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if head else None
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        self.chunks, self.complete = [], False
        if self.headers.get("transfer-encoding") == "chunked":
            self.read_chunks(rest)
        else:
            self.chunks = [rest]
            self.complete = int(self.headers.get("content-length", -1)) == len(rest)
        self.body = b"".join(self.chunks)

    def read_chunks(self, rest):
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            n = int(size, 16)
            if n == 0:
                self.complete = rest == b"\r\n"
                return
            self.chunks.append(rest[:n])
            rest = rest[n + 2:]

    @property
    def json(self):
        return json.loads(self.body)


def receive(connection):
    """Until the other side closes."""
    pieces = []
    try:
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
    except ConnectionResetError:
        return Answer(b"".join(pieces), reset=True)
    return Answer(b"".join(pieces))


def ask(server, path="/v1/completions", body=None, **details):
    headers = (*details.pop("headers", ()), "Connection: close")
    with server.connect() as connection:
        connection.sendall(request_bytes(path, body, headers=headers, **details))
        return receive(connection)


def completion(**more):
    return {"prompt": "one two three", "max_tokens": 6, "stream": True, **more}


def chat(**more):
    return {"messages": [{"role": "user", "content": "one two three"}], "max_tokens": 6,
            "stream": True, **more}


def parse_events(body):
    """(name, data) of each event, by the WHATWG's rules, written down once more."""
    events, name, data = [], "message", []
    text = body.decode().replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n")[:-1]:
        if line == "":
            if data:
                events.append((name, "\n".join(data)))
            name, data = "message", []
        elif line.startswith(":"):
            continue
        else:
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
    return events


def objects(answer):
    """JSON of the events but [DONE]."""
    return [json.loads(data) for name, data in parse_events(answer.body)
            if name == "message" and data != "[DONE]"]


def is_done(answer):
    return parse_events(answer.body)[-1][1] == "[DONE]"


def texts(answer):
    out = []
    for event in objects(answer):
        for choice in event["choices"]:
            piece = choice["text"] if "text" in choice else choice["delta"].get("content")
            if piece:
                out.append(piece)
    return out


WORDS = [f" w{i}" for i in range(6)]
