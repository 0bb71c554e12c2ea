"""The unmodified ccxt client against the simulated exchange: every unified method that the daemon uses."""

from __future__ import annotations

import asyncio
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ccxt
import pytest

from tests.system.simulator import admin, connected

if TYPE_CHECKING:
    from exchanges.simulator.serve import RunningExchange

SPOT, SWAP = "BTC/USDT", "ETH/USDT:USDT"
PATIENCE = 5.0


async def soon(awaitable: Any) -> Any:
    return await asyncio.wait_for(awaitable, PATIENCE)


async def eventually(watch: Any, condition: Any) -> Any:
    """Await a watch method until its answer meets a condition."""

    async def loop() -> Any:
        while True:
            answer = await watch()
            if condition(answer):
                return answer

    return await soon(loop())


async def far_price(okx: Any, symbol: str) -> float:
    """Return a buying price that will not be met, inside the venue's band."""
    ticker = await okx.fetch_ticker(symbol)
    return float(okx.price_to_precision(symbol, ticker["bid"] * 0.95))


async def test_markets_have_the_rules_that_the_venue_keeps(okx: Any) -> None:
    assert set(okx.markets) == {f"{c}/USDT{tail}" for c in ("BTC", "ETH", "SOL") for tail in ("", ":USDT")}
    spot, swap = okx.markets[SPOT], okx.markets[SWAP]
    assert spot["spot"]
    assert spot["active"]
    assert spot["precision"]["price"] > 0
    assert spot["limits"]["amount"]["min"] > 0
    assert swap["linear"]
    assert swap["settle"] == "USDT"
    assert swap["contractSize"] > 0
    assert set(okx.currencies) >= {"BTC", "ETH", "SOL", "USDT"}


async def test_time_and_status(okx: Any) -> None:
    assert abs(await okx.fetch_time() - okx.milliseconds()) < 1_000
    assert (await okx.fetch_status())["status"] == "ok"


async def test_tickers_and_books_are_not_crossed(okx: Any) -> None:
    tickers = await okx.fetch_tickers([SPOT, "ETH/USDT"])
    assert set(tickers) == {SPOT, "ETH/USDT"}
    for ticker in tickers.values():
        assert ticker["bid"] < ticker["ask"]
        assert ticker["low"] <= ticker["last"] <= ticker["high"]
    book = await okx.fetch_order_book(SPOT, 50)
    assert len(book["bids"]) == len(book["asks"]) == 50
    assert book["bids"][0][0] < book["asks"][0][0]


async def test_bars_reach_back_without_gaps(okx: Any) -> None:
    bars = await okx.fetch_ohlcv(SPOT, "1m", limit=200)
    times = [bar[0] for bar in bars]
    assert len(bars) == 200
    assert {b - a for a, b in itertools.pairwise(times)} == {60_000}
    for _, opened, high, low, closed, volume in bars:
        assert low <= min(opened, closed) <= max(opened, closed) <= high
        assert volume >= 0
    since = times[50]
    page = await okx.fetch_ohlcv(SPOT, "1m", since=since, limit=20)
    assert [bar[0] for bar in page] == times[50:70]


async def test_funding_of_swaps(okx: Any) -> None:
    rates = await okx.fetch_funding_rates([SWAP])
    rate = await okx.fetch_funding_rate(SWAP)
    assert rates[SWAP]["fundingTimestamp"] == rate["fundingTimestamp"] > okx.milliseconds()
    assert abs(rate["fundingRate"]) <= 0.0075
    assert isinstance(await okx.fetch_funding_rate_history(SWAP), list)


async def test_fees_are_those_that_fills_pay(okx: Any) -> None:
    fee = await okx.fetch_trading_fee(SPOT)
    order = await okx.create_order(SPOT, "market", "buy", "0.01", None, {"tgtCcy": "base_ccy"})
    trades = await okx.fetch_order_trades(order["id"], SPOT)
    assert trades
    for trade in trades:
        assert trade["fee"]["currency"] == "BTC"
        assert trade["fee"]["cost"] == pytest.approx(trade["amount"] * fee["taker"], rel=1e-12)


