# SPDX-License-Identifier: BSD-3-Clause
"""Run pcapy-ng's own tests, unmodified, against a module under the name pcapy.

    run_upstream.py MODULE FOLDER suites|smoke
    run_upstream.py MODULE FOLDER live DEVICE

MODULE is pypcapaccel.pcapy, or pcapy for the real one, or preload for the real one behind
pypcapaccel.preload(). Prints a line `SUITE: RUN tests, FAILED ...` for each suite.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import unittest
from pathlib import Path
from typing import Any

import pypcapaccel


def report(name: str, result: Any) -> None:
    bad = [test.id().rpartition(".")[2] for test, _ in result.failures + result.errors]
    print(f"{name}: {result.testsRun} tests, failed {bad}")


def run(name: str, suite: unittest.TestSuite) -> None:
    report(name, unittest.TextTestRunner(verbosity=0).run(suite))


def load_pcapytests(folder: Path) -> tuple[Any, Any]:
    """(module, result): it runs its own suite when it is loaded, from its own folder, and exits when that
    fails."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    results = []
    run_suite, leave = unittest.TextTestRunner.run, sys.exit

    def keep(self: Any, suite: Any) -> Any:
        results.append(run_suite(self, suite))
        return results[-1]

    unittest.TextTestRunner.run = keep  # type: ignore
    sys.exit = lambda *_: None  # type: ignore[assignment]
    try:
        return importlib.import_module("pcapytests"), results[-1]
    finally:
        unittest.TextTestRunner.run = run_suite  # type: ignore[method-assign]
        sys.exit = leave


def main() -> None:
    name, folder, what, *more = sys.argv[1:]
    if name == "preload":
        pypcapaccel.preload()
        name = "pcapy"
    sys.modules["pcapy"] = importlib.import_module(name)
    if what == "smoke":
        os.chdir(Path(folder).parent)
        sys.argv = ["wheel_smoketest.py"]
        runpy.run_path(str(Path(folder, "wheel_smoketest.py")), run_name="__main__")
        return
    module, result = load_pcapytests(Path(folder))
    if what == "suites":
        report("pcapytests", result)
        run("test_fast", unittest.defaultTestLoader.loadTestsFromName("test_fast"))
        return
    module.TestPcapy._IFACE = more[0]
    tests = ["_testLiveCapture", "_testSendPacket"]
    run("live", unittest.TestSuite(module.TestPcapy(test) for test in tests))


if __name__ == "__main__":
    main()
