"""Limits: never more calls in the venue's window than it takes, and no waiting that it does not ask for."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import ccxt.async_support

from exchanges.backoff import Backoff
from exchanges.rate_limits import EndpointLimits

if TYPE_CHECKING:
    import pytest


class Clock:
    """A clock that stands still unless somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("exchanges.rate_limits.asyncio.sleep", self.sleep)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


async def test_any_window_holds_at_most_what_the_venue_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    limits = EndpointLimits(20.0, 2.0, clock)
    times = []
    for _ in range(200):
        await limits.acquire(limits.charge(["private"], "GET", "account/balance", {}, {"cost": 2}))
        times.append(clock.now)
    assert times[9] == 0.0
    assert all(later - earlier >= 2.0 for earlier, later in zip(times, times[10:], strict=False))
    assert clock.now < 200 / 10 * 2.0 * 1.11


async def test_endpoints_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    limits = EndpointLimits(20.0, 2.0, clock)
    balance = limits.charge(["private"], "GET", "account/balance", {}, {"cost": 2})
    for _ in range(10):
        await limits.acquire(balance)
    await limits.acquire(limits.charge(["private"], "POST", "trade/batch-orders", [{}], {"cost": 1 / 15}))
    assert clock.now == 0.0


async def test_a_batch_counts_its_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    limits = EndpointLimits(20.0, 2.0, clock)
    batch = limits.charge(["private"], "POST", "trade/batch-orders", [{}] * 20, {"cost": 1 / 15})
    for _ in range(15):
        await limits.acquire(batch)
    assert clock.now == 0.0
    await limits.acquire(batch)
    assert clock.now >= 2.0


async def test_an_endpoint_slower_than_the_window_is_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    limits = EndpointLimits(20.0, 2.0, clock)
    status = limits.charge(["public"], "GET", "system/status", {}, {"cost": 50})
    for _ in range(3):
        await limits.acquire(status)
    assert 10.0 <= clock.now <= 11.1


async def test_waiters_are_served_in_their_order() -> None:
    limits = EndpointLimits(1.0, 0.01, time.monotonic)
    charge = limits.charge([], "GET", "x", {}, {"cost": 1})
    served: list[int] = []

    async def one(number: int) -> None:
        await limits.acquire(charge)
        served.append(number)

    await asyncio.gather(*(one(number) for number in range(6)))
    assert served == list(range(6))


def test_the_costs_of_ccxt_are_the_documented_limits_of_okx() -> None:
    endpoints = ccxt.async_support.okx().api["private"]
    documented = {  # calls per two seconds
        ("get", "account/balance"): 10,
        ("get", "account/positions"): 10,
        ("get", "trade/order"): 60,
        ("get", "trade/orders-pending"): 60,
        ("get", "trade/orders-history"): 40,
        ("get", "trade/fills-history"): 10,
        ("post", "trade/batch-orders"): 300,
        ("post", "trade/cancel-order"): 60,
    }
    for (method, path), calls in documented.items():
        assert int(20.0 / endpoints[method][path]["cost"]) == calls


def test_back_off_doubles_to_its_cap_with_jitter_and_resets() -> None:
    backoff = Backoff(0.1, 5.0, random.Random(1))
    waits = [backoff.next() for _ in range(40)]
    for attempt, wait in enumerate(waits):
        step = min(5.0, 0.1 * 2.0**attempt)
        assert step / 2 <= wait <= step
    assert len(set(waits)) == len(waits)
    backoff.reset()
    assert backoff.next() <= 0.1
