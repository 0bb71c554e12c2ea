"""Each guard, with the failure that it prevents: first without, then with."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from typing import TYPE_CHECKING, Any

import ccxt.pro
import pytest
import pytest_asyncio
from ccxt.base.errors import AuthenticationError, NetworkError

from exchanges.ccxt_guards import (
    break_connections,
    freeze_garbage,
    guard_connections,
    guard_loop,
    require_client_id,
)
from tests.scripted_okx import KEY, ScriptedOkx, answer, bbo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

SOON = 0.3
SYMBOL = "BTC/USDT"


@pytest_asyncio.fixture
async def okx() -> AsyncIterator[ScriptedOkx]:
    async with ScriptedOkx().serving() as server:
        yield server


@pytest_asyncio.fixture
async def plain(okx: ScriptedOkx) -> AsyncIterator[Any]:
    """An unmodified ccxt client with markets loaded."""
    client = ccxt.pro.okx(
        {
            "apiKey": KEY.api_key,
            "secret": KEY.secret,
            "password": KEY.passphrase,
            "urls": {"api": okx.urls},
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )
    client.timeout_on_exit = 0
    await client.load_markets()
    yield client
    await client.close()


async def watch_next(client: Any) -> Any:
    async with asyncio.timeout(SOON):
        return await client.watch_bids_asks([SYMBOL])


async def first_update(client: Any, okx: ScriptedOkx) -> None:
    """Subscribe and receive one update."""
    waiting = asyncio.ensure_future(client.watch_bids_asks([SYMBOL]))
    await okx.subscribed.wait()
    await okx.sockets[-1].send_str(bbo("BTC-USDT", "1", "2"))
    await waiting


@pytest.mark.parametrize(
    "poison",
    [
        '{"arg":{"channel":"bbo-tbt"',
        # an order in a market that was listed after the markets were loaded
        '{"arg":{"channel":"orders"},"data":[{"instId":"NEW-USDT","ordId":"1","state":"live","sz":"1"}]}',
    ],
)
@pytest.mark.parametrize("guarded", [False, True])
async def test_one_bad_message_ends_a_stream_unless_guarded(
    okx: ScriptedOkx, plain: Any, poison: str, guarded: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="asyncio")  # the loop's own complaint about the unguarded case
    if guarded:
        guard_connections(plain)
    await first_update(plain, okx)
    waiting = asyncio.ensure_future(watch_next(plain))
    await asyncio.sleep(0)
    await okx.sockets[-1].send_str(poison)
    await okx.sockets[-1].send_str(bbo("BTC-USDT", "3", "4"))
    if guarded:
        assert (await waiting)[SYMBOL]["bid"] == 3.0
        assert plain.malformed == 1
    else:
        with pytest.raises(TimeoutError):
            await waiting
        assert not okx.sockets[-1].closed


@pytest.mark.parametrize("guarded", [False, True])
async def test_an_exception_in_the_loop_hangs_waiters_unless_guarded(
    okx: ScriptedOkx, plain: Any, guarded: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="asyncio")
    if guarded:
        remove = guard_loop(asyncio.get_running_loop(), plain)
    await first_update(plain, okx)
    waiting = asyncio.ensure_future(watch_next(plain))
    await asyncio.sleep(0)
    await okx.sockets[-1].send_str("{broken")
    with pytest.raises(NetworkError if guarded else TimeoutError):
        await waiting
    if guarded:
        remove()
        assert asyncio.get_running_loop().get_exception_handler() is None


async def test_a_frozen_stream_raises_nothing_until_it_is_broken_off(okx: ScriptedOkx, plain: Any) -> None:
    plain.streaming = {"keepAlive": 50, "maxPingPongMisses": 2}
    await first_update(plain, okx)
    with pytest.raises(TimeoutError):
        await watch_next(plain)  # pings are answered all the while
    waiting = asyncio.ensure_future(plain.watch_bids_asks([SYMBOL]))
    await asyncio.sleep(0)
    okx.subscribed.clear()
    break_connections(plain, "stale")
    with pytest.raises(NetworkError, match="stale"):
        await waiting
    await first_update(plain, okx)  # the next call dials and subscribes anew
    assert okx.connections == 2


async def test_closing_instead_would_cancel_the_waiter(okx: ScriptedOkx, plain: Any) -> None:
    await first_update(plain, okx)
    waiting = asyncio.ensure_future(plain.watch_bids_asks([SYMBOL]))
    await asyncio.sleep(0)
    (connection,) = plain.clients.values()
    await connection.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("broken_off", [False, True])
async def test_after_a_refused_login_ccxt_waits_for_ever_unless_broken_off(
    okx: ScriptedOkx, plain: Any, broken_off: bool
) -> None:
    logins = 0

    async def refuse_first(socket: web.WebSocketResponse, text: str) -> None:
        nonlocal logins
        if json.loads(text)["op"] == "login":
            logins += 1
            if logins == 1:
                await socket.send_json({"event": "error", "code": "60009", "msg": "Login failed."})
                return
        await okx.confirm(socket, text)

    okx.on_text = refuse_first
    with pytest.raises(AuthenticationError):
        await plain.watch_balance()
    if broken_off:
        break_connections(plain, "login refused", "/private")
    waiting = asyncio.ensure_future(plain.watch_balance())
    if broken_off:
        await okx.subscribed.wait()
        details = [{"ccy": "BTC", "cashBal": "1", "eq": "1", "availBal": "1"}]
        await okx.sockets[-1].send_json({"arg": {"channel": "account"}, "data": [{"details": details}]})
        assert (await waiting)["BTC"]["total"] == 1.0
    else:
        await asyncio.wait([waiting], timeout=SOON)
        assert not waiting.done()
        assert logins == 1
        waiting.cancel()


async def test_what_happens_while_away_is_never_told_again(okx: ScriptedOkx, plain: Any) -> None:
    """Why `Connected` must make the owner of a stream fetch: ccxt resubscribes, and nothing is replayed."""
    waiting = asyncio.ensure_future(plain.watch_orders())
    await okx.subscribed.wait()
    okx.subscribed.clear()
    await okx.sockets[-1].close()
    with pytest.raises(NetworkError):
        await waiting
    waiting = asyncio.ensure_future(plain.watch_orders())
    await okx.subscribed.wait()
    await asyncio.wait([waiting], timeout=SOON)
    assert not waiting.done()
    waiting.cancel()


async def test_ccxt_makes_up_an_id_per_call_so_ours_is_required(okx: ScriptedOkx, plain: Any) -> None:
    async def accept(_: web.Request) -> web.StreamResponse:
        return answer([{"clOrdId": "", "ordId": "v1", "sCode": "0", "sMsg": ""}])

    okx.rest["trade/batch-orders"] = accept
    for _ in range(2):
        await plain.create_order(SYMBOL, "limit", "buy", 1, 1)
    first, second = (body[0]["clOrdId"] for body in okx.bodies)
    assert first != second
    with pytest.raises(ValueError, match="never sent"):
        require_client_id("")
    assert require_client_id("ab" * 16) == "ab" * 16


def test_freezing_takes_what_lives_now_out_of_later_collections() -> None:
    collector_sees = len(gc.get_objects())
    try:
        freeze_garbage()
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < collector_sees / 10
    finally:
        gc.unfreeze()
