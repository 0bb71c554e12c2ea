"""The daemon is killed while it trades, again and again: nothing doubled, nothing forgotten, and it trades on."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.system.processes import Daemon, exchange_process, wait_for

if TYPE_CHECKING:
    from pathlib import Path

SPEED = 1800.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_doubles_and_forgets_nothing(tmp_path: Path, rounds: int) -> None:
    """kill -9 at random moments of trading, restart each time; then every order in SQL equals the exchange's."""
    seed = random.Random(rounds)
    options = ("--seed", "11", "--speed", str(SPEED), "--markets", "BTC,ETH,SOL,XRP,ADA")
    with exchange_process(*options, "--balance", "USDT=100000") as exchange:
        daemon = Daemon(tmp_path, exchange, speed=SPEED)
        for number in range(rounds):
            before = len(exchange.admin("/orders"))
            daemon.start()
            daemon.wait_ready()
            # Money comes and goes, so that there is always something to trade.
            amount = 20_000 + seed.randrange(20_000)
            exchange.admin("/deposit" if number % 2 else "/withdraw", {"currency": "USDT", "amount": str(amount // 4)})
            wait_for(lambda: len(exchange.admin("/orders")) > before, 20, "it trades again")  # noqa: B023
            time.sleep(seed.random() * 0.8)
            daemon.kill()
        daemon.start()
        daemon.wait_ready()
        time.sleep(2.0)
        assert daemon.stop() == 0
        assert daemon.audit() >= rounds
        states = {record.order.state.value for record in daemon.orders()}
        assert states <= {"filled", "canceled", "rejected", "absent", "dropped", "denied", "expired"}, states
