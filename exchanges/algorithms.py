"""Execution algorithms: generators that say what to do next and are sent what happened.

An algorithm does no I/O and reads no clock. It yields a `Step`; the driver answers a `Wait` with the market
as it then is (a `Quote`, or None if there is no fresh one), and a `Place` with the `Order` once it has ended
and every part of it is known. The generator returns an `Outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from exchanges.order_table import State
from exchanges.orders import Order
from exchanges.port import ZERO, Market, OrderType, Quote, Side
from exchanges.precision import PriceRounding, below_minimum, least_quantity, round_price, round_quantity

if TYPE_CHECKING:
    from collections.abc import Generator

_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Place:
    """Send slice number `slice_number` of the leg as an order of this type, size and price."""

    slice_number: int
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` pass, then send the quote of that moment."""

    seconds: float


Step = Place | Wait
Heard = Quote | Order | None


class Ending(StrEnum):
    """Why an algorithm stopped."""

    COMPLETE = "complete"
    DUST = "dust"  # what is left, or may be sent at once, is below the market's minimum
    CAPPED = "capped"  # the market stayed beyond the price cap
    THIN = "thin"  # what was displayed was gone before the orders came
    NO_QUOTE = "no_quote"  # there was no fresh price to trade on
    REFUSED = "refused"  # the order was denied, dropped or rejected, or never arrived
    UNRESOLVED = "unresolved"  # an order's fate is not known: nothing more may be sent for this leg


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: `cost` is the sum of quantity × price of what was filled, without fees."""

    ending: Ending
    filled: Decimal
    cost: Decimal
    remaining: Decimal
    slices: int


def marketable_limit(
    market: Market,
    side: Side,
    quantity: Decimal,
    *,
    price_cap: Decimal,
    max_notional: Decimal,
    max_depth_share: Decimal,
    patience: int = 5,
    pause: float = 1.0,
) -> Generator[Step, Heard, Outcome]:
    """Take liquidity in slices: immediate-or-cancel limit orders at a price cap that is never exceeded.

    Each slice is at most `max_notional` (quote coin) and at most `max_depth_share` of the size displayed at
    the best opposite price, but never so little that the market would refuse it.

    Args:
        market: the market's rules.
        side: buy or sell.
        quantity: how much to trade, in base coin, positive.
        price_cap: the worst acceptable price.
        max_notional: the largest slice, in quote coin; a hard limit.
        max_depth_share: the largest slice as a fraction of the displayed size.
        patience: how many looks or slices in a row may bring no fill before it gives up.
        pause: seconds between looks.
    """
    cap = round_price(market, side, price_cap, PriceRounding.SAFE)
    remaining = round_quantity(market, quantity)
    filled = cost = ZERO
    slices = fruitless = 0
    wait = 0.0
    ending = Ending.DUST if not remaining else Ending.COMPLETE
    while remaining > ZERO:
        if below_minimum(market, remaining, cap):
            ending = Ending.DUST
            break
        if fruitless >= patience:
            break
        quote = yield Wait(wait)
        wait = pause
        size = ZERO
        if not isinstance(quote, Quote):
            ending = Ending.NO_QUOTE
        elif _beyond(side, quote, cap):
            ending = Ending.CAPPED
        else:
            size = _slice(market, side, remaining, quote, cap, max_notional, max_depth_share)
            ending = Ending.THIN if size else Ending.DUST
        if not size:
            fruitless += 1
            continue
        order = yield Place(slices, side, OrderType.IOC, size, cap)
        slices += 1
        if not isinstance(order, Order) or not order.is_terminal:
            ending = Ending.UNRESOLVED
            break
        filled = _EXACT.add(filled, order.filled)
        remaining = max(ZERO, _EXACT.subtract(remaining, order.filled))
        if order.filled:
            cost = _EXACT.add(cost, _EXACT.multiply(order.filled, order.average_price or order.price or cap))
        # After an absence too the next decision plans anew, from what is really held.
        if order.state in {State.DENIED, State.DROPPED, State.REJECTED, State.ABSENT}:
            ending = Ending.REFUSED
            break
        fruitless = 0 if order.filled else fruitless + 1
        ending = Ending.COMPLETE if not remaining else ending
    return Outcome(ending, filled, cost, remaining, slices)


def _beyond(side: Side, quote: Quote, cap: Decimal) -> bool:
    return quote.ask > cap if side is Side.BUY else quote.bid < cap


def _slice(
    market: Market,
    side: Side,
    remaining: Decimal,
    quote: Quote,
    cap: Decimal,
    max_notional: Decimal,
    max_depth_share: Decimal,
) -> Decimal:
    """Return the size of the next slice, or zero where `max_notional` does not allow the market's minimum."""
    # A sell may fill above its cap: the notional limit is judged at the better of the two prices.
    price, shown = (cap, quote.ask_size) if side is Side.BUY else (max(cap, quote.bid), quote.bid_size)
    most = min(remaining, _EXACT.divide(max_notional, price))
    size = round_quantity(market, min(most, _EXACT.multiply(shown, max_depth_share)))
    size = max(size, least_quantity(market, cap))
    rest = _EXACT.subtract(remaining, size)
    if rest > ZERO and below_minimum(market, rest, cap) and remaining <= most:
        size = remaining  # better one larger slice than a rest that can never be sold or bought
    return size if size <= round_quantity(market, most) else ZERO
