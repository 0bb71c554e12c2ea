"""`keelward demo`: the whole daemon against a simulated exchange, two processes on this machine."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.commands.common import command, say
from daemon.config.types import parse_duration
from daemon.demo_settings import BALANCE, COINS, demo_configuration
from daemon.demo_summary import summarise, write_summary
from daemon.exits import EndingError, Exit

if TYPE_CHECKING:
    import argparse

    from daemon.cli import Subparsers

EXAMPLES = """  keelward demo                     until Ctrl-C
  keelward demo --for 60s           a minute, then the summary
  keelward demo --fresh             forget what earlier demos did
  keelward demo --speed 60          a market minute a second instead of ten"""
READY_WITHIN = 60.0
STOP_WITHIN = 20.0


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = command(
        subparsers,
        "demo",
        "trade on a simulated exchange on this machine, and watch",
        "Start a simulated exchange and the daemon as two processes: ten coins, a hedge with a perpetual swap,\n"
        "SQLite in a folder of its own, market time sped up. A second start goes on where the first one ended.",
        EXAMPLES,
    )
    parser.add_argument(
        "--for", dest="seconds", metavar="TIME", type=parse_duration, help="end after this long, e.g. 60s"
    )
    parser.add_argument("--dir", type=Path, default=Path("demo"), metavar="PATH", help="its folder (default: demo)")
    parser.add_argument(
        "--speed", type=float, default=600.0, metavar="X", help="market seconds a second (default: 600)"
    )
    parser.add_argument("--seed", type=int, default=7, metavar="S", help="of the simulated prices (default: 7)")
    parser.add_argument("--port", type=int, default=9321, metavar="P", help="of the page; 0 takes any (default: 9321)")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier demos did")


def run(args: argparse.Namespace) -> int:
    """Run both until the time is up or Ctrl-C, then say what happened."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # two processes write here: each line in its turn
    folder: Path = args.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if args.fresh:
        for old in folder.glob("keelward.*"):
            old.unlink()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    exchange = _start_exchange(folder, args.speed, args.seed)
    try:
        ready = _ready_line(exchange)
        path = demo_configuration(folder, ready, args.speed, args.port)
        say(f"simulated exchange on {ready['rest']}, where {_pace(args.speed)} pass in a second")
        say(f"everything is kept in {folder}; Ctrl-C ends it")
        daemon = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "daemon", "run", "--config", str(path)],
            start_new_session=True,
        )
        try:
            code = _watch(daemon, exchange, stopped, args.seconds)
        finally:
            _stop(daemon)
        if exchange.poll() is None:
            write_summary(summarise(path, ready["admin"]))
        return code
    finally:
        _stop(exchange)


def _start_exchange(folder: Path, speed: float, seed: int) -> subprocess.Popen[str]:
    """Start the exchange in a session of its own, so that Ctrl-C reaches it through us, last."""
    words = [
        *("exchange", "--speed", str(speed), "--seed", str(seed), "--markets", ",".join(COINS), "--balance", BALANCE),
        *("--state", str(folder / "keelward.exchange.json")),
    ]
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "daemon", *words], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def _ready_line(exchange: subprocess.Popen[str]) -> dict[str, str]:
    """Return what the exchange says when it is ready."""
    timer = threading.Timer(READY_WITHIN, exchange.kill)
    timer.start()
    try:
        line = exchange.stdout.readline() if exchange.stdout is not None else ""
    finally:
        timer.cancel()
    if not line:
        raise DemoError("the simulated exchange did not start; its own words are above")
    found: dict[str, str] = json.loads(line)
    return found


class DemoError(EndingError):
    """The demo cannot go on."""


def _watch(
    daemon: subprocess.Popen[bytes], exchange: subprocess.Popen[str], stopped: threading.Event, seconds: float | None
) -> int:
    """Wait for the time, a signal, or the end of either process."""
    waited = 0.0
    while seconds is None or waited < seconds:
        if stopped.wait(0.1):
            return Exit.OK
        waited += 0.1
        for process, name in ((daemon, "daemon"), (exchange, "exchange")):
            if process.poll() is not None:
                say(f"the {name} ended by itself with code {process.returncode}")
                return Exit.FAILED
    return Exit.OK


def _stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Ask a process of ours to end, and see that it does."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _pace(speed: float) -> str:
    for unit, name in ((86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute")):
        if speed >= unit:
            return name if speed == unit else f"{speed / unit:g} {name}s"
    return f"{speed:g} seconds"
