"""What the pre-trade gate looks at: the limits, an order, a target, and the account as it stands.

Prices and amounts are in quote currency, quantities in base coin, shares and weights are fractions of equity,
and times are seconds on one scale of the caller's choice (epoch seconds, if the counters shall outlive the
process).

An order counts from the moment it is sent. `AccountState.count_sent` returns the state with the order in it:
in the rate windows, in the turnover, among the open orders, in the balance, and as `buying` or `selling` of
its symbol. Exposure is then judged at its worst case over everything that may still fill, so that no order in
flight is ever taken as the relief that lets another one pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE = 60.0
DAY = 86_400.0


class LimitCode(StrEnum):
    """Why the gate refuses; stable, for they are metric labels and SQL values.

    The code of a limit that the operator sets is the name it has in `Limits`.
    """

    INVALID_INPUT = "invalid_input"
    SYMBOL_NOT_ALLOWED = "symbol_not_allowed"
    QUOTE_AGE = "quote_age"
    PRICE_BAND_MID = "price_band_mid"
    PRICE_BAND_LAST = "price_band_last"
    BELOW_MINIMUM = "below_minimum"
    OFF_STEP = "off_step"
    ORDER_NOTIONAL = "order_notional"
    BOOK_DEPTH = "book_depth"
    POSITION_WEIGHT = "position_weight"
    GROSS_LEVERAGE = "gross_leverage"
    NET_LEVERAGE = "net_leverage"
    CYCLE_TURNOVER = "cycle_turnover"
    DAY_TURNOVER = "day_turnover"
    ORDERS_PER_MINUTE = "orders_per_minute"
    ORDERS_PER_DAY = "orders_per_day"
    OPEN_ORDERS = "open_orders"
    BALANCE = "balance"
    COIN_BALANCE = "coin_balance"
    VALUE_AT_RISK = "value_at_risk"
    EXPECTED_SHORTFALL = "expected_shortfall"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"


class Severity(StrEnum):
    """DENY refuses this order or target; HALT asks for the breaker, which only a person re-arms."""

    DENY = "deny"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Denial:
    """One limit that is not kept: whose, by how much, and a sentence for the log and the page."""

    code: LimitCode
    subject: str
    value: float
    limit: float
    message: str
    severity: Severity = Severity.DENY


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The operator's limits, each of which must be said.

    None switches a rule off; what is no finite number ≥ 0 refuses everything.

    Attributes:
        symbols: The only symbols that may be traded.
        quote_age: Greatest age of the order's quote, seconds.
        price_band_mid: Greatest |price / mid − 1|.
        price_band_last: Greatest |price / last − 1|.
        order_notional: Greatest notional of one order, quote currency.
        book_depth: Greatest share of the depth that the order would take.
        position_weight: Greatest |weight| of one symbol.
        gross_leverage: Greatest sum of |weights|.
        net_leverage: Greatest |sum of weights|.
        cycle_turnover: Greatest notional sent in one cycle, fraction of equity.
        day_turnover: Greatest notional sent in any 24 hours, fraction of equity.
        orders_per_minute: Most orders sent in any minute.
        orders_per_day: Most orders sent in any 24 hours.
        open_orders: Most orders open at once.
        reserve: Quote balance that orders must leave untouched for fees, fraction of equity. Never off.
        value_at_risk: Greatest value at risk of a target, fraction of equity.
        expected_shortfall: Greatest expected shortfall of a target, fraction of equity.
        daily_loss: Loss since the day began beyond which trading halts, fraction of the equity then.
        drawdown: Fall from the highest equity beyond which trading halts, fraction of that.
    """

    symbols: frozenset[str]
    quote_age: float | None
    price_band_mid: float | None
    price_band_last: float | None
    order_notional: float | None
    book_depth: float | None
    position_weight: float | None
    gross_leverage: float | None
    net_leverage: float | None
    cycle_turnover: float | None
    day_turnover: float | None
    orders_per_minute: float | None
    orders_per_day: float | None
    open_orders: float | None
    reserve: float
    value_at_risk: float | None
    expected_shortfall: float | None
    daily_loss: float | None
    drawdown: float | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order about to be sent.

    `quantity` is positive to buy and negative to sell. `price` is the limit price; for a market order the
    price it is expected to trade at, which the bands then judge.
    """

    symbol: str
    quantity: float
    price: float

    @property
    def notional(self) -> float:
        """What the order trades, in quote currency, never negative."""
        return abs(self.quantity) * self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """A market as the gate needs it.

    Attributes:
        mid: Middle of the spread.
        last: Price of the last trade.
        quote_age: Seconds since the quote was received.
        depth: Notional on the side of the book that the order takes, within the distance that one accepts.
        lot_size: Step of quantities.
        min_quantity: Smallest order in base coin.
        min_notional: Smallest order in quote currency.
        margin: Quote balance that one unit of notional binds: 1 on spot, 1 / leverage on a derivative.
        fee: Taker fee, fraction of notional.
        spot: Whether a sale needs the coins.
    """

    mid: float
    last: float
    quote_age: float
    depth: float
    lot_size: float = 0.0
    min_quantity: float = 0.0
    min_notional: float = 0.0
    margin: float = 1.0
    fee: float = 0.0
    spot: bool = True


@dataclass(frozen=True, slots=True)
class Holding:
    """A signed position, and how much the orders in flight may still buy and sell of it (both ≥ 0)."""

    position: float = 0.0
    buying: float = 0.0
    selling: float = 0.0

    def sent(self, quantity: float) -> Holding:
        """Return the holding with an order of this signed quantity in flight."""
        if quantity >= 0:
            return replace(self, buying=self.buying + quantity)
        return replace(self, selling=self.selling - quantity)

    @property
    def highest(self) -> float:
        """The position if every buy fills and no sell does."""
        return self.position + self.buying

    @property
    def lowest(self) -> float:
        """The position if every sell fills and no buy does."""
        return self.position - self.selling

    @property
    def worst(self) -> float:
        """The greatest absolute position that orders in flight can lead to."""
        return max(abs(self.highest), abs(self.lowest))


@dataclass(frozen=True, slots=True)
class Window:
    """Amounts counted over the last `span` seconds.

    Events within the same 1440th of the span are kept as one at their latest time, so memory is bounded and an
    amount is never forgotten early. An entry ahead of the clock (the clock was set back) counts until it is
    behind it.
    """

    span: float
    entries: tuple[tuple[float, int, float], ...] = ()

    def add(self, at: float, amount: float) -> Window:
        """Return the window with one more event of this amount, and without what has expired."""
        kept = [entry for entry in self.entries if entry[0] > at - self.span]
        grain = self.span / 1440
        if kept and at // grain == kept[-1][0] // grain:
            last, count, total = kept.pop()
            kept.append((max(last, at), count + 1, total + amount))
        else:
            kept.append((at, 1, amount))
        return replace(self, entries=tuple(kept))

    def count(self, at: float) -> int:
        """Return how many events are within the window."""
        return sum(count for time, count, _ in self.entries if time > at - self.span)

    def total(self, at: float) -> float:
        """Return the sum of the amounts within the window."""
        return sum(amount for time, _, amount in self.entries if time > at - self.span)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """The account at the moment `now`: what it is worth, what it holds, and what it has sent.

    Attributes:
        now: The moment, in the seconds that the windows count.
        equity: Worth of everything now, quote currency.
        day_start_equity: Its worth when the day began.
        peak_equity: Its highest worth so far.
        free_quote: Quote balance that nothing binds.
        holdings: What is held and in flight by symbol; a symbol that is absent is not held.
        markets: The markets of every symbol that is held or traded.
        open_orders: Orders that may still be open at the venue.
        cycle_notional: Notional sent in this cycle.
        minute: Orders sent in the last minute.
        day: Orders sent in the last 24 hours and their notional.
    """

    now: float
    equity: float
    day_start_equity: float
    peak_equity: float
    free_quote: float
    holdings: Mapping[str, Holding]
    markets: Mapping[str, MarketState]
    open_orders: int = 0
    cycle_notional: float = 0.0
    minute: Window = field(default_factory=lambda: Window(MINUTE))
    day: Window = field(default_factory=lambda: Window(DAY))

    def holding(self, symbol: str) -> Holding:
        """Return what is held of a symbol, nothing if it is not known."""
        return self.holdings.get(symbol, Holding())

    def mid(self, symbol: str) -> float:
        """Return the middle price of a symbol, NaN if there is none."""
        market = self.markets.get(symbol)
        return math.nan if market is None else market.mid

    def begin_cycle(self, at: float) -> AccountState:
        """Return the state at the start of a cycle: its own turnover is nothing yet."""
        return replace(self, now=at, cycle_notional=0.0)

    def quote_needed(self, order: Order) -> float:
        """Return the quote balance that an order binds or spends, fees included.

        A spot buy spends its notional, a spot sale nothing. A derivative's order binds margin for as much as
        it raises the worst-case position; if it raises nothing it binds nothing, its fee is what the reserve
        is for.
        """
        market = self.markets[order.symbol]
        if market.spot:
            return order.notional * (1.0 + market.fee) if order.quantity > 0 else 0.0
        holding = self.holding(order.symbol)
        growth = holding.sent(order.quantity).worst - holding.worst
        return growth * order.price * market.margin + order.notional * market.fee if growth > 0 else 0.0

    def count_sent(self, order: Order, at: float) -> AccountState:
        """Return the state after this order was sent at `at`; whatever becomes of it, it counts."""
        return replace(
            self,
            now=at,
            free_quote=self.free_quote - self.quote_needed(order),
            holdings={**self.holdings, order.symbol: self.holding(order.symbol).sent(order.quantity)},
            open_orders=self.open_orders + 1,
            cycle_notional=self.cycle_notional + order.notional,
            minute=self.minute.add(at, order.notional),
            day=self.day.add(at, order.notional),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Weights that a decision wants, and what they would risk.

    Attributes:
        weights: Wanted weight by symbol, fraction of equity; a symbol that is absent is to be sold.
        value_at_risk: Value at risk of these weights, fraction of equity. None is not known, and is refused
        where
            there is a limit on it.
        expected_shortfall: Their expected shortfall, likewise.
        value_at_risk_before: Value at risk of what is held now; None if it is not known.
        expected_shortfall_before: Expected shortfall of what is held now, likewise.
    """

    weights: Mapping[str, float]
    value_at_risk: float | None = None
    expected_shortfall: float | None = None
    value_at_risk_before: float | None = None
    expected_shortfall_before: float | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """How much of a limit is used, for the status page; `fraction` is `used / limit`."""

    code: LimitCode
    used: float
    limit: float
    fraction: float
