"""What the exchange does to positions by itself: funding, liquidation, and settlement of what is delisted."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.events import FundingSettled, Liquidated, PositionChanged
from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.core.money import nearest, product, up
from exchanges.simulator.core.values import ZERO, BillKind, CancelReason, Funding, OrderCategory, SettledFunding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.simulator.core.accounts import Account, House
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.journal import Journal
    from exchanges.simulator.core.margin import Margins
    from exchanges.simulator.core.market import Market
    from exchanges.simulator.core.positions import PositionState
    from exchanges.simulator.core.settings import Settings
    from exchanges.simulator.core.trading import Trading

HISTORY = 400


class FundingClock:
    """Pays funding between long and short at every multiple of the interval on the clients' clock."""

    def __init__(
        self, market: Market, accounts: Mapping[str, Account], house: House, journal: Journal, settings: Settings
    ) -> None:
        self._market = market
        self._accounts = accounts
        self._house = house
        self._journal = journal
        self._model = settings.funding
        self.interval_ms = max(round(settings.funding.interval_ms / settings.speed), 1)
        self.next_ms = (journal.now_ms // self.interval_ms + 1) * self.interval_ms
        self._history: dict[str, list[SettledFunding]] = {}

    def settle_due(self) -> None:
        """Pay every funding whose time has come."""
        while self.next_ms <= self._journal.now_ms:
            for inst_id, rules in self._market.instruments.items():
                if rules.kind is InstrumentKind.SWAP and self._market.mark(inst_id):
                    self._settle(rules)
            self._market.premiums.settle()
            self.next_ms += self.interval_ms

    def _settle(self, rules: Instrument) -> None:
        inst_id = rules.inst_id
        rate = self._market.premiums.rate(self._market.places[inst_id])
        history = self._history.setdefault(inst_id, [])
        history.append(SettledFunding(inst_id, rate, self.next_ms))
        del history[:-HISTORY]
        mark = self._market.mark(inst_id)
        for account in self._accounts.values():
            state = account.positions.get(inst_id)
            if state is None:
                continue
            change = nearest(product(-rules.value(mark, state.lots), rate))
            account.post(
                BillKind.FUNDING,
                rules.settle,
                change,
                pnl=change,
                inst_id=inst_id,
                inst_kind=rules.kind,
                size=rules.size(abs(state.lots)),
                price=rules.price(mark),
            )
            state.funding += change
            state.updated_ms = self._journal.now_ms
            self._house.cash[rules.settle] -= change
            self._journal.tell(PositionChanged(account.name, inst_id))
        self._journal.tell(FundingSettled(inst_id, rate, self.next_ms))

    def funding(self, inst_id: str) -> Funding:
        """Return what a swap would pay next."""
        place = self._market.places[inst_id]
        settled = self._history.get(inst_id)
        return Funding(
            inst_id=inst_id,
            rate=self._market.premiums.rate(place),
            time_ms=self.next_ms,
            next_time_ms=self.next_ms + self.interval_ms,
            interval_ms=self.interval_ms,
            premium=nearest(Decimal(self._market.premiums.average(place))),
            interest=self._model.interest,
            min_rate=-self._model.cap,
            max_rate=self._model.cap,
            settled_rate=settled[-1].rate if settled else ZERO,
            settled_ms=settled[-1].time_ms if settled else self.next_ms - self.interval_ms,
        )

    def history(self, inst_id: str, limit: int) -> list[SettledFunding]:
        """Return the rates paid, newest first."""
        return self._history.get(inst_id, [])[: -limit - 1 : -1]


class Liquidator:
    """Takes over positions of accounts whose equity is below their maintenance margin.

    First all orders of the account are canceled. Then, the position with the largest maintenance margin first: from a
    higher tier it is cut to the top of the tier below, in the lowest tier it is closed whole; at the mark, with a fee
    to the insurance fund; until the equity suffices again. What cash is then missing, with no position left, the
    insurance fund pays, which may itself become negative.
    """

    def __init__(
        self,
        margins: Margins,
        trading: Trading,
        house: House,
        journal: Journal,
        fee_rate: Decimal,
    ) -> None:
        self._margins = margins
        self._trading = trading
        self._house = house
        self._journal = journal
        self._fee_rate = fee_rate

    def check(self, account: Account) -> None:
        """Liquidate an account as far as needed."""
        owed = {coin for coin, cash in account.cash.items() if cash < 0}
        for coin in sorted(owed.union(state.instrument.settle for state in account.positions.values())):
            if self._sound(account, coin):
                continue
            self._trading.cancel_all(account, None, CancelReason.LIQUIDATION)
            while (states := self._concerned(account, coin)) and not self._sound(account, coin):
                self._reduce(account, max(states, key=self._margins.maintenance))
            self._cover(account, coin)

    def _concerned(self, account: Account, coin: str) -> list[PositionState]:
        return [state for state in account.positions.values() if state.instrument.settle == coin]

    def _sound(self, account: Account, coin: str) -> bool:
        equity = account.cash.get(coin, ZERO) + self._margins.unrealised(account, coin)
        return equity >= self._margins.total_maintenance(account, coin)

    def _reduce(self, account: Account, state: PositionState) -> None:
        rules, lots = state.instrument, abs(state.lots)
        tier = self._margins.tier(rules, lots)
        target = int(tier.min_contracts // rules.lot_size) if tier.tier > 1 else 0
        category = OrderCategory.PARTIAL_LIQUIDATION if target else OrderCategory.FULL_LIQUIDATION
        order = self._trading.take_over(account, rules, lots - target, category)
        fill = order.last_fill
        if fill is None:
            raise RuntimeError(f"{rules.inst_id}: a liquidation order found no fill")
        fee = up(product(fill.size * rules.contract_value * fill.price, self._fee_rate))
        account.post(
            BillKind.LIQUIDATION,
            rules.settle,
            -fee,
            fee=fee,
            inst_id=rules.inst_id,
            inst_kind=rules.kind,
            side=fill.side,
            size=fill.size,
            price=fill.price,
            order_id=order.order_id,
        )
        self._house.insurance[rules.settle] += fee
        self._journal.tell(
            Liquidated(account.name, rules.inst_id, fill.side, fill.size, fill.price, self._journal.now_ms)
        )

    def _cover(self, account: Account, coin: str) -> None:
        missing = -account.cash.get(coin, ZERO)
        if missing > 0 and not self._concerned(account, coin):
            account.post(BillKind.INSURANCE, coin, missing)
            self._house.insurance[coin] -= missing
