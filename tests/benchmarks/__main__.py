"""`python -m tests.benchmarks [names]`: run the benchmarks, or the named ones, and print one table.

A benchmark is a module of this package with `run() -> list[Result]`; each also runs alone. Goals that are missed are
shown and change nothing: what a machine can do is a figure, not a test. A benchmark that breaks makes the exit code 1.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
import traceback
from typing import TYPE_CHECKING

import tests.benchmarks as package
from tests.benchmarks.result import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.result import Result


def benchmarks() -> list[str]:
    """Return the names of all benchmarks."""
    found = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name != "__main__")
    return [name for name in found if hasattr(importlib.import_module(f"tests.benchmarks.{name}"), "run")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, one after the other; return the exit code."""
    names = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(names)}; all without any")
    asked = parser.parse_args(arguments).names or names
    for name in asked:
        if name not in names:
            parser.error(f"there is no benchmark {name}: choose from {', '.join(names)}")
    results: list[Result] = []
    broken: list[str] = []
    for number, name in enumerate(asked, start=1):
        sys.stderr.write(f"[{number}/{len(asked)}] {name} ... ")
        sys.stderr.flush()
        started = time.monotonic()
        try:
            results += importlib.import_module(f"tests.benchmarks.{name}").run()
        except Exception:  # noqa: BLE001 - one broken benchmark does not hide the others
            broken.append(name)
            sys.stderr.write(f"broken\n{traceback.format_exc()}")
        else:
            sys.stderr.write(f"{time.monotonic() - started:.0f} s\n")
    show(results)
    if broken:
        sys.stderr.write(f"broken: {', '.join(broken)}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
