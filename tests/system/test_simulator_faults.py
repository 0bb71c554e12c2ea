"""Each fault that the simulated exchange can be told to commit, seen from outside."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import ccxt
import orjson
import pytest
import pytest_asyncio

from exchanges.simulator.faults import Fault, FaultKind, Faults
from tests.system.raw_okx import Wire, socket_to, wired
from tests.system.simulator import admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchanges.simulator.serve import RunningExchange

SPOT = "BTC/USDT"
PLACING = "POST /api/v5/trade/*order*"
ORDER = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.01"}


@pytest_asyncio.fixture
async def wire(exchange: RunningExchange) -> AsyncIterator[Wire]:
    async with wired(exchange) as opened:
        yield opened


@pytest_asyncio.fixture
async def price(exchange: RunningExchange) -> str:
    """Give a buying price that will not be met."""
    quote = exchange.exchange.quote("BTC-USDT")
    return exchange.exchange.instruments["BTC-USDT"].price_text(quote.bid_ticks * 95 // 100)


def placed(exchange: RunningExchange) -> int:
    """Return how many orders the venue really has."""
    return len(exchange.exchange.open_orders("trading"))


async def test_a_late_answer_comes_after_the_deed(exchange: RunningExchange, wire: Wire, price: str) -> None:
    exchange.faults.add(Fault(FaultKind.LATE, PLACING, seconds=0.3))
    started = time.monotonic()
    answer = asyncio.create_task(wire.order(px=price))
    await asyncio.sleep(0.15)
    assert placed(exchange) == 1
    assert (await answer)["sCode"] == "0"
    assert time.monotonic() - started >= 0.3


async def test_a_late_request_is_carried_out_although_the_client_has_gone(
    exchange: RunningExchange, wire: Wire, price: str
) -> None:
    exchange.faults.add(Fault(FaultKind.LATE, PLACING, accepted=False, seconds=0.3))
    with pytest.raises(TimeoutError):
        await wire.send("POST", "/api/v5/trade/order", ORDER | {"px": price}, seconds=0.1)
    assert placed(exchange) == 0
    await asyncio.sleep(0.4)
    assert placed(exchange) == 1


async def test_a_late_request_past_its_deadline_is_not_carried_out(
    exchange: RunningExchange, wire: Wire, price: str
) -> None:
    exchange.faults.add(Fault(FaultKind.LATE, PLACING, accepted=False, seconds=0.3))
    deadline = str(int(time.time() * 1000) + 100)
    answer = await wire.post("/api/v5/trade/order", ORDER | {"px": price}, expTime=deadline)
    assert answer["code"] == "50036"
    assert placed(exchange) == 0


async def test_silence_after_accepting(exchange: RunningExchange, okx: Any, price: str) -> None:
    exchange.faults.add(Fault(FaultKind.SILENT, PLACING))
    okx.timeout = 300
    with pytest.raises(ccxt.RequestTimeout):
        await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    assert placed(exchange) == 1


async def test_silence_without_accepting(exchange: RunningExchange, okx: Any, price: str) -> None:
    exchange.faults.add(Fault(FaultKind.SILENT, PLACING, accepted=False))
    okx.timeout = 300
    with pytest.raises(ccxt.RequestTimeout):
        await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    assert placed(exchange) == 0


@pytest.mark.parametrize(("accepted", "orders"), [(True, 1), (False, 0)])
async def test_a_dropped_connection(
    exchange: RunningExchange, okx: Any, price: str, accepted: bool, orders: int
) -> None:
    exchange.faults.add(Fault(FaultKind.CUT, PLACING, accepted=accepted))
    with pytest.raises(ccxt.NetworkError):
        await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    assert placed(exchange) == orders


@pytest.mark.parametrize(("accepted", "orders"), [(True, 1), (False, 0)])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error(
    exchange: RunningExchange, wire: Wire, price: str, status: int, accepted: bool, orders: int
) -> None:
    exchange.faults.add(Fault(FaultKind.STATUS, PLACING, accepted=accepted, status=status))
    got, body, _ = await wire.send("POST", "/api/v5/trade/order", ORDER | {"px": price})
    assert got == status
    assert b"<html>" in body
    assert placed(exchange) == orders


async def test_the_venues_own_error_after_accepting(exchange: RunningExchange, okx: Any, price: str) -> None:
    exchange.faults.add(Fault(FaultKind.CODE, PLACING, accepted=True, code="50004"))
    with pytest.raises(ccxt.RequestTimeout, match="50004"):
        await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    assert placed(exchange) == 1


async def test_insufficient_funds_on_command(exchange: RunningExchange, okx: Any, price: str) -> None:
    exchange.faults.add(Fault(FaultKind.CODE, PLACING, code="51008", times=1))
    with pytest.raises(ccxt.InsufficientFunds, match="51008"):
        await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    assert placed(exchange) == 0
    await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    assert placed(exchange) == 1


@pytest.mark.parametrize(
    ("seconds", "code", "hint", "body"),
    [
        (7.0, "50011", "7", b'{"code":"50011","msg":"Too Many Requests","data":[]}'),
        (0.0, "50011", None, b'{"code":"50011","msg":"Too Many Requests","data":[]}'),
        (7.0, "", "7", b""),
        (0.0, "", None, b""),
    ],
)
async def test_throttling_with_and_without_a_hint(
    exchange: RunningExchange, wire: Wire, seconds: float, code: str, hint: str | None, body: bytes
) -> None:
    exchange.faults.add(Fault(FaultKind.THROTTLE, "GET /api/v5/account/*", seconds=seconds, code=code))
    status, got, headers = await wire.send("GET", "/api/v5/account/balance")
    assert status == 429
    assert headers.get("Retry-After") == hint
    assert got == body


async def test_maintenance(exchange: RunningExchange, okx: Any) -> None:
    exchange.faults.add(Fault(FaultKind.MAINTENANCE))
    with pytest.raises(ccxt.OnMaintenance, match="50001"):
        await okx.fetch_ticker(SPOT)
    exchange.faults.clear()
    assert await okx.fetch_ticker(SPOT)


@pytest.mark.parametrize("kind", [FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.EMPTY])
async def test_a_junk_answer_hides_an_accepted_order(
    exchange: RunningExchange, wire: Wire, price: str, kind: FaultKind
) -> None:
    exchange.faults.add(Fault(kind, PLACING))
    status, body, _ = await wire.send("POST", "/api/v5/trade/order", ORDER | {"px": price})
    assert status == 200
    if kind is FaultKind.EMPTY:
        assert orjson.loads(body)["data"] == []
    else:
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)
    assert placed(exchange) == 1


async def test_lists_lose_their_tail(exchange: RunningExchange, okx: Any, price: str) -> None:
    for _ in range(4):
        await okx.create_order(SPOT, "limit", "buy", 0.001, price)
    await okx.create_order("ETH/USDT:USDT", "market", "buy", 1)
    await okx.create_order("BTC/USDT:USDT", "market", "buy", 1)
    exchange.faults.add(Fault(FaultKind.PARTIAL, "GET /api/v5/trade/orders-pending", keep=0.5))
    exchange.faults.add(Fault(FaultKind.PARTIAL, "GET /api/v5/account/positions", keep=0.5))
    exchange.faults.add(Fault(FaultKind.PARTIAL, "GET /api/v5/trade/fills*", keep=0.0))
    assert len(await okx.fetch_open_orders()) == 2
    assert len(await okx.fetch_positions()) == 1
    assert await okx.fetch_my_trades("ETH/USDT:USDT") == []
    exchange.faults.clear()
    assert len(await okx.fetch_open_orders()) == 4
    assert len(await okx.fetch_positions()) == 2


async def test_an_order_is_invisible_for_a_while(exchange: RunningExchange, okx: Any, price: str) -> None:
    exchange.faults.add(Fault(FaultKind.HIDDEN, "GET /api/v5/trade/*", seconds=0.4))
    await okx.create_order(SPOT, "limit", "buy", 0.01, price, {"clientOrderId": "hidden"})
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        await okx.fetch_order("", SPOT, {"clientOrderId": "hidden"})
    assert await okx.fetch_open_orders() == []
    await asyncio.sleep(0.5)
    assert (await okx.fetch_order("", SPOT, {"clientOrderId": "hidden"}))["status"] == "open"


async def test_a_skewed_clock_refuses_honest_timestamps(exchange: RunningExchange, okx: Any) -> None:
    exchange.faults.add(Fault(FaultKind.SKEW, seconds=45))
    assert await okx.fetch_time() - okx.milliseconds() == pytest.approx(45_000, abs=500)
    with pytest.raises(ccxt.InvalidNonce, match="50102"):
        await okx.fetch_balance()
    exchange.faults.clear()
    assert await okx.fetch_balance()


async def test_a_stalled_stream_says_nothing_on_a_living_connection(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "public") as socket:
        await socket.subscribe(channel="bbo-tbt", instId="BTC-USDT")
        await socket.until(lambda m: "data" in m)
        exchange.faults.add(Fault(FaultKind.STALL, "CHANNEL bbo-tbt BTC-USDT"))
        assert await socket.silence(0.3)
        await socket.socket.send_str("ping")
        assert await socket.next() == "pong"


async def test_a_dropped_stream_closes_its_connection_only(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "public") as hit, socket_to(exchange, "public") as spared:
        await hit.subscribe(channel="bbo-tbt", instId="BTC-USDT")
        await spared.subscribe(channel="bbo-tbt", instId="ETH-USDT")
        exchange.faults.add(Fault(FaultKind.DISCONNECT, "CHANNEL bbo-tbt BTC-USDT", times=1))
        async with asyncio.timeout(3):
            while await hit.next() is not None:
                pass
        assert await spared.until(lambda m: "data" in m)


async def test_doubled_messages(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "public") as socket:
        exchange.faults.add(Fault(FaultKind.DUPLICATE, "CHANNEL trades *"))
        await socket.subscribe(channel="trades", instId="BTC-USDT")
        await socket.until(lambda m: "data" in m)
        trade = exchange.exchange.last_trade_id("BTC-USDT")
        fresh = await socket.until(lambda m: int(m["data"][0]["tradeId"]) > trade)
        assert await socket.next() == fresh


async def test_reordered_messages_break_the_books_chain(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "public") as socket:
        exchange.faults.add(Fault(FaultKind.REORDER, "CHANNEL books *"))
        await socket.subscribe(channel="books", instId="BTC-USDT")
        await socket.until(lambda m: m.get("action") == "snapshot")
        first = (await socket.next())["data"][0]
        second = (await socket.next())["data"][0]
        assert second["seqId"] == first["prevSeqId"]


async def test_ccxt_notices_a_reordered_book(exchange: RunningExchange, okx: Any) -> None:
    await okx.watch_order_book(SPOT)
    exchange.faults.add(Fault(FaultKind.REORDER, "CHANNEL books *"))

    async def follow() -> None:
        while True:
            await okx.watch_order_book(SPOT)

    with pytest.raises(ccxt.InvalidNonce):
        await asyncio.wait_for(follow(), 5)


async def test_an_operation_over_the_stream_is_never_answered(exchange: RunningExchange, okx: Any, price: str) -> None:
    exchange.faults.add(Fault(FaultKind.SILENT, "OP *"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(okx.create_order_ws(SPOT, "limit", "buy", 0.01, price), 0.5)
    assert placed(exchange) == 1


async def test_an_operation_over_the_stream_is_refused_on_command(
    exchange: RunningExchange, okx: Any, price: str
) -> None:
    exchange.faults.add(Fault(FaultKind.CODE, "OP *", code="51008"))
    with pytest.raises(ccxt.InsufficientFunds):
        await asyncio.wait_for(okx.create_order_ws(SPOT, "limit", "buy", 0.01, price), 2)
    assert placed(exchange) == 0


async def test_a_connection_is_cut_after_an_operation(exchange: RunningExchange, okx: Any, price: str) -> None:
    exchange.faults.add(Fault(FaultKind.CUT, "OP *"))
    with pytest.raises(ccxt.NetworkError):
        await asyncio.wait_for(okx.create_order_ws(SPOT, "limit", "buy", 0.01, price), 2)
    assert placed(exchange) == 1


async def test_a_market_is_suspended_and_resumed(exchange: RunningExchange, okx: Any, price: str) -> None:
    await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    await admin(exchange, "POST", "/market", {"instrument": "BTC-USDT", "state": "suspend"})
    assert placed(exchange) == 0
    with pytest.raises(ccxt.ExchangeError, match="51022"):
        await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    assert (await okx.load_markets(True))[SPOT]["active"] is False
    await admin(exchange, "POST", "/market", {"instrument": "BTC-USDT", "state": "live"})
    await okx.create_order(SPOT, "limit", "buy", 0.01, price)


async def test_a_markets_precision_changes(exchange: RunningExchange, okx: Any, price: str) -> None:
    change = {"instrument": "BTC-USDT", "lot_size": "0.01", "min_size": "0.01"}
    await admin(exchange, "POST", "/market", change)
    with pytest.raises(ccxt.InvalidOrder, match="51121"):
        await okx.create_order(SPOT, "limit", "buy", "0.015", price)
    assert (await okx.load_markets(True))[SPOT]["precision"]["amount"] == 0.01


async def test_prices_are_shocked_set_and_frozen(exchange: RunningExchange, okx: Any) -> None:
    before = (await okx.fetch_ticker(SPOT))["bid"]
    await admin(exchange, "POST", "/price", {"series": "BTC-USDT", "shock": -0.2})
    await admin(exchange, "POST", "/price", {"series": "ETH-USDT", "set": 1234.0})
    await admin(exchange, "POST", "/price", {"series": "*", "freeze": True})
    await asyncio.sleep(0.1)
    assert (await okx.fetch_ticker(SPOT))["bid"] == pytest.approx(before * 0.8, rel=0.01)
    assert (await okx.fetch_ticker("ETH/USDT"))["bid"] == pytest.approx(1234, rel=0.001)


async def test_trades_by_hand_and_the_truth(exchange: RunningExchange, okx: Any) -> None:
    row = await admin(exchange, "POST", "/manual-trade", {"instrument": "BTC-USDT", "side": "buy", "size": "0.01"})
    assert row["tag"] == "manual"
    (trade,) = {t["order"] for t in await okx.fetch_my_trades(SPOT)}
    assert trade == row["ordId"]
    assert [order["ordId"] for order in await admin(exchange, "GET", "/orders")] == [row["ordId"]]
    assert {fill["ordId"] for fill in await admin(exchange, "GET", "/fills")} == {row["ordId"]}
    assert (await admin(exchange, "GET", "/balances"))["BTC"]["cash"] != "0"


async def test_faults_over_the_admin_endpoint(exchange: RunningExchange, okx: Any) -> None:
    made = await admin(
        exchange, "POST", "/faults", {"kind": "maintenance", "where": "GET /api/v5/market/*", "times": 1}
    )
    with pytest.raises(ccxt.OnMaintenance):
        await okx.fetch_ticker(SPOT)
    assert await okx.fetch_ticker(SPOT)
    (report,) = await admin(exchange, "GET", "/faults")
    assert (report["id"], report["hits"], report["fault"]["kind"]) == (made["id"], 1, "maintenance")
    await admin(exchange, "DELETE", f"/faults/{made['id']}")
    assert await admin(exchange, "GET", "/faults") == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "kind is missing"),
        ({"kind": "gremlin"}, "gremlin"),
        ({"kind": "late", "secs": 1}, "unknown field 'secs'"),
        ({"kind": "late", "seconds": "long"}, "seconds must be float"),
        ({"kind": "late", "probability": 2}, "between 0 and 1"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(
    exchange: RunningExchange, body: dict[str, Any], sentence: str
) -> None:
    async with aiohttp.ClientSession() as session, session.post(exchange.admin + "/faults", json=body) as answer:
        assert answer.status == 400
        assert sentence in (await answer.json())["error"]


def test_a_fault_hits_so_often_after_so_many_with_such_a_chance() -> None:
    faults = Faults(seed=3)
    faults.add(Fault(FaultKind.STALL, "CHANNEL *", skip=2, times=3))
    hits = [faults.hit("CHANNEL books BTC-USDT", {FaultKind.STALL}) is not None for _ in range(7)]
    assert hits == [False, False, True, True, True, False, False]
    faults.clear()
    faults.add(Fault(FaultKind.STALL, probability=0.25))
    share = sum(faults.hit("CHANNEL x", {FaultKind.STALL}) is not None for _ in range(4_000)) / 4_000
    assert share == pytest.approx(0.25, abs=0.02)
    again = Faults(seed=3)
    again.add(Fault(FaultKind.STALL, probability=0.25))
    once_more = Faults(seed=3)
    once_more.add(Fault(FaultKind.STALL, probability=0.25))
    assert [again.hit("CHANNEL x", {FaultKind.STALL}) for _ in range(50)] == [
        once_more.hit("CHANNEL x", {FaultKind.STALL}) for _ in range(50)
    ]


def test_a_pattern_chooses_where_a_fault_hits() -> None:
    faults = Faults()
    faults.add(Fault(FaultKind.LATE, "* /api/v5/trade/order"))
    assert faults.hit("POST /api/v5/trade/order", {FaultKind.LATE})
    assert not faults.hit("POST /api/v5/trade/orders-pending", {FaultKind.LATE})
    assert not faults.hit("POST /api/v5/trade/order", {FaultKind.CUT})
