"""The venue over real sockets: every method against the simulated exchange, and what it makes of that one's faults."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from exchanges import orders
from exchanges.ccxt_client import Credentials
from exchanges.ccxt_venue import CcxtVenue
from exchanges.client_ids import client_id
from exchanges.errors import Ambiguous, Denied, Duplicate, NotFound, Rejected, Throttled, Unavailable, VenueError
from exchanges.order_table import State
from exchanges.orders import Accepted, Event, Filled, NoAnswer, Order, Reported, Sent
from exchanges.port import (
    Balance,
    Connected,
    Disconnected,
    Fill,
    FlowKind,
    OrderReport,
    OrderRequest,
    OrderType,
    Position,
    Side,
    Venue,
    VenueOrderState,
)
from exchanges.simulator.faults import Fault, FaultKind
from tests.system.simulator import admin, assert_loopback, simulated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from exchanges.port import AccountEvent
    from exchanges.simulator.serve import RunningExchange

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
CREATE = "POST /api/v5/trade/batch-orders"


def venue_of(exchange: RunningExchange, **settings: Any) -> CcxtVenue:
    key = exchange.credentials
    venue = CcxtVenue(
        "okx",
        Credentials(key.api_key, key.secret, key.passphrase),
        urls={"rest": exchange.rest, "ws": exchange.ws},
        **{"timeout": 3.0, **settings},
    )
    assert_loopback(venue.client)
    return venue


@contextlib.asynccontextmanager
async def opened(exchange: RunningExchange, **settings: Any) -> AsyncIterator[CcxtVenue]:
    venue = venue_of(exchange, **settings)
    try:
        await venue.open()
        yield venue
    finally:
        await venue.close()


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[RunningExchange]:
    async with simulated(markets=("BTC", "ETH"), update_rate=50.0) as running:
        yield running


@pytest_asyncio.fixture
async def venue(exchange: RunningExchange) -> AsyncIterator[CcxtVenue]:
    async with opened(exchange) as venue:
        yield venue


def request(
    number: int,
    side: Side = Side.BUY,
    quantity: str = "0.01",
    price: str | None = "10000",
    kind: OrderType = OrderType.LIMIT,
    symbol: str = SPOT,
) -> OrderRequest:
    limit = None if price is None else Decimal(price)
    return OrderRequest(client_id("test", 1, number, 0), symbol, side, kind, Decimal(quantity), limit)


def market(number: int, side: Side = Side.BUY, quantity: str = "0.01", symbol: str = SPOT) -> OrderRequest:
    return request(number, side, quantity, None, OrderType.MARKET, symbol)


class Account:
    """Reads a venue's account stream, and lets a test wait for an event."""

    def __init__(self, venue: CcxtVenue) -> None:
        self.events: list[AccountEvent] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read(venue))

    async def _read(self, venue: CcxtVenue) -> None:
        async for event in venue.account_events():
            self.events.append(event)
            self._changed.set()

    async def has(self, wanted: Callable[[list[AccountEvent]], bool], within: float = 20.0) -> None:
        async with asyncio.timeout(within):
            while not wanted(self.events):
                self._changed.clear()
                await self._changed.wait()

    async def connected(self, times: int = 1) -> None:
        await self.has(lambda events: events.count(Connected("account")) >= times)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


@pytest_asyncio.fixture
async def account(venue: CcxtVenue) -> AsyncIterator[Account]:
    account = Account(venue)
    try:
        await account.connected()
        yield account
    finally:
        await account.close()


async def test_it_is_a_venue(venue: CcxtVenue) -> None:
    port: Venue = venue
    assert port.name == "okx"
    assert port.batch_limit == 20
    assert port.request_lifetime < 10.0
    assert set(port.markets) == {SPOT, "ETH/USDT", SWAP, "ETH/USDT:USDT"}


async def test_the_clock_is_measured(exchange: RunningExchange, venue: CcxtVenue) -> None:
    offset = await venue.measure_clock()
    assert abs(offset.offset) < 0.1
    assert 0 < offset.uncertainty < 0.1
    exchange.faults.add(Fault(FaultKind.SKEW, seconds=-20.0))
    assert -20.1 < (await venue.measure_clock()).offset < -19.9


