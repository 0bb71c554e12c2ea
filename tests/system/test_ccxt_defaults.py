"""A venue of which nothing is known but its ccxt class: one order at a time, looked up by searching, paged by time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from exchanges.ccxt_account import account_events
from exchanges.errors import Ambiguous, NotFound, Rejected
from exchanges.port import Capability, Connected, OrderReport, VenueOrderState
from exchanges.simulator.faults import Fault, FaultKind
from exchanges.venue_traits import Traits
from tests.system.simulator import simulated
from tests.system.test_ccxt_venue import CREATE, SPOT, market, opened, request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchanges.ccxt_venue import CcxtVenue
    from exchanges.simulator.serve import RunningExchange


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[RunningExchange]:
    async with simulated(markets=("BTC",), update_rate=50.0) as running:
        yield running


@pytest_asyncio.fixture
async def venue(exchange: RunningExchange) -> AsyncIterator[CcxtVenue]:
    async with opened(exchange) as venue:
        venue.exchange_id, venue.traits = "another", Traits()
        venue.capabilities &= ~Capability.LOOKUP_BY_CLIENT_ID
        yield venue


async def test_orders_are_placed_one_by_one_and_found_by_searching(venue: CcxtVenue) -> None:
    assert venue.batch_limit == 1
    assert venue.request_lifetime >= 60.0
    for one in (request(0), market(1)):
        (answer,) = await venue.create_orders([one])
        assert answer.accepted
    resting = await venue.fetch_order(SPOT, request(0).client_id, None)
    assert resting.state is VenueOrderState.OPEN
    ended = await venue.fetch_order(SPOT, market(1).client_id, None)
    assert (ended.state, ended.filled) == (VenueOrderState.FILLED, Decimal("0.01"))
    with pytest.raises(NotFound):
        await venue.fetch_order(SPOT, request(2).client_id, None)
    (refused,) = await venue.create_orders([request(3, quantity="50")])
    assert isinstance(refused.error, Rejected)


async def test_an_answer_without_an_id_is_in_doubt(exchange: RunningExchange, venue: CcxtVenue) -> None:
    exchange.faults.add(Fault(FaultKind.EMPTY, CREATE, times=1))
    (answer,) = await venue.create_orders([market(0)])
    assert type(answer.error) is Ambiguous
    assert (await venue.fetch_order(SPOT, market(0).client_id, None)).state is VenueOrderState.FILLED


async def test_lists_are_read_forward_in_time(venue: CcxtVenue) -> None:
    start = venue.venue_now()
    for number in range(5):
        await venue.create_orders([market(number, quantity="0.001")])
    fills = await venue.fetch_fills(start - timedelta(seconds=1))
    assert {fill.client_id for fill in fills} == {market(number).client_id for number in range(5)}
    ended = await venue.fetch_closed_orders(start)
    assert {report.client_id for report in ended} == {fill.client_id for fill in fills}
    assert await venue.fetch_open_orders() == []


async def test_the_account_streams_without_confirmations(venue: CcxtVenue) -> None:
    filled = None
    async with asyncio.timeout(15), aclosing(account_events(venue)) as events:
        async for event in events:
            if event == Connected("account"):
                await venue.create_orders([market(0)])
            if isinstance(event, OrderReport) and event.state is VenueOrderState.FILLED:
                filled = event.client_id
                break
    assert filled == market(0).client_id
