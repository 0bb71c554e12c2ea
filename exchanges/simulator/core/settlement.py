"""What a trade does to the accounts on its two sides: coins or positions, fees, bills, fills and the orders' state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from exchanges.simulator.core.events import OrderChanged, PositionChanged
from exchanges.simulator.core.fees import FeeTier, fee_rates
from exchanges.simulator.core.money import product, quotient, up
from exchanges.simulator.core.values import Bill, BillKind, Fill, Liquidity, OrderState, Side

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from exchanges.simulator.core.accounts import Account, House, Working
    from exchanges.simulator.core.instruments import InstrumentKind
    from exchanges.simulator.core.journal import Journal
    from exchanges.simulator.core.market import Market


class Execution(NamedTuple):
    """One side of a trade."""

    working: Working
    ticks: int
    lots: int
    liquidity: Liquidity
    trade_id: int
    fee_rate: Decimal

    def details(self) -> dict[str, object]:
        """Return the fields that its bills share."""
        rules, order = self.working.instrument, self.working.order
        return {
            "inst_id": rules.inst_id,
            "inst_kind": rules.kind,
            "side": order.side,
            "size": rules.size(self.lots),
            "price": rules.price(self.ticks),
            "order_id": order.order_id,
            "client_id": order.client_id,
            "trade_id": self.trade_id,
            "liquidity": self.liquidity,
        }


class Settlement:
    """Books trades. Spot fees are taken in the coin received, derivatives' fees in the settle coin, rounded up."""

    def __init__(
        self,
        market: Market,
        accounts: Mapping[str, Account],
        house: House,
        journal: Journal,
        fee_tiers: tuple[FeeTier, ...],
    ) -> None:
        self._market = market
        self._accounts = accounts
        self._house = house
        self._journal = journal
        self._fee_tiers = fee_tiers

    def take(self, taker: Working, ticks: int, lots: int, maker: Working | None) -> None:
        """Trade an incoming order against a resting one, or against the synthetic book."""
        trade_id = self._market.print_trade(taker.place, ticks, lots, taker.side)
        self._fill(taker, ticks, lots, Liquidity.TAKER, trade_id)
        if maker is None:
            self._market.consume(taker.place, taker.side.opposite, ticks, lots)
            self._house.trade(taker.instrument, taker.side.opposite, ticks, lots)
        else:
            self._fill(maker, ticks, lots, Liquidity.MAKER, trade_id)

    def make(self, maker: Working, lots: int) -> None:
        """Trade a resting order at its price against a synthetic taker."""
        trade_id = self._market.print_trade(maker.place, maker.ticks, lots, maker.side.opposite)
        self._house.trade(maker.instrument, maker.side.opposite, maker.ticks, lots)
        self._fill(maker, maker.ticks, lots, Liquidity.MAKER, trade_id)

    def take_over(self, working: Working) -> None:
        """Trade an order of the exchange's own, whole, at the price it carries and past the book."""
        ticks, lots = working.ticks, working.remaining
        trade_id = self._market.print_trade(working.place, ticks, lots, working.side)
        self._house.trade(working.instrument, working.side.opposite, ticks, lots)
        self._fill(working, ticks, lots, Liquidity.TAKER, trade_id)

    def rate(self, account: Account, kind: InstrumentKind, liquidity: Liquidity) -> Decimal:
        """Return the fee rate that applies."""
        volume = account.volume.thirty_days(self._journal.now_ms)
        rates = fee_rates(self._fee_tiers, volume, kind)
        return rates.maker if liquidity is Liquidity.MAKER else rates.taker

    def _fill(self, working: Working, ticks: int, lots: int, liquidity: Liquidity, trade_id: int) -> None:
        account = self._accounts[working.account]
        rules, order = working.instrument, working.order
        rate = self.rate(account, rules.kind, liquidity)
        value = rules.value(ticks, lots)
        resting = order.order_id in account.working
        if resting:
            account.release(working)
        working.filled += lots
        working.value += value
        if resting:
            account.reserve(working)
        execution = Execution(working, ticks, lots, liquidity, trade_id, rate)
        bill = self._exchange_coins(account, execution) if rules.is_spot else self._move_position(account, execution)
        self._house.fees[bill.currency] += bill.fee
        account.volume.add(value, self._journal.now_ms)
        fill = Fill(
            trade_id=trade_id,
            bill_id=bill.bill_id,
            account=account.name,
            order_id=order.order_id,
            client_id=order.client_id,
            inst_id=rules.inst_id,
            kind=rules.kind,
            side=working.side,
            size=rules.size(lots),
            price=rules.price(ticks),
            fee=bill.fee,
            fee_currency=bill.currency,
            fee_rate=rate,
            liquidity=liquidity,
            pnl=bill.pnl,
            mark_price=self._market.mark_price(rules.inst_id),
            index_price=self._market.index_price(rules.inst_id),
            time_ms=self._journal.now_ms,
            tag=order.request.tag,
        )
        account.fills.add(fill.bill_id, fill)
        self._tell(account, working, fill)

    def _exchange_coins(self, account: Account, execution: Execution) -> Bill:
        """Post both coins of a spot trade and return the bill of the coin received, which carries the fee."""
        rules, side = execution.working.instrument, execution.working.side
        base, value = rules.size(execution.lots), rules.value(execution.ticks, execution.lots)
        coins = (rules.base, base), (rules.quote, value)
        (received, gain), (paid, loss) = coins if side is Side.BUY else coins[::-1]
        fee = up(product(gain, execution.fee_rate))
        account.post(BillKind.TRADE, paid, -loss, **execution.details())
        return account.post(BillKind.TRADE, received, gain - fee, fee=fee, **execution.details())

    def _move_position(self, account: Account, execution: Execution) -> Bill:
        """Change a position, post what it realised less the fee, and return that bill."""
        working = execution.working
        rules = working.instrument
        fee = up(product(rules.value(execution.ticks, execution.lots), execution.fee_rate))
        state = account.open_position(rules)
        pnl = state.trade(working.side.sign * execution.lots, execution.ticks)
        state.fees += fee
        state.last_trade_id = execution.trade_id
        state.updated_ms = self._journal.now_ms
        if not state.lots:
            del account.positions[rules.inst_id]
        bill = account.post(BillKind.TRADE, rules.settle, pnl - fee, fee=fee, pnl=pnl, **execution.details())
        self._journal.tell(PositionChanged(account.name, rules.inst_id))
        return bill

    def _tell(self, account: Account, working: Working, fill: Fill) -> None:
        rules, order = working.instrument, working.order
        filled = rules.size(working.filled)
        done = working.remaining == 0
        working.order = replace(
            order,
            filled=filled,
            average_price=quotient(working.value, filled * rules.contract_value),
            state=OrderState.FILLED if done else OrderState.PARTIALLY_FILLED,
            fee=order.fee + fill.fee,
            fee_currency=fill.fee_currency,
            pnl=order.pnl + fill.pnl,
            updated_ms=fill.time_ms,
            last_fill=fill,
        )
        if done:
            if order.order_id in account.working:
                self._market.withdraw(working)
            account.end(working.order)
        self._journal.tell(OrderChanged(working.order))
