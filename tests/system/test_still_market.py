"""Where prices stand still, so does the portfolio: once it is where it should be, cycle after cycle orders nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.processes import Daemon, exchange_process, wait_for

if TYPE_CHECKING:
    from pathlib import Path

SETTLED = 20
"""So many cycles in a row without an order, and the portfolio is where it should be."""


def decisions(daemon: Daemon, limit: int) -> list[dict[str, Any]]:
    """Return the latest decisions, newest first."""
    answer = daemon.command("decisions", "--json", "--limit", str(limit))
    assert answer.returncode == 0, answer.stderr
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def cycles(daemon: Daemon) -> list[str]:
    """Return the reason of each cycle that was logged, oldest first."""
    return [line["reason"] for line in daemon.lines() if "decision" in line]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("further", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_constant_prices_bring_no_orders_once_it_has_rebalanced(tmp_path: Path, further: int) -> None:
    options = ("--seed", "5", "--markets", "BTC,ETH,SOL,XRP,ADA", "--speed", "600")
    with exchange_process(*options) as exchange, Daemon(tmp_path, exchange, speed=600.0) as daemon:
        # What came before is what markets do, so that there is a risk to be known; from here on they stand still.
        exchange.admin("/price", {"series": "*", "freeze": True})
        text = daemon.configuration.read_text()
        fast = text.replace('interval = "500ms"\nmin_interval = "100ms"', 'interval = "50ms"\nmin_interval = "0ms"')
        assert fast != text
        daemon.configuration.write_text(fast)
        daemon.start()
        daemon.wait_ready()

        def settled() -> bool:
            latest = cycles(daemon)
            return "rebalance" in latest and "rebalance" not in latest[-SETTLED:]

        wait_for(settled, 30, "the portfolio is where it should be")
        before, done = len(exchange.admin("/orders")), len(cycles(daemon))
        assert before > 0
        wait_for(lambda: len(cycles(daemon)) >= done + further, 30 + further / 4, f"{further} further cycles")
        assert len(exchange.admin("/orders")) == before
        assert daemon.stop() == 0
        latest = decisions(daemon, further)
        assert {(one["outcome"], one["reason"], one["orders"]) for one in latest} == {("hold", "inside_region", 0)}
        assert daemon.audit() == before
