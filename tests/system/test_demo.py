"""`keelward demo` as a newcomer meets it: it trades, its books hold, every decision can be told, and it goes on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from daemon.store.database import open_engine, reading
from daemon.store.ledger import load_flows
from exchanges.simulator.state import load_state

if TYPE_CHECKING:
    from pathlib import Path

SPOT = 10
"""How many coins the demo holds; the hedge's swap comes beside them."""
FIGURES = {
    "Volatility a year", "Value at risk", "Expected shortfall", "Gross leverage", "Net leverage", "Net beta",
    "Diversification ratio", "Tracking error a year",
}  # fmt: skip


@dataclass(frozen=True)
class Demo:
    """A demo's folder, and what its latest run said: its summary by first word, and its log."""

    folder: Path
    summary: dict[str, str]
    log: str

    def command(self, *words: str, code: int = 0) -> str:
        """Return what a command on the demo's configuration prints."""
        configuration = str(self.folder / "keelward.toml")
        done = keelward(*words, "--config", configuration)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        """Return what a command prints for scripts."""
        return json.loads(self.command(*words, "--json", code=code))

    def assert_books_equal_the_exchange(self) -> None:
        """Compare the ledger with what the exchange wrote down at its end, to the last digit."""
        state = load_state(self.folder / "keelward.exchange.json")
        assert state is not None
        # Nothing runs: status says so with its exit code.
        ledger = self.json("status", code=1)["ledger"]
        held = {coin: Decimal(amount) for coin, amount in ledger["balances"].items()}
        theirs = dict(state.cash)
        assert len(ledger["positions"]) == len(state.positions)
        if state.positions:
            # Funding comes at any moment, and is booked when the books are next compared.
            del held["USDT"], theirs["USDT"]
        assert held == theirs

    def flows(self) -> list[str]:
        """Return the ids of all flows that no order of ours explains."""
        engine = open_engine(f"sqlite:///{self.folder}/keelward.db")
        try:
            with reading(engine) as connection:
                return [record.flow.flow_id for record in load_flows(connection)]
        finally:
            engine.dispose()


def keelward(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [sys.executable, "-m", "daemon", *words], capture_output=True, text=True, timeout=120, check=False
    )


def run_demo(folder: Path, seconds: int) -> Demo:
    """Run the demo for so long."""
    done = keelward("demo", "--for", f"{seconds}s", "--dir", str(folder), "--port", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line]
    return Demo(folder, dict(lines), done.stderr)


def table(told: Any, title: str) -> dict[Any, list[Any]]:
    """Return the rows of one table of an explanation by their first cell."""
    (found,) = [one for one in told["tables"] if one["title"] == title]
    assert all(len(row) == len(found["columns"]) for row in found["rows"])
    return {row[0]: row[1:] for row in found["rows"]}


def assert_told_in_full(told: Any) -> None:
    """Check that an explanation names inputs, binding constraints, expected cost and risk before and after."""
    decision = told["decision"]
    seen = table(told, "What it saw")
    assert len(seen) == SPOT + 1
    assert all(0 < Decimal(bid) < Decimal(ask) for bid, ask, *_ in seen.values())
    assert table(told, "Weights and the no-trade region").keys() == seen.keys()
    bound = table(told, "What bound the optimum")
    assert bound
    assert all(multiplier >= 0 for *_, multiplier in bound.values())
    costs = table(told, "Costs")
    assert float(costs["Expected, of all legs"][0]) == pytest.approx(float(decision["expected_cost"]))
    assert float(decision["expected_cost"]) > 0
    assert Decimal(costs["Turnover filled"][0]) > 0
    risk = {**table(told, "Risk before and after"), **table(told, "Exposure before and after")}
    assert risk.keys() == FIGURES
    assert all(before > 0 and after > 0 for name, (before, after) in risk.items() if name != "Net beta")
    assert len(table(told, "Orders")) == decision["orders"] > 0


@pytest.mark.timeout(240)
def test_a_demo_trades_is_explained_and_goes_on(tmp_path: Path) -> None:
    """Run the demo, ask it everything, run it again: it goes on from what it holds."""
    first = run_demo(tmp_path, 25)
    counted = re.fullmatch(r"(\d+), of which (\d+) traded", first.summary["cycles"])
    assert counted is not None, first.summary
    cycles, traded = int(counted[1]), int(counted[2])
    assert traded >= 3
    assert first.summary["weights"] == "every weight is inside its region"
    sent = re.fullmatch(r"(\d+) orders equal the exchange's own list, to the last digit", first.summary["books"])
    assert sent is not None, first.summary
    before, after = (float(one) for one in re.findall(r"([\d.]+)%", first.summary["tracking"]))
    assert after < before
    assert first.log.count("books opened with 6 coins") == 1
    assert "leading demo, epoch 1" in first.log

    decisions = first.json("decisions", "--limit", "1000")
    assert len(decisions) == cycles
    replayed = first.json("replay", "--all")
    assert replayed == {"replayed": cycles, "differ": []}
    named = [one["id"] for one in decisions if one["outcome"] == "trade"]
    assert len(named) == traded
    for name in named:
        assert_told_in_full(first.json("explain", name))
    orders = first.json("orders", "--limit", "1000")
    assert len(orders) == int(sent[1])
    assert {order["state"] for order in orders} <= {"filled", "canceled"}
    assert sum(one["orders"] for one in decisions) == len(orders)
    status = first.json("status", code=1)
    assert (status["running"], status["state"], status["open_orders"]) == (False, "ACTIVE", 0)
    assert status["lease"]["epoch"] == 1
    first.assert_books_equal_the_exchange()
    opened = [one for one in first.flows() if one.startswith("opening:")]
    assert len(opened) == 6

    second = run_demo(tmp_path, 8)
    assert "books opened" not in second.log
    assert "unexplained" not in second.log
    assert "leading demo, epoch 2" in second.log
    assert second.json("status", code=1)["lease"]["epoch"] == 2
    assert [one for one in second.flows() if one.startswith("opening:")] == opened
    assert not [one for one in second.flows() if one.startswith("unexplained:")]
    again = second.json("decisions", "--limit", "1000")
    assert [one["id"] for one in again[-cycles:]] == [one["id"] for one in decisions]
    assert len(again) > cycles
    assert "DIFFERENCES" not in second.summary["books"]
    second.assert_books_equal_the_exchange()
