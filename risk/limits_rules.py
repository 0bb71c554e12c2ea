"""The rules of the pre-trade gate, one row or one function each.

Most limits are ceilings: a measure of the order or of the account that must not pass a number of the
operator's. They are rows of a table, so a tighter limit can only refuse more, and each row's words stand
beside its measure.

A ceiling with a `before` is one of exposure: it refuses only what would make the measure worse than it is, so
that a book outside its limits may always trade towards them. No other rule has an exception, prices and ages
least of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from risk.limits_measures import (
    OrderContext,
    TargetContext,
    daily_loss,
    drawdown,
    gross_leverage,
    net_leverage,
    quote_available,
    turnover_to,
)
from risk.limits_state import Denial, LimitCode, Severity

ROUNDING = 1e-9
"""A measure may pass its limit by this fraction: an optimiser's target sits on its bounds up to rounding."""

STEP_ROUNDING = 1e-6
"""How far from a whole number of lots a quantity may be for want of digits."""


OrderRule: TypeAlias = Callable[[OrderContext], Denial | None]
TargetRule: TypeAlias = Callable[[TargetContext], Denial | None]
C = TypeVar("C", OrderContext, TargetContext)


def percent(value: float) -> str:
    """Show a fraction."""
    return f"{value:.2%}"


def money(value: float) -> str:
    """Show an amount of quote currency."""
    return f"{value:,.2f}"


def seconds(value: float) -> str:
    """Show a duration."""
    return f"{value:.1f} s"


def number(value: float) -> str:
    """Show a count or a quantity."""
    return f"{value:.12g}"


def above(value: float, limit: float, before: float | None = None) -> bool:
    """Tell whether a value breaks its ceiling, and is not at least as good as it was `before`.

    Written so that NaN is a breach.
    """
    if value <= limit + ROUNDING * abs(limit):
        return False
    return before is None or not value <= before + ROUNDING * abs(before)


@dataclass(frozen=True)  # without slots, with which Python 3.11 cannot call a subscripted class
class Ceiling(Generic[C]):
    """A rule: `measure` of the context must not be above the limit that has the code's name.

    Unless it is no worse than `before`.
    """

    code: LimitCode
    words: str
    show: Callable[[float], str]
    measure: Callable[[C], float]
    before: Callable[[C], float | None] | None = None
    severity: Severity = Severity.DENY

    def __call__(self, context: C) -> Denial | None:
        """Return the denial, or nothing where the limit is kept or switched off."""
        limit: float | None = getattr(context.limits, self.code)
        if limit is None:
            return None
        value = self.measure(context)
        if not above(value, limit, self.before(context) if self.before else None):
            return None
        message = f"{context.subject}: {self.words} {self.show(value)}, above the limit of {self.show(limit)}"
        return Denial(self.code, context.subject, value, limit, message, self.severity)


def symbol_allowed(context: OrderContext) -> Denial | None:
    """Refuse a symbol that is not on the list."""
    symbol = context.order.symbol
    if symbol in context.limits.symbols:
        return None
    return Denial(LimitCode.SYMBOL_NOT_ALLOWED, symbol, 1.0, 0.0, f"{symbol} is not among the symbols to be traded")


def large_enough(context: OrderContext) -> Denial | None:
    """Refuse an order below the market's minimum of quantity or notional."""
    order, market = context.order, context.market
    for words, show, value, least in (
        ("the quantity is", number, abs(order.quantity), market.min_quantity),
        ("the notional is", money, order.notional, market.min_notional),
    ):
        if value < least * (1.0 - ROUNDING):
            message = f"{order.symbol}: {words} {show(value)}, below the market's minimum of {show(least)}"
            return Denial(LimitCode.BELOW_MINIMUM, order.symbol, value, least, message)
    return None


def on_step(context: OrderContext) -> Denial | None:
    """Refuse a quantity that is no whole number of lots."""
    order, step = context.order, context.market.lot_size
    if step == 0.0:
        return None
    lots = abs(order.quantity) / step
    if abs(lots - round(lots)) <= STEP_ROUNDING + 1e-15 * lots:
        return None
    words = f"the quantity is {number(abs(order.quantity))}, no multiple of the lot {number(step)}"
    return Denial(LimitCode.OFF_STEP, order.symbol, abs(order.quantity), step, f"{order.symbol}: {words}")


def affordable(context: OrderContext) -> Denial | None:
    """Refuse an order that needs more quote balance than is free above the reserve."""
    needed = context.state.quote_needed(context.order)
    available = quote_available(context.state, context.limits)
    if needed == 0.0 or not above(needed, available):
        return None
    message = (
        f"{context.subject}: the order needs {money(needed)} of quote balance, above the {money(available)} "
        f"that is free beyond the reserve"
    )
    return Denial(LimitCode.BALANCE, context.subject, needed, available, message)


def coins_held(context: OrderContext) -> Denial | None:
    """Refuse a spot sale of more coins than are held and not already being sold."""
    order, before = context.order, context.before
    free = before.position - before.selling
    if not context.market.spot or order.quantity > 0 or not above(-order.quantity, free):
        return None
    message = f"{order.symbol}: the sale is of {number(-order.quantity)}, above the {number(free)} that is free"
    return Denial(LimitCode.COIN_BALANCE, order.symbol, -order.quantity, free, message)


def target_symbols_allowed(context: TargetContext) -> Denial | None:
    """Refuse a target that opens or enlarges a position in a symbol that is not on the list."""
    held = context.held
    for symbol, weight in context.target.weights.items():
        if symbol not in context.limits.symbols and above(abs(weight), 0.0, abs(held.get(symbol, 0.0))):
            message = f"target: {symbol} is not among the symbols to be traded"
            return Denial(LimitCode.SYMBOL_NOT_ALLOWED, symbol, abs(weight), 0.0, message)
    return None


