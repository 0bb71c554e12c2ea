"""A venue by script: an account with true balances and orders, and lies, silences and gaps where a test wants them.

What truly happened stands in `orders`, `fills` and `cash`; what the daemon is told of it goes through `script` (what
becomes of a request), `hidden` (orders that no look-up and no list shows), `short` (lists that come empty) and `broken`
(queries that fail).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, auto
from typing import TYPE_CHECKING

from exchanges.errors import Ambiguous, NotFound, Rejected, Unavailable
from exchanges.port import (
    ZERO,
    AccountEvent,
    Acknowledgement,
    Balance,
    Bar,
    Capability,
    CashFlow,
    ClockOffset,
    Fill,
    FlowKind,
    Funding,
    Market,
    MarketKind,
    OrderReport,
    OrderRequest,
    Position,
    Quote,
    VenueOrderState,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

NAME = "okx"
BTC, ETH, SOL, SWAP = "BTC/USDT", "ETH/USDT", "SOL/USDT", "BTC/USDT:USDT"
TAKER = Decimal("0.001")


def market(symbol: str, **changes: object) -> Market:
    """Return a market: spot, or a linear swap where the symbol says so."""
    pair, _, settle = symbol.partition(":")
    base, quote = pair.split("/")
    made = Market(
        symbol=symbol,
        venue_id=symbol.replace("/", "-"),
        kind=MarketKind.SWAP if settle else MarketKind.SPOT,
        base=base,
        quote=quote,
        settle=settle or quote,
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.0001"),
        min_amount=Decimal("0.0001"),
        min_notional=Decimal(5),
        max_amount=None,
        contract_size=Decimal(1),
        maker_fee=Decimal("0.0008"),
        taker_fee=TAKER,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


class Fate(Enum):
    """What becomes of an order request."""

    FILL = auto()
    """Accepted and filled whole at the limit price."""
    HALF = auto()
    """Accepted, half filled, the rest cancelled."""
    NONE = auto()
    """Accepted, nothing filled, cancelled."""
    REST = auto()
    """Accepted, and open."""
    REFUSE = auto()
    """Refused, definitely."""
    LOST = auto()
    """No answer, and it never arrived."""
    SWALLOWED = auto()
    """No answer, although it was filled whole."""
    WITHOUT_ID = auto()
    """Filled whole, and answered without an id."""


@dataclass(slots=True)
class Placed:
    """An order as it truly is."""

    request: OrderRequest
    id: str
    state: VenueOrderState
    filled: Decimal
    at: datetime


@dataclass
class ScriptedVenue:
    """Implements `exchanges.port.Venue`."""

    known: Mapping[str, Market] = field(default_factory=lambda: {s: market(s) for s in (BTC, ETH, SOL, SWAP)})
    name: str = NAME
    capabilities: Capability = Capability.NONE
    batch_limit: int = 20
    request_lifetime: float = 0.05
    utcnow: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.script: defaultdict[str, Fate] = defaultdict(lambda: Fate.FILL)
        self.cash: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.positions: dict[str, Position] = {}
        self.orders: dict[str, Placed] = {}
        self.fills: list[Fill] = []
        self.flows: list[CashFlow] = []
        self.hidden: set[str] = set()
        self.short: set[str] = set()
        self.broken: set[str] = set()
        self.requests: list[Sequence[OrderRequest]] = []
        self.cancels: list[str] = []
        self.lookups = 0
        self.events: asyncio.Queue[AccountEvent] = asyncio.Queue()
        self.before_send: Callable[[], None] = lambda: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()

    # ---- the truth --------------------------------------------------------------------------------------------------

    def trade(self, request: OrderRequest, quantity: Decimal, *, client_id: str | None = None) -> Fill:
        """Let an execution happen at the request's price."""
        price = request.price or ZERO
        of = self.known[request.symbol]
        buying = request.side.sign > 0
        coin, fee = (of.base, quantity * TAKER) if buying and of.is_spot else (of.quote, quantity * price * TAKER)
        number = len(self.fills) + 1
        placed = self.orders.get(request.client_id)
        fill = Fill(
            self.name,
            f"t{number}",
            placed.id if placed else f"foreign{number}",
            client_id,
            request.symbol,
            request.side,
            quantity,
            price,
            fee,
            coin,
            self.utcnow(),
            realised_pnl=None if of.is_spot else ZERO,
        )
        self.fills.append(fill)
        signed = request.side.sign * quantity
        if of.is_spot:
            self.cash[of.base] += signed
            self.cash[of.quote] -= signed * price
        else:
            held = self.positions.get(of.symbol)
            after = signed + (held.quantity if held else ZERO)
            self.positions[of.symbol] = Position(of.symbol, after, price, price, ZERO)
        self.cash[coin] -= fee
        if placed:
            placed.filled += quantity
        return fill

    def move(self, amount: str, currency: str = "USDT", *, told: bool = True) -> CashFlow:
        """Deposit or withdraw; `told` in the list of flows too."""
        kind = FlowKind.DEPOSIT if Decimal(amount) > 0 else FlowKind.WITHDRAWAL
        flow = CashFlow(self.name, f"f{len(self.flows) + 1}", kind, currency, Decimal(amount), self.utcnow())
        self.cash[currency] += flow.amount
        if told:
            self.flows.append(flow)
        return flow

    def arrive(self, request: OrderRequest, fate: Fate) -> Placed:
        """Let a request arrive at the book."""
        placed = Placed(request, f"v{len(self.orders) + 1}", VenueOrderState.OPEN, ZERO, self.utcnow())
        self.orders[request.client_id] = placed
        shares = {Fate.HALF: Decimal("0.5"), Fate.NONE: ZERO, Fate.REST: ZERO}
        share = shares.get(fate, Decimal(1))
        if share:
            self.trade(request, request.quantity * share, client_id=request.client_id)
        if fate is not Fate.REST:
            placed.state = VenueOrderState.FILLED if share == 1 else VenueOrderState.CANCELED
        return placed

    def report_of(self, client_id: str, **changes: object) -> OrderReport:
        """Return an order as the venue would tell it."""
        one = self.orders[client_id]
        ask = one.request
        told = OrderReport(
            self.name,
            one.id,
            client_id,
            ask.symbol,
            ask.side,
            ask.type,
            ask.quantity,
            ask.price,
            one.state,
            one.filled,
            ask.price if one.filled else None,
            one.at,
            reduce_only=ask.reduce_only,
        )
        return replace(told, **changes)  # type: ignore[arg-type]  # the test names fields of their own type

    def _seen(self, what: str) -> list[str]:
        if what in self.broken:
            raise Unavailable(f"{what} is broken", venue=self.name)
        return [] if what in self.short else [name for name in self.orders if name not in self.hidden]

    # ---- the port ---------------------------------------------------------------------------------------------------

    @property
    def markets(self) -> Mapping[str, Market]:
        return self.known

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def load_markets(self) -> Mapping[str, Market]:
        return self.known

    async def measure_clock(self) -> ClockOffset:
        return ClockOffset(0.0, 0.0)

    async def fetch_balances(self) -> Mapping[str, Balance]:
        self._seen("balances")
        listed = {} if "balances" in self.short else self.cash
        return {coin: Balance(coin, total, total) for coin, total in listed.items() if total}

    async def fetch_positions(self) -> Mapping[str, Position]:
        self._seen("positions")
        return {} if "positions" in self.short else {s: one for s, one in self.positions.items() if one.quantity}

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        raise Unavailable(f"no quotes of {symbols} by script")

    async def fetch_bars(self, symbol: str, seconds: int, limit: int) -> Sequence[Bar]:
        raise Unavailable(f"no bars of {symbol} by script: {seconds}, {limit}")

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        return {symbol: Funding(symbol, Decimal("0.0001"), None, 28800.0) for symbol in symbols}

    async def fetch_fees(self, symbols: Sequence[str]) -> Mapping[str, tuple[Decimal, Decimal]]:
        return {symbol: (Decimal("0.0008"), TAKER) for symbol in symbols}

    async def create_orders(
        self, requests: Sequence[OrderRequest], deadline: float | None = None
    ) -> Sequence[Acknowledgement]:
        assert requests
        assert len(requests) <= self.batch_limit
        assert deadline
        self.before_send()
        self.requests.append(requests)
        self.arrived.set()
        await self.gate.wait()
        return [self._answer(request) for request in requests]

    def _answer(self, request: OrderRequest) -> Acknowledgement:
        fate = self.script[request.symbol]
        name = request.client_id
        if fate is Fate.REFUSE:
            return Acknowledgement(name, None, Rejected("insufficient funds", "51008"))
        if fate is Fate.LOST:
            return Acknowledgement(name, None, Ambiguous("no answer within 10 s"))
        placed = self.arrive(request, Fate.FILL if fate in {Fate.SWALLOWED, Fate.WITHOUT_ID} else fate)
        if fate is Fate.SWALLOWED:
            return Acknowledgement(name, None, Ambiguous("no answer within 10 s"))
        return Acknowledgement(name, None if fate is Fate.WITHOUT_ID else placed.id, None)

    async def cancel_order(self, symbol: str, client_id: str, venue_order_id: str | None) -> None:
        assert symbol
        self.cancels.append(client_id)
        if "cancel" in self.broken:
            raise Unavailable("cancel is broken")
        placed = self.orders.get(client_id)
        if placed is None or placed.state is not VenueOrderState.OPEN:
            raise NotFound(f"no open order {client_id} ({venue_order_id})")
        placed.state = VenueOrderState.CANCELED

    async def fetch_order(self, symbol: str, client_id: str, venue_order_id: str | None) -> OrderReport:
        self.lookups += 1
        if client_id not in self._seen("order"):
            raise NotFound(f"no order {client_id} of {symbol} ({venue_order_id})")
        return self.report_of(client_id)

    async def fetch_open_orders(self) -> Sequence[OrderReport]:
        return [self.report_of(n) for n in self._seen("open") if self.orders[n].state is VenueOrderState.OPEN]

    async def fetch_closed_orders(self, since: datetime) -> Sequence[OrderReport]:
        told = [self.report_of(n) for n in self._seen("closed") if self.orders[n].state is not VenueOrderState.OPEN]
        return [report for report in told if report.time >= since]

    async def fetch_fills(self, since: datetime) -> Sequence[Fill]:
        self._seen("fills")
        if "fills" in self.short:
            return []
        return [fill for fill in self.fills if fill.time >= since and fill.client_id not in self.hidden]

    async def fetch_cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        self._seen("flows")
        return [flow for flow in self.flows if flow.time >= since]

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        assert leverage > 0, symbol

    async def renew_dead_man(self, seconds: float) -> None:
        assert seconds >= 0

    async def account_events(self) -> AsyncIterator[AccountEvent]:
        while True:
            yield await self.events.get()
