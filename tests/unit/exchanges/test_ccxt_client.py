"""The client's set-up: exact numbers, no secrets in sight, reads that fail plainly."""

from __future__ import annotations

import asyncio
import decimal
import logging
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import web

from exchanges.ccxt_client import Credentials, call, make_client
from exchanges.ccxt_venue import CcxtVenue
from exchanges.classify import Action
from exchanges.errors import Denied, Rejected, Unavailable
from exchanges.port import Capability, MarketKind
from tests.scripted_okx import KEY, ScriptedOkx, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRETS = (KEY.api_key, KEY.secret, KEY.passphrase)


@pytest_asyncio.fixture
async def okx() -> AsyncIterator[ScriptedOkx]:
    async with ScriptedOkx().serving() as server:
        yield server


@pytest_asyncio.fixture
async def venue(okx: ScriptedOkx) -> AsyncIterator[CcxtVenue]:
    async with okx.venue(timeout=0.5) as venue:
        yield venue


def test_an_unknown_exchange_is_named() -> None:
    for name in ("mtgox", "Exchange", "okx2"):
        with pytest.raises(ValueError, match=f"no exchange '{name}'"):
            CcxtVenue(name)


def test_credentials_are_never_shown() -> None:
    venue = CcxtVenue("okx", KEY)
    for shown in (repr(KEY), str(KEY), f"{KEY}", repr(venue), repr(venue.client), str(vars(KEY.__class__))):
        assert not any(secret in shown for secret in SECRETS)


async def test_no_secret_reaches_a_log_or_an_error(
    okx: ScriptedOkx, venue: CcxtVenue, caplog: pytest.LogCaptureFixture
) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        told = " ".join(f"{name}={value}" for name, value in request.headers.items())
        return web.Response(status=401, text=f"refused: {told} {KEY.secret} signature=abcdef0123")

    caplog.set_level(logging.DEBUG)
    okx.rest["account/balance"] = echo
    with pytest.raises(Denied) as caught:
        await venue.fetch_balances()
    assert "refused" in str(caught.value)
    assert caught.value.__cause__ is None
    for text in (str(caught.value), repr(caught.value), caplog.text):
        assert not any(secret in text for secret in SECRETS)
    assert "abcdef0123" not in str(caught.value)


async def test_markets_are_in_base_coin_and_exact(venue: CcxtVenue) -> None:
    spot, swap = venue.markets["BTC/USDT"], venue.markets["BTC/USDT:USDT"]
    assert (spot.kind, spot.tick_size, spot.lot_size, spot.min_amount) == (
        MarketKind.SPOT,
        Decimal("0.1"),
        Decimal("0.00001"),
        Decimal("0.0001"),
    )
    assert (swap.kind, swap.contract_size, swap.lot_size, swap.min_amount, swap.settle) == (
        MarketKind.SWAP,
        Decimal("0.01"),
        Decimal("0.0001"),
        Decimal("0.0001"),
        "USDT",
    )


