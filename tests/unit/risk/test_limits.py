"""The pre-trade gate: each limit at its edge, what lowers risk, and what counts when."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from risk.limits import (
    AccountState,
    Holding,
    LimitCode,
    Limits,
    MarketState,
    Order,
    Severity,
    Target,
    Window,
    check_order,
    check_target,
    use,
)

BTC, ETH, SWAP = "BTC/USDT", "ETH/USDT", "BTC/USDT:USDT"
SPOT = MarketState(
    mid=100.0, last=100.0, quote_age=0.5, depth=50_000.0, lot_size=0.01, min_quantity=0.05, min_notional=5.0, fee=0.001
)
MARKETS = {BTC: SPOT, ETH: replace(SPOT, mid=10.0, last=10.0), SWAP: replace(SPOT, spot=False, margin=0.2)}
STATE = AccountState(
    now=1_000_000.0,
    equity=10_000.0,
    day_start_equity=10_000.0,
    peak_equity=10_000.0,
    free_quote=8_000.0,
    holdings={BTC: Holding(20.0)},
    markets=MARKETS,
)
OFF: dict[str, Any] = {field.name: None for field in fields(Limits)}
WIDE = Limits(**{**OFF, "symbols": frozenset(MARKETS), "reserve": 0.0})
BUY = Order(BTC, 1.0, 100.0)


def codes(order: Order, state: AccountState, limits: Limits) -> list[LimitCode]:
    return [denial.code for denial in check_order(order, state, limits)]


def market(**changes: Any) -> AccountState:
    """The state with another BTC market."""
    return replace(STATE, markets={**MARKETS, BTC: replace(SPOT, **changes)})


SENT = STATE.count_sent(Order(ETH, 100.0, 10.0), STATE.now - 30.0)  # 1000 of notional, half a minute ago
SENT = replace(SENT, now=STATE.now)

# code · order · state · limits that just allow it · limits that just do not
EDGES: list[tuple[LimitCode, Order, AccountState, dict[str, float], dict[str, float]]] = [
    (LimitCode.QUOTE_AGE, BUY, STATE, {"quote_age": 0.5}, {"quote_age": 0.49}),
    (LimitCode.PRICE_BAND_MID, replace(BUY, price=102.0), STATE, {"price_band_mid": 0.02}, {"price_band_mid": 0.019}),
    (LimitCode.PRICE_BAND_MID, replace(BUY, price=98.0), STATE, {"price_band_mid": 0.02}, {"price_band_mid": 0.019}),
    (LimitCode.PRICE_BAND_LAST, BUY, market(last=125.0), {"price_band_last": 0.2}, {"price_band_last": 0.19}),
    (LimitCode.ORDER_NOTIONAL, BUY, STATE, {"order_notional": 100.0}, {"order_notional": 99.9}),
    (LimitCode.BOOK_DEPTH, BUY, STATE, {"book_depth": 0.002}, {"book_depth": 0.0019}),
    (LimitCode.POSITION_WEIGHT, BUY, STATE, {"position_weight": 0.21}, {"position_weight": 0.209}),
    (LimitCode.GROSS_LEVERAGE, BUY, SENT, {"gross_leverage": 0.31}, {"gross_leverage": 0.309}),
    (LimitCode.GROSS_LEVERAGE, Order(SWAP, -1.0, 100.0), SENT, {"gross_leverage": 0.31}, {"gross_leverage": 0.309}),
    (LimitCode.NET_LEVERAGE, BUY, SENT, {"net_leverage": 0.31}, {"net_leverage": 0.309}),
    (LimitCode.CYCLE_TURNOVER, BUY, SENT, {"cycle_turnover": 0.11}, {"cycle_turnover": 0.109}),
    (LimitCode.DAY_TURNOVER, BUY, SENT, {"day_turnover": 0.11}, {"day_turnover": 0.109}),
    (LimitCode.ORDERS_PER_MINUTE, BUY, SENT, {"orders_per_minute": 2}, {"orders_per_minute": 1}),
    (LimitCode.ORDERS_PER_DAY, BUY, SENT, {"orders_per_day": 2}, {"orders_per_day": 1}),
    (LimitCode.OPEN_ORDERS, BUY, SENT, {"open_orders": 2}, {"open_orders": 1}),
    (LimitCode.BALANCE, Order(BTC, 50.0, 100.0), STATE, {"reserve": 0.2995}, {"reserve": 0.2996}),
    (LimitCode.BALANCE, Order(SWAP, 50.0, 100.0), STATE, {"reserve": 0.6995}, {"reserve": 0.6996}),
    (LimitCode.DAILY_LOSS, BUY, replace(STATE, equity=9_500.0), {"daily_loss": 0.05}, {"daily_loss": 0.049}),
    (LimitCode.DRAWDOWN, BUY, replace(STATE, peak_equity=12_500.0), {"drawdown": 0.2}, {"drawdown": 0.199}),
]


@pytest.mark.parametrize(("code", "order", "state", "allows", "refuses"), EDGES)
def test_each_ceiling_allows_its_limit_and_refuses_beyond(
    code: LimitCode, order: Order, state: AccountState, allows: dict[str, float], refuses: dict[str, float]
) -> None:
    assert check_order(order, state, replace(WIDE, **allows)) == ()  # type: ignore[arg-type]  # all are numbers
    (denial,) = check_order(order, state, replace(WIDE, **refuses))  # type: ignore[arg-type]  # all are numbers
    assert denial.code is code
    assert denial.subject == order.symbol
    assert denial.value > denial.limit
    assert order.symbol in denial.message
    halts = {LimitCode.DAILY_LOSS, LimitCode.DRAWDOWN}
    assert denial.severity is (Severity.HALT if code in halts else Severity.DENY)


MARKET_RULES = [
    (LimitCode.SYMBOL_NOT_ALLOWED, BUY, STATE, replace(WIDE, symbols=frozenset({ETH}))),
    (LimitCode.BELOW_MINIMUM, replace(BUY, quantity=0.04), market(min_notional=0.0), WIDE),
    (LimitCode.BELOW_MINIMUM, replace(BUY, quantity=-0.06), market(min_notional=6.1), WIDE),
    (LimitCode.OFF_STEP, replace(BUY, quantity=1.005), STATE, WIDE),
    (LimitCode.COIN_BALANCE, replace(BUY, quantity=-20.01), STATE, WIDE),
    (LimitCode.COIN_BALANCE, Order(ETH, -1.0, 10.0), STATE, WIDE),
    (LimitCode.BOOK_DEPTH, BUY, market(depth=0.0), replace(WIDE, book_depth=1.0)),
]


@pytest.mark.parametrize(("code", "order", "state", "limits"), MARKET_RULES)
def test_rules_of_the_market(code: LimitCode, order: Order, state: AccountState, limits: Limits) -> None:
    assert codes(order, state, limits) == [code]


def test_every_code_is_tried_above_or_below() -> None:
    tried = {row[0] for row in EDGES} | {row[0] for row in MARKET_RULES}
    of_targets = {LimitCode.VALUE_AT_RISK, LimitCode.EXPECTED_SHORTFALL}
    assert tried | of_targets | {LimitCode.INVALID_INPUT} == set(LimitCode)


@pytest.mark.parametrize("quantity", [1.0, 0.07, 12.34, 999_999.99, 0.1 + 0.2])
def test_a_multiple_of_the_lot_is_one_in_floats_too(quantity: float) -> None:
    rich = replace(STATE, free_quote=1e12, equity=1e12)
    assert codes(replace(BUY, quantity=quantity), rich, WIDE) == []


def test_all_reasons_are_told_at_once() -> None:
    limits = replace(WIDE, order_notional=50.0, book_depth=0.001, symbols=frozenset({ETH}))
    assert codes(BUY, STATE, limits) == [
        LimitCode.SYMBOL_NOT_ALLOWED,
        LimitCode.ORDER_NOTIONAL,
        LimitCode.BOOK_DEPTH,
    ]


def test_the_message_says_what_how_much_and_the_limit() -> None:
    (denial,) = check_order(BUY, STATE, replace(WIDE, position_weight=0.2))
    assert denial.message == "BTC/USDT: the weight after the order could be 21.00%, above the limit of 20.00%"


def test_a_book_outside_its_limits_may_trade_towards_them_only() -> None:
    tight = replace(WIDE, position_weight=0.1, gross_leverage=0.1, net_leverage=0.1)
    assert codes(Order(BTC, -5.0, 100.0), STATE, tight) == []
    exposure = [LimitCode.POSITION_WEIGHT, LimitCode.GROSS_LEVERAGE, LimitCode.NET_LEVERAGE]
    assert codes(Order(BTC, 0.1, 100.0), STATE, tight) == exposure


def test_lowering_risk_excuses_neither_price_nor_age_nor_count() -> None:
    limits = replace(
        WIDE, position_weight=0.1, quote_age=0.1, price_band_mid=0.01, price_band_last=0.01, orders_per_day=0
    )
    assert codes(Order(BTC, -5.0, 95.0), STATE, limits) == [
        LimitCode.QUOTE_AGE,
        LimitCode.PRICE_BAND_MID,
        LimitCode.PRICE_BAND_LAST,
        LimitCode.ORDERS_PER_DAY,
    ]


def test_an_order_in_flight_is_no_relief_for_the_next() -> None:
    limits = replace(WIDE, gross_leverage=0.2, position_weight=0.2)
    selling = STATE.count_sent(Order(BTC, -10.0, 100.0), STATE.now)
    assert codes(Order(ETH, 50.0, 10.0), selling, limits) == [LimitCode.GROSS_LEVERAGE]
    assert codes(Order(BTC, 5.0, 100.0), selling, limits) == [LimitCode.POSITION_WEIGHT, LimitCode.GROSS_LEVERAGE]
    filled = replace(selling, holdings={BTC: Holding(10.0)})
    assert codes(Order(ETH, 50.0, 10.0), filled, limits) == []


def test_sales_in_flight_cannot_sell_the_same_coins_twice() -> None:
    selling = STATE.count_sent(Order(BTC, -15.0, 100.0), STATE.now)
    assert codes(Order(BTC, -5.0, 100.0), selling, WIDE) == []
    assert codes(Order(BTC, -5.01, 100.0), selling, WIDE) == [LimitCode.COIN_BALANCE]


def test_flipping_a_swap_counts_at_its_far_end() -> None:
    long = replace(STATE, holdings={SWAP: Holding(10.0)})
    limits = replace(WIDE, position_weight=0.1)
    assert codes(Order(SWAP, -20.0, 100.0), long, limits) == []
    assert codes(Order(SWAP, -20.5, 100.0), long, limits) == [LimitCode.POSITION_WEIGHT]


def test_a_swap_needs_margin_only_for_what_it_adds() -> None:
    short_of_cash = replace(STATE, free_quote=0.0, holdings={SWAP: Holding(10.0)})
    assert codes(Order(SWAP, -10.0, 100.0), short_of_cash, WIDE) == []
    assert codes(Order(SWAP, 1.0, 100.0), short_of_cash, WIDE) == [LimitCode.BALANCE]
    assert STATE.quote_needed(Order(SWAP, -10.0, 100.0)) == pytest.approx(1000 * 0.2 + 1.0)


def test_sending_counts_at_once_and_changes_nothing_in_place() -> None:
    after = STATE.count_sent(BUY, STATE.now + 1.0)
    assert after.now == STATE.now + 1.0
    assert after.open_orders == 1
    assert after.cycle_notional == pytest.approx(100.0)
    assert after.free_quote == pytest.approx(8_000.0 - 100.1)
    assert after.holding(BTC) == Holding(20.0, buying=1.0)
    assert (after.minute.count(after.now), after.day.total(after.now)) == (1, 100.0)
    assert (STATE.open_orders, STATE.holding(BTC), STATE.minute.entries) == (0, Holding(20.0), ())
    again = after.begin_cycle(STATE.now + 5.0)
    assert (again.cycle_notional, again.day.total(again.now)) == (0.0, 100.0)


def test_windows_forget_after_their_span_and_never_before() -> None:
    window = Window(60.0)
    for second in range(10):
        window = window.add(100.0 + second, 1.0)
    assert window.count(109.0) == 10
    assert window.count(160.0 - 1e-9) == 10
    assert window.count(160.0) == 9
    assert window.total(169.0) == 0.0


def test_windows_stay_small_and_forget_late_when_events_crowd() -> None:
    window = Window(86_400.0)
    for i in range(20_000):
        window = window.add(i * 5.0, 2.0)
    assert len(window.entries) <= 1441
    at = 19_999 * 5.0
    within = sum(1 for i in range(20_000) if i * 5.0 > at - 86_400.0)
    assert within <= window.count(at) <= within + 12
    assert window.total(at) == 2.0 * window.count(at)


def test_a_clock_set_back_forgets_nothing() -> None:
    window = Window(60.0).add(1000.0, 1.0).add(400.0, 1.0)
    assert window.count(400.0) == 2
    assert window.add(401.0, 1.0).count(401.0) == 3


TARGET = Target(weights={BTC: 0.3, ETH: 0.2})


def target_codes(target: Target, limits: Limits, state: AccountState = STATE) -> list[LimitCode]:
    return [denial.code for denial in check_target(target, state, limits)]


@pytest.mark.parametrize(
    ("code", "limit", "edge"),
    [
        (LimitCode.POSITION_WEIGHT, "position_weight", 0.3),
        (LimitCode.GROSS_LEVERAGE, "gross_leverage", 0.5),
        (LimitCode.NET_LEVERAGE, "net_leverage", 0.5),
        (LimitCode.CYCLE_TURNOVER, "cycle_turnover", 0.3),
        (LimitCode.VALUE_AT_RISK, "value_at_risk", 0.04),
        (LimitCode.EXPECTED_SHORTFALL, "expected_shortfall", 0.05),
    ],
)
def test_a_target_is_held_to_the_same_limits(code: LimitCode, limit: str, edge: float) -> None:
    target = replace(TARGET, value_at_risk=0.04, expected_shortfall=0.05)
    assert target_codes(target, replace(WIDE, **{limit: edge})) == []  # type: ignore[arg-type]  # a number
    assert target_codes(target, replace(WIDE, **{limit: edge - 0.001})) == [code]  # type: ignore[arg-type]  # a number


def test_a_target_that_is_safer_than_the_book_is_let_through() -> None:
    limits = replace(WIDE, value_at_risk=0.03, gross_leverage=0.1, net_leverage=0.1, position_weight=0.1)
    safer = Target(weights={BTC: 0.15}, value_at_risk=0.035, value_at_risk_before=0.04)
    assert target_codes(safer, limits) == []
    assert target_codes(replace(safer, value_at_risk_before=0.034), limits) == [LimitCode.VALUE_AT_RISK]
    assert target_codes(replace(safer, value_at_risk_before=None), limits) == [LimitCode.VALUE_AT_RISK]


def test_a_risk_that_is_not_known_breaks_its_limit() -> None:
    assert target_codes(TARGET, WIDE) == []
    assert target_codes(TARGET, replace(WIDE, expected_shortfall=0.5)) == [LimitCode.EXPECTED_SHORTFALL]


def test_a_symbol_off_the_list_may_only_be_left() -> None:
    only_eth = replace(WIDE, symbols=frozenset({ETH}))
    assert target_codes(Target(weights={BTC: 0.1, ETH: 0.1}), only_eth) == []
    assert target_codes(Target(weights={BTC: 0.21}), only_eth) == [LimitCode.SYMBOL_NOT_ALLOWED]


def test_losses_halt_targets_too() -> None:
    state = replace(STATE, equity=9_000.0)
    found = check_target(TARGET, state, replace(WIDE, daily_loss=0.05, drawdown=0.05))
    assert [(denial.code, denial.severity) for denial in found] == [
        (LimitCode.DAILY_LOSS, Severity.HALT),
        (LimitCode.DRAWDOWN, Severity.HALT),
    ]


def test_use_tells_how_far_each_limit_is_used() -> None:
    limits = replace(
        WIDE,
        position_weight=0.4,
        gross_leverage=1.0,
        day_turnover=0.2,
        orders_per_minute=4,
        daily_loss=0.1,
        drawdown=0.0,
    )
    rows = {row.code: row for row in use(limits, replace(SENT, day_start_equity=9_000.0))}
    assert rows[LimitCode.POSITION_WEIGHT].fraction == pytest.approx(0.5)
    assert rows[LimitCode.GROSS_LEVERAGE].used == pytest.approx(0.3)
    assert rows[LimitCode.DAY_TURNOVER].fraction == pytest.approx(0.5)
    assert rows[LimitCode.ORDERS_PER_MINUTE].fraction == pytest.approx(0.25)
    assert rows[LimitCode.DAILY_LOSS].used == 0.0
    assert rows[LimitCode.DRAWDOWN].fraction == 0.0
    assert LimitCode.NET_LEVERAGE not in rows
    measured = Target(weights={}, value_at_risk=0.02)
    (row,) = (r for r in use(replace(WIDE, value_at_risk=0.08, expected_shortfall=0.1), STATE, measured))
    assert (row.code, row.fraction) == (LimitCode.VALUE_AT_RISK, 0.25)


def test_use_is_not_known_without_a_price() -> None:
    blind = replace(STATE, markets={})
    assert all(math.isnan(row.used) for row in use(replace(WIDE, position_weight=1.0, gross_leverage=1.0), blind))


BAD = [math.nan, math.inf, -math.inf]
NUMBERS = {
    "order": [f.name for f in fields(Order) if f.name != "symbol"],
    "market": [f.name for f in fields(MarketState) if f.name != "spot"],
    "holding": [f.name for f in fields(Holding)],
    "state": ["now", "equity", "day_start_equity", "peak_equity", "free_quote", "open_orders", "cycle_notional"],
    "limits": [f.name for f in fields(Limits) if f.name != "symbols"],
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(("where", "name"), [(where, name) for where, names in NUMBERS.items() for name in names])
def test_an_input_that_is_not_finite_is_always_a_denial(where: str, name: str, bad: float) -> None:
    change: Any = {name: bad}
    order, state, limits = BUY, STATE, WIDE
    match where:
        case "order":
            order = replace(BUY, **change)
        case "market":
            state = market(**change)
        case "holding":
            state = replace(STATE, holdings={**STATE.holdings, ETH: replace(Holding(1.0), **change)})
        case "state":
            state = replace(STATE, **change)
        case _:
            limits = replace(WIDE, **change)
    assert codes(order, state, limits) == [LimitCode.INVALID_INPUT]
    if where not in {"order", "market"}:
        assert target_codes(TARGET, limits, state) == [LimitCode.INVALID_INPUT]


@pytest.mark.parametrize("bad", BAD)
def test_a_window_or_a_target_that_is_not_finite_is_a_denial(bad: float) -> None:
    for name in ("minute", "day"):
        state = replace(STATE, **{name: Window(60.0, ((STATE.now, 1, bad),))})  # type: ignore[arg-type]  # a window
        assert codes(BUY, state, WIDE) == [LimitCode.INVALID_INPUT]
    assert target_codes(replace(TARGET, weights={BTC: bad}), WIDE) == [LimitCode.INVALID_INPUT]
    for name in ("value_at_risk", "expected_shortfall", "value_at_risk_before", "expected_shortfall_before"):
        wrong = replace(TARGET, **{name: bad})  # type: ignore[arg-type]  # a number
        assert target_codes(wrong, WIDE) == [LimitCode.INVALID_INPUT]


@pytest.mark.parametrize(
    ("order", "state"),
    [
        (replace(BUY, price=0.0), STATE),
        (replace(BUY, price=-1.0), STATE),
        (replace(BUY, quantity=0.0), STATE),
        (replace(BUY, quantity=1e200, price=1e200), STATE),
        (replace(BUY, symbol="XRP/USDT"), STATE),
        (BUY, market(mid=0.0)),
        (BUY, market(quote_age=-1.0)),
        (BUY, replace(STATE, equity=0.0)),
        (BUY, replace(STATE, holdings={"XRP/USDT": Holding(1.0)})),
        (BUY, replace(STATE, markets={**MARKETS, ETH: replace(SPOT, mid=math.nan)}, holdings={ETH: Holding(1.0)})),
    ],
)
def test_what_makes_no_sense_is_a_denial(order: Order, state: AccountState) -> None:
    (denial,) = check_order(order, state, WIDE)
    assert denial.code is LimitCode.INVALID_INPUT
    assert denial.message.startswith(order.symbol)


def test_a_market_that_nobody_holds_may_be_silent() -> None:
    quiet = replace(STATE, markets={**MARKETS, ETH: replace(SPOT, mid=math.nan)})
    assert codes(BUY, quiet, WIDE) == []
