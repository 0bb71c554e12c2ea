"""From weights to orders: where float64 becomes `Decimal`, rounded by the market's rules toward safety.

A leg is always for the difference. What is smaller than the venue's minimum is left as dust and named, never
round-tripped. Sells come in phase 0; buys in phase 1 are sized here against the cash that the sells should
bring, and once more by `fit_to_cash` against the cash that they did bring.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal, localcontext
from enum import StrEnum
from typing import TYPE_CHECKING

from exchanges.port import ZERO, Market, Side
from exchanges.precision import PriceRounding, below_minimum, round_price, round_quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.snapshot import Instrument


WHOLE = Decimal("0.999999999")
"""The share of a position from which on all of it is meant: a weight is a float, and a lot must not stay for that."""


class Purpose(StrEnum):
    """Why a leg is traded."""

    REBALANCE = "rebalance"
    HEDGE = "hedge"


@dataclass(frozen=True, slots=True)
class Leg:
    """One trade of a decision.

    Args:
        index: its number within the decision.
        phase: 0 for what frees cash or margin, 1 for what needs it.
        quantity: in base coin, a multiple of the market's lot.
        price_cap: the worst price at which it may fill.
        mid: the price that the decision saw; what slippage is measured against.
        expected_cost: in quote coin, by the cost model.
    """

    index: int
    phase: int
    symbol: str
    side: Side
    quantity: Decimal
    price_cap: Decimal
    mid: Decimal
    reduce_only: bool
    purpose: Purpose
    expected_cost: Decimal

    @property
    def least_price(self) -> Decimal:
        """The lower of the price seen and the limit price: a venue's least notional must be met at either."""
        return min(self.mid, self.price_cap)

    @property
    def notional(self) -> Decimal:
        """Quantity at the price that the decision saw."""
        return self.quantity * self.mid


@dataclass(frozen=True, slots=True)
class Wish:
    """A change of weight to be turned into a leg.

    Args:
        change: signed, as a fraction of equity.
        close: the target is nothing at all, so sell whatever is there.
    """

    instrument: Instrument
    change: float
    close: bool
    reduce_only: bool
    purpose: Purpose
    cost_rate: float


@dataclass(frozen=True, slots=True)
class Dust:
    """A wish that the market's minimum forbids: `value` in quote coin, signed like the wish, and why."""

    symbol: str
    value: Decimal
    why: str


def to_decimal(value: float) -> Decimal:
    """Return the shortest decimal that reads back as this float."""
    return Decimal(repr(float(value)))


def size(
    wishes: Sequence[Wish], equity: Decimal, spendable: Decimal, price_cap: Decimal
) -> tuple[tuple[Leg, ...], tuple[Dust, ...]]:
    """Turn wishes into legs, sells first, and name what remains as dust.

    Args:
        wishes: every instrument must have a quote.
        equity: value of the book in quote coin.
        spendable: cash that buys may use before any sell, after fees and the floor.
        price_cap: how far beyond the mid an order may fill, as a fraction.

    Returns:
        The legs, numbered from 0 in the order in which they are to be sent, and the dust.
    """
    legs: list[Leg] = []
    dust: list[Dust] = []
    for wish in wishes:
        sized = _size_one(wish, equity, price_cap)
        if isinstance(sized, Leg):
            legs.append(sized)
        elif sized is not None:
            dust.append(sized)
    sells = [leg for leg in legs if leg.phase == 0]
    buys = [leg for leg in legs if leg.phase == 1]
    markets = {wish.instrument.symbol: wish.instrument.market for wish in wishes}
    fees = {wish.instrument.symbol: wish.instrument.taker_fee for wish in wishes}
    proceeds = sum(
        (leg.quantity * leg.price_cap * (1 - fees[leg.symbol]) for leg in sells if markets[leg.symbol].is_spot),
        start=ZERO,
    )
    after_fees = _ratio(proceeds, 1 + max(fees.values(), default=ZERO))
    fitted, shortfall = fit_to_cash(buys, markets, spendable + after_fees)
    ordered = [*sells, *fitted]
    return tuple(replace(leg, index=index) for index, leg in enumerate(ordered)), (*dust, *shortfall)


def fit_to_cash(
    buys: Sequence[Leg], markets: dict[str, Market], cash: Decimal
) -> tuple[tuple[Leg, ...], tuple[Dust, ...]]:
    """Scale spot buys down so that their worst cost fits the cash; what is too small becomes dust."""
    need = sum((leg.quantity * leg.price_cap for leg in buys if markets[leg.symbol].is_spot), start=ZERO)
    if not need or need <= cash:
        return tuple(buys), ()
    share = _ratio(max(cash, ZERO), need)
    legs: list[Leg] = []
    dust: list[Dust] = []
    for leg in buys:
        market = markets[leg.symbol]
        if not market.is_spot:
            legs.append(leg)
            continue
        quantity = round_quantity(market, leg.quantity * share)
        why = below_minimum(market, quantity, leg.least_price)
        if why is None:
            scale = _ratio(quantity, leg.quantity)
            legs.append(replace(leg, quantity=quantity, expected_cost=leg.expected_cost * scale))
        else:
            dust.append(Dust(leg.symbol, leg.notional, f"cash left for it is too small: {why}"))
    return tuple(legs), tuple(dust)


def _size_one(wish: Wish, equity: Decimal, price_cap: Decimal) -> Leg | Dust | None:
    """Return the leg of one wish, or the dust it leaves, or None where there is nothing to do."""
    instrument, market = wish.instrument, wish.instrument.market
    quote = instrument.quote
    if quote is None:
        raise ValueError(f"{market.symbol} has no quote to be sized by")
    selling = wish.change < 0
    value = to_decimal(abs(wish.change)) * equity
    if market.is_spot and selling:
        wanted = instrument.free if wish.close else min(_ratio(value, quote.mid), instrument.free)
    else:
        wanted = _ratio(value, quote.mid)
    if wish.reduce_only:
        held = abs(instrument.quantity)
        wanted = held if wanted >= held * WHOLE else wanted
    side = Side.SELL if selling else Side.BUY
    cap = round_price(market, side, quote.mid * (1 + side.sign * price_cap), PriceRounding.SAFE)
    quantity = round_quantity(market, wanted)
    why = below_minimum(market, quantity, min(quote.mid, cap))
    if why is not None:
        signed = -wanted * quote.mid if selling else wanted * quote.mid
        return Dust(market.symbol, signed, why) if wanted else None
    frees = wish.reduce_only or (selling and market.is_spot)
    notional = quantity * quote.mid
    return Leg(
        index=0,
        phase=0 if frees else 1,
        symbol=market.symbol,
        side=side,
        quantity=quantity,
        price_cap=cap,
        mid=quote.mid,
        reduce_only=wish.reduce_only,
        purpose=wish.purpose,
        expected_cost=notional * to_decimal(wish.cost_rate),
    )


def _ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Divide, rounding down, whatever the process's decimal context says."""
    with localcontext() as context:
        context.rounding = ROUND_DOWN
        context.prec = 34
        return numerator / denominator
