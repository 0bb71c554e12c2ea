"""From the start of the process to the first decision: thirty markets, with the history that warms the signals."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.daemon_process import configuration, daemon, spot_markets
from tests.benchmarks.result import Result, show
from tests.system.processes import exchange_process

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKETS = 30
BARS = 300  # as by default
ROUNDS = 3
GOAL = 5.0


def once(ready: Mapping[str, str], assets: list[str]) -> float:
    """Return the seconds of one start, with a database that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="keelward-") as folder:
        path = configuration(
            Path(folder),
            ready,
            portfolio={"name": "bench", "assets": assets, "cash_floor": 0.1},
            market_data={"warm_up_bars": BARS},
        )
        started = time.monotonic()
        with daemon(path) as running:
            running.wait_ready()
            return time.monotonic() - started


def run() -> list[Result]:
    """Measure some starts."""
    with exchange_process("--markets", str(MARKETS)) as exchange:
        assets = spot_markets(exchange.ready["rest"])
        seconds = [once(exchange.ready, assets) for _ in range(ROUNDS)]
    middle = statistics.median(seconds)
    name = f"start to ready, {MARKETS} markets, {BARS} bars of history each"
    return [Result(name, middle, "s", f"< {GOAL:g}", middle < GOAL)]


if __name__ == "__main__":
    show(run())
