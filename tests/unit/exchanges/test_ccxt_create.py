"""New orders: one request, and every row's answer judged alone, whatever the wire does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import web

from exchanges.client_ids import client_id
from exchanges.errors import Ambiguous, Denied, Duplicate, Rejected, Throttled, Unavailable, VenueError
from exchanges.port import OrderRequest, OrderType, Side
from tests.scripted_okx import ScriptedOkx, answer

if TYPE_CHECKING:
    from exchanges.ccxt_venue import CcxtVenue

BATCH = "trade/batch-orders"
Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def order(number: int, symbol: str = "BTC/USDT", price: str | None = "65000.1") -> OrderRequest:
    kind = OrderType.MARKET if price is None else OrderType.IOC
    limit = None if price is None else Decimal(price)
    return OrderRequest(client_id("main", 1, number, 0), symbol, Side.BUY, kind, Decimal("0.1"), limit)


def row(number: int, code: str = "0", message: str = "", *, named: bool = True) -> dict[str, str]:
    return {
        "clOrdId": client_id("main", 1, number, 0) if named else "",
        "ordId": f"v{number}" if code == "0" else "",
        "sCode": code,
        "sMsg": message,
    }


@pytest_asyncio.fixture
async def okx() -> AsyncIterator[ScriptedOkx]:
    async with ScriptedOkx().serving() as server:
        yield server


@pytest_asyncio.fixture
async def venue(okx: ScriptedOkx) -> AsyncIterator[CcxtVenue]:
    async with okx.venue(timeout=0.5) as venue:
        yield venue


def answering(response: Callable[[], web.StreamResponse]) -> Answering:
    async def handler(_: web.Request) -> web.StreamResponse:
        return response()

    return handler


async def test_accepted_rows_have_the_venues_id_whatever_their_order(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    okx.rest[BATCH] = answering(lambda: answer([row(1), row(0)]))
    answers = await venue.create_orders([order(0), order(1)])
    assert [(one.client_id, one.venue_order_id, one.accepted) for one in answers] == [
        (client_id("main", 1, 0, 0), "v0", True),
        (client_id("main", 1, 1, 0), "v1", True),
    ]


async def test_the_request_says_exactly_what_was_asked_for(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    okx.rest[BATCH] = answering(lambda: answer([row(0), row(1), row(2)]))
    swap = OrderRequest(
        client_id("main", 1, 2, 0),
        "BTC/USDT:USDT",
        Side.SELL,
        OrderType.POST_ONLY,
        Decimal("0.0123"),
        Decimal(65000),
        reduce_only=True,
    )
    await venue.create_orders([order(0), order(1, price=None), swap])
    (body,) = okx.bodies
    assert [(one["sz"], one.get("px"), one["ordType"], one["clOrdId"]) for one in body] == [
        ("0.1", "65000.1", "ioc", client_id("main", 1, 0, 0)),
        ("0.1", None, "market", client_id("main", 1, 1, 0)),
        ("1.23", "65000", "post_only", client_id("main", 1, 2, 0)),
    ]
    assert body[1]["tgtCcy"] == "base_ccy"
    assert [one.get("reduceOnly") for one in body] == [None, None, True]


async def test_the_request_carries_a_deadline_by_the_venues_clock(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    okx.rest[BATCH] = answering(lambda: answer([row(0)]))
    await venue.measure_clock()  # the server's clock is far from ours
    before = venue.venue_now().timestamp()
    await venue.create_orders([order(0)], deadline=2.0)
    expires = int(okx.headers[0]["expTime"]) / 1000
    assert before + 1.9 < expires < venue.venue_now().timestamp() + 2.1
    assert venue.request_lifetime < 10


async def test_a_mixed_batch_is_judged_row_by_row(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    okx.rest[BATCH] = answering(
        lambda: answer([row(0), row(1, "51008", "Insufficient balance"), row(2, "51016"), row(3, "50004")], "2")
    )
    answers = await venue.create_orders([order(number) for number in range(5)])
    assert [type(one.error) for one in answers] == [type(None), Rejected, Duplicate, Ambiguous, Ambiguous]
    assert answers[1].error is not None
    assert answers[1].error.code == "51008"
    assert str(answers[1].error) == "okx: Insufficient balance (code 51008)"


async def test_when_all_rows_fail_each_still_has_its_own_answer(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    # ccxt raises the first row's error: taken for all, the order that exists would count as refused
    okx.rest[BATCH] = answering(lambda: answer([row(0, "51008", named=False), row(1, "51016", named=False)], "1"))
    answers = await venue.create_orders([order(0), order(1)])
    assert [type(one.error) for one in answers] == [Rejected, Duplicate]


@pytest.mark.parametrize(
    "response",
    [
        lambda: web.Response(text="<html>busy</html>", content_type="text/html"),
        lambda: web.Response(text='{"code":"0","data":[{"clOrdId":"', content_type="application/json"),
        lambda: web.Response(text=""),
        lambda: answer([]),
        lambda: answer([{**row(0), "ordId": ""}]),
        lambda: answer([{"clOrdId": client_id("main", 1, 0, 0)}]),
        lambda: answer("nonsense"),
        lambda: web.json_response({"code": "50004", "msg": "timeout", "data": []}),
        lambda: web.Response(status=500, text="oops"),
        lambda: web.Response(status=502, text="<html>bad gateway</html>"),
        lambda: web.Response(status=503, text="busy"),
        lambda: web.Response(status=504, text="timeout"),
    ],
)
async def test_an_answer_without_an_id_is_no_answer(
    okx: ScriptedOkx, venue: CcxtVenue, response: Callable[[], web.StreamResponse]
) -> None:
    okx.rest[BATCH] = answering(response)
    (one,) = await venue.create_orders([order(0)])
    assert not one.accepted
    assert type(one.error) is Ambiguous
    assert len(okx.bodies) == 1


async def test_a_lost_connection_or_a_timeout_is_in_doubt_and_sent_once(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    async def reset(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    for handler in (reset, never):
        okx.bodies.clear()
        okx.rest[BATCH] = handler
        answers = await venue.create_orders([order(0), order(1)])
        assert [type(one.error) for one in answers] == [Ambiguous, Ambiguous]
        assert len(okx.bodies) == 1


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (lambda: web.json_response({"code": "50011", "msg": "slow", "data": []}, status=429), Throttled),
        (lambda: web.Response(status=429, text="slow", headers={"Retry-After": "3"}), Throttled),
        (lambda: web.json_response({"code": "50001", "msg": "upgrade", "data": []}, status=503), Unavailable),
        (lambda: web.json_response({"code": "50113", "msg": "sign", "data": []}, status=401), Denied),
        (lambda: web.json_response({"code": "50102", "msg": "late", "data": []}, status=401), Denied),
    ],
)
async def test_a_request_refused_as_a_whole_refuses_every_row(
    okx: ScriptedOkx, venue: CcxtVenue, response: Callable[[], web.StreamResponse], expected: type[VenueError]
) -> None:
    okx.rest[BATCH] = answering(response)
    answers = await venue.create_orders([order(0), order(1)])
    assert [type(one.error) for one in answers] == [expected, expected]


async def test_the_hint_to_wait_is_read_from_the_answer_itself(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    okx.rest[BATCH] = answering(lambda: web.Response(status=429, text="slow", headers={"Retry-After": "3"}))
    (one,) = await venue.create_orders([order(0)])
    assert isinstance(one.error, Throttled)
    assert one.error.retry_after == 3.0


async def test_nothing_left_when_nobody_listens() -> None:
    okx = ScriptedOkx()
    async with contextlib.AsyncExitStack() as stack:
        async with okx.serving():
            venue = await stack.enter_async_context(okx.venue())
        for _ in range(5):  # until no connection is left from before, on which the order might have gone out
            with pytest.raises(Unavailable):
                await venue.fetch_balances()
        (one,) = await venue.create_orders([order(0)])
    assert type(one.error) is Unavailable


async def test_what_ccxt_refuses_to_send_is_rejected(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    too_small = OrderRequest(
        client_id("main", 1, 0, 0), "BTC/USDT", Side.BUY, OrderType.LIMIT, Decimal("0.000001"), Decimal(1)
    )
    (one,) = await venue.create_orders([too_small])
    assert type(one.error) is Rejected
    (one,) = await venue.create_orders([order(0, "DOGE/USDT")])
    assert type(one.error) is Rejected
    assert okx.bodies == []


async def test_our_own_cancellation_passes_through_and_the_order_was_sent(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    arrived = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.Event().wait()
        return web.Response()

    okx.rest[BATCH] = slow
    task = asyncio.create_task(venue.create_orders([order(0)]))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(okx.bodies) == 1


@pytest.mark.parametrize("count", [0, 21])
async def test_a_batch_has_its_limits(venue: CcxtVenue, count: int) -> None:
    with pytest.raises(ValueError, match="takes 1 to 20"):
        await venue.create_orders([order(number) for number in range(count)])
