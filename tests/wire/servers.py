"""Servers in miniature, in threads of this process: HTTP/1.1 and HTTP/2, plain and with TLS; a
proxy that forwards and tunnels. Each keeps what it was asked."""
import json
import select
import socket
import struct
import threading

WORDS = [" one", " two", " three", " four"]


def events(words=WORDS):
    """The stream of a completion, as bytes for each event."""
    for word in words:
        yield b"data: " + json.dumps({"choices": [{"index": 0, "text": word}]}).encode() + b"\n\n"
    yield b"data: " + json.dumps({"choices": [{"index": 0, "text": "", "finish_reason": "length"}]}).encode() + b"\n\n"
    yield b"data: " + json.dumps({"choices": [], "usage": {
        "prompt_tokens": 4, "completion_tokens": len(words)}}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


class Server:
    """Accepts in a thread, and serves each connection in one of its own."""

    def __init__(self, context=None, family=socket.AF_INET, address=None):
        self.context = context
        self.requests = []  # (first line, headers as text, body)
        self.connections = 0
        self.socket = socket.socket(family)
        if family == socket.AF_UNIX:
            self.socket.bind(address)
        else:
            self.socket.bind((address or "127.0.0.1", 0))
            self.port = self.socket.getsockname()[1]
        self.socket.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.socket.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.guarded, args=(connection,), daemon=True).start()

    def guarded(self, connection):
        try:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            self.serve(connection)
        except (OSError, ValueError, IndexError):
            pass  # whoever was there has gone
        finally:
            connection.close()


def read_request(stream):
    """(first line, headers, body); None at the end."""
    first = stream.readline().decode().rstrip("\r\n")
    if not first:
        return None
    lines = []
    while True:
        line = stream.readline().decode().rstrip("\r\n")
        if not line:
            break
        lines.append(line)
    length = next((int(line.split(":")[1]) for line in lines
                   if line.lower().startswith("content-length:")), 0)
    return first, "\n".join(lines), stream.read(length)


class Completions(Server):
    """HTTP/1.1, connections kept. `status`: of all answers, with a body that is no stream."""

    status = None
    good = None  # so many answers are; then the connection is closed without one
    hold = None  # an event: answers wait for it
    models = {"data": [{"id": "tiny"}]}

    def serve(self, connection):
        stream = connection.makefile("rb")
        while (request := read_request(stream)) is not None:
            self.requests.append(request)
            if self.good is not None and request[0].startswith("POST"):
                self.good -= 1
                if self.good < 0:
                    return
            if self.hold is not None:
                self.hold.wait()
            if self.status is not None:
                self.answer(connection, self.status, b'{"error": {"message": "no"}}')
            elif request[0].startswith("GET"):
                self.answer(connection, "200 OK", json.dumps(self.models).encode())
            else:
                self.stream(connection)

    @staticmethod
    def answer(connection, status, body):
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    @staticmethod
    def stream(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
        for event in events():
            connection.sendall(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        connection.sendall(b"0\r\n\r\n")


class Http2(Server):
    """As much of RFC 9113 as a client needs to be answered. What the client's headers say is
    never decoded, so that no table of HPACK has to be kept; ours are static or literal."""

    DATA, HEADERS, SETTINGS, PING, WINDOW = 0, 1, 4, 6, 8
    END_STREAM, END_HEADERS, ACK = 1, 4, 1

    def __init__(self, *args, **kwargs):
        self.streams = 0
        super().__init__(*args, **kwargs)

    @staticmethod
    def frame(connection, kind, flags, stream, payload=b""):
        connection.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) +
                           struct.pack(">I", stream) + payload)

    @staticmethod
    def literal(name, value):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value

    def serve(self, connection):
        stream = connection.makefile("rb")
        if stream.read(24) != b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":
            return
        self.frame(connection, self.SETTINGS, 0, 0)
        while len(head := stream.read(9)) == 9:
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            number = int.from_bytes(head[5:], "big") & 0x7fffffff
            payload = stream.read(length)
            if kind == self.SETTINGS and not flags & self.ACK:
                self.frame(connection, self.SETTINGS, self.ACK, 0)
            elif kind == self.PING and not flags & self.ACK:
                self.frame(connection, self.PING, self.ACK, 0, payload)
            if kind == self.DATA and length > 0:
                self.frame(connection, self.WINDOW, 0, 0, struct.pack(">I", length))
            if kind in (self.DATA, self.HEADERS) and flags & self.END_STREAM:
                self.streams += 1
                self.answer(connection, number)

    def answer(self, connection, number):
        self.frame(connection, self.HEADERS, self.END_HEADERS, number,
                   b"\x88" + self.literal(b"content-type", b"text/event-stream"))
        for event in events():
            self.frame(connection, self.DATA, 0, number, event)
        self.frame(connection, self.DATA, self.END_STREAM, number)


class Proxy(Server):
    """Forwards requests with absolute URLs, tunnels CONNECT."""

    def serve(self, connection):
        stream = connection.makefile("rb", buffering=0)
        first, headers, body = read_request(stream)
        self.requests.append((first, headers, body))
        method, target, _ = first.split()
        place = target if method == "CONNECT" else target.split("/")[2]
        host, port = place.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as other:
            if method == "CONNECT":
                connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                other.sendall(f"{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n".replace("\n", "\r\n")
                              .replace("\r\r", "\r").encode() + body)
            self.pump(connection, other)

    @staticmethod
    def pump(a, b):
        while True:
            for ready in select.select([a, b], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (b if ready is a else a).sendall(data)
