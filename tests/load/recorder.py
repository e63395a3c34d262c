"""A server in miniature that keeps the bodies it was asked with, and answers each at once
with a few tokens: what `inferometer load` sends is read from here, not from its own words."""
import http.server
import json
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, body, kind="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(json.dumps({"object": "list", "data": [{"id": "tiny"}]}).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            number = len(self.server.bodies)
            self.server.bodies.append(body)
            self.server.headers.append(dict(self.headers))
        chat = self.path.endswith("/chat/completions")
        words = [f"answer{number} ", "is this"]
        events = []
        for i, word in enumerate(words):
            choice = {"index": 0, "finish_reason": "stop" if i == 1 else None}
            choice |= {"delta": {"content": word}} if chat else {"text": word}
            events.append({"choices": [choice]})
        prompt = (" ".join(m["content"] for m in body["messages"]) if chat else
                  body["prompt"])
        n = len(prompt.split()) + self.server.overhead
        events.append({"choices": [], "usage": {"prompt_tokens": n, "completion_tokens": 2}})
        text = "".join(f"data: {json.dumps(e)}\n\n" for e in events) + "data: [DONE]\n\n"
        self.answer(text.encode(), "text/event-stream")


class Recorder(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, overhead=0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.bodies, self.headers = [], []
        self.overhead = overhead  # tokens that it counts in front of every prompt
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
