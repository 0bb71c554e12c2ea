"""From the price message that drives a weight out of its region to the order request at the exchange.

Thirty assets, two processes on loopback. Prices stand still but for one coin at a time, which nearly doubles or halves
and so leaves its region. The clock starts when the exchange is about to push the first quote of the new price and stops
when it has read the order request: parsing, drift trigger, snapshot, optimiser, region, limits, three commits to disk,
signature and HTTP are all in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from exchanges.simulator.assembly import ServeOptions
from exchanges.simulator.faults import Fault, FaultKind, Faults
from exchanges.simulator.serve import serve
from tests.benchmarks.daemon_process import configuration, daemon, spot_markets
from tests.benchmarks.result import Result, show

if TYPE_CHECKING:
    from collections.abc import Container

    from exchanges.simulator.serve import RunningExchange

ASSETS = 30
JUMPS = 100
JUMP = 0.9
QUIET = 0.6
"""Seconds without an order after which a rebalance is over."""
PATIENCE = 1.5
ENOUGH = 0.5
GOAL = 0.050
QUOTES = "CHANNEL bbo-tbt "
ORDERS = "POST /api/v5/trade/batch-orders"


@dataclass(slots=True)
class Stopwatch(Faults):
    """Faults that never strike, and note when each message is about to leave and each order request has arrived."""

    watched: str = ""
    told: float = 0.0
    ordered: float = 0.0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    any: asyncio.Event = field(default_factory=asyncio.Event)

    def watch(self, inst_id: str) -> None:
        """Wait for the next quote of a market and the first order request after it."""
        self.watched, self.told = QUOTES + inst_id, 0.0
        self.arrived.clear()

    def hit(self, line: str, kinds: Container[FaultKind]) -> Fault | None:
        """Take the time; nothing goes wrong."""
        del kinds
        if line == ORDERS:
            self.any.set()
            if self.told and not self.arrived.is_set():
                self.ordered = time.perf_counter()
                self.arrived.set()
        elif line == self.watched:
            self.told = time.perf_counter()
            self.watched = ""
        return None

    def __bool__(self) -> bool:
        """Look at every request."""
        return True

    @property
    def streams(self) -> bool:
        """Look at every message."""
        return True

    async def quiet(self) -> None:
        """Wait until no order has arrived for a while."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.any.clear()
                async with asyncio.timeout(QUIET):
                    await self.any.wait()


async def measure(exchange: RunningExchange, folder: Path) -> list[float]:
    """Return the seconds of each reaction."""
    stopwatch = Stopwatch()
    exchange.face.faults = stopwatch
    exchange.prices.freeze("*")
    assets = await asyncio.to_thread(spot_markets, exchange.rest)
    path = configuration(
        folder,
        json.loads(exchange.ready_line()),
        portfolio={"name": "bench", "assets": assets, "cash_floor": 0.2, "cash_ceiling": 0.4},
        optimiser={"min_weight": 0.022, "max_weight": 0.024},
        execution={"pause": "0ms", "price_cap_bps": 100},
        cycle={"interval": "1h", "min_interval": "0ms", "debounce": "0ms", "volatility_trigger": False},
        limits={
            "max_orders_minute": 100_000, "max_orders_day": 1_000_000, "max_turnover_day": 10_000,
            "price_band_bps": 10_000, "last_price_band_bps": 10_000, "max_daily_loss": 1.0, "max_drawdown": 1.0,
            "max_value_at_risk": 10.0, "max_expected_shortfall": 10.0,
        },
    )  # fmt: skip
    with daemon(path) as running:
        await asyncio.to_thread(running.wait_ready)
        return await jump_about(exchange, stopwatch, assets)


async def jump_about(exchange: RunningExchange, stopwatch: Stopwatch, assets: list[str]) -> list[float]:
    """Let one coin after the other jump up and back; return the seconds of each reaction.

    A jump that stays inside its region calls for nothing; there are few of those.
    """
    seconds: list[float] = []
    for number in range(JUMPS):
        await stopwatch.quiet()
        inst_id = assets[number // 2 % len(assets)].replace("/", "-")
        stopwatch.watch(inst_id)
        exchange.prices.shock(inst_id, JUMP if number % 2 == 0 else 1 / (1 + JUMP) - 1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await stopwatch.arrived.wait()
                seconds.append(stopwatch.ordered - stopwatch.told)
    return seconds


async def measured() -> list[float]:
    """Return the seconds of each reaction, from a daemon and an exchange that are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="keelward-") as folder:
        async with await serve(ServeOptions(markets=ASSETS, trades_per_second=0.0)) as exchange:
            return await measure(exchange, Path(folder))


def run() -> list[Result]:
    """Measure reactions to jumps."""
    seconds = sorted(asyncio.run(measured()))
    if len(seconds) < JUMPS * ENOUGH:
        raise AssertionError(f"only {len(seconds)} of {JUMPS} jumps were followed by an order")
    p50, p99 = (seconds[len(seconds) * share // 100] for share in (50, 99))
    name = f"price to order, {ASSETS} assets, {len(seconds)} times"
    return [
        Result(f"{name}, p50", p50 * 1e3, "ms", "", None),
        Result(f"{name}, p99", p99 * 1e3, "ms", f"< {GOAL * 1e3:g}", p99 < GOAL),
    ]


if __name__ == "__main__":
    show(run())
