"""The port to a venue: its value types and the `Venue` protocol; `exchanges.errors` has what may go wrong.

Everything above this line of the house speaks in these types. Quantities are in base coin (the contracts of a
derivative are converted at the edge), prices in quote coin per base coin, fees positive when paid; all three
are `Decimal`. Times are UTC-aware datetimes; ages are differences of monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Flag, StrEnum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from exchanges.errors import VenueError

ZERO = Decimal(0)


class MarketKind(StrEnum):
    """What is traded on a market."""

    SPOT = "spot"
    SWAP = "swap"
    FUTURE = "future"
    OPTION = "option"


class Side(StrEnum):
    """The side of an order or of a fill."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How an order meets the book. LIMIT rests; IOC and FOK do not; POST_ONLY never takes."""

    MARKET = "market"
    LIMIT = "limit"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class VenueOrderState(StrEnum):
    """The life of an order as a venue tells it."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class Capability(Flag):
    """What a venue can do beyond the least that Keelward needs."""

    NONE = 0
    BATCH_CREATE = auto()
    LOOKUP_BY_CLIENT_ID = auto()
    REQUEST_DEADLINE = auto()
    DEAD_MAN_SWITCH = auto()
    REDUCE_ONLY = auto()
    POSITION_STREAM = auto()
    CASH_FLOWS = auto()


@dataclass(frozen=True, slots=True)
class Market:
    """A market and its rules; `lot_size`, `min_amount` and `max_amount` in base coin."""

    symbol: str
    venue_id: str
    kind: MarketKind
    base: str
    quote: str
    settle: str
    tick_size: Decimal
    lot_size: Decimal
    min_amount: Decimal
    min_notional: Decimal
    max_amount: Decimal | None
    contract_size: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    active: bool = True

    @property
    def is_spot(self) -> bool:
        """Whether coins change hands, as against a position with margin."""
        return self.kind is MarketKind.SPOT


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and offer; `received` is in monotonic seconds."""

    symbol: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    venue_time: datetime | None
    received: float

    @property
    def mid(self) -> Decimal:
        """The middle of the spread."""
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Bar:
    """Prices and base volume of one interval that begins at `start` and lasts `seconds`."""

    symbol: str
    start: datetime
    seconds: float
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Balance:
    """A coin in an account: `total` is cash without open profit, `free` what no order or margin holds."""

    currency: str
    total: Decimal
    free: Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a derivative; `quantity` in base coin, negative when short."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised_pnl: Decimal
    liquidation_price: Decimal | None = None
    leverage: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Funding:
    """The rate that longs pay shorts at `next_time`, as a fraction of notional per `interval` seconds."""

    symbol: str
    rate: Decimal
    next_time: datetime | None
    interval: float


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What is to be placed. `price` is None for a market order only."""

    client_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The answer to one row of a request: accepted with an id, or an error that says what to conclude."""

    client_id: str
    venue_order_id: str | None
    error: VenueError | None

    @property
    def accepted(self) -> bool:
        """Whether the venue gave the order an id."""
        return self.error is None and self.venue_order_id is not None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution.

    `fee` is positive when paid, in `fee_currency`; `realised_pnl` is in the settle coin, without the fee.
    """

    venue: str
    trade_id: str
    venue_order_id: str
    client_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    time: datetime
    maker: bool | None = None
    realised_pnl: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderReport:
    """An order as the venue sees it at `time`; `filled` is cumulative, in base coin."""

    venue: str
    venue_order_id: str
    client_id: str | None
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    state: VenueOrderState
    filled: Decimal
    average_price: Decimal | None
    time: datetime
    reduce_only: bool = False


class FlowKind(StrEnum):
    """Why cash moved without a fill of ours."""

    FUNDING = "funding"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    INTEREST = "interest"
    LIQUIDATION = "liquidation"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CashFlow:
    """A movement of `amount` (signed) of a coin that no fill explains, keyed by the venue's own id."""

    venue: str
    flow_id: str
    kind: FlowKind
    currency: str
    amount: Decimal
    time: datetime
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """A stream is (again) complete from here on: what was missed must be fetched."""

    stream: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A stream is gone or stale; `reason` in words."""

    stream: str
    reason: str


AccountEvent = OrderReport | Fill | Balance | Position | Connected | Disconnected


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Venue's clock minus ours in seconds, and half the round trip as its uncertainty."""

    offset: float
    uncertainty: float


class Venue(Protocol):
    """One account at one venue. Every method raises only `VenueError` (and `CancelledError`)."""

    name: str
    capabilities: Capability

    @property
    def markets(self) -> Mapping[str, Market]:
        """The markets by unified symbol, as of the last `load_markets`."""

    async def open(self) -> None:
        """Load markets and account configuration, and check the key."""

    async def close(self) -> None:
        """Close every connection; idempotent."""

    async def load_markets(self) -> Mapping[str, Market]:
        """Fetch the markets and their rules anew."""

    async def measure_clock(self) -> ClockOffset:
        """Measure the venue's clock against ours."""

    async def fetch_balances(self) -> Mapping[str, Balance]:
        """Return every coin with a non-zero total, by currency."""

    async def fetch_positions(self) -> Mapping[str, Position]:
        """Return the open positions by symbol."""

    async def fetch_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Return best bid and offer by REST, to cross-check the stream."""

    async def fetch_bars(self, symbol: str, seconds: int, limit: int) -> Sequence[Bar]:
        """Return up to `limit` of the latest closed bars, oldest first."""

    async def fetch_funding(self, symbols: Sequence[str]) -> Mapping[str, Funding]:
        """Return the present funding rates of the swaps among `symbols`."""

    async def fetch_fees(self, symbols: Sequence[str]) -> Mapping[str, tuple[Decimal, Decimal]]:
        """Return this account's (maker, taker) fee rates by symbol."""

    async def create_orders(
        self, requests: Sequence[OrderRequest], deadline: float | None = None
    ) -> Sequence[Acknowledgement]:
        """Send one request for up to `batch_limit` orders, once; one answer per row, in their order.

        `deadline` is how many seconds from now the venue may still accept it, where it honours one. Never
        raises for what became of a row: a lost answer is an `Ambiguous` error in every row's answer.
        """

    async def cancel_order(self, symbol: str, client_id: str, venue_order_id: str | None) -> None:
        """Ask for a cancel; `NotFound` where it is already done or unknown."""

    async def fetch_order(self, symbol: str, client_id: str, venue_order_id: str | None) -> OrderReport:
        """Look an order up, by the venue's id where known, else by client id; or raise `NotFound`."""

    async def fetch_open_orders(self) -> Sequence[OrderReport]:
        """Return all open orders of the account."""

    async def fetch_closed_orders(self, since: datetime) -> Sequence[OrderReport]:
        """Return orders that ended since then: filled, canceled and expired."""

    async def fetch_fills(self, since: datetime) -> Sequence[Fill]:
        """Return all fills of the account since then, oldest first, every page of them."""

    async def fetch_cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Return funding, deposits, withdrawals and transfers since then, oldest first."""

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Set the leverage of a derivative in cross margin."""

    async def renew_dead_man(self, seconds: float) -> None:
        """Have the venue cancel all open orders unless renewed within `seconds` (at 0: switch off)."""

    @property
    def batch_limit(self) -> int:
        """How many orders one `create_orders` may carry."""

    @property
    def request_lifetime(self) -> float:
        """Seconds after which a request that was sent can no longer be accepted by the venue."""

    def account_events(self) -> AsyncIterator[AccountEvent]:
        """Stream orders, fills, balances and positions until cancelled; reconnects by itself and says so."""
