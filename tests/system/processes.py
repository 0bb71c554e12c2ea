"""Real processes for the system tests: the simulated exchange and the daemon, started, asked, killed."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from daemon.store.database import open_engine, reading
from daemon.store.ledger import load_ledger
from daemon.store.orders import OrderRecord, load_orders
from exchanges.order_table import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

ALL = 1_000_000
COINS = ("BTC", "ETH", "SOL", "XRP", "ADA")
NOT_THERE = frozenset({State.PLANNED, State.DENIED, State.DROPPED, State.REJECTED, State.ABSENT})


def http_json(url: str, body: Any = None, timeout: float = 5.0, method: str | None = None) -> Any:
    """Ask a server of ours on loopback."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read())


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return the first truth that `condition` tells, or fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


@dataclass(slots=True)
class ExchangeProcess:
    """`keelward exchange` as a process of its own."""

    process: subprocess.Popen[str]
    ready: Mapping[str, str]

    def admin(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Ask for the truth, or change it."""
        return http_json(self.ready["admin"] + path, body, method=method)


@contextlib.contextmanager
def exchange_process(*options: str) -> Iterator[ExchangeProcess]:
    """Run an exchange for the length of a block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "exchange", *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the exchange did not start"
        yield ExchangeProcess(process, json.loads(line))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


CONFIGURATION = """
[portfolio]
name = "test"
assets = [{assets}]
cash_floor = 0.1
cash_ceiling = 0.2

[venue]
api_key = {{ file = "{folder}/api_key" }}
secret = {{ file = "{folder}/secret" }}
passphrase = {{ file = "{folder}/passphrase" }}
urls = {{ rest = "{rest}", stream = "{stream}" }}
request_timeout = "3s"
time_scale = {speed}

[market_data]
bar_interval = "{bar}s"
warm_up_interval = "{warm_up}s"
warm_up_bars = 150

[signals]
half_life = "10d"
short_half_life = "1d"

[optimiser]
max_weight = 0.4

[execution]
pause = "50ms"
price_cap_bps = 100
request_deadline = "1s"
lookup = {{ first_after = "200ms", interval = "300ms", lag = "500ms" }}

[limits]
max_orders_minute = 10000
max_orders_day = 1000000
max_turnover_day = 1000
price_band_bps = 500
last_price_band_bps = 2000

[cycle]
interval = "500ms"
min_interval = "100ms"
debounce = "0ms"

[lease]
ttl = "5s"
renew_interval = "1s"
margin = "1s"

[service]
port = 0
log_format = "json"

{more}
"""


@dataclass(slots=True)
class Daemon:
    """One portfolio's daemon: its folder, its configuration and the process that runs it now."""

    folder: Path
    exchange: ExchangeProcess
    speed: float = 1.0
    coins: tuple[str, ...] = COINS
    more: str = ""
    process: subprocess.Popen[bytes] | None = None
    log: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("api_key", "secret", "passphrase"):
            file = self.folder / name
            file.touch(mode=0o600)
            file.write_text(self.exchange.ready[name])
        self.configuration.write_text(
            CONFIGURATION.format(
                assets=", ".join(f'"{coin}/USDT"' for coin in self.coins),
                folder=self.folder,
                rest=self.exchange.ready["rest"],
                stream=self.exchange.ready["ws"],
                speed=self.speed,
                bar=max(1, round(self.speed)),
                warm_up=round(60 * self.speed),
                more=self.more,
            )
        )

    @property
    def configuration(self) -> Path:
        """Where its configuration is."""
        return self.folder / "keelward.toml"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave no process behind, whatever became of the test."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def start(self) -> None:
        """Start the process; its log goes to a file of its own."""
        path = self.folder / f"log-{len(self.log)}.jsonl"
        self.log.append(path)
        with path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon", "run", "--config", str(self.configuration)], stderr=log, stdout=log
            )

    def lines(self) -> list[dict[str, Any]]:
        """Return what the process that runs now has logged."""
        text = self.log[-1].read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def url(self) -> str | None:
        """Return the page's address once it is ready."""
        for line in self.lines():
            if line["message"].startswith("ready: "):
                return str(line["message"]).removeprefix("ready: ")
        return None

    def wait_ready(self, seconds: float = 30.0) -> str:
        """Wait for the first decision to be due; return the page's address."""

        def look() -> str | None:
            assert self.process is not None
            assert self.process.poll() is None, self.log[-1].read_text()[-3000:]
            return self.url()

        return str(wait_for(look, seconds, "the daemon is ready"))

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask the process to end, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this configuration."""
        return subprocess.run(
            [sys.executable, "-m", "daemon", *words, "--config", str(self.configuration)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    # ---- the books --------------------------------------------------------------------------------------------------

    def orders(self) -> list[OrderRecord]:
        """Return every order in SQL, newest first."""
        engine = open_engine(f"sqlite:///{self.folder}/keelward.db")
        try:
            with reading(engine) as connection:
                return load_orders(connection, limit=ALL)
        finally:
            engine.dispose()

    def balances(self) -> dict[str, Decimal]:
        """Return the ledger's cash by coin."""
        engine = open_engine(f"sqlite:///{self.folder}/keelward.db")
        try:
            with reading(engine) as connection:
                return dict(load_ledger(connection, "okx", "main").balances)
        finally:
            engine.dispose()

    def audit(self) -> int:
        """Compare SQL with the exchange's own truth, to the last digit; return how many orders were compared."""
        theirs = {row["clOrdId"]: row for row in self.exchange.admin("/orders") if len(row["clOrdId"]) == 32}
        ours = {record.order.client_id: record.order for record in self.orders()}
        assert theirs.keys() <= ours.keys(), f"forgotten orders: {theirs.keys() - ours.keys()}"
        for name, order in ours.items():
            row = theirs.get(name)
            if row is None:
                assert order.state in NOT_THERE, f"{name} is {order.state} and the exchange never saw it"
                continue
            assert order.state not in NOT_THERE, f"{name} is {order.state} and the exchange has it"
            assert order.venue_order_id == row["ordId"], name
            assert order.filled == Decimal(row["accFillSz"]), name
            fees = {coin: fee for coin, fee in order.fees.items() if fee}
            assert fees == ({row["feeCcy"]: -Decimal(row["fee"])} if Decimal(row["fee"] or 0) else {}), name
        truth = {coin: Decimal(row["cash"]) for coin, row in self.exchange.admin("/balances").items()}
        held = self.balances()
        for coin in truth.keys() | held.keys():
            assert held.get(coin, Decimal(0)) == truth.get(coin, Decimal(0)), coin
        legs = [(record.decision_id, record.leg, record.slice) for record in self.orders()]
        assert len(legs) == len(set(legs)), "a slice of a leg was ordered twice"
        return len(ours)
