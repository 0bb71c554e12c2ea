"""The difference of ledger and venue, as a list of typed differences; pure.

What the venue lists and the ledger lacks is a fact. What the ledger has and the venue does not list is a
question: lists come short, late and empty. Such differences carry `listed=False` (or are a `LookUp`), and
only a repeated and targeted query may answer them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context
from typing import TYPE_CHECKING

from exchanges.port import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from decimal import Decimal

    from exchanges.order_table import State
    from exchanges.orders import Order
    from exchanges.port import Fill, OrderReport

_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class MissingFill:
    """The venue tells of a trade that the ledger has not booked; `ours` if it belongs to an order of ours."""

    fill: Fill
    ours: bool


@dataclass(frozen=True, slots=True)
class UnknownOrder:
    """An order is open at the venue that is not ours: another program's, or a person's."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class RevivedOrder:
    """An order of ours is open at the venue although the ledger holds it ended, or never sent."""

    client_id: str
    state: State
    report: OrderReport


@dataclass(frozen=True, slots=True)
class LookUp:
    """An order of ours may be live and is not among the open ones: ask for it, conclude nothing."""

    client_id: str
    symbol: str
    state: State


@dataclass(frozen=True, slots=True)
class BalanceMismatch:
    """A coin's total differs."""

    currency: str
    ledger: Decimal
    venue: Decimal
    listed: bool

    @property
    def amount(self) -> Decimal:
        """What the ledger lacks (positive) or has too much of (negative)."""
        return _EXACT.subtract(self.venue, self.ledger)


@dataclass(frozen=True, slots=True)
class PositionMismatch:
    """A position differs, in base coin."""

    symbol: str
    ledger: Decimal
    venue: Decimal
    listed: bool

    @property
    def amount(self) -> Decimal:
        """What the ledger lacks (positive) or has too much of (negative)."""
        return _EXACT.subtract(self.venue, self.ledger)


Difference = MissingFill | UnknownOrder | RevivedOrder | LookUp | BalanceMismatch | PositionMismatch


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What we hold to be so: totals by currency, positions in base coin, orders by client id, trades."""

    balances: Mapping[str, Decimal]
    positions: Mapping[str, Decimal]
    orders: Mapping[str, Order]
    trade_ids: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class VenueView:
    """What the venue told; a part that could not be fetched in full is None and is not compared."""

    balances: Mapping[str, Decimal] | None = None
    positions: Mapping[str, Decimal] | None = None
    open_orders: Sequence[OrderReport] | None = None
    fills: Sequence[Fill] | None = None
    tolerances: Mapping[str, Decimal] = field(default_factory=dict)
    """The largest difference to pass over, by currency or symbol: a venue's own rounding."""


def differences(ledger: LedgerView, venue: VenueView) -> list[Difference]:
    """Compare what was fetched: fills first (they may explain the rest), then orders, balances, positions."""
    found: list[Difference] = []
    if venue.fills is not None:
        found += _fills(ledger, venue.fills)
    if venue.open_orders is not None:
        found += _orders(ledger, venue.open_orders)
    if venue.balances is not None:
        found += [
            BalanceMismatch(*difference) for difference in _amounts(ledger.balances, venue.balances, venue.tolerances)
        ]
    if venue.positions is not None:
        found += [
            PositionMismatch(*difference)
            for difference in _amounts(ledger.positions, venue.positions, venue.tolerances)
        ]
    return found


def lasting(earlier: Iterable[Difference], later: Iterable[Difference]) -> list[Difference]:
    """Return the differences that were found both times: what one slow answer cannot explain."""
    before = list(earlier)
    return [difference for difference in later if difference in before]


def _fills(ledger: LedgerView, fills: Sequence[Fill]) -> list[Difference]:
    venue_ids = {order.venue_order_id for order in ledger.orders.values() if order.venue_order_id}
    missing: dict[str, MissingFill] = {}
    for fill in fills:
        if fill.trade_id not in ledger.trade_ids:
            ours = fill.client_id in ledger.orders or fill.venue_order_id in venue_ids
            missing[fill.trade_id] = MissingFill(fill, ours)
    return list(missing.values())


def _orders(ledger: LedgerView, reports: Sequence[OrderReport]) -> list[Difference]:
    found: list[Difference] = []
    by_venue_id = {order.venue_order_id: order for order in ledger.orders.values() if order.venue_order_id is not None}
    listed = set()
    for report in reports:
        order = ledger.orders.get(report.client_id or "") or by_venue_id.get(report.venue_order_id)
        if order is None:
            found.append(UnknownOrder(report))
            continue
        listed.add(order.client_id)
        if not order.is_live:
            found.append(RevivedOrder(order.client_id, order.state, report))
    found += [
        LookUp(order.client_id, order.symbol, order.state)
        for order in ledger.orders.values()
        if order.is_live and order.client_id not in listed
    ]
    return found


def _amounts(
    ledger: Mapping[str, Decimal], venue: Mapping[str, Decimal], tolerances: Mapping[str, Decimal]
) -> list[tuple[str, Decimal, Decimal, bool]]:
    found = []
    for key in sorted(ledger.keys() | venue.keys()):
        ours, theirs = ledger.get(key, ZERO), venue.get(key, ZERO)
        if _EXACT.subtract(theirs, ours).copy_abs() > tolerances.get(key, ZERO):
            found.append((key, ours, theirs, key in venue))
    return found
