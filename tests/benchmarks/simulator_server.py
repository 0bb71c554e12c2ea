"""How much the simulated exchange's server carries: fifty spot markets and fifty swaps at 20 book updates per second.

The server runs in a process of its own; two subscribers in this one take best bid and offer of all hundred markets, one
more takes tickers, trades, five-level books and, of some markets, full books. What is told: messages per second that
arrived (a best quote is sent only when it changes), ticks against their plan, the share of a core that the server took,
and how old a quote was when it arrived.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.benchmarks.result import Result, show

COINS = 50
RATE = 20.0
FULL_BOOKS = 10
WARM_UP, MEASURED = 2.0, 10.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Tally:
    """What one subscriber received."""

    counts: dict[str, int] = field(default_factory=dict)
    ages: list[float] = field(default_factory=list)

    def take(self, text: str) -> None:
        """Count a push, and note the age of a best bid and offer."""
        message = orjson.loads(text)
        if "data" not in message:
            return
        channel = message["arg"]["channel"]
        self.counts[channel] = self.counts.get(channel, 0) + 1
        if channel == "bbo-tbt":
            self.ages.append(time.time() - int(message["data"][0]["ts"]) / 1000)

    def clear(self) -> None:
        """Forget what was received so far."""
        self.counts.clear()
        self.ages.clear()


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def listen(url: str, args: list[dict[str, str]], tally: Tally) -> None:
    """Subscribe and receive until cancelled."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/public", max_msg_size=0) as socket:
        await socket.send_str(orjson.dumps({"op": "subscribe", "args": args}).decode())
        async for message in socket:
            tally.take(message.data)


async def instruments(rest: str) -> list[str]:
    """Return the names of all markets."""
    found: list[str] = []
    async with aiohttp.ClientSession() as session:
        for kind in ("SPOT", "SWAP"):
            async with session.get(f"{rest}/api/v5/public/instruments?instType={kind}") as answer:
                found += [row["instId"] for row in (await answer.json())["data"]]
    return found


async def ticks_and_lag(admin: str) -> dict[str, Any]:
    """Return how the server keeps its pace."""
    async with aiohttp.ClientSession() as session, session.get(f"{admin}/statistics") as answer:
        pace: dict[str, Any] = (await answer.json())["pace"]
        return pace


async def measure(pid: int, ready: dict[str, str]) -> dict[str, Any]:
    """Return the figures of one run against a server that is up."""
    names = await instruments(ready["rest"])
    quotes = [{"channel": "bbo-tbt", "instId": name} for name in names]
    rest = [{"channel": channel, "instId": n} for n in names for channel in ("tickers", "trades", "books5")]
    rest += [{"channel": "books", "instId": name} for name in names[:FULL_BOOKS]]
    tallies = [Tally(), Tally(), Tally()]
    tasks = [
        asyncio.create_task(listen(ready["ws"], args, tally))
        for args, tally in zip((quotes, quotes, rest), tallies, strict=True)
    ]
    await asyncio.sleep(WARM_UP)
    for tally in tallies:
        tally.clear()
    before = await ticks_and_lag(ready["admin"])
    started, used = time.monotonic(), cpu_seconds(pid)
    await asyncio.sleep(MEASURED)
    seconds, share = time.monotonic() - started, cpu_seconds(pid) - used
    after = await ticks_and_lag(ready["admin"])
    ticks = after["ticks"] - before["ticks"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    ages = sorted(age for tally in tallies for age in tally.ages)
    sums: dict[str, float] = {}
    for tally in tallies:
        for channel, count in tally.counts.items():
            sums[channel] = sums.get(channel, 0.0) + count / seconds
    return {
        "markets": len(names),
        "messages_per_second": round(sum(sums.values())),
        "by_channel": {channel: round(rate) for channel, rate in sums.items()},
        "book_updates_per_second": round(RATE * len(names)),
        "best_quote_changes_per_market_and_second": round(sums["bbo-tbt"] / 2 / len(names), 2),
        "ticks_per_second": round(ticks / seconds, 2),
        "worst_tick_lag_ms": round(after["worst_lag"] * 1e3, 1),
        "server_share_of_a_core": round(share / seconds, 3),
        "quote_age_p50_ms": round(ages[len(ages) // 2] * 1e3, 2),
        "quote_age_p99_ms": round(ages[len(ages) * 99 // 100] * 1e3, 2),
        "quote_age_max_ms": round(ages[-1] * 1e3, 2),
    }


def figures() -> dict[str, Any]:
    """Start the server, measure, stop it; return the figures."""
    command = [sys.executable, "-m", "exchanges.simulator.serve", "--markets", str(COINS), "--update-rate", str(RATE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        try:
            return asyncio.run(measure(process.pid, ready))
        finally:
            process.terminate()


def run() -> list[Result]:
    """Measure the server, and judge whether it keeps its pace on one core."""
    found = figures()
    ticks, share = float(found["ticks_per_second"]), float(found["server_share_of_a_core"])
    name = f"simulated exchange, {found['markets']} markets x {RATE:g}/s"
    return [
        Result(f"{name}: messages sent", float(found["messages_per_second"]), "1/s", "", None),
        Result(f"{name}: steps made", ticks, "1/s", f">= {0.98 * RATE:g}", ticks >= 0.98 * RATE),
        Result(f"{name}: share of a core", share, "", "< 1", share < 1),
        Result(f"{name}: age of a quote on arrival, p50", float(found["quote_age_p50_ms"]), "ms", "", None),
        Result(f"{name}: age of a quote on arrival, p99", float(found["quote_age_p99_ms"]), "ms", "", None),
    ]


if __name__ == "__main__":
    show(run())