async def test_orders_live_their_life(venue: CcxtVenue) -> None:
    start = venue.venue_now()
    placed = [request(0), market(1), market(2, Side.SELL, "0.02", SWAP)]
    answers = await venue.create_orders(placed)
    assert all(answer.accepted for answer in answers)

    (resting,) = await venue.fetch_open_orders()
    assert (resting.client_id, resting.state, resting.quantity) == (
        placed[0].client_id,
        VenueOrderState.OPEN,
        Decimal("0.01"),
    )
    for by_id in (None, answers[0].venue_order_id):
        assert await venue.fetch_order(SPOT, placed[0].client_id, by_id) == resting
    await venue.cancel_order(SPOT, placed[0].client_id, None)
    with pytest.raises(NotFound):
        await venue.cancel_order(SPOT, placed[0].client_id, resting.venue_order_id)
    assert await venue.fetch_open_orders() == []

    ended = {report.client_id: report for report in await venue.fetch_closed_orders(start)}
    assert [ended[one.client_id].state for one in placed] == [
        VenueOrderState.CANCELED,
        VenueOrderState.FILLED,
        VenueOrderState.FILLED,
    ]
    fills = await venue.fetch_fills(start)
    assert [fill.time for fill in fills] == sorted(fill.time for fill in fills)
    for one in placed[1:]:
        mine = [fill for fill in fills if fill.client_id == one.client_id]
        assert sum(fill.quantity for fill in mine) == one.quantity == ended[one.client_id].filled
        assert all(fill.fee > 0 for fill in mine)
    coins = {fill.symbol: fill.fee_currency for fill in fills}
    assert coins == {SPOT: "BTC", SWAP: "USDT"}

    balances = await venue.fetch_balances()
    bought = sum(fill.quantity - fill.fee for fill in fills if fill.symbol == SPOT)
    spent = sum(fill.quantity * fill.price for fill in fills if fill.symbol == SPOT)
    swap_fees = sum(fill.fee for fill in fills if fill.symbol == SWAP)
    assert balances["BTC"].total == bought
    assert balances["USDT"].total == 100_000 - spent - swap_fees
    position = (await venue.fetch_positions())[SWAP]
    assert position.quantity == Decimal("-0.02")
    assert position.entry_price == next(fill.price for fill in fills if fill.symbol == SWAP)


async def test_refusals_say_why(venue: CcxtVenue) -> None:
    answers = await venue.create_orders([request(0, quantity="50"), request(1)])
    assert isinstance(answers[0].error, Rejected)
    assert answers[0].error.code == "51008"
    assert answers[1].accepted
    (again,) = await venue.create_orders([request(1)])
    assert isinstance(again.error, Duplicate)
    with pytest.raises(NotFound):
        await venue.fetch_order(SPOT, client_id("test", 9, 9, 9), None)
    assert len(await venue.fetch_open_orders()) == 1


async def test_lists_are_whole_beyond_one_page(venue: CcxtVenue) -> None:
    start = venue.venue_now()
    resting = [request(number) for number in range(140)]
    trading = [market(1000 + number, Side.BUY, "0.001") for number in range(120)]
    everything = resting + trading
    for first in range(0, len(everything), 20):
        answers = await venue.create_orders(everything[first : first + 20])
        assert all(answer.accepted for answer in answers)
    assert {report.client_id for report in await venue.fetch_open_orders()} == {one.client_id for one in resting}
    ended = await venue.fetch_closed_orders(start)
    assert {report.client_id for report in ended} == {one.client_id for one in trading}
    fills = await venue.fetch_fills(start)
    assert {fill.client_id for fill in fills} == {one.client_id for one in trading}
    assert len({fill.trade_id for fill in fills}) == len(fills) >= 120


async def test_market_data_by_rest(venue: CcxtVenue) -> None:
    quotes = await venue.fetch_quotes([SPOT, SWAP])
    assert set(quotes) == {SPOT, SWAP}
    assert all(quote.bid < quote.ask and quote.bid_size > 0 for quote in quotes.values())
    bars = await venue.fetch_bars(SPOT, 60, 450)
    assert len(bars) == 450
    assert all(later.start - earlier.start == timedelta(minutes=1) for earlier, later in itertools.pairwise(bars))
    assert bars[-1].start + timedelta(minutes=1) <= venue.venue_now() < bars[-1].start + timedelta(minutes=2, seconds=1)
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    with pytest.raises(Rejected):
        await venue.fetch_bars(SPOT, 61, 10)
    funding = await venue.fetch_funding([SPOT, SWAP])
    assert set(funding) == {SWAP}
    assert funding[SWAP].interval == 8 * 3600
    fees = await venue.fetch_fees([SPOT, "ETH/USDT", SWAP])
    assert fees[SPOT] == fees["ETH/USDT"] == (Decimal("0.0008"), Decimal("0.001"))
    assert fees[SWAP] == (Decimal("0.0002"), Decimal("0.0005"))


