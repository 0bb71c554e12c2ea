"""The simulated exchange as a program, on each kind of prices: generated, constant, replayed, mirrored."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from exchanges.simulator.assembly import ServeOptions
from exchanges.simulator.serve import serve
from tests.system.simulator import connected, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "exchanges.simulator.serve"]


@contextmanager
def program(*args: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the exchange; give its process and its ready line."""
    with subprocess.Popen([*PROGRAM, *args], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.terminate()


async def get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.json()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_ends_on_a_signal(number: signal.Signals) -> None:
    with program("--markets", "BTC,ETH", "--seed", "7") as (process, ready):
        assert set(ready) == {"rest", "ws", "api_key", "secret", "passphrase", "admin"}
        listed = await get(ready["rest"] + "/api/v5/public/instruments?instType=SPOT")
        assert [row["instId"] for row in listed["data"]] == ["BTC-USDT", "ETH-USDT"]
        assert (await get(ready["admin"] + "/clock"))["now_ms"] > 0
        process.send_signal(number)
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--balance", "USDT"], "expected COIN=AMOUNT"),
        (["--markets", "0"], "between 1 and"),
        (["--markets", "NOPE"], "unknown coins NOPE"),
        (["--start", "soon"], "expected a date and time"),
        (["--speed", "0"], "must be positive"),
        (["--replay", "/no/such/file_BTCUSDT.csv"], "no/such/file_BTCUSDT.csv"),
        (["--mirror", "nosuchvenue"], "nosuchvenue"),
        (["--mirror-url", "http://127.0.0.1:1"], "needs mirror"),
        (["--mirror", "okx", "--mirror-url", "http://127.0.0.1:1"], "--mirror okx"),
    ],
)
def test_options_that_make_no_sense_are_told_in_one_line(args: list[str], sentence: str) -> None:
    ended = subprocess.run([*PROGRAM, *args], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with simulated(markets=("BTC",), history=10) as first:
        port = int(first.rest.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await serve(ServeOptions(markets=("BTC",), port=port))
        with pytest.raises(OSError, match="in use"):
            await serve(ServeOptions(markets=("BTC",), admin_port=port))


async def test_equal_seeds_give_equal_history() -> None:
    async def bars(seed: int) -> list[tuple[Any, ...]]:
        async with simulated(markets=("BTC",), seed=seed) as exchange:
            found = exchange.exchange.candles("BTC-USDT", 60_000, limit=50)
            return [(bar.open, bar.close, bar.volume) for bar in found[1:]]

    assert await bars(5) == await bars(5)
    assert await bars(5) != await bars(6)


async def test_constant_prices_stand_still_in_the_past_and_now() -> None:
    async with (
        simulated(markets=("BTC",), constant_prices=True, speed=1_000.0) as exchange,
        connected(exchange) as client,
    ):
        before = await client.fetch_ticker("BTC/USDT")
        await asyncio.sleep(0.3)
        after = await client.fetch_ticker("BTC/USDT")
        middle = (before["bid"] + before["ask"]) / 2
        assert (after["bid"] + after["ask"]) / 2 == pytest.approx(middle, rel=1e-4)
        bars = await client.fetch_ohlcv("BTC/USDT", "1m", limit=100)
        assert [bar[4] for bar in bars[:-1]] == pytest.approx([middle] * 99, rel=1e-3)


async def test_recorded_bars_are_replayed_at_speed(tmp_path: Path) -> None:
    """Ten days of hourly bars that rise by one percent each, an hour of which passes in every tenth of a second."""
    start = 1_704_067_200_000
    rows = ["ts_ms,open,high,low,close,volume"]
    for hour in range(240):
        price = 40_000 * 1.01**hour
        rows.append(f"{start + hour * 3_600_000},{price},{price * 1.01},{price},{price * 1.01},100")
    file = tmp_path / "BTCUSDT_1h.csv"
    file.write_text("\n".join(rows))
    options = {"replay": (file,), "speed": 36_000.0, "markets": ("BTC",)}
    async with simulated(**options) as exchange, connected(exchange) as client:
        moments = []
        for pause in (1.0, 0.0):
            ticker = await client.fetch_ticker("BTC/USDT")
            moments.append((time.monotonic(), (ticker["bid"] + ticker["ask"]) / 2))
            await asyncio.sleep(pause)
        (began, first), (ended, later) = moments
        hours = math.log(later / first) / math.log(1.01)
        assert hours / (ended - began) == pytest.approx(10, rel=0.3)
        assert set(client.markets) == {"BTC/USDT", "BTC/USDT:USDT"}


async def test_a_second_simulator_is_mirrored() -> None:
    async with (
        simulated(markets=("BTC", "ETH"), seed=11) as original,
        simulated(markets=("BTC", "ETH"), mirror="okx", mirror_url=original.rest, update_rate=50.0) as copy,
    ):
        for inst_id, instrument in original.exchange.instruments.items():
            mirrored = copy.exchange.instruments[inst_id]
            assert (mirrored.tick_size, mirrored.lot_size) == (instrument.tick_size, instrument.lot_size)
            assert mirrored.contract_value == instrument.contract_value
        bars = [e.exchange.candles("BTC-USDT", 60_000, limit=20)[1:] for e in (original, copy)]
        assert [b.close for b in bars[0]] == [b.close for b in bars[1]]
        original.prices.shock("BTC-USDT", -0.1)
        await asyncio.sleep(0.5)
        original.prices.freeze("*")
        await asyncio.sleep(0.7)
        for inst_id in original.exchange.instruments:
            theirs, ours = (e.exchange.quote(inst_id) for e in (original, copy))
            assert (ours.bid_ticks, ours.ask_ticks) == (theirs.bid_ticks, theirs.ask_ticks)


async def test_a_mirror_outlives_its_venue() -> None:
    async with simulated(markets=("BTC",), seed=11) as original:
        copy = await serve(ServeOptions(markets=("BTC",), mirror="okx", mirror_url=original.rest))
    async with copy:
        await asyncio.sleep(0.3)
        assert copy.exchange.quote("BTC-USDT").bid_lots > 0
