"""The exchange: one object, no clock of its own, no sockets; equal seeds and equal calls give equal traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    import numpy as np
    from numpy.typing import NDArray

    from exchanges.simulator.core.events import Event
    from exchanges.simulator.core.instruments import Instrument, InstrumentKind, InstrumentState
    from exchanges.simulator.core.values import (
        AccountSummary,
        Balance,
        Bill,
        BillKind,
        Book,
        Candle,
        FeeRates,
        Fill,
        Funding,
        MarginTier,
        Order,
        OrderRequest,
        OrderState,
        Position,
        PublicTrade,
        Quote,
        SettledFunding,
        Side,
        Ticker,
    )
    from exchanges.simulator.prices.source import PriceSource


class Exchange:
    """A spot and derivatives exchange with its accounts.

    Every method that changes something raises `Refused` where a rule forbids it, and then has changed nothing.

    Args:
        instruments: What is listed.
        prices: Where the mids come from; an instrument without a series there is not listed.
        accounts: Starting cash by account and coin.
        seed: Of everything random.
        now_ms: The clients' clock at the start.
        settings: The rules.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        prices: PriceSource,
        accounts: Mapping[str, Mapping[str, Decimal]],
        *,
        seed: int,
        now_ms: int,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.now_ms = now_ms

    # ---- time -------------------------------------------------------------------------------------------------------

    def advance(self, to_ms: int) -> None:
        """Move the clock: prices and books, resting orders they meet, timers, funding, marks, liquidations."""
        raise NotImplementedError

    def drain(self) -> list[Event]:
        """Return what happened since the last call, in order."""
        raise NotImplementedError

    # ---- market data ------------------------------------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What is listed, by name, in a fixed order; `index` is the place in it."""
        raise NotImplementedError

    def index(self, inst_id: str) -> int:
        """Return the instrument's place in the arrays; `Refused` where it is unknown. Never changes for a name."""
        raise NotImplementedError

    @property
    def sequences(self) -> NDArray[np.int64]:
        """Each instrument's book sequence: rises whenever the book changes."""
        raise NotImplementedError

    def quote(self, inst_id: str) -> Quote:
        """Return best bid and offer."""
        raise NotImplementedError

    def book(self, inst_id: str, depth: int = 400) -> Book:
        """Return up to `depth` levels of each side."""
        raise NotImplementedError

    def trades(self, inst_id: str, *, after_id: int = 0, limit: int = 500) -> list[PublicTrade]:
        """Return the latest trades with a higher id than `after_id`, oldest first."""
        raise NotImplementedError

    def last_trade_id(self, inst_id: str) -> int:
        """Return the id of the latest trade, 0 before the first: cheap to poll."""
        raise NotImplementedError

    def ticker(self, inst_id: str) -> Ticker:
        """Return the last trade, best bid and offer and the last 24 hours."""
        raise NotImplementedError

    def candles(
        self,
        inst_id: str,
        bar_ms: int,
        *,
        before_ms: int | None = None,
        after_ms: int | None = None,
        limit: int = 100,
    ) -> list[Candle]:
        """Return bars that start before `before_ms` and after `after_ms`, newest first, the open one included."""
        raise NotImplementedError

    def mark_price(self, inst_id: str) -> Decimal:
        """Return the price that positions are valued at."""
        raise NotImplementedError

    def index_price(self, inst_id: str) -> Decimal:
        """Return the price of the underlying."""
        raise NotImplementedError

    def price_limits(self, inst_id: str) -> tuple[Decimal, Decimal]:
        """Return (highest price of a buy, lowest price of a sell)."""
        raise NotImplementedError

    def funding(self, inst_id: str) -> Funding:
        """Return the funding of a swap; `Refused` for others."""
        raise NotImplementedError

    def funding_history(self, inst_id: str, limit: int = 100) -> list[SettledFunding]:
        """Return the rates that were paid, newest first."""
        raise NotImplementedError

    def open_interest(self, inst_id: str) -> Decimal:
        """Return the open contracts, a believable amount of other people's included."""
        raise NotImplementedError

    def margin_tiers(self, inst_id: str) -> list[MarginTier]:
        """Return the position tiers of a derivative."""
        raise NotImplementedError

    # ---- listing ----------------------------------------------------------------------------------------------------

    def set_state(self, inst_id: str, state: InstrumentState) -> None:
        """Suspend, resume or delist: open orders are canceled on any state but live."""
        raise NotImplementedError

    def change_rules(self, instrument: Instrument) -> None:
        """Replace tick, lot or minimum of a listed instrument; its open orders are canceled."""
        raise NotImplementedError

    # ---- orders -----------------------------------------------------------------------------------------------------

    def place(self, account: str, request: OrderRequest) -> Order:
        """Place an order and return it as it stands after it met the book."""
        raise NotImplementedError

    def amend(
        self,
        account: str,
        inst_id: str,
        *,
        order_id: int | None = None,
        client_id: str = "",
        size: Decimal | None = None,
        price: Decimal | None = None,
        cancel_on_failure: bool = False,
    ) -> Order:
        """Change an open order; it keeps its place in the queue only if nothing but its size falls."""
        raise NotImplementedError

    def cancel(
        self, account: str, inst_id: str, *, order_id: int | None = None, client_id: str = ""
    ) -> Order:
        """Cancel an open order."""
        raise NotImplementedError

    def cancel_all(self, account: str, inst_id: str | None = None) -> list[Order]:
        """Cancel every open order of the account, or of one instrument."""
        raise NotImplementedError

    def cancel_all_after(self, account: str, timeout_ms: int) -> int:
        """Cancel all orders unless called again within `timeout_ms`; 0 disarms. Return when it fires, else 0."""
        raise NotImplementedError

    def close_position(self, account: str, inst_id: str, client_id: str = "", tag: str = "") -> Order:
        """Close a position with a reduce-only market order."""
        raise NotImplementedError

    # ---- lookups; every list is newest first; `after_id` asks for older rows, `before_id` for newer ones ----------------

    def order(self, account: str, inst_id: str, *, order_id: int | None = None, client_id: str = "") -> Order:
        """Return an open or remembered order; by client id the latest with it."""
        raise NotImplementedError

    def open_orders(
        self,
        account: str,
        *,
        kind: InstrumentKind | None = None,
        inst_id: str | None = None,
        after_id: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[Order]:
        """Return open orders, paged by order id."""
        raise NotImplementedError

    def closed_orders(
        self,
        account: str,
        *,
        kind: InstrumentKind | None = None,
        inst_id: str | None = None,
        state: OrderState | None = None,
        begin_ms: int | None = None,
        end_ms: int | None = None,
        after_id: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[Order]:
        """Return orders that ended, by creation, paged by order id; times are of creation."""
        raise NotImplementedError

    def fills(
        self,
        account: str,
        *,
        kind: InstrumentKind | None = None,
        inst_id: str | None = None,
        order_id: int | None = None,
        begin_ms: int | None = None,
        end_ms: int | None = None,
        after_id: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[Fill]:
        """Return fills, paged by bill id."""
        raise NotImplementedError

    def bills(
        self,
        account: str,
        *,
        bill_kind: BillKind | None = None,
        kind: InstrumentKind | None = None,
        currency: str | None = None,
        begin_ms: int | None = None,
        end_ms: int | None = None,
        after_id: int | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[Bill]:
        """Return the ledger, paged by bill id."""
        raise NotImplementedError

    # ---- accounts ---------------------------------------------------------------------------------------------------

    def balances(self, account: str) -> dict[str, Balance]:
        """Return every coin that the account ever held."""
        raise NotImplementedError

    def summary(self, account: str) -> AccountSummary:
        """Return equity and margin of the whole account."""
        raise NotImplementedError

    def positions(
        self, account: str, kind: InstrumentKind | None = None, inst_id: str | None = None
    ) -> list[Position]:
        """Return the open positions."""
        raise NotImplementedError

    def position(self, account: str, inst_id: str) -> Position | None:
        """Return one position, None where there is none."""
        raise NotImplementedError

    def leverage(self, account: str, inst_id: str) -> Decimal:
        """Return the leverage of a derivative for this account."""
        raise NotImplementedError

    def set_leverage(self, account: str, inst_id: str, leverage: Decimal) -> None:
        """Set it; refused if the margin would not cover positions and orders."""
        raise NotImplementedError

    def fee_rates(self, account: str, kind: InstrumentKind) -> FeeRates:
        """Return the account's fees in its present tier."""
        raise NotImplementedError

    def max_size(self, account: str, inst_id: str, side: Side, price: Decimal | None = None) -> Decimal:
        """Return the largest order that the account could place now."""
        raise NotImplementedError

    def add_account(self, account: str, cash: Mapping[str, Decimal]) -> None:
        """Open an account with a first transfer in."""
        raise NotImplementedError

    def transfer(self, account: str, currency: str, amount: Decimal, note: str = "") -> Bill:
        """Pay in (positive) or out (negative); refused beyond what is available."""
        raise NotImplementedError