async def test_external_flows_are_told_with_their_sign(exchange: RunningExchange, venue: CcxtVenue) -> None:
    start = venue.venue_now() - timedelta(seconds=1)
    await admin(exchange, "POST", "/deposit", {"currency": "USDT", "amount": "500"})
    await admin(exchange, "POST", "/withdraw", {"currency": "USDT", "amount": "200"})
    await venue.create_orders([market(0)])
    flows = await venue.fetch_cash_flows(start)
    assert [flow.amount for flow in flows if flow.amount != 100_000] == [Decimal(500), Decimal(-200)]
    assert {flow.kind for flow in flows} <= {FlowKind.TRANSFER, FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}
    assert len({flow.flow_id for flow in flows}) == len(flows)


async def test_leverage_and_the_dead_mans_switch(venue: CcxtVenue) -> None:
    await venue.set_leverage(SWAP, Decimal(5))
    await venue.create_orders([market(0, Side.BUY, "0.01", SWAP)])
    assert (await venue.fetch_positions())[SWAP].leverage == 5
    with pytest.raises(VenueError):
        await venue.set_leverage(SWAP, Decimal(1000))
    await venue.renew_dead_man(10.0)
    await venue.renew_dead_man(0.0)


async def test_a_wrong_key_is_denied(exchange: RunningExchange) -> None:
    key = exchange.credentials
    wrong = Credentials(key.api_key, "another secret", key.passphrase)
    venue = CcxtVenue("okx", wrong, urls={"rest": exchange.rest, "ws": exchange.ws})
    try:
        with pytest.raises(Denied):
            await venue.open()
    finally:
        await venue.close()


# What became of an order whose answer was lost, and whether the venue took it.
LOST = [
    (Fault(FaultKind.SILENT, CREATE, times=1), True),
    (Fault(FaultKind.CUT, CREATE, times=1), True),
    (Fault(FaultKind.CUT, CREATE, times=1, accepted=False), False),
    (Fault(FaultKind.STATUS, CREATE, times=1, status=502), True),
    (Fault(FaultKind.STATUS, CREATE, times=1, status=504, accepted=False), False),
    (Fault(FaultKind.HTML, CREATE, times=1), True),
    (Fault(FaultKind.TRUNCATED, CREATE, times=1), True),
    (Fault(FaultKind.EMPTY, CREATE, times=1), True),
    (Fault(FaultKind.CODE, CREATE, times=1, code="50004", accepted=True), True),
    (Fault(FaultKind.LATE, CREATE, times=1, seconds=1.5), True),
]


@pytest.mark.parametrize(("fault", "taken"), LOST, ids=[f"{fault.kind}-{taken}" for fault, taken in LOST])
async def test_a_lost_answer_is_in_doubt_and_the_look_up_finds_the_truth(
    exchange: RunningExchange, fault: Fault, taken: bool
) -> None:
    async with opened(exchange, timeout=0.4) as venue:
        exchange.faults.add(fault)
        one = market(0)
        (answer,) = await venue.create_orders([one])
        assert type(answer.error) is Ambiguous
        sent: list[Event] = [Sent(1, venue.utcnow()), NoAnswer(answer.error.message)]
        order = orders.fold(orders.plan(one, "okx"), sent)
        if taken:
            order = orders.apply(order, Reported(await venue.fetch_order(SPOT, one.client_id, None)))
            assert order.state is State.FILLED
        else:
            with pytest.raises(NotFound):
                await venue.fetch_order(SPOT, one.client_id, None)
        assert len(await admin(exchange, "GET", "/orders")) == int(taken)


async def test_an_order_that_the_venue_looks_at_too_late_is_refused_by_its_deadline(
    exchange: RunningExchange,
) -> None:
    async with opened(exchange, timeout=0.2, deadline=0.3) as venue:
        exchange.faults.add(Fault(FaultKind.LATE, CREATE, times=1, seconds=0.6, accepted=False))
        (answer,) = await venue.create_orders([request(0)])
        assert type(answer.error) is Ambiguous
        await asyncio.sleep(0.7)  # the request is looked at when its deadline has passed
        assert await venue.fetch_open_orders() == []
        with pytest.raises(NotFound):
            await venue.fetch_order(SPOT, request(0).client_id, None)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(FaultKind.THROTTLE, "GET *", seconds=2.0), Throttled),
        (Fault(FaultKind.THROTTLE, "GET *", code="50011"), Throttled),
        (Fault(FaultKind.MAINTENANCE, "GET *"), Unavailable),
        (Fault(FaultKind.STATUS, "GET *", status=502), Unavailable),
        (Fault(FaultKind.HTML, "GET *"), Unavailable),
        (Fault(FaultKind.TRUNCATED, "GET *"), Unavailable),
        (Fault(FaultKind.CUT, "GET *"), Unavailable),
        (Fault(FaultKind.SKEW, seconds=-40.0), Denied),
    ],
    ids=lambda value: getattr(value, "kind", None) or value.__name__,
)
async def test_a_failed_read_is_an_error_and_never_an_empty_list(
    exchange: RunningExchange, venue: CcxtVenue, fault: Fault, expected: type[VenueError]
) -> None:
    exchange.faults.add(fault)
    for read in (venue.fetch_balances, venue.fetch_positions, venue.fetch_open_orders):
        with pytest.raises(VenueError) as caught:
            await read()
        assert type(caught.value) is expected
        if fault.seconds > 0:
            assert isinstance(caught.value, Throttled)
            assert caught.value.retry_after == fault.seconds


