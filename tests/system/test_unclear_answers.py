"""The daemon against an exchange that answers late, wrongly or not at all: nothing doubled, nothing forgotten.

Prices stand still, so that the daemon orders only after somebody sold by hand what it wants to hold. Each case arms its
faults just before that, and is over when the daemon has bought back what was sold and its books equal the exchange's
own, to the last digit.
"""

from __future__ import annotations

import contextlib
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.processes import Daemon, exchange_process, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.store.orders import OrderRecord
    from tests.system.processes import ExchangeProcess

Fault = dict[str, Any]
PLACING = "POST /api/v5/trade/*orders"
LOOKUP = "GET /api/v5/trade/order*"
MUTE: Fault = {"kind": "stall", "where": "CHANNEL orders*"}
"""The account's stream says nothing of orders, so that only a look-up can tell what became of one."""
PATIENCE = 30.0


def placing(kind: str, **fields: Any) -> Fault:
    """Return a fault of the next request that places orders."""
    return {"kind": kind, "where": PLACING, "times": 1, **fields}


@dataclass(frozen=True)
class Case:
    """What goes wrong while the daemon trades; `states` are the ends that orders may come to, beside being filled.

    Args:
        lasting: seconds after which the faults are taken away.
        restart: whether the daemon is started anew under the faults.
    """

    name: str
    faults: tuple[Fault, ...]
    states: frozenset[str] = frozenset()
    lasting: float = 0.0
    restart: bool = False


NEVER_PLACED = frozenset({"absent"})
REFUSED = frozenset({"rejected"})
NO_ANSWER = (
    Case("no answer after accepting, and no stream", (placing("silent"), MUTE)),
    Case("no answer and not accepted", (placing("silent", accepted=False),), NEVER_PLACED),
    Case("connection lost after accepting", (placing("cut"), MUTE)),
    Case("an error after accepting", (placing("code", code="50004", accepted=True), MUTE)),
    Case("502 after accepting", (placing("status", status=502), MUTE)),
    Case("503 and not accepted", (placing("status", status=503, accepted=False),), NEVER_PLACED),
)
ODD_ANSWERS = (
    Case("a web page after accepting", (placing("html"), MUTE)),
    Case("half an answer", (placing("truncated"), MUTE)),
    Case("an answer without rows", (placing("empty"), MUTE)),
    Case("429 with a hint", (placing("throttle", seconds=1.0, code="50011"),), REFUSED),
    Case("429 without a hint", (placing("throttle"),), REFUSED | NEVER_PLACED),
    Case("insufficient funds", (placing("code", code="51008"),), REFUSED),
    Case("maintenance", (placing("maintenance"),), REFUSED | NEVER_PLACED),
    Case(
        "lost, and look-ups throttled",
        (placing("cut"), MUTE, {"kind": "throttle", "where": LOOKUP, "times": 2, "code": "50011"}),
    ),
    Case("a late answer", (placing("late", seconds=1.5),)),
)
STREAMS_AND_LISTS = (
    Case(
        "lost, and hidden from look-ups for three seconds",
        (placing("cut"), MUTE, {"kind": "hidden", "where": "GET /api/v5/trade/*", "seconds": 3.0}),
    ),
    Case(
        "lost, and missing in lists",
        (
            placing("cut"),
            MUTE,
            *({"kind": "partial", "where": f"GET /api/v5/trade/{each}*", "times": 2} for each in ("fills", "orders")),
        ),
    ),
    Case("orders told twice", ({"kind": "duplicate", "where": "CHANNEL orders*"},)),
    Case("orders told in another order", ({"kind": "reorder", "where": "CHANNEL orders*"},)),
    Case("account stream drops", ({"kind": "disconnect", "where": "CHANNEL orders*", "times": 1},)),
    Case("price stream drops", ({"kind": "disconnect", "where": "CHANNEL bbo-tbt *", "times": 1},)),
    Case("price stream stalls", ({"kind": "stall", "where": "CHANNEL bbo-tbt *"},), lasting=7.0),
    Case(
        "started on lists without rows",
        (
            {"kind": "empty", "where": "GET /api/v5/account/balance", "times": 2},
            {"kind": "empty", "where": "GET /api/v5/trade/orders*", "times": 2},
            {"kind": "empty", "where": "GET /api/v5/trade/fills*", "times": 3},
        ),
        restart=True,
    ),
)