async def test_balance_tells_cash_and_holds(okx: Any) -> None:
    price = await far_price(okx, SPOT)
    order = await okx.create_order(SPOT, "limit", "buy", 0.1, price)
    balance = (await okx.fetch_balance())["USDT"]
    assert balance["total"] == 100_000
    assert balance["used"] == pytest.approx(0.1 * price)
    await okx.cancel_order(order["id"], SPOT)
    assert (await okx.fetch_balance())["USDT"]["free"] == 100_000


async def test_an_order_is_found_by_either_id_in_every_state(okx: Any) -> None:
    price = await far_price(okx, SPOT)
    (placed,) = await okx.create_orders(
        [
            {
                "symbol": SPOT,
                "type": "limit",
                "side": "buy",
                "amount": "0.01",
                "price": str(price),
                "params": {"clientOrderId": "looked0up0by0this"},
            }
        ]
    )
    by_client_id = await okx.fetch_order("", SPOT, {"clientOrderId": "looked0up0by0this"})
    assert by_client_id["id"] == placed["id"]
    assert by_client_id["status"] == "open"
    assert [o["id"] for o in await okx.fetch_open_orders()] == [placed["id"]]
    await okx.cancel_order("", SPOT, {"clientOrderId": "looked0up0by0this"})
    assert (await okx.fetch_order(placed["id"], SPOT))["status"] == "canceled"
    assert not await okx.fetch_open_orders()
    assert [o["id"] for o in await okx.fetch_canceled_orders(SPOT)] == [placed["id"]]
    with pytest.raises(ccxt.OrderNotFound, match="51400"):
        await okx.cancel_order(placed["id"], SPOT)
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        await okx.fetch_order("", SPOT, {"clientOrderId": "never0seen"})


async def test_a_batch_answers_row_by_row(okx: Any) -> None:
    price = await far_price(okx, SPOT)
    row = {"symbol": SPOT, "type": "limit", "side": "buy", "amount": "0.01", "price": str(price)}
    rows = [
        {**row, "params": {"clientOrderId": "first"}},
        {**row, "params": {"clientOrderId": "first"}},
        {**row, "amount": "100000", "params": {"clientOrderId": "third"}},
        {**row, "params": {"clientOrderId": "fourth"}},
    ]
    answers = await okx.create_orders(rows)
    assert [answer["info"]["sCode"] for answer in answers] == ["0", "51016", "51008", "0"]
    assert [bool(answer["id"]) for answer in answers] == [True, False, False, True]
    await okx.cancel_orders([answers[0]["id"], answers[3]["id"]], SPOT)
    assert not await okx.fetch_open_orders(SPOT)


@pytest.mark.parametrize(
    ("size", "factor", "error", "code"),
    [("10", 0.95, ccxt.InsufficientFunds, "51008"), ("0.01", 1.5, ccxt.InvalidOrder, "51137")],
)
async def test_refusals_come_as_the_venue_codes_them(
    okx: Any, size: str, factor: float, error: type[Exception], code: str
) -> None:
    ticker = await okx.fetch_ticker(SPOT)
    price = okx.price_to_precision(SPOT, ticker["bid"] * factor)
    with pytest.raises(error, match=code):
        await okx.create_order(SPOT, "limit", "buy", size, price)
    assert not await okx.fetch_open_orders()


async def test_amending_keeps_the_order(okx: Any) -> None:
    price = await far_price(okx, SPOT)
    order = await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    await okx.edit_order(order["id"], SPOT, "limit", "buy", 0.02, price)
    amended = await okx.fetch_order(order["id"], SPOT)
    assert amended["amount"] == 0.02
    assert amended["status"] == "open"


async def test_a_market_buy_sized_in_quote_coin_spends_no_more(okx: Any) -> None:
    order = await okx.create_market_buy_order_with_cost(SPOT, 1_000)
    done = await okx.fetch_order(order["id"], SPOT)
    assert done["status"] in {"closed", "canceled"}
    assert 0 < done["cost"] <= 1_000
    held = (await okx.fetch_balance())["BTC"]["total"]
    assert Decimal(str(held)) == Decimal(str(done["filled"])) - Decimal(str(done["fee"]["cost"]))