async def test_the_account_streams_what_the_lists_tell(venue: CcxtVenue, account: Account) -> None:
    start = venue.venue_now()
    placed = [request(0), market(1), market(2, Side.SELL, "0.02", SWAP)]
    answers = await venue.create_orders(placed)
    await venue.cancel_order(SPOT, placed[0].client_id, None)
    known = {
        one.client_id: orders.fold(orders.plan(one, "okx"), [Sent(1, start), Accepted(answer.venue_order_id or "")])
        for one, answer in zip(placed, answers, strict=True)
    }

    def folded(events: list[AccountEvent]) -> dict[str, Order]:
        state = dict(known)
        for event in events:
            if isinstance(event, OrderReport | Fill) and event.client_id in state:
                told = Reported(event) if isinstance(event, OrderReport) else Filled(event)
                state[event.client_id] = orders.apply(state[event.client_id], told)
        return state

    await account.has(lambda events: all(order.is_settled for order in folded(events).values()))
    streamed = folded(account.events)
    assert [streamed[one.client_id].state for one in placed] == [State.CANCELED, State.FILLED, State.FILLED]
    fetched = await venue.fetch_fills(start)
    for order in streamed.values():
        mine = tuple(fill for fill in fetched if fill.client_id == order.client_id)
        assert {(fill.trade_id, fill.quantity, fill.price, fill.fee) for fill in order.fills} == {
            (fill.trade_id, fill.quantity, fill.price, fill.fee) for fill in mine
        }
        assert orders.fold(order, map(Filled, mine)).filled == order.filled
    await account.has(lambda events: any(isinstance(e, Position) and e.quantity == Decimal("-0.02") for e in events))
    totals = {coin: balance.total for coin, balance in (await venue.fetch_balances()).items()}
    # what is free moves with the mark price; the totals are cash
    await account.has(
        lambda events: {event.currency: event.total for event in events if isinstance(event, Balance)} == totals
    )


async def test_a_closed_position_is_told_as_zero(venue: CcxtVenue, account: Account) -> None:
    await venue.create_orders([market(0, Side.BUY, "0.02", SWAP)])
    await account.has(lambda events: any(isinstance(e, Position) and e.quantity > 0 for e in events))
    await venue.create_orders([market(1, Side.SELL, "0.02", SWAP)])
    await account.has(lambda events: [e.quantity for e in events if isinstance(e, Position)][-1:] == [Decimal(0)])
    assert await venue.fetch_positions() == {}


async def test_the_account_stream_comes_back_and_says_so(
    exchange: RunningExchange, venue: CcxtVenue, account: Account
) -> None:
    exchange.faults.add(Fault(FaultKind.DISCONNECT, "CHANNEL account*", times=1))
    exchange.faults.add(Fault(FaultKind.DISCONNECT, "CHANNEL orders*", times=1))
    await venue.create_orders([market(0)])
    await account.has(lambda events: any(isinstance(event, Disconnected) for event in events))
    await account.connected(times=2)
    told = [event for event in account.events if isinstance(event, Connected | Disconnected)]
    assert [type(event) for event in told[:3]] == [Connected, Disconnected, Connected]
    (fill,) = await venue.fetch_fills(venue.venue_now() - timedelta(seconds=30))  # what was missed is fetched
    assert fill.client_id == market(0).client_id
    await venue.create_orders([market(5)])
    await account.has(lambda events: any(isinstance(e, Fill) and e.client_id == market(5).client_id for e in events))


async def test_a_refused_stream_login_is_said_and_tried_again(exchange: RunningExchange) -> None:
    async with opened(exchange) as venue:
        secret, venue.client.secret = venue.client.secret, "not the secret"
        account = Account(venue)
        try:
            await account.has(lambda events: any(isinstance(event, Disconnected) for event in events))
            venue.client.secret = secret
            await account.connected()
        finally:
            await account.close()
