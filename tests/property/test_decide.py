"""Whatever the book, the prices and the market's rules: no order that a market would refuse or the cash not bear."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.decide import decide
from daemon.decision import Outcome
from daemon.sizing import Purpose, Wish, fit_to_cash, size
from daemon.snapshot import Account, Standing
from daemon.store.codec import encode
from exchanges.port import Side
from risk.portfolio.optimiser import Optimiser
from tests.unit.daemon import parts
from tests.unit.daemon.venue import BTC, ETH, SOL, SWAP, market

if TYPE_CHECKING:
    from daemon.snapshot import Instrument, Snapshot

OPTIMISER = Optimiser()
FEE = Decimal("0.001")

prices = st.decimals(min_value="0.0001", max_value="100000", places=6).filter(lambda price: price > 0)
steps = st.sampled_from([Decimal(10) ** -power for power in range(9)] + [Decimal("0.5"), Decimal("0.025"), Decimal(7)])
amounts = st.decimals(min_value=0, max_value="5000", places=9)


@st.composite
def instruments(draw: st.DrawFn, symbol: str) -> Instrument:
    lot = draw(steps)
    of = market(
        symbol,
        lot_size=lot,
        tick_size=draw(steps) / 1000,
        min_amount=lot * draw(st.integers(1, 20)),
        min_notional=draw(st.sampled_from([Decimal(0), Decimal(1), Decimal(10)])),
    )
    held = draw(amounts)
    if symbol == SWAP:
        held = draw(st.sampled_from([held, -held]))
    return parts.instrument(symbol, str(held), of, quote=parts.quote(symbol, str(draw(prices))))


@st.composite
def wishes(draw: st.DrawFn) -> list[Wish]:
    made = []
    for symbol in draw(st.lists(st.sampled_from([BTC, ETH, SOL, SWAP]), unique=True, min_size=1)):
        one = draw(instruments(symbol))
        change = draw(st.floats(-2.0, 2.0).filter(lambda value: value != 0))
        reduce_only = symbol == SWAP and change * float(one.quantity) < 0
        close = not reduce_only and change < 0 and draw(st.booleans())
        made.append(Wish(one, change, close, reduce_only, Purpose.REBALANCE, 0.001))
    return made


@given(wishes(), st.decimals(min_value="1", max_value="1e7", places=4), st.decimals("-1e5", "1e7", places=4),
       st.sampled_from([Decimal(0), Decimal("0.0025"), Decimal("0.01")]))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_every_leg_is_one_that_the_market_takes_and_the_account_bears(
    asked: list[Wish], equity: Decimal, spendable: Decimal, price_cap: Decimal
) -> None:
    legs, dust = size(asked, equity, spendable, price_cap)
    by_symbol = {wish.instrument.symbol: wish for wish in asked}
    came = spent = Decimal(0)
    for leg in legs:
        wish = by_symbol[leg.symbol]
        one, of = wish.instrument, wish.instrument.market
        assert leg.quantity % of.lot_size == 0
        assert leg.price_cap % of.tick_size == 0
        assert leg.quantity >= of.min_amount
        assert leg.quantity * min(leg.mid, leg.price_cap) >= of.min_notional
        asked_price = leg.mid * (1 + leg.side.sign * price_cap)
        assert leg.price_cap * leg.side.sign <= asked_price * leg.side.sign
        assert leg.quantity * leg.mid <= Decimal(repr(abs(wish.change))) * equity * Decimal("1.0000001") or wish.close
        assert leg.side is (Side.BUY if wish.change > 0 else Side.SELL)
        if of.is_spot and leg.side is Side.SELL:
            assert leg.quantity <= one.free
            came += leg.quantity * leg.price_cap * (1 - FEE)
        if of.is_spot and leg.side is Side.BUY:
            spent += leg.quantity * leg.price_cap
        if leg.reduce_only:
            assert leg.quantity <= abs(one.quantity)
    assert spent <= max(Decimal(0), spendable + came / (1 + FEE)) * (1 + Decimal("1e-20"))
    assert [leg.index for leg in legs] == list(range(len(legs)))
    assert [leg.phase for leg in legs] == sorted(leg.phase for leg in legs)
    assert not {leg.symbol for leg in legs} & {one.symbol for one in dust}
    assert all(one.why for one in dust)


@given(wishes(), st.decimals("0", "1e6", places=4), st.decimals("0", "1e6", places=4))
@settings(max_examples=100, deadline=None)
def test_less_cash_never_buys_more(asked: list[Wish], less: Decimal, more: Decimal) -> None:
    less, more = sorted((less, more))
    legs, _ = size(asked, Decimal(100_000), Decimal(10) ** 9, Decimal("0.0025"))
    markets = {wish.instrument.symbol: wish.instrument.market for wish in asked}
    buys = [leg for leg in legs if leg.phase == 1]
    poor = {leg.symbol: leg.quantity for leg in fit_to_cash(buys, markets, less)[0]}
    rich = {leg.symbol: leg.quantity for leg in fit_to_cash(buys, markets, more)[0]}
    assert all(quantity <= rich.get(symbol, Decimal(0)) for symbol, quantity in poor.items())


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    hedge = draw(st.booleans())
    own = parts.settings(hedge=parts.HEDGED) if hedge else parts.settings()
    held = {BTC: "0.4", ETH: "8", SOL: "160", SWAP: "-0.1"}
    seen = parts.snapshot(own)
    some = []
    for one in seen.instruments:
        moved = draw(st.floats(0.5, 2.0))
        quantity = Decimal(held[one.symbol]) * Decimal(repr(round(draw(st.floats(0, 3)), 4)))
        price = Decimal(repr(round(float(parts.PRICES[one.symbol]) * moved, 2)))
        some.append(
            replace(
                one,
                quantity=quantity,
                free=abs(quantity),
                quote=parts.quote(one.symbol, str(price)),
                last=float(price),
                age=draw(st.sampled_from([0.1, 0.1, 0.1, 60.0])),
            )
        )
    cash = draw(st.decimals("0", "200000", places=2))
    margin = sum(abs(one.quantity) * one.quote.mid / 3 for one in some if one.symbol == SWAP and one.quote is not None)
    return replace(
        seen,
        instruments=tuple(some),
        account=Account(cash, cash - margin, None, None),
        standing=draw(st.sampled_from([Standing.ACTIVE, Standing.ACTIVE, Standing.REDUCING])),
    )


@given(snapshots())
@settings(max_examples=120, deadline=None)
def test_every_decision_is_whole(seen: Snapshot) -> None:
    decision = decide(seen, OPTIMISER)
    assert decision.sentence
    assert encode(decide(seen, OPTIMISER)) == encode(decision)
    assert bool(decision.legs) is (decision.outcome is Outcome.TRADE)
    instruments_by = {one.symbol: one for one in seen.instruments}
    for leg in decision.legs:
        one = instruments_by[leg.symbol]
        assert one.age <= 10.0
        if seen.standing is Standing.REDUCING:
            assert leg.reduce_only or leg.side is Side.SELL
    if decision.outcome is Outcome.TRADE and decision.equity is not None:
        for line in decision.lines:
            signed = sum(leg.side.sign * leg.notional for leg in decision.legs if leg.symbol == line.symbol)
            assert abs(line.planned - line.weight - float(signed / decision.equity)) < 1e-9
        fees = 1 + FEE
        spot = [leg for leg in decision.legs if instruments_by[leg.symbol].market.is_spot]
        spent = sum(leg.quantity * leg.price_cap * fees for leg in spot if leg.side is Side.BUY)
        came = sum(leg.quantity * leg.price_cap * (1 - FEE) for leg in spot if leg.side is Side.SELL)
        assert spent <= max(Decimal(0), seen.account.free_cash + came)