async def test_figures_keep_every_digit(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    async def balance(_: web.Request) -> web.StreamResponse:
        details = [
            {"ccy": "BTC", "cashBal": "0.123456789012345678", "availBal": "0.1", "eq": "0.2"},
            {"ccy": "ETH", "cashBal": "0", "availBal": "0", "eq": "0"},
        ]
        return answer([{"details": details, "uTime": "1"}])

    okx.rest["account/balance"] = balance
    context = decimal.getcontext().copy()
    balances = await venue.fetch_balances()
    assert {coin: str(one.total) for coin, one in balances.items()} == {"BTC": "0.123456789012345678"}
    assert balances["BTC"].free == Decimal("0.1")
    assert decimal.getcontext().prec == context.prec


@pytest.mark.parametrize("text", ["<html>", "", '{"code":"0"', '{"code":"0","data":"x"}', "[1,2]"])
async def test_junk_is_no_list_of_orders(okx: ScriptedOkx, venue: CcxtVenue, text: str) -> None:
    async def junk(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text)

    for path in ("trade/order", "account/positions", "trade/orders-pending", "account/balance"):
        okx.rest[path] = junk
    with pytest.raises(Unavailable):
        await venue.fetch_order("BTC/USDT", "ab" * 16, None)
    with pytest.raises(Unavailable):
        await venue.fetch_open_orders()
    with pytest.raises(Unavailable):
        await venue.fetch_positions()
    with pytest.raises(Unavailable):
        await venue.fetch_balances()


async def test_an_answer_about_another_order_is_not_ours(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    async def other(_: web.Request) -> web.StreamResponse:
        row = {"instId": "BTC-USDT", "instType": "SPOT", "ordId": "v", "clOrdId": "cd" * 16, "side": "buy"}
        return answer([{**row, "ordType": "limit", "sz": "1", "px": "1", "state": "live", "cTime": "1"}])

    okx.rest["trade/order"] = other
    with pytest.raises(Unavailable, match="another order"):
        await venue.fetch_order("BTC/USDT", "ab" * 16, None)


async def test_longs_and_shorts_held_apart_are_refused_at_the_start(okx: ScriptedOkx) -> None:
    async def config(_: web.Request) -> web.StreamResponse:
        return answer([{"posMode": "long_short_mode"}])

    async def balance(_: web.Request) -> web.StreamResponse:
        return answer([{"details": []}])

    okx.rest |= {"account/config": config, "account/balance": balance}
    async with okx.venue() as venue:
        with pytest.raises(Rejected, match="net mode"):
            await venue.open()


async def test_a_market_that_is_not_there_is_said_so(venue: CcxtVenue) -> None:
    with pytest.raises(Rejected, match="no market DOGE/USDT"):
        await venue.fetch_quotes(["DOGE/USDT"])


def test_what_a_venue_can_do_is_known_before_it_is_asked() -> None:
    okx, deribit = CcxtVenue("okx"), CcxtVenue("deribit")
    assert Capability.LOOKUP_BY_CLIENT_ID | Capability.DEAD_MAN_SWITCH in okx.capabilities
    assert okx.batch_limit == 20
    assert not deribit.capabilities & (Capability.POSITION_STREAM | Capability.BATCH_CREATE)
    assert deribit.batch_limit == 1


async def test_closing_twice_is_harmless(okx: ScriptedOkx) -> None:
    async with okx.venue() as venue:
        await venue.close()


def test_retries_are_off_and_the_context_var_is_ours() -> None:
    client = make_client("okx", Credentials("k", "s"), urls=None, timeout=1.0, keep_alive=2.0, options={"x": 1})
    assert client.options["maxRetriesOnFailure"] == 0
    assert client.options["x"] == 1
    assert client.timeout == 1000
    assert client.streaming["keepAlive"] == 2000


async def test_concurrent_calls_do_not_mix_up_their_answers(okx: ScriptedOkx, venue: CcxtVenue) -> None:
    async def slow_then_refuse(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return web.Response(status=429, text="slow", headers={"Retry-After": "7"})

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, text="slow", headers={"Retry-After": "1"})

    okx.rest |= {"account/balance": slow_then_refuse, "account/positions": refuse}
    first, second = await asyncio.gather(venue.fetch_balances(), venue.fetch_positions(), return_exceptions=True)
    waits = [getattr(error, "retry_after", None) for error in (first, second)]
    assert waits == [7.0, 1.0]


async def test_a_wait_that_ccxt_cancels_is_a_failure_and_not_our_cancellation(
    okx: ScriptedOkx, venue: CcxtVenue
) -> None:
    waiting = asyncio.create_task(call(venue.client, Action.READ, venue.client.watch_bids_asks(["BTC/USDT"])))
    await okx.subscribed.wait()
    await next(iter(venue.client.clients.values())).close()
    with pytest.raises(Unavailable, match="gave the request up"):
        await waiting
    waiting = asyncio.create_task(call(venue.client, Action.READ, asyncio.Event().wait()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
