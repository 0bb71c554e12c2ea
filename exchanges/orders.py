"""The life of an order: one table of states, and one pure fold that is the only way an order changes.

An order gathers facts: what we did (planned, sent), what the request was answered, what the venue reports of
it and what was traded. Facts reach us late, twice, out of order or split: by answer, stream and look-up. So
every fact is merged by an operation that does not care about order or repetition (a maximum, a minimum, a set
keyed by trade id), and the state is moved by `TRANSITIONS`, whose columns agree in the same way:

* what the venue says beats what we conclude: ABSENT and REJECTED-by-answer give way to any sign of life;
* of two ways to end, the one further down the list REJECTED, EXPIRED, CANCELED, FILLED stands;
* fills that complete the quantity make it FILLED, whatever was reported;
* a fill beyond what the venue said at the end, or life in an order thought dead, is applied and flagged late.

An event that our own conduct must never produce (sending twice, hearing of an order never sent) is an
`IllegalTransition`; an event about some other order is a `ForeignEvent`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from functools import reduce
from typing import TYPE_CHECKING

from exchanges.order_table import (
    CONCLUDED_DEAD,
    HAS_LIVED,
    LIFE,
    LIVE,
    REJECTION,
    TERMINAL,
    TRANSITIONS,
    State,
    Trigger,
)
from exchanges.port import ZERO, Fill, OrderReport, OrderRequest, OrderType, Side, VenueOrderState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

_EXACT = Context(prec=60)


class IllegalTransition(ValueError):
    """An event that our own conduct must never produce in this state."""


class ForeignEvent(ValueError):
    """An event about another order than the one it was applied to."""


@dataclass(frozen=True, slots=True)
class Denied:
    """A pre-trade limit refused the order; it will never be sent."""

    code: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """The order was given up before it was sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The order is about to leave, once, under this lease epoch. Committed before the request."""

    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request was answered with the venue's id."""

    venue_order_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was answered, and nothing happened."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request has no answer that says what became of it, and never will."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reported:
    """The venue told of the order, by stream or look-up."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class Filled:
    """The venue told of one execution of the order."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class NotFound:
    """A complete look-up (open, closed, fills), repeated after the last moment of arrival, found nothing."""


Event = Denied | Dropped | Sent | Accepted | Refused | NoAnswer | Reported | Filled | NotFound


@dataclass(frozen=True, slots=True)
class Order:
    """An order and all that is known of it.

    Attributes:
        filled: the most that fills or any report prove to have been traded, in base coin; never falls.
        fills: one per trade id, in order of (time, trade id).
        reported: cumulative amount and average price of the report that told of most.
        ended_filled: the least that a closing report of the venue said had been filled; None before one came.
        late: the venue contradicted an ending (see the module's text); stays set.
        reason: why it was denied, dropped, refused or unanswered.
    """

    client_id: str
    venue: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool = False
    state: State = State.PLANNED
    venue_order_id: str | None = None
    epoch: int | None = None
    sent_at: datetime | None = None
    filled: Decimal = ZERO
    fills: tuple[Fill, ...] = ()
    reported: tuple[Decimal, Decimal] = (ZERO, ZERO)
    ended_filled: Decimal | None = None
    late: bool = False
    reason: str = ""

    @property
    def is_terminal(self) -> bool:
        """Whether no more is expected of it."""
        return self.state in TERMINAL

    @property
    def is_live(self) -> bool:
        """Whether it may be at the venue and trade: limits count its remainder."""
        return self.state in LIVE

    @property
    def remaining(self) -> Decimal:
        """What may still trade while it is live, in base coin."""
        return max(ZERO, _EXACT.subtract(self.quantity, self.filled)) if self.is_live else ZERO

    @property
    def booked(self) -> Decimal:
        """The part of `filled` that known executions explain."""
        return _total(fill.quantity for fill in self.fills)

    @property
    def is_settled(self) -> bool:
        """Whether it has ended and every part of what was filled is explained by an execution."""
        return self.is_terminal and self.booked == self.filled

    @property
    def average_price(self) -> Decimal | None:
        """The price of what was filled: from the executions once they explain all of it, else as reported."""
        booked = self.booked
        if booked > ZERO and booked == self.filled:
            with localcontext(_EXACT):
                return sum((fill.quantity * fill.price for fill in self.fills), ZERO) / booked
        return self.reported[1] or None

    @property
    def fees(self) -> Mapping[str, Decimal]:
        """Fees of the known executions by currency, positive when paid."""
        fees: defaultdict[str, Decimal] = defaultdict(Decimal)
        for fill in self.fills:
            fees[fill.fee_currency] = _EXACT.add(fees[fill.fee_currency], fill.fee)
        return dict(fees)

    @property
    def request(self) -> OrderRequest:
        """What is to be sent."""
        return OrderRequest(
            self.client_id,
            self.symbol,
            self.side,
            self.type,
            self.quantity,
            self.price,
            reduce_only=self.reduce_only,
        )


def plan(request: OrderRequest, venue: str) -> Order:
    """Return the order that a request describes, before anything has happened to it."""
    return Order(
        request.client_id,
        venue,
        request.symbol,
        request.side,
        request.type,
        request.quantity,
        request.price,
        reduce_only=request.reduce_only,
    )


