"""What every part of the face shares: the exchange behind it, the key, the clock and what only the face remembers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.refusals import Refused
from exchanges.simulator.okx.errors import OkxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exchanges.simulator.core.exchange import Exchange
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.faults import Faults
    from exchanges.simulator.okx.auth import Credentials

Row = dict[str, object]
"""One object of an answer's `data`."""

FUNDING = "funding"
"""The account of the core that plays OKX's funding account."""
TRADING = "trading"
"""The account of the core that plays OKX's trading account."""

USD_COINS = frozenset({"USD", "USDT", "USDC"})


@dataclass(frozen=True, slots=True)
class Movement:
    """A deposit from outside or a withdrawal to it."""

    id: int
    currency: str
    amount: Decimal
    time_ms: int


@dataclass(slots=True)
class Face:
    """The simulated OKX as its handlers see it.

    `clock` gives milliseconds since the epoch as the venue tells them; a skew fault moves it.
    """

    exchange: Exchange
    credentials: Credentials
    faults: Faults
    clock: Callable[[], int]
    rate_limits: bool = False
    amendments: dict[int, str] = field(default_factory=dict)
    deposits: list[Movement] = field(default_factory=list)
    withdrawals: list[Movement] = field(default_factory=list)
    transfers: dict[str, Row] = field(default_factory=dict)
    by_code: dict[int, str] = field(default_factory=dict)
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(10_001))

    def now_ms(self) -> int:
        """Return the venue's time."""
        return self.clock() + round(self.faults.clock_skew * 1000)

    def instrument(self, inst_id: str) -> Instrument:
        """Return a listed instrument.

        Raises:
            OkxError: 51001.
        """
        try:
            return self.exchange.instruments[inst_id]
        except KeyError:
            raise OkxError("51001") from None

    def instrument_by_code(self, code: int) -> Instrument:
        """Return the instrument with this `instIdCode`.

        Raises:
            OkxError: 51001.
        """
        if code not in self.by_code:
            self.by_code = {i.code: name for name, i in self.exchange.instruments.items()}
        return self.instrument(self.by_code.get(code, ""))

    def usd_price(self, currency: str) -> Decimal:
        """Return what a coin is worth in USD, zero where nothing is listed on it."""
        if currency in USD_COINS:
            return Decimal(1)
        try:
            return self.exchange.index_price(f"{currency}-USDT")
        except Refused:
            return Decimal(0)