async def test_post_only_and_ioc_end_without_resting(okx: Any) -> None:
    ticker = await okx.fetch_ticker(SPOT)
    taking = okx.price_to_precision(SPOT, ticker["ask"] * 1.01)
    order = await okx.create_order(SPOT, "limit", "buy", 0.01, taking, {"postOnly": True})
    assert (await okx.fetch_order(order["id"], SPOT))["status"] == "canceled"
    order = await okx.create_order(SPOT, "limit", "buy", 0.01, taking, {"timeInForce": "IOC"})
    done = await okx.fetch_order(order["id"], SPOT)
    assert done["filled"] == 0.01
    assert done["status"] == "closed"


async def test_a_swap_position_opens_and_closes(okx: Any) -> None:
    await okx.set_leverage(5, SWAP, {"marginMode": "cross"})
    assert (await okx.fetch_leverage(SWAP))["longLeverage"] == 5
    await okx.create_order(SWAP, "market", "sell", 3)
    (position,) = await okx.fetch_positions([SWAP])
    assert position["side"] == "short"
    assert position["contracts"] == 3
    assert position["leverage"] == 5
    assert position["liquidationPrice"] > position["markPrice"]
    with pytest.raises(ccxt.ExchangeError, match="51170"):
        await okx.create_order(SWAP, "market", "sell", 1, None, {"reduceOnly": True})
    await okx.create_order(SWAP, "market", "buy", 3, None, {"reduceOnly": True})
    assert not await okx.fetch_positions([SWAP])


async def test_a_position_is_closed_in_one_call(okx: Any) -> None:
    await okx.create_order(SWAP, "market", "buy", 2)
    await okx.close_position(SWAP, None, {"marginMode": "cross"})
    assert not await okx.fetch_positions()


async def test_the_ledger_explains_the_balance(okx: Any, exchange: RunningExchange) -> None:
    await admin(exchange, "POST", "/deposit", {"currency": "USDT", "amount": "250"})
    await admin(exchange, "POST", "/withdraw", {"currency": "USDT", "amount": "100"})
    await okx.create_order(SPOT, "market", "buy", "0.01", None, {"tgtCcy": "base_ccy"})
    # ccxt's own fetch_ledger asks for one kind of instrument, and transfers have none.
    ledger = (await okx.private_get_account_bills())["data"]
    assert {row["type"] for row in ledger} == {"1", "2"}
    assert {row["type"] for row in await okx.fetch_ledger()} == {"trade"}
    balance = await okx.fetch_balance()
    for coin in ("USDT", "BTC"):
        moved = sum((Decimal(row["balChg"]) for row in ledger if row["ccy"] == coin), Decimal(0))
        assert moved == Decimal(str(balance[coin]["total"]))
    assert [d["amount"] for d in await okx.fetch_deposits("USDT")] == [250]
    assert [w["amount"] for w in await okx.fetch_withdrawals("USDT")] == [100]


async def test_the_dead_man_switch_is_armed_and_disarmed(okx: Any) -> None:
    armed = await okx.cancel_all_orders_after(60_000)
    assert int(armed["data"][0]["triggerTime"]) > okx.milliseconds() + 50_000
    disarmed = await okx.cancel_all_orders_after(0)
    assert disarmed["data"][0]["triggerTime"] == "0"


async def test_closed_orders_and_fills_are_paged(okx: Any) -> None:
    for _ in range(3):
        await okx.create_order(SPOT, "market", "buy", "0.001", None, {"tgtCcy": "base_ccy"})
    everything = await okx.fetch_my_trades(SPOT)
    assert len({trade["id"] for trade in everything}) == len(everything) >= 3
    newest = await okx.fetch_my_trades(SPOT, None, 1)
    older = await okx.fetch_my_trades(SPOT, None, 100, {"after": newest[0]["info"]["billId"]})
    assert len(newest) + len(older) == len(everything)
    assert len(await okx.fetch_closed_orders(SPOT)) == 3


async def test_market_streams(okx: Any) -> None:
    quotes = await soon(okx.watch_bids_asks([SPOT]))
    assert quotes[SPOT]["bid"] < quotes[SPOT]["ask"]
    tickers = await soon(okx.watch_tickers([SPOT, SWAP]))
    assert set(tickers) <= {SPOT, SWAP}
    assert await soon(okx.watch_trades(SPOT))
    assert await soon(okx.watch_ohlcv(SPOT, "1m"))
    await soon(okx.un_watch_tickers([SPOT, SWAP]))


