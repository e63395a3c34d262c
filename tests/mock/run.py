#!/usr/bin/env python3
"""The mock server from outside, with sockets alone. Only counts and orders of times are looked
at, never lengths of time.

    tests/mock/run.py [Shapes|Faults|Protocol|Service…]      IFM_BUILD_ROOT: where the program is
"""
import unittest

from answers import Faults, Shapes
from service import Protocol, Service

__all__ = ["Faults", "Protocol", "Service", "Shapes"]

if __name__ == "__main__":
    unittest.main()
