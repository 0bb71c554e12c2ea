"""Resident memory of the daemon while prices stream: sampled over time, with its slope.

Thirty markets at fifty quotes a second each, every price moving, bars closing and cycles running all the while. Run it
alone for longer: `python -m tests.benchmarks.memory --minutes 60`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.benchmarks.daemon_process import configuration, daemon, spot_markets
from tests.benchmarks.result import Result, show
from tests.system.processes import ExchangeProcess, exchange_process

MARKETS = 30
RATE = 50
MINUTES = float(os.environ.get("KEELWARD_BENCH_MINUTES", "2"))
SETTLING = 0.25
"""Share of the time that the start may take until memory counts: caches, compiled problems, the first trades."""
SAMPLE = 1.0
MOST = 400.0
SLOPE = 30.0
"""MB an hour that count as flat."""


def sample(running_seconds: float, exchange: ExchangeProcess, folder: Path) -> tuple[list[float], list[float], float]:
    """Return times in hours, resident memory in MB at each, and how many quotes a second were pushed."""
    path = configuration(
        folder,
        exchange.ready,
        portfolio={"name": "bench", "assets": spot_markets(exchange.ready["rest"]), "cash_floor": 0.1},
        venue={"time_scale": 60},
        market_data={"bar_interval": "1m", "warm_up_interval": "1h", "warm_up_bars": 300},
        cycle={"interval": "5s", "min_interval": "500ms"},
        limits={"max_orders_minute": 100_000, "max_orders_day": 1_000_000, "max_turnover_day": 10_000},
    )
    hours: list[float] = []
    resident: list[float] = []
    with daemon(path) as running:
        running.wait_ready()
        started, pushed = time.monotonic(), quotes(exchange)
        while (passed := time.monotonic() - started) < running_seconds:
            hours.append(passed / 3600)
            resident.append(running.resident())
            running.is_ready()
            time.sleep(SAMPLE)
        rate = (quotes(exchange) - pushed) / (time.monotonic() - started)
    return hours, resident, rate


def quotes(exchange: ExchangeProcess) -> int:
    """Return how many best bids and offers the exchange has pushed."""
    return int(exchange.admin("/statistics")["pushed"].get("bbo-tbt", 0))


def run(minutes: float = MINUTES) -> list[Result]:
    """Watch the memory for some minutes."""
    options = ("--markets", str(MARKETS), "--update-rate", str(RATE), "--speed", "60")
    with tempfile.TemporaryDirectory(prefix="keelward-") as folder, exchange_process(*options) as exchange:
        hours, resident, rate = sample(minutes * 60, exchange, Path(folder))
    begin = int(len(hours) * SETTLING)
    slope = float(np.polyfit(hours[begin:], resident[begin:], 1)[0])
    name = f"memory, {MARKETS} markets, {rate:,.0f} quotes/s, {minutes:g} min"
    most = max(resident)
    long = minutes >= 10
    return [
        Result(f"{name}: at the start", resident[0], "MB", "", None),
        Result(f"{name}: most", most, "MB", f"< {MOST:g}", most < MOST),
        Result(
            f"{name}: slope{'' if long else ' (too short to judge)'}",
            slope,
            "MB/hour",
            f"< {SLOPE:g}" if long else "",
            slope < SLOPE if long else None,
        ),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long (default: %(default)g)")
    show(run(parser.parse_args(sys.argv[1:]).minutes))