async def test_the_book_stream_stays_what_rest_tells(okx: Any, exchange: RunningExchange) -> None:
    for _ in range(10):
        book = await soon(okx.watch_order_book(SPOT))
        assert len(book["bids"]) == len(book["asks"]) == 400
        assert book["bids"][0][0] < book["asks"][0][0]
    exchange.prices.freeze("*")
    truth: Any = exchange.exchange.book("BTC-USDT")
    book = await eventually(lambda: okx.watch_order_book(SPOT), lambda b: b["nonce"] >= truth.sequence)
    truth = exchange.exchange.book("BTC-USDT")
    rules = exchange.exchange.instruments["BTC-USDT"]
    if book["nonce"] == truth.sequence:
        assert [level[0] for level in book["bids"]] == [float(rules.price(x.ticks)) for x in truth.bids]


async def test_account_streams_tell_of_orders_fills_balances_and_positions(okx: Any) -> None:
    assert (await soon(okx.watch_balance()))["USDT"]["total"] == 100_000
    streams = [
        asyncio.create_task(eventually(watch, bool))
        for watch in (okx.watch_orders, okx.watch_my_trades, okx.watch_positions, okx.watch_balance)
    ]
    await asyncio.sleep(0.2)
    placed = await okx.create_order(SWAP, "market", "buy", 2)
    orders, fills, positions, balance = await soon(asyncio.gather(*streams))
    assert placed["id"] in {order["id"] for order in orders}
    assert {fill["order"] for fill in fills} == {placed["id"]}
    assert {position["contracts"] for position in positions} == {2}
    assert 0 < balance["USDT"]["free"] < balance["USDT"]["total"]


async def test_orders_go_over_the_stream_too(okx: Any) -> None:
    price = await far_price(okx, SPOT)
    placed = await soon(okx.create_order_ws(SPOT, "limit", "buy", 0.01, price))
    await soon(okx.edit_order_ws(placed["id"], SPOT, "limit", "buy", 0.02, price))
    assert (await okx.fetch_order(placed["id"], SPOT))["amount"] == 0.02
    await soon(okx.cancel_order_ws(placed["id"], SPOT))
    assert (await okx.fetch_order(placed["id"], SPOT))["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        await soon(okx.cancel_order_ws(placed["id"], SPOT))
    with pytest.raises(ccxt.InsufficientFunds):
        await soon(okx.create_order_ws(SPOT, "limit", "buy", 1_000, price))


async def test_a_bad_subscription_is_an_error_with_the_venue_code(okx: Any) -> None:
    okx.markets["BTC/USDT"]["id"] = "NOPE-USDT"
    with pytest.raises(ccxt.BadRequest, match="60018"):
        await soon(okx.watch_ticker(SPOT))


@pytest.mark.parametrize(
    ("field", "code"), [("apiKey", "50111"), ("secret", "50113"), ("password", "50105")], ids=lambda v: v
)
async def test_bad_credentials_are_refused_over_rest(exchange: RunningExchange, field: str, code: str) -> None:
    async with connected(exchange) as client:
        setattr(client, field, "wrong")
        with pytest.raises(ccxt.AuthenticationError, match=code):
            await client.fetch_balance()


@pytest.mark.parametrize(("field", "code"), [("apiKey", "60005"), ("secret", "60007"), ("password", "60024")])
async def test_bad_credentials_are_refused_over_the_stream(exchange: RunningExchange, field: str, code: str) -> None:
    async with connected(exchange) as client:
        setattr(client, field, "wrong")
        with pytest.raises(ccxt.AuthenticationError, match=code):
            await soon(client.watch_orders())


async def test_a_request_whose_deadline_has_passed_is_not_carried_out(okx: Any) -> None:
    price = await far_price(okx, SPOT)
    okx.headers = {"expTime": str(okx.milliseconds() - 1)}
    with pytest.raises(ccxt.ExchangeError, match="50036"):
        await okx.create_order(SPOT, "limit", "buy", 0.01, price)
    okx.headers = {}
    assert not await okx.fetch_open_orders()
