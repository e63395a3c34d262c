"""A hub in miniature: as much of the Hugging Face hub's HTTP as a download sees, and every way
in which it can go wrong.

Two servers: the hub itself, on 127.0.0.1, and a store for large files, on "localhost" (another
host to a client), to which the hub redirects. Each request is logged. A fault is a function
that is called in place of the answer and may give it; see Fault below.
"""
import hashlib
import http.server
import json
import socket
import threading
import time
import urllib.parse

LARGE = 10_000  # bytes from which a file is kept as Git LFS keeps it


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Repository:
    """Files of one revision. `commit` is made of them, as git does, more or less."""

    def __init__(self, files, revisions=("main",), token=None, license="apache-2.0"):
        self.files = files
        self.revisions = revisions
        self.token = token  # who reads it must send this one
        self.license = license
        everything = b"".join(name.encode() + data for name, data in sorted(files.items()))
        self.commit = hashlib.sha1(everything).hexdigest()

    def etag(self, name):
        data = self.files[name]
        return sha256(data) if len(data) >= LARGE else git_sha1(data)


class Fault:
    """What happens to a request whose path ends with `path`, `times` times: an HTTP `code`
    with `headers` and `body`; or the file's body cut after `cut` bytes, stalled there, slow,
    replaced by `data`, without ranges or without a length."""

    def __init__(self, path, times=1, method="GET", **what):
        self.path, self.times, self.method, self.what = path, times, method, what


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer("GET")

    def do_HEAD(self):
        self.answer("HEAD")

    def answer(self, method):
        hub = self.server.hub
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        with hub.lock:
            hub.log.append((self.server.role, method, path, dict(self.headers.items())))
        self.method, self.fault = method, hub.take_fault(method, path)
        what = self.fault.what if self.fault else {}
        try:
            if "code" in what:
                self.say(what["code"], what.get("body", b"an error page"),
                         what.get("headers", {}))
            elif self.server.role == "store":
                self.send_file(hub.store[path.lstrip("/")], {})
            elif path.startswith("/api/models/"):
                self.send_api(hub, path)
            else:
                self.send_resolved(hub, path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def say(self, code, body, headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.method == "GET":
            self.wfile.write(body)

    def find(self, hub, repo, revision):
        """The repository, if this client may see it; else it was answered."""
        known = hub.repositories.get(repo)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if known is None:
            self.say(401 if not token else 404, b"", {"X-Error-Code": "RepoNotFound"})
        elif known.token is not None and known.token != token:
            self.say(403 if token else 401, b"", {"X-Error-Code": "GatedRepo"})
        elif revision not in known.revisions and revision != known.commit:
            self.say(404, b"", {"X-Error-Code": "RevisionNotFound"})
        else:
            return known
        return None

    def send_api(self, hub, path):
        repo, revision = path.removeprefix("/api/models/").split("/revision/")
        known = self.find(hub, repo, revision)
        if known:
            body = {"id": repo, "sha": known.commit, "tags": [f"license:{known.license}"],
                    "siblings": [{"rfilename": name} for name in known.files]}
            self.say(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def send_resolved(self, hub, path):
        repo, rest = path.lstrip("/").split("/resolve/")
        revision, name = rest.split("/", 1)
        known = self.find(hub, repo, revision)
        if not known:
            return
        if name not in known.files:
            self.say(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data, etag = known.files[name], known.etag(name)
        headers = {"X-Repo-Commit": known.commit}
        if len(data) < LARGE:
            self.send_file(data, {**headers, "ETag": f'"{etag}"'})
            return
        hub.store[etag] = data
        self.say(302, b"moved", {
            **headers, "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data)),
            "ETag": '"of-the-redirect"',
            "Location": f"{hub.store_url}/{etag}?signature=secret"})

    def send_file(self, data, headers):
        what = self.fault.what if self.fault else {}
        data = what.get("data", data)
        begin = 0
        asked = self.headers.get("Range")
        if asked and not what.get("no_ranges"):
            begin = int(asked.removeprefix("bytes=").split("-")[0])
            if begin >= len(data):
                self.say(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers = {**headers, "Content-Range":
                       f"bytes {begin}-{len(data) - 1}/{len(data)}"}
        self.send_response(206 if asked and not what.get("no_ranges") else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        if not what.get("no_length"):
            self.send_header("Content-Length", str(len(data) - begin))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.method == "GET":
            self.send_body(data[begin:], what)

    def send_body(self, data, what):
        slow = what.get("slow")  # bytes at a time, 20 times a second
        cut = what.get("cut", len(data))
        for at in range(0, cut, slow or max(cut, 1)):
            self.wfile.write(data[at:min(at + (slow or cut), cut)])
            self.wfile.flush()
            if slow:
                time.sleep(0.05)
        if "stall_s" in what:
            time.sleep(what["stall_s"])
        if "cut" in what or what.get("no_length"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub, role):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub, self.role = hub, role
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Hub:
    def __init__(self, repositories):
        self.repositories = dict(repositories)
        self.store, self.log, self.faults = {}, [], []
        self.lock = threading.Lock()
        self.servers = [Server(self, "hub"), Server(self, "store")]
        self.url = f"http://127.0.0.1:{self.servers[0].server_port}"
        self.store_url = f"http://localhost:{self.servers[1].server_port}"

    def take_fault(self, method, path):
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and path.endswith(fault.path):
                    fault.times -= 1
                    return fault
        return None

    def requests(self, role=None, method=None):
        with self.lock:
            return [entry for entry in self.log
                    if role in (None, entry[0]) and method in (None, entry[1])]

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
