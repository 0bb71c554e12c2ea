"""An account: cash, what open orders hold of it, positions, and the memory of what it did."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exchanges.simulator.core.events import BalanceChanged
from exchanges.simulator.core.fees import VolumeMeter
from exchanges.simulator.core.positions import PositionState
from exchanges.simulator.core.records import Records
from exchanges.simulator.core.values import ZERO, Bill, BillKind, Fill, Order, Side

if TYPE_CHECKING:
    from decimal import Decimal

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.journal import Journal


@dataclass(slots=True, eq=False)
class Working:
    """An order that may still trade: its present face and its place in the book, in ticks and lots.

    `value` is the quote coin traded so far and `ahead` how many synthetic lots were at its price before it.
    """

    order: Order
    instrument: Instrument
    place: int
    ticks: int
    lots: int
    filled: int = 0
    value: Decimal = ZERO
    ahead: int = 0

    @property
    def remaining(self) -> int:
        """Lots still to trade."""
        return self.lots - self.filled

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.order.request.side

    @property
    def account(self) -> str:
        """Whose order it is."""
        return self.order.account

    @property
    def reduce_only(self) -> bool:
        """Whether it may only make a position smaller."""
        return self.order.request.reduce_only

    def hold(self) -> tuple[str, Decimal]:
        """Return the coin and the amount that a resting spot order holds."""
        if self.side is Side.BUY:
            return self.instrument.quote, self.instrument.value(self.ticks, self.remaining)
        return self.instrument.base, self.instrument.size(self.remaining)


class Account:
    """One client's account.

    Args:
        name: Its name.
        journal: The exchange's clock, ids and events.
        memory: How many ended orders, fills and bills it keeps.
    """

    def __init__(self, name: str, journal: Journal, memory: int) -> None:
        self.name = name
        self._journal = journal
        self.cash: dict[str, Decimal] = {}
        self.held: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.changed_ms: dict[str, int] = {}
        self.positions: dict[str, PositionState] = {}
        self.leverage: dict[str, Decimal] = {}
        self.working: dict[int, Working] = {}
        self.resting_lots: defaultdict[tuple[str, Side], int] = defaultdict(int)
        self.client_ids: dict[str, int] = {}
        self.ended: Records[Order] = Records(memory)
        self.fills: Records[Fill] = Records(memory)
        self.bills: Records[Bill] = Records(memory)
        self.volume = VolumeMeter()
        self.cancel_at_ms = 0

    def post(self, kind: BillKind, currency: str, change: Decimal, **details: Any) -> Bill:
        """Change a coin's cash and write the bill for it; details are further fields of `Bill`."""
        now = self._journal.now_ms
        balance = self.cash.get(currency, ZERO) + change
        self.cash[currency] = balance
        self.changed_ms[currency] = now
        bill = Bill(self._journal.bill_id(), self.name, kind, currency, change, balance, now, **details)
        self.bills.add(bill.bill_id, bill)
        self._journal.tell(BalanceChanged(self.name, currency, bill))
        return bill

    def reserve(self, working: Working) -> None:
        """Hold what a resting order may need; undone by `release` before its size, price or fill changes."""
        self._hold(working, 1)

    def release(self, working: Working) -> None:
        """Free what `reserve` held."""
        self._hold(working, -1)

    def _hold(self, working: Working, sign: int) -> None:
        if working.instrument.is_spot:
            currency, amount = working.hold()
            self.held[currency] += sign * amount
            self.changed_ms[currency] = self._journal.now_ms
        else:
            currency = working.instrument.settle
            if not working.reduce_only:
                self.resting_lots[working.instrument.inst_id, working.side] += sign * working.remaining
        self._journal.tell(BalanceChanged(self.name, currency, None))

    def position_lots(self, inst_id: str) -> int:
        """Return the position's lots, negative when short."""
        state = self.positions.get(inst_id)
        return state.lots if state else 0

    def open_position(self, instrument: Instrument) -> PositionState:
        """Return the position of an instrument, a new flat one where there is none."""
        state = self.positions.get(instrument.inst_id)
        if state is None:
            now = self._journal.now_ms
            state = PositionState(instrument, self._journal.position_id(), created_ms=now, updated_ms=now)
            self.positions[instrument.inst_id] = state
        return state

    def reducible(self, inst_id: str, side: Side) -> int:
        """Return how many lots an order of this side could take off the position."""
        return max(0, -side.sign * self.position_lots(inst_id))

    def find(self, inst_id: str, order_id: int | None, client_id: str) -> Working | Order | None:
        """Return the open or remembered order with this id, or the latest with this client id."""
        if order_id is None:
            order_id = self.client_ids.get(client_id) if client_id else None
        if order_id is None:
            return None
        found = self.working.get(order_id) or self.ended.get(order_id)
        order = found.order if isinstance(found, Working) else found
        return found if order is not None and order.inst_id == inst_id else None

    def end(self, order: Order) -> None:
        """Move an order from the open to the remembered ones."""
        self.working.pop(order.order_id, None)
        for old in self.ended.add(order.order_id, order):
            if old.client_id and self.client_ids.get(old.client_id) == old.order_id:
                del self.client_ids[old.client_id]


class House:
    """The other side of every synthetic trade, and where fees and insurance go.

    It has no limits; it exists so that what accounts gain or lose is always somebody's loss or gain.
    """

    def __init__(self) -> None:
        self.cash: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.fees: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.insurance: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.positions: dict[str, PositionState] = {}

    def trade(self, instrument: Instrument, side: Side, ticks: int, lots: int) -> None:
        """Trade as `side`, without fees."""
        if instrument.is_spot:
            self.cash[instrument.base] += side.sign * instrument.size(lots)
            self.cash[instrument.quote] -= side.sign * instrument.value(ticks, lots)
            return
        self.cash[instrument.settle] += self.position(instrument).trade(side.sign * lots, ticks)

    def position(self, instrument: Instrument) -> PositionState:
        """Return the house's position, a new flat one where there is none."""
        return self.positions.setdefault(instrument.inst_id, PositionState(instrument))

    def change_rules(self, instrument: Instrument) -> None:
        """Count a position in the lots of changed rules."""
        if instrument.inst_id in self.positions:
            self.positions[instrument.inst_id].change_rules(instrument)
