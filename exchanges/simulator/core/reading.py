"""Everything that can be asked of the exchange: the half of its facade that changes nothing."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

from exchanges.simulator.core.accounts import Account, House, Working
from exchanges.simulator.core.fees import fee_rates
from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.values import (
    ZERO,
    BillKind,
    Side,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    import numpy as np
    from numpy.typing import NDArray

    from exchanges.simulator.core.clearing import FundingClock
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.journal import Journal
    from exchanges.simulator.core.margin import Margins
    from exchanges.simulator.core.market import Market
    from exchanges.simulator.core.positions import PositionState
    from exchanges.simulator.core.settings import Settings
    from exchanges.simulator.core.values import (
        AccountSummary,
        Balance,
        Bill,
        Book,
        Candle,
        FeeRates,
        Fill,
        Funding,
        MarginTier,
        Order,
        OrderState,
        Position,
        PublicTrade,
        Quote,
        SettledFunding,
        Ticker,
    )
    from exchanges.simulator.core.views import Views


class Reading:
    """Market data, orders, fills, bills, balances and positions.

    Every method raises `Refused` for an instrument or account that does not exist.
    """

    settings: Settings
    market: Market
    _journal: Journal
    _house: House
    _accounts: dict[str, Account]
    _margins: Margins
    _funding: FundingClock
    _views: Views

    @property
    def now_ms(self) -> int:
        """The clients' clock."""
        return self._journal.now_ms

    @property
    def house(self) -> House:
        """The exchange's own pot: the other side of synthetic trades, fees, insurance."""
        return self._house

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by name; to be looked at, not changed."""
        return self._accounts

    def account(self, name: str) -> Account:
        """Return an account, or refuse."""
        try:
            return self._accounts[name]
        except KeyError:
            raise Refused(Refusal.NO_ACCOUNT, name) from None

    # ---- market data ------------------------------------------------------------------------------------------------

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What is listed, by name, in a fixed order; `index` is the place in it."""
        return self.market.instruments

    def index(self, inst_id: str) -> int:
        """Return the instrument's place in the arrays; `Refused` where it is unknown. Never changes for a name."""
        return self.market.place(inst_id)

    @property
    def sequences(self) -> NDArray[np.int64]:
        """Each instrument's book sequence: rises whenever the book changes."""
        return self.market.sequences

    def quote(self, inst_id: str) -> Quote:
        """Return best bid and offer."""
        return self.market.quote(self.index(inst_id))

    def book(self, inst_id: str, depth: int = 400) -> Book:
        """Return up to `depth` levels of each side."""
        return self.market.book(self.index(inst_id), depth)

    def trades(self, inst_id: str, *, after_id: int = 0, limit: int = 500) -> list[PublicTrade]:
        """Return the latest trades with a higher id than `after_id`, oldest first."""
        return self.market.tape.since(self.index(inst_id), after_id, limit)

    def last_trade_id(self, inst_id: str) -> int:
        """Return the id of the latest trade, 0 before the first: cheap to poll."""
        last = self.market.tape.last(self.index(inst_id))
        return last.trade_id if last else 0

    def ticker(self, inst_id: str) -> Ticker:
        """Return the last trade, best bid and offer and the last 24 hours."""
        return self._views.ticker(self.index(inst_id))

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
        return self._views.candles(self.index(inst_id), bar_ms, before_ms, after_ms, limit)

    def mark_price(self, inst_id: str) -> Decimal:
        """Return the price that positions are valued at."""
        self.index(inst_id)
        return self.market.mark_price(inst_id)

    def index_price(self, inst_id: str) -> Decimal:
        """Return the price of the underlying."""
        self.index(inst_id)
        return self.market.index_price(inst_id)

    def price_limits(self, inst_id: str) -> tuple[Decimal, Decimal]:
        """Return (highest price of a buy, lowest price of a sell)."""
        place = self.index(inst_id)
        highest, lowest = self.market.band(place, self.settings.band)
        rules = self.market.rules[place]
        return rules.price(highest), rules.price(lowest)

    def funding(self, inst_id: str) -> Funding:
        """Return the funding of a swap; `Refused` for others."""
        self._derivative(inst_id, InstrumentKind.SWAP)
        return self._funding.funding(inst_id)

    def funding_history(self, inst_id: str, limit: int = 100) -> list[SettledFunding]:
        """Return the rates that were paid, newest first."""
        self._derivative(inst_id, InstrumentKind.SWAP)
        return self._funding.history(inst_id, limit)

    def open_interest(self, inst_id: str) -> Decimal:
        """Return the open contracts, a believable amount of other people's included."""
        rules = self._derivative(inst_id)
        others = self._margins.tiers(inst_id)[2].max_contracts
        return others + rules.size(sum(max(each.position_lots(inst_id), 0) for each in self._accounts.values()))

    def margin_tiers(self, inst_id: str) -> list[MarginTier]:
        """Return the position tiers of a derivative."""
        self._derivative(inst_id)
        return list(self._margins.tiers(inst_id))

    # ---- lists: newest first; `after_id` asks for older rows, `before_id` for newer ones ----------------------------

    def order(self, account: str, inst_id: str, *, order_id: int | None = None, client_id: str = "") -> Order:
        """Return an open or remembered order; by client id the latest with it."""
        found = self.account(account).find(inst_id, order_id, client_id)
        if found is None:
            raise Refused(Refusal.UNKNOWN_ORDER, client_id if order_id is None else str(order_id))
        return found.order if isinstance(found, Working) else found

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
        newest_first = reversed(self.account(account).working.values())
        orders = (
            each.order
            for each in sorted(newest_first, key=lambda each: -each.order.order_id)
            if kind in (None, each.instrument.kind)
            and inst_id in (None, each.instrument.inst_id)
            and (after_id is None or each.order.order_id < after_id)
            and (before_id is None or each.order.order_id > before_id)
        )
        return list(islice(orders, limit))

    def closed_orders(  # noqa: PLR0913 - the filters of a query, each with a name
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
        begin, end = _period(begin_ms, end_ms)
        return self.account(account).ended.page(
            after_id,
            before_id,
            limit,
            lambda row: (
                kind in (None, row.kind)
                and inst_id in (None, row.inst_id)
                and state in (None, row.state)
                and begin <= row.created_ms <= end
            ),
        )

    def fills(  # noqa: PLR0913 - the filters of a query, each with a name
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
        begin, end = _period(begin_ms, end_ms)
        return self.account(account).fills.page(
            after_id,
            before_id,
            limit,
            lambda row: (
                kind in (None, row.kind)
                and inst_id in (None, row.inst_id)
                and order_id in (None, row.order_id)
                and begin <= row.time_ms <= end
            ),
        )

    def bills(  # noqa: PLR0913 - the filters of a query, each with a name
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
        begin, end = _period(begin_ms, end_ms)
        return self.account(account).bills.page(
            after_id,
            before_id,
            limit,
            lambda row: (
                bill_kind in (None, row.kind)
                and kind in (None, row.inst_kind)
                and currency in (None, row.currency)
                and begin <= row.time_ms <= end
            ),
        )

    # ---- accounts ---------------------------------------------------------------------------------------------------

    def balances(self, account: str) -> dict[str, Balance]:
        """Return every coin that the account ever held."""
        owner = self.account(account)
        return {coin: self._margins.balance(owner, coin) for coin in owner.cash}

    def summary(self, account: str) -> AccountSummary:
        """Return equity and margin of the whole account."""
        owner = self.account(account)
        worth = sum((cash * self._views.usdt_price(coin) for coin, cash in owner.cash.items()), ZERO)
        return self._margins.summary(owner, worth, self.now_ms)

    def positions(self, account: str, kind: InstrumentKind | None = None, inst_id: str | None = None) -> list[Position]:
        """Return the open positions."""
        owner = self.account(account)
        return [
            self._view(owner, state)
            for state in owner.positions.values()
            if kind in (None, state.instrument.kind) and inst_id in (None, state.instrument.inst_id)
        ]

    def position(self, account: str, inst_id: str) -> Position | None:
        """Return one position, None where there is none."""
        owner = self.account(account)
        state = owner.positions.get(inst_id)
        return None if state is None else self._view(owner, state)

    def leverage(self, account: str, inst_id: str) -> Decimal:
        """Return the leverage of a derivative for this account."""
        self._derivative(inst_id)
        return self._margins.leverage(self.account(account), inst_id)

    def fee_rates(self, account: str, kind: InstrumentKind) -> FeeRates:
        """Return the account's fees in its present tier."""
        volume = self.account(account).volume.thirty_days(self.now_ms)
        return fee_rates(self.settings.fee_tiers, volume, kind)

    def max_size(self, account: str, inst_id: str, side: Side, price: Decimal | None = None) -> Decimal:
        """Return the largest order that the account could place now."""
        return self._views.max_size(self.account(account), self.index(inst_id), side, price)

    def _derivative(self, inst_id: str, kind: InstrumentKind | None = None) -> Instrument:
        rules = self.market.rules[self.index(inst_id)]
        if rules.is_spot or kind not in (None, rules.kind):
            raise Refused(Refusal.WRONG_KIND, inst_id)
        return rules

    def _view(self, owner: Account, state: PositionState) -> Position:
        last = self._views.last_price(self.index(state.instrument.inst_id))
        return self._margins.position(owner, state, last)


def _period(begin_ms: int | None, end_ms: int | None) -> tuple[float, float]:
    return (-math.inf if begin_ms is None else begin_ms), (math.inf if end_ms is None else end_ms)
