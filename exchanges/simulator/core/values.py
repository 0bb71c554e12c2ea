"""The values that the core hands out: orders, fills, bills, balances, positions and market data.

All are immutable. Sizes are in base coin for spot and in contracts for derivatives; fees are positive when paid;
times are milliseconds since the epoch on the clock that clients see.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from exchanges.simulator.core.instruments import InstrumentKind

ZERO = Decimal(0)


class Side(StrEnum):
    """The side of an order or of the taker in a trade."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order meets the book; the values are OKX's `ordType`."""

    LIMIT = "limit"
    MARKET = "market"
    POST_ONLY = "post_only"
    IOC = "ioc"
    FOK = "fok"


class OrderState(StrEnum):
    """The life of an order; the values are OKX's `state`."""

    LIVE = "live"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"

    @property
    def is_open(self) -> bool:
        """Whether the order rests in the book."""
        return self in (OrderState.LIVE, OrderState.PARTIALLY_FILLED)


class SizeUnit(StrEnum):
    """What the size of a spot market order counts; the values are OKX's `tgtCcy`."""

    BASE = "base_ccy"
    QUOTE = "quote_ccy"


class SelfTrade(StrEnum):
    """What happens when an order would meet one of the same account; the values are OKX's `stpMode`."""

    CANCEL_MAKER = "cancel_maker"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_BOTH = "cancel_both"


class CancelReason(StrEnum):
    """Why an order was canceled."""

    USER = "canceled by the user"
    TIMER = "the cancel-all-after timer ran out"
    UNFILLED = "immediate-or-cancel: the rest found no match"
    KILLED = "fill-or-kill: not fillable at once"
    WOULD_TAKE = "post-only: would have taken"
    SELF_TRADE = "self-trade prevention"
    REDUCE_ONLY = "nothing is left to reduce"
    LIQUIDATION = "the account is being liquidated"
    DELISTED = "the instrument stopped trading or changed its rules"
    AMEND_FAILED = "the amendment failed and asked for a cancel"
    MARGIN = "the available margin no longer covers it"


class OrderCategory(StrEnum):
    """Where an order came from; the values are OKX's `category`."""

    NORMAL = "normal"
    PARTIAL_LIQUIDATION = "partial_liquidation"
    FULL_LIQUIDATION = "full_liquidation"
    DELIVERY = "delivery"