def target_weights(context: TargetContext) -> Denial | None:
    """Refuse a target with a weight above the limit and above what is held."""
    limit = context.limits.position_weight
    if limit is None:
        return None
    held = context.held
    for symbol, weight in context.target.weights.items():
        if above(abs(weight), limit, abs(held.get(symbol, 0.0))):
            message = f"target: the weight of {symbol} is {percent(weight)}, above the limit of {percent(limit)}"
            return Denial(LimitCode.POSITION_WEIGHT, symbol, abs(weight), limit, message)
    return None


def _or_nan(value: float | None) -> float:
    """Return a measure, or NaN (always a breach) where it is not known."""
    return float("nan") if value is None else value


ORDER_RULES: tuple[OrderRule, ...] = (
    symbol_allowed,
    Ceiling[OrderContext](LimitCode.QUOTE_AGE, "the age of the quote is", seconds, lambda c: c.market.quote_age),
    Ceiling[OrderContext](
        LimitCode.PRICE_BAND_MID,
        "the price's distance from mid is",
        percent,
        lambda c: abs(c.order.price / c.market.mid - 1.0),
    ),
    Ceiling[OrderContext](
        LimitCode.PRICE_BAND_LAST,
        "the price's distance from the last trade is",
        percent,
        lambda c: abs(c.order.price / c.market.last - 1.0),
    ),
    large_enough,
    on_step,
    Ceiling[OrderContext](LimitCode.ORDER_NOTIONAL, "the notional is", money, lambda c: c.order.notional),
    Ceiling[OrderContext](
        LimitCode.BOOK_DEPTH,
        "the share of the book's depth is",
        percent,
        lambda c: c.order.notional / c.market.depth if c.market.depth > 0 else float("inf"),
    ),
    Ceiling[OrderContext](
        LimitCode.POSITION_WEIGHT,
        "the weight after the order could be",
        percent,
        lambda c: c.after.worst * c.market.mid / c.state.equity,
        before=lambda c: c.before.worst * c.market.mid / c.state.equity,
    ),
    Ceiling[OrderContext](
        LimitCode.GROSS_LEVERAGE,
        "gross leverage after the order could be",
        percent,
        lambda c: gross_leverage(c.state, c.holdings_after),
        before=lambda c: gross_leverage(c.state, c.state.holdings),
    ),
    Ceiling[OrderContext](
        LimitCode.NET_LEVERAGE,
        "net leverage after the order could be",
        percent,
        lambda c: net_leverage(c.state, c.holdings_after),
        before=lambda c: net_leverage(c.state, c.state.holdings),
    ),
    Ceiling[OrderContext](
        LimitCode.CYCLE_TURNOVER,
        "the cycle's turnover with the order is",
        percent,
        lambda c: (c.state.cycle_notional + c.order.notional) / c.state.equity,
    ),
    Ceiling[OrderContext](
        LimitCode.DAY_TURNOVER,
        "the day's turnover with the order is",
        percent,
        lambda c: (c.state.day.total(c.state.now) + c.order.notional) / c.state.equity,
    ),
    Ceiling[OrderContext](
        LimitCode.ORDERS_PER_MINUTE,
        "the minute's count of orders with this one is",
        number,
        lambda c: c.state.minute.count(c.state.now) + 1,
    ),
    Ceiling[OrderContext](
        LimitCode.ORDERS_PER_DAY,
        "the day's count of orders with this one is",
        number,
        lambda c: c.state.day.count(c.state.now) + 1,
    ),
    Ceiling[OrderContext](
        LimitCode.OPEN_ORDERS, "the count of open orders with this one is", number, lambda c: c.state.open_orders + 1
    ),
    affordable,
    coins_held,
    Ceiling[OrderContext](
        LimitCode.DAILY_LOSS, "the loss of the day is", percent, lambda c: daily_loss(c.state), severity=Severity.HALT
    ),
    Ceiling[OrderContext](
        LimitCode.DRAWDOWN, "the drawdown is", percent, lambda c: drawdown(c.state), severity=Severity.HALT
    ),
)

TARGET_RULES: tuple[TargetRule, ...] = (
    target_symbols_allowed,
    target_weights,
    Ceiling[TargetContext](
        LimitCode.GROSS_LEVERAGE,
        "gross leverage is",
        percent,
        lambda c: sum(map(abs, c.target.weights.values())),
        before=lambda c: sum(map(abs, c.held.values())),
    ),
    Ceiling[TargetContext](
        LimitCode.NET_LEVERAGE,
        "net leverage is",
        percent,
        lambda c: abs(sum(c.target.weights.values())),
        before=lambda c: abs(sum(c.held.values())),
    ),
    Ceiling[TargetContext](
        LimitCode.CYCLE_TURNOVER, "the turnover to it is", percent, lambda c: turnover_to(c.target.weights, c.held)
    ),
    Ceiling[TargetContext](
        LimitCode.VALUE_AT_RISK,
        "value at risk is",
        percent,
        lambda c: _or_nan(c.target.value_at_risk),
        before=lambda c: c.target.value_at_risk_before,
    ),
    Ceiling[TargetContext](
        LimitCode.EXPECTED_SHORTFALL,
        "expected shortfall is",
        percent,
        lambda c: _or_nan(c.target.expected_shortfall),
        before=lambda c: c.target.expected_shortfall_before,
    ),
    Ceiling[TargetContext](
        LimitCode.DAILY_LOSS, "the loss of the day is", percent, lambda c: daily_loss(c.state), severity=Severity.HALT
    ),
    Ceiling[TargetContext](
        LimitCode.DRAWDOWN, "the drawdown is", percent, lambda c: drawdown(c.state), severity=Severity.HALT
    ),
)
