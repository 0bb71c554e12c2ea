"""The daemon trades through recorded markets: calm months and the crash of May 2021, replayed at speed over sockets.

The simulated exchange plays real bars from the folder that KEELWARD_DATA names; the daemon trades there with ccxt, both
as processes of their own. It begins with 85 % spread evenly over the assets. Nothing halts it, so that the crash is
traded through. Without that folder there is nothing to run, and this says so.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daemon.demo_summary import summarise, write_summary
from exchanges.simulator.prices.bar_files import read_bars
from tests.benchmarks.daemon_process import configuration, daemon
from tests.benchmarks.result import Result, show
from tests.system.processes import exchange_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.demo_summary import Summary

DATA = "KEELWARD_DATA"
CAPITAL = 100_000
INVESTED = 0.85
EDGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Market:
    """A stretch of recorded market.

    Args:
        files: pattern of the files within the data folder.
        speed: market seconds that pass in one second.
    """

    name: str
    files: str
    start: datetime
    end: datetime
    speed: float


MARKETS = (
    Market(
        "a calm month by the hour",
        "ohlcv_hourly_binance/*.parquet",
        datetime(2023, 7, 1, tzinfo=UTC),
        datetime(2023, 8, 1, tzinfo=UTC),
        10_080.0,
    ),
    Market(
        "May 2021 by the hour",
        "ohlcv_hourly_binance/*.parquet",
        datetime(2021, 5, 1, tzinfo=UTC),
        datetime(2021, 6, 1, tzinfo=UTC),
        10_080.0,
    ),
    Market(
        "the crash of May 2021 by five minutes",
        "ohlcv_5m_stress/*.parquet",
        datetime(2021, 5, 16, tzinfo=UTC),
        datetime(2021, 5, 26, tzinfo=UTC),
        4_320.0,
    ),
    Market(
        "May 2025 by the minute",
        "ohlcv_1m_perp/*.parquet",
        datetime(2025, 5, 18, tzinfo=UTC),
        datetime(2025, 6, 3, tzinfo=UTC),
        10_080.0,
    ),
)


def first_prices(files: Sequence[Path], start: datetime) -> dict[str, float]:
    """Return each coin's price at the start."""
    moment = int(start.timestamp() * 1000)
    return {
        table.name.split("-")[0]: float(table.open[np.searchsorted(table.start_ms, moment)])
        for table in read_bars(files)
        if table.start_ms[0] <= moment
    }


def trade(market: Market, files: Sequence[Path], folder: Path) -> Summary:
    """Let the daemon trade through a stretch of market; return what came of it."""
    prices = first_prices(files, market.start)
    share = CAPITAL * INVESTED / len(prices)
    held = {coin: Decimal(f"{share / price:.6f}") for coin, price in prices.items()}
    balance = {"USDT": Decimal(CAPITAL) * Decimal(str(1 - INVESTED))} | held
    options = ("--start", market.start.isoformat(), "--speed", str(market.speed), "--markets", ",".join(prices))
    money = ",".join(f"{coin}={amount}" for coin, amount in balance.items())
    with exchange_process("--replay", *map(str, files), *options, "--balance", money) as exchange:
        begun = time.monotonic()
        path = configuration(
            folder,
            exchange.ready,
            portfolio={
                "name": "replay", "assets": [f"{coin}/USDT" for coin in prices],
                "cash_floor": 0.05, "cash_ceiling": 0.3,
            },
            venue={"time_scale": market.speed},
            market_data={
                "bar_interval": f"{market.speed:.0f}s", "warm_up_interval": f"{60 * market.speed:.0f}s",
                "warm_up_bars": 60, "cross_check_tolerance_bps": 1000,
            },
            signals={
                "half_life": "10d", "short_half_life": "1d",
                "expected_returns": {"model": "momentum", "window": "30d"},
            },
            optimiser={"max_weight": max(0.3, 1.2 / len(prices))},
            hedge={"enabled": True, "instrument": "BTC/USDT:USDT", "min_beta": 0.2, "max_beta": 0.7},
            execution={"pause": "100ms", "price_cap_bps": 100},
            cycle={"interval": "2s", "min_interval": "500ms", "debounce": "100ms"},
            limits={
                "max_orders_minute": 100_000, "max_orders_day": 1_000_000, "max_turnover_day": 10_000,
                "price_band_bps": 1000, "last_price_band_bps": 5000, "max_daily_loss": 1.0, "max_drawdown": 1.0,
                "tail_confidence": 0.95, "max_value_at_risk": 10.0, "max_expected_shortfall": 10.0,
            },
        )  # fmt: skip
        with daemon(path) as running:
            running.wait_ready()
            end = begun + (market.end - market.start) / timedelta(seconds=market.speed)
            while time.monotonic() < end and running.is_ready():
                time.sleep(0.2)
        return summarise(path, exchange.ready["admin"])


def run(markets: Sequence[Market] = MARKETS) -> list[Result]:
    """Trade through these markets; nothing without the data."""
    named = os.environ.get(DATA)
    if not named or not Path(named).is_dir():
        sys.stderr.write(f"skipped, {DATA} names no folder of recorded bars ... ")
        return []
    results: list[Result] = []
    for market in markets:
        files = sorted(Path(named).glob(market.files))
        if not files:
            sys.stderr.write(f"no files {market.files}: {market.name} is skipped ... ")
            continue
        days = (market.end - market.start) / EDGE
        sys.stdout.write(f"\n{market.name}: {days:g} days from {market.start:%Y-%m-%d} at {market.speed:,.0f} times\n")
        sys.stdout.flush()
        with tempfile.TemporaryDirectory(prefix="keelward-") as folder:
            summary = trade(market, files, Path(folder))
        write_summary(summary)
        sys.stdout.write("\n")
        wrong = len(summary.differences)
        results += [
            Result(f"{market.name}: rebalances", summary.rebalances, "", "> 0", summary.rebalances > 0),
            Result(f"{market.name}: orders that differ from the exchange's", wrong, "", "0", wrong == 0),
        ]
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    named = "; ".join(f"{number} {market.name}" for number, market in enumerate(MARKETS, start=1))
    parser.add_argument("numbers", nargs="*", type=int, help=f"which, all without any: {named}")
    chosen = [market for number, market in enumerate(MARKETS, start=1) if number in parser.parse_args().numbers]
    show(run(chosen or MARKETS))