class Liquidity(StrEnum):
    """Whether a fill made or took liquidity; the values are OKX's `execType`."""

    MAKER = "M"
    TAKER = "T"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a client asks to be placed.

    `price` is needed by all but market orders. `client_id`, `trade_mode` (OKX's `tdMode`) and `tag` are carried along
    unchanged; an empty `client_id` means none.
    """

    inst_id: str
    side: Side
    type: OrderType
    size: Decimal
    price: Decimal | None = None
    client_id: str = ""
    reduce_only: bool = False
    size_unit: SizeUnit = SizeUnit.BASE
    self_trade: SelfTrade = SelfTrade.CANCEL_MAKER
    trade_mode: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an order. `pnl` is what it realised, without the fee, in the settle coin."""

    trade_id: int
    bill_id: int
    account: str
    order_id: int
    client_id: str
    inst_id: str
    kind: InstrumentKind
    side: Side
    size: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    fee_rate: Decimal
    liquidity: Liquidity
    pnl: Decimal
    mark_price: Decimal
    index_price: Decimal
    time_ms: int
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stood after its last change.

    `fee` and `pnl` are sums over its fills; `last_fill` is the fill that made this state, None where it was another
    change. `leverage` is that of its instrument when placed, 1 for spot.
    """

    order_id: int
    account: str
    request: OrderRequest
    kind: InstrumentKind
    size: Decimal
    price: Decimal | None
    state: OrderState
    filled: Decimal
    average_price: Decimal | None
    fee: Decimal
    fee_currency: str
    pnl: Decimal
    leverage: Decimal
    created_ms: int
    updated_ms: int
    last_fill: Fill | None = None
    cancel_reason: CancelReason | None = None
    category: OrderCategory = OrderCategory.NORMAL

    @property
    def inst_id(self) -> str:
        """The instrument."""
        return self.request.inst_id

    @property
    def client_id(self) -> str:
        """The client's own id, empty where none was given."""
        return self.request.client_id

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.request.side


class BillKind(StrEnum):
    """Why a balance changed."""

    TRADE = "trade"
    FUNDING = "funding"
    TRANSFER = "transfer"
    LIQUIDATION = "liquidation"
    INSURANCE = "insurance"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Bill:
    """One change of one coin's balance; the sum of `change` over all bills of a coin is its balance.

    `change` includes `pnl` and the (positive) `fee`; both are in `currency`.
    """

    bill_id: int
    account: str
    kind: BillKind
    currency: str
    change: Decimal
    balance: Decimal
    time_ms: int
    fee: Decimal = ZERO
    pnl: Decimal = ZERO
    inst_id: str = ""
    inst_kind: InstrumentKind | None = None
    side: Side | None = None
    size: Decimal = ZERO
    price: Decimal = ZERO
    order_id: int | None = None
    client_id: str = ""
    trade_id: int | None = None
    liquidity: Liquidity | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """One coin of an account.

    `cash` is the balance, `held` what open spot orders hold, `margin` what swap positions and orders use,
    `unrealised` the open profit paid in this coin, `equity` = cash + unrealised, and
    `available` = max(0, min(cash, equity) - held - margin).
    """

    currency: str
    cash: Decimal
    held: Decimal
    margin: Decimal
    unrealised: Decimal
    updated_ms: int

    @property
    def equity(self) -> Decimal:
        """Cash and open profit."""
        return self.cash + self.unrealised

    @property
    def used(self) -> Decimal:
        """What cannot be spent: held by orders and used as margin."""
        return self.held + self.margin

    @property
    def available(self) -> Decimal:
        """What new orders may use."""
        return max(ZERO, min(self.cash, self.equity) - self.used)


@dataclass(frozen=True, slots=True)
class AccountSummary:
    """The account as a whole, in USDT; `margin_ratio` is equity over maintenance margin, None without positions."""

    account: str
    total_equity: Decimal
    margin_equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    notional: Decimal
    unrealised: Decimal
    margin_ratio: Decimal | None
    time_ms: int


@dataclass(frozen=True, slots=True)
class Position:
    """A position in net mode; `size` in contracts, negative when short. Money is in the settle coin.

    `entry_price` is the exact cost over the size, rounded for display; `realised`, `fees` (positive when paid) and
    `funding` (positive when received) are sums since it was opened.
    """

    position_id: int
    account: str
    inst_id: str
    size: Decimal
    entry_price: Decimal
    mark_price: Decimal
    last_price: Decimal
    index_price: Decimal
    leverage: Decimal
    notional: Decimal
    unrealised: Decimal
    realised: Decimal
    fees: Decimal
    funding: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    liquidation_price: Decimal | None
    last_trade_id: int
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class FeeRates:
    """An account's fees for a kind of instrument, positive when paid; `level` is the tier's name."""

    level: str
    maker: Decimal
    taker: Decimal


@dataclass(frozen=True, slots=True)
class MarginTier:
    """One row of the position tiers: up to `max_contracts`, with these margin rates and leverage."""

    tier: int
    min_contracts: Decimal
    max_contracts: Decimal
    maintenance_rate: Decimal
    initial_rate: Decimal
    max_leverage: Decimal


class PublicTrade(NamedTuple):
    """A trade on the tape; `side` is the taker's. Price and size in ticks and lots."""

    trade_id: int
    ticks: int
    lots: int
    side: Side
    time_ms: int


class Level(NamedTuple):
    """One price of the book, in ticks and lots; `orders` counts what rests there."""

    ticks: int
    lots: int
    orders: int


class Book(NamedTuple):
    """The book of an instrument, best price first on both sides; `sequence` rises with every change."""

    bids: list[Level]
    asks: list[Level]
    sequence: int
    time_ms: int


class Quote(NamedTuple):
    """Best bid and offer in ticks and lots; lots are 0 on an empty side."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    sequence: int
    time_ms: int


class Candle(NamedTuple):
    """One bar. `volume` in base coin (spot) or contracts, `base_volume` in base coin, `quote_volume` in quote coin."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    closed: bool


@dataclass(frozen=True, slots=True)
class Ticker:
    """Last trade, best bid and offer, and the last 24 hours. Volumes as in `Candle`."""

    inst_id: str
    last: Decimal
    last_size: Decimal
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    open_24h: Decimal
    high_24h: Decimal
    low_24h: Decimal
    volume_24h: Decimal
    base_volume_24h: Decimal
    quote_volume_24h: Decimal
    open_utc: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class Funding:
    """The funding of a swap: the rate that would be paid at `time_ms`, and the one after."""

    inst_id: str
    rate: Decimal
    time_ms: int
    next_time_ms: int
    interval_ms: int
    premium: Decimal
    interest: Decimal
    min_rate: Decimal
    max_rate: Decimal
    settled_rate: Decimal
    settled_ms: int


class SettledFunding(NamedTuple):
    """A funding rate that was paid."""

    inst_id: str
    rate: Decimal
    time_ms: int
