"""Whatever clients and prices do, the simulated exchange makes and loses no coin and keeps its books straight."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exchanges.simulator.core.exchange import Exchange
from exchanges.simulator.core.instruments import Instrument, InstrumentState
from exchanges.simulator.core.refusals import Refused
from exchanges.simulator.core.settings import FundingModel, Liquidity, Settings
from exchanges.simulator.core.universe import spot, swap
from exchanges.simulator.core.values import (
    ZERO,
    Bill,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    SelfTrade,
    Side,
    SizeUnit,
)
from exchanges.simulator.prices.mirror import MirrorSource

if TYPE_CHECKING:
    from exchanges.simulator.core.events import Event
    from exchanges.simulator.core.positions import PositionState

START_MS = 1_790_000_000_000
INSTRUMENTS = [spot("BTC", 50_000), swap("BTC", 50_000), spot("DOGE", 0.2), swap("DOGE", 0.2)]
PRICE = {"BTC-USDT": 50_000.0, "DOGE-USDT": 0.2}
ACCOUNTS = {
    "ann": {"USDT": Decimal(200_000), "BTC": Decimal(2)},
    "bob": {"USDT": Decimal(5_000), "DOGE": Decimal(100_000)},
    "cat": {"USDT": Decimal("0.01")},
}
RULES = Settings(
    default_leverage=Decimal(20),
    band=Decimal("0.3"),
    client_id_memory_ms=5_000,
    liquidity=Liquidity(levels=20, top_notional=20_000, spacing_bps=5, recovery_ms=500, trades_per_second=20),
    funding=FundingModel(interval_ms=10_000),
)

accounts = st.sampled_from(sorted(ACCOUNTS))
instruments = st.sampled_from(INSTRUMENTS)


@dataclass(frozen=True)
class Wish:
    """An order in terms that make sense whatever the state: a fraction of what is affordable, near the best price."""

    account: str
    instrument: Instrument
    side: Side
    fraction: float
    away: int
    named: bool
    self_trade: SelfTrade


requests = st.builds(
    Wish,
    account=accounts,
    instrument=instruments,
    side=st.sampled_from(list(Side)),
    fraction=st.sampled_from([0.01, 0.2, 0.5, 0.9]),
    away=st.integers(-40, 40),
    named=st.booleans(),
    self_trade=st.sampled_from(list(SelfTrade)),
)


def exchange() -> tuple[Exchange, MirrorSource]:
    prices = MirrorSource(list(PRICE))
    for name, price in PRICE.items():
        prices.push(name, price * 0.9999, 10, price * 1.0001, 10, START_MS)
        prices.set_volume(name, 86_400 * 50_000 / price)
    return Exchange(INSTRUMENTS, prices, ACCOUNTS, seed=3, now_ms=START_MS, settings=RULES), prices


class Trading(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.exchange, self.prices = exchange()
        self.twin, self.twin_prices = exchange()
        self.mids = dict(PRICE)
        self.flows = dict.fromkeys(("USDT", "BTC", "DOGE"), ZERO)
        for cash in ACCOUNTS.values():
            for coin, amount in cash.items():
                self.flows[coin] += amount
        self.clients = 0
        self.events: list[Event] = self.exchange.drain()
        self.twin.drain()

    def both(self, name: str, *args: object, **kwargs: object) -> object:
        """Call both exchanges; what happens must be the same."""
        answers = []
        for each in (self.exchange, self.twin):
            try:
                answers.append(getattr(each, name)(*args, **kwargs))
            except Refused as refused:
                answers.append(refused.kind)
        assert answers[0] == answers[1]
        return answers[0]

    @rule(
        request=requests, order_type=st.sampled_from(list(OrderType)), reduce_only=st.booleans(), in_quote=st.booleans()
    )
    def place(self, request: Wish, order_type: OrderType, reduce_only: bool, in_quote: bool) -> None:
        self.send(request, order_type, reduce_only and request.fraction > 0.5, in_quote)

    @rule(request=requests)
    def rest(self, request: Wish) -> None:
        self.send(request, OrderType.LIMIT)

    @rule(request=requests)
    def take(self, request: Wish) -> None:
        self.send(request, OrderType.MARKET)

    def send(self, wish: Wish, order_type: OrderType, reduce_only: bool = False, in_quote: bool = False) -> None:
        rules = wish.instrument
        quote = self.exchange.quote(rules.inst_id)
        near = quote.bid_ticks if wish.side is Side.BUY else quote.ask_ticks
        price = rules.price(max(near + wish.away * max(near // 20_000, 1), 1))
        most = self.exchange.max_size(wish.account, rules.inst_id, wish.side, price)
        size = max(most * Decimal(wish.fraction) // rules.lot_size * rules.lot_size, rules.min_size)
        in_quote = in_quote and order_type is OrderType.MARKET
        self.clients += wish.named
        request = OrderRequest(
            inst_id=rules.inst_id,
            side=wish.side,
            type=order_type,
            size=size * price if in_quote else size,
            price=price,
            client_id=f"c{self.clients % 40}" if wish.named else "",
            reduce_only=reduce_only and not rules.is_spot,
            size_unit=SizeUnit.QUOTE if in_quote else SizeUnit.BASE,
            self_trade=wish.self_trade,
        )
        order = self.both("place", wish.account, request)
        if isinstance(order, Order) and order_type is OrderType.FOK:
            assert order.state in (OrderState.FILLED, OrderState.CANCELED)
            assert order.filled in (ZERO, order.size)
        if isinstance(order, Order) and order_type is OrderType.POST_ONLY:
            assert order.filled == 0

    @rule(account=accounts, choice=st.integers(0, 50), lots=st.integers(1, 4_000), away=st.integers(-60, 60))
    def amend(self, account: str, choice: int, lots: int, away: int) -> None:
        orders = self.exchange.open_orders(account)
        if not orders:
            return
        order = orders[choice % len(orders)]
        rules = self.exchange.instruments[order.inst_id]
        assert order.price is not None
        ticks = max(int(order.price / rules.tick_size) + away * 5, 1)
        change = {"size": rules.min_size * lots} if choice % 2 else {"price": rules.price(ticks)}
        self.both("amend", account, order.inst_id, order_id=order.order_id, **change, cancel_on_failure=choice % 3 == 0)

    @rule(account=accounts, choice=st.integers(0, 50))
    def cancel(self, account: str, choice: int) -> None:
        orders = self.exchange.open_orders(account)
        if orders:
            order = orders[choice % len(orders)]
            self.both("cancel", account, order.inst_id, order_id=order.order_id)

    @rule(wait=st.integers(1, 3_000), name=st.sampled_from(sorted(PRICE)), move=st.floats(-0.12, 0.12))
    def wait(self, wait: int, name: str, move: float) -> None:
        self.mids[name] = min(max(self.mids[name] * (1 + move), PRICE[name] / 10), PRICE[name] * 10)
        mid, now = self.mids[name], self.exchange.now_ms + wait
        for prices in (self.prices, self.twin_prices):
            assert prices.push(name, mid * 0.9999, 2_000 / mid, mid * 1.0001, 2_000 / mid, now)
        self.both("advance", now)
        for owner, account in self.exchange.accounts.items():
            ratio = self.exchange.summary(owner).margin_ratio
            assert ratio is None or ratio >= 1
            assert account.positions or account.cash["USDT"] >= 0

    @rule(account=accounts, what=st.integers(0, 4), number=st.integers(1, 3_000), instrument=instruments)
    def operate(self, account: str, what: int, number: int, instrument: Instrument) -> None:
        contract = f"{instrument.base}-USDT-SWAP"
        if what == 0:
            amount = Decimal(number - 1_500)
            if isinstance(self.both("transfer", account, "USDT", amount), Bill):
                self.flows["USDT"] += amount
        elif what == 1:
            self.both("set_leverage", account, contract, Decimal(number % 120))
        elif what == 2:
            self.both("close_position", account, contract)
        elif what == 3:
            self.both("cancel_all_after", account, number)
        else:
            state = InstrumentState.SUSPEND if number % 4 == 0 else InstrumentState.LIVE
            self.both("set_state", instrument.inst_id, state)

    def all_positions(self) -> list[dict[str, PositionState]]:
        """The house's positions and everybody's."""
        return [self.exchange.house.positions, *(each.positions for each in self.exchange.accounts.values())]

    @invariant()
    def traces_agree(self) -> None:
        events = self.exchange.drain()
        assert events == self.twin.drain()
        for event in events:
            order = getattr(event, "order", None)
            if order is not None:
                assert order.request.size_unit is SizeUnit.QUOTE or order.filled <= order.size

    @invariant()
    def no_coin_is_made_or_lost(self) -> None:
        house = self.exchange.house
        totals = {coin: house.cash[coin] + house.fees[coin] + house.insurance[coin] for coin in self.flows}
        for account in self.exchange.accounts.values():
            for coin, cash in account.cash.items():
                totals[coin] += cash
        for positions in self.all_positions():
            for inst_id, state in positions.items():
                totals["USDT"] += state.unrealised(self.exchange.market.mark(inst_id))
        assert totals == self.flows

    @invariant()
    def positions_net_to_zero(self) -> None:
        for instrument in INSTRUMENTS:
            states = (positions.get(instrument.inst_id) for positions in self.all_positions())
            assert sum(state.lots for state in states if state) == 0

    @invariant()
    def holds_are_what_open_orders_hold(self) -> None:
        for name, account in self.exchange.accounts.items():
            held = dict.fromkeys(account.held, ZERO)
            for working in account.working.values():
                assert working.order.state.is_open
                assert 0 <= working.filled < working.lots
                if working.instrument.is_spot:
                    coin, amount = working.hold()
                    held[coin] += amount
            assert held == dict(account.held), name
            assert all(amount >= 0 for amount in account.held.values())
            assert all(cash >= 0 for coin, cash in account.cash.items() if coin != "USDT")

    @invariant()
    def bills_sum_to_balances(self) -> None:
        for name, account in self.exchange.accounts.items():
            sums = dict.fromkeys(account.cash, ZERO)
            for bill in self.exchange.bills(name, limit=10**6):
                sums[bill.currency] += bill.change
            assert sums == account.cash

    @invariant()
    def books_are_not_crossed(self) -> None:
        for instrument in INSTRUMENTS:
            book = self.exchange.book(instrument.inst_id)
            bids, asks = [level.ticks for level in book.bids], [level.ticks for level in book.asks]
            assert bids == sorted(set(bids), reverse=True)
            assert asks == sorted(set(asks))
            assert all(level.lots > 0 for level in (*book.bids, *book.asks))
            quote = self.exchange.quote(instrument.inst_id)
            if bids and asks:
                assert bids[0] < asks[0]
            if bids:
                assert (quote.bid_ticks, quote.bid_lots) == book.bids[0][:2]
            if asks:
                assert (quote.ask_ticks, quote.ask_lots) == book.asks[0][:2]


Trading.TestCase.settings = settings(
    max_examples=40, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
test_conservation = Trading.TestCase
