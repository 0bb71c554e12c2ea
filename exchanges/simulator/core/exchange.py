"""The exchange: one object, no clock of its own, no sockets; equal seeds and equal calls give equal traces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exchanges.simulator.core.accounts import Account, House
from exchanges.simulator.core.clearing import FundingClock, Liquidator
from exchanges.simulator.core.events import InstrumentChanged
from exchanges.simulator.core.instruments import InstrumentState
from exchanges.simulator.core.journal import Journal
from exchanges.simulator.core.margin import Margins
from exchanges.simulator.core.market import Market
from exchanges.simulator.core.money import LIMIT, nearest
from exchanges.simulator.core.reading import Reading
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

    from exchanges.simulator.core.events import Event
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.values import (
        Bill,
        Order,
    )
    from exchanges.simulator.prices.source import PriceSource


class Exchange(Reading):
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

    # ---- listing ----------------------------------------------------------------------------------------------------

    def set_state(self, inst_id: str, state: InstrumentState) -> None:
        """Suspend, resume or delist: open orders are canceled on any state but live."""
        self.change_rules(replace(self.market.rules[self.index(inst_id)], state=state))

    def change_rules(self, instrument: Instrument) -> None:
        """Replace tick, lot or minimum of a listed instrument; its open orders are canceled.

        Raises:
            ValueError: If somebody's position is no whole number of the new lots.
        """
        old = self.market.rules[self.index(instrument.inst_id)]
        ends = instrument.state is InstrumentState.EXPIRED
        held = [each for each in self._accounts.values() if instrument.inst_id in each.positions]
        if not ends:
            for account in held:
                account.positions[instrument.inst_id].check_rules(instrument)
        for account in self._accounts.values():
            self._trading.cancel_all(account, instrument.inst_id, CancelReason.DELISTED)
        for account in held:
            state = account.positions[instrument.inst_id]
            if ends:
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

    # ---- accounts ---------------------------------------------------------------------------------------------------

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

    def add_account(self, account: str, cash: Mapping[str, Decimal]) -> None:
        """Open an account with a first transfer in."""
        if account in self._accounts:
            raise ValueError(f"account {account} exists")
        self._accounts[account] = Account(account, self._journal, self.settings.order_memory)
        for currency, amount in cash.items():
            self.transfer(account, currency, amount, "opening balance")

    def resume_account(
        self, account: str, cash: Mapping[str, Decimal], positions: Mapping[str, tuple[int, Decimal]]
    ) -> None:
        """Open an account as an earlier run left it: cash by coin, lots and cost by instrument; no bill is written."""
        if account in self._accounts:
            raise ValueError(f"account {account} exists")
        owner = self._accounts[account] = Account(account, self._journal, self.settings.order_memory)
        owner.cash.update(cash)
        for inst_id, (lots, cost) in positions.items():
            rules = self.market.rules[self.index(inst_id)]
            for state, sign in ((owner.open_position(rules), 1), (self._house.position(rules), -1)):
                state.lots, state.cost = sign * lots, sign * cost

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
            if account.positions or min(account.cash.values(), default=ZERO) < 0:
                self._liquidator.check(account)
