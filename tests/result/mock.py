"""A mock server for a test, and loads made against it."""
import json
import os
import subprocess
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("IFM_BUILD_ROOT", os.path.join(SOURCE, "build"))
PROGRAM = os.path.join(BUILD, "inferometer")


class Server:
    """`inferometer mock-server`, from `with` to its end."""

    def __init__(self, *options):
        self.options = options

    def __enter__(self):
        self.process = subprocess.Popen(
            [PROGRAM, "mock-server", *self.options], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def load(url, *options, export=()):
    """Makes a load. Returns its result document and the text of each export."""
    with tempfile.TemporaryDirectory() as directory:
        words = [PROGRAM, "load", "--quiet", "--url", url,
                 "--json", os.path.join(directory, "result.json")]
        for name in export:
            words += ["--export", f"{name}={os.path.join(directory, name)}"]
        done = subprocess.run(words + list(options), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, cwd=directory,
                              env=dict(os.environ, XDG_STATE_HOME=directory))
        # 3: measured, but not to be trusted: failures that were asked for, a busy host;
        # 1: no request ended well, which the document says, too
        assert done.returncode in (0, 1, 3), (options, done.returncode, done.stderr)
        with open(os.path.join(directory, "result.json"), encoding="utf-8") as file:
            document = json.load(file)
        texts = {}
        for name in export:
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                texts[name] = file.read()
        return document, texts
