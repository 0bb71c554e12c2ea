"""What open spot orders hold, what swaps need as margin, and what is left.

One wallet, cross margin, each swap margined in its settle coin alone. An instrument's margin covers the largest
position that its open orders could lead to: max(|p|, |p + buys|, |p - sells|), reduce-only orders aside, valued at the
mark. Open profit counts for margin calls and liquidation, and cannot be spent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.money import product, quotient, up
from exchanges.simulator.core.values import ZERO, AccountSummary, Balance, MarginTier, Position, Side

if TYPE_CHECKING:
    from exchanges.simulator.core.accounts import Account
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.market import Market
    from exchanges.simulator.core.positions import PositionState

BRACKETS = (
    ("1000000", "0.004", "0"),
    ("5000000", "0.0065", "0.02"),
    ("20000000", "0.015", "0.04"),
    ("100000000", "0.03", "0.1"),
    ("1000000000000", "0.1", "0.25"),
)
"""(Notional up to, maintenance rate, least initial rate): shaped like the tiers of large venues."""


def margin_tiers(instrument: Instrument, price: Decimal) -> list[MarginTier]:
    """Return the position tiers in contracts, cut at `BRACKETS` with the price of the listing."""
    tiers: list[MarginTier] = []
    least = 1 / instrument.max_leverage
    floor = ZERO
    for number, (notional, maintenance, initial) in enumerate(BRACKETS, start=1):
        top = (Decimal(notional) / (price * instrument.contract_value)).to_integral_value()
        rate = max(least, Decimal(initial))
        leverage = min(instrument.max_leverage, 1 / rate).quantize(Decimal("0.01"))
        tiers.append(MarginTier(number, floor, max(top, floor + 1), Decimal(maintenance), rate, leverage))
        floor = tiers[-1].max_contracts
    return tiers


class Margins:
    """Margin of all accounts, at the present marks."""

    def __init__(self, market: Market, default_leverage: Decimal) -> None:
        self._market = market
        self._default = default_leverage
        self._tiers: dict[str, list[MarginTier]] = {}

    def tiers(self, inst_id: str) -> list[MarginTier]:
        """Return the position tiers of a derivative; fixed when first asked for."""
        if inst_id not in self._tiers:
            instrument = self._market.instruments[inst_id]
            price = max(self._market.mark_price(inst_id), instrument.tick_size)
            self._tiers[inst_id] = margin_tiers(instrument, price)
        return self._tiers[inst_id]

    def tier(self, instrument: Instrument, lots: int) -> MarginTier:
        """Return the tier that a position of so many lots is in."""
        size = instrument.size(abs(lots))
        tiers = self.tiers(instrument.inst_id)
        return next((tier for tier in tiers if size <= tier.max_contracts), tiers[-1])

    def leverage(self, account: Account, inst_id: str) -> Decimal:
        """Return the leverage set, or the default."""
        highest = self._market.instruments[inst_id].max_leverage
        return account.leverage.get(inst_id, min(self._default, highest))

    def worst_lots(self, account: Account, inst_id: str) -> int:
        """Return the largest position, without its sign, that the open orders could lead to."""
        lots = account.position_lots(inst_id)
        buys = account.resting_lots.get((inst_id, Side.BUY), 0)
        sells = account.resting_lots.get((inst_id, Side.SELL), 0)
        return max(abs(lots), abs(lots + buys), abs(lots - sells))

    def initial(self, account: Account, instrument: Instrument, lots: int, ticks: int | None = None) -> Decimal:
        """Return the initial margin of so many lots, at the mark or another price."""
        price = self._market.mark(instrument.inst_id) if ticks is None else ticks
        rate = self.tier(instrument, lots).initial_rate
        leverage = self.leverage(account, instrument.inst_id)
        value = instrument.value(price, lots)
        return up(max(quotient(value, leverage), product(value, rate)))

    def maintenance(self, state: PositionState) -> Decimal:
        """Return the maintenance margin of a position."""
        rate = self.tier(state.instrument, state.lots).maintenance_rate
        return up(product(state.value(self._market.mark(state.instrument.inst_id)), rate))

    def increase(self, account: Account, instrument: Instrument, side: Side, lots: int, ticks: int) -> Decimal:
        """Return the further margin that an order of so many lots at a price needs."""
        inst_id = instrument.inst_id
        before = self.worst_lots(account, inst_id)
        key = inst_id, side
        resting = account.resting_lots.get(key, 0)
        after = max(before, abs(account.position_lots(inst_id) + side.sign * (resting + lots)))
        if after == before:
            return ZERO
        price = max(ticks, self._market.mark(inst_id))
        present = self.initial(account, instrument, before) if before else ZERO
        whole = self.initial(account, instrument, after, price)
        return max(ZERO, whole - present)

    def unrealised(self, account: Account, currency: str) -> Decimal:
        """Return the open profit of all positions settled in a coin."""
        mark = self._market.mark
        return sum(
            (
                state.unrealised(mark(inst_id))
                for inst_id, state in account.positions.items()
                if state.instrument.settle == currency
            ),
            ZERO,
        )

    def used(self, account: Account, currency: str) -> Decimal:
        """Return the initial margin of positions and orders settled in a coin."""
        concerned = set(account.positions) | {inst for (inst, _), lots in account.resting_lots.items() if lots}
        rules = self._market.instruments
        return sum(
            (
                self.initial(account, rules[inst_id], self.worst_lots(account, inst_id))
                for inst_id in sorted(concerned)
                if rules[inst_id].settle == currency
            ),
            ZERO,
        )

    def total_maintenance(self, account: Account, currency: str) -> Decimal:
        """Return the maintenance margin of all positions settled in a coin."""
        states = (state for state in account.positions.values() if state.instrument.settle == currency)
        return sum((self.maintenance(state) for state in states), ZERO)

    def balance(self, account: Account, currency: str) -> Balance:
        """Return one coin of an account."""
        return Balance(
            currency=currency,
            cash=account.cash.get(currency, ZERO),
            held=account.held.get(currency, ZERO),
            margin=self.used(account, currency),
            unrealised=self.unrealised(account, currency),
            updated_ms=account.changed_ms.get(currency, 0),
        )

    def available(self, account: Account, currency: str) -> Decimal:
        """Return what new orders may use of a coin."""
        return self.balance(account, currency).available

    def slack(self, account: Account, currency: str) -> Decimal:
        """Return what is left of cash or equity after holds and margin, negative where they are not covered."""
        balance = self.balance(account, currency)
        return min(balance.cash, balance.equity) - balance.used

    def liquidation_price(self, account: Account, state: PositionState) -> Decimal | None:
        """Return the mark at which equity meets maintenance margin, all else equal; None where there is no such price.

        With q the signed base coin of the position, r its maintenance rate, m the mark and F the equity without the
        other positions' maintenance margin: F + q(p - m) = |q| p r, hence p = (q m - F) / (q - |q| r).
        """
        rules = state.instrument
        coin = rules.settle
        mark = self._market.mark_price(rules.inst_id)
        equity = account.cash.get(coin, ZERO) + self.unrealised(account, coin)
        free = equity - self.total_maintenance(account, coin) + self.maintenance(state)
        base = state.lots * rules.lot_size * rules.contract_value
        rate = self.tier(rules, state.lots).maintenance_rate
        price = quotient(product(base, mark) - free, base - product(abs(base), rate))
        return price if price > 0 else None

    def position(self, account: Account, state: PositionState, last: Decimal) -> Position:
        """Return a position as the client sees it."""
        rules = state.instrument
        mark = self._market.mark(rules.inst_id)
        return Position(
            position_id=state.position_id,
            account=account.name,
            inst_id=rules.inst_id,
            size=state.lots * rules.lot_size,
            entry_price=state.entry_price,
            mark_price=rules.price(mark),
            last_price=last,
            index_price=self._market.index_price(rules.inst_id),
            leverage=self.leverage(account, rules.inst_id),
            notional=state.value(mark),
            unrealised=state.unrealised(mark),
            realised=state.realised,
            fees=state.fees,
            funding=state.funding,
            initial_margin=self.initial(account, rules, abs(state.lots)),
            maintenance_margin=self.maintenance(state),
            liquidation_price=self.liquidation_price(account, state),
            last_trade_id=state.last_trade_id,
            created_ms=state.created_ms,
            updated_ms=state.updated_ms,
        )

    def summary(self, account: Account, worth: Decimal, now_ms: int) -> AccountSummary:
        """Return the account as a whole; `worth` is its cash in all coins, in USDT."""
        coin = "USDT"
        unrealised = self.unrealised(account, coin)
        maintenance = self.total_maintenance(account, coin)
        equity = account.cash.get(coin, ZERO) + unrealised
        mark = self._market.mark
        states = account.positions.items()
        return AccountSummary(
            account=account.name,
            total_equity=worth + unrealised,
            margin_equity=equity,
            initial_margin=self.used(account, coin),
            maintenance_margin=maintenance,
            notional=sum((state.value(mark(inst_id)) for inst_id, state in states), ZERO),
            unrealised=unrealised,
            margin_ratio=quotient(equity, maintenance) if maintenance else None,
            time_ms=now_ms,
        )
