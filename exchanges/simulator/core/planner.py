"""How an incoming order would meet the book: computed first, then carried out, so that a refusal changes nothing.

At one price, synthetic lots that were there before a client's order come before it, and all others after it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple

from exchanges.simulator.core.values import ZERO, SelfTrade, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

    from exchanges.simulator.core.accounts import Working
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.resting import RestingSide
    from exchanges.simulator.core.synthetic import Ints


class Slice(NamedTuple):
    """Lots at a price, from a client's resting order or (None) from the synthetic book."""

    ticks: int
    lots: int
    maker: Working | None


@dataclass(frozen=True, slots=True)
class Taker:
    """The incoming order.

    `limit` is the worst price in ticks; `lots` bound the size, or `money` does, in quote coin, where it is given.
    """

    account: str
    side: Side
    limit: int
    lots: int
    money: Decimal | None = None
    self_trade: SelfTrade = SelfTrade.CANCEL_MAKER


@dataclass(slots=True)
class Plan:
    """What would trade, which of the taker's own resting orders would be canceled, and whether it would stop there."""

    slices: list[Slice] = field(default_factory=list)
    own: list[Working] = field(default_factory=list)
    stopped: bool = False
    lots: int = 0
    value: Decimal = ZERO


class Planner:
    """Walks one side of the book for one incoming order."""

    def __init__(self, instrument: Instrument, taker: Taker, position: Callable[[str], int]) -> None:
        self._instrument = instrument
        self._taker = taker
        self._position = position
        self._traded: defaultdict[str, int] = defaultdict(int)
        self.plan = Plan()

    def walk(self, resting: RestingSide, ticks: Ints, lots: Ints) -> Plan:
        """Return the plan against the clients' orders and a synthetic ladder, both of the opposite side."""
        for price, synthetic, queue in self._levels(resting, ticks, lots):
            if not self._wanted(price) or self.plan.stopped:
                break
            self._level(price, synthetic, queue)
        return self.plan

    def _levels(self, resting: RestingSide, ticks: Ints, lots: Ints) -> Iterator[tuple[int, int, list[Working]]]:
        sign = self._taker.side.sign
        limit = sign * self._taker.limit
        reached = sign * ticks <= limit
        ladder = dict(zip(ticks[reached].tolist(), lots[reached].tolist(), strict=True))
        others = (price for price, _ in resting.levels() if price not in ladder)
        for price in merge(ladder, others, key=lambda price: sign * price):
            if sign * price > limit:
                return
            yield price, ladder.get(price, 0), resting.queue(price)

    def _level(self, price: int, synthetic: int, queue: list[Working]) -> None:
        passed = 0
        for maker in queue:
            if maker.account == self._taker.account:
                if self._meet_own(maker):
                    return
                continue
            passed += self._take(price, min(maker.ahead, synthetic) - passed, None)
            self._take(price, self._offered(maker), maker)
            if not self._wanted(price):
                return
        self._take(price, synthetic - passed, None)

    def _meet_own(self, maker: Working) -> bool:
        """Apply self-trade prevention and return whether the taker stops."""
        if self._taker.self_trade is not SelfTrade.CANCEL_TAKER:
            self.plan.own.append(maker)
        self.plan.stopped = self._taker.self_trade is not SelfTrade.CANCEL_MAKER
        return self.plan.stopped

    def _offered(self, maker: Working) -> int:
        if not maker.reduce_only:
            return maker.remaining
        position = self._position(maker.account) + self._traded[maker.account]
        return max(0, min(maker.remaining, -maker.side.sign * position))

    def _take(self, price: int, offered: int, maker: Working | None) -> int:
        lots = min(offered, self._wanted(price))
        if lots <= 0:
            return 0
        self.plan.slices.append(Slice(price, lots, maker))
        self.plan.lots += lots
        self.plan.value += self._instrument.value(price, lots)
        if maker is not None:
            self._traded[maker.account] += maker.side.sign * lots
        return lots

    def _wanted(self, price: int) -> int:
        if self._taker.money is None:
            return self._taker.lots - self.plan.lots
        left = self._taker.money - self.plan.value
        return int(left // self._instrument.value(price, 1))