def apply(order: Order, event: Event) -> Order:
    """Return the order after the event; pure, and the only way an order changes.

    Raises:
        IllegalTransition: the event must not happen in this state.
        ForeignEvent: the event is about another order, or contradicts the identity of this one.
    """
    learned = _learn(order, event)
    trigger = _trigger(learned, event)
    state = TRANSITIONS[order.state].get(trigger)
    if state is None:
        raise IllegalTransition(f"order {order.client_id} is {order.state}: '{trigger}' cannot happen to it")
    if state is State.OPEN and learned.ended_filled is not None:
        state = order.state  # the venue has said that it ended: what tells of an open order is older
    late = (
        order.late
        or (order.state in CONCLUDED_DEAD and trigger in LIFE)
        or (order.state in HAS_LIVED and trigger in REJECTION)
        or (learned.ended_filled is not None and learned.filled > learned.ended_filled)
        or learned.filled > learned.quantity
    )
    return replace(learned, state=state, late=late)


def fold(order: Order, events: Iterable[Event]) -> Order:
    """Apply events one after the other."""
    return reduce(apply, events, order)


_REPORTED = {
    VenueOrderState.OPEN: Trigger.REPORTED_OPEN,
    VenueOrderState.REJECTED: Trigger.REPORTED_REJECTED,
    VenueOrderState.EXPIRED: Trigger.REPORTED_EXPIRED,
    VenueOrderState.CANCELED: Trigger.REPORTED_CANCELED,
    VenueOrderState.FILLED: Trigger.REPORTED_FILLED,
}
_PLAIN: Mapping[type[Event], Trigger] = {
    Denied: Trigger.DENIED,
    Dropped: Trigger.DROPPED,
    Sent: Trigger.SENT,
    Accepted: Trigger.ACCEPTED,
    Refused: Trigger.REFUSED,
    NoAnswer: Trigger.NO_ANSWER,
    NotFound: Trigger.NOT_FOUND,
}


def _trigger(learned: Order, event: Event) -> Trigger:
    """Say what the event means for the state, given all that is known including the event."""
    if not isinstance(event, Reported | Filled):
        return _PLAIN[type(event)]
    if learned.filled >= learned.quantity:
        return Trigger.FILLED_WHOLE
    return _REPORTED[event.report.state] if isinstance(event, Reported) else Trigger.FILLED_IN_PART


def _learn(order: Order, event: Event) -> Order:
    """Merge the facts of the event, leaving the state as it was."""
    learned = order
    match event:
        case Denied(code=reason) | Dropped(reason=reason) | NoAnswer(reason=reason):
            learned = replace(order, reason=reason)
        case Refused(code=code, message=message):
            learned = replace(order, reason=f"{code}: {message}" if code else message)
        case Sent(epoch=epoch, at=at):
            learned = replace(order, epoch=epoch, sent_at=at)
        case Accepted(venue_order_id=venue_order_id):
            learned = replace(order, venue_order_id=_same_id(order, venue_order_id))
        case Reported(report=report):
            learned = _learn_report(order, report)
        case Filled(fill=fill):
            learned = _learn_fill(order, fill)
        case NotFound():
            pass
    return learned


def _learn_report(order: Order, report: OrderReport) -> Order:
    _check_same(order, report)
    ended = order.ended_filled
    if report.state is not VenueOrderState.OPEN:
        # A venue that says FILLED may count the fills later than it says so: that is not a contradiction.
        said = max(report.filled, order.quantity) if report.state is VenueOrderState.FILLED else report.filled
        ended = said if ended is None else min(ended, said)
    return replace(
        order,
        venue_order_id=_same_id(order, report.venue_order_id),
        filled=max(order.filled, report.filled),
        reported=max(order.reported, (report.filled, report.average_price or ZERO)),
        ended_filled=ended,
    )


def _learn_fill(order: Order, fill: Fill) -> Order:
    _check_same(order, fill)
    by_trade = {known.trade_id: known for known in order.fills}
    known = by_trade.get(fill.trade_id)
    if known is not None and (known.quantity, known.price) != (fill.quantity, fill.price):
        raise ForeignEvent(
            f"trade {fill.trade_id} of order {order.client_id} was told twice, differently: "
            f"{known.quantity} at {known.price}, {fill.quantity} at {fill.price}"
        )
    by_trade[fill.trade_id] = fill if known is None else max(known, fill, key=_completeness)
    fills = tuple(sorted(by_trade.values(), key=lambda one: (one.time, one.trade_id)))
    return replace(
        order,
        venue_order_id=_same_id(order, fill.venue_order_id),
        fills=fills,
        filled=max(order.filled, _total(one.quantity for one in fills)),
    )


def _completeness(fill: Fill) -> tuple[object, ...]:
    """Order two tellings of one trade: the one that says more stands, and any tie is broken alike."""
    optional = (fill.client_id, fill.maker, fill.realised_pnl)
    return (
        fill.fee != ZERO,
        sum(value is not None for value in optional),
        fill.fee_currency,
        fill.fee,
        fill.time,
        str(optional),
    )


def _check_same(order: Order, told: OrderReport | Fill) -> None:
    ours = (order.venue, order.symbol, order.side, order.client_id)
    theirs = (told.venue, told.symbol, told.side, told.client_id or order.client_id)
    if ours != theirs:
        raise ForeignEvent(f"order {ours} was told of {theirs}")


def _same_id(order: Order, venue_order_id: str) -> str:
    if order.venue_order_id not in {None, venue_order_id}:
        raise ForeignEvent(
            f"order {order.client_id} has two ids at {order.venue}: {order.venue_order_id}, {venue_order_id}"
        )
    return venue_order_id


def _total(quantities: Iterable[Decimal]) -> Decimal:
    return reduce(_EXACT.add, quantities, ZERO)
