"""What one best bid and offer costs, from the socket to a signal.

Three readers of the same stream, each a process of its own whose processor time is counted: our feed with bars and an
EWMA of squared returns per quote, ccxt.pro's own watch loop, and aiohttp with orjson and nothing else. Every message
is handled by each; nothing is coalesced away.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import ccxt.pro
import orjson

from exchanges.ccxt_guards import freeze_garbage
from exchanges.ccxt_venue import CcxtVenue
from exchanges.streams import MarketFeed
from tests.benchmarks.blaster import END, symbol_ids
from tests.benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SYMBOLS = 100
LAMBDA = 0.999
END_BID = float(END[0])


class Signal:
    """An exponentially weighted mean of squared returns per quote, and the age of each quote when it is done."""

    def __init__(self, count: int) -> None:
        self.last = [0.0] * count
        self.variance = [0.0] * count
        self.seen = 0
        self.finished = asyncio.Event()

    def __call__(self, index: int, bid: float, ask: float, received: float) -> None:
        del received
        self.seen += 1
        mid = (bid + ask) * 0.5
        last = self.last[index]
        self.last[index] = mid
        if last:
            move = math.log(mid / last)
            self.variance[index] += (1 - LAMBDA) * (move * move - self.variance[index])
        if bid == END_BID:
            self.finished.set()


def unified(ids: list[str]) -> list[str]:
    return [inst_id.replace("-", "/") for inst_id in ids]


async def read_ours(address: str, symbols: int, *, paced: bool) -> dict[str, float]:
    """Read with `MarketFeed`; at a pace also take the time from the venue's stamp to the end of the signal."""
    venue = CcxtVenue("okx", urls={"rest": f"http://{address}", "ws": f"ws://{address}/ws/v5"})
    await venue.load_markets()
    freeze_garbage()
    signal = Signal(symbols)
    latencies: list[float] = []

    def timed(index: int, bid: float, ask: float, received: float) -> None:
        signal(index, bid, ask, received)
        texts = feed._board.texts[index]
        assert texts is not None
        latencies.append(time.time() - int(texts[4]) / 1e6)

    feed = MarketFeed(
        venue, unified(symbol_ids(symbols)), bar_seconds=1.0, stale_after=60.0, on_quote=timed if paced else signal
    )
    started, wall = time.process_time(), time.perf_counter()
    task = asyncio.create_task(feed.run())
    await signal.finished.wait()
    used, took = time.process_time() - started, time.perf_counter() - wall
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await venue.close()
    result = {"cpu": used, "wall": took, "messages": float(signal.seen), "malformed": float(feed.malformed)}
    if latencies:
        latencies.sort()
        result |= {"p50": latencies[len(latencies) // 2], "p99": latencies[int(len(latencies) * 0.99)]}
    return result


async def read_ccxt(address: str, symbols: int) -> dict[str, float]:
    """Read with ccxt.pro's watch loop as its manual shows it."""
    urls = {"rest": f"http://{address}", "ws": f"ws://{address}/ws/v5"}
    client: Any = ccxt.pro.okx({"urls": {"api": urls}, "options": {"fetchMarkets": {"types": ["spot"]}}})
    await client.load_markets()
    names = unified(symbol_ids(symbols))
    started, wall = time.process_time(), time.perf_counter()
    while True:
        await client.watch_bids_asks(names)
        first = client.bidsasks.get(names[0])
        if first is not None and first["bid"] == END_BID:
            break
    used, took = time.process_time() - started, time.perf_counter() - wall
    await client.close()
    return {"cpu": used, "wall": took}


async def read_bare(address: str, symbols: int) -> dict[str, float]:
    """Read with aiohttp and orjson alone."""
    args = [{"channel": "bbo-tbt", "instId": inst_id} for inst_id in symbol_ids(symbols)]
    async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://{address}/ws/v5/public") as socket:
        await socket.send_json({"op": "subscribe", "args": args})
        started, wall = time.process_time(), time.perf_counter()
        async for message in socket:
            content = orjson.loads(message.data)
            if "data" in content and content["data"][0]["bids"][0][0] == END[0]:
                break
        return {"cpu": time.process_time() - started, "wall": time.perf_counter() - wall}


@contextlib.contextmanager
def blaster(symbols: int, messages: int, rate: float) -> Iterator[str]:
    """Run a blaster and give its address."""
    command = [sys.executable, "-m", "tests.benchmarks.blaster", str(symbols), str(messages), str(rate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def measure(reader: str, symbols: int, messages: int, rate: float = 0.0) -> dict[str, float]:
    """Return what a reader, in a process of its own, used to read `messages`."""
    with blaster(symbols, messages, rate) as address:
        command = [sys.executable, "-m", "tests.benchmarks.intake", reader, address, str(symbols)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def microseconds(reader: str, messages: int, repeats: int = 3) -> float:
    """Return the median processor time per message."""
    runs = [measure(reader, SYMBOLS, messages) for _ in range(repeats)]
    for run in runs:
        if "messages" in run and run["messages"] != messages + 1:
            raise AssertionError(f"{reader} handled {run['messages']:.0f} of {messages + 1} messages")
    return statistics.median(run["cpu"] for run in runs) / messages * 1e6


def run() -> list[Result]:
    """Measure the intake of best bids and offers."""
    bare = microseconds("bare", 200_000)
    ours = microseconds("ours", 200_000)
    theirs = microseconds("ccxt", 40_000)
    paced = measure("paced", 300, 30_000, 3000.0)
    share = paced["cpu"] / paced["wall"]
    return [
        Result("intake.bare", bare, "µs/message", "", None),
        Result("intake.ours", ours, "µs/message", "", None),
        Result("intake.ccxt", theirs, "µs/message", "", None),
        Result("intake.speed_over_ccxt", theirs / ours, "times", ">= 4", theirs / ours >= 4),
        Result("intake.cost_over_bare", ours / bare, "times", "<= 2", ours / bare <= 2),
        Result("intake.core_share_300x10", share * 100, "% of a core", "", None),
        Result("intake.latency_p50_300x10", paced["p50"] * 1e3, "ms", "", None),
        Result("intake.latency_p99_300x10", paced["p99"] * 1e3, "ms", "< 5", paced["p99"] < 0.005),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", nargs="?", choices=["ours", "paced", "ccxt", "bare"])
    parser.add_argument("address", nargs="?")
    parser.add_argument("symbols", nargs="?", type=int, default=SYMBOLS)
    options = parser.parse_args()
    if options.reader is None:
        for result in run():
            print(f"{result.name:34} {result.value:10.3f} {result.unit:12} {result.goal:6} {result.ok}")
        return
    readers = {
        "ours": lambda: read_ours(options.address, options.symbols, paced=False),
        "paced": lambda: read_ours(options.address, options.symbols, paced=True),
        "ccxt": lambda: read_ccxt(options.address, options.symbols),
        "bare": lambda: read_bare(options.address, options.symbols),
    }
    print(json.dumps(asyncio.run(readers[options.reader]())))


if __name__ == "__main__":
    main()
