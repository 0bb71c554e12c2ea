"""The exchange: one object, no clock of its own, no sockets; equal seeds and equal calls give equal traces."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from exchanges.simulator.core.accounts import Account, House, Working
from exchanges.simulator.core.clearing import FundingClock, Liquidator
from exchanges.simulator.core.events import InstrumentChanged
from exchanges.simulator.core.fees import fee_rates
from exchanges.simulator.core.instruments import InstrumentKind, InstrumentState
from exchanges.simulator.core.journal import Journal
from exchanges.simulator.core.margin import Margins
from exchanges.simulator.core.market import Market
from exchanges.simulator.core.money import LIMIT, nearest
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.settings import Settings
from exchanges.simulator.core.settlement import Settlement
from exchanges.simulator.core.trading import Trading
from exchanges.simulator.core.values import (
    ZERO,
    BillKind,
    CancelReason,
    OrderCategory,
    OrderRequest,
    OrderType,
    Side,
)
from exchanges.simulator.core.views import Views

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    import numpy as np
    from numpy.typing import NDArray

    from exchanges.simulator.core.events import Event
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.positions import PositionState
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
        self._journal = Journal(now_ms)
        self._house = House()
        self._accounts: dict[str, Account] = {}
        self.market = Market(instruments, prices, self._journal, self.settings, seed)
        self._margins = Margins(self.market, self.settings.default_leverage)
        self._settlement = Settlement(self.market, self._accounts, self._house, self._journal, self.settings.fee_tiers)
        self._trading = Trading(
            self.market, self._accounts, self._margins, self._settlement, self._journal, self.settings
        )
        self._funding = FundingClock(self.market, self._accounts, self._house, self._journal, self.settings)
        self._liquidator = Liquidator(
            self._margins, self._trading, self._house, self._journal, self.settings.liquidation_fee
        )
        self._views = Views(self.market, self._margins, self._journal, self.settings)
        for account, cash in accounts.items():
            self.add_account(account, cash)

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

    # ---- time -------------------------------------------------------------------------------------------------------

    def advance(self, to_ms: int) -> None:
        """Move the clock: prices and books, resting orders they meet, timers, funding, marks, liquidations."""
        journal, longest = self._journal, self.settings.max_step_ms
        while journal.now_ms < to_ms:
            journal.now_ms = min(journal.now_ms + longest, to_ms)
            self._step()

    def drain(self) -> list[Event]:
        """Return what happened since the last call, in order."""
        return self._journal.drain()

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

    # ---- listing ----------------------------------------------------------------------------------------------------

    def set_state(self, inst_id: str, state: InstrumentState) -> None:
        """Suspend, resume or delist: open orders are canceled on any state but live."""
        self.change_rules(replace(self.market.rules[self.index(inst_id)], state=state))

    def change_rules(self, instrument: Instrument) -> None:
        """Replace tick, lot or minimum of a listed instrument; its open orders are canceled."""
        old = self.market.rules[self.index(instrument.inst_id)]
        for account in self._accounts.values():
            self._trading.cancel_all(account, instrument.inst_id, CancelReason.DELISTED)
            state = account.positions.get(instrument.inst_id)
            if state is None:
                continue
            if instrument.state is InstrumentState.EXPIRED:
                self._trading.take_over(account, old, abs(state.lots), OrderCategory.DELIVERY)
            else:
                state.change_rules(instrument)
        self._house.change_rules(instrument)
        self.market.set_rules(instrument)
        self._journal.tell(InstrumentChanged(instrument))

    # ---- orders -----------------------------------------------------------------------------------------------------

    def place(self, account: str, request: OrderRequest) -> Order:
        """Place an order and return it as it stands after it met the book."""
        return self._trading.place(self.account(account), request)

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
        if size is None and price is None:
            raise Refused(Refusal.NOTHING_TO_AMEND)
        owner = self.account(account)
        working = self._trading.find_open(owner, inst_id, order_id, client_id)
        try:
            return self._trading.amend(owner, working, size, price)
        except Refused:
            if cancel_on_failure:
                self._trading.cancel(owner, working, CancelReason.AMEND_FAILED)
            raise

    def cancel(self, account: str, inst_id: str, *, order_id: int | None = None, client_id: str = "") -> Order:
        """Cancel an open order."""
        owner = self.account(account)
        working = self._trading.find_open(owner, inst_id, order_id, client_id)
        return self._trading.cancel(owner, working, CancelReason.USER)

    def cancel_all(self, account: str, inst_id: str | None = None) -> list[Order]:
        """Cancel every open order of the account, or of one instrument."""
        return self._trading.cancel_all(self.account(account), inst_id, CancelReason.USER)

    def cancel_all_after(self, account: str, timeout_ms: int) -> int:
        """Cancel all orders unless called again within `timeout_ms`; 0 disarms. Return when it fires, else 0."""
        owner = self.account(account)
        owner.cancel_at_ms = self.now_ms + timeout_ms if timeout_ms else 0
        return owner.cancel_at_ms

    def close_position(self, account: str, inst_id: str, client_id: str = "", tag: str = "") -> Order:
        """Close a position with a reduce-only market order."""
        rules = self._derivative(inst_id)
        lots = self.account(account).position_lots(inst_id)
        if not lots:
            raise Refused(Refusal.NO_POSITION, inst_id)
        side = Side.SELL if lots > 0 else Side.BUY
        size = rules.size(abs(lots))
        return self.place(
            account,
            OrderRequest(inst_id, side, OrderType.MARKET, size, client_id=client_id, reduce_only=True, tag=tag),
        )

    # ---- lookups; every list is newest first; `after_id` asks for older rows, `before_id` for newer ones ----------------

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

    def set_leverage(self, account: str, inst_id: str, leverage: Decimal) -> None:
        """Set it; refused if the margin would not cover positions and orders."""
        rules = self._derivative(inst_id)
        owner = self.account(account)
        if not leverage.is_finite() or not 1 <= leverage <= rules.max_leverage:
            raise Refused(Refusal.BAD_LEVERAGE, f"{leverage}, highest {rules.max_leverage}")
        before, slack = owner.leverage.get(inst_id), self._margins.slack(owner, rules.settle)
        owner.leverage[inst_id] = leverage
        now_slack = self._margins.slack(owner, rules.settle)
        if now_slack < 0 and now_slack < slack:
            owner.leverage.pop(inst_id)
            if before is not None:
                owner.leverage[inst_id] = before
            raise Refused(Refusal.INSUFFICIENT_MARGIN, f"{-now_slack} {rules.settle} missing at leverage {leverage}")

    def fee_rates(self, account: str, kind: InstrumentKind) -> FeeRates:
        """Return the account's fees in its present tier."""
        volume = self.account(account).volume.thirty_days(self.now_ms)
        return fee_rates(self.settings.fee_tiers, volume, kind)

    def max_size(self, account: str, inst_id: str, side: Side, price: Decimal | None = None) -> Decimal:
        """Return the largest order that the account could place now."""
        return self._views.max_size(self.account(account), self.index(inst_id), side, price)

    def add_account(self, account: str, cash: Mapping[str, Decimal]) -> None:
        """Open an account with a first transfer in."""
        if account in self._accounts:
            raise ValueError(f"account {account} exists")
        self._accounts[account] = Account(account, self._journal, self.settings.order_memory)
        for currency, amount in cash.items():
            self.transfer(account, currency, amount, "opening balance")

    def transfer(self, account: str, currency: str, amount: Decimal, note: str = "") -> Bill:
        """Pay in (positive) or out (negative); refused beyond what is available."""
        owner = self.account(account)
        amount = nearest(amount)
        if not amount or abs(amount) >= LIMIT or abs(owner.cash.get(currency, ZERO) + amount) >= LIMIT:
            raise Refused(Refusal.BAD_SIZE, f"{amount} {currency}")
        available = self._margins.available(owner, currency)
        if -amount > available:
            raise Refused(Refusal.INSUFFICIENT_FUNDS, f"{-amount} {currency} asked, {available} available")
        return owner.post(BillKind.TRANSFER, currency, amount, note=note)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        trades = self.market.step()
        for inst_id, state in self.market.due_states():
            self.set_state(inst_id, state)
        for account in self._accounts.values():
            if account.cancel_at_ms and account.cancel_at_ms <= self.now_ms:
                account.cancel_at_ms = 0
                self._trading.cancel_all(account, None, CancelReason.TIMER)
        for place, book in enumerate(self.market.books):
            if book:
                self._trading.meet_book(place)
        for place, side, lots in trades:
            self._trading.print_trade(place, side, lots)
        self._funding.settle_due()
        for account in self._accounts.values():
            if account.positions:
                self._liquidator.check(account)

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
