"""What an order must satisfy before it is accepted; each rule refuses with its own kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import InstrumentState
from exchanges.simulator.core.money import product, up
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.values import ZERO, Liquidity, OrderType, Side, SizeUnit

if TYPE_CHECKING:
    from decimal import Decimal

    from exchanges.simulator.core.accounts import Account
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.journal import Journal
    from exchanges.simulator.core.margin import Margins
    from exchanges.simulator.core.market import Market
    from exchanges.simulator.core.planner import Plan
    from exchanges.simulator.core.settings import Settings
    from exchanges.simulator.core.settlement import Settlement
    from exchanges.simulator.core.values import OrderRequest

MAX_LOTS = 10**13


class Checks:
    """The rules of placing and amending."""

    def __init__(
        self, market: Market, margins: Margins, settlement: Settlement, journal: Journal, settings: Settings
    ) -> None:
        self._market = market
        self._margins = margins
        self._settlement = settlement
        self._journal = journal
        self._settings = settings

    def tradable(self, inst_id: str) -> Instrument:
        """Return the instrument if it trades now."""
        place = self._market.place(inst_id)
        rules = self._market.rules[place]
        if rules.state is not InstrumentState.LIVE or not self._market.mark_ticks[place]:
            raise Refused(Refusal.SUSPENDED, inst_id)
        return rules

    def shape(self, request: OrderRequest, rules: Instrument) -> tuple[int, int, Decimal | None]:
        """Return (worst price in ticks, lots, money): money instead of a bound on lots where sized in quote coin."""
        if not request.size.is_finite() or request.size <= 0:
            raise Refused(Refusal.BAD_SIZE, str(request.size))
        money = None
        lots = MAX_LOTS
        if request.size_unit is SizeUnit.QUOTE and request.type is OrderType.MARKET:
            if not rules.is_spot:
                raise Refused(Refusal.QUOTE_SIZE_UNSUPPORTED, rules.inst_id)
            money = request.size
        else:
            lots = self._lots(request, rules)
        return self._ticks(request, rules), lots, money

    def _lots(self, request: OrderRequest, rules: Instrument) -> int:
        if request.size > rules.lot_size * MAX_LOTS:
            raise Refused(Refusal.ABOVE_MAXIMUM, str(request.size))
        lots = rules.lots(request.size)
        if request.size < rules.min_size:
            raise Refused(Refusal.BELOW_MINIMUM, f"{request.size} < {rules.min_size}")
        if lots is None:
            raise Refused(Refusal.LOT_MULTIPLE, f"{request.size}, lot {rules.lot_size}")
        return lots

    def _ticks(self, request: OrderRequest, rules: Instrument) -> int:
        """Return the limit in ticks; a market order's is the price limit of its side."""
        place = self._market.place(rules.inst_id)
        highest, lowest = self._market.band(place, self._settings.band)
        if request.type is OrderType.MARKET:
            return highest if request.side is Side.BUY else lowest
        if request.price is None or not request.price.is_finite() or request.price <= 0:
            raise Refused(Refusal.BAD_PRICE, str(request.price))
        if request.price > rules.tick_size * MAX_LOTS:
            raise Refused(Refusal.PRICE_OUT_OF_BAND, str(request.price))
        ticks = rules.ticks(request.price)
        if ticks is None:
            raise Refused(Refusal.TICK_MULTIPLE, f"{request.price}, tick {rules.tick_size}")
        if ticks > highest if request.side is Side.BUY else ticks < lowest:
            bound = rules.price(highest if request.side is Side.BUY else lowest)
            raise Refused(Refusal.PRICE_OUT_OF_BAND, f"{request.price}, limit {bound}")
        return ticks

    def client_id(self, account: Account, request: OrderRequest) -> None:
        """Refuse a client id of an open order or of one that ended a short while ago, and too many open orders."""
        if len(account.working) >= self._settings.max_open_orders:
            raise Refused(Refusal.TOO_MANY_ORDERS, str(self._settings.max_open_orders))
        taken = account.client_ids.get(request.client_id) if request.client_id else None
        if taken is None:
            return
        ended = account.ended.get(taken)
        if ended is None or ended.updated_ms > self._journal.now_ms - self._settings.client_id_memory_ms:
            raise Refused(Refusal.DUPLICATE_CLIENT_ID, request.client_id)

    def not_too_little(self, plan: Plan, rules: Instrument) -> None:
        """Refuse an order sized in quote coin that would buy or sell less than the minimum."""
        if plan.slices and plan.lots < rules.min_lots:
            raise Refused(Refusal.BELOW_MINIMUM, f"{rules.size(plan.lots)} < {rules.min_size}")

    def reducible(self, account: Account, request: OrderRequest, rules: Instrument) -> int:
        """Return how many lots a reduce-only order may trade."""
        if rules.is_spot:
            raise Refused(Refusal.REDUCE_ONLY_SPOT, rules.inst_id)
        if not account.position_lots(rules.inst_id):
            raise Refused(Refusal.REDUCE_ONLY_NO_POSITION, rules.inst_id)
        lots = account.reducible(rules.inst_id, request.side)
        if not lots:
            raise Refused(Refusal.REDUCE_ONLY_SAME_SIDE, rules.inst_id)
        return lots

    def funds(
        self, account: Account, request: OrderRequest, rules: Instrument, ticks: int, lots: int, plan: Plan
    ) -> None:
        """Refuse what the available balance or margin does not cover.

        A resting buy holds its limit; a market buy needs what it would pay, a sell the coins. A swap needs the margin
        of the larger position, the taker's fee and the loss against the mark that it would start with.
        """
        is_market = request.type is OrderType.MARKET
        if is_market and not plan.lots:
            raise Refused(Refusal.NO_LIQUIDITY, rules.inst_id)
        if not rules.is_spot:
            self._margin(account, request, rules, ticks, lots, plan)
            return
        if request.side is Side.SELL:
            coin, need = rules.base, rules.size(plan.lots if is_market else lots)
        elif is_market:
            coin, need = rules.quote, plan.value
        else:
            coin, need = rules.quote, rules.value(ticks, lots)
        available = self._margins.available(account, coin)
        if need > available:
            raise Refused(Refusal.INSUFFICIENT_FUNDS, f"{need} {coin} needed, {available} available")

    def _margin(
        self, account: Account, request: OrderRequest, rules: Instrument, ticks: int, lots: int, plan: Plan
    ) -> None:
        if request.reduce_only:
            return
        traded = plan.lots if request.type is OrderType.MARKET else lots
        mark = self._market.mark(rules.inst_id)
        price = mark if request.type is OrderType.MARKET else ticks
        need = self._margins.increase(account, rules, request.side, traded, price)
        if not need:
            return
        loss = max(ZERO, request.side.sign * (plan.value - rules.value(mark, plan.lots)))
        rate = max(self._settlement.rate(account, rules.kind, Liquidity.TAKER), ZERO)
        need += loss + up(product(rules.value(max(price, mark), traded), rate))
        available = self._margins.available(account, rules.settle)
        if need > available:
            raise Refused(Refusal.INSUFFICIENT_MARGIN, f"{need} {rules.settle} needed, {available} available")
