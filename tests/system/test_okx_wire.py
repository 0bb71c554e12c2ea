"""What the simulated OKX says on the wire: codes, fields, the WebSocket's manners."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio

from exchanges.simulator.core.instruments import InstrumentState
from tests.system.raw_okx import Wire, socket_to, wired
from tests.system.simulator import simulated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from exchanges.simulator.serve import RunningExchange


@pytest_asyncio.fixture
async def wire(exchange: RunningExchange) -> AsyncIterator[Wire]:
    async with wired(exchange) as opened:
        yield opened


def resting(exchange: RunningExchange) -> str:
    quote = exchange.exchange.quote("BTC-USDT")
    return exchange.exchange.instruments["BTC-USDT"].price_text(quote.bid_ticks * 95 // 100)


SWAP = {"instId": "BTC-USDT-SWAP", "tdMode": "cross"}
REFUSED = [
    ({"instId": "NOPE-USDT"}, "51001"),
    ({"instId": ""}, "51000"),
    ({"sz": ""}, "51000"),
    ({"sz": "abc"}, "51000"),
    ({"sz": "-1"}, "51000"),
    ({"sz": "0.01000000001"}, "51121"),
    ({"sz": "0.00000001"}, "51020"),
    ({"sz": "9"}, "51008"),
    ({"side": "sell"}, "51008"),
    ({"side": "hold"}, "51000"),
    ({"ordType": "iceberg"}, "51000"),
    ({"tdMode": "cross"}, "51010"),
    ({"tdMode": ""}, "51000"),
    ({"posSide": "long"}, "51000"),
    ({"px": ""}, "51204"),
    ({"px": "1.23456789"}, "51000"),
    ({"px": "999999"}, "51137"),
    ({"side": "sell", "px": "1"}, "51138"),
    ({"clOrdId": "not alphanumeric!"}, "51000"),
    ({"clOrdId": "x" * 33}, "51000"),
    ({"reduceOnly": True}, "51139"),
    ({**SWAP, "sz": "1", "reduceOnly": True}, "51169"),
    ({**SWAP, "sz": "0.001"}, "51020"),
    ({**SWAP, "sz": "1.005"}, "51121"),
    ({**SWAP, "sz": "1000000"}, "51008"),
]


@pytest.mark.parametrize(("change", "code"), REFUSED, ids=[f"{c}-{orjson.dumps(d).decode()}" for d, c in REFUSED])
async def test_an_order_is_refused_with_the_venues_code(
    exchange: RunningExchange, wire: Wire, change: dict[str, Any], code: str
) -> None:
    row = await wire.order(**({"px": resting(exchange)} | change))
    assert row["sCode"] == code
    assert row["sMsg"]
    assert row["ordId"] == ""
    assert exchange.exchange.open_orders("trading") == []


async def test_a_client_id_is_taken_while_its_order_is_open(exchange: RunningExchange, wire: Wire) -> None:
    price = resting(exchange)
    assert (await wire.order(px=price, clOrdId="one"))["sCode"] == "0"
    assert (await wire.order(px=price, clOrdId="one"))["sCode"] == "51016"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"OK_ACCESS_KEY": ""}, 401, "50103"),
        ({"OK_ACCESS_PASSPHRASE": ""}, 401, "50104"),
        ({"OK_ACCESS_SIGN": ""}, 401, "50106"),
        ({"OK_ACCESS_TIMESTAMP": ""}, 401, "50107"),
        ({"OK_ACCESS_TIMESTAMP": "yesterday"}, 401, "50112"),
        ({"OK_ACCESS_TIMESTAMP": "2020-01-01T00:00:00.000Z"}, 401, "50102"),
        ({"OK_ACCESS_KEY": "other"}, 401, "50111"),
        ({"OK_ACCESS_PASSPHRASE": "other"}, 401, "50105"),
        ({"OK_ACCESS_SIGN": "other"}, 401, "50113"),
    ],
)
async def test_a_request_that_is_not_signed_right_is_refused(
    wire: Wire, headers: dict[str, str], status: int, code: str
) -> None:
    got, body, _ = await wire.send("GET", "/api/v5/account/balance", seconds=5.0, **headers)
    assert (got, orjson.loads(body)["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("GET", "/api/v5/no/such", None, 404, "404"),
        ("POST", "/api/v5/market/ticker", "{}", 405, "50115"),
        ("POST", "/api/v5/trade/order", "", 400, "50000"),
        ("POST", "/api/v5/trade/order", "{", 400, "50002"),
        ("POST", "/api/v5/trade/order", "[]", 400, "50002"),
        ("POST", "/api/v5/trade/batch-orders", "[]", 400, "50000"),
        ("GET", "/api/v5/market/ticker", None, 400, "50014"),
        ("GET", "/api/v5/market/ticker?instId=NOPE", None, 200, "51001"),
        ("GET", "/api/v5/market/candles?instId=BTC-USDT&bar=7m", None, 400, "51000"),
        ("GET", "/api/v5/market/books?instId=BTC-USDT&sz=401", None, 400, "51000"),
        ("GET", "/api/v5/trade/order?instId=BTC-USDT", None, 200, "51003"),
        ("GET", "/api/v5/trade/orders-history?instType=NOPE", None, 400, "51000"),
        ("GET", "/api/v5/public/funding-rate?instId=BTC-USDT", None, 200, "51001"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    wire: Wire, method: str, target: str, body: str | None, status: int, code: str
) -> None:
    got, answer, _ = await wire.send(method, target, body)
    assert (got, orjson.loads(answer)["code"]) == (status, code)


async def test_a_batch_is_limited_to_twenty(exchange: RunningExchange, wire: Wire) -> None:
    row = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.001"}
    row["px"] = resting(exchange)
    assert (await wire.post("/api/v5/trade/batch-orders", [row] * 21))["code"] == "51111"
    some = await wire.post("/api/v5/trade/batch-orders", [row, row | {"sz": "99"}])
    assert (some["code"], [r["sCode"] for r in some["data"]]) == ("2", ["0", "51008"])
    none = await wire.post("/api/v5/trade/batch-orders", [row | {"sz": "99"}])
    assert (none["code"], none["msg"]) == ("1", "All operations failed")


async def test_rate_limits_are_kept_where_asked_for() -> None:
    async with simulated(markets=("BTC",), rate_limits=True) as exchange, wired(exchange) as wire:
        answers = [await wire.send("GET", "/api/v5/account/config") for _ in range(7)]
        assert [status for status, _, _ in answers] == [200] * 5 + [429] * 2
        assert orjson.loads(answers[-1][1])["code"] == "50011"
        assert (await wire.send("GET", "/api/v5/account/balance"))[0] == 200


# The fields that OKX documents for a row of each answer.
FIELDS = {
    "/api/v5/market/ticker?instId=BTC-USDT": (
        "instType instId last lastSz askPx askSz bidPx bidSz open24h high24h low24h volCcy24h vol24h sodUtc0 sodUtc8 ts"
    ),
    "/api/v5/public/funding-rate?instId=BTC-USDT-SWAP": (
        "formulaType fundingRate fundingTime impactValue instId instType interestRate maxFundingRate "
        "method minFundingRate nextFundingRate nextFundingTime premium settFundingRate settState ts"
    ),
    "/api/v5/public/instruments?instType=SWAP": (
        "auctionEndTime baseCcy ctMult ctType ctVal ctValCcy contTdSwTime expTime futureSettlement "
        "groupId instFamily instId instType lever listTime lotSz maxIcebergSz maxLmtAmt maxLmtSz "
        "maxMktAmt maxMktSz maxPlatOILmt maxStopSz maxTriggerSz maxTwapSz minSz optType openType "
        "preMktSwTime posLmtPct posLmtAmt quoteCcy tradeQuoteCcyList settleCcy state ruleType stk tickSz "
        "uly instIdCode upcChg"
    ),
    "/api/v5/account/balance": (
        "adjEq availEq borrowFroz details imr isoEq mgnRatio mmr notionalUsd notionalUsdForBorrow "
        "notionalUsdForFutures notionalUsdForOption notionalUsdForSwap ordFroz totalEq uTime upl delta "
        "deltaLever deltaNeutralStatus"
    ),
    "/api/v5/account/positions": (
        "adl availPos avgPx baseBal baseBorrowed baseInterest bePx bizRefId bizRefType cTime ccy "
        "clSpotInUseAmt closeOrderAlgo deltaBS deltaPA fee fundingFee gammaBS gammaPA hedgedPos idxPx imr "
        "instId instType interest last lever liab liabCcy liqPenalty liqPx margin markPx maxSpotInUseAmt "
        "mgnMode mgnRatio mmr notionalUsd optVal pendingCloseOrdLiabVal pnl pos posCcy posId posSide "
        "quoteBal quoteBorrowed quoteInterest realizedPnl spotInUseAmt spotInUseCcy thetaBS thetaPA "
        "tradeId uTime upl uplLastPx uplRatio uplRatioLastPx usdPx vegaBS vegaPA nonSettleAvgPx "
        "settledPnl"
    ),
    "/api/v5/trade/orders-history?instType=SWAP": (
        "accFillSz algoClOrdId algoId attachAlgoClOrdId attachAlgoOrds avgPx cTime cancelSource "
        "cancelSourceReason category ccy clOrdId fee feeCcy fillPx fillSz fillTime instId instType "
        "isTpLimit lever linkedAlgoOrd ordId ordType pnl posSide px pxType pxUsd pxVol quickMgnType "
        "rebate rebateCcy reduceOnly side slOrdPx slTriggerPx slTriggerPxType source state stpId stpMode "
        "sz tag tdMode tgtCcy tpOrdPx tpTriggerPx tpTriggerPxType tradeId tradeQuoteCcy uTime"
    ),
    "/api/v5/trade/fills-history?instType=SWAP": (
        "side fillSz fillPx fillPxVol fillFwdPx fee fillPnl ordId feeRate instType fillPxUsd instId "
        "clOrdId posSide billId subType fillMarkVol tag fillTime execType fillIdxPx tradeId fillMarkPx "
        "feeCcy ts tradeQuoteCcy"
    ),
    "/api/v5/account/bills-archive": (
        "bal balChg billId ccy clOrdId earnAmt earnApr execType fee fillFwdPx fillIdxPx fillMarkPx "
        "fillMarkVol fillPxUsd fillPxVol fillTime from instId instType interest mgnMode notes ordId pnl "
        "posBal posBalChg px subType sz tag to tradeId ts type"
    ),
}


async def test_rows_have_every_documented_field_as_text(wire: Wire) -> None:
    placed = await wire.order(**SWAP, side="buy", ordType="market", sz="2")
    assert placed["sCode"] == "0"
    for target, names in FIELDS.items():
        answer = await wire.get(target)
        assert answer["data"], target
        row = answer["data"][0]
        assert set(names.split()) <= set(row), target
        numbers = [name for name, value in row.items() if isinstance(value, float)]
        assert numbers == [], f"{target}: numbers are text at OKX"


async def test_the_orders_channel_has_every_documented_field(exchange: RunningExchange, wire: Wire) -> None:
    async with socket_to(exchange, "private", login=True) as socket:
        await socket.subscribe(channel="orders", instType="ANY")
        await wire.order(side="buy", ordType="market", sz="0.01", tgtCcy="base_ccy")
        filled = await socket.until(lambda m: "data" in m and m["data"][0]["state"] == "filled")
    assert filled["arg"] == {"channel": "orders", "instType": "ANY", "uid": exchange.credentials.uid}
    names = (
        "accFillSz algoClOrdId algoId amendResult amendSource avgPx cancelSource category ccy clOrdId "
        "code cTime execType fee feeCcy fillFee fillFeeCcy fillNotionalUsd fillPx fillSz fillPnl fillTime "
        "fillPxVol fillPxUsd fillMarkVol fillFwdPx fillMarkPx fillIdxPx instId instType lever msg "
        "notionalUsd ordId ordType pnl posSide px pxUsd pxVol pxType quickMgnType rebate rebateCcy "
        "reduceOnly reqId side attachAlgoClOrdId slOrdPx slTriggerPx slTriggerPxType source state stpId "
        "stpMode sz tag tdMode tgtCcy tpOrdPx tpTriggerPx tpTriggerPxType attachAlgoOrds tradeId "
        "tradeQuoteCcy lastPx uTime isTpLimit linkedAlgoOrd"
    )
    assert set(names.split()) <= set(filled["data"][0])


async def test_private_channels_begin_as_documented(exchange: RunningExchange, wire: Wire) -> None:
    await wire.order(**SWAP, side="buy", ordType="market", sz="2")
    async with socket_to(exchange, "private", login=True) as socket:
        acknowledged = await socket.subscribe(channel="account")
        assert acknowledged["event"] == "subscribe"
        assert len(acknowledged["connId"]) == 8
        counted = await socket.next()
        assert (counted["event"], counted["channel"], counted["connCount"]) == (
            "channel-conn-count",
            "account",
            "1",
        )
        account = await socket.next()
        assert (account["eventType"], account["curPage"], account["lastPage"]) == ("snapshot", 1, True)
        await socket.subscribe(channel="positions", instType="SWAP")
        positions = await socket.until(lambda m: m.get("eventType") == "snapshot")
        assert [row["pos"] for row in positions["data"]] == ["2"]
        await socket.subscribe(channel="balance_and_position")
        both = await socket.until(lambda m: "data" in m and "balData" in m["data"][0])
        assert both["data"][0]["eventType"] == "snapshot"
        assert {row["ccy"] for row in both["data"][0]["balData"]} == {"USDT"}


async def test_the_end_of_a_position_is_told(exchange: RunningExchange, wire: Wire) -> None:
    async with socket_to(exchange, "private", login=True) as socket:
        await socket.subscribe(channel="positions", instType="ANY", extraParams='{"updateInterval":"0"}')
        await wire.order(**SWAP, side="buy", ordType="market", sz="2")
        opened = await socket.until(lambda m: m.get("eventType") == "event_update")
        assert [row["pos"] for row in opened["data"]] == ["2"]
        await wire.post("/api/v5/trade/close-position", {"instId": "BTC-USDT-SWAP", "mgnMode": "cross"})
        closed = await socket.until(lambda m: "data" in m and m["data"][0]["pos"] == "0")
        assert closed["data"][0]["posId"] == opened["data"][0]["posId"]


async def test_the_fills_channel_tells_numeric_client_ids_only(exchange: RunningExchange, wire: Wire) -> None:
    async with socket_to(exchange, "private", login=True) as socket:
        await socket.subscribe(channel="fills", instId="BTC-USDT")
        for client_id in ("12345", "abc"):
            await wire.order(ordType="market", tgtCcy="base_ccy", clOrdId=client_id)
        told = [(await socket.until(lambda m: "data" in m))["data"][0]["clOrdId"] for _ in range(2)]
        assert told == ["12345", "0"]


async def test_an_amendment_is_told_with_its_request_id(exchange: RunningExchange, wire: Wire) -> None:
    async with socket_to(exchange, "private", login=True) as socket:
        await socket.subscribe(channel="orders", instType="SPOT")
        placed = await wire.order(px=resting(exchange))
        amend = {"instId": "BTC-USDT", "ordId": placed["ordId"], "newSz": "0.02", "reqId": "r1"}
        answer = await wire.post("/api/v5/trade/amend-order", amend)
        assert answer["data"][0]["reqId"] == "r1"
        told = await socket.until(lambda m: "data" in m and m["data"][0]["reqId"] == "r1")
        assert (told["data"][0]["amendResult"], told["data"][0]["sz"]) == ("0", "0.02")


async def test_pings_are_answered_in_text(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "public") as socket:
        await socket.socket.send_str("ping")
        assert await socket.next() == "pong"


@pytest.mark.parametrize(
    ("path", "message", "code"),
    [
        ("public", {"op": "dance"}, "60019"),
        ("public", {"op": "subscribe", "args": [{"channel": "nope", "instId": "BTC-USDT"}]}, "60018"),
        ("public", {"op": "subscribe", "args": [{"channel": "tickers", "instId": "NOPE"}]}, "60018"),
        ("public", {"op": "subscribe", "args": [{"channel": "candle1m", "instId": "BTC-USDT"}]}, "60018"),
        ("public", {"op": "subscribe", "args": [{"channel": "books-l2-tbt", "instId": "BTC-USDT"}]}, "64003"),
        ("public", {"op": "subscribe", "args": [{"channel": "orders", "instType": "ANY"}]}, "60008"),
        ("public", {"op": "subscribe", "args": "tickers"}, "60012"),
        ("public", {"op": "login", "args": [{}]}, "60028"),
        ("private", {"op": "subscribe", "args": [{"channel": "orders", "instType": "ANY"}]}, "60011"),
        ("private", {"op": "subscribe", "args": [{"channel": "tickers", "instId": "BTC-USDT"}]}, "60008"),
        ("private", {"id": "1", "op": "order", "args": [{}]}, "60011"),
        ("private", {"op": "login", "args": [{"apiKey": "a", "timestamp": "x"}]}, "60004"),
    ],
)
async def test_the_stream_complains_with_the_venues_code(
    exchange: RunningExchange, path: str, message: dict[str, Any], code: str
) -> None:
    async with socket_to(exchange, path) as socket:
        answer = await socket.ask(**message)
        assert (answer["event"], answer["code"]) == ("error", code)
        assert answer.get("id") == message.get("id")
        await socket.socket.send_str("ping")
        assert await socket.next() == "pong"


async def test_a_stale_login_is_refused(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "private") as socket:
        assert (await socket.login(timestamp=str(int(time.time()) - 40)))["code"] == "60006"
        assert (await socket.login(passphrase="other"))["code"] == "60024"
        assert (await socket.login())["event"] == "login"


async def test_operations_answer_row_by_row_with_times(exchange: RunningExchange) -> None:
    rows = [
        {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": sz, "px": resting(exchange)}
        for sz in ("0.01", "99")
    ]
    async with socket_to(exchange, "private", login=True) as socket:
        answer = await socket.ask(id="b1", op="batch-orders", args=rows)
        assert (answer["id"], answer["op"], answer["code"]) == ("b1", "batch-orders", "2")
        assert [row["sCode"] for row in answer["data"]] == ["0", "51008"]
        assert len(answer["inTime"]) == len(answer["outTime"]) == 16
        expired = await socket.ask(id="b2", op="order", expTime=str(int(time.time() * 1000) - 5), args=rows[:1])
        assert (expired["code"], expired["data"]) == ("50036", [])
        one = await socket.ask(id="b3", op="cancel-order", args=[{"instId": "BTC-USDT", "ordId": "1"}])
        assert (one["code"], one["msg"], one["data"][0]["sCode"]) == ("1", "", "51400")


async def test_the_book_chain_has_no_gap_for_a_second_subscriber(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "public") as early, socket_to(exchange, "public") as late:
        await early.subscribe(channel="books", instId="BTC-USDT")
        for _ in range(3):
            await early.until(lambda m: m.get("action") == "update")
        await late.subscribe(channel="books", instId="BTC-USDT")
        last = (await late.until(lambda m: m.get("action") == "snapshot"))["data"][0]
        assert last["prevSeqId"] == -1
        assert len(last["bids"]) == 400
        for _ in range(3):
            update = (await late.until(lambda m: m.get("action") == "update"))["data"][0]
            assert update["prevSeqId"] == last["seqId"] < update["seqId"]
            last = update


async def test_a_subscription_ends_on_request(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "public") as socket:
        await socket.subscribe(channel="bbo-tbt", instId="BTC-USDT")
        await socket.until(lambda m: "data" in m)
        ended = await socket.ask(op="unsubscribe", args=[{"channel": "bbo-tbt", "instId": "BTC-USDT"}])
        assert ended["event"] == "unsubscribe"
        assert await socket.silence(0.3)


async def test_candles_are_closed_once(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "business") as socket:
        await socket.subscribe(channel="candle1s", instId="BTC-USDT")
        rows: list[list[str]] = []
        async with asyncio.timeout(8):
            while sum(row[8] == "1" for row in rows) < 2:
                rows.append((await socket.until(lambda m: "data" in m))["data"][0])
        closed = [int(row[0]) for row in rows if row[8] == "1"]
        assert closed == sorted(set(closed))


async def test_instruments_are_told_of_when_they_change(exchange: RunningExchange) -> None:
    async with socket_to(exchange, "public") as socket:
        await socket.subscribe(channel="instruments", instType="SPOT")
        listed = await socket.until(lambda m: "data" in m)
        assert {row["instId"] for row in listed["data"]} == {"BTC-USDT", "ETH-USDT", "SOL-USDT"}
        exchange.exchange.set_state("SOL-USDT", InstrumentState.SUSPEND)
        changed = await socket.until(lambda m: "data" in m)
        assert [(row["instId"], row["state"]) for row in changed["data"]] == [("SOL-USDT", "suspend")]