@dataclass
class Bench:
    """A daemon that trades at an exchange, and what goes on between them."""

    daemon: Daemon
    exchange: ExchangeProcess
    prices: dict[str, Decimal] = field(default_factory=dict)

    def held(self) -> dict[str, Decimal]:
        """Return what the exchange says is held of each coin but cash."""
        rows = self.exchange.admin("/balances")
        return {coin: Decimal(row["cash"]) for coin, row in rows.items() if coin != "USDT" and Decimal(row["cash"])}

    def sell_by_hand(self) -> tuple[str, Decimal]:
        """Sell half of the greatest holding; return the coin and what was held of it."""
        if not self.prices:
            for fill in self.exchange.admin("/fills"):
                self.prices[fill["instId"].split("-")[0]] = Decimal(fill["fillPx"])
        held = self.held()
        coin = max(held, key=lambda one: held[one] * self.prices[one])
        size = (held[coin] / 2).quantize(Decimal("0.001") if self.prices[coin] > 1_000 else Decimal(1))
        self.exchange.admin("/manual-trade", {"instrument": f"{coin}-USDT", "side": "sell", "size": str(size)})
        return coin, held[coin]

    def settle(self) -> list[OrderRecord]:
        """Wait until nothing is left to do and our books equal the exchange's; return our orders."""

        def over() -> list[OrderRecord]:
            records = self.daemon.orders()
            assert all(record.order.is_settled for record in records), "some orders have not ended"
            assert reasons(self.daemon)[-1:] in (["inside_region"], ["dust"])
            self.daemon.audit()
            return records

        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):
                return over()
            time.sleep(0.2)
        return over()

    def suffer(self, case: Case) -> None:
        """Let the faults of a case happen, and check that the daemon comes through."""
        known = {record.order.client_id for record in self.daemon.orders()}
        if case.restart:
            assert self.daemon.stop() == 0
        on_streams = [fault for fault in case.faults if fault["where"].startswith("CHANNEL")]
        for fault in case.faults:
            if fault not in on_streams:
                self.exchange.admin("/faults", fault)
        coin, before = self.sell_by_hand()
        # Only now, so that the daemon hears of the sale itself.
        for fault in on_streams:
            self.exchange.admin("/faults", fault)
        if case.restart:
            self.daemon.start()
            self.daemon.wait_ready()
        wait_for(self.all_hit, PATIENCE, f"{case.name}: it happens")
        if case.lasting:
            time.sleep(case.lasting)
            self.exchange.admin("/faults", method="DELETE")
        wait_for(lambda: self.held().get(coin, Decimal(0)) > before * Decimal("0.8"), PATIENCE, f"{case.name}: bought")
        # The stream stays mute, if it is, until the books are equal without its help.
        new = [record.order for record in self.settle() if record.order.client_id not in known]
        self.exchange.admin("/faults", method="DELETE")
        wait_for(self.is_ready, PATIENCE, f"{case.name}: ready again")
        ends = {order.state.value for order in new}
        assert "filled" in ends
        assert ends <= {"filled", "canceled", *case.states}, (case.name, ends)
        if case.states:
            assert ends & case.states, (case.name, ends)
        assert not any(order.late for order in new)

    def all_hit(self) -> bool:
        """Whether every fault of the case has happened."""
        return all(report["hits"] for report in self.exchange.admin("/faults"))

    def is_ready(self) -> bool:
        """Whether the daemon lives and says that it may trade."""
        try:
            with urllib.request.urlopen(f"{self.daemon.wait_ready()}ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(NO_ANSWER, id="no answer"),
        pytest.param(ODD_ANSWERS, id="odd answers"),
        pytest.param(STREAMS_AND_LISTS, id="streams and lists"),
    ],
)
def test_books_stay_equal_and_it_trades_on(tmp_path: Path, cases: tuple[Case, ...]) -> None:
    options = ("--seed", "3", "--speed", "60", "--markets", "BTC,ETH,SOL,XRP,ADA")
    with exchange_process(*options) as exchange, Daemon(tmp_path, exchange, speed=60.0) as daemon:
        exchange.admin("/price", {"series": "*", "freeze": True})
        text = daemon.configuration.read_text()
        assert 'lag = "500ms"' in text
        daemon.configuration.write_text(text.replace('lag = "500ms"', 'lag = "2s"'))
        bench = Bench(daemon, exchange)
        daemon.start()
        daemon.wait_ready()
        wait_for(lambda: "inside_region" in reasons(daemon), PATIENCE, "the first rebalance is done")
        for case in cases:
            bench.suffer(case)
        assert daemon.stop() == 0
        daemon.audit()
        words = [line["message"] for line in daemon.lines()]
        assert not [one for one in words if "unexplained" in one or "Traceback" in one]


def reasons(daemon: Daemon) -> list[str]:
    """Return the reason of each cycle so far."""
    return [line["reason"] for line in daemon.lines() if "decision" in line]
