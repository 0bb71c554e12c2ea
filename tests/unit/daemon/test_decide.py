"""A decision: the snapshot alone decides, each reason not to trade is told, and what is told adds up."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from daemon.book import value
from daemon.config import to_plain
from daemon.decide import decide
from daemon.decision import Decision, Outcome, Reason
from daemon.sizing import Purpose
from daemon.snapshot import Account, Standing, Trigger
from daemon.store.codec import decode, encode
from exchanges.port import Side
from risk.limits import DAY, MINUTE, Window
from risk.portfolio.optimiser import Optimiser
from risk.signals.regime import Regime
from tests.unit.daemon.parts import AT, HEDGED, quote, regime, settings, signals, snapshot, with_instrument
from tests.unit.daemon.venue import BTC, ETH, SOL, SWAP, market

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.decision import Line
    from daemon.sizing import Leg
    from daemon.snapshot import Snapshot

LOPSIDED = {BTC: "1", ETH: "10"}
"""With 10,000 of cash: weights of 0.6 and 0.3."""


@pytest.fixture(scope="module")
def optimiser() -> Optimiser:
    return Optimiser()


def lopsided(**changes: Any) -> Snapshot:
    return snapshot(held=LOPSIDED, cash="10000", **changes)


def line(decision: Decision, symbol: str) -> Line:
    return next(one for one in decision.lines if one.symbol == symbol)


def leg_of(decision: Decision, symbol: str) -> Leg:
    return next(one for one in decision.legs if one.symbol == symbol)


# ---- the snapshot alone ---------------------------------------------------------------------------------------------


def test_the_same_snapshot_gives_the_same_bytes_whatever_was_solved_before(optimiser: Optimiser) -> None:
    seen = lopsided()
    first = encode(decide(seen, optimiser))
    decide(snapshot(settings(hedge=HEDGED), {BTC: "0.5", SOL: "300"}, "30000"), optimiser)
    decide(snapshot(), optimiser)
    assert encode(decide(seen, optimiser)) == first
    assert encode(decide(seen, Optimiser())) == first
    assert encode(decide(decode(encode(seen)), Optimiser())) == first


def test_the_process_wide_decimal_context_does_not_matter(optimiser: Optimiser) -> None:
    seen = lopsided()
    first = encode(decide(seen, optimiser))
    with localcontext() as context:
        context.prec = 6
        context.rounding = "ROUND_UP"
        assert encode(decide(seen, optimiser)) == first
        assert context.prec == 6


# ---- reasons not to trade -------------------------------------------------------------------------------------------


def test_halted_it_holds(optimiser: Optimiser) -> None:
    decision = decide(lopsided(standing=Standing.HALTED, standing_reason="the venue looks odd"), optimiser)
    assert (decision.outcome, decision.reason) == (Outcome.HOLD, Reason.HALTED)
    assert decision.sentence == "halted: the venue looks odd"
    assert decision.legs == ()


def test_with_an_order_in_doubt_it_holds(optimiser: Optimiser) -> None:
    decision = decide(lopsided(unresolved=("a", "b")), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.HOLD, Reason.UNRESOLVED, ())
    assert decision.sentence == "2 orders have not come to their end"


def test_without_a_price_it_refuses_and_says_of_what(optimiser: Optimiser) -> None:
    decision = decide(with_instrument(lopsided(), ETH, quote=None, age=math.inf), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.REFUSE, Reason.NO_PRICE, ())
    assert decision.sentence == "no price yet of ETH/USDT"


def test_with_every_price_stale_it_refuses(optimiser: Optimiser) -> None:
    seen = lopsided()
    for symbol, age in ((BTC, 30.0), (ETH, 21.5), (SOL, 40.0)):
        seen = with_instrument(seen, symbol, age=age)
    decision = decide(seen, optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.REFUSE, Reason.STALE_PRICE, ())
    assert decision.sentence == "no market has a fresh price: the youngest is 21.5 s old"


def test_without_equity_it_refuses(optimiser: Optimiser) -> None:
    decision = decide(snapshot(cash="0"), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.REFUSE, Reason.NO_EQUITY, ())
    assert "nothing to invest" in decision.sentence


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (None, "warming up: too few bars to know the risk, or a price that has not moved in them"),
        (
            signals(returns=signals().returns[:40], seconds=np.full(40, 3600.0)),
            "warming up: 40 of 100 bars for the tail",
        ),
    ],
)
def test_warming_up_it_holds(optimiser: Optimiser, known: object, words: str) -> None:
    decision = decide(lopsided(signals=known), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.HOLD, Reason.WARMING_UP, ())
    assert decision.sentence.startswith(words)
    assert decision.equity == 100_000


def test_limits_that_cannot_all_be_kept_are_named(optimiser: Optimiser) -> None:
    tight = settings(portfolio={"cash_floor": 0.0, "cash_ceiling": 0.05}, optimiser={"max_turnover": 0.1})
    decision = decide(snapshot(tight), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.REFUSE, Reason.INFEASIBLE, ())
    assert "would have to give: cash_ceiling by 0.85" in decision.sentence
    assert decision.expected_cost == 0


def test_numbers_that_are_none_are_refused_by_name(optimiser: Optimiser) -> None:
    broken = signals()
    broken.covariance[0, 1] = 5.0  # not symmetric
    decision = decide(lopsided(signals=broken), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.REFUSE, Reason.BAD_INPUT, ())


def test_a_target_beyond_a_risk_limit_is_refused_whole(optimiser: Optimiser) -> None:
    decision = decide(snapshot(settings(limits={"max_value_at_risk": 0.001})), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.REFUSE, Reason.RISK_LIMIT, ())
    assert decision.refusals[0].code == "value_at_risk"
    assert decision.sentence.startswith("target: value at risk is")
    assert not decision.refusals[0].halts


def test_an_order_beyond_a_limit_is_refused_and_named(optimiser: Optimiser) -> None:
    minute = Window(MINUTE).add(AT.timestamp() - 1, 1.0)
    decision = decide(lopsided(minute=minute, settings=plain(limits={"max_orders_minute": 3})), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.REFUSE, Reason.ORDER_LIMIT, ())
    assert [(one.code, one.symbol) for one in decision.refusals] == [("orders_per_minute", SOL)]


def test_turnover_of_the_day_counts_what_was_sent_before(optimiser: Optimiser) -> None:
    day = Window(DAY).add(AT.timestamp() - 3600, 950_000.0)
    decision = decide(lopsided(day=day), optimiser)
    assert decision.reason is Reason.ORDER_LIMIT
    assert {one.code for one in decision.refusals} == {"day_turnover"}


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (Account(Decimal(10_000), Decimal(10_000), Decimal(140_000), None), "drawdown"),
        (Account(Decimal(10_000), Decimal(10_000), None, Decimal(120_000)), "daily_loss"),
    ],
)
def test_a_loss_beyond_the_brakes_asks_for_the_breaker(optimiser: Optimiser, account: Account, code: str) -> None:
    decision = decide(lopsided(account=account), optimiser)
    assert decision.outcome is Outcome.REFUSE
    assert {one.code for one in decision.refusals if one.halts} == {code}
    assert decision.legs == ()


def test_where_the_book_is_at_its_best_nothing_is_traded(optimiser: Optimiser) -> None:
    decision = decide(snapshot(held=BALANCED, cash="36000"), optimiser)
    assert (decision.outcome, decision.reason, decision.legs) == (Outcome.HOLD, Reason.INSIDE_REGION, ())
    assert decision.sentence == "every weight is inside its no-trade region"
    assert all(one.inside and one.planned == one.weight for one in decision.lines)


def plain(**sections: Mapping[str, Any]) -> Mapping[str, object]:
    return to_plain(settings(**sections))


# ---- trading --------------------------------------------------------------------------------------------------------


def test_sells_come_before_buys_and_both_lead_where_the_lines_say(optimiser: Optimiser) -> None:
    decision = decide(lopsided(), optimiser)
    assert (decision.outcome, decision.reason) == (Outcome.TRADE, Reason.REBALANCE)
    assert [(one.symbol, one.side) for one in decision.legs] == [(BTC, Side.SELL), (ETH, Side.SELL), (SOL, Side.BUY)]
    assert [one.index for one in decision.legs] == [0, 1, 2]
    assert [one.phase for one in decision.legs] == [0, 0, 1]
    for one in decision.lines:
        signed = sum(leg.side.sign * leg.notional for leg in decision.legs if leg.symbol == one.symbol)
        assert one.planned == pytest.approx(one.weight + float(signed) / 100_000, abs=1e-12)
        assert one.cost == sum(leg.expected_cost for leg in decision.legs if leg.symbol == one.symbol)
        assert one.low <= one.high
    assert decision.expected_cost == sum(one.cost for one in decision.lines)
    assert decision.before is not None
    assert decision.after is not None
    assert decision.before.volatility > decision.after.volatility
    assert decision.after.gross == pytest.approx(sum(one.planned for one in decision.lines))
    assert decision.sentence.startswith("trade 3 legs, ")


def test_buys_with_their_fees_fit_the_cash_at_the_worst_price(optimiser: Optimiser) -> None:
    own = settings(portfolio={"cash_floor": 0.0, "cash_ceiling": 0.002}, limits={"fee_reserve_bps": 0})
    for seen in (snapshot(own), snapshot(own, LOPSIDED, "10000"), snapshot(own, {BTC: "2"}, "1")):
        decision = decide(seen, optimiser)
        assert decision.outcome is Outcome.TRADE, decision.sentence
        fee = Decimal("0.001")
        spent = sum(one.quantity * one.price_cap * (1 + fee) for one in decision.legs if one.side is Side.BUY)
        came = sum(one.quantity * one.price_cap * (1 - fee) for one in decision.legs if one.side is Side.SELL)
        assert spent <= seen.account.free_cash + came


def test_what_the_market_would_not_take_is_named_as_dust(optimiser: Optimiser) -> None:
    seen = lopsided()
    for symbol, lot in ((BTC, "10"), (ETH, "100"), (SOL, "10000")):
        seen = with_instrument(seen, symbol, market=market(symbol, lot_size=Decimal(lot), min_amount=Decimal(lot)))
    decision = decide(seen, optimiser)
    assert (decision.outcome, decision.legs) == (Outcome.HOLD, ())
    seen = with_instrument(lopsided(), BTC, market=market(BTC, min_amount=Decimal("0.9")))
    decision = decide(seen, optimiser)
    assert decision.outcome in {Outcome.TRADE, Outcome.HOLD}
    assert BTC not in {one.symbol for one in decision.legs}


def test_cash_that_is_too_little_for_a_buy_leaves_dust_with_its_reason(optimiser: Optimiser) -> None:
    seen = lopsided(account=Account(Decimal(10_000), Decimal(-60_000), None, None))
    decision = decide(seen, optimiser)
    assert not [one for one in decision.legs if one.side is Side.BUY]
    assert line(decision, SOL).dust_reason.startswith("cash left for it is too small")
    assert line(decision, SOL).dust > 0


@pytest.mark.parametrize(
    "change",
    [{"age": 60.0}, {"market": market(BTC, active=False)}, {"quote": replace(quote(BTC), bid=Decimal(60100))}],
)
def test_what_cannot_be_traded_is_left_alone_while_the_others_trade(
    optimiser: Optimiser, change: dict[str, object]
) -> None:
    decision = decide(with_instrument(lopsided(), BTC, **change), optimiser)
    assert decision.outcome is Outcome.TRADE
    assert {one.symbol for one in decision.legs} == {ETH, SOL}
    assert line(decision, BTC).planned == line(decision, BTC).weight


def test_a_symbol_that_is_not_allowed_is_left_alone(optimiser: Optimiser) -> None:
    own = settings(limits={"allowed_symbols": [ETH, SOL]})
    decision = decide(snapshot(own, LOPSIDED, "10000"), optimiser)
    assert {one.symbol for one in decision.legs} == {ETH, SOL}


def test_reducing_no_weight_grows_and_all_may_go_to_cash(optimiser: Optimiser) -> None:
    decision = decide(lopsided(standing=Standing.REDUCING), optimiser)
    assert (decision.outcome, decision.reason) == (Outcome.TRADE, Reason.REDUCING)
    assert {one.side for one in decision.legs} == {Side.SELL}
    assert all(abs(one.planned) <= abs(one.weight) for one in decision.lines)


def test_a_stressed_regime_is_more_careful_and_shortens_the_cycle(optimiser: Optimiser) -> None:
    views = plain(
        signals={"expected_returns": {"model": "given"}},
        portfolio={"cash_ceiling": 1.0, "overrides": {name: {"expected_return": 0.9} for name in (BTC, ETH, SOL)}},
    )
    calm = decide(snapshot(settings=views), optimiser)
    stressed = regime(Regime.STRESSED, interval=0.25, aversion=3.0)
    tense = decide(snapshot(settings=views, signals=signals(regime=stressed)), optimiser)
    assert (calm.regime, tense.regime) == ("calm", "stressed")
    assert tense.risk_aversion == pytest.approx(3 * (calm.risk_aversion or 0))
    assert (calm.cycle_factor, tense.cycle_factor) == (1.0, 0.25)
    assert tense.after is not None
    assert calm.after is not None
    assert tense.after.volatility < calm.after.volatility


def test_a_closed_position_leaves_nothing_behind(optimiser: Optimiser) -> None:
    none = plain(portfolio={"overrides": {SOL: {"max_weight": 0.0}}})
    seen = with_instrument(snapshot(held={BTC: "0.4", ETH: "8", SOL: "0"}, cash="50000", settings=none), SOL,
                           quantity=Decimal("33.33337"), free=Decimal("33.33337"))  # fmt: skip
    decision = decide(seen, optimiser)
    assert leg_of(decision, SOL).quantity == Decimal("33.3333")


# ---- the hedge ------------------------------------------------------------------------------------------------------

BALANCED = {BTC: "0.4667", ETH: "9.3333", SOL: "186.6667"}
"""With 36,000 of cash and a flat swap: weights of 0.233 each, of which the beta to the swap is 0.467."""


def hedged(swap: str = "0", **changes: Any) -> Snapshot:
    return snapshot(settings(hedge=HEDGED), {**BALANCED, SWAP: swap}, "36000", **changes)


def test_net_beta_is_brought_to_the_edge_of_its_band(optimiser: Optimiser) -> None:
    decision = decide(hedged(), optimiser)
    assert (decision.outcome, decision.reason) == (Outcome.TRADE, Reason.HEDGE)
    (short,) = decision.legs
    assert (short.symbol, short.side, short.purpose, short.phase) == (SWAP, Side.SELL, Purpose.HEDGE, 1)
    assert not short.reduce_only
    assert decision.after is not None
    assert decision.after.beta == pytest.approx(0.4, abs=1e-3)


def test_inside_the_band_the_hedge_is_let_be(optimiser: Optimiser) -> None:
    decision = decide(hedged("-0.3"), optimiser)
    assert (decision.reason, decision.legs) == (Reason.INSIDE_REGION, ())


def test_a_hedge_that_is_too_large_is_reduced_only(optimiser: Optimiser) -> None:
    (closing,) = decide(hedged("-0.8"), optimiser).legs
    assert (closing.side, closing.reduce_only, closing.phase) == (Side.BUY, True, 0)
    assert closing.quantity <= Decimal("0.8")


def test_a_hedge_that_turns_is_closed_whole_first_and_opened_then(optimiser: Optimiser) -> None:
    closing, opening = decide(hedged("0.1"), optimiser).legs
    assert (closing.side, closing.reduce_only, closing.quantity) == (Side.SELL, True, Decimal("0.1"))
    assert (opening.side, opening.reduce_only, opening.phase) == (Side.SELL, False, 1)


def test_reducing_a_hedge_may_shrink_and_not_grow(optimiser: Optimiser) -> None:
    decision = decide(hedged(standing=Standing.REDUCING), optimiser)
    assert SWAP not in {one.symbol for one in decision.legs}


@pytest.mark.parametrize("change", [{"age": 60.0}, {"market": market(SWAP, active=False)}])
def test_a_hedge_that_cannot_be_traded_is_let_be(optimiser: Optimiser, change: dict[str, object]) -> None:
    assert decide(with_instrument(hedged(), SWAP, **change), optimiser).legs == ()


# ---- the book -------------------------------------------------------------------------------------------------------


def test_the_book_is_cash_spot_and_the_open_profit_of_derivatives() -> None:
    seen = with_instrument(hedged("-0.5"), SWAP, entry=Decimal(62000))
    book = value(seen, Decimal(4))
    spot = Decimal("0.4667") * 60000 + Decimal("9.3333") * 3000 + Decimal("186.6667") * 150
    assert book.equity == 36000 + spot + Decimal("0.5") * 2000
    assert book.margin == Decimal("0.5") * 60000 / 4
    assert book.weights[-1] == pytest.approx(float(-30000 / book.equity))


def test_what_a_cycle_was_called_by_stands_in_its_decision(optimiser: Optimiser) -> None:
    decision = decide(lopsided(trigger=Trigger.DRIFT, decision_id="x"), optimiser)
    assert (decision.id, decision.trigger, decision.at) == ("x", Trigger.DRIFT, AT)
