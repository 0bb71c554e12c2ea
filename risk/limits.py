"""The pre-trade gate: may this order be sent, may this target be traded towards?

    denials = check_order(order, state, limits)
    if not denials:
        state = state.count_sent(order, at)     # before the request leaves, whatever becomes of it

Each limit is a small rule (`limits_rules.py`) that returns a `Denial` or nothing; the gate asks them all, so
that a refusal names every reason at once. Where an input is no finite number, no rule is asked: the answer is
a denial.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

from risk.limits_measures import (
    OrderContext,
    TargetContext,
    daily_loss,
    drawdown,
    gross_leverage,
    heaviest_position,
    net_leverage,
)
from risk.limits_rules import ORDER_RULES, TARGET_RULES
from risk.limits_state import (
    DAY,
    MINUTE,
    AccountState,
    Denial,
    Holding,
    LimitCode,
    Limits,
    MarketState,
    Order,
    Severity,
    Target,
    Use,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DAY",
    "MINUTE",
    "AccountState",
    "Denial",
    "Holding",
    "LimitCode",
    "Limits",
    "MarketState",
    "Order",
    "Severity",
    "Target",
    "Use",
    "Window",
    "check_order",
    "check_target",
    "use",
]


def check_order(order: Order, state: AccountState, limits: Limits) -> tuple[Denial, ...]:
    """Return every reason not to send an order at `state.now`; an empty answer lets it pass."""
    market = state.markets.get(order.symbol)
    if market is None:
        return (_invalid(order.symbol, "there is no market state", math.nan),)
    wrong = _first_wrong(_order_inputs(order, market), _state_inputs(state), _limit_inputs(limits))
    if wrong is not None:
        return (_invalid(order.symbol, f"{wrong.name} is {wrong.value}", wrong.value),)
    context = OrderContext(order, market, state, limits)
    return tuple(denial for rule in ORDER_RULES if (denial := rule(context)))


def check_target(target: Target, state: AccountState, limits: Limits) -> tuple[Denial, ...]:
    """Return every reason not to trade towards a target; an empty answer lets it pass."""
    wrong = _first_wrong(_target_inputs(target), _state_inputs(state), _limit_inputs(limits))
    if wrong is not None:
        return (_invalid("target", f"{wrong.name} is {wrong.value}", wrong.value),)
    context = TargetContext(target, state, limits)
    return tuple(denial for rule in TARGET_RULES if (denial := rule(context)))


def use(limits: Limits, state: AccountState, target: Target | None = None) -> tuple[Use, ...]:
    """Return how far each limit that is on is used; with the last target, its risk figures too.

    A gain counts as no use of a loss limit, a limit of zero is infinitely used by anything, and the use is NaN where
    a price is not known.
    """
    measured: tuple[tuple[LimitCode, float | None, float | None], ...] = (
        (LimitCode.POSITION_WEIGHT, heaviest_position(state), limits.position_weight),
        (LimitCode.GROSS_LEVERAGE, gross_leverage(state, state.holdings), limits.gross_leverage),
        (LimitCode.NET_LEVERAGE, net_leverage(state, state.holdings), limits.net_leverage),
        (LimitCode.CYCLE_TURNOVER, state.cycle_notional / state.equity, limits.cycle_turnover),
        (LimitCode.DAY_TURNOVER, state.day.total(state.now) / state.equity, limits.day_turnover),
        (LimitCode.ORDERS_PER_MINUTE, state.minute.count(state.now), limits.orders_per_minute),
        (LimitCode.ORDERS_PER_DAY, state.day.count(state.now), limits.orders_per_day),
        (LimitCode.OPEN_ORDERS, state.open_orders, limits.open_orders),
        (LimitCode.DAILY_LOSS, max(0.0, daily_loss(state)), limits.daily_loss),
        (LimitCode.DRAWDOWN, drawdown(state), limits.drawdown),
    )
    if target is not None:
        measured += (
            (LimitCode.VALUE_AT_RISK, target.value_at_risk, limits.value_at_risk),
            (LimitCode.EXPECTED_SHORTFALL, target.expected_shortfall, limits.expected_shortfall),
        )
    return tuple(
        Use(code, used, limit, _fraction(used, limit))
        for code, used, limit in measured
        if used is not None and limit is not None
    )


def _fraction(used: float, limit: float) -> float:
    if limit > 0:
        return used / limit
    return 0.0 if used == 0 else math.inf


class _Input(NamedTuple):
    """A number that a rule will look at, and the least it can sensibly be (`above`: more than that)."""

    name: str
    value: float
    least: float = -math.inf
    above: bool = False

    @property
    def wrong(self) -> bool:
        """Whether it is not finite, or too low to mean anything."""
        if not math.isfinite(self.value) or self.value < self.least:
            return True
        return self.above and self.value == self.least


def _first_wrong(*groups: Iterator[_Input]) -> _Input | None:
    return next((number for group in groups for number in group if number.wrong), None)


def _order_inputs(order: Order, market: MarketState) -> Iterator[_Input]:
    yield _Input("the order's price", order.price, 0.0, above=True)
    yield _Input("the order's quantity", order.quantity)
    yield _Input("the order's notional", order.notional, 0.0, above=True)
    yield _Input("the market's mid", market.mid, 0.0, above=True)
    yield _Input("the market's last price", market.last, 0.0, above=True)
    for name in ("quote_age", "depth", "lot_size", "min_quantity", "min_notional", "margin", "fee"):
        yield _Input(f"the market's {name}", getattr(market, name), 0.0)


def _state_inputs(state: AccountState) -> Iterator[_Input]:
    yield _Input("the time", state.now)
    yield _Input("equity", state.equity, 0.0, above=True)
    yield _Input("the day's first equity", state.day_start_equity, 0.0, above=True)
    yield _Input("the peak of equity", state.peak_equity, 0.0, above=True)
    yield _Input("the free quote balance", state.free_quote)
    yield _Input("the count of open orders", state.open_orders, 0.0)
    yield _Input("the cycle's notional", state.cycle_notional, 0.0)
    yield _Input("the minute's notional", state.minute.total(state.now), 0.0)
    yield _Input("the day's notional", state.day.total(state.now), 0.0)
    for symbol, holding in state.holdings.items():
        yield _Input(f"the position in {symbol}", holding.position)
        yield _Input(f"what buys are in flight of {symbol}", holding.buying, 0.0)
        yield _Input(f"what sales are in flight of {symbol}", holding.selling, 0.0)
        if holding.worst:
            yield _Input(f"the mid of {symbol}", state.mid(symbol), 0.0, above=True)


def _limit_inputs(limits: Limits) -> Iterator[_Input]:
    for field in fields(limits):
        value = getattr(limits, field.name)
        if field.name != "symbols" and value is not None:
            yield _Input(f"the limit {field.name}", value, 0.0)


def _target_inputs(target: Target) -> Iterator[_Input]:
    for symbol, weight in target.weights.items():
        yield _Input(f"the weight of {symbol}", weight)
    for name in ("value_at_risk", "expected_shortfall", "value_at_risk_before", "expected_shortfall_before"):
        value = getattr(target, name)
        if value is not None:
            yield _Input(f"the target's {name}", value)


def _invalid(subject: str, words: str, value: float) -> Denial:
    message = f"{subject}: {words}, so nothing can be checked and nothing is sent"
    return Denial(LimitCode.INVALID_INPUT, subject, value, math.nan, message)
