#!/usr/bin/env python3
"""`inferometer model pull`, `list` and `verify` against a hub in miniature (server.py).

    tests/hub/run.py [-v] [TestCase[.test_name]…]

Nothing leaves this machine, but for pip's questions of the case Smollm2. What needs something
that is not here (huggingface_hub, user namespaces, packages) is skipped and says so; when all
of it was skipped, the exit code is 77, which Meson counts.
"""
import sys
import unittest

from here import *  # noqa: F403
from pulls import *  # noqa: F403

if __name__ == "__main__":
    seen = unittest.main(exit=False).result
    for case, reason in seen.skipped:
        print(f"skipped {case.id()}: {reason}")
    sys.exit(77 if seen.skipped and len(seen.skipped) == seen.testsRun else
             0 if seen.wasSuccessful() else 1)
