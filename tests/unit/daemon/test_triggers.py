"""What starts a cycle, and when; and the prices at which a weight leaves its region."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from daemon.clock import Clock
from daemon.config.service import Cycle
from daemon.decision import Line
from daemon.snapshot import Trigger
from daemon.triggers import STEP, Call, DriftWatch, Triggers
from exchanges.port import ZERO
from tests.unit.daemon.venue import BTC, ETH


class Manual:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clock = Clock(monotonic=lambda: self.now)


@pytest.fixture
def time() -> Manual:
    return Manual()


@pytest.fixture
def triggers(time: Manual) -> Triggers:
    own = Cycle.model_validate({"interval": "5m", "min_interval": "5s", "debounce": "500ms"})
    return Triggers(own, time.clock)


async def ripe(triggers: Triggers, factor: float = 1.0) -> Call | None:
    """Return the call that would be served now."""
    try:
        async with asyncio.timeout(0.01):
            return await triggers.wait(factor)
    except TimeoutError:
        return None


async def test_the_first_call_comes_at_once(triggers: Triggers) -> None:
    assert triggers.due_in(1.0) is None
    assert await ripe(triggers) == Call(Trigger.START, 1000.0)
    assert await ripe(triggers) is None
    assert triggers.due_in(1.0) == 300.0


async def test_the_timer_calls_after_its_interval_times_the_regimes_factor(triggers: Triggers, time: Manual) -> None:
    await ripe(triggers)
    time.now += 74.9
    assert await ripe(triggers, 0.25) is None
    time.now += 0.2
    assert await ripe(triggers, 1.0) is None
    assert triggers.due_in(0.25) == 0.0
    assert await ripe(triggers, 0.25) == Call(Trigger.TIMER, time.now)
    assert triggers.due_in(0.001) == 5.0  # never below the least interval


async def test_nothing_is_served_within_the_least_interval(triggers: Triggers, time: Manual) -> None:
    await ripe(triggers)
    triggers.call(Trigger.COMMAND)
    time.now += 4.9
    assert await ripe(triggers) is None
    time.now += 0.2
    assert await ripe(triggers) == Call(Trigger.COMMAND, 1000.0)


async def test_a_drift_must_stand_for_the_debounce_and_a_command_need_not(triggers: Triggers, time: Manual) -> None:
    await ripe(triggers)
    time.now += 60
    triggers.call(Trigger.DRIFT)
    time.now += 0.4
    assert await ripe(triggers) is None
    triggers.call(Trigger.DRIFT)  # the first cause counts
    time.now += 0.2
    assert await ripe(triggers) == Call(Trigger.DRIFT, 1060.0)
    time.now += 60
    triggers.call(Trigger.EXTERNAL)
    assert await ripe(triggers) == Call(Trigger.EXTERNAL, time.now)


async def test_a_cause_that_has_gone_calls_no_more(triggers: Triggers, time: Manual) -> None:
    await ripe(triggers)
    time.now += 60
    triggers.call(Trigger.DRIFT)
    time.now += 0.2
    triggers.withdraw(Trigger.DRIFT)
    triggers.withdraw(Trigger.VOLATILITY)
    time.now += 60
    assert await ripe(triggers) is None


async def test_the_most_urgent_is_served_and_the_others_with_it(triggers: Triggers, time: Manual) -> None:
    await ripe(triggers)
    time.now += 600
    for trigger in (Trigger.DRIFT, Trigger.VOLATILITY, Trigger.EXTERNAL, Trigger.COMMAND):
        triggers.call(trigger, 1500.0)
    assert await ripe(triggers) == Call(Trigger.COMMAND, 1500.0)
    time.now += 10
    assert await ripe(triggers) is None


async def test_a_call_wakes_who_waits(triggers: Triggers, time: Manual) -> None:
    await ripe(triggers)
    time.now += 60
    waiting = asyncio.create_task(triggers.wait(1.0))
    await asyncio.sleep(0)
    triggers.call(Trigger.EXTERNAL)
    async with asyncio.timeout(5):
        assert (await waiting).trigger is Trigger.EXTERNAL


# ---- drift ----------------------------------------------------------------------------------------------------------


class Heard(Triggers):
    """Notes what is called for and taken back."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def call(self, trigger: Trigger, cause: float | None = None) -> None:
        self.told.append(f"{trigger} {cause}")

    def withdraw(self, trigger: Trigger) -> None:
        self.told.append(f"no {trigger}")


LINE = Line(
    symbol=BTC, quantity=Decimal(4), price=Decimal(100), weight=0.4, target=0.4, low=0.25, high=0.5, inside=True,
    optimal=0.4, planned=0.4, expected_return=0.0, volatility=0.6, beta=0.0, cost=ZERO, dust=ZERO, dust_reason="",
)  # fmt: skip


def watching(**changes: object) -> tuple[DriftWatch, Heard]:
    """Watch BTC in a book of 1,000: worth 400 at a price of 100, beside 600 that do not move."""
    heard = Heard()
    watch = DriftWatch([ETH, BTC], heard)
    watch.watch([replace(LINE, **changes)], 1000.0)  # type: ignore[arg-type]  # the test names fields of their own type
    return watch, heard


def at(watch: DriftWatch, price: float, place: int = 1) -> None:
    watch.quoted(place, price - 0.5, price + 0.5, 7.0)


async def test_a_weight_leaves_its_region_at_the_price_at_which_it_does() -> None:
    watch, heard = watching()
    for price in (50.01, 149.99, 100.0):  # 200 of 800 is 0.25, and 600 of 1,200 is 0.5
        at(watch, price)
    assert heard.told == []
    at(watch, 150.01)
    at(watch, 151.0)
    assert heard.told == ["drift 7.0"]
    at(watch, 149.0)
    assert heard.told == ["drift 7.0", "no drift"]
    at(watch, 49.99)
    assert heard.told[2:] == ["drift 7.0"]


async def test_what_a_decision_left_outside_calls_again_only_when_it_drifts_further() -> None:
    watch, heard = watching(planned=0.6, weight=0.6)
    at(watch, 100.0)
    assert heard.told == []
    at(watch, 100.0 * (0.6 + STEP) * 400 / ((0.4 - STEP) * 600) + 0.01)
    assert heard.told == ["drift 7.0"]


async def test_a_call_stands_until_every_weight_is_back() -> None:
    heard = Heard()
    watch = DriftWatch([ETH, BTC], heard)
    watch.watch([replace(LINE, symbol=ETH), LINE], 1000.0)
    at(watch, 160.0, 0)
    at(watch, 160.0, 1)
    at(watch, 100.0, 0)
    assert heard.told == ["drift 7.0", "drift 7.0"]
    at(watch, 100.0, 1)
    assert heard.told[2:] == ["no drift"]


async def test_before_a_decision_and_without_a_holding_no_price_calls() -> None:
    heard = Heard()
    at(DriftWatch([ETH, BTC], heard), 1e9)
    watch, other = watching(planned=0.0, weight=0.0, low=-0.1, high=0.1)
    at(watch, 1e9)
    short, third = watching(planned=-0.2, weight=-0.2, low=-0.3, high=-0.1)
    at(short, 1e9)
    assert heard.told == other.told == third.told == []
