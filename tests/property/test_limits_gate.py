"""What the gate promises whatever is asked of it: limits hold for any fills, and tighter limits only refuse more."""

from __future__ import annotations

from dataclasses import fields, replace
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from risk.limits import (
    DAY,
    MINUTE,
    AccountState,
    Holding,
    Limits,
    MarketState,
    Order,
    Target,
    check_order,
    check_target,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SYMBOLS = ("BTC/USDT", "ETH/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT")
MIDS = dict(zip(SYMBOLS, (100.0, 10.0, 100.0, 10.0), strict=True))
MARKETS = {
    symbol: MarketState(
        mid=mid,
        last=mid,
        quote_age=0.1,
        depth=5_000.0,
        lot_size=0.01,
        min_notional=1.0,
        margin=0.5 if ":" in symbol else 1.0,
        fee=0.001,
        spot=":" not in symbol,
    )
    for symbol, mid in MIDS.items()
}
LIMITS = Limits(
    symbols=frozenset(SYMBOLS),
    quote_age=5.0,
    price_band_mid=0.02,
    price_band_last=0.05,
    order_notional=2_000.0,
    book_depth=0.3,
    position_weight=0.4,
    gross_leverage=1.0,
    net_leverage=0.6,
    cycle_turnover=1.5,
    day_turnover=2.0,
    orders_per_minute=5,
    orders_per_day=25,
    open_orders=12,
    reserve=0.05,
    value_at_risk=0.1,
    expected_shortfall=0.2,
    daily_loss=0.2,
    drawdown=0.3,
)
EQUITY = 10_000.0
SLACK = 1e-6


def account(spot: float = 0.0, swap: float = 0.0) -> AccountState:
    return AccountState(
        now=0.0,
        equity=EQUITY,
        day_start_equity=EQUITY,
        peak_equity=EQUITY,
        free_quote=EQUITY - spot * MIDS["BTC/USDT"],
        holdings={"BTC/USDT": Holding(spot), "ETH/USDT:USDT": Holding(swap)},
        markets=MARKETS,
    )


orders = st.builds(
    lambda symbol, side, notional, distance: Order(
        symbol, side * max(0.01, round(notional / MIDS[symbol], 2)), MIDS[symbol] * (1 + distance)
    ),
    st.sampled_from(SYMBOLS),
    st.sampled_from([1, -1]),
    st.floats(5.0, 3_000.0),
    st.floats(-0.021, 0.021),
)
OFF: dict[str, Any] = {field.name: None for field in fields(Limits) if field.name not in {"symbols", "reserve"}}
FOCUS: dict[str, dict[str, float]] = {
    "exposure": {"position_weight": 0.4, "gross_leverage": 1.0, "net_leverage": 0.5},
    "net": {"net_leverage": 0.2},
    "cash": {"reserve": 0.05},
    "size": {"order_notional": 2_000.0, "book_depth": 0.3, "price_band_mid": 0.01, "price_band_last": 0.02},
    "count": {"orders_per_minute": 5, "orders_per_day": 25, "open_orders": 22},
    "turnover": {"cycle_turnover": 1.5, "day_turnover": 1.2},
}


FILLS: dict[str, Callable[[Random, Order], float]] = {
    "everything": lambda _, order: 1.0,
    "purchases": lambda _, order: float(order.quantity > 0),
    "sales": lambda _, order: float(order.quantity < 0),
    "parts": lambda random, order: random.random(),
}


def attempt(random: Random) -> Order:
    """Return an order that is often, but not always, within the limits."""
    symbol = random.choice(SYMBOLS)
    quantity = max(0.01, round(random.uniform(5.0, 3_000.0) / MIDS[symbol], 2))
    return Order(symbol, random.choice([1, -1]) * quantity, MIDS[symbol] * (1 + random.uniform(-0.021, 0.021)))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(FOCUS)),
    st.sampled_from(sorted(FILLS)),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 30.0, 60.0]),
    st.sampled_from([0.0, -300.0, 600.0]),
)
def test_no_sequence_of_accepted_orders_leaves_the_limits_however_it_fills(
    focus: str, fills: str, seed: int, spot: float, swap: float
) -> None:
    limits = Limits(symbols=frozenset(SYMBOLS), **{**OFF, "reserve": 0.0, **FOCUS[focus]})
    random = Random(seed)
    start = account(spot, swap)
    state, now = start, 0.0
    accepted: list[tuple[float, Order, float]] = []
    for _ in range(50):
        now += random.uniform(0.0, 20.0)
        state = replace(state, now=now)
        order = attempt(random)
        if not check_order(order, state, limits):
            state = state.count_sent(order, now)
            accepted.append((now, order, FILLS[fills](random, order)))

    assert accepted
    for key, value in measured(start, accepted).items():
        bound = getattr(limits, key, None)
        if bound is not None and key != "reserve":
            assert value <= bound * (1 + SLACK) or value <= measured(start, [])[key] * (1 + SLACK), key
    for moment, _, _ in accepted:
        last = [order for at, order, _ in accepted if moment - MINUTE < at <= moment]
        assert limits.orders_per_minute is None or len(last) <= limits.orders_per_minute
    spot_now = {s: q for s, q in filled(start, accepted).items() if MARKETS[s].spot}
    assert all(quantity >= -SLACK for quantity in spot_now.values())
    spends = any(start.quote_needed(order) > 0 for _, order, _ in accepted)
    assert not spends or cash_left(start, accepted) >= limits.reserve * EQUITY - SLACK


def filled(start: AccountState, accepted: list[tuple[float, Order, float]]) -> dict[str, float]:
    """Return the positions after each accepted order filled by its share."""
    held = {symbol: start.holding(symbol).position for symbol in SYMBOLS}
    for _, order, share in accepted:
        held[order.symbol] += share * order.quantity
    return held


