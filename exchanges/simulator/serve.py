"""The simulated exchange as a server: assembled, started, ticked, stopped; in process and as `keelward exchange`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import uvloop
from aiohttp import web

from exchanges.simulator.admin import Admin, Pace
from exchanges.simulator.assembly import ServeOptions, add_options, assemble, read_options
from exchanges.simulator.faults import Faults
from exchanges.simulator.okx.auth import Credentials
from exchanges.simulator.okx.face import Face
from exchanges.simulator.okx.server import OkxServer
from exchanges.simulator.state import save_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exchanges.simulator.assembly import Assembled, Feed
    from exchanges.simulator.core.exchange import Exchange
    from exchanges.simulator.price_control import PriceControl

HOST = "127.0.0.1"
SHUTDOWN = 0.5
"""Seconds that open requests get at the end."""

log = logging.getLogger(__name__)


def wall_clock() -> float:
    """Return seconds since the epoch that never jump: the wall clock at import, carried on by the monotonic one."""
    return _EPOCH + time.monotonic()


_EPOCH = time.time() - time.monotonic()


@dataclass(slots=True)
class RunningExchange:
    """A simulated exchange that answers on loopback until it is closed; an async context manager."""

    rest: str
    ws: str
    admin: str
    credentials: Credentials
    exchange: Exchange
    faults: Faults
    prices: PriceControl
    server: OkxServer
    face: Face
    pace: Pace
    _state: Path | None = None
    _runs: int = 1
    _feed: Feed | None = None
    _runners: list[web.AppRunner] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop answering; idempotent."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        if self._state is not None:
            save_state(self._state, self.exchange, self._runs)
        if self._feed is not None:
            await self._feed.close()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def failed(self) -> None:
        """Wait until something that drives the exchange fails, and raise what it raised."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def ready_line(self) -> str:
        """Return one line of JSON with everything that a client needs."""
        return json.dumps(
            {
                "rest": self.rest,
                "ws": self.ws,
                "api_key": self.credentials.api_key,
                "secret": self.credentials.secret,
                "passphrase": self.credentials.passphrase,
                "admin": self.admin,
            }
        )


async def _tick(exchange: Exchange, server: OkxServer, pace: Pace, period: float) -> None:
    """Advance the exchange and push what is due, at a steady pace; a delay is made up by one longer step."""
    due = time.monotonic()
    while True:
        started = time.monotonic()
        pace.worst_lag = max(pace.worst_lag, started - due)
        exchange.advance(int(wall_clock() * 1000))
        await server.hub.publish()
        finished = time.monotonic()
        pace.ticks += 1
        pace.busy += finished - started
        due = max(due + period, finished)
        await asyncio.sleep(due - finished)


async def _keep_state(path: Path, exchange: Exchange, runs: int) -> None:
    """Write the state once a second."""
    while True:
        save_state(path, exchange, runs)
        await asyncio.sleep(1.0)


async def _listen(app: web.Application, port: int) -> tuple[web.AppRunner, int]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    site = web.TCPSite(runner, HOST, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, int(runner.addresses[0][1])


async def serve(options: ServeOptions | None = None) -> RunningExchange:
    """Start a simulated exchange; use the result as an async context manager.

    Raises:
        OSError: If a port is taken.
        ValueError: If the options contradict each other.
    """
    options = options or ServeOptions()
    assembled: Assembled = await assemble(options, int(wall_clock() * 1000))
    exchange = assembled.exchange
    credentials = Credentials(options.api_key, options.secret, options.passphrase)
    faults = Faults(options.seed)
    face = Face(
        exchange=exchange,
        credentials=credentials,
        faults=faults,
        clock=lambda: int(wall_clock() * 1000),
        rate_limits=options.rate_limits,
    )
    server = OkxServer(face)
    pace = Pace()
    admin = Admin(face, server, assembled.prices, pace)
    exchange.drain()
    main, port = await _listen(server.application(), options.port)
    try:
        side, admin_port = await _listen(admin.application(), options.admin_port)
    except OSError:
        await main.cleanup()
        raise
    tasks = [asyncio.create_task(_tick(exchange, server, pace, 1 / options.update_rate))]
    if assembled.feed is not None:
        tasks.append(asyncio.create_task(assembled.feed.run()))
    if options.state is not None:
        tasks.append(asyncio.create_task(_keep_state(options.state, exchange, assembled.runs)))
    return RunningExchange(
        rest=f"http://{HOST}:{port}",
        ws=f"ws://{HOST}:{port}/ws/v5",
        admin=f"http://{HOST}:{admin_port}",
        credentials=credentials,
        exchange=exchange,
        faults=faults,
        prices=assembled.prices,
        server=server,
        face=face,
        pace=pace,
        _state=options.state,
        _runs=assembled.runs,
        _feed=assembled.feed,
        _runners=[main, side],
        _tasks=tasks,
    )


async def _serve_until_signal(options: ServeOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with await serve(options) as running:
        gc.collect()
        gc.freeze()
        sys.stdout.write(running.ready_line() + "\n")
        sys.stdout.flush()
        waits: list[asyncio.Task[Any]] = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(running.failed()),
        ]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `keelward exchange`."""
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code: 0, or 2 for options that make no sense."""
    try:
        options = read_options(args)
    except ValueError as error:
        sys.stderr.write(f"keelward exchange: {error}\n")
        return 2
    try:
        uvloop.run(_serve_until_signal(options))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"keelward exchange: {error}\n")
        return 2
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the simulated exchange as a program of its own."""
    parser = argparse.ArgumentParser(
        prog="keelward exchange",
        description="Serve a simulated exchange that speaks OKX v5 on loopback. Prints one line of JSON when ready.",
    )
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
