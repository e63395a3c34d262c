#!/usr/bin/env python3
"""`inferometer run --url` against servers in miniature (servers.py): TLS with good and bad
certificates, HTTP/2, proxies, IPv6; and that no output shows a key.

    tests/wire/run.py [-v] [TestCase[.test_name]…]

Nothing leaves this machine. Certificates are made here by openssl; without it those cases are
skipped and say so.
"""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

from servers import WORDS, Completions, Http2, Proxy

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(SOURCE, "build"))
PROGRAM = os.path.join(BUILD, "inferometer")
TIME_LIMIT_S = 60
SECRET = "ThisMustNeverBeSeen"
CLEAN = ("OPENAI_API_KEY", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "http_proxy", "https_proxy",
         "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


class Case(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="ifm-wire-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)

    def server(self, kind, **options):
        server = kind(**options)
        self.addCleanup(server.close)
        return server

    def path(self, name):
        return os.path.join(self.root, name)

    def run_program(self, *arguments, environment=None):
        env = {k: v for k, v in os.environ.items() if k not in CLEAN}
        env.update(environment or {})
        return subprocess.run([PROGRAM, *arguments], cwd=self.root, env=env, text=True,
                              capture_output=True, timeout=TIME_LIMIT_S)

    def measure(self, url, *arguments, environment=None):
        """The result document of three requests that must have gone well."""
        seen = self.run_program("run", "--url", url, "--warmup", "1", "--warm", "2", "-n", "4",
                                "--json", "result.json", "--quiet", *arguments,
                                environment=environment)
        self.assertIn(seen.returncode, (0, 3), seen.stderr)
        with open(self.path("result.json"), encoding="utf-8") as file:
            document = json.load(file)
        self.assertEqual([r["outcome"] for r in document["requests"]], ["ok"] * 3)
        self.assertEqual(document["requests"][2]["text"], "".join(WORDS))
        self.assertEqual(len(document["requests"][2]["token_ns"]), len(WORDS))
        return document

    def refused(self, url, *words, arguments=(), environment=None):
        """The one line in which a run that cannot be is told."""
        seen = self.run_program("run", "--url", url, "--warm", "1", "--model", "tiny", *arguments,
                                environment=environment)
        self.assertEqual(seen.returncode, 1, seen.stderr)
        self.assertEqual(seen.stdout, "")
        lines = [line for line in seen.stderr.splitlines() if line.startswith("inferometer")]
        self.assertEqual(len(lines), 1, seen.stderr)
        for word in words:
            self.assertIn(word, lines[0])


class Plain(Case):
    def test_the_connection_is_kept(self):
        server = self.server(Completions)
        document = self.measure(f"http://127.0.0.1:{server.port}")
        first, *others = document["requests"]
        self.assertFalse(first["reused_connection"])
        self.assertTrue(all(r["reused_connection"] for r in others))
        self.assertEqual(server.connections, 2)  # and one for the list of models
        self.assertEqual(document["target"]["model"]["name"], "tiny")
        ids = [r["request_id"] for r in document["requests"]]
        self.assertEqual(len(set(ids)), 3)
        for request, number in zip(server.requests[1:], ids):
            self.assertIn(f"X-Request-Id: {number}", request[1])
            self.assertEqual(str(uuid.UUID(number)), number)  # others are refused by some

    def test_times_are_in_order(self):
        server = self.server(Completions)
        for r in self.measure(f"http://127.0.0.1:{server.port}", "--new-connection")["requests"]:
            times = [0, r["service_start_ns"], r["dns_ns"], r["connect_ns"], r["sent_ns"], r["headers_ns"],
                     r["first_event_ns"], r["ttft_ns"], r["e2el_ns"], r["end_ns"]]
            self.assertEqual(times, sorted(times))
            self.assertFalse(r["reused_connection"])

    def test_the_body_is_what_was_asked(self):
        server = self.server(Completions)
        self.measure(f"http://127.0.0.1:{server.port}/v1", "-p", "Say ä", "--model", "other", "--stop", "END",
                     "--extra-body", '{"top_k": 7, "temperature": null}')
        body = json.loads(server.requests[0][2])
        self.assertEqual(body, {"model": "other", "prompt": "Say ä", "max_tokens": 4, "stream": True,
                                "stream_options": {"include_usage": True}, "stop": ["END"], "top_k": 7})

    def test_a_chat_is_messages(self):
        server = self.server(Completions)
        self.run_program("run", "--url", f"http://127.0.0.1:{server.port}", "--chat", "--system", "Be brief.",
                         "-p", "Hi", "--warm", "1", "--warmup", "0", "-n", "4")
        line, _, body = server.requests[-1]
        self.assertTrue(line.startswith("POST /v1/chat/completions "))
        self.assertEqual(json.loads(body)["messages"], [{"role": "system", "content": "Be brief."},
                                                        {"role": "user", "content": "Hi"}])

    def test_a_name_and_ipv6(self):
        server = self.server(Completions)
        self.measure(f"http://localhost:{server.port}")
        try:
            server = self.server(Completions, family=socket.AF_INET6, address="::1")
        except OSError:
            self.skipTest("this machine has no IPv6")
        self.measure(f"http://[::1]:{server.port}")

    def test_a_unix_socket(self):
        self.server(Completions, family=socket.AF_UNIX, address=self.path("a.sock"))
        self.measure("unix:" + self.path("a.sock"))
        self.measure("unix:a.sock:/v1")
        self.measure("http+unix://" + self.path("a.sock").replace("/", "%2F"))

    def test_who_has_no_list_of_models_is_asked_with_a_name(self):
        server = self.server(Completions)
        server.models = {"models": []}
        seen = self.run_program("run", "--url", f"http://127.0.0.1:{server.port}")
        self.assertEqual(seen.returncode, 1)
        self.assertIn("--model", seen.stderr)


class Faults(Case):
    def test_what_fails_later_is_a_record(self):
        server = self.server(Completions)
        server.good = 4
        seen = self.run_program("run", "--url", f"http://127.0.0.1:{server.port}", "--warmup", "1", "--warm", "5",
                                "-n", "4", "--json", "r.json")
        self.assertEqual(seen.returncode, 3, seen.stderr)  # not to be trusted
        self.assertIn("2 more failed", seen.stdout)
        with open(self.path("r.json"), encoding="utf-8") as file:
            requests = json.load(file)["requests"]
        self.assertEqual([r["error"] for r in requests], [None] * 4 + ["connection-reset"] * 2)
        self.assertTrue(all(r["ok"] == (r["error"] is None) for r in requests))

    def test_an_interruption_keeps_what_was_measured(self):
        server = self.server(Completions)
        command = [PROGRAM, "run", "--url", f"http://127.0.0.1:{server.port}", "--warmup", "0", "--warm", "100000",
                   "-n", "4", "--json", "r.json", "--quiet"]
        with subprocess.Popen(command, cwd=self.root, stderr=subprocess.PIPE, text=True) as process:
            while len(server.requests) < 5:
                time.sleep(0.01)
            server.hold = threading.Event()  # one is under way now
            self.addCleanup(server.hold.set)
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=TIME_LIMIT_S)[1]
        self.assertEqual(process.returncode, 1)
        self.assertIn("interrupted", errors)
        with open(self.path("r.json"), encoding="utf-8") as file:
            document = json.load(file)
        self.assertTrue(document["requests"])
        self.assertFalse(document["trustworthy"])

    def test_nothing_but_an_answer_is_one(self):
        server = self.server(Completions)
        server.status = "503 Busy"
        self.refused(f"http://127.0.0.1:{server.port}", "status 503")
        server.status = "307 Elsewhere\r\nLocation: https://u:p@elsewhere.example/x?key=k"
        self.refused(f"http://127.0.0.1:{server.port}", "redirects to https://elsewhere.example/x?key=…")

    def test_silence_has_an_end(self):
        server = self.server(Completions)
        server.hold = threading.Event()
        self.addCleanup(server.hold.set)
        self.refused(f"http://127.0.0.1:{server.port}", "--timeout", arguments=("--timeout", "1"))
        self.refused(f"http://127.0.0.1:{server.port}", "--idle-timeout", arguments=("--idle-timeout", "0.2"))


class Keys(Case):
    """A key, a password, a header and a query that no output may show."""

    def look(self, url, *arguments, server=None):
        files = ["r.json", "r.csv", "r.md"]
        seen = self.run_program(
            "run", "--url", url, "--warm", "2", "-n", "4", "--model", "tiny", "--json", "r.json", "--csv",
            "r.csv", "--markdown", "r.md", *arguments, environment={"OPENAI_API_KEY": SECRET + "1"})
        written = seen.stdout + seen.stderr
        for name in files:
            if os.path.exists(self.path(name)):
                with open(self.path(name), encoding="utf-8") as file:
                    written += file.read()
        self.assertNotIn(SECRET, written)
        if server is not None:
            self.assertIn(seen.returncode, (0, 3), seen.stderr)
            self.assertIn("***", written)  # the document was looked at
        return seen

    def test_what_goes_well(self):
        server = self.server(Completions)
        self.look(f"http://127.0.0.1:{server.port}/v1?key={SECRET}2", "--header", f"X-Key: {SECRET}3",
                  server=server)
        line, headers, _ = server.requests[0]
        self.assertIn(f"?key={SECRET}2 ", line)
        self.assertIn(f"Authorization: Bearer {SECRET}1", headers)
        self.assertIn(f"X-Key: {SECRET}3", headers)

    def test_a_password_is_sent_in_place_of_the_key(self):
        server = self.server(Completions)
        self.look(f"http://me:{SECRET}2@127.0.0.1:{server.port}", f"--header=X-Key: {SECRET}3", server=server)
        headers = server.requests[0][1]
        self.assertIn("Authorization: Basic ", headers)
        self.assertNotIn("Bearer", headers)

    def test_what_goes_wrong(self):
        server = self.server(Completions)
        server.status = "401 Unauthorized"
        place = f"127.0.0.1:{server.port}"
        for url in (f"http://me:{SECRET}2@{place}", f"http://me:{SECRET}2@127.0.0.1:1",
                    f"http://me:{SECRET}2@nowhere.invalid", f"https://me:{SECRET}2@{place}",
                    f"ftp://me:{SECRET}2@{place}", f"http://me:{SECRET}/2@{place}"):
            seen = self.look(url, "--header", f"X-Key: {SECRET}3")
            self.assertIn(seen.returncode, (1, 2))
            self.assertTrue(seen.stderr)
        self.look(f"http://{place}", "--proxy", f"http://me:{SECRET}4@127.0.0.1:1")


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class Tls(Case):
    def setUp(self):
        super().setUp()
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                     "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.root, check=True, capture_output=True)

    def context(self, names, expired=False, protocols=None):
        """A certificate for `names`, signed by our own authority."""
        with open(self.path("names"), "w", encoding="utf-8") as file:
            file.write("subjectAltName=" + names)
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "s.key",
                     "-out", "s.csr", "-subj", "/CN=server")
        self.openssl("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                     "s.pem", "-days", "-1" if expired else "2", "-extfile", "names")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("s.pem"), self.path("s.key"))
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def trusted(self):
        return "--cacert", self.path("ca.pem")

    def test_a_good_certificate(self):
        server = self.server(Completions, context=self.context("IP:127.0.0.1,DNS:localhost"))
        first = self.measure(f"https://localhost:{server.port}", *self.trusted())["requests"][0]
        self.assertLess(first["connect_ns"], first["tls_ns"])
        self.assertLessEqual(first["tls_ns"], first["sent_ns"])
        self.measure(f"https://127.0.0.1:{server.port}", environment={"SSL_CERT_FILE": self.path("ca.pem")})

    def test_nobody_known_signed_it(self):
        server = self.server(Completions, context=self.context("IP:127.0.0.1"))
        url = f"https://127.0.0.1:{server.port}"
        self.refused(url, "issuer is not known", "--cacert")
        document = self.measure(url, "--insecure")
        self.assertTrue(document["target"]["insecure"])
        self.assertIn("insecure", [w["code"] for w in document["warnings"]])

    def test_it_has_expired(self):
        server = self.server(Completions, context=self.context("IP:127.0.0.1", expired=True))
        self.refused(f"https://127.0.0.1:{server.port}", "has expired", arguments=self.trusted())

    def test_it_is_for_another_host(self):
        server = self.server(Completions, context=self.context("DNS:other.example"))
        self.refused(f"https://127.0.0.1:{server.port}", "for another host", arguments=self.trusted())

    def test_the_other_side_speaks_none(self):
        server = self.server(Completions)
        self.refused(f"https://127.0.0.1:{server.port}", "does it speak TLS?")

    def test_a_proxy_tunnels(self):
        server = self.server(Completions, context=self.context("IP:127.0.0.1"))
        proxy = self.server(Proxy)
        self.measure(f"https://127.0.0.1:{server.port}", "--proxy", f"http://127.0.0.1:{proxy.port}", *self.trusted())
        self.assertIn(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1", [r[0] for r in proxy.requests])

    def test_http2_is_agreed_on(self):
        server = self.server(Http2, context=self.context("IP:127.0.0.1", protocols=["h2"]))
        document = self.measure(f"https://127.0.0.1:{server.port}", "--http2", "--model", "tiny", *self.trusted())
        self.assertEqual({r["http_version"] for r in document["requests"]}, {"2"})


class Http2Plain(Case):
    def test_streams_share_a_connection(self):
        server = self.server(Http2)
        document = self.measure(f"http://127.0.0.1:{server.port}", "--http2", "--model", "tiny")
        self.assertEqual({r["http_version"] for r in document["requests"]}, {"2"})
        self.assertEqual(server.connections, 1)
        self.assertEqual(server.streams, 3)
        for r in document["requests"]:
            times = [r["service_start_ns"], r["sent_ns"], r["headers_ns"], r["ttft_ns"], r["end_ns"]]
            self.assertEqual(times, sorted(times))

    def test_many_streams_at_once(self):
        server = self.server(Http2)
        seen = self.run_program("load", "--url", f"http://127.0.0.1:{server.port}", "--http2", "--model", "tiny",
                                "--concurrency", "16", "--num-prompts", "200", "--warmup", "0", "--output-len", "4",
                                "--json", "load.json", "--quiet")
        self.assertIn(seen.returncode, (0, 3), seen.stderr)
        with open(self.path("load.json"), encoding="utf-8") as file:
            outcomes = [r["outcome"] for r in json.load(file)["requests"]]
        self.assertEqual(outcomes, ["ok"] * 200)
        self.assertIn(server.streams, (200, 201))  # and one for the list of models
        self.assertLess(server.connections, 4)


class Proxies(Case):
    def test_one_that_is_named(self):
        server, proxy = self.server(Completions), self.server(Proxy)
        self.measure(f"http://127.0.0.1:{server.port}", "--proxy", f"http://127.0.0.1:{proxy.port}")
        self.assertTrue(proxy.requests)

    def test_this_machine_is_asked_directly(self):
        server, proxy = self.server(Completions), self.server(Proxy)
        there = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "all_proxy": f"http://127.0.0.1:{proxy.port}"}
        self.measure(f"http://127.0.0.1:{server.port}", environment=there)
        self.assertEqual(proxy.requests, [])
        # A name that only the proxy could know goes through it.
        self.run_program("run", "--url", f"http://nowhere.invalid:{server.port}", "--model", "tiny", environment=there)
        self.assertTrue(proxy.requests)

    def test_one_that_is_not_there(self):
        self.refused("http://example.invalid", "nobody listens there", arguments=("--proxy", "http://127.0.0.1:1"))


if __name__ == "__main__":
    seen = unittest.main(exit=False).result
    for case, reason in seen.skipped:
        print(f"skipped {case.id()}: {reason}")
    sys.exit(77 if seen.skipped and len(seen.skipped) == seen.testsRun else
             0 if seen.wasSuccessful() else 1)
