"""The life of orders: checked, matched, rested, amended, canceled, and met by the moving book."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.accounts import Working
from exchanges.simulator.core.checks import Checks
from exchanges.simulator.core.events import OrderChanged
from exchanges.simulator.core.planner import Plan, Planner, Taker
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.values import (
    ZERO,
    CancelReason,
    Order,
    OrderCategory,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.simulator.core.accounts import Account
    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.journal import Journal
    from exchanges.simulator.core.margin import Margins
    from exchanges.simulator.core.market import Market
    from exchanges.simulator.core.settings import Settings
    from exchanges.simulator.core.settlement import Settlement

UNFILLED_REASON = {
    OrderType.MARKET: CancelReason.UNFILLED,
    OrderType.IOC: CancelReason.UNFILLED,
    OrderType.FOK: CancelReason.KILLED,
    OrderType.POST_ONLY: CancelReason.WOULD_TAKE,
}
ENDED = {OrderState.FILLED: Refusal.ALREADY_FILLED, OrderState.CANCELED: Refusal.ALREADY_CANCELED}


class Trading:
    """Takes orders from accounts to the market and back."""

    def __init__(
        self,
        market: Market,
        accounts: Mapping[str, Account],
        margins: Margins,
        settlement: Settlement,
        journal: Journal,
        settings: Settings,
    ) -> None:
        self._market = market
        self._accounts = accounts
        self._margins = margins
        self._settlement = settlement
        self._journal = journal
        self._checks = Checks(market, margins, settlement, journal, settings)

    # ---- placing ----------------------------------------------------------------------------------------------------

    def place(self, account: Account, request: OrderRequest) -> Order:
        """Check, match and rest an order, and return it as it stands then."""
        rules = self._checks.tradable(request.inst_id)
        ticks, lots, money = self._checks.shape(request, rules)
        self._checks.client_id(account, request)
        if request.reduce_only:
            lots = min(lots, self._checks.reducible(account, request, rules))
        place = self._market.place(request.inst_id)
        taker = Taker(account.name, request.side, ticks, lots, money, request.self_trade)
        plan = self._plan(place, rules, taker)
        if money is not None:
            lots = plan.lots
            self._checks.not_too_little(plan, rules)
        self._checks.funds(account, request, rules, ticks, lots, plan)
        size = rules.size(lots) if money is None else money
        working = self._accept(account, replace(request, size=size), place, ticks, lots)
        self._carry_out(account, working, plan)
        return working.order

    def _plan(self, place: int, rules: Instrument, taker: Taker) -> Plan:
        opposite = taker.side.opposite
        planner = Planner(rules, taker, lambda name: self._accounts[name].position_lots(rules.inst_id))
        return planner.walk(self._market.books[place][opposite], *self._market.ladder(place, opposite))

    def _accept(self, account: Account, request: OrderRequest, place: int, ticks: int, lots: int) -> Working:
        rules = self._market.rules[place]
        now = self._journal.now_ms
        received = rules.base if request.side is Side.BUY else rules.quote
        order = Order(
            order_id=self._journal.order_id(),
            account=account.name,
            request=request,
            kind=rules.kind,
            size=request.size,
            price=request.price if request.type is not OrderType.MARKET else None,
            state=OrderState.LIVE,
            filled=ZERO,
            average_price=None,
            fee=ZERO,
            fee_currency=received if rules.is_spot else rules.settle,
            pnl=ZERO,
            leverage=Decimal(1) if rules.is_spot else self._margins.leverage(account, rules.inst_id),
            created_ms=now,
            updated_ms=now,
        )
        if request.client_id:
            account.client_ids[request.client_id] = order.order_id
        self._journal.tell(OrderChanged(order))
        return Working(order, rules, place, ticks, lots)

    def _carry_out(self, account: Account, working: Working, plan: Plan) -> None:
        """Trade what the plan says, unless the order's type forbids it, and rest or cancel what is left."""
        kind = working.order.request.type
        forbidden = (kind is OrderType.POST_ONLY and (plan.lots or plan.own)) or (
            kind is OrderType.FOK and plan.lots < working.lots
        )
        if forbidden:
            self._finish(account, working, UNFILLED_REASON[kind])
            return
        for own in plan.own:
            self.cancel(account, own, CancelReason.SELF_TRADE)
        for piece in plan.slices:
            self._settlement.take(working, piece.ticks, piece.lots, piece.maker)
        self.trim(working.instrument.inst_id)
        if not working.remaining:
            return
        if plan.stopped:
            self._finish(account, working, CancelReason.SELF_TRADE)
        elif kind in (OrderType.LIMIT, OrderType.POST_ONLY):
            self._rest(account, working)
        else:
            self._finish(account, working, UNFILLED_REASON[kind])

    def _rest(self, account: Account, working: Working) -> None:
        if working.reduce_only and not account.reducible(working.instrument.inst_id, working.side):
            self._finish(account, working, CancelReason.REDUCE_ONLY)
            return
        account.working[working.order.order_id] = working
        account.reserve(working)
        self._market.rest(working)

    # ---- changing and canceling -----------------------------------------------------------------------------------

    def find_open(self, account: Account, inst_id: str, order_id: int | None, client_id: str) -> Working:
        """Return an open order, or refuse with why it cannot be changed."""
        found = account.find(inst_id, order_id, client_id)
        if isinstance(found, Working):
            return found
        name = client_id if order_id is None else str(order_id)
        raise Refused(Refusal.UNKNOWN_ORDER if found is None else ENDED[found.state], name)

    def amend(self, account: Account, working: Working, size: Decimal | None, price: Decimal | None) -> Order:
        """Change an open order's size or price; only a smaller size keeps its place in the queue."""
        rules = self._checks.tradable(working.instrument.inst_id)
        request = replace(
            working.order.request,
            size=working.order.size if size is None else size,
            price=working.order.price if price is None else price,
        )
        ticks, lots, _ = self._checks.shape(request, rules)
        if size is None:
            lots = working.lots
        if lots <= working.filled:
            raise Refused(Refusal.AMEND_BELOW_FILLED, str(size))
        taker = Taker(account.name, working.side, ticks, lots - working.filled, None, request.self_trade)
        plan = self._plan(working.place, rules, taker)
        account.release(working)
        try:
            self._checks.funds(account, request, rules, ticks, lots - working.filled, plan)
        except Refused:
            account.reserve(working)
            raise
        requeue = ticks != working.ticks or lots > working.lots
        if requeue:
            self._market.withdraw(working)
            del account.working[working.order.order_id]
        working.ticks, working.lots = ticks, lots
        now = self._journal.now_ms
        working.order = replace(
            working.order,
            request=request,
            size=request.size,
            price=request.price,
            updated_ms=now,
            last_fill=None,
        )
        self._journal.tell(OrderChanged(working.order))
        if requeue:
            self._carry_out(account, working, plan)
        else:
            account.reserve(working)
            self._market.touch(working.place)
        return working.order

    def cancel(self, account: Account, working: Working, reason: CancelReason) -> Order:
        """Take an open order out of the book."""
        account.release(working)
        self._market.withdraw(working)
        return self._finish(account, working, reason)

    def cancel_all(self, account: Account, inst_id: str | None, reason: CancelReason) -> list[Order]:
        """Cancel all open orders of an account, or those of one instrument."""
        chosen = [each for each in account.working.values() if inst_id in (None, each.instrument.inst_id)]
        return [self.cancel(account, each, reason) for each in chosen]

    def _finish(self, account: Account, working: Working, reason: CancelReason) -> Order:
        working.order = replace(
            working.order,
            state=OrderState.CANCELED,
            cancel_reason=reason,
            updated_ms=self._journal.now_ms,
            last_fill=None,
        )
        account.end(working.order)
        self._journal.tell(OrderChanged(working.order))
        return working.order

    def trim(self, inst_id: str) -> None:
        """Cancel reduce-only orders that have nothing left to reduce."""
        for working in self._market.books[self._market.place(inst_id)].orders():
            account = self._accounts[working.account]
            if working.reduce_only and not account.reducible(inst_id, working.side):
                self.cancel(account, working, CancelReason.REDUCE_ONLY)

    # ---- the moving market ------------------------------------------------------------------------------------------

    def meet_book(self, place: int) -> None:
        """Fill resting orders that the synthetic book has reached: at their price, from what it offers there."""
        for side in Side:
            resting = self._market.books[place][side]
            while (best := resting.best()) is not None:
                offered = self._market.synthetic_through(place, side.opposite, best)
                if not offered:
                    break
                working = resting.queue(best)[0]
                traded = min(offered, self._tradable_lots(working))
                if not traded:
                    self.cancel(self._accounts[working.account], working, CancelReason.REDUCE_ONLY)
                    continue
                self._settlement.make(working, traded)
                self._market.consume(place, side.opposite, best, traded)
                self.trim(working.instrument.inst_id)

    def print_trade(self, place: int, side: Side, lots: int) -> None:
        """Let a synthetic taker trade at the best price: first what queues ahead of clients' orders, then those."""
        opposite = side.opposite
        best, depth = self._market.best(place, opposite)
        if not depth:
            return
        queue = list(self._market.books[place][opposite].queue(best))
        synthetic = self._market.synthetic_at(place, opposite, best) if queue else depth
        passed = 0
        for working in queue:
            step = max(0, min(min(working.ahead, synthetic) - passed, lots))
            passed, lots = passed + step, lots - step
            working.ahead = max(0, min(working.ahead, synthetic) - passed)
            traded = min(lots, self._tradable_lots(working))
            if traded and working.remaining:
                self._settlement.make(working, traded)
                lots -= traded
        behind = lots if synthetic else 0
        if passed + behind:
            self._market.print_trade(place, best, passed + behind, side)
        if queue:
            self._market.touch(place)
            self.trim(self._market.rules[place].inst_id)

    def _tradable_lots(self, working: Working) -> int:
        if not working.reduce_only:
            return working.remaining
        account = self._accounts[working.account]
        return min(working.remaining, account.reducible(working.instrument.inst_id, working.side))

    def take_over(self, account: Account, rules: Instrument, lots: int, category: OrderCategory) -> Order:
        """Close lots of a position at the mark, by an order of the exchange's own that never meets the book."""
        side = Side.SELL if account.position_lots(rules.inst_id) > 0 else Side.BUY
        request = OrderRequest(rules.inst_id, side, OrderType.MARKET, rules.size(lots), reduce_only=True)
        mark = self._market.mark(rules.inst_id)
        working = self._accept(account, request, self._market.place(rules.inst_id), mark, lots)
        working.order = replace(working.order, category=category)
        self._settlement.take_over(working)
        self.trim(rules.inst_id)
        return working.order