def cash_left(start: AccountState, accepted: list[tuple[float, Order, float]]) -> float:
    """Return the cash after the spot purchases, as if no sale had brought any."""
    spent = sum(o.notional * 1.001 * share for _, o, share in accepted if MARKETS[o.symbol].spot and o.quantity > 0)
    return start.free_quote - spent


def measured(start: AccountState, accepted: list[tuple[float, Order, float]]) -> dict[str, float]:
    """Return by the name of its limit what the accepted orders came to, counted independently of the gate."""
    weights = [quantity * MIDS[symbol] / EQUITY for symbol, quantity in filled(start, accepted).items()]
    notionals = [order.notional for _, order, _ in accepted]
    distances = [abs(order.price / MIDS[order.symbol] - 1.0) for _, order, _ in accepted]
    return {
        "position_weight": max(map(abs, weights)),
        "gross_leverage": sum(map(abs, weights)),
        "net_leverage": abs(sum(weights)),
        "order_notional": max(notionals, default=0.0),
        "book_depth": max(notionals, default=0.0) / 5_000.0,
        "price_band_mid": max(distances, default=0.0),
        "price_band_last": max(distances, default=0.0),
        "cycle_turnover": sum(notionals) / EQUITY,
        "day_turnover": sum(notionals) / EQUITY,
        "orders_per_day": len(accepted),
        "open_orders": len(accepted),
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, DAY / 20), min_size=50, max_size=120))
def test_no_day_holds_more_orders_or_turnover_than_allowed(waits: list[float]) -> None:
    counted = Limits(symbols=frozenset(SYMBOLS), **{**OFF, "reserve": 0.0, "orders_per_day": 25})
    turned = Limits(symbols=frozenset(SYMBOLS), **{**OFF, "reserve": 0.0, "day_turnover": 2.0})
    for limits, most in ((counted, 25), (turned, 16)):
        state, now = account(), 0.0
        sent: list[float] = []
        for wait in waits:
            now += wait
            state = replace(state.begin_cycle(now), free_quote=EQUITY, holdings={})
            order = Order("BTC/USDT", 12.0, 100.0)
            if not check_order(order, state, limits):
                state = state.count_sent(order, now)
                sent.append(now)
        assert all(len([at for at in sent if moment - DAY < at <= moment]) <= most for moment in sent)
        assert len(sent) >= min(len(waits), most)


NUMERIC = [field.name for field in fields(Limits) if field.name != "symbols"]


@st.composite
def tightened(draw: st.DrawFn) -> tuple[Limits, Limits]:
    """Draw limits, and the same with some of them tighter (a reserve: larger)."""
    loose: dict[str, Any] = {}
    for name in NUMERIC:
        value = draw(st.none() | st.floats(0.0, 3.0)) if name != "reserve" else draw(st.floats(0.0, 1.0))
        loose[name] = value * 1_000 if name == "order_notional" and value is not None else value
    symbols = draw(st.frozensets(st.sampled_from(SYMBOLS)))
    tight = dict(loose)
    for name in draw(st.lists(st.sampled_from(NUMERIC), unique=True)):
        factor = draw(st.floats(0.0, 1.0))
        if name == "reserve":
            tight[name] = loose[name] + factor
        else:
            tight[name] = 3.0 * factor if loose[name] is None else loose[name] * factor
    fewer = symbols - draw(st.frozensets(st.sampled_from(SYMBOLS)))
    return Limits(symbols=symbols, **loose), Limits(symbols=fewer, **tight)


states = st.builds(
    lambda spot, swap, sent, equity: replace(
        account(spot, swap).count_sent(sent, 0.0), equity=equity * EQUITY, peak_equity=1.2 * EQUITY
    ),
    st.floats(0.0, 60.0),
    st.floats(-300.0, 300.0),
    orders,
    st.floats(0.5, 1.2),
)


@settings(max_examples=300, deadline=None)
@given(orders, states, tightened())
def test_a_tighter_limit_never_lets_an_order_through(
    order: Order, state: AccountState, limits: tuple[Limits, Limits]
) -> None:
    loose, tight = limits
    under_loose = {denial.code for denial in check_order(order, state, loose)}
    under_tight = {denial.code for denial in check_order(order, state, tight)}
    assert under_loose <= under_tight


weights = st.dictionaries(st.sampled_from(SYMBOLS), st.floats(-2.0, 2.0))
risks = st.none() | st.floats(0.0, 1.0)
targets = st.builds(
    Target,
    weights=weights,
    value_at_risk=risks,
    expected_shortfall=risks,
    value_at_risk_before=risks,
    expected_shortfall_before=risks,
)


@settings(max_examples=300, deadline=None)
@given(targets, states, tightened())
def test_a_tighter_limit_never_lets_a_target_through(
    target: Target, state: AccountState, limits: tuple[Limits, Limits]
) -> None:
    loose, tight = limits
    under_loose = {denial.code for denial in check_target(target, state, loose)}
    under_tight = {denial.code for denial in check_target(target, state, tight)}
    assert under_loose <= under_tight


anything = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SYMBOLS), anything, anything, anything, anything, anything)
def test_the_gate_answers_any_floats_without_an_error(
    symbol: str, quantity: float, price: float, mid: float, equity: float, limit: float
) -> None:
    market = replace(MARKETS[symbol], mid=mid)
    state = replace(account(), equity=equity, markets={**MARKETS, symbol: market})
    limits = replace(LIMITS, position_weight=limit, order_notional=limit)
    order = Order(symbol, quantity, price)
    if not check_order(order, state, limits):
        assert 0 < order.notional <= limit * (1 + SLACK)
        assert abs(price / mid - 1.0) <= 0.02 + SLACK
